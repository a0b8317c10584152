package postgres

import (
	"context"
	"encoding/hex"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/job"
)

const (
	deleteEvents = 1000 // in one chunk at most
	deleteRows   = 5000
)

const (
	sqlLockForJob = `
		select i.id, i.number, i.type, i.title, i.culprit, i.times_seen, to_jsonb(i) - 'search_text' from issues i
		where i.project_id = @project and i.id = any(@ids::bigint[]) order by i.id for update`

	sqlHashesOfIssues = `select issue_id, hash from issue_hashes where project_id = @project and issue_id = any(@ids::bigint[]) order by hash`

	sqlDeleteHashes = `delete from issue_hashes where project_id = @project and issue_id = any(@ids::bigint[])`

	sqlDiscardHashes = `update issue_hashes set issue_id = -issue_id where project_id = @project and issue_id = any(@ids::bigint[])`

	sqlInsertDiscards = `
		insert into discards (project_id, id, title, culprit, number, times_seen, created_by)
		select project_id, id, title, culprit, number, times_seen, nullif(@user::bigint, 0) from issues where project_id = @project and id = any(@ids::bigint[])`

	sqlDeleteIssues = `delete from issues where project_id = @project and id = any(@ids::bigint[])`
)

// lockedIssue is an issue that a job is about to change.
type lockedIssue struct {
	id, number, timesSeen int64
	kind, title, culprit  string
	row                   []byte // all of it, as JSON
}

func lockForJob(ctx context.Context, tx pgx.Tx, project int64, ids []int64) ([]lockedIssue, error) {
	rows, _ := tx.Query(ctx, sqlLockForJob, pgx.StrictNamedArgs{"project": project, "ids": ids}) // Collect reports a failed Query
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (i lockedIssue, err error) {
		return i, row.Scan(&i.id, &i.number, &i.kind, &i.title, &i.culprit, &i.timesSeen, &i.row)
	})
}

// DeleteIssues removes those of a project's issues that have one of the ids: they are gone at once,
// and a job removes their events. With discard, events that would have been theirs are dropped from
// now on, else the next one makes a new issue. It returns the job, the zero one when nothing was
// found.
func (st *Store) DeleteIssues(ctx context.Context, p int64, ids []int64, discard bool, user int64) (job.Job, error) {
	if len(ids) > MaxChanged {
		return job.Job{}, fault.New(fault.TooLarge, "at most %d issues are deleted at once", MaxChanged)
	}
	var id int64
	err := retry(ctx, func() error {
		return pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) (err error) {
			id, err = deleteIssues(ctx, tx, p, ids, discard, user)
			return err
		})
	})
	if err != nil || id == 0 {
		return job.Job{}, translate(err, "delete issues of project %d", p)
	}
	return st.Job(ctx, p, id)
}

func deleteIssues(ctx context.Context, tx pgx.Tx, project int64, ids []int64, discard bool, user int64) (int64, error) {
	list, err := lockForJob(ctx, tx, project, ids)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	args, state, at := job.Args{Discard: discard}, jobState{}, make(map[int64]int)
	for i, row := range list {
		at[row.id] = i
		args.Issues = append(args.Issues, row.id)
		state.Saved = append(state.Saved, savedIssue{ID: row.id, Row: row.row})
	}
	named := pgx.StrictNamedArgs{"project": project, "ids": args.Issues}
	rows, _ := tx.Query(ctx, sqlHashesOfIssues, named) // ForEachRow reports a failed Query
	var issue int64
	var hash []byte
	_, err = pgx.ForEachRow(rows, []any{&issue, &hash}, func() error {
		saved := &state.Saved[at[issue]]
		saved.Hashes = append(saved.Hashes, hex.EncodeToString(hash))
		return nil
	})
	if err != nil {
		return 0, err
	}
	forget := sqlDeleteHashes
	if discard {
		forget = sqlDiscardHashes
		if _, err := tx.Exec(ctx, sqlInsertDiscards, pgx.StrictNamedArgs{"project": project, "ids": args.Issues, "user": user}); err != nil {
			return 0, err
		}
	}
	for _, sql := range []string{forget, sqlDeleteIssues} {
		if _, err := tx.Exec(ctx, sql, named); err != nil {
			return 0, err
		}
	}
	return insertJob(ctx, tx, project, job.Delete, args, state, user)
}

// putBackIssue lacks the columns, which are those of the schema as it is then.
const putBackIssue = `
	insert into issues (%s) select %s from jsonb_populate_record(null::issues, @row) on conflict do nothing`

const (
	sqlIssueColumns = `
		select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
		where attrelid = 'issues'::regclass and attnum > 0 and not attisdropped and attgenerated = ''`

	sqlPutBackHash = `
		insert into issue_hashes as h (project_id, hash, issue_id) values (@project, @hash, @issue)
		on conflict (project_id, hash) do update set issue_id = excluded.issue_id where h.issue_id = -excluded.issue_id`

	sqlForgetDiscard = `delete from discards where project_id = @project and id = @issue`
)

