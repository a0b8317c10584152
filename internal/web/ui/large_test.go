package ui_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
	"github.com/tocsin-dev/tocsin/internal/testkit/seed"
)

const sqlReadWhole = `
	select regexp_replace(relname, '_\d{8}$', ''), sum(seq_tup_read)::bigint, sum(n_live_tup)::bigint from pg_stat_user_tables
	group by 1 having sum(n_live_tup) > 50000`

// mostStatements is how often a page may ask the database.
const mostStatements = 8

// TestPagesOfALargeProject opens each page of a project with 100,000 issues and 500,000 events:
// none may ask more statements or send more bytes than its budget, and no table that grows with
// issues or events is ever read whole.
func TestPagesOfALargeProject(t *testing.T) { // alone, since it counts what the process asks the database
	recorder := tracetest.NewSpanRecorder()
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSpanProcessor(recorder)))
	defer otel.SetTracerProvider(noop.NewTracerProvider())
	address := pgtest.URL(t)
	store := pgtest.Open(t, address)
	s := newSiteOn(t, store)
	s.report(`{"platform": "python", "exception": {"values": [{"type": "KeyError", "value": "cart", "stacktrace": {"frames": [{"function": "pay", "module": "shop", "in_app": true}]}}]},
		"tags": {"tenant": "t5"}, "user": {"id": "7"}, "release": "shop@3.1.0", "environment": "production"}`, time.Now().Add(-time.Hour))
	s.settle()
	if err := seed.Fill(t.Context(), address, s.made.ProjectID, seed.Size{Issues: 100_000, Events: 500_000}, func(string) {}); err != nil {
		t.Fatal(err)
	}
	pages := s.server.Config.Handler // statements are only told within a span
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, span := otel.Tracer("test").Start(r.Context(), "page")
		defer span.End()
		pages.ServeHTTP(w, r.WithContext(ctx))
	})
	before := readWhole(t, address)
	b := s.signedIn()
	list := b.page("/o/default/issues?sort=freq")
	busiest := regexp.MustCompile(`/o/default/issues/DEFAULT-\w+`).FindString(list)
	newest := regexp.MustCompile(`events/([0-9a-f]{32})`).FindStringSubmatch(b.page(busiest))
	if busiest == "" || newest == nil {
		t.Fatalf("no issue or no event to look at: %q, %q", busiest, newest)
	}
	cursor := regexp.MustCompile(`href="([^"]*cursor=[^"]*)"`).FindStringSubmatch(list)
	if cursor == nil {
		t.Fatal("the list of 100,000 issues has one page")
	}
	release := regexp.MustCompile(`/o/default/releases/default/[^"/?]+`).FindString(b.page("/o/default/releases"))
	if release == "" {
		t.Fatal("no release to look at")
	}
	const listed, detail = 25, 60
	for _, c := range []struct {
		path      string
		kilobytes int // of HTML, compressed; 0: no budget
	}{
		{"/o/default/issues", listed}, {"/o/default/issues?sort=new", listed}, {"/o/default/issues?sort=freq", listed}, {"/o/default/issues?sort=user", listed},
		{strings.ReplaceAll(cursor[1], "&amp;", "&"), listed}, {"/o/default/issues?query=ledger", listed}, {"/o/default/issues?query=step+abc1", listed}, {"/o/default/issues?query=nowhere+at+all", listed}, {"/o/default/issues?query=release.version%3A%3E3.150", listed},
		{"/o/default/issues?query=tenant%3At77", listed}, {"/o/default/issues?query=stack.function%3Ahandle_cart", listed},
		{"/o/default/issues?environment=staging", listed}, {"/o/default/issues?status=all", listed},
		{"/o/default/issues/histogram", 0}, {"/o/default/suggest?word=tenant%3At1", 0}, {"/o/default/palette?q=token", 0},
		{busiest, detail}, {busiest + "/events/" + newest[1], detail}, {busiest + "/peek", detail}, {busiest + "/tags", detail},
		{busiest + "/events", detail}, {busiest + "/activity", detail}, {busiest + "/similar", detail}, {busiest + "/merged", detail}, {busiest + "/attachments", detail},
		{"/o/default/releases", listed}, {"/o/default/releases?environment=staging", listed}, {release, detail}, {release + "/commits", detail},
		{release + "/artifacts", detail}, {release + "/compare?with=shop%403.190.0", detail},
	} {
		s.ui.Changed() // who reads is looked up, too
		had := len(recorder.Ended())
		body := b.page(c.path)
		var asked []string
		for _, span := range recorder.Ended()[had:] {
			if isStatement(span) {
				asked = append(asked, span.Name())
			}
		}
		if len(asked) == 0 || len(asked) > mostStatements {
			t.Errorf("%s asks the database %d times: %s", c.path, len(asked), strings.Join(asked, ", "))
		}
		t.Logf("%d statements, %d bytes: %s", len(asked), compressed(body), c.path)
		if size := compressed(body); c.kilobytes > 0 && size > c.kilobytes<<10 {
			t.Errorf("%s has %d bytes compressed, its budget is %d KB", c.path, size, c.kilobytes)
		}
	}
	store.Close() // each connection reports what it read when it ends
	for table, now := range readWhole(t, address) {
		if read := now.read - before[table].read; read >= now.rows {
			t.Errorf("the pages read %d rows of %s one after the other, which has %d", read, table, now.rows)
		}
	}
}

// isStatement tells the execution of a statement, which ends with a count of rows, from its
// preparation, the borders of a transaction, and the sending of a batch, whose statements have spans
// of their own.
func isStatement(span trace.ReadOnlySpan) bool {
	switch span.Name() {
	case "pool.acquire", "batch start", "connect", "BEGIN", "COMMIT":
		return false
	}
	return slices.ContainsFunc(span.Attributes(), func(a attribute.KeyValue) bool { return a.Key == otelpgx.RowsAffectedKey })
}

type reads struct{ read, rows int64 }

func readWhole(t *testing.T, address string) map[string]reads {
	t.Helper()
	db, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(t.Context())
	rows, _ := db.Query(t.Context(), sqlReadWhole)
	all := map[string]reads{}
	var name string
	var r reads
	if _, err := pgx.ForEachRow(rows, []any{&name, &r.read, &r.rows}, func() error { all[name] = r; return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

func compressed(body string) int {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	fmt.Fprint(w, body)
	w.Close()
	return out.Len()
}
