package e2e

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collect receives OTLP traces and keeps the spans of each trace.
type collect struct {
	mu    sync.Mutex
	spans map[string][]*trace.Span
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
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				id := hex.EncodeToString(s.TraceId)
				c.spans[id] = append(c.spans[id], s)
			}
		}
	}
}

// TestOneTraceLeadsFromTheRequestToTheStatement follows one event through every hop.
func TestOneTraceLeadsFromTheRequestToTheStatement(t *testing.T) {
	t.Parallel()
	c := &collect{spans: map[string][]*trace.Span{}}
	srv := httptest.NewServer(c)
	t.Cleanup(srv.Close)
	in := up(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+srv.URL)
	const traceID = "0af7651916cd43dd8448eb211c80319c"
	event := `{"message":"traced"}`
	body := fmt.Appendf(nil, "{\"event_id\":%q}\n{\"type\":\"event\",\"length\":%d}\n%s\n", eventID(1), len(event), event)
	status, _, err := fetch(t.Context(), http.MethodPost, in.ingestURL()+"/api/"+in.ProjectID+"/envelope/", "", body,
		"X-Sentry-Auth", "Sentry sentry_version=7, sentry_key="+in.key(), "Traceparent", "00-"+traceID+"-b7ad6b7169203331-01")
	if err != nil || status != http.StatusOK {
		t.Fatalf("send: %d %v", status, err)
	}
	in.await("the whole trace", 30*time.Second, func(context.Context) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		var names []string
		kinds := map[trace.Span_SpanKind]bool{}
		statement := false
		for _, s := range c.spans[traceID] {
			names = append(names, s.Name)
			kinds[s.Kind] = true
			for _, a := range s.Attributes {
				statement = statement || a.Key == "db.system" || a.Key == "db.system.name" || a.Key == "db.query.text"
			}
		}
		if !kinds[trace.Span_SPAN_KIND_SERVER] || !kinds[trace.Span_SPAN_KIND_CONSUMER] || !statement {
			slices.Sort(names)
			return fmt.Errorf("the trace has only the spans %v", names)
		}
		return nil
	})
}