// putBack undoes a delete as far as it got: the issues return with their counts and the events that
// are left. Hashes that found another issue meanwhile stay there.
func (w *jobWork) putBack(ctx context.Context, tx pgx.Tx) error {
	var columns string
	if err := tx.QueryRow(ctx, sqlIssueColumns).Scan(&columns); err != nil {
		return err
	}
	insert := strings.ReplaceAll(putBackIssue, "%s", columns)
	for _, s := range w.state.Saved {
		if _, err := tx.Exec(ctx, insert, pgx.StrictNamedArgs{"row": []byte(s.Row)}); err != nil {
			return err
		}
		for _, text := range s.Hashes {
			hash, err := hex.DecodeString(text)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, sqlPutBackHash, pgx.StrictNamedArgs{"project": w.Project, "hash": hash, "issue": s.ID}); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, sqlForgetDiscard, pgx.StrictNamedArgs{"project": w.Project, "issue": s.ID}); err != nil {
			return err
		}
	}
	return indexTexts(ctx, tx, w.Project, w.Args.Issues...)
}

const sqlCountEvents = `select count(*) from events where project_id = @project and issue_id = any(@ids::bigint[])`

// deleteStep removes some events of the deleted issues, then what was counted of them.
func (w *jobWork) deleteStep(ctx context.Context) error {
	if settled, err := w.settle(ctx); err != nil || !settled {
		return err
	}
	if w.Total == 0 {
		if err := w.st.db.QueryRow(ctx, sqlCountEvents, pgx.StrictNamedArgs{"project": w.Project, "ids": w.Args.Issues}).Scan(&w.Total); err != nil {
			return translate(err, "count events")
		}
	}
	if w.state.Phase == 0 {
		before, done := w.state, w.Done
		places, err := w.doomed(ctx)
		if err == nil && len(places) > 0 {
			err = w.purge(ctx, places, false)
		}
		if err != nil {
			w.state, w.Done = before, done
		}
		if err != nil || len(places) > 0 {
			return err
		}
		w.state.Phase, w.state.Index = 1, 0
	}
	return w.commit(ctx, func(tx pgx.Tx) error {
		for ; w.state.Index < len(issueTables); w.state.Index++ {
			tag, err := tx.Exec(ctx, issueTables[w.state.Index].remove, pgx.StrictNamedArgs{"project": w.Project, "issues": w.Args.Issues, "limit": w.chunk(deleteRows)})
			if err != nil || tag.RowsAffected() > 0 {
				return err
			}
		}
		if err := w.forgetHashCounts(ctx, tx); err != nil {
			return err
		}
		w.state.Saved = nil
		return w.finish(map[string]any{"events": w.Done, "issues": len(w.Args.Issues)})
	})
}

const sqlForgetHashCounts = `
	delete from hash_counts c where c.project_id = @project and c.hash = any(@hashes::bytea[])
		and not exists (select from issue_hashes h where h.project_id = c.project_id and h.hash = c.hash and h.issue_id > 0)`

// forgetHashCounts removes what was counted under hashes that nobody has any more.
func (w *jobWork) forgetHashCounts(ctx context.Context, tx pgx.Tx) error {
	var hashes [][]byte
	for _, s := range w.state.Saved {
		for _, text := range s.Hashes {
			hash, err := hex.DecodeString(text)
			if err != nil {
				return err
			}
			hashes = append(hashes, hash)
		}
	}
	_, err := tx.Exec(ctx, sqlForgetHashCounts, pgx.StrictNamedArgs{"project": w.Project, "hashes": hashes})
	return err
}

// storedPlace is where an event is stored, and under what.
type storedPlace struct {
	Event      pgtype.UUID
	Issue      int64
	ReceivedAt time.Time
	OccurredAt time.Time
	BlockID    int64
	BlockIndex int16
	Release    string
	Env        string
	UserKey    string
	Hash       int64
}

const placeColumns = `event_id, issue_id, received_at, occurred_at, block_id, block_index, coalesce(release, ''), coalesce(environment, ''), coalesce(user_key, ''), hash`

const sqlPlacesOfIssues = `
	select ` + placeColumns + ` from events where project_id = @project and issue_id = any(@issues::bigint[])
	order by issue_id, received_at, event_id limit @limit`

// places finds events of issues, oldest of the first issue first.
func (w *jobWork) places(ctx context.Context, issues []int64, limit int) ([]storedPlace, error) {
	rows, _ := w.st.db.Query(ctx, sqlPlacesOfIssues, pgx.StrictNamedArgs{"project": w.Project, "issues": issues, "limit": limit}) // Collect reports a failed Query
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[storedPlace])
	return list, translate(err, "find events of project %d", w.Project)
}

// doomed are the next events to delete. It goes on behind those that are gone, which an index keeps until
// it is cleaned; at the end it looks for what was left out all the same.
func (w *jobWork) doomed(ctx context.Context) ([]storedPlace, error) {
	places, err := w.walk(ctx, w.chunk(deleteEvents))
	if err != nil || len(places) > 0 {
		return places, err
	}
	return w.places(ctx, w.Args.Issues, w.chunk(deleteEvents))
}

