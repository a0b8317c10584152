package ui_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
	"github.com/tocsin-dev/tocsin/internal/testkit/seed"
)

const sqlReadWhole = `
	select regexp_replace(relname, '_\d{8}$', ''), sum(seq_tup_read)::bigint, sum(n_live_tup)::bigint from pg_stat_user_tables
	group by 1 having sum(n_live_tup) > 50000`

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
	const listed, event = 10, 30
	for _, c := range []struct {
		path       string
		statements int
		kilobytes  int // of HTML, compressed; 0: no budget
	}{
		{"/o/default/issues", listed, 25}, {"/o/default/issues?sort=new", listed, 25}, {"/o/default/issues?sort=freq", listed, 25},
		{"/o/default/issues?sort=user", listed, 25}, {strings.ReplaceAll(cursor[1], "&amp;", "&"), listed + 2, 25}, {"/o/default/issues?query=ledger", listed, 25},
		{"/o/default/issues?query=tenant%3At77", listed, 25}, {"/o/default/issues?query=stack.function%3Ahandle_cart", listed, 25},
		{"/o/default/issues?environment=staging", listed, 25}, {"/o/default/issues?status=all", listed, 25},
		{"/o/default/issues/histogram", 7, 0}, {"/o/default/suggest?word=tenant%3At1", 8, 0}, {"/o/default/palette?q=token", 8, 0},
		{busiest, event, 60}, {busiest + "/events/" + newest[1], event, 60}, {busiest + "/peek", event, 60}, {busiest + "/tags", 10, 60},
		{busiest + "/events", 10, 60}, {busiest + "/activity", 10, 60},
	} {
		had := len(recorder.Ended())
		body := b.page(c.path)
		var asked []string
		for _, span := range recorder.Ended()[had:] {
			if isStatement(span) {
				asked = append(asked, span.Name())
			}
		}
		if len(asked) == 0 || len(asked) > c.statements {
			t.Errorf("%s asks the database %d times: %s", c.path, len(asked), strings.Join(asked, ", "))
		}
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

// isStatement tells the execution of a statement from its preparation, the borders of a
// transaction, and the sending of a batch, whose statements have spans of their own.
func isStatement(span trace.ReadOnlySpan) bool {
	for _, a := range span.Attributes() {
		if a.Key == otelpgx.PrepareStmtNameKey {
			return false
		}
	}
	switch span.Name() {
	case "pool.acquire", "batch start", "connect", "BEGIN", "COMMIT":
		return false
	}
	return span.InstrumentationScope().Name != "test"
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
