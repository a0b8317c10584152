package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Checkup is what an operator should know of a database.
type Checkup struct {
	Version           int // such as 150018
	Fsync             string
	FullPageWrites    string
	SynchronousCommit string
	Checksums         string
	MaxConnections    int
	Connections       int
	Superuser         bool
	DaysAhead         int           // for which partitions of events exist, today excluded
	OldestTransaction time.Duration // running now
	XidAge            int64
	Outbox            time.Duration // age of the oldest change not yet handed over
	EnabledRules      int64
	OwnerServices     []string // programs that are connected as the owner of the tables
}

const sqlCheckup = `
	select current_setting('server_version_num')::int as version, current_setting('fsync') as fsync, current_setting('full_page_writes') as full_page_writes,
		current_setting('synchronous_commit') as synchronous_commit, current_setting('data_checksums') as checksums,
		current_setting('max_connections')::int as max_connections, (select count(*)::int from pg_stat_activity where backend_type = 'client backend') as connections,
		(select rolsuper from pg_roles where rolname = current_user) as superuser,
		(select count(*)::int from generate_series(1, 7) d where exists (select from pg_class c
			where c.relname = 'events_' || to_char((now() at time zone 'UTC')::date + d, 'YYYYMMDD'))) as days_ahead,
		coalesce((select max(now() - xact_start) from pg_stat_activity where state <> 'idle' and backend_type = 'client backend'), '0') as oldest_transaction,
		(select age(datfrozenxid)::bigint from pg_database where datname = current_database()) as xid_age,
		coalesce((select now() - min(created_at) from alert_outbox), '0') as outbox,
		(select count(*) from alert_rules where is_enabled) as enabled_rules,
		array(select distinct substr(application_name, 8) from pg_stat_activity
			where datname = current_database() and application_name in ('tocsin processor', 'tocsin notifier', 'tocsin web')
				and usename = (select tableowner from pg_tables where schemaname = 'public' and tablename = 'issues') order by 1) as owner_services`

// Checkup reads the database's settings and what grows unseen.
func (st *Store) Checkup(ctx context.Context) (Checkup, error) {
	rows, _ := st.db.Query(ctx, sqlCheckup) // Collect reports a failed Query
	c, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Checkup])
	return c, translate(err, "look at the database")
}
