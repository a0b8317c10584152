package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/testkit/fleet"
)

const (
	longestLock = 2 * time.Second  // that a statement may wait for while the schema changes
	longestWait = 10 * time.Second // of an event from the answer to its being stored
)

// skew is the fault of two releases at once: the world begins with the programs and the schema of the other.
func skew(o options) fault {
	return fault{id: "F30", name: "upgrade from an earlier release, the way back, and again", run: skewed, refuses: true, long: true,
		alone: func(f *fleet.Options) { f.Bin = o.previous }, place: "two releases"}
}

// skewed brings the schema up to this release while the earlier one runs on it, replaces its programs one
// after the other, goes back on the new schema, and forward again. Load goes on all the time.
func skewed(ctx context.Context, w *world, _ *rand.Rand) error {
	w.hold(ctx, 0.5)
	watch := w.watchLocks(ctx)
	err := w.Migrate(ctx, w.o.bin)
	locked, failed := watch()
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	w.hold(ctx, 0.5)
	for _, bin := range []string{w.o.bin, w.o.previous, w.o.bin} {
		for _, s := range fleet.Services {
			w.signal(s, syscall.SIGTERM)
			<-w.Programs[s].Done()
			w.Programs[s].Path = filepath.Join(bin, s)
			if err := errors.Join(w.start(s), w.Ready(ctx, s)); err != nil {
				return err
			}
			w.hold(ctx, 0.2)
		}
	}
	w.note = fmt.Sprintf("schema changed under the earlier release, statements waited %.2f s for a lock at most; then each program replaced, put back and replaced again", locked.Seconds())
	return nil
}

// migrated changes the busiest tables in the three steps of an online migration (expand, backfill,
// contract) while everything runs, as the migrations of a next release would.
func migrated(ctx context.Context, w *world, _ *rand.Rand) error {
	conn, err := pgx.Connect(ctx, w.Postgres.URL())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "set lock_timeout = '2s'"); err != nil { // as tocsin migrate does
		return err
	}
	watch, late := w.watchLocks(ctx), w.watchAge(ctx)
	tables := []string{"issues", "events", "event_seen", "tag_values", "projects", "outbox"}
	err = w.steps(ctx, conn, tables)
	locked, failed := watch()
	age, failedToo := late()
	if err := errors.Join(err, failed, failedToo); err != nil {
		return err
	}
	w.note = fmt.Sprintf("statements waited %.2f s for a lock at most, events %.1f s to be stored", locked.Seconds(), age.Seconds())
	if locked > longestLock || age > longestWait {
		return errors.New(w.note)
	}
	return nil
}

func (w *world) steps(ctx context.Context, conn *pgx.Conn, tables []string) error {
	var there []string
	rows, _ := conn.Query(ctx, "select t from unnest($1::text[]) t where to_regclass(t) is not null", tables)
	there, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, t := range there { // expand
		if err := again(ctx, conn, "alter table "+t+" add column chaos_note text not null default ''"); err != nil {
			return err
		}
		w.hold(ctx, 0.1)
	}
	if err := again(ctx, conn, "create index concurrently chaos_notes on issues (project_id, chaos_note, last_seen)"); err != nil {
		return err
	}
	for last := int64(0); ; { // backfill
		var next *int64
		err := conn.QueryRow(ctx, `with part as (select project_id, id from issues where id > $1 order by id limit 500),
			done as (update issues i set chaos_note = i.title from part p where i.project_id = p.project_id and i.id = p.id returning i.id) select max(id) from done`, last).Scan(&next)
		if err != nil {
			return err
		}
		if next == nil {
			break
		}
		last = *next
	}
	w.hold(ctx, 0.5)
	if err := again(ctx, conn, "drop index concurrently chaos_notes"); err != nil {
		return err
	}
	for _, t := range there { // contract
		if err := again(ctx, conn, "alter table "+t+" drop column chaos_note"); err != nil {
			return err
		}
		w.hold(ctx, 0.1)
	}
	return nil
}

// again runs a definition, which gives up after two seconds of waiting for its lock, until it gets it.
func again(ctx context.Context, conn *pgx.Conn, sql string) error {
	return fleet.Await(ctx, time.Minute, func() error {
		_, err := conn.Exec(ctx, sql)
		return err
	})
}

// watchLocks looks for statements of the services that wait for a lock until the function it returns is
// called, which tells how long one waited at most.
func (w *world) watchLocks(ctx context.Context) func() (time.Duration, error) {
	const waiting = `select coalesce(max(extract(epoch from clock_timestamp() - query_start)), 0) from pg_stat_activity
		where wait_event_type = 'Lock' and query !~* '^(alter|create|drop)'`
	return w.longest(ctx, func(ctx context.Context) (seconds float64, err error) {
		err = w.db.QueryRow(ctx, waiting).Scan(&seconds)
		return seconds, err
	})
}

// watchAge follows how long the oldest acknowledged event that is not stored has been waiting.
func (w *world) watchAge(ctx context.Context) func() (time.Duration, error) {
	var waits []string
	var since time.Time
	from := w.load.ledger.count()
	return w.longest(ctx, func(ctx context.Context) (float64, error) {
		if len(waits) == 0 {
			all := w.load.ledger.all()
			waits, since, from = all[from:], time.Now(), len(all)
		}
		n, err := w.missing(ctx, waits)
		if err != nil || n == 0 {
			waits = nil
			return 0, err
		}
		return time.Since(since).Seconds(), nil
	})
}

// longest is the largest of many measurements, taken until the function it returns is called.
func (w *world) longest(ctx context.Context, measure func(context.Context) (float64, error)) func() (time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	var most float64
	var failure error
	group.Go(func() {
		for ctx.Err() == nil {
			seconds, err := measure(ctx)
			if err != nil && ctx.Err() == nil {
				failure = err
				return
			}
			most = max(most, seconds)
			time.Sleep(50 * time.Millisecond)
		}
	})
	return func() (time.Duration, error) {
		cancel()
		group.Wait()
		return time.Duration(most * float64(time.Second)), failure
	}
}
