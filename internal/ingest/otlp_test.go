package ingest

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	collectorlogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlplogs "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	otlptrace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

const (
	logsPath   = "/api/1/integration/otlp/v1/logs"
	tracesPath = "/api/1/integration/otlp/v1/traces"
)

func hexBytes(s string) []byte {
	b, _ := hex.DecodeString(s)
	return b
}

func attr(name string, v *common.AnyValue) *common.KeyValue {
	return &common.KeyValue{Key: name, Value: v}
}

func str(s string) *common.AnyValue { return textAttribute("", s).value }

// otelResource is the resource of the tests.
func otelResource() *resource.Resource {
	return &resource.Resource{Attributes: []*common.KeyValue{attr("service.name", str("shop"))}}
}

func otelLogs(t testing.TB) []byte {
	t.Helper()
	list := &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{Values: []*common.AnyValue{str("x"), {Value: &common.AnyValue_IntValue{IntValue: 7}}, nil}}}}
	body, err := proto.Marshal(&collectorlogs.ExportLogsServiceRequest{ResourceLogs: []*otlplogs.ResourceLogs{{Resource: otelResource(),
		ScopeLogs: []*otlplogs.ScopeLogs{{Scope: &common.InstrumentationScope{Name: "lib", Version: "2"}, LogRecords: []*otlplogs.LogRecord{
			{TimeUnixNano: 1_795_246_154_451_683_000, SeverityNumber: 10, SeverityText: "nonsense", Body: str("hello"), TraceId: hexBytes(traceID), SpanId: hexBytes(spanID),
				Attributes: []*common.KeyValue{attr("list", list), attr("ok", &common.AnyValue{Value: &common.AnyValue_BoolValue{BoolValue: true}}), attr("ratio", &common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: .25}})}},
			{ObservedTimeUnixNano: 5e9, SeverityNumber: 18, Body: list},
		}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// otelLogsJSON is the first record of otelLogs, in the JSON form with an upper-case id.
var otelLogsJSON = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1795246154451683000","severityNumber":10,"severityText":"nonsense","body":{"stringValue":"hello"},` +
	`"traceId":"` + strings.ToUpper(traceID) + `","spanId":"` + spanID + `","attributes":[{"key":"list","value":{"arrayValue":{"values":[{"stringValue":"x"},{"intValue":"7"},{}]}}},` +
	`{"key":"ok","value":{"boolValue":true}},{"key":"ratio","value":{"doubleValue":0.25}}],"unknown":[1]}],"scope":{"name":"lib","version":"2"}}],"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]}}]}`

const wantLog = `{"timestamp":1795246154.451683,"trace_id":"` + traceID + `","span_id":"` + spanID + `","level":"info","body":"hello","severity_number":10,"attributes":{` +
	`"list":{"value":"[\"x\",7,null]","type":"string"},"ok":{"value":true,"type":"boolean"},"ratio":{"value":0.25,"type":"double"},"resource.service.name":{"value":"shop","type":"string"},` +
	`"instrumentation.name":{"value":"lib","type":"string"},"instrumentation.version":{"value":"2","type":"string"},"sentry.origin":{"value":"auto.otlp.logs","type":"string"}}}`

// TestOTLPLogsBecomeLogs is the conversion of row 122.
// Rule: getsentry/relay tests/integration/test_otlp_logs.py
func TestOTLPLogsBecomeLogs(t *testing.T) {
	t.Parallel()
	for form, body := range map[string][]byte{"protobuf": otelLogs(t), "json": []byte(otelLogsJSON)} {
		it, err := logSignal.convert(body, form == "json")
		if err != nil || it.Count != map[string]int{"protobuf": 2, "json": 1}[form] {
			t.Fatalf("%s: %d records, %v", form, it.Count, err)
		}
		var got struct{ Items []json.RawMessage }
		if err := json.Unmarshal(it.Payload, &got); err != nil {
			t.Fatalf("%s: %v", form, err)
		}
		if diff := cmp.Diff(wantLog, string(got.Items[0])); diff != "" {
			t.Errorf("%s (-want +got):\n%s", form, diff)
		}
		if form == "protobuf" && !strings.HasPrefix(string(got.Items[1]), `{"timestamp":5.000000,"trace_id":"","level":"error","body":"[\"x\",7,null]",`) {
			t.Errorf("second record: %s", got.Items[1])
		}
	}
}

// TestConformanceOTLP is rows 122 and 123, and traces.
func TestConformanceOTLP(t *testing.T) {
	t.Parallel()
	closeIdle(t)
	g := newRig(t)
	traces, err := proto.Marshal(&collectortrace.ExportTraceServiceRequest{ResourceSpans: []*otlptrace.ResourceSpans{{Resource: otelResource(), ScopeSpans: []*otlptrace.ScopeSpans{{Spans: []*otlptrace.Span{
		{TraceId: hexBytes(traceID), SpanId: hexBytes(spanID), Name: "GET /", StartTimeUnixNano: 1e9, EndTimeUnixNano: 2e9, Status: &otlptrace.Status{Code: otlptrace.Status_STATUS_CODE_ERROR}},
		{TraceId: hexBytes(traceID), Name: "no id"},
	}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	as := func(path, contentType, body string) call {
		return call{path: path, body: body, header: http.Header{"Content-Type": {contentType}}}
	}
	const protobuf, js = "application/x-protobuf", "application/json; charset=utf-8"
	spans := map[outcome.Key]int64{}
	for _, kind := range []outcome.Kind{outcome.Filtered, outcome.Invalid} {
		reason := map[outcome.Kind]string{outcome.Filtered: "not_stored", outcome.Invalid: "invalid_span"}[kind]
		spans[outcome.Key{Project: 1, KeyID: 11, Category: outcome.Span, Kind: kind, Reason: reason}] = 1
	}
	container, err := logSignal.convert([]byte(otelLogsJSON), true)
	if err != nil {
		t.Fatal(err)
	}
	g.run([]row{
		{name: "122", call: as(logsPath, js, otelLogsJSON), status: 202,
			counts: notStored(map[outcome.Category]int64{outcome.LogItem: 1, outcome.LogByte: int64(len(container.Payload))})},
		{name: "122 slash, protobuf", call: as(logsPath+"/", protobuf, string(otelLogs(t))), status: 202},
		{name: "123", call: as(logsPath, "text/plain", otelLogsJSON), status: 415},
		{name: "123 traces", call: as(tracesPath, "text/plain", "x"), status: 415},
		{name: "traces", call: as(tracesPath, protobuf, string(traces)), status: 202, counts: spans},
		{name: "traces, old path", call: as("/api/1/otlp/v1/traces", protobuf, string(traces)), status: 202, counts: spans},
		{name: "no records", call: as(tracesPath, js, `{}`), status: 202, counts: map[outcome.Key]int64{}},
		{name: "no JSON", call: as(logsPath, js, `{`), status: 202, counts: invalid(outcome.LogItem, "invalid_json", 1)},
		{name: "no protobuf", call: as(logsPath, protobuf, `{}`), status: 202, counts: invalid(outcome.LogItem, "invalid_proto", 1)},
		{name: "empty", call: as(logsPath, protobuf, ``), status: 400, body: detail("empty request body"), counts: invalid(outcome.LogItem, "no_data", 1)},
		{name: "no key", call: call{auth: "-", path: logsPath, body: "{}", header: http.Header{"Content-Type": {js}}}, status: 401, body: "*"},
	})
}

// TestOTLPIsBounded: short input that stands for long output ends at the limit of a container.
func TestOTLPIsBounded(t *testing.T) {
	t.Parallel()
	wide := `{"resourceLogs":[{"resource":{"attributes":[{"key":"` + strings.Repeat("k", 100_000) + `","value":{}}]},"scopeLogs":[{"logRecords":[` + strings.Repeat("{},", 1000) + `{}]}]}]}`
	if _, err := logSignal.convert([]byte(wide), true); fault.KindOf(err) != fault.TooLarge {
		t.Errorf("want too large, got %v", err)
	}
	deep := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":` + strings.Repeat(`{"arrayValue":{"values":[`, 500) + strings.Repeat(`]}}`, 500) + `}]}]}]}`
	if _, err := logSignal.convert([]byte(deep), true); err == nil {
		t.Error("want deep nesting refused")
	}
	long := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"` + strings.Repeat("x", maxRecord) + `"}}]}]}]}`
	if _, err := logSignal.convert([]byte(long), true); err == nil {
		t.Error("want a record over its limit refused")
	}
}

// FuzzOTLP: whatever is read becomes a container of as many entries as it says.
func FuzzOTLP(f *testing.F) {
	f.Add(otelLogs(f), false, true)
	f.Add([]byte(otelLogsJSON), true, true)
	f.Add([]byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"`+base64.StdEncoding.EncodeToString([]byte("x"))+`","flags":768}]}]}]}`), true, false)
	f.Fuzz(func(t *testing.T, body []byte, isJSON, logs bool) {
		sig, c := &traceSignal, spanContainer
		if logs {
			sig, c = &logSignal, logContainer
		}
		it, err := sig.convert(body, isJSON)
		if err != nil {
			return
		}
		if v := c.check(nil, new(envelope.Envelope), &it); v.whole {
			t.Errorf("%d entries in %s", it.Count, it.Payload)
		}
	})
}

