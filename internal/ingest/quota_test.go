package ingest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

// TestASpikeIsHeldToItsCeiling: what a project sends in an hour past its ceiling is refused, and only
// errors are.
func TestASpikeIsHeldToItsCeiling(t *testing.T) {
	t.Parallel()
	s := newTestService(t, testConfig(), &memory{})
	p := snapshots()[0]
	p.Settings.Spikes = &project.SpikeProtection{HourlyLimit: 3}
	s.projects.put(&p)
	h := s.routes()
	for n := range 5 {
		want := http.StatusOK
		if n >= 3 {
			want = http.StatusTooManyRequests
		}
		if w := envelopeTo(t, h, event1(eventID(n), `{}`)); w.Code != want {
			t.Errorf("event %d: want %d, got %d", n, want, w.Code)
		}
	}
	if n := sumOf(s.counts(), outcome.Error, outcome.RateLimited, "spike_protection"); n != 2 {
		t.Errorf("want 2 refused, got %d", n)
	}
	if w := envelopeTo(t, h, "{}\n{\"type\":\"check_in\"}\n{}\n"); w.Code != http.StatusOK {
		t.Errorf("a check-in: %d", w.Code)
	}
}

// TestRow99 is row 99: with a quota of nothing for attachments each is refused at once,
// counted by its bytes and as an item.
func TestRow99(t *testing.T) {
	t.Parallel()
	s := newTestService(t, testConfig(), &memory{})
	s.projects.put(limitedProject(quota.Quota{ID: "files", Categories: []outcome.Category{outcome.Attachment}, Scope: quota.ScopeProject, Reason: "attachments_disabled"}))
	w := envelopeTo(t, s.routes(), "{\"event_id\":\""+id+"\"}\n{\"type\":\"attachment\",\"length\":4,\"filename\":\"a\"}\nabcd\n")
	if w.Code != http.StatusTooManyRequests || w.Header().Get(quota.Header) != "60:attachment:project:attachments_disabled" {
		t.Errorf("got %d %q", w.Code, w.Header().Get(quota.Header))
	}
	counts := s.counts()
	if items, bytes := sumOf(counts, outcome.AttachmentItem, outcome.RateLimited, "attachments_disabled"), sumOf(counts, outcome.Attachment, outcome.RateLimited, "attachments_disabled"); items != 1 || bytes != 4 {
		t.Errorf("want 1 item of 4 bytes, got %d of %d", items, bytes)
	}
}

// TestLimitedItemsTakeAndLeaveWhatBelongsToThem: a limit for files drops a crash report and leaves its
// event, without a word; a limit for errors drops files and feedback with the event, unasked by their
// own quotas; a limit for transactions takes the profile along; reports of clients always pass.
// Rule: getsentry/relay relay-server/src/utils/rate_limits.rs (EnvelopeLimiter)
func TestLimitedItemsTakeAndLeaveWhatBelongsToThem(t *testing.T) {
	t.Parallel()
	dump := `{"type":"attachment","attachment_type":"event.minidump","filename":"c.dmp","length":` + strconv.Itoa(len(crashDump())) + "}\n" + crashDump() + "\n"
	file := "{\"type\":\"attachment\",\"length\":4,\"filename\":\"a\"}\nabcd\n"
	report := "{\"type\":\"client_report\"}\n{}\n"
	of := func(reason string, cs ...outcome.Category) quota.Quota {
		return quota.Quota{ID: reason, Categories: cs, Scope: quota.ScopeProject, Reason: reason}
	}
	for name, c := range map[string]struct {
		quotas []quota.Quota
		body   string
		status int
		header string
		queued []string // types of what is kept
		counts map[outcome.Category]int64
	}{
		"crash": {[]quota.Quota{of("files", outcome.Attachment)}, "{}\n" + dump, 200, "", []string{"event"},
			map[outcome.Category]int64{outcome.Attachment: int64(len(crashDump())), outcome.AttachmentItem: 1}},
		"crash with a file": {[]quota.Quota{of("files", outcome.AttachmentItem)}, "{}\n" + dump + file, 200, "60:attachment_item:project:files", []string{"event"},
			map[outcome.Category]int64{outcome.Attachment: int64(len(crashDump())) + 4, outcome.AttachmentItem: 2}},
		"event": {[]quota.Quota{of("errors", outcome.Error), of("files", outcome.Attachment)}, event1(id, "{}") + file + "{\"type\":\"user_report\"}\n{\"comments\":\"a\"}\n" + report, 200, "60:error:project:errors", nil,
			map[outcome.Category]int64{outcome.Error: 1, outcome.Attachment: 4, outcome.AttachmentItem: 1, outcome.Feedback: 1}},
		"transaction": {[]quota.Quota{of("tx", outcome.Transaction)}, "{}\n{\"type\":\"transaction\"}\n{}\n{\"type\":\"profile\"}\n{}\n", 429, "60:transaction:project:tx", nil,
			map[outcome.Category]int64{outcome.Transaction: 1, outcome.Span: 1, outcome.Profile: 1}},
		"logs": {[]quota.Quota{of("bytes", outcome.LogByte)}, "{}\n{\"type\":\"log\",\"item_count\":2}\n{}\n", 429, "60:log_byte:project:bytes", nil,
			map[outcome.Category]int64{outcome.LogItem: 2, outcome.LogByte: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			queue := &memory{}
			s := newTestService(t, testConfig(), queue)
			s.projects.put(limitedProject(c.quotas...))
			w := envelopeTo(t, s.routes(), c.body)
			if w.Code != c.status || w.Header().Get(quota.Header) != c.header {
				t.Errorf("want %d %q, got %d %q", c.status, c.header, w.Code, w.Header().Get(quota.Header))
			}
			var queued []string
			for _, raw := range queue.events {
				queued = append(queued, raw.ItemType)
			}
			limited := map[outcome.Category]int64{}
			for k, n := range s.counts() {
				if k.Kind == outcome.RateLimited && n > 0 {
					limited[k.Category] += n
				}
			}
			if diff := cmp.Diff(c.queued, queued) + cmp.Diff(c.counts, limited); diff != "" {
				t.Errorf("kept and limited (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRow100 is row 100: attachments count by their size.
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
