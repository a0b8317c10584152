package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/issue"
)

// relayRows is how many changes one call of RelayChanges takes.
const relayRows = 200

const (
	sqlOutbox = `
		select change from alert_outbox order by project_id, id limit @limit for update skip locked`

	sqlRelayed = `
		delete from alert_outbox o using unnest(@projects::bigint[], @ids::bigint[]) as d(project_id, id)
		where o.project_id = d.project_id and o.id = d.id`
)

// RelayChanges hands waiting changes of the outbox to publish, one at a time, and removes those it
// took. Each reaches publish at least once, in the order in which its issue changed. It returns
// how many went, and the failure that kept the rest waiting.
func (st *Store) RelayChanges(ctx context.Context, publish func(context.Context, issue.Change) error) (int, error) {
	relayed := 0
	var refused error
	err := pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, sqlOutbox, pgx.StrictNamedArgs{"limit": relayRows}) // Collect reports a failed Query
		changes, err := pgx.CollectRows(rows, pgx.RowTo[issue.Change])
		if err != nil {
			return err
		}
		var projects, ids []int64
		for _, c := range changes {
			if refused = publish(ctx, c); refused != nil {
				break
			}
			projects, ids = append(projects, c.Project), append(ids, c.ID)
		}
		if relayed = len(ids); relayed == 0 {
			return nil
		}
		_, err = tx.Exec(ctx, sqlRelayed, pgx.StrictNamedArgs{"projects": projects, "ids": ids})
		return err
	})
	if err != nil {
		return 0, translate(err, "relay changes of issues")
	}
	return relayed, refused
}

const (
	sqlOutboxAge = `select coalesce(extract(epoch from now() - min(created_at)), 0)::float8 from alert_outbox`
	sqlFactsAge  = `select coalesce(extract(epoch from now() - min(created_at)), 0)::float8 from pending_facts`
)

// Waiting returns how many seconds the oldest change has waited to be relayed, and the oldest
// facts to be folded.
func (st *Store) Waiting(ctx context.Context) (outbox, facts float64, err error) {
	b := &pgx.Batch{}
	b.Queue(sqlOutboxAge).QueryRow(func(row pgx.Row) error { return row.Scan(&outbox) })
	b.Queue(sqlFactsAge).QueryRow(func(row pgx.Row) error { return row.Scan(&facts) })
	return outbox, facts, translate(st.db.SendBatch(ctx, b).Close(), "measure what waits")
}
