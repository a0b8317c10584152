package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// refuse makes the database fail at rows of a table for which a condition holds, as a constraint that
// nobody thought of would, and counts how often it did.
func (w *world) refuse(ctx context.Context, table, when string) error {
	_, err := w.db.Exec(ctx, fmt.Sprintf(`
		create sequence chaos_refusals;
		create function chaos_refuse() returns trigger language plpgsql security definer as $$ begin
			perform nextval('public.chaos_refusals');
			raise exception 'a defect made by chaos';
		end $$;
		create trigger chaos_refuse before insert on %s for each row when (%s) execute function chaos_refuse()`, table, when))
	return err
}

// mend undoes refuse and tells how often it struck.
func (w *world) mend(ctx context.Context) (refusals int, err error) {
	err = w.db.QueryRow(ctx, "select case when is_called then last_value else 0 end from chaos_refusals").Scan(&refusals)
	_, failed := w.db.Exec(ctx, "drop function chaos_refuse() cascade; drop sequence chaos_refusals")
	return refusals, errors.Join(err, failed)
}

// cli runs a command of tocsin that asks the running installation.
func (w *world) cli(ctx context.Context, args ...string) (string, error) {
	out, err := w.Tocsin(ctx, append(args, "--url", w.URL, "--token", w.AuthToken)...)
	return string(out), err
}

// post sends one event that is an issue of its own, under a title, and enters it.
func (w *world) post(ctx context.Context, id, title string) error {
	event := fmt.Sprintf(`{"event_id":%q,"level":"error","platform":"other","message":%q,"fingerprint":["chaos",%q]}`, id, title, id)
	status, err := w.load.post(ctx, fmt.Appendf(nil, "{\"event_id\":%q}\n{\"type\":\"event\",\"length\":%d}\n%s\n", id, len(event), event))
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("an event was answered %d: %w", status, err)
	}
	w.load.ledger.add(id)
	return nil
}

// oneBad sends a hundred events that are worked on together, one of which the database refuses: the others
// are stored at once, it alone is dead-lettered, and stored when it is replayed after the defect is mended.
func oneBad(ctx context.Context, w *world, rng *rand.Rand) error {
	rate := w.load.rate.Swap(1)
	defer w.load.rate.Store(rate)
	const events = 100
	if err := w.refuse(ctx, "issues", "new.title = 'chaos bad'"); err != nil {
		return err
	}
	if _, err := w.cli(ctx, "queue", "pause", "events", "--reason", "chaos fills a batch"); err != nil {
		return err
	}
	ids := make([]string, events)
	sending := new(errgroup.Group) // at once, so that they come in few packs
	for i := range events {
		title := fmt.Sprint("chaos good ", i)
		if i == events/3 {
			title = "chaos bad"
		}
		ids[i] = fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64())
		sending.Go(func() error { return w.post(ctx, ids[i], title) })
	}
	if err := sending.Wait(); err != nil {
		return err
	}
	began := time.Now()
	if _, err := w.cli(ctx, "queue", "resume", "events"); err != nil {
		return err
	}
	if err := w.await(ctx, 30*time.Second, func() error { return w.missingAre(ctx, ids, 1) }); err != nil {
		return err
	}
	took := time.Since(began)
	stop, err := w.hurry(ctx)
	if err != nil {
		return err
	}
	err = w.await(ctx, time.Minute, func() error { return w.letters(ctx, "a defect made by chaos", 1) })
	stop()
	refusals, failed := w.mend(ctx)
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	w.note = fmt.Sprintf("the 99 beside it were stored in %.1f s, the bad one dead-lettered after %d refusals of the database and stored when replayed", took.Seconds(), refusals)
	return w.replay(ctx)
}

// missingAre is nil when n of the ids are not stored.
func (w *world) missingAre(ctx context.Context, ids []string, n int) error {
	got, err := w.missing(ctx, ids)
	if err == nil && got != n {
		err = fmt.Errorf("%d events are not stored, want %d", got, n)
	}
	return err
}

// letterGroup is dead letters of one error.
type letterGroup struct {
	ID, Queue, Pattern string
	Count              int
}

// letterGroups asks tocsin dlq list.
func (w *world) letterGroups(ctx context.Context) ([]letterGroup, error) {
	out, err := w.cli(ctx, "dlq", "list", "--json")
	if err != nil {
		return nil, err
	}
	var list struct{ Groups []letterGroup }
	err = json.Unmarshal([]byte(out), &list)
	return list.Groups, err
}

// deadLetters is how many there are of events.
func (w *world) deadLetters(ctx context.Context) (n int, err error) {
	groups, err := w.letterGroups(ctx)
	for _, g := range groups {
		if g.Queue == "events" {
			n += g.Count
		}
	}
	return n, err
}

