package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
)

func TestAResolvedIssueRegressesOnceHoweverManySeeIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(sample(0, "fixed"))
	for round := int64(1); round <= 3; round++ {
		w.exec("update issues set status = 1, substatus = 0")
		var changes atomic.Int64
		var g errgroup.Group
		for range 6 {
			st := pgtest.Open(t, w.url)
			g.Go(func() error {
				done, err := st.RecordEvents(t.Context(), samples(3, "fixed"))
				changes.Add(int64(done.Changes))
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		if changes.Load() != 1 {
			t.Errorf("want one change, got %d", changes.Load())
		}
		w.want(1, "select count(*) from issues where status = 0 and substatus = 6 and version = $1", round+1)
		w.want(round, "select count(*) from activities where type = 'set_regression'")
		w.want(round, "select count(*) from alert_outbox where change->>'kind' = 'regressed'")
	}
}

func TestAnOlderReleaseDoesNotRegress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old, fixed, newer := sample(0, "versions"), sample(1, "versions"), sample(2, "versions")
	old.Release, fixed.Release, newer.Release = "shop@1.9.0", "shop@1.10.0", "shop@1.11.0"
	w.record(old, newer)
	w.fold()
	w.exec(`update issues set status = 1, substatus = 0, resolution = '{"in_release": "shop@1.10.0"}'`)
	again := sample(3, "versions")
	again.Release = "shop@1.9.0"
	none := sample(4, "versions")
	none.Release = ""
	if done := w.record(again, none); done.Changes != 0 || done.Stored != 2 {
		t.Errorf("older and absent releases: want no change, got %+v", done)
	}
	w.want(1, "select status from issues")
	if done := w.record(fixed); done.Changes != 1 {
		t.Errorf("the very release: want a change, got %+v", done)
	}
	w.want(1, "select count(*) from issues where status = 0 and substatus = 6 and resolution is null and times_seen = 5")
	if got := w.text("select data->>'resolved_in_version' from activities"); got != "shop@1.10.0" {
		t.Errorf("want the release it was resolved in, got %q", got)
	}
}

func TestASnoozeEndsWithTheEventThatMeetsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(samples(2, "snoozed")...)
	w.exec(`update issues set status = 2, substatus = 4, snooze = '{"count": 5, "base_count": 2}'`)
	w.record(samples(4, "snoozed")...)
	w.want(2, "select status from issues")
	w.record(samples(3, "snoozed")...)
	w.want(1, "select count(*) from issues where status = 0 and substatus = 2 and snooze is null and times_seen = 9")
	w.want(1, "select count(*) from activities where type = 'set_escalating'")
}

func TestIssuesSettleAfterAWeek(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(sample(0, "settles"))
	for _, c := range []struct {
		after time.Duration
		want  issue.Substatus
	}{{issue.SettleAfter - time.Minute, issue.New}, {issue.SettleAfter + time.Minute, issue.Ongoing}, {2*issue.SettleAfter + time.Hour, issue.Ongoing}} {
		if err := w.st.MoveIssues(t.Context(), noon.Add(c.after)); err != nil {
			t.Fatal(err)
		}
		w.want(int64(c.want), "select substatus from issues")
	}
	w.want(1, "select count(*) from activities where type = 'auto_set_ongoing'")
}

func TestSpreadingIsToldOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`insert into alert_rules (project_id, id, name, rule) values (1, 1, 'spread', '{"conditions":[{"kind":"new_release"}],"match":"any","actions":[]}')`)
	spreads := func() int64 {
		return w.int("select count(*) from alert_outbox where change->>'kind' in ('new_in_release', 'new_in_environment')")
	}
	at := func(n int, release, environment string) postgres.Record {
		r := sample(n, "spreads")
		r.Release, r.Environment, r.OccurredAt = release, environment, noon.Add(time.Duration(n)*time.Minute)
		return r
	}
	w.record(at(0, "shop@1", "production"), at(1, "shop@1", "production"))
	w.fold()
	if n := spreads(); n != 0 {
		t.Errorf("the first release and environment: want nothing told, got %d", n)
	}
	w.record(at(2, "shop@2", "production"), at(3, "shop@2", "production"), at(4, "shop@2", ""))
	w.fold()
	w.want(1, "select count(*) from alert_outbox where change->>'kind' = 'new_in_release' and change->>'release' = 'shop@2' and (change->>'new_release')::bool and change->>'organization' = 'acme' and length(change->>'event_id') = 32")
	w.record(at(5, "shop@2", "staging"), at(6, "shop@1", "staging"))
	w.record(at(7, "shop@2", "staging"))
	w.fold()
	w.want(1, "select count(*) from alert_outbox where change->>'kind' = 'new_in_environment' and change->>'environment' = 'staging' and not change ? 'new_release'")
	if n := spreads(); n != 2 {
		t.Errorf("want 2 told in all, got %d", n)
	}
	w.exec("update issues set status = 2, substatus = 5")
	w.record(at(8, "shop@3", "staging"))
	w.fold()
	if n := spreads(); n != 2 {
		t.Errorf("an archived issue: want no more told, got %d", n)
	}
	w.exec("delete from alert_rules")
	w.exec("update issues set status = 0, substatus = 3")
	w.record(at(9, "shop@4", "production"))
	w.fold()
	if n := spreads(); n != 2 {
		t.Errorf("a project without rules: want no more told, got %d", n)
	}
}

func TestChangesAreRelayedUntilTheyAreTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 5 {
		w.record(sample(i, fmt.Sprint("relayed ", i)))
	}
	var got []string
	take := 2
	away := errors.New("the queue is away")
	publish := func(_ context.Context, c issue.Change) error {
		if len(got) == take {
			return away
		}
		got = append(got, c.ShortID)
		return nil
	}
	if n, err := w.st.RelayChanges(t.Context(), publish); n != 2 || !errors.Is(err, away) {
		t.Errorf("want 2 and the failure, got %d, %v", n, err)
	}
	w.want(3, "select count(*) from alert_outbox")
	take = 100
	if n, err := w.st.RelayChanges(t.Context(), publish); n != 3 || err != nil {
		t.Errorf("want the other 3, got %d, %v", n, err)
	}
	if fmt.Sprint(got) != "[SHOP-1 SHOP-2 SHOP-3 SHOP-4 SHOP-5]" {
		t.Errorf("want them in order, got %v", got)
	}
	outbox, facts, err := w.st.Waiting(t.Context())
	if outbox != 0 || facts <= 0 || err != nil {
		t.Errorf("want only facts waiting, got %v, %v, %v", outbox, facts, err)
	}
}

func TestOutcomesAreAppliedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	count := func(reason string, n int64) outcome.Count {
		return outcome.Count{Quantity: n, Key: outcome.Key{Project: 1, KeyID: 9, Category: outcome.Error, Kind: outcome.RateLimited, Reason: reason, Minute: noon.Add(7 * time.Second)}}
	}
	one := outcome.Batch{ID: [16]byte{1}, Counts: []outcome.Count{count("a", 3), count("b", 4), count("a", 1)}}
	two := outcome.Batch{ID: [16]byte{2}, Counts: []outcome.Count{count("b\x00", 10)}}
	var g errgroup.Group
	for i := range 10 {
		g.Go(func() error {
			batches := []outcome.Batch{one, two, one}
			if i%2 == 0 {
				batches = []outcome.Batch{two, one}
			}
			return w.st.ApplyOutcomes(t.Context(), batches)
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	w.want(4, "select quantity from outcomes where reason = 'a' and minute = $1", noon)
	w.want(14, "select quantity from outcomes where reason = 'b'")
	if err := w.st.ForgetOutcomeBatches(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	w.want(0, "select count(*) from outcome_batches")
	if err := w.st.ForgetCounts(t.Context(), noon.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	w.want(0, "select count(*) from outcomes")
}

func TestALeaseHasOneHolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	take := func(st *postgres.Store, holder string, ttl time.Duration) (postgres.Lease, bool) {
		l, ok, err := st.AcquireLease(t.Context(), "job", holder, ttl)
		if err != nil {
			t.Fatal(err)
		}
		return l, ok
	}
	a, ok := take(w.st, "a", time.Hour)
	if !ok || a.Fence != 1 {
		t.Fatalf("want the first lease, got %+v, %v", a, ok)
	}
	if _, ok := take(w.st, "b", time.Hour); ok {
		t.Error("want b refused while a holds it")
	}
	if again, ok := take(w.st, "a", time.Hour); !ok || again.Fence != a.Fence {
		t.Errorf("want a's lease extended, got %+v, %v", again, ok)
	}
	if err := w.st.ReleaseLease(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	b, ok := take(w.st, "b", -time.Second)
	if !ok || b.Fence != 2 {
		t.Errorf("want b to hold it with the next fence, got %+v, %v", b, ok)
	}
	if c, ok := take(w.st, "a", time.Hour); !ok || c.Fence != 3 {
		t.Errorf("want an expired lease to be free, got %+v, %v", c, ok)
	}
	if err := w.st.ReleaseLease(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if _, ok := take(w.st, "b", time.Hour); ok {
		t.Error("a lost lease was released for its new holder")
	}
}
