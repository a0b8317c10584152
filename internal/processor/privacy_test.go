package processor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/app"
	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/telemetry"
	"github.com/tocsin-dev/tocsin/internal/testkit/canary"
	"github.com/tocsin-dev/tocsin/internal/testkit/natstest"
	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
)

func TestFilteredEventsLeaveAnOutcomeAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	crawler := raw(1, `{"message":"hello","request":{"url":"https://shop.example/","headers":{"User-Agent":"Googlebot/2.1"}}}`)
	local := raw(2, `{"message":"hello","request":{"url":"http://localhost:3000/"}}`)
	blocked := raw(3, failure("E"))
	blocked.ClientIP = netip.MustParseAddr("198.51.100.7")
	security := raw(4, `{"csp":{"effective_directive":"img-src","blocked_uri":"about:blank","document_uri":"https://shop.example/"}}`)
	security.ItemType = "security"
	if _, err := w.store.ChangeSettings(t.Context(), 1, func(s *project.Settings) error {
		s.Filters = json.RawMessage(`{"webCrawlers":{"isEnabled":true},"clientIps":{"blacklistedIps":["198.51.100.0/24"]},"csp":{"disallowedSources":["about"]}}`)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // delivered twice, counted once
		if rejects, err := w.Process(t.Context(), []event.Raw{crawler, local, blocked, security}); err != nil || len(rejects) > 0 {
			t.Fatal(rejects, err)
		}
	}
	w.want(1, "select count(*) from events")
	w.want(1, "select count(*) from issues")
	for reason, category := range map[string]outcome.Category{"web-crawlers": outcome.Error, "ip-address": outcome.Error, "invalid-csp": outcome.Security} {
		w.want(1, fmt.Sprintf("select sum(quantity) from outcomes where outcome = 1 and reason = '%s' and category = %d and key_id = 3", reason, category))
	}
	w.want(1, "select sum(quantity) from outcomes where outcome = 0")
}

// logs collects what is logged.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// canaries are the payloads of the corpus.
func canaries() (list []string) {
	for place, payload := range canary.NamedPlaces {
		for _, name := range canary.Names {
			if place == "broken body" && (name == "otp" || strings.HasPrefix(name, "two")) {
				continue // names that count only when they stand alone, inside a text that no parser reads
			}
			list = append(list, payload(name, "zq7canary"))
		}
	}
	for _, payload := range canary.TextPlaces {
		for _, s := range canary.Texts {
			list = append(list, payload(s.Text))
		}
	}
	return list
}

// dump is everything the database holds: every row of every table as text, blocks unpacked.
func (w *world) dump(batch []event.Raw) string {
	w.t.Helper()
	rows, _ := w.db.Query(context.Background(), "select quote_ident(tablename) from pg_tables where schemaname = 'public'")
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) < 20 {
		w.t.Fatalf("%d tables, %v", len(tables), err)
	}
	var all strings.Builder
	for _, table := range tables {
		var text string
		if err := w.db.QueryRow(context.Background(), "select coalesce(string_agg(t::text, E'\\n'), '') from "+table+" t").Scan(&text); err != nil {
			w.t.Fatal(err)
		}
		all.WriteString(text)
	}
	for i := range batch {
		if e, err := w.store.Event(context.Background(), 1, batch[i].ID); err == nil {
			all.Write(e.Payload)
		}
	}
	return all.String()
}

// leaked names the canaries in a text, in the open or as the hexadecimal digits of a column of bytes.
func leaked(text string) (found []string) {
	for _, mark := range append([]canary.Secret{{Name: "named", Canary: "zq7canary"}}, canary.Texts...) {
		if strings.Contains(text, mark.Canary) || strings.Contains(text, fmt.Sprintf("%x", mark.Canary)) {
			found = append(found, mark.Name)
		}
	}
	return found
}

// TestNoCanaryIsFound sends every secret of the corpus in every place of it through the processor.
func TestNoCanaryIsFound(t *testing.T) {
	// Not parallel: it takes the log of the process.
	var said logs
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug})))
	defer slog.SetDefault(before)
	w := newWorld(t)
	var batch []event.Raw
	for i, payload := range canaries() {
		batch = append(batch, raw(i, payload))
	}
	broken := len(batch)
	batch = append(batch, raw(broken, `{"extra":{"password":"zq7canary"`), raw(broken+1, `"zq7canary"`), raw(broken+2, `zq7canary`))
	for from := 0; from < len(batch); from += 250 {
		rejects, err := w.Process(t.Context(), batch[from:min(from+250, len(batch))])
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rejects {
			if from+r.Index < broken || len(leaked(r.Err.Error())) > 0 {
				t.Errorf("number %d is rejected: %v", from+r.Index, r.Err)
			}
		}
	}
	if stored := w.int("select count(*) from events"); stored < 2000 {
		t.Errorf("only %d of %d events are stored", stored, len(batch))
	}
	if found := leaked(w.dump(batch)); found != nil {
		t.Errorf("the database holds %q", found)
	}
	changes := 0
	for n := 1; n > 0; {
		var err error
		if n, err = w.store.RelayChanges(t.Context(), func(_ context.Context, c issue.Change) error {
			text, err := json.Marshal(c)
			if found := leaked(string(text)); found != nil || err != nil {
				t.Errorf("an alert holds %q: %s", found, text)
			}
			changes++
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.store.FoldFacts(t.Context()); err != nil {
		t.Fatal(err)
	}
	if found := leaked(w.dump(nil)); found != nil {
		t.Errorf("the counts hold %q", found)
	}
	if found := leaked(said.String()); found != nil {
		t.Errorf("the log holds %q", found)
	}
	if w.int("select count(*) from issues") == 0 || changes == 0 {
		t.Errorf("want issues and alerts, got %d alerts", changes)
	}
}

// TestChangedSettingsHoldAtOnce changes settings in the bucket under a running service.
func TestChangedSettingsHoldAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	broker := natstest.New(t)
	k, err := app.New("processor", app.Config{Config: telemetry.Config{LogLevel: slog.LevelError}, Data: t.TempDir()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	k.Listen = "127.0.0.1:0"
	k.Bus, k.Store, k.Blobs = broker.Conn("processor"), pgtest.Open(t, w.url), w.blobs
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, k, Config{RetentionDays: 90}) }()
	events, err := bindings.Events.Publisher(broker.Conn("ingest"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	send := func() {
		natstest.Publish(t, events, raw(n, `{"message":"hello","request":{"url":"http://localhost:3000/"},"extra":{"pin":"zq7canary"}}`))
		n++
	}
	send()
	w.await(1, "select count(*) from events")
	changed := time.Now()
	if err := bindings.Projects.Put(ctx, broker.Conn("web"), "1", project.Snapshot{Project: 1, Settings: project.Settings{Filters: json.RawMessage(dropsLocalhost)}}); err != nil {
		t.Fatal(err)
	}
	const dropped = "select coalesce(sum(quantity), 0)::bigint from outcomes where reason = 'localhost'"
	for w.int(dropped) == 0 {
		send()
		w.await(int64(n), "select coalesce(sum(quantity), 0)::bigint from outcomes")
	}
	if took := time.Since(changed); took > 20*time.Second { // 2 s on a machine with time
		t.Errorf("want the change to hold within 2 s, took %s", took)
	}
	t.Logf("held after %s and %d events", time.Since(changed), n-1)
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("want a clean end, got %v", err)
	}
	k.Wait()
}
