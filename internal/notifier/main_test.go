package notifier_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/app"
	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/notifier"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/testkit/natstest"
	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
)

// canary is part of every address and secret in these tests; it must show nowhere.
const canary = "canary-3f1c"

// journal keeps what the tests log.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func TestMain(m *testing.M) {
	if url := os.Getenv(childDatabase); url != "" {
		child(url)
		return
	}
	var log journal
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	keeper := goleak.IgnoreAnyFunction("github.com/tocsin-dev/tocsin/internal/testkit/pgtest.startKeeper.func1") // outlives the tests by design
	goleak.VerifyTestMain(m, keeper, goleak.Cleanup(func(code int) {
		if strings.Contains(log.buf.String(), canary) {
			fmt.Println("a secret shows in the log:\n" + log.buf.String())
			code = 1
		}
		os.Exit(code)
	}))
}

// world is a project with what a notifier needs around it.
type world struct {
	t        *testing.T
	url      string // of the database
	store    *postgres.Store
	broker   *natstest.Server
	kit      *app.Kit
	registry *prometheus.Registry
	publish  *bus.Publisher[issue.Change]
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, url: pgtest.URL(t), registry: prometheus.NewRegistry()}
	w.store = pgtest.Open(t, w.url)
	w.execute("insert into organizations (id, slug, name) values (1, 'default', 'Default')")
	w.execute("insert into projects (id, organization_id, slug, name) values (1, 1, 'shop', 'Shop')")
	w.broker = natstest.New(t)
	k, err := app.New("notifier", app.Config{Data: t.TempDir(), URL: "https://tocsin.example"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	k.Listen, k.Bus, k.Store, k.Registry = "127.0.0.1:0", w.broker.Conn("notifier"), w.store, w.registry
	w.kit = k
	if w.publish, err = bindings.Alerts.Publisher(w.broker.Conn("processor")); err != nil {
		t.Fatal(err)
	}
	return w
}

// run starts the notifier; it stops when the test ends, before the receivers do.
func (w *world) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- notifier.Run(ctx, w.kit, notifier.Config{AllowPrivate: "127.0.0.0/8"})
	}()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("the notifier ended with %v", err)
		}
	})
}

func (w *world) execute(sql string, args ...any) {
	w.t.Helper()
	conn, err := pgx.Connect(context.Background(), w.url)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(context.Background(), sql, args...); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

// scan reads one row.
func (w *world) scan(sql string, into ...any) {
	w.t.Helper()
	conn, err := pgx.Connect(context.Background(), w.url)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if err := conn.QueryRow(context.Background(), sql).Scan(into...); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

// action makes a destination and returns the action that goes there. Every alert is a message.
func (w *world) action(url string) alert.Action {
	w.t.Helper()
	return w.actionTo(url, alert.Noise{DigestMin: alert.DefaultDigestMin, DigestMax: alert.DefaultDigestMax})
}

func (w *world) actionTo(url string, noise alert.Noise) alert.Action {
	w.t.Helper()
	d := alert.Destination{Organization: 1, Channel: alert.ChannelWebhook, Name: "Hook", Target: url, Settings: w.settings(url), Noise: noise}
	if err := w.store.PutDestination(w.t.Context(), &d); err != nil {
		w.t.Fatal(err)
	}
	return alert.Action{Kind: alert.ActionDestination, Destination: d.ID}
}

func (w *world) settings(url string) string {
	w.t.Helper()
	key, err := w.kit.SecretKey()
	if err != nil {
		w.t.Fatal(err)
	}
	sealed, err := delivery.Seal(1, delivery.Settings{"url": url + "/hooks/" + canary, "secret": canary + "-secret"}, key)
	if err != nil {
		w.t.Fatal(err)
	}
	return sealed
}

func (w *world) rule(name string, actions ...alert.Action) alert.Rule {
	w.t.Helper()
	r := alert.NewOrRegressed(1, name, actions...)
	if err := w.store.PutRule(w.t.Context(), &r); err != nil {
		w.t.Fatal(err)
	}
	return r
}

func change(id int64) issue.Change {
	at := time.Now().UTC()
	return issue.Change{
		ID: id, Kind: issue.ChangeNew, Project: 1, ProjectSlug: "shop", ProjectName: "Shop", Org: "default", Issue: 1000 + id,
		ShortID: fmt.Sprintf("SHOP-%d", id), Title: "Boom", Level: "error", Type: "error", Platform: "go",
		EventID: strings.Repeat("a", 32), FirstSeen: at, TimesSeen: 1, At: at,
	}
}

func (w *world) tell(c issue.Change) {
	w.t.Helper()
	w.sight(c)
	natstest.Publish(w.t, w.publish, c)
}

// sight stores the issue that a change is about.
func (w *world) sight(c issue.Change) {
	w.t.Helper()
	w.execute(`insert into issues (project_id, id, number, type, level, platform, title, metadata, first_seen, last_seen, times_seen)
		values ($1, $2, $3, 'error', 40, 'go', $4, '{}', $5, $5, 1) on conflict do nothing`, c.Project, c.Issue, c.Issue, c.Title, c.At)
}

func (w *world) log(q postgres.DeliveryQuery) []postgres.DeliveryRow {
	w.t.Helper()
	q.Project, q.Limit = 1, 100
	page, err := w.store.ListDeliveries(w.t.Context(), q)
	if err != nil {
		w.t.Fatal(err)
	}
	return page.Rows
}

// settled waits for the rule's only delivery to satisfy ok, and returns it with its tries.
func (w *world) settled(rule int64, ok func(d postgres.DeliveryRow, tries []alert.Attempt) bool) (d postgres.DeliveryRow, tries []alert.Attempt) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("delivery of rule %d", rule), func() bool {
		rows := w.log(postgres.DeliveryQuery{Rule: rule})
		if len(rows) != 1 {
			return false
		}
		var err error
		if d, tries, err = w.store.DeliveryWithAttempts(w.t.Context(), 1, rows[0].ID); err != nil {
			w.t.Fatal(err)
		}
		return ok(d, tries)
	})
	return d, tries
}

func inState(s alert.DeliveryState) func(postgres.DeliveryRow, []alert.Attempt) bool {
	return func(d postgres.DeliveryRow, _ []alert.Attempt) bool { return d.State == s }
}

func tried(n int) func(postgres.DeliveryRow, []alert.Attempt) bool {
	return func(_ postgres.DeliveryRow, tries []alert.Attempt) bool { return len(tries) >= n }
}

// eventually waits until ok holds.
func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			w.t.Fatalf("waited in vain for: %s", what)
		case <-tick.C:
		}
	}
}

type received struct {
	id   string
	body string
}

// receiver answers with answer and keeps what it got, in order.
type receiver struct {
	*httptest.Server
	mu  sync.Mutex
	got []received
}

func newReceiver(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.got = append(r.got, received{req.Header.Get("Webhook-Id"), string(body)})
		r.mu.Unlock()
		answer(w, req)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) requests() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.got...)
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}
