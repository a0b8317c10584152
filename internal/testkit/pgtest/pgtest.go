// Package pgtest gives each test a database of its own, migrated and empty.
//
// The server is the one TOCSIN_TEST_DATABASE_URL names (any database on it, with the right to
// create others), else a private one that all test processes of this user share: the first one
// starts it, and it ends itself a few seconds after the last one has gone. Databases are cloned
// from a template named by the content of the migrations.
package pgtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/migrations"
)

// New returns a store on a new, migrated, empty database, which goes when the test ends.
func New(t testing.TB) *postgres.Store {
	t.Helper()
	return Open(t, URL(t))
}

// Open returns another store on the database at url, closed when the test ends.
func Open(t testing.TB, url string) *postgres.Store {
	t.Helper()
	st, err := postgres.Open(context.Background(), url, postgres.Options{Name: "test", MaxConns: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	return st
}

var databases atomic.Int64

// URL returns the connection string of a new, migrated, empty database.
func URL(t testing.TB) string {
	t.Helper()
	return create(t, "template "+pgx.Identifier{template(t)}.Sanitize())
}

// EmptyURL returns the connection string of a new database without any tables.
func EmptyURL(t testing.TB) string {
	t.Helper()
	template(t) // also removes leftovers
	return create(t, "")
}

func create(t testing.TB, from string) string {
	t.Helper()
	base := server(t)
	name := fmt.Sprintf("%s%d_%d_%d", testPrefix, time.Now().Unix(), os.Getpid(), databases.Add(1))
	if err := execute(base, fmt.Sprintf("create database %s %s", name, from)); err != nil {
		t.Fatalf("create a test database: %v", err)
	}
	t.Cleanup(func() {
		if err := execute(base, "drop database if exists "+name+" with (force)"); err != nil {
			t.Errorf("drop the test database: %v", err)
		}
	})
	return withDatabase(base, name)
}

const (
	testPrefix     = "tocsin_test_"
	templatePrefix = "tocsin_template_"
	leftoverAge    = 2 * time.Hour
)

var prepared struct {
	sync.Once
	name string
	err  error
}

// template returns the name of the migrated template, making it when no process did yet.
func template(t testing.TB) string {
	t.Helper()
	base := server(t)
	prepared.Do(func() { prepared.name, prepared.err = prepareTemplate(context.Background(), base) })
	if prepared.err != nil {
		t.Fatalf("prepare the template database: %v", prepared.err)
	}
	return prepared.name
}

func prepareTemplate(ctx context.Context, base string) (string, error) {
	name := templatePrefix + migrationsHash()
	conn, err := pgx.Connect(ctx, base)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, "select pg_advisory_lock(7410238)"); err != nil {
		return "", err
	}
	if err := dropLeftovers(ctx, conn); err != nil {
		return "", err
	}
	var exists bool
	if err := conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", name).Scan(&exists); err != nil || exists {
		return name, err
	}
	// Made under another name and renamed when complete, so that a half-migrated one is never cloned.
	fresh := name + "_new"
	if _, err := conn.Exec(ctx, "drop database if exists "+fresh+" with (force)"); err != nil {
		return "", err
	}
	if _, err := conn.Exec(ctx, "create database "+fresh); err != nil {
		return "", err
	}
	if err := postgres.Migrate(ctx, withDatabase(base, fresh)); err != nil {
		return "", err
	}
	_, err = conn.Exec(ctx, "alter database "+fresh+" rename to "+name)
	return name, err
}

// dropLeftovers removes databases of tests that were killed, by the time in their names.
func dropLeftovers(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, "select datname from pg_database where starts_with(datname, $1)", testPrefix)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		var made, pid, number int64
		if _, err := fmt.Sscanf(name, testPrefix+"%d_%d_%d", &made, &pid, &number); err != nil || time.Since(time.Unix(made, 0)) < leftoverAge {
			continue
		}
		if _, err := conn.Exec(ctx, "drop database if exists "+pgx.Identifier{name}.Sanitize()+" with (force)"); err != nil {
			return err
		}
	}
	return nil
}

// migrationsHash names a template by what it was made from.
func migrationsHash() string {
	h := sha256.New()
	files, _ := fs.Glob(migrations.FS, "*.sql") // the pattern is constant and well formed
	for _, file := range files {
		text, _ := fs.ReadFile(migrations.FS, file) // embedded
		fmt.Fprintf(h, "%s %d\n%s", file, len(text), text)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

func execute(base, sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, base)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, sql)
	return err
}

func withDatabase(base, name string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base // the connection made with it reports what is wrong
	}
	u.Path = "/" + name
	return u.String()
}
