package ingest

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/app"
	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/testkit/natstest"
)

// process is the whole of ingest, run as its program runs it.
type process struct {
	url  string
	stop func()
}

func start(t *testing.T, broker *natstest.Server, data string) *process {
	t.Helper()
	front := app.NewFront("http://127.0.0.1")
	k, err := app.New("ingest", app.Config{Data: data}, front)
	if err != nil {
		t.Fatal(err)
	}
	k.Bus = broker.Conn("ingest")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := front.Serve(ctx, ln, []netip.Prefix{}); err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() {
		if err := Run(ctx, k, testConfig()); err != nil {
			t.Error(err)
		}
	})
	p := &process{url: "http://" + ln.Addr().String(), stop: sync.OnceFunc(func() { cancel(); wg.Wait() })}
	t.Cleanup(p.stop)
	return p
}

// send posts one event until the answer is the wanted one, and says how long that took.
func (p *process) send(t *testing.T, key string, want int) time.Duration {
	t.Helper()
	started := time.Now()
	for {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+envelopePath, strings.NewReader(event1(id, "{}")))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Sentry-Auth", "Sentry sentry_key="+key)
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode == want {
			return time.Since(started)
		}
		if time.Since(started) > 20*time.Second {
			t.Fatalf("want %d, still %d", want, resp.StatusCode)
		}
	}
}

// TestRunFollowsProjectsAndReportsOutcomes puts a key, uses it, disables it, and reads the counts
// of what was refused; then starts again without a word from the bus about projects.
func TestRunFollowsProjectsAndReportsOutcomes(t *testing.T) {
	t.Parallel()
	closeIdle(t)
	broker, data := natstest.New(t), t.TempDir()
	web := broker.Conn("web")
	p := start(t, broker, data)
	s := snapshots()[0]
	if err := bindings.Projects.Put(t.Context(), web, "1", s); err != nil {
		t.Fatal(err)
	}
	t.Logf("a key was in force after %s", p.send(t, key, http.StatusOK))
	s.Keys[0].Active = false
	if err := bindings.Projects.Put(t.Context(), web, "1", s); err != nil {
		t.Fatal(err)
	}
	t.Logf("a disabled key was refused after %s", p.send(t, key, http.StatusForbidden))
	waitOutcome(t, broker, outcome.Key{Project: 1, Category: outcome.Error, Kind: outcome.Invalid, Reason: "project_id"})
	s.Keys[0].Active = true
	if err := bindings.Projects.Put(t.Context(), web, "1", s); err != nil {
		t.Fatal(err)
	}
	p.send(t, key, http.StatusOK)
	p.stop()
	if _, err := os.Stat(filepath.Join(data, "ingest", "projects.json")); err != nil {
		t.Error(err)
	}

	alone := natstest.New(t)
	p = start(t, alone, data)
	t.Logf("saved configuration was in force after %s", p.send(t, key, http.StatusOK))
	if err := alone.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.send(t, key, http.StatusOK)            // into the spool
	p.send(t, pageKey, http.StatusForbidden) // its outcome cannot be handed over
	started := time.Now()
	p.stop()
	if took := time.Since(started); took > 9*time.Second {
		t.Errorf("want an orderly stop, took %s", took)
	}
	if _, err := os.Stat(filepath.Join(data, "ingest", "outcomes.json")); err != nil {
		t.Errorf("want outcomes kept on disk: %v", err)
	}

	last := natstest.New(t)
	if err := bindings.Projects.Put(t.Context(), last.Conn("web"), "1", project.Snapshot{Keys: s.Keys}); err != nil {
		t.Fatal(err)
	}
	start(t, last, data)
	waitOutcome(t, last, outcome.Key{Project: 1, Category: outcome.Error, Kind: outcome.Invalid, Reason: "project_id"})
}

// waitOutcome returns once a count under a key came out of the queue.
func waitOutcome(t *testing.T, broker *natstest.Server, want outcome.Key) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	found := false
	err := bindings.Outcomes.Consume(ctx, broker.Conn("processor"), func(_ context.Context, batches []outcome.Batch) ([]bus.Reject, error) {
		for _, b := range batches {
			for _, c := range b.Counts {
				c.Minute = time.Time{}
				if c.Key == want && c.Quantity > 0 && b.ID != [16]byte{} {
					found = true
					cancel()
				}
			}
		}
		return nil, nil
	})
	if err != nil || !found {
		t.Fatalf("%+v never came: %v", want, err)
	}
}
