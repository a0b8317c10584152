package pgtest

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/postgres"
)

func TestEachTestHasItsOwnMigratedDatabase(t *testing.T) {
	t.Parallel()
	urls := []string{URL(t), URL(t)}
	for i, url := range urls {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(t.Context()) })
		var others int
		if err := conn.QueryRow(t.Context(), "select count(*) from organizations").Scan(&others); err != nil || others != 0 {
			t.Errorf("database %d: want no organizations, got %d, %v", i, others, err)
		}
		if _, err := conn.Exec(t.Context(), "insert into organizations (id, slug, name) values (1, 'a', 'A')"); err != nil {
			t.Error(err)
		}
	}
	current, target, err := postgres.SchemaVersion(t.Context(), urls[0])
	if err != nil || current != target || current == 0 {
		t.Errorf("want the schema at version %d, got %d, %v", target, current, err)
	}
	if err := New(t).Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func BenchmarkURL(b *testing.B) {
	template(b)
	for b.Loop() {
		URL(b)
	}
}
