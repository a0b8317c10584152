package postgres

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// partitioned are the tables that have one partition a day, and whether their key is a timestamp
// rather than a date.
var partitioned = [...]struct {
	table string
	stamp bool
}{{"events", true}, {"event_blocks", false}, {"attachments", true}}

// daysAhead is how many days have their partitions before they begin.
const daysAhead = 7

// partitions remembers the days that are known to have theirs.
type partitions struct {
	mu    sync.Mutex
	known map[time.Time]bool
}

func (p *partitions) has(day time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[day]
}

func (p *partitions) set(day time.Time, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known = make(map[time.Time]bool)
	}
	p.known[day] = known
}

// dayOf is the UTC day of t: the one an event received then is stored under.
func dayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// EnsurePartitions makes the partitions of today and the coming week.
func (st *Store) EnsurePartitions(ctx context.Context, now time.Time) error {
	for i := range daysAhead + 1 {
		if err := st.ensureDay(ctx, dayOf(now).AddDate(0, 0, i)); err != nil {
			return err
		}
	}
	return nil
}

// sqlPartitionTurn makes those who change partitions wait for each other until their transactions end.
const sqlPartitionTurn = `
	insert into leases (name, holder, fence, expires_at) values ('partitions', '', 1, now())
	on conflict (name) do update set fence = leases.fence + 1`

const sqlPartitionExists = `
	select exists (select from pg_inherits i join pg_class c on c.oid = i.inhrelid
		where i.inhparent = @parent::text::regclass and c.relname = @name)`

// ensureDay makes the day's partitions unless they exist. A partition is made beside its table and
// then attached, which lets reads and writes of the table go on.
func (st *Store) ensureDay(ctx context.Context, day time.Time) error {
	if st.partitions.has(day) {
		return nil
	}
	err := retry(ctx, func() error {
		return pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, sqlPartitionTurn); err != nil {
				return err
			}
			for _, p := range partitioned {
				if err := attachDay(ctx, tx, p.table, p.stamp, day); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return translate(err, "make the partitions of %s", day.Format(time.DateOnly))
	}
	st.partitions.set(day, true)
	return nil
}

func attachDay(ctx context.Context, tx pgx.Tx, table string, stamp bool, day time.Time) error {
	name := partitionName(table, day)
	var exists bool
	err := tx.QueryRow(ctx, sqlPartitionExists, pgx.StrictNamedArgs{"parent": table, "name": name}).Scan(&exists)
	if err != nil || exists {
		return err
	}
	layout := time.DateOnly
	if stamp {
		layout = "2006-01-02 15:04:05Z07:00"
	}
	// Names and bounds come from the calendar; statements that define tables take no parameters.
	_, err = tx.Exec(ctx, fmt.Sprintf(`
		create table %[1]s (like %[2]s including defaults including constraints including storage);
		alter table %[2]s attach partition %[1]s for values from ('%[3]s') to ('%[4]s')`,
		name, table, day.Format(layout), day.AddDate(0, 0, 1).Format(layout)), pgx.QueryExecModeSimpleProtocol)
	return err
}

func partitionName(table string, day time.Time) string { return table + "_" + day.Format("20060102") }

const sqlPartitions = `
	select c.relname, i.inhdetachpending from pg_inherits i join pg_class c on c.oid = i.inhrelid
	where i.inhparent = @parent::text::regclass order by c.relname`

// DropPartitions removes the events received on days before the given one, with the dictionaries
// that only they needed, and returns how many days went.
func (st *Store) DropPartitions(ctx context.Context, before time.Time) (int, error) {
	gone := make(map[string]bool)
	for _, p := range partitioned {
		rows, _ := st.db.Query(ctx, sqlPartitions, pgx.StrictNamedArgs{"parent": p.table}) // Collect reports a failed Query
		found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct {
			Name    string
			Pending bool
		}])
		if err != nil {
			return len(gone), translate(err, "list the partitions of %s", p.table)
		}
		for _, f := range found {
			day, err := time.Parse("20060102", strings.TrimPrefix(f.Name, p.table+"_"))
			if err != nil || !day.Before(dayOf(before)) {
				continue
			}
			st.partitions.set(day, false)
			if err := st.dropPartition(ctx, p.table, f.Name, f.Pending); err != nil {
				return len(gone), translate(err, "drop partition %s", f.Name)
			}
			gone[day.Format(time.DateOnly)] = true
		}
	}
	return len(gone), st.forgetDictionaries(ctx, before)
}

// dropPartition detaches without stopping the traffic; pending is an earlier try that was cut off.
func (st *Store) dropPartition(ctx context.Context, table, name string, pending bool) error {
	how := "concurrently"
	if pending {
		how = "finalize"
	}
	if _, err := st.db.Exec(ctx, fmt.Sprintf("alter table %s detach partition %s %s", table, name, how)); err != nil {
		return err
	}
	_, err := st.db.Exec(ctx, "drop table if exists "+name)
	return err
}

const sqlForgetSeen = `
	with old as (select project_id, event_id from event_seen where received_at < @before limit 5000)
	delete from event_seen s using old where s.project_id = old.project_id and s.event_id = old.event_id`

// ForgetSeen removes the identities of events received before the given time, a few thousand in a
// transaction. An event sent again after that counts anew.
func (st *Store) ForgetSeen(ctx context.Context, before time.Time) error {
	for {
		tag, err := st.db.Exec(ctx, sqlForgetSeen, pgx.StrictNamedArgs{"before": before})
		if err != nil || tag.RowsAffected() == 0 {
			return translate(err, "forget the identities of old events")
		}
	}
}
