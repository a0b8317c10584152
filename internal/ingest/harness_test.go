package ingest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/blob"
	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/spool"
	"github.com/tocsin-dev/tocsin/internal/testkit/natstest"
	"github.com/tocsin-dev/tocsin/internal/testkit/sdk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	key      = sdk.Key
	otherKey = "00000000000000000000000000000042"
	offKey   = "00000000000000000000000000000043"
	rateKey  = "00000000000000000000000000000044"
	pageKey  = "00000000000000000000000000000045"
	auth     = "Sentry sentry_version=7, sentry_client=test/1.0, sentry_key=" + key
	id       = "9ec79c33ec9942ab8353589fcb2e04dc"
)

func testConfig() Config {
	return Config{
		TrustedProxies:   []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		MaxEnvelopeBytes: 200 << 20, MaxEventBytes: 1 << 20, MaxCompressedBytes: 20 << 20,
		BodyMemoryBytes: 384 << 20, SpoolBytes: 64 << 20,
	}
}

// snapshots are the projects of the tests: 1 with a plain, a disabled and a rate-limited key; 42;
// and 45, which only pages of example.com may send to.
func snapshots() []project.Snapshot {
	return []project.Snapshot{
		{Project: 1, Slug: "shop", Keys: []project.SnapshotKey{
			{ID: 11, PublicKey: key, Active: true},
			{ID: 12, PublicKey: offKey},
			{ID: 13, PublicKey: rateKey, Active: true, RateLimit: &project.RateLimit{Count: 5, Window: time.Hour}},
		}},
		{Project: 42, Slug: "other", Keys: []project.SnapshotKey{{ID: 421, PublicKey: otherKey, Active: true}}},
		{Project: 45, Slug: "page", Settings: project.Settings{AllowedOrigins: []string{"example.com", "*.example.org"}},
			Keys: []project.SnapshotKey{{ID: 451, PublicKey: pageKey, Active: true}}},
	}
}

// memory is a queue in memory that can be away.
type memory struct {
	mu     sync.Mutex
	events []event.Raw
	away   bool
}

func (m *memory) Publish(_ context.Context, raw event.Raw) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return fault.New(fault.Unavailable, "the queue is away")
	}
	raw.Payload = bytes.Clone(raw.Payload) // the caller uses the bytes again
	m.events = append(m.events, raw)
	return nil
}

func (m *memory) PublishAll(ctx context.Context, raws []event.Raw) error {
	for _, raw := range raws {
		if err := m.Publish(ctx, raw); err != nil {
			return err
		}
	}
	return nil
}

// newTestService is a service over a given queue, with a spool of its own and the test's projects.
func newTestService(t testing.TB, cfg Config, queue publisher) *Service {
	t.Helper()
	dir := t.TempDir()
	sp, err := spool.Open(filepath.Join(dir, "spool"), spool.Options{MaxBytes: cfg.SpoolBytes})
	if err != nil {
		t.Fatalf("open the spool: %v", err)
	}
	t.Cleanup(func() {
		if err := sp.Close(); err != nil {
			t.Errorf("close the spool: %v", err)
		}
	})
	projects := openDirectory(t.Context(), filepath.Join(dir, "projects.json"))
	for _, s := range snapshots() {
		projects.put(&s)
	}
	blobs, err := blob.Open("", filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatalf("open the blobs: %v", err)
	}
	s, err := newService(cfg, projects, queue, sp, blobs, prometheus.NewRegistry())
	if err != nil {
		t.Fatalf("make the service: %v", err)
	}
	return s
}

// rig is the real router on a real connection in front of a real broker.
type rig struct {
	t      testing.TB
	s      *Service
	broker *natstest.Server
	url    string

	mu     sync.Mutex
	got    []event.Raw
	change chan struct{}
}

func newRig(t testing.TB) *rig {
	t.Helper()
	broker := natstest.New(t)
	events, err := bindings.Events.Publisher(broker.Conn("ingest"))
	if err != nil {
		t.Fatalf("publisher: %v", err)
	}
	g := &rig{t: t, broker: broker, s: newTestService(t, testConfig(), events), change: make(chan struct{}, 1)}
	srv := httptest.NewServer(g.s.routes())
	t.Cleanup(srv.Close)
	g.url = srv.URL
	g.consume()
	return g
}

// consume collects what arrives in the queue.
func (g *rig) consume() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	conn := g.broker.Conn("processor")
	go func() {
		defer close(done)
		_ = bindings.Events.Consume(ctx, conn, func(_ context.Context, batch []event.Raw) ([]bus.Reject, error) {
			g.mu.Lock()
			defer g.mu.Unlock()
			for _, raw := range batch {
				raw.Payload = bytes.Clone(raw.Payload)
				g.got = append(g.got, raw)
			}
			select {
			case g.change <- struct{}{}:
			default:
			}
			return nil, nil
		})
	}()
	g.t.Cleanup(func() { cancel(); <-done })
}

// forget drops the events that arrived so far.
func (g *rig) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.got = nil
}

// wait returns the event with an id, not what belongs to it, once it arrived in the queue.
func (g *rig) wait(id string) event.Raw {
	g.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		g.mu.Lock()
		for _, raw := range g.got {
			if raw.ID.String() == id && raw.ItemType != event.ItemAttachment && raw.ItemType != event.ItemUserReport {
				g.mu.Unlock()
				return raw
			}
		}
		g.mu.Unlock()
		select {
		case <-g.change:
		case <-deadline:
			g.t.Fatalf("event %s never arrived", id)
		}
	}
}

// call is one request of a test. Method defaults to POST, auth to the plain key.
type call struct {
	method, path, body, auth string
	header                   http.Header
}

type reply struct {
	status int
	header http.Header
	body   string
}

// do sends a request to the real server. Auth "-" sends none.
func (g *rig) do(c call) reply {
	g.t.Helper()
	if c.method == "" {
		c.method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(g.t.Context(), c.method, g.url+c.path, strings.NewReader(c.body))
	if err != nil {
		g.t.Fatalf("request: %v", err)
	}
	for name, values := range c.header {
		req.Header[name] = values
	}
	switch c.auth {
	case "":
		req.Header.Set("X-Sentry-Auth", auth)
	case "-":
	default:
		req.Header.Set("X-Sentry-Auth", c.auth)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		g.t.Fatalf("%s %s: %v", c.method, c.path, err)
	}
	body, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		g.t.Fatalf("read the answer: %v", err)
	}
	return reply{resp.StatusCode, resp.Header, string(body)}
}

// counts is what was counted since the last call, without minutes.
func (s *Service) counts() map[outcome.Key]int64 {
	m := map[outcome.Key]int64{}
	for _, c := range s.tally.Take() {
		c.Minute = time.Time{}
		m[c.Key] += c.Quantity
	}
	return m
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

// event1 is an envelope with one event.
func event1(id, payload string) string {
	return `{"event_id":"` + id + `"}` + "\n" + `{"type":"event"}` + "\n" + payload + "\n"
}

func closeIdle(t testing.TB) {
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
}
