package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tocsin-dev/tocsin/internal/outcome"
)

const sqlSeenTimes = `
	select s.project_id, s.event_id, s.received_at
	from unnest(@projects::bigint[], @ids::uuid[]) as w(project_id, event_id)
	join event_seen s on s.project_id = w.project_id and s.event_id = w.event_id`

// countDuplicates tells what the client sent twice, which is an outcome, from what the queue
// delivered twice, which is none: the latter has the very time of receipt that is stored with the
// event, or that an earlier delivery was counted as a duplicate with.
func (r *recording) countDuplicates(ctx context.Context, tx pgx.Tx) error {
	again := r.again()
	if len(again) == 0 {
		return nil
	}
	times, err := seenTimes(ctx, tx, again)
	if err != nil {
		return err
	}
	byMark := make(map[[16]byte]*Record)
	for _, rec := range again {
		if times[identity{rec.Project, rec.ID}].Equal(rec.ReceivedAt.Truncate(time.Microsecond)) {
			r.done.Redelivery++
			continue
		}
		m := mark(tagDuplicate, rec.Project, rec.ID, rec.ReceivedAt)
		if byMark[m] != nil {
			r.done.Redelivery++
		}
		byMark[m] = rec
	}
	if len(byMark) == 0 {
		return nil
	}
	ids := make([]pgtype.UUID, 0, len(byMark))
	for m := range byMark {
		ids = append(ids, pgtype.UUID{Bytes: m, Valid: true})
	}
	slices.SortFunc(ids, func(a, b pgtype.UUID) int { return slices.Compare(a.Bytes[:], b.Bytes[:]) })
	rows, _ := tx.Query(ctx, sqlInsertOutcomeBatches, pgx.StrictNamedArgs{"ids": ids}) // ForEachRow reports a failed Query
	var id pgtype.UUID
	_, err = pgx.ForEachRow(rows, []any{&id}, func() error {
		r.done.Duplicates++
		r.count(byMark[id.Bytes], outcome.Invalid, outcome.ReasonDuplicate)
		delete(byMark, id.Bytes)
		return nil
	})
	r.done.Redelivery += len(byMark)
	return err
}

// again is the records whose event was seen before, in the batch or ever.
func (r *recording) again() []*Record {
	again := slices.Clone(r.twice)
	stored := make(map[*Record]bool, len(r.fresh))
	for _, rec := range r.fresh {
		stored[rec] = true
	}
	for _, rec := range r.unique {
		if !stored[rec] {
			again = append(again, rec)
		}
	}
	return again
}

// seenTimes is when the events of the records were received that were seen first.
func seenTimes(ctx context.Context, tx pgx.Tx, again []*Record) (map[identity]time.Time, error) {
	projects, ids := make([]int64, len(again)), make([]pgtype.UUID, len(again))
	for i, rec := range again {
		projects[i], ids[i] = rec.Project, pgtype.UUID{Bytes: rec.ID, Valid: true}
	}
	rows, _ := tx.Query(ctx, sqlSeenTimes, pgx.StrictNamedArgs{"projects": projects, "ids": ids}) // ForEachRow reports a failed Query
	times := make(map[identity]time.Time, len(again))
	var id identity
	var uuid pgtype.UUID
	var at time.Time
	_, err := pgx.ForEachRow(rows, []any{&id.project, &uuid, &at}, func() error {
		id.id = uuid.Bytes
		times[id] = at
		return nil
	})
	return times, err
}
