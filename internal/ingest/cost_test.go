package ingest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/quota"
	"github.com/tocsin-dev/tocsin/internal/testkit/natstest"
	"github.com/tocsin-dev/tocsin/internal/testkit/sdk"
)

// costly is a recorded event of the size that web applications send, as its client sends it: plain or
// with a content encoding.
func costly(tb testing.TB, encoding string) (http.Header, func(id string) []byte) {
	var payload string
	for _, r := range sdk.Requests(tb, sdk.KindEnvelope) {
		if r.File == "node-10.x/045-node10-express.http" {
			payload = strings.SplitN(string(r.Body), "\n", 3)[2]
		}
	}
	if len(payload) < 16<<10 {
		tb.Fatalf("the recorded event has %d bytes", len(payload))
	}
	header := http.Header{"X-Sentry-Auth": {auth}}
	if encoding != "" {
		header.Set("Content-Encoding", encoding)
	}
	return header, func(id string) []byte {
		body := fmt.Sprintf("{\"event_id\":%q}\n{\"type\":\"event\",\"length\":%d}\n%s\n", id, len(payload), payload)
		if encoding == "" {
			return []byte(body)
		}
		return []byte(encoded(encoding, body))
	}
}

// status is an answer of which only the status is read.
type status struct {
	discard
	code int
}

func (s *status) WriteHeader(code int) { s.code = code }

// cpuTime is what this process has used of all processors.
func cpuTime(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// drive sends n requests over many connections' worth of goroutines and returns the CPU time of one,
// that of the broker included.
func drive(tb testing.TB, h http.Handler, header http.Header, bodies [][]byte, n, want int) time.Duration {
	var wg sync.WaitGroup
	const workers = 32
	before := cpuTime(tb)
	for w := range workers {
		wg.Go(func() {
			src := bytes.NewReader(nil)
			blank := httptest.NewRequest(http.MethodPost, envelopePath, nil)
			for i := w; i < n; i += workers {
				body := bodies[i%len(bodies)]
				src.Reset(body)
				r := *blank
				r.Header, r.Body, r.ContentLength = header, readCloser{src}, int64(len(body))
				answer := status{discard: discard{http.Header{}}}
				if h.ServeHTTP(&answer, &r); answer.code != want {
					tb.Errorf("want %d, got %d", want, answer.code)
					return
				}
			}
		})
	}
	wg.Wait()
	return (cpuTime(tb) - before) / time.Duration(n)
}

// BenchmarkRefusal prints what a request costs that a quota or an unknown key refuses, against one
// that is accepted: the CPU time of ingest and of the broker that keeps the event.
func BenchmarkRefusal(b *testing.B) {
	for _, encoding := range []string{"", "gzip"} {
		header, body := costly(b, encoding)
		var bodies [][]byte
		for n := range 256 {
			bodies = append(bodies, body(fmt.Sprintf("%032x", n+1)))
		}
		unknown := header.Clone()
		unknown.Set("X-Sentry-Auth", "Sentry sentry_key="+strings.Repeat("e", 32))
		b.Run("encoding="+encoding, func(b *testing.B) {
			broker := natstest.NewSynced(b, bindings.Graph())
			events, err := bindings.Events.Publisher(broker.Conn("ingest"))
			if err != nil {
				b.Fatal(err)
			}
			open := newTestService(b, testConfig(), events).routes()
			limited := newTestService(b, testConfig(), events)
			limited.projects.put(limitedProject(quota.Quota{ID: "hour", Categories: []outcome.Category{outcome.Error}, Scope: quota.ScopeProject, Limit: 1, Window: 24 * time.Hour, Reason: "daily_limit"}))
			full := limited.routes()
			drive(b, full, header, bodies[:1], 1, http.StatusOK)
			var accepted, refused, denied time.Duration
			for b.Loop() {
				accepted += drive(b, open, header, bodies, 2000, http.StatusOK)
				refused += drive(b, full, header, bodies, 2000, http.StatusTooManyRequests)
				denied += drive(b, full, unknown, bodies, 2000, http.StatusForbidden)
			}
			n := float64(b.N)
			b.ReportMetric(float64(accepted.Nanoseconds())/n, "cpu-ns/accepted")
			b.ReportMetric(float64(refused.Nanoseconds())/n, "cpu-ns/limited")
			b.ReportMetric(float64(denied.Nanoseconds())/n, "cpu-ns/denied")
			b.ReportMetric(100*float64(refused)/float64(accepted), "limited-%")
			b.ReportMetric(100*float64(denied)/float64(accepted), "denied-%")
		})
	}
}

// BenchmarkCorpus is the parsing path on what real clients sent: every recorded envelope, event and report
// in turn, from the body as it came to the event as the queue gets it.
func BenchmarkCorpus(b *testing.B) {
	h := newTestService(b, testConfig(), nowhere{}).routes()
	list := sdk.Requests(b, sdk.KindEnvelope, sdk.KindStore, sdk.KindSecurity)
	size := int64(0)
	for i := range list {
		size += int64(len(list[i].Body))
	}
	blank := httptest.NewRequest(http.MethodPost, envelopePath, nil)
	var requests []*http.Request
	for i := range list {
		r := *blank
		if strings.HasPrefix(list[i].Target, "/api/") {
			target, err := url.ParseRequestURI(list[i].Target)
			if err != nil {
				b.Fatal(err)
			}
			r.URL = target
		}
		r.Header, r.ContentLength = list[i].Header, int64(len(list[i].Body))
		requests = append(requests, &r)
	}
	src, w := bytes.NewReader(nil), &status{discard: discard{http.Header{}}}
	b.SetBytes(size / int64(len(list)))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		i := n % len(list)
		n++
		src.Reset(list[i].Body)
		requests[i].Body = readCloser{src}
		if h.ServeHTTP(w, requests[i]); w.code >= 300 {
			b.Fatalf("%s: %d", list[i].File, w.code)
		}
	}
}

