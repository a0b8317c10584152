package postgres_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	embedded "github.com/tocsin-dev/tocsin/internal/embedded/postgres"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
)

// TestAServerThatIsKilledLosesNothing kills the database three times while batches are recorded,
// each of which is tried until it succeeds, as the queue does.
func TestAServerThatIsKilledLosesNothing(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "pg-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // the server may run under another account
		t.Fatal(err)
	}
	server, err := embedded.Start(t.Context(), embedded.Options{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	if err := postgres.Migrate(t.Context(), server.URL()); err != nil {
		t.Fatal(err)
	}
	db, err := pgxpool.New(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	w := &world{t, server.URL(), pgtest.Open(t, server.URL()), db}
	w.exec("insert into organizations (id, slug, name) values (1, 'acme', 'Acme')")
	w.exec("insert into projects (id, organization_id, slug, name) values (1, 1, 'shop', 'Shop')")

	const batches, size = 90, 5
	var kills sync.WaitGroup
	for i := range batches {
		if i%30 == 15 {
			kills.Go(func() { kill(t, dir) })
		}
		records := samples(size, fmt.Sprint("killed ", i%3))
		recordUntilDone(t, w.st, records)
	}
	kills.Wait()
	foldUntilDone(t, w.st)
	w.want(batches*size, "select count(*) from events")
	w.want(batches*size, "select sum(times_seen) from issues")
	w.want(batches*size, "select sum(quantity) from outcomes")
	w.want(batches*size, "select sum(times_seen) from issue_tags where key = 'level'")
	w.want(3, "select count(*) from alert_outbox")
}

// kill ends the server's first process without warning; one that is starting again may not have
// written its number yet.
func kill(t *testing.T, dir string) {
	var err error
	for range 1000 {
		var pid int
		var b []byte
		if b, err = os.ReadFile(filepath.Join(dir, "data", "postmaster.pid")); err == nil {
			_, err = fmt.Sscan(string(b), &pid)
		}
		if err == nil {
			err = syscall.Kill(pid, syscall.SIGKILL)
		}
		if err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("kill the server: %v", err)
}

// recordUntilDone tries again, for 30 seconds, while the database is unavailable.
func recordUntilDone(t *testing.T, st *postgres.Store, records []postgres.Record) {
	t.Helper()
	untilDone(t, func(ctx context.Context) error {
		_, err := st.RecordEvents(ctx, records)
		return err
	})
}

func foldUntilDone(t *testing.T, st *postgres.Store) {
	t.Helper()
	for more := true; more; {
		untilDone(t, func(ctx context.Context) error {
			done, err := st.FoldFacts(ctx)
			more = done.Batches > 0
			return err
		})
	}
}

func untilDone(t *testing.T, work func(context.Context) error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); ; <-tick.C {
		err := work(t.Context())
		if err == nil {
			return
		}
		if fault.KindOf(err) != fault.Unavailable || time.Now().After(deadline) {
			t.Fatalf("want unavailable while the server is away, got %v", err)
		}
	}
}
