package ingest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/quota"
	"github.com/tocsin-dev/tocsin/internal/testkit/natstest"
)

// limitedProject is project 1 with quotas.
func limitedProject(quotas ...quota.Quota) *project.Snapshot {
	s := snapshots()[0]
	s.Settings.Quotas = quotas
	return &s
}

// envelopeTo sends an envelope to a service without a connection.
func envelopeTo(t testing.TB, s http.Handler, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, envelopePath, strings.NewReader(body))
	r.Header.Set("X-Sentry-Auth", auth)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// TestReplicasShareAQuota runs two ingest services over one broker: together they accept what the
// quota allows, within two in a hundred, though one gets a fifth of the requests.
func TestReplicasShareAQuota(t *testing.T) {
	t.Parallel()
	broker := natstest.New(t)
	const limit = 2000
	var replicas []http.Handler
	for range 2 {
		s := newTestService(t, testConfig(), &memory{})
		s.counters = quota.NewCounters(grants(broker.Conn("ingest")), nil)
		s.projects.put(limitedProject(quota.Quota{ID: "daily", Categories: []outcome.Category{outcome.Error}, Scope: quota.ScopeProject,
			Limit: limit, Window: 24 * time.Hour, Reason: "daily_limit"}))
		replicas = append(replicas, s.routes())
	}
	var next, accepted, refused atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for n := next.Add(1); n <= 2*limit; n = next.Add(1) {
				replica := replicas[0]
				if n%5 == 0 {
					replica = replicas[1]
				}
				switch w := envelopeTo(t, replica, event1(fmt.Sprintf("%032x", n), `{}`)); w.Code {
				case http.StatusOK:
					accepted.Add(1)
				case http.StatusTooManyRequests:
					refused.Add(1)
					if got := w.Header().Get(quota.Header); !strings.HasSuffix(got, ":error:project:daily_limit") || w.Header().Get("Retry-After") == "" {
						t.Errorf("refused with %q, Retry-After %q", got, w.Header().Get("Retry-After"))
					}
				default:
					t.Errorf("%d %s", w.Code, w.Body)
				}
			}
		})
	}
	wg.Wait()
	if n := accepted.Load(); n > limit*102/100 || n < limit*98/100 {
		t.Errorf("want %d accepted within 2 %%, got %d", limit, n)
	}
	if accepted.Load()+refused.Load() != 2*limit {
		t.Errorf("accepted %d and refused %d of %d", accepted.Load(), refused.Load(), 2*limit)
	}
}

// TestAQuotaRefusesOnlyItsItems: what other quotas cover passes, with the limits on the answer.
func TestAQuotaRefusesOnlyItsItems(t *testing.T) {
	t.Parallel()
	s := newTestService(t, testConfig(), &memory{})
	s.projects.put(limitedProject(
		quota.Quota{ID: "tx", Categories: []outcome.Category{outcome.Transaction}, Scope: quota.ScopeKey, Reason: "transaction_disabled"},
		quota.Quota{ID: "logs", Categories: []outcome.Category{outcome.LogByte}, Scope: quota.ScopeProject, Limit: 10, Window: time.Hour, Reason: "log_usage"}))
	h := s.routes()
	const transaction = "{}\n{\"type\":\"transaction\"}\n{}\n"
	w := envelopeTo(t, h, transaction+"{\"type\":\"check_in\"}\n{\"check_in_id\":\"00000000000000000000000000000000\",\"monitor_slug\":\"a\",\"status\":\"ok\"}\n")
	if w.Code != http.StatusOK || w.Header().Get(quota.Header) != "60:transaction:key:transaction_disabled" {
		t.Errorf("partly limited: %d %q", w.Code, w.Header().Get(quota.Header))
	}
	if n := sumOf(s.counts(), outcome.Transaction, outcome.RateLimited, "transaction_disabled"); n != 1 {
		t.Errorf("want one transaction counted as limited, got %d", n)
	}
	if w := envelopeTo(t, h, transaction); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "60" {
		t.Errorf("wholly limited: %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	if w := envelopeTo(t, h, event1(id, `{}`)); w.Code != http.StatusOK || w.Header().Get(quota.Header) != "" {
		t.Errorf("an error: %d %q", w.Code, w.Header().Get(quota.Header))
	}
}

// TestRow100 is the conformance row: attachments count by their size.
func TestRow100(t *testing.T) {
	t.Parallel()
	s := newTestService(t, testConfig(), &memory{})
	const size = 100
	s.projects.put(limitedProject(quota.Quota{ID: "files", Categories: []outcome.Category{outcome.Attachment}, Scope: quota.ScopeProject,
		Limit: 5 * size, Window: 24 * time.Hour, Reason: "attachment_limit"}))
	h := s.routes()
	for n := range 7 {
		body := fmt.Sprintf("{\"event_id\":\"%032x\"}\n{\"type\":\"attachment\",\"length\":%d,\"filename\":\"a\"}\n%s\n", n+1, size, strings.Repeat("x", size))
		want := http.StatusOK
		if n >= 5 {
			want = http.StatusTooManyRequests
		}
		if w := envelopeTo(t, h, body); w.Code != want {
			t.Errorf("attachment %d: want %d, got %d %s", n+1, want, w.Code, w.Body)
		}
	}
	counts := s.counts()
	if items, bytes := sumOf(counts, outcome.AttachmentItem, outcome.RateLimited, "attachment_limit"), sumOf(counts, outcome.Attachment, outcome.RateLimited, "attachment_limit"); items != 2 || bytes != 2*size {
		t.Errorf("limited: want 2 items of %d bytes, got %d of %d", size, items, bytes)
	}
}

func sumOf(counts map[outcome.Key]int64, c outcome.Category, kind outcome.Kind, reason string) (n int64) {
	for k, q := range counts {
		if k.Category == c && k.Kind == kind && k.Reason == reason {
			n += q
		}
	}
	return n
}

// BenchmarkLimitedRequest is what a request costs that a quota refuses.
func BenchmarkLimitedRequest(b *testing.B) {
	s := newTestService(b, testConfig(), &memory{})
	s.projects.put(limitedProject(quota.Quota{ID: "none", Scope: quota.ScopeProject, Reason: "switched_off"}))
	h := s.routes()
	body := event1(id, `{"message":"`+strings.Repeat("x", 20<<10)+`"}`)
	b.ReportAllocs()
	for b.Loop() {
		if w := envelopeTo(b, h, body); w.Code != http.StatusTooManyRequests {
			b.Fatal(w.Code)
		}
	}
}
