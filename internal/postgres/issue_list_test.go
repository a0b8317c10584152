package postgres_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/search"
	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
)

var seedStart = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// seedIssues copies n issues into a project, one a minute, with environments and releases:
// two of three are unresolved, one of a hundred was seen in staging, one of a thousand is rare.
func seedIssues(t testing.TB, url string, projectID int64, n int) {
	t.Helper()
	ctx := context.Background()
	db, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close(ctx) }()
	copyRows(t, db, "issues", []string{"project_id", "id", "number", "type", "level", "platform", "logger", "title", "culprit", "metadata",
		"status", "substatus", "priority", "is_unhandled", "first_seen", "last_seen", "times_seen", "user_count", "first_release", "last_release"}, n,
		func(i int) []any {
			word := "boom"
			if i%1000 == 7 {
				word = "rare thing"
			}
			title := fmt.Sprintf("ValueError: %s number %d in the checkout of a customer", word, i)
			meta, _ := json.Marshal(event.Metadata{Type: "ValueError", Value: fmt.Sprintf("%s number %d", word, i), Title: title})
			status, sub := issue.Unresolved, issue.New
			if i%3 == 2 {
				status, sub = issue.Resolved, issue.None
			}
			first := seedStart.Add(time.Duration(i) * time.Minute)
			return []any{projectID, int64(1000 + i), int64(i + 1), "error", int16(event.LevelError), "python", "root", title, fmt.Sprintf("shop.views in handler_%d", i%50),
				meta, int16(status), int16(sub), int16(issue.High), i%2 == 0, first, first.Add(time.Duration(i%997) * time.Hour), int64(i % 1009), int64(i % 101), "1.0", "1.1"}
		})
	copyRows(t, db, "issue_environments", []string{"project_id", "issue_id", "environment", "times_seen", "first_seen", "last_seen"}, n,
		func(i int) []any {
			env := "production"
			if i%100 == 3 {
				env = "staging"
			}
			return []any{projectID, int64(1000 + i), env, int64(1), seedStart, seedStart}
		})
	copyRows(t, db, "issue_tags", []string{"project_id", "issue_id", "key", "value", "times_seen", "first_seen", "last_seen"}, 5*n,
		func(i int) []any {
			key := [...]string{"browser", "os", "url", "user", "server_name"}[i%5]
			return []any{projectID, int64(1000 + i/5), key, fmt.Sprintf("%s:%d", key, i%500), int64(1), seedStart, seedStart}
		})
	if _, err := db.Exec(ctx, "vacuum analyze"); err != nil {
		t.Fatal(err)
	}
}

func copyRows(t testing.TB, db *pgx.Conn, table string, columns []string, n int, row func(i int) []any) {
	t.Helper()
	src := pgx.CopyFromSlice(n, func(i int) ([]any, error) { return row(i), nil })
	if _, err := db.CopyFrom(context.Background(), pgx.Identifier{table}, columns, src); err != nil {
		t.Fatalf("seed %s: %v", table, err)
	}
}

func query(t testing.TB, text string) search.Query {
	t.Helper()
	q, err := search.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// BenchmarkListIssues prints the time of one page of 25 among 100,000 issues, count included.
func BenchmarkListIssues(b *testing.B) {
	url := pgtest.URL(b)
	st := pgtest.Open(b, url)
	if _, err := st.Bootstrap(b.Context(), firstStart); err != nil {
		b.Fatal(err)
	}
	seedIssues(b, url, 1, 100_000)
	for _, text := range []string{"is:unresolved", "", "is:unresolved boom", "rare", "absent", "browser:browser:5", "browser:*browser:9*", "has:nothing", "error.value:*rare*", "environment:staging", "user:user:8", "timesSeen:>1000"} {
		for _, sort := range []postgres.IssueSort{postgres.SortLastSeen, postgres.SortFirstSeen, postgres.SortEvents, postgres.SortUsers} {
			b.Run(string(sort)+"/"+text, func(b *testing.B) {
				q := postgres.IssueQuery{Query: query(b, text), Sort: sort}
				for b.Loop() {
					if _, err := st.ListIssues(b.Context(), 1, q); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
	b.Run("environment parameter", func(b *testing.B) {
		for b.Loop() {
			if _, err := st.ListIssues(b.Context(), 1, postgres.IssueQuery{Environments: []string{"staging"}, Query: query(b, "is:unresolved")}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
