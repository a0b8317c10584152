package processor

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tocsin-dev/tocsin/internal/app"
	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/blob"
	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/symbol"
	"github.com/tocsin-dev/tocsin/internal/telemetry"
	"github.com/tocsin-dev/tocsin/internal/testkit/natstest"
	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
)

// world is a processor's service on a database of its own, with project 1.
type world struct {
	*Service
	t   testing.TB
	url string
	db  *pgxpool.Pool
}

func newWorld(t testing.TB) *world {
	t.Helper()
	url := pgtest.URL(t)
	db, err := pgxpool.New(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	for _, sql := range []string{"insert into organizations (id, slug, name) values (1, 'acme', 'Acme')",
		"insert into projects (id, organization_id, slug, name) values (1, 1, 'shop', 'Shop')"} {
		if _, err := db.Exec(context.Background(), sql); err != nil {
			t.Fatal(err)
		}
	}
	var stores [3]blob.Store
	for i := range stores {
		if stores[i], err = blob.Open("", t.TempDir()); err != nil {
			t.Fatal(err)
		}
	}
	st := pgtest.Open(t, url)
	return &world{newService(st, stores[0], stores[1], stores[2], symbol.New(st, stores[1], symbol.Config{}), Config{RetentionDays: 90}), t, url, db}
}

// int reads one number; a failed query is -1.
func (w *world) int(sql string) int64 {
	var n int64
	if err := w.db.QueryRow(context.Background(), sql).Scan(&n); err != nil {
		return -1
	}
	return n
}

func (w *world) want(want int64, sql string) {
	w.t.Helper()
	if got := w.int(sql); got != want {
		w.t.Errorf("want %d, got %d: %s", want, got, sql)
	}
}

// await polls until the query gives want, within 20 seconds.
func (w *world) await(want int64, sql string) {
	w.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); w.int(sql) != want; <-tick.C {
		if time.Now().After(deadline) {
			w.t.Fatalf("waited in vain for %d, got %d: %s", want, w.int(sql), sql)
		}
	}
}

var started = time.Now().UTC()

// raw is event number n of project 1 with the payload.
func raw(n int, payload string) event.Raw {
	r := event.Raw{Project: 1, KeyID: 3, ReceivedAt: started.Add(time.Duration(n) * time.Millisecond), ItemType: "event", Payload: []byte(payload)}
	binary.BigEndian.PutUint64(r.ID[:], uint64(n)+1)
	return r
}

func failure(kind string) string {
	return fmt.Sprintf(`{"platform":"python","environment":"live","release":"shop@1.0","user":{"id":"7"},"tags":{"color":"red"},
		"exception":{"values":[{"type":%q,"value":"broken","mechanism":{"type":"generic","handled":false},"stacktrace":{"frames":[
		{"function":"main","module":"shop","filename":"shop.py","lineno":3,"in_app":true}]}}]}}`, kind)
}

func TestABatchIsDecodedGroupedAndRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rejects, err := w.Process(t.Context(), []event.Raw{raw(0, failure("KeyError")), raw(1, failure("KeyError")), raw(2, failure("IOError")),
		raw(3, `{"message":"hello"}`), raw(4, `[1, 2`), raw(5, `{"type":"transaction","transaction":"/"}`), raw(0, failure("KeyError"))})
	if err != nil {
		t.Fatal(err)
	}
	if len(rejects) != 1 || rejects[0].Index != 4 || rejects[0].Err == nil {
		t.Errorf("want number 4 rejected, got %+v", rejects)
	}
	w.want(4, "select count(*) from events")
	w.want(3, "select count(*) from issues")
	w.want(1, "select count(*) from issues where title = 'KeyError: broken' and times_seen = 2 and is_unhandled and level = 40 and culprit = 'shop in main'")
	w.want(4, "select sum(quantity) from outcomes where outcome = 0 and category = 1 and key_id = 3")
	w.want(1, "select sum(quantity) from outcomes where outcome = 3 and reason = 'invalid_json'")
	w.want(1, "select sum(quantity) from outcomes where outcome = 1 and reason = 'not_stored'")
	if _, err := w.store.FoldFacts(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.want(3, "select sum(times_seen) from issue_tags where key = 'color' and value = 'red'")
	w.want(1, "select count(*) from releases where version = 'shop@1.0' and new_issues = 2 and times_seen = 3")
	stored, err := w.store.Event(t.Context(), 1, raw(0, "").ID)
	if err != nil {
		t.Fatal(err)
	}
	ev, err := event.Decode(stored.Payload)
	if err != nil || len(ev.Exceptions) != 1 || ev.Exceptions[0].Type != "KeyError" || ev.ID != raw(0, "").ID {
		t.Errorf("want the event back, got %+v, %v", ev, err)
	}
}

func TestARedeliveredBatchChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	batch := []event.Raw{raw(0, failure("KeyError")), raw(1, `nonsense`), raw(2, failure("IOError"))}
	for range 3 {
		if _, err := w.Process(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	w.want(3, "select sum(quantity) from outcomes")
	w.want(2, "select sum(times_seen) from issues")
	w.want(2, "select count(*) from alert_outbox")
}

func TestAPanicCostsItsOwnEventOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.decode = func(ctx context.Context, r *event.Raw, own *worker) (postgres.Record, error) {
		if r.ID == raw(1, "").ID {
			var none []int
			_ = none[len(r.Payload)]
		}
		return w.record(ctx, r, own)
	}
	rejects, err := w.Process(t.Context(), []event.Raw{raw(0, failure("A")), raw(1, failure("B")), raw(2, failure("C"))})
	if err != nil || len(rejects) != 1 || rejects[0].Index != 1 {
		t.Errorf("want number 1 rejected, got %+v, %v", rejects, err)
	}
	w.want(2, "select count(*) from events")
	w.want(1, "select sum(quantity) from outcomes where reason = 'internal'")
}

// TestQueuedEventsBecomeIssuesAndAlerts runs the whole service between a real queue and a real
// database.
func TestQueuedEventsBecomeIssuesAndAlerts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	broker := natstest.New(t)
	k, err := app.New("processor", app.Config{Config: telemetry.Config{LogLevel: slog.LevelError}, Data: t.TempDir()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	k.Listen = "127.0.0.1:0"
	k.Bus, k.Store = broker.Conn("processor"), pgtest.Open(t, w.url)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, k, Config{RetentionDays: 90}) }()

	events, err := bindings.Events.Publisher(broker.Conn("ingest"))
	if err != nil {
		t.Fatal(err)
	}
	outcomes, err := bindings.Outcomes.Publisher(broker.Conn("ingest"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		natstest.Publish(t, events, raw(i, failure(fmt.Sprint("E", i%2))))
	}
	limited := outcome.Key{Project: 1, Category: outcome.Error, Kind: outcome.RateLimited, Reason: "key_quota", Minute: started}
	natstest.Publish(t, outcomes, outcome.Batch{ID: [16]byte{1}, Counts: []outcome.Count{{Key: limited, Quantity: 5}}})
	alerts := make(chan issue.Change, 10)
	notified := make(chan error, 1)
	notifier := broker.Conn("notifier")
	go func() {
		notified <- bindings.Alerts.Consume(ctx, notifier, func(_ context.Context, batch []issue.Change) ([]bus.Reject, error) {
			for _, c := range batch {
				alerts <- c
			}
			return nil, nil
		})
	}()
	w.await(20, "select coalesce(sum(times_seen), 0)::bigint from issues")
	w.await(5, "select coalesce(sum(quantity), 0)::bigint from outcomes where reason = 'key_quota'")
	w.await(0, "select count(*) from alert_outbox")
	w.await(0, "select count(*) from pending_facts")
	for range 2 {
		if c := <-alerts; c.Kind != issue.ChangeNew || c.Org != "acme" || c.ProjectSlug != "shop" || c.TimesSeen != 1 {
			t.Errorf("want a new issue of acme's shop, got %+v", c)
		}
	}
	cancel()
	if err := <-notified; err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("want a clean end, got %v", err)
	}
	k.Wait()
}
