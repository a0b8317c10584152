package api_test

import (
	"context"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/blob"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/seal"
	"github.com/tocsin-dev/tocsin/internal/symbol"
	"github.com/tocsin-dev/tocsin/internal/testkit/natstest"
	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
	"github.com/tocsin-dev/tocsin/internal/web/api"
	"github.com/tocsin-dev/tocsin/internal/web/operate"
)

const baseURL = "https://errors.example.org"

// noon is when the events of a world begin.
var noon = time.Now().UTC().Truncate(24 * time.Hour).Add(-12 * time.Hour)

// world is an API over a database with the organization default, whose owner holds token.
type world struct {
	t       testing.TB
	st      *postgres.Store
	url     string
	service *api.Service
	token   string
	blobs   blob.Store
	files   blob.Store
	symbols *symbol.Service
	chunks  blob.Store
	key     string // public key of project 1
	asked   []any  // what the notifier was asked
	desk    *operate.Desk
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, url: pgtest.URL(t)}
	w.st = pgtest.Open(t, w.url)
	made, err := w.st.Bootstrap(t.Context(), postgres.BootstrapInput{Organization: "default", Project: "shop", Email: "owner@example.org", Password: "correct horse"})
	if err != nil {
		t.Fatal(err)
	}
	w.token, w.key = made.AuthToken, made.PublicKey
	for _, st := range []*blob.Store{&w.blobs, &w.files, &w.chunks} {
		if *st, err = blob.Open("", t.TempDir()); err != nil {
			t.Fatal(err)
		}
	}
	sealer, err := seal.New(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	desk, err := operate.New(w.st, natstest.New(t).Conn("web"))
	if err != nil {
		t.Fatal(err)
	}
	w.desk, w.symbols = desk, symbol.New(w.st, w.files, symbol.Config{})
	w.service = api.New(api.Options{Desk: desk, Store: w.st, Blobs: w.blobs, Files: w.files, Chunks: w.chunks, Symbols: w.symbols, BaseURL: baseURL, Release: "test", Key: sealer,
		TestRule: func(_ context.Context, q alert.TestRequest) (alert.TestResult, error) {
			w.asked = append(w.asked, q)
			return alert.TestResult{Delivery: 7, State: alert.DeliverySent, Attempt: alert.Attempt{Number: 1, StartedAt: noon, Status: 200}}, nil
		},
		Redeliver: func(_ context.Context, q alert.RedeliverRequest) (alert.RedeliverResult, error) {
			w.asked = append(w.asked, q)
			return alert.RedeliverResult{Queued: q.Deliveries}, nil
		}})
	return w
}

// eventID is the id of the n-th event of a text.
func eventID(text string, n int) event.ID { return md5.Sum(fmt.Appendf(nil, "%s %d", text, n)) }

// payload is an event as an SDK sends it.
func payload(id event.ID, text string, n int) []byte {
	doc := map[string]any{
		"event_id": id.String(), "platform": "python", "level": "error", "release": "shop@1.0.0", "environment": "production",
		"timestamp": noon.Add(time.Duration(n) * time.Second).Format(time.RFC3339), "logger": "shop.cart",
		"sdk":  map[string]any{"name": "sentry.python", "version": "2.0.0"},
		"user": map[string]any{"id": fmt.Sprint(n % 3), "email": "a@example.org"}, "tags": map[string]any{"browser.kind": "Firefox", "n": fmt.Sprint(n)},
		"extra": map[string]any{"cart": []int{1, 2}}, "contexts": map[string]any{"shelf": map[string]any{"rows": 3}}, "modules": map[string]string{"django": "5.0"},
		"request":     map[string]any{"url": "https://shop.example.org/cart", "method": "POST", "headers": map[string]string{"Accept": "*/*"}, "query_string": "a=1"},
		"breadcrumbs": map[string]any{"values": []any{map[string]any{"timestamp": noon.Format(time.RFC3339), "category": "query", "message": "select 1", "level": "info"}}},
		"exception": map[string]any{"values": []any{map[string]any{"type": "ValueError", "value": text, "module": "shop",
			"mechanism": map[string]any{"type": "django", "handled": false},
			"stacktrace": map[string]any{"frames": []any{
				map[string]any{"filename": "django/base.py", "function": "call", "lineno": 5, "in_app": false},
				map[string]any{"filename": "shop/cart.py", "function": "add", "lineno": 12, "in_app": true, "pre_context": []string{"def add():", "  x = 1"},
					"context_line": "  raise ValueError", "post_context": []string{"", "def drop():"}, "vars": map[string]any{"x": "1"}}}}}}},
	}
	raw, _ := json.Marshal(doc)
	return raw
}