const (
	// The bounds keep a merge of both from beginning at the project's oldest event, over all that is deleted already.
	sqlDeleteEvents = `
		delete from events e using unnest(@times::timestamptz[], @ids::uuid[]) as d(received_at, event_id)
		where e.project_id = @project and e.received_at >= @first and e.received_at <= @last and e.received_at = d.received_at and e.event_id = d.event_id`

	sqlDeleteAttachments = `
		delete from attachments where project_id = @project and event_id = any(@ids::uuid[])
			and received_at >= @first::timestamptz - interval '1 day' and received_at <= @last::timestamptz + interval '1 day' returning blob_key`

	sqlDeleteFeedback = `delete from feedback where project_id = @project and event_id = any(@ids::uuid[])`

	sqlUnusedBlobs = `
		select k.key from unnest(@keys::text[]) as k(key) where k.key <> '' and not exists (
			select from attachments a where a.project_id = @project and a.blob_key = k.key)`
)

// purge removes events: their rows, files, and payloads. A payload that shares a block with more of
// others' stays in it, out of reach, until the day's partition goes; unless all is set, which
// leaves nothing.
func (w *jobWork) purge(ctx context.Context, places []storedPlace, all bool) error {
	gone := make(map[blockKey][]int16)
	var keys []blockKey
	ids, times := make([]pgtype.UUID, len(places)), make([]time.Time, len(places))
	first, last := places[0].ReceivedAt, places[0].ReceivedAt
	for i, p := range places {
		key := blockKey{dayOf(p.ReceivedAt), p.BlockID}
		if gone[key] == nil {
			keys = append(keys, key)
		}
		gone[key] = append(gone[key], p.BlockIndex)
		ids[i], times[i] = p.Event, p.ReceivedAt
		if p.ReceivedAt.Before(first) {
			first = p.ReceivedAt
		}
		if p.ReceivedAt.After(last) {
			last = p.ReceivedAt
		}
	}
	blocks, err := w.rewriteBlocks(ctx, keys, func(key blockKey, payloads [][]byte) bool {
		left := 0
		for _, n := range gone[key] {
			if int(n) < len(payloads) && n >= 0 {
				payloads[n] = nil
			}
		}
		for _, p := range payloads {
			if len(p) > 0 {
				left++
			}
		}
		return all || left <= len(gone[key])
	})
	if err != nil {
		return err
	}
	var files []string
	err = w.commit(ctx, func(tx pgx.Tx) error {
		if err := blocks.write(ctx, tx, w.Project); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, sqlDeleteEvents, pgx.StrictNamedArgs{"project": w.Project, "times": times, "ids": ids, "first": first, "last": last}); err != nil {
			return err
		}
		rows, _ := tx.Query(ctx, sqlDeleteAttachments, pgx.StrictNamedArgs{"project": w.Project, "ids": ids, "first": first, "last": last})
		if files, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return err
		}
		w.Done += int64(len(places))
		_, err := tx.Exec(ctx, sqlDeleteFeedback, pgx.StrictNamedArgs{"project": w.Project, "ids": ids})
		return err
	})
	if err != nil || len(files) == 0 || w.tools.Delete == nil {
		return err
	}
	rows, _ := w.st.db.Query(ctx, sqlUnusedBlobs, pgx.StrictNamedArgs{"project": w.Project, "keys": files})
	unused, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, key := range unused {
		if err := w.tools.Delete(ctx, key); err != nil {
			return err
		}
	}
	return translate(err, "find files that nobody needs")
}

// Discard is an issue whose events are dropped.
type Discard struct {
	ID        int64
	Title     string
	Culprit   string
	Number    int64
	TimesSeen int64 // before
	CreatedBy int64
	CreatedAt time.Time
}

const sqlDiscards = `
	select id, title, culprit, number, times_seen, coalesce(created_by, 0) as created_by, created_at from discards
	where project_id = @project order by id desc limit 1000`

// Discards lists the issues of a project whose events are dropped, newest first.
func (st *Store) Discards(ctx context.Context, project int64) ([]Discard, error) {
	rows, _ := st.db.Query(ctx, sqlDiscards, pgx.StrictNamedArgs{"project": project})
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Discard])
	return list, translate(err, "list what project %d discards", project)
}

const sqlUndiscardHashes = `delete from issue_hashes where project_id = @project and issue_id = -@id::bigint`

// Undiscard lets events of a discarded issue in again; the next one makes a new issue.
// fault.Unknown: the project has discarded no such issue.
func (st *Store) Undiscard(ctx context.Context, project, id int64) error {
	err := pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sqlForgetDiscard, pgx.StrictNamedArgs{"project": project, "issue": id})
		if err == nil && tag.RowsAffected() == 0 {
			return errNoResource()
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, sqlUndiscardHashes, pgx.StrictNamedArgs{"project": project, "id": id})
		return err
	})
	return translate(err, "let a discarded issue in")
}
