package e2e

import (
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getsentry/sentry-go"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/tocsin-dev/tocsin/internal/testkit/fleet"
)

// collect receives OTLP traces and keeps the spans of each trace.
type collect struct {
	mu    sync.Mutex
	spans map[string][]span
}

// span is one of a service's.
type span struct {
	*trace.Span
	service string
}

func (c *collect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var req collector.ExportTraceServiceRequest
	if r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &req) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rs := range req.ResourceSpans {
		service := ""
		for _, a := range rs.GetResource().GetAttributes() {
			if a.Key == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				id := hex.EncodeToString(s.TraceId)
				c.spans[id] = append(c.spans[id], span{s, service})
			}
		}
	}
}

// path lists the services and names of the spans from the first to one for which last holds, in a trace
// that begins with a span of somebody else's; nil when there is no such span, or its ancestors are not all
// there.
func (c *collect) path(traceID, first string, last func(span) bool) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	byID := map[string]span{}
	for _, s := range c.spans[traceID] {
		byID[hex.EncodeToString(s.SpanId)] = s
	}
	for _, s := range c.spans[traceID] {
		if !last(s) {
			continue
		}
		names := []string{s.service + ": " + s.Name}
		for parent := hex.EncodeToString(s.ParentSpanId); ; {
			if parent == first {
				slices.Reverse(names)
				return names
			}
			up, known := byID[parent]
			if !known {
				break
			}
			names, parent = append(names, up.service+": "+up.Name), hex.EncodeToString(up.ParentSpanId)
		}
	}
	return nil
}

// joined tells which traces the spans of batches of several messages are linked to.
func (c *collect) joined() map[string]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := map[string]bool{}
	for _, s := range slices.Concat(slices.Collect(maps.Values(c.spans))...) {
		if s.service == "processor" && s.Kind == trace.Span_SPAN_KIND_CONSUMER {
			for _, l := range s.Links {
				found[hex.EncodeToString(l.TraceId)] = true
			}
		}
	}
	return found
}

const parentSpan = "b7ad6b7169203331"

// inTrace sends requests as a part of a trace.
type inTrace string

func (id inTrace) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Traceparent", "00-"+string(id)+"-"+parentSpan+"-01")
	return http.DefaultTransport.RoundTrip(r)
}

// TestOneTraceLeadsFromTheRequestToTheAlert follows an event of a real SDK through the separate programs to
// the alert about it, and events that one transaction records by the links of their batch.
func TestOneTraceLeadsFromTheRequestToTheAlert(t *testing.T) {
	t.Parallel()
	c := &collect{spans: map[string][]span{}}
	srv := httptest.NewServer(c)
	t.Cleanup(srv.Close)
	pager := newReceiver(t)
	env := map[string][]string{}
	for _, s := range fleet.Services {
		env[s] = []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + srv.URL}
	}
	f, err := fleet.Start(t.Context(), fleet.Options{Bin: bin, Env: env})
	t.Cleanup(f.Remove)
	if err != nil {
		t.Fatal(err)
	}
	in := &instance{credentials: readCredentials(t, filepath.Join(f.Dir, "bootstrap.json"))}
	in.alertTo(t, pager.URL)

	const traceID = "0af7651916cd43dd8448eb211c80319c"
	client, err := sentry.NewClient(sentry.ClientOptions{Dsn: f.DSN, HTTPTransport: inTrace(traceID)})
	if err != nil {
		t.Fatal(err)
	}
	client.CaptureMessage("traced", nil, nil)
	if !client.Flush(20 * time.Second) {
		t.Fatal("the SDK did not send its event")
	}
	paths := map[string][]string{}
	within(t, "the whole trace", func() error {
		for what, last := range map[string]func(span) bool{
			"statement of the processor": func(s span) bool { return s.service == "processor" && isStatement(s) },
			"statement of the notifier":  func(s span) bool { return s.service == "notifier" && isStatement(s) },
			"alert": func(s span) bool {
				return s.service == "notifier" && s.Name == "deliver webhook" && s.Status.GetCode() != trace.Status_STATUS_CODE_ERROR
			},
		} {
			if paths[what] = c.path(traceID, parentSpan, last); len(paths[what]) < 3 {
				return fmt.Errorf("no %s is in the trace", what)
			}
		}
		return nil
	})
	for what, path := range paths {
		t.Logf("%s: %s", what, strings.Join(path, " ▸ "))
	}
	if pager.count() != 1 {
		t.Errorf("%d alerts came", pager.count())
	}
	sendTogether(t, f, c)
}

// sendTogether sends events, each in a trace of its own, that become one batch.
func sendTogether(t *testing.T, f *fleet.Fleet, c *collect) {
	t.Helper()
	const together = 10
	queue := func(args ...string) {
		if out, err := f.Tocsin(t.Context(), append(append([]string{"queue"}, args...), "--url", f.URL, "--token", f.AuthToken)...); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	}
	queue("pause", "events", "--reason", "to make a batch")
	for i := range together {
		event := fmt.Sprintf(`{"message":"of %d"}`, together)
		body := fmt.Appendf(nil, "{\"event_id\":%q}\n{\"type\":\"event\",\"length\":%d}\n%s\n", eventID(i+1), len(event), event)
		status, answer, err := fetch(t.Context(), http.MethodPost, "http://"+f.Address["ingest"]+"/api/"+f.ProjectID+"/envelope/", "", body,
			"X-Sentry-Auth", "Sentry sentry_version=7, sentry_key="+f.Key(), "Traceparent", fmt.Sprintf("00-%032x-%s-01", i+1, parentSpan))
		if err != nil || status != http.StatusOK {
			t.Fatalf("send: %d %s %v", status, answer, err)
		}
	}
	queue("resume", "events")
	within(t, "the links of the batch", func() error {
		found := c.joined()
		for i := range together {
			id := fmt.Sprintf("%032x", i+1)
			alone := c.path(id, parentSpan, func(s span) bool { return s.service == "processor" && s.Kind == trace.Span_SPAN_KIND_CONSUMER })
			if !found[id] && alone == nil {
				return fmt.Errorf("no batch is linked to trace %d", i+1)
			}
		}
		if len(found) == 0 {
			return fmt.Errorf("no batch had several events")
		}
		return nil
	})
}

// isStatement reports whether Postgres did something: connections are made and taken in spans of their own.
func isStatement(s span) bool {
	return s.Name != "pool.acquire" && s.Name != "connect" && slices.ContainsFunc(s.Attributes, func(a *common.KeyValue) bool { return a.Key == "db.system" || a.Key == "db.system.name" })
}

// within waits until f answers nil.
func within(t *testing.T, what string, f func() error) {
	t.Helper()
	if err := fleet.Await(t.Context(), time.Minute, f); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}
