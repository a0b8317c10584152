package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// StorageUse is how much the database holds.
type StorageUse struct {
	DatabaseBytes int64
	EventBytes    int64      // of events, their payloads and the records of their files, with indexes
	ByDay         []DayBytes // latest first, days without any left out
}

// DayBytes is what the events of one UTC day take.
type DayBytes struct {
	Day   time.Time
	Bytes int64
}

const sqlDatabaseBytes = `select pg_database_size(current_database())`

// The partitions of a day are named by it; see dayOf.
const sqlPartitionBytes = `
	select right(c.relname, 8) as day, sum(pg_total_relation_size(c.oid))::bigint as bytes
	from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_class p on p.oid = i.inhparent
	where p.relname = any('{events,event_blocks,attachments}'::text[]) and p.relnamespace = current_schema::regnamespace
	group by 1 order by 1 desc limit 1000`

// StorageUse tells how much the database holds, events by day.
func (st *Store) StorageUse(ctx context.Context) (u StorageUse, err error) {
	err = st.read(ctx, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, sqlDatabaseBytes).Scan(&u.DatabaseBytes); err != nil {
			return err
		}
		rows, _ := tx.Query(ctx, sqlPartitionBytes)
		var name string
		var bytes int64
		_, err := pgx.ForEachRow(rows, []any{&name, &bytes}, func() error {
			day, err := time.Parse("20060102", strings.TrimPrefix(name, "_"))
			if err != nil || day.After(time.Now()) {
				return nil // made ahead, or none of ours
			}
			u.ByDay = append(u.ByDay, DayBytes{day, bytes})
			u.EventBytes += bytes
			return nil
		})
		return err
	})
	return u, translate(err, "measure what is stored")
}
