package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tocsin-dev/tocsin/internal/outcome"
)

const sqlInsertOutcomeBatches = `
	insert into outcome_batches (id) select * from unnest(@ids::uuid[]) on conflict do nothing returning id`

// ApplyOutcomes adds the batches to the ledger in one transaction, each exactly once by its id
// however often it is delivered.
func (st *Store) ApplyOutcomes(ctx context.Context, batches []outcome.Batch) error {
	byID := make(map[[16]byte]outcome.Batch, len(batches))
	var ids []pgtype.UUID
	for _, b := range batches {
		if _, twice := byID[b.ID]; !twice {
			byID[b.ID] = b
			ids = append(ids, pgtype.UUID{Bytes: b.ID, Valid: true})
		}
	}
	slices.SortFunc(ids, func(a, b pgtype.UUID) int { return slices.Compare(a.Bytes[:], b.Bytes[:]) })
	err := retry(ctx, func() error {
		return pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
			rows, _ := tx.Query(ctx, sqlInsertOutcomeBatches, pgx.StrictNamedArgs{"ids": ids}) // Collect reports a failed Query
			fresh, err := pgx.CollectRows(rows, pgx.RowTo[pgtype.UUID])
			if err != nil {
				return err
			}
			tally := make(map[outcome.Key]int64)
			for _, id := range fresh {
				for _, c := range byID[id.Bytes].Counts {
					c.Minute = c.Minute.UTC().Truncate(time.Minute)
					tally[c.Key] += c.Quantity
				}
			}
			b := &pgx.Batch{}
			queueOutcomes(b, tally)
			if b.Len() == 0 {
				return nil
			}
			return tx.SendBatch(ctx, b).Close()
		})
	})
	return translate(err, "apply %d batches of outcomes", len(batches))
}

const sqlForgetOutcomeBatches = `
	delete from outcome_batches where id in (select id from outcome_batches where applied_at < @before limit 5000)`

// ForgetOutcomeBatches removes the ids of batches applied before the given time. The queue has
// long given up on redelivering those.
func (st *Store) ForgetOutcomeBatches(ctx context.Context, before time.Time) error {
	for {
		tag, err := st.db.Exec(ctx, sqlForgetOutcomeBatches, pgx.StrictNamedArgs{"before": before})
		if err != nil || tag.RowsAffected() == 0 {
			return translate(err, "forget batches of outcomes")
		}
	}
}