// letters is nil when there are at least n dead letters of an error.
func (w *world) letters(ctx context.Context, text string, n int) error {
	groups, err := w.letterGroups(ctx)
	if err != nil {
		return err
	}
	got := 0
	for _, g := range groups {
		if strings.Contains(g.Pattern, text) {
			got += g.Count
		}
	}
	if got < n {
		return fmt.Errorf("%d dead letters of %q, want %d: %v", got, text, n, groups)
	}
	return nil
}

// replay puts all dead letters of events back except those that no release can read.
func (w *world) replay(ctx context.Context) error {
	groups, err := w.letterGroups(ctx)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if g.Queue != "events" || !strings.Contains(g.Pattern, "defect made by chaos") && !strings.Contains(g.Pattern, "panic") {
			continue
		}
		if out, err := w.cli(ctx, "dlq", "replay", "--group", g.ID); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	return nil
}

// badRelease lets every event fail, as a bad deployment does: the queue is paused before much is
// dead-lettered, and after the way back everything is stored.
func badRelease(ctx context.Context, w *world, _ *rand.Rand) error {
	if err := w.refuse(ctx, "event_seen", "true"); err != nil {
		return err
	}
	stop, err := w.hurry(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	err = w.await(ctx, 3*time.Minute, func() error {
		out, err := w.cli(ctx, "queue", "list")
		if err == nil && !strings.Contains(out, "paused by processor") {
			err = fmt.Errorf("the queue is not paused:\n%s", out)
		}
		return err
	})
	stop()
	took := time.Since(began)
	dead := 0
	if out, failed := w.cli(ctx, "dlq", "list", "--all", "--queue", "events"); failed == nil {
		dead = strings.Count(out, "a defect made by chaos")
	}
	if _, failed := w.mend(ctx); failed != nil || err != nil {
		return errors.Join(err, failed)
	}
	if _, err := w.cli(ctx, "queue", "resume", "events"); err != nil {
		return err
	}
	if err := w.replay(ctx); err != nil {
		return err
	}
	if stop, err = w.hurry(ctx); err != nil {
		return err
	}
	defer stop()
	w.note = fmt.Sprintf("paused by the processor after %.1f s and %d dead letters (delays between tries cut short); all stored after mend, resume and replay", took.Seconds(), dead)
	return w.await(ctx, 2*time.Minute, func() error { return w.missingAre(ctx, w.load.ledger.recent(), 0) })
}

// killedResolving kills the web service while it resolves a thousand issues: all are or none is, and the
// history of each says so; asked again, it finishes.
func killedResolving(ctx context.Context, w *world, rng *rand.Rand) error {
	rate := w.load.rate.Swap(1)
	defer w.load.rate.Store(rate)
	const issues = 1000
	if err := w.news(ctx, rng, issues); err != nil {
		return err
	}
	var ids []int64
	if err := w.await(ctx, time.Minute, func() error {
		err := w.db.QueryRow(ctx, "select coalesce(array_agg(id), '{}') from (select id from issues where title like 'chaos %' and status = 0 order by id desc limit $1) i", issues).Scan(&ids)
		if err == nil && len(ids) < issues {
			err = fmt.Errorf("%d of %d issues are there", len(ids), issues)
		}
		return err
	}); err != nil {
		return err
	}
	list := make([]string, issues)
	for i, id := range ids {
		list[i] = "id=" + strconv.FormatInt(id, 10)
	}
	path := "/api/0/projects/" + w.Organization + "/" + w.Project + "/issues/?" + strings.Join(list, "&")
	all, none := 0, 0
	for range w.o.kills {
		answered := make(chan error, 1)
		go func() {
			answered <- w.api(ctx, http.MethodPut, path, map[string]string{"status": "resolved"}, &struct{}{})
		}()
		time.Sleep(time.Duration(rng.Int64N(int64(300 * time.Millisecond))))
		w.kill("web")
		err := <-answered
		if err := errors.Join(w.start("web"), w.Ready(ctx, "web")); err != nil {
			return err
		}
		var resolved, noted int
		if err := w.db.QueryRow(ctx, `select count(*) filter (where status = 1), count(*) filter (where status = 1 and exists (select from activities a where a.project_id = i.project_id and a.issue_id = i.id and a.type like 'set_resolved%'))
			from issues i where id = any($1)`, ids).Scan(&resolved, &noted); err != nil {
			return err
		}
		switch {
		case resolved == issues && noted == issues:
			all++
		case resolved == 0 && err != nil:
			none++
		default:
			return fmt.Errorf("%d of %d issues are resolved, %d with a note of it, and the answer was: %w", resolved, issues, noted, err)
		}
		for _, status := range []string{"resolved", "unresolved"} { // asked again, and back
			if err := w.api(ctx, http.MethodPut, path, map[string]string{"status": status}, &struct{}{}); err != nil {
				return err
			}
		}
	}
	w.note = fmt.Sprintf("of %d kills %d found all resolved, %d none; a second request resolved all each time", w.o.kills, all, none)
	return nil
}
