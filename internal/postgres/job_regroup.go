package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/grouping"
	"github.com/tocsin-dev/tocsin/internal/issue"
)

// regrouped is a stored event whose hashes are others under the rules in force.
type regrouped struct {
	place  storedPlace
	event  *event.Event
	title  string
	hashes []grouping.Hash
}

// regroupStep groups some stored events by the rules now in force and moves them where new events
// like them would go.
func (w *jobWork) regroupStep(ctx context.Context) error {
	if settled, err := w.settle(ctx); err != nil || !settled {
		return err
	}
	before := w.state
	again := func(err error) error {
		w.state = before
		return err
	}
	settings, err := w.st.Settings(ctx, w.Project)
	if err != nil {
		return err
	}
	g, err := grouping.ReadSettings(settings.Grouping)
	if err != nil {
		return err
	}
	places, err := w.walk(ctx, w.chunk(readEvents))
	if err != nil {
		return err
	}
	if len(places) == 0 {
		return w.commit(ctx, func(pgx.Tx) error { return w.finish(map[string]any{"events": w.Done, "moved": w.state.Block}) })
	}
	events, err := w.decode(ctx, places)
	if err != nil {
		return again(err)
	}
	plan := grouping.Compile(g)
	fresh := make(map[blockKey]map[int16][]byte)
	var list []regrouped
	for i, ev := range events {
		if ev == nil {
			continue
		}
		r := plan.Assign(ev, time.Now())
		if shortHash(r.Hashes[0]) == places[i].Hash {
			continue
		}
		list = append(list, regrouped{places[i], ev, r.Title, r.Hashes})
		replace(fresh, places[i], ev.AppendJSON(nil))
	}
	blocks, err := w.replacePayloads(ctx, fresh)
	if err != nil {
		return again(err)
	}
	err = w.commit(ctx, func(tx pgx.Tx) error {
		w.Done += int64(len(places))
		if len(list) == 0 {
			return nil
		}
		if err := blocks.write(ctx, tx, w.Project); err != nil {
			return err
		}
		return w.regroup(ctx, tx, list)
	})
	if err != nil {
		return again(err)
	}
	return nil
}

const sqlOwnersOfHashes = `
	select h.hash, h.issue_id from issue_hashes h where h.project_id = @project and (h.hash = any(@hashes::bytea[]) or h.issue_id = any(@issues::bigint[]))`

// regroup assigns events to issues the way recording does, and moves them with their counts.
func (w *jobWork) regroup(ctx context.Context, tx pgx.Tx, list []regrouped) error {
	var hashes [][]byte
	var from []int64
	for _, e := range list {
		from = append(from, e.place.Issue)
		for i := range e.hashes {
			hashes = append(hashes, e.hashes[i][:])
		}
	}
	owners, full := make(map[grouping.Hash]int64), make(map[int64][16]byte)
	rows, _ := tx.Query(ctx, sqlOwnersOfHashes, pgx.StrictNamedArgs{"project": w.Project, "hashes": hashes, "issues": from}) // ForEachRow reports a failed Query
	var hash []byte
	var id int64
	_, err := pgx.ForEachRow(rows, []any{&hash, &id}, func() error {
		owners[grouping.Hash(hash)] = id
		full[shortHash([16]byte(hash))] = [16]byte(hash)
		return nil
	})
	if err != nil {
		return err
	}
	moves, made, claims := w.assign(list, owners)
	if _, err := lockForJob(ctx, tx, w.Project, issuesOf(moves)); err != nil {
		return err
	}
	for _, m := range made {
		if err := w.makeIssue(ctx, tx, m); err != nil {
			return err
		}
	}
	if err := w.claim(ctx, tx, claims); err != nil {
		return err
	}
	counts := make(map[[16]byte]*hashFacts)
	for i, m := range moves {
		at := m.place.OccurredAt.UnixMicro()
		if old, known := full[m.place.Hash]; known {
			count(counts, old, span{-1, at, at}, "")
		}
		count(counts, list[i].hashes[0], span{1, at, at}, m.place.UserKey)
		if m.to != m.place.Issue {
			w.state.Block++
		}
	}
	if err := w.move(ctx, tx, moves); err != nil {
		return err
	}
	if err := foldHashes(ctx, tx, w.Project, counts); err != nil {
		return err
	}
	touched := issuesOf(moves)
	if err := w.forgetEmpty(ctx, tx, touched); err != nil {
		return err
	}
	if err := recount(ctx, tx, w.Project, touched); err != nil {
		return err
	}
	return w.redirectEmpty(ctx, tx, moves)
}

func count(counts map[[16]byte]*hashFacts, hash [16]byte, s span, user string) {
	h := counts[hash]
	if h == nil {
		h = &hashFacts{users: map[int64]struct{}{}}
		counts[hash] = h
	}
	h.span = h.sum(s)
	if user != "" {
		h.users[userHash(user)] = struct{}{}
	}
}

