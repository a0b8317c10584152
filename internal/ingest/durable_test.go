package ingest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/quota"
	"github.com/tocsin-dev/tocsin/internal/spool"
	"github.com/tocsin-dev/tocsin/internal/testkit/natstest"
)

func post(h http.Handler, path, auth, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("X-Sentry-Auth", auth)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestEventsSurviveWithoutTheBus stops the broker, accepts events, ends the service, and starts
// both again from what is on disk.
func TestEventsSurviveWithoutTheBus(t *testing.T) {
	t.Parallel()
	broker := natstest.New(t)
	dead, err := bindings.Events.Publisher(broker.Conn("ingest"))
	if err != nil {
		t.Fatal(err)
	}
	if err := broker.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	cfg, dir := testConfig(), t.TempDir()
	open := func(queue publisher) (*Service, func()) {
		sp, err := spool.Open(filepath.Join(dir, "spool"), spool.Options{MaxBytes: cfg.SpoolBytes})
		if err != nil {
			t.Fatal(err)
		}
		projects := openDirectory(t.Context(), filepath.Join(dir, "projects.json"))
		if projects.size() == 0 {
			for _, s := range snapshots() {
				projects.put(&s)
			}
		}
		if err := projects.save(t.Context()); err != nil {
			t.Fatal(err)
		}
		s, err := newService(cfg, projects, queue, sp, nil, prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		return s, func() {
			if err := sp.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	s, stop := open(dead)
	h := s.routes()
	const n = 20
	var slowest time.Duration
	for i := range n {
		started := time.Now()
		if w := post(h, envelopePath, auth, event1(eventID(i), fmt.Sprintf(`{"n":%d}`, i))); w.Code != http.StatusOK {
			t.Fatalf("event %d: %d %s", i, w.Code, w.Body)
		}
		slowest = max(slowest, time.Since(started))
	}
	if slowest > 20*time.Second {
		t.Errorf("want an answer soon, waited %s", slowest)
	}
	if s.spool.Len() != n {
		t.Errorf("want %d events in the spool, got %d", n, s.spool.Len())
	}
	stop()

	again := natstest.New(t)
	live, err := bindings.Events.Publisher(again.Conn("ingest"))
	if err != nil {
		t.Fatal(err)
	}
	s, stop = open(live)
	defer stop()
	g := &rig{t: t, s: s, broker: again, change: make(chan struct{}, 1)}
	g.consume()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.forward(ctx) }()
	for i := range n {
		if raw := g.wait(eventID(i)); string(raw.Payload) != fmt.Sprintf(`{"n":%d}`, i) || raw.Client != "test/1.0" {
			t.Errorf("event %d: %s", i, raw.Payload)
		}
	}
	if w := post(s.routes(), envelopePath, auth, event1(eventID(n), "{}")); w.Code != http.StatusOK {
		t.Errorf("after the restart: %d %s", w.Code, w.Body)
	}
	g.wait(eventID(n))
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestForwarderWakesWhenTheQueueIsBack(t *testing.T) {
	t.Parallel()
	queue := &memory{away: true}
	s := newTestService(t, testConfig(), queue)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.forward(ctx) }()
	if w := post(s.routes(), envelopePath, auth, event1(id, `{"a":1}`)); w.Code != http.StatusOK {
		t.Fatalf("got %d", w.Code)
	}
	queue.mu.Lock()
	queue.away = false
	queue.mu.Unlock()
	for deadline := time.Now().Add(10 * time.Second); s.spool.Len() > 0; {
		if time.Now().After(deadline) {
			t.Fatal("the spool was not drained")
		}
		runtime.Gosched()
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if len(queue.events) != 1 || queue.events[0].ID.String() != id || string(queue.events[0].Payload) != `{"a":1}` {
		t.Errorf("got %+v", queue.events)
	}
}

func TestFullSpoolTellsClientsToWait(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.SpoolBytes = 1 << 20
	s := newTestService(t, cfg, &memory{away: true})
	h := s.routes()
	body := event1(id, `{"a":"`+strings.Repeat("x", 300<<10)+`"}`) + "{\"type\":\"session\"}\n{}"
	status := http.StatusOK
	var w *httptest.ResponseRecorder
	for n := 0; n < 10 && status == http.StatusOK; n++ {
		s.counts()
		w = post(h, envelopePath, auth, body)
		status = w.Code
	}
	if status != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "60" || w.Header().Get(quota.Header) != "60::organization:backpressure" ||
		w.Body.String() != `{"detail":"there is no room left to keep events","causes":["the spool is full"]}` {
		t.Errorf("got %d %v %s", status, w.Header(), w.Body)
	}
	want := map[outcome.Key]int64{
		{Project: 1, KeyID: 11, Category: outcome.Error, Kind: outcome.RateLimited, Reason: "backpressure"}:   1,
		{Project: 1, KeyID: 11, Category: outcome.Session, Kind: outcome.RateLimited, Reason: "backpressure"}: 1,
	}
	if diff := cmp.Diff(want, s.counts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if w := post(h, "/api/relay/healthcheck/ready/", "", ""); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("got %d", w.Code)
	}
	r := httptest.NewRequest(http.MethodGet, "/api/relay/healthcheck/ready/", nil)
	ready := httptest.NewRecorder()
	h.ServeHTTP(ready, r)
	live := httptest.NewRecorder()
	h.ServeHTTP(live, httptest.NewRequest(http.MethodGet, "/api/relay/healthcheck/live/", nil))
	if ready.Code != http.StatusServiceUnavailable || live.Code != http.StatusOK {
		t.Errorf("want not ready and live, got %d %d", ready.Code, live.Code)
	}
}

// TestThoseWhoSendOnceHearOfRoomAndNotOfQuotas: crash reporters and browsers are answered as if all was
// well when a quota drops what they send, but not when it could not be kept.
func TestThoseWhoSendOnceHearOfRoomAndNotOfQuotas(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.SpoolBytes = 4 << 20
	for _, c := range []struct{ path, contentType, body string }{
		{securityPath, "application/csp-report", `{"csp-report":{"effective-directive":"img-src","blocked-uri":"http://b.com"}}`},
		{"/api/1/nel/?sentry_key=" + key, "application/reports+json", `[{"type":"network-error","body":{"type":"dns.unreachable"}}]`},
		{"/api/1/minidump/?sentry_key=" + key, "application/x-dmp", crashDump()},
		{unrealPath, "", unrealArchive([2]string{"UE4Minidump.dmp", crashDump()})},
	} {
		queue := &memory{}
		s := newTestService(t, cfg, queue)
		s.projects.put(limitedProject(quota.Quota{ID: "none", Scope: quota.ScopeOrganization, Reason: "usage_exceeded"}))
		if w := report(s.routes(), c.path, c.contentType, c.body); w.Code != http.StatusOK || len(queue.events) != 0 {
			t.Errorf("%s over a quota: %d %s, %d events", c.path, w.Code, w.Body, len(queue.events))
		}
		for k, n := range s.counts() {
			if k.Kind != outcome.RateLimited || k.Reason != "usage_exceeded" || n < 1 {
				t.Errorf("%s over a quota: %d of %+v", c.path, n, k)
			}
		}
		full := newTestService(t, cfg, &memory{away: true})
		for size := 1 << 16; size > 0; size /= 2 {
			for full.spool.Append(t.Context(), make([]byte, size)) == nil {
			}
		}
		if w := report(full.routes(), c.path, c.contentType, c.body); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "60" {
			t.Errorf("%s without room: %d %s", c.path, w.Code, w.Body)
		}
	}
}

// TestKeyRateLimit is rows 97 and 98: five events an hour, refused at once from the sixth on.
func TestKeyRateLimit(t *testing.T) {
	t.Parallel()
	queue := &memory{}
	s := newTestService(t, testConfig(), queue)
	s.counters = quota.NewCounters(nil, func() time.Time { return time.Unix(1_800_000_000, 0) }) // an hour begins
	h := s.routes()
	limited := "Sentry sentry_key=" + rateKey
	for i := range 5 {
		if w := post(h, envelopePath, limited, event1(eventID(i), "{}")); w.Code != http.StatusOK {
			t.Fatalf("event %d: %d", i, w.Code)
		}
	}
	s.counts()
	withFile := event1(eventID(6), "{}") + "{\"type\":\"attachment\",\"length\":3}\nabc\n"
	w := post(h, envelopePath, limited, withFile)
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "300" ||
		w.Header().Get(quota.Header) != "300:default;error;security:key:key_quota" || w.Header().Get("X-Sentry-Error") == "" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
	count := func(c outcome.Category, kind outcome.Kind, reason string) outcome.Key {
		return outcome.Key{Project: 1, KeyID: 13, Category: c, Kind: kind, Reason: reason}
	}
	want := map[outcome.Key]int64{
		count(outcome.Error, outcome.RateLimited, "key_quota"):          1,
		count(outcome.Attachment, outcome.RateLimited, "key_quota"):     3,
		count(outcome.AttachmentItem, outcome.RateLimited, "key_quota"): 1,
	}
	if diff := cmp.Diff(want, s.counts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	w = post(h, envelopePath, limited, withFile+"{\"type\":\"session\"}\n"+sessionNow()+"\n")
	if w.Code != http.StatusOK || w.Body.String() != okID(eventID(6)) || w.Header().Get(quota.Header) == "" {
		t.Errorf("want the rest accepted, got %d %s %v", w.Code, w.Body, w.Header())
	}
	want[count(outcome.Session, outcome.Filtered, "not_stored")] = 1
	if diff := cmp.Diff(want, s.counts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if w := post(h, envelopePath, limited, "{}\n{\"type\":\"client_report\"}\n{}"); w.Code != http.StatusOK {
		t.Errorf("want client reports never limited, got %d", w.Code)
	}
	if w := post(h, envelopePath, auth, event1(id, "{}")); w.Code != http.StatusOK {
		t.Errorf("want the project's other key unaffected, got %d", w.Code)
	}
	if len(queue.events) != 6 {
		t.Errorf("want 6 events queued, got %d", len(queue.events))
	}
}

// TestConformanceQueueUnavailable is row 29 where there is neither queue nor disk.
func TestConformanceQueueUnavailable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sp, err := spool.Open(dir, spool.Options{MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if err := sp.Close(); err != nil {
		t.Fatal(err)
	}
	s := newTestService(t, testConfig(), &memory{away: true})
	s.spool, sp = sp, s.spool
	w := post(s.routes(), envelopePath, auth, event1(id, "{}"))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("want 503, got %d %s", w.Code, w.Body)
	}
	if diff := cmp.Diff(invalid(outcome.Error, "internal", 1), s.counts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	s.spool = sp
	s.close()
	if w := post(s.routes(), envelopePath, auth, event1(id, "{}")); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" {
		t.Errorf("after the end: want 503, got %d %s", w.Code, w.Body)
	}
}

func TestSpooledRecordIsTheQueueForm(t *testing.T) {
	t.Parallel()
	s := newTestService(t, testConfig(), &memory{away: true})
	if w := post(s.routes(), envelopePath, auth, event1(id, `{"a":1}`)); w.Code != http.StatusOK {
		t.Fatalf("got %d", w.Code)
	}
	err := s.spool.Drain(t.Context(), func(recs [][]byte) error {
		var raw event.Raw
		if len(recs) != 1 {
			t.Fatalf("want one record, got %d", len(recs))
		}
		if err := raw.UnmarshalBinary(recs[0]); err != nil || raw.ID.String() != id || string(raw.Payload) != `{"a":1}` {
			t.Errorf("%v %+v", err, raw)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
