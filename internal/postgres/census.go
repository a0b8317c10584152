package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Census is how much a database holds, counted row by row.
type Census struct {
	Schema     int64 // version of the newest migration
	Events     int64
	Identities int64 // of events: equal to Events
	Counted    int64 // by the issues: equal to Events when nothing is unfolded
	Unfolded   int64 // batches whose counts are still to be added
	Issues     int64
}

const sqlCensus = `
	select (select coalesce(max(version_id), 0) from schema_versions where is_applied) as schema,
		(select count(*) from events) as events, (select count(*) from event_seen) as identities,
		(select coalesce(sum(times_seen), 0)::bigint from issues) as counted, (select count(*) from pending_facts) as unfolded,
		(select count(*) from issues) as issues`

// Census counts, at one moment. It reads whole tables.
func (st *Store) Census(ctx context.Context) (Census, error) {
	rows, _ := st.db.Query(ctx, sqlCensus) // Collect reports a failed Query
	c, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Census])
	return c, translate(err, "count what the database holds")
}