// FuzzCron: no query and no body panics, and what is accepted names a monitor.
func FuzzCron(f *testing.F) {
	f.Add("status=ok&duration=1", `{"status":"ok"}`, "nightly")
	f.Add("status=error&check_in_id=x", `{"monitor_config":{"schedule":{"type":"crontab","value":1}}}`, "%zz")
	s := newTestService(f, testConfig(), &memory{})
	h := s.routes()
	f.Fuzz(func(t *testing.T, query, body, slug string) {
		for _, contentType := range []string{"", cronJSON} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/api/1/cron/x", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.URL.RawQuery, r.URL.Path = query, "/api/1/cron/"+slug
			r.Header.Set("X-Sentry-Auth", auth)
			r.Header.Set("Content-Type", contentType)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code >= 500 && w.Code != http.StatusServiceUnavailable {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		}
		if c, err := readCheckIn([]byte(body)); err == nil && (c.Monitor == "" || len([]rune(c.Monitor)) > maxSlug || len(c.ID) != 32) {
			t.Errorf("%+v", c)
		}
	})
}

// FuzzNetworkErrors: no report panics, and every one gives events or is counted as bad.
func FuzzNetworkErrors(f *testing.F) {
	f.Add([]byte(`[{"type":"network-error","age":1e300,"body":{"type":"x"}}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if payloads, bad := networkErrors(&request{}, body); len(payloads)+len(bad) == 0 || len(payloads) > maxReports {
			t.Errorf("%d events, bad %v", len(payloads), bad)
		}
	})
}
