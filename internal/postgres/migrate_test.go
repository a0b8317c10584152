package postgres_test

import (
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
)

func TestProcessesThatMigrateTogetherWaitForEachOther(t *testing.T) {
	t.Parallel()
	url := pgtest.EmptyURL(t)
	if err := postgres.CheckSchema(t.Context(), url); fault.KindOf(err) != fault.Conflict {
		t.Errorf("an empty database: want a conflict, got %v", err)
	}
	var g errgroup.Group
	for range 4 {
		g.Go(func() error { return postgres.Migrate(t.Context(), url) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := postgres.CheckSchema(t.Context(), url); err != nil {
		t.Error(err)
	}
}

func TestAnAbsentDatabaseIsUnavailable(t *testing.T) {
	t.Parallel()
	st := pgtest.Open(t, "postgres://nobody@127.0.0.1:1/none?connect_timeout=1")
	if err := st.Ping(t.Context()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("want unavailable, got %v", err)
	}
	if _, err := postgres.Open(t.Context(), "postgres://[", postgres.Options{}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("malformed URL: want invalid, got %v", err)
	}
}