// record stores n events of one issue in a project, a second apart, each after the changes.
func (w *world) record(project int64, text string, n int, changes ...func(doc map[string]any)) {
	w.t.Helper()
	records := make([]postgres.Record, n)
	for i := range records {
		raw := event.Raw{Project: project, KeyID: 9, ID: eventID(fmt.Sprint(project, text), i), ReceivedAt: noon.Add(time.Duration(i) * time.Second)}
		raw.Payload = payload(raw.ID, text, i)
		for _, change := range changes {
			var doc map[string]any
			_ = json.Unmarshal(raw.Payload, &doc) // it was written here
			change(doc)
			raw.Payload, _ = json.Marshal(doc)
		}
		e, err := event.Decode(raw.Payload)
		if err != nil {
			w.t.Fatal(err)
		}
		e.ID, e.Project = raw.ID, project
		e.Normalize(raw.Delivery(90 * 24 * time.Hour))
		m := e.Metadata()
		records[i] = postgres.Record{Project: project, KeyID: 9, ID: raw.ID, ReceivedAt: raw.ReceivedAt, OccurredAt: e.Timestamp, Category: outcome.Error,
			Type: e.Type, Level: e.Level, Platform: e.Platform, Logger: e.Logger, Release: e.Release, Environment: e.Environment, Title: m.Title,
			Culprit: m.Culprit, Metadata: m, Unhandled: true, UserKey: e.User.Key(), Tags: e.Tags, Properties: e.Properties(), Hashes: [][16]byte{md5.Sum([]byte(text))}, Payload: e.AppendJSON(nil)}
	}
	if _, err := w.st.RecordEvents(w.t.Context(), records); err != nil {
		w.t.Fatal(err)
	}
	w.fold()
}

func (w *world) fold() {
	w.t.Helper()
	for {
		done, err := w.st.FoldFacts(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		if done.Batches == 0 {
			return
		}
	}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// json decodes the body.
func (a answer) json(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal(a.body, into); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
}

// call makes a request with the owner's token and holds the answer to the contract.
func (w *world) call(method, path string, body ...string) answer {
	w.t.Helper()
	return w.callAs("Bearer "+w.token, method, path, body...)
}

func (w *world) callAs(authorization, method, path string, body ...string) answer {
	w.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(strings.Join(body, "")))
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return w.answer(r)
}

// wantWith makes a request with headers, checks its status and returns the answer.
func (w *world) wantWith(status int, method, path, body string, headers ...string) answer {
	w.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+w.token)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	a := w.answer(r)
	if a.status != status {
		w.t.Errorf("%s %s: want %d, got %d: %s", method, path, status, a.status, a.body)
	}
	return a
}

func (w *world) answer(r *http.Request) answer {
	w.t.Helper()
	rec := httptest.NewRecorder()
	w.service.ServeHTTP(rec, r)
	raw, _ := io.ReadAll(rec.Body) // a buffer
	a := answer{rec.Code, rec.Header(), raw}
	checkContract(w.t, w.service, r, a)
	return a
}

// want makes a request, checks its status and returns the answer.
func (w *world) want(status int, method, path string, body ...string) answer {
	w.t.Helper()
	a := w.call(method, path, body...)
	if a.status != status {
		w.t.Errorf("%s %s: want %d, got %d: %s", method, path, status, a.status, a.body)
	}
	return a
}

// token makes a token of the owner with the scopes.
func (w *world) tokenWith(scopes ...account.Scope) string {
	w.t.Helper()
	u, err := w.st.UserByEmail(w.t.Context(), "owner@example.org")
	if err != nil {
		w.t.Fatal(err)
	}
	_, secret, err := w.st.CreateToken(w.t.Context(), account.Token{Organization: 1, User: u.ID, Scopes: account.NewScopes(scopes...)})
	if err != nil {
		w.t.Fatal(err)
	}
	return secret
}

// first is the first issue of a list.
func (w *world) first(path string) map[string]any {
	w.t.Helper()
	var list []map[string]any
	w.want(200, "GET", path).json(w.t, &list)
	if len(list) == 0 {
		w.t.Fatalf("%s is empty", path)
	}
	return list[0]
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	db, err := pgx.Connect(w.t.Context(), w.url)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = db.Close(context.Background()) }()
	if _, err := db.Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

func (w *world) scalar(sql string, args ...any) (n int64) {
	w.t.Helper()
	db, err := pgx.Connect(w.t.Context(), w.url)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = db.Close(context.Background()) }()
	if err := db.QueryRow(w.t.Context(), sql, args...).Scan(&n); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// seenIDs are the ids of a set.
func (w *world) seenIDs(set map[string]bool) []int64 {
	var list []int64
	for text := range set {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			w.t.Fatal(err)
		}
		list = append(list, n)
	}
	return list
}

// foreignOrganization makes organization other with project vault and a rule, and returns the
// project's id.
func (w *world) foreignOrganization() int64 {
	w.t.Helper()
	w.exec("insert into organizations (id, slug, name) values (2, 'other', 'Other')")
	p, err := w.st.CreateProject(w.t.Context(), 2, "vault", "Vault", "")
	if err != nil {
		w.t.Fatal(err)
	}
	w.exec(`insert into alert_rules (project_id, id, name, rule) values ($1, 77, 'theirs', '{"conditions":[],"match":"any","actions":[]}')`, p.ID)
	return p.ID
}

// texts are the rows of a query of one text column.
func (w *world) texts(sql string, args ...any) []string {
	w.t.Helper()
	db, err := pgx.Connect(w.t.Context(), w.url)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = db.Close(context.Background()) }()
	rows, _ := db.Query(w.t.Context(), sql, args...) // Collect reports a failed Query
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return list
}