// TestManyProjectsAreSmall: a thousand projects of ten keys, each key with a limit and each project with
// quotas, filters, origins and rules, fit 64 MiB, and so does what their requests leave behind.
func TestManyProjectsAreSmall(t *testing.T) {
	// Not parallel: it measures the memory of the process.
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // what pools held through the first
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	s := newTestService(t, testConfig(), nowhere{})
	h := s.routes()
	before := heap()
	key := func(p, k int) string { return fmt.Sprintf("%024x%08x", p, k) }
	for p := 1000; p < 2000; p++ {
		snap := project.Snapshot{Project: int64(p), Organization: 1, Slug: fmt.Sprintf("project-%d", p)}
		snap.Settings.AllowedOrigins = []string{"example.com", "*.example.org"}
		snap.Settings.Filters = json.RawMessage(`{"webCrawlers":{"isEnabled":true},"errorMessages":{"patterns":["*timeout*","Script error."]},"releases":{"releases":["0.*"]}}`)
		snap.Settings.Scrubbing = json.RawMessage(`{"scrubData":true,"scrubDefaults":true,"sensitiveFields":["pin","birthday"],"excludeFields":["order_id"]}`)
		snap.Settings.Quotas = []quota.Quota{
			{ID: "day", Categories: []outcome.Category{outcome.Error}, Scope: quota.ScopeProject, Limit: 100_000, Window: 24 * time.Hour, Reason: "daily_limit"},
			{ID: "files", Categories: []outcome.Category{outcome.Attachment}, Scope: quota.ScopeKey, Limit: 1 << 30, Window: 24 * time.Hour, Reason: "attachments"},
		}
		for k := range 10 {
			snap.Keys = append(snap.Keys, project.SnapshotKey{ID: int64(10*p + k), PublicKey: key(p, k), Active: true, RateLimit: &project.RateLimit{Count: 1000, Window: time.Minute}})
		}
		// As it comes off the bus, so that nothing is shared between projects.
		text, err := json.Marshal(snap)
		var came project.Snapshot
		if err == nil {
			err = json.Unmarshal(text, &came)
		}
		if err != nil {
			t.Fatal(err)
		}
		s.projects.take(strconv.Itoa(p), &came)
	}
	known := heap() - before
	for p := 1000; p < 2000; p++ {
		for k := range 10 {
			if w := post(h, fmt.Sprintf("/api/%d/envelope/", p), "Sentry sentry_key="+key(p, k), event1(id, "{}")); w.Code != http.StatusOK {
				t.Fatalf("project %d, key %d: %d %s", p, k, w.Code, w.Body)
			}
		}
	}
	used := heap() - before
	t.Logf("1,000 projects of 10 keys: %.1f MiB known, %.1f MiB once each key was used", float64(known)/(1<<20), float64(used)/(1<<20))
	if used > 64<<20 {
		t.Errorf("want less than 64 MiB, got %d bytes", used)
	}
	runtime.KeepAlive(s)
}

// TestAcceptingAsksNoDatabase: ingest accepts under a quota, and refuses once that is full, without a
// database to ask: its process is given none, and its source has no way to one.
func TestAcceptingAsksNoDatabase(t *testing.T) {
	t.Parallel()
	closeIdle(t)
	broker := natstest.New(t)
	p := start(t, broker, t.TempDir()) // the kit it runs with has no store
	const limit = 20
	s := limitedProject(quota.Quota{ID: "day", Categories: []outcome.Category{outcome.Error}, Scope: quota.ScopeProject, Limit: limit, Window: 24 * time.Hour, Reason: "daily_limit"})
	if err := bindings.Projects.Put(t.Context(), broker.Conn("web"), "1", *s); err != nil {
		t.Fatal(err)
	}
	p.send(t, key, http.StatusOK)
	for range limit - 1 {
		p.send(t, key, http.StatusOK)
	}
	t.Logf("the full quota refused after %s", p.send(t, key, http.StatusTooManyRequests))
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, way := range []string{`internal/postgres"`, `jackc/pgx`, `database/sql`, `k.Store`} {
			if !strings.HasSuffix(name, "_test.go") && strings.Contains(string(text), way) {
				t.Errorf("%s has %s", name, way)
			}
		}
	}
}