// newborn is an issue that regrouping makes of an event.
type newborn struct {
	id int64
	regrouped
}

// assign finds the issue of each event, and the issues and hashes that have to be made for it.
func (w *jobWork) assign(list []regrouped, owners map[grouping.Hash]int64) (moves []transfer, made []newborn, claims []claim) {
	for _, e := range list {
		to := int64(0)
		for _, h := range e.hashes {
			if to = owners[h]; to != 0 {
				break
			}
		}
		if to < 0 { // discarded; what is stored stays where it is
			to = e.place.Issue
		} else if to == 0 {
			to = NewID()
			made = append(made, newborn{to, e})
		}
		for _, h := range e.hashes {
			if owners[h] == 0 {
				owners[h] = to
				claims = append(claims, claim{hashRef{w.Project, h}, to})
			}
		}
		moves = append(moves, transfer{place: e.place, event: e.event, to: to, hash: shortHash(e.hashes[0])})
	}
	return moves, made, claims
}

const sqlMakeIssue = `
	insert into issues (project_id, id, number, type, level, platform, logger, title, culprit, metadata, status, substatus, priority,
		is_unhandled, first_seen, last_seen, times_seen, first_release, last_release)
	values (@project, @id, @number, @type, @level, @platform, @logger, @title, @culprit, @metadata, @status, @substatus, @priority,
		@unhandled, @at, @at, 0, nullif(@release::text, ''), nullif(@release::text, ''))`

func (w *jobWork) makeIssue(ctx context.Context, tx pgx.Tx, m newborn) error {
	var number int64
	if err := tx.QueryRow(ctx, sqlNextNumber, pgx.StrictNamedArgs{"project": w.Project}).Scan(&number); err != nil {
		return err
	}
	rec := w.words(m.event)
	if m.title != "" {
		rec.Title = m.title
		rec.Sanitize()
	}
	metadata, err := json.Marshal(rec.Metadata)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, sqlMakeIssue, pgx.StrictNamedArgs{"project": w.Project, "id": m.id, "number": number, "type": string(rec.Type), "level": int16(rec.Level),
		"platform": rec.Platform, "logger": rec.Logger, "title": rec.Title, "culprit": rec.Culprit, "metadata": metadata, "status": int16(issue.Unresolved),
		"substatus": int16(issue.Ongoing), "priority": int16(issue.PriorityOf(rec.Level)), "unhandled": rec.Unhandled, "at": m.place.OccurredAt, "release": m.place.Release})
	if err != nil {
		return err
	}
	return indexTexts(ctx, tx, w.Project, m.id)
}

// claim gives hashes to issues. errRace: recording was first.
func (w *jobWork) claim(ctx context.Context, tx pgx.Tx, claims []claim) error {
	if len(claims) == 0 {
		return nil
	}
	r := &recording{claims: claims}
	b := &pgx.Batch{}
	r.queueHashes(b)
	return tx.SendBatch(ctx, b).Close()
}

const sqlEmptyIssues = `
	select id from issues i where project_id = @project and id = any(@issues::bigint[]) and times_seen <= 0
		and not exists (select from events e where e.project_id = i.project_id and e.issue_id = i.id) order by id`

// redirectEmpty makes issues that lost their last event lead to where it went.
func (w *jobWork) redirectEmpty(ctx context.Context, tx pgx.Tx, moves []transfer) error {
	went := make(map[int64]int64)
	for _, m := range moves {
		if m.to != m.place.Issue {
			went[m.place.Issue] = m.to
		}
	}
	rows, _ := tx.Query(ctx, sqlEmptyIssues, pgx.StrictNamedArgs{"project": w.Project, "issues": issuesOf(moves)}) // Collect reports a failed Query
	empty, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	for _, id := range empty {
		if went[id] == 0 {
			continue
		}
		named := pgx.StrictNamedArgs{"project": w.Project, "issues": []int64{id}, "target": went[id]}
		for _, sql := range []string{sqlMoveHashesOfIssues, sqlRedirect, sqlRedirectAgain} {
			if _, err := tx.Exec(ctx, sql, named); err != nil {
				return err
			}
		}
		for _, t := range issueTables {
			sql, args := t.move, pgx.StrictNamedArgs{"project": w.Project, "issues": []int64{id}, "target": went[id], "limit": deleteRows}
			if sql == "" {
				sql = t.remove
				delete(args, "target")
			}
			if _, err := tx.Exec(ctx, sql, args); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, sqlDeleteIssues, pgx.StrictNamedArgs{"project": w.Project, "ids": []int64{id}}); err != nil {
			return err
		}
	}
	return nil
}
