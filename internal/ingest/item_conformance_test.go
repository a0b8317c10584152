package ingest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/testkit/sdk"
)

const (
	traceID = "c4505752a28ea92beb3ac01b937ba7b0"
	spanID  = "8cd348263c9ca508"
	ids     = `"trace_id":"` + traceID + `","span_id":"` + spanID + `"`
	span    = `{"start_timestamp":1,"timestamp":2,` + ids + `}`
	twoLogs = `{"version":2,"items":[{"timestamp":1,"body":"a","level":"info",` + ids + `},{"timestamp":"2026-11-21T07:12:31.5Z","body":"","trace_id":"` + traceID + `"}]}`

	// transactionTail ends a sound transaction of two spans.
	transactionTail = `"start_timestamp":1,"timestamp":2,"contexts":{"trace":{` + ids + `}},"spans":[` + span + `,` + span + `]}`

	cronJSON = "application/json; charset=utf-8"
)

// sessionNow is the first update of a session that starts now.
func sessionNow() string { return sessionAt(time.Now(), "shop@1", `"init":true,"seq":42`) }

func sessionAt(at time.Time, release, more string) string {
	return fmt.Sprintf(`{"started":%q,"attrs":{"release":%q},%s}`, at.UTC().Format(time.RFC3339Nano), release, more)
}

// counted builds what counts returns for the plain key.
func counted(kind outcome.Kind, reason string, of map[outcome.Category]int64) map[outcome.Key]int64 {
	m := map[outcome.Key]int64{}
	for c, n := range of {
		m[outcome.Key{Project: 1, KeyID: 11, Category: c, Kind: kind, Reason: reason}] = n
	}
	return m
}

func notStored(of map[outcome.Category]int64) map[outcome.Key]int64 {
	return counted(outcome.Filtered, "not_stored", of)
}

// item is an envelope with one item; header is what its header says besides the type.
func item(typ, header, payload string) call {
	return call{path: envelopePath, body: "{}\n{\"type\":\"" + typ + "\"" + header + "}\n" + payload}
}

// TestConformanceItems holds the items that are counted to what each must have.
func TestConformanceItems(t *testing.T) {
	t.Parallel()
	closeIdle(t)
	g := newRig(t)
	logHead := func(n int) string {
		return fmt.Sprintf(`,"item_count":%d,"content_type":"application/vnd.sentry.items.log+json"`, n)
	}
	one := func(c outcome.Category) map[outcome.Key]int64 { return notStored(map[outcome.Category]int64{c: 1}) }
	badLogs := `{"items":[{"timestamp":1,"body":"a",` + ids + `,"attributes":{"a":{"value":1,"type":"string"},"b":{"value":"x","type":"string"}}},{"body":"no time"}]}`
	profile := `{"version":"1","platform":"python","profile":{"samples":[{"elapsed_since_start_ns":"5"},{"elapsed_since_start_ns":29000000000}],"frames":[{}],"stacks":[[0]]}}`
	withProfile := func(p string) call {
		return call{path: envelopePath, body: "{\"event_id\":\"" + id + "\"}\n{\"type\":\"transaction\"}\n{" + transactionTail + "\n{\"type\":\"profile\",\"platform\":\"python\"}\n" + p}
	}
	transaction := map[outcome.Category]int64{outcome.Transaction: 1, outcome.Span: 3}
	both := func(kind outcome.Kind, reason string) map[outcome.Key]int64 {
		m := counted(kind, reason, map[outcome.Category]int64{outcome.Profile: 1, outcome.ProfileBackend: 1})
		for k, n := range notStored(transaction) {
			m[k] = n
		}
		return m
	}
	partly := counted(outcome.Invalid, "invalid_log", map[outcome.Category]int64{outcome.LogItem: 1, outcome.LogByte: 18})
	for k, n := range notStored(map[outcome.Category]int64{outcome.LogItem: 1, outcome.LogByte: int64(len(badLogs)) - 18}) {
		partly[k] = n
	}
	rows := []row{
		{name: "78 no trace", call: item("transaction", "", `{"start_timestamp":1,"timestamp":2,"spans":[{}]}`),
			counts: counted(outcome.Invalid, "invalid_transaction", map[outcome.Category]int64{outcome.Transaction: 1, outcome.Span: 2})},
		{name: "78 no start", call: item("transaction", "", `{"timestamp":2,"contexts":{"trace":{`+ids+`}}}`),
			counts: counted(outcome.Invalid, "invalid_transaction", map[outcome.Category]int64{outcome.Transaction: 1, outcome.Span: 1})},
		{name: "transaction", call: item("transaction", "", "{"+transactionTail), counts: notStored(transaction)},
		{name: "profile", call: withProfile(profile), counts: both(outcome.Filtered, "not_stored")},
		{name: "profile of one sample", call: withProfile(strings.Replace(profile, `{"elapsed_since_start_ns":"5"},`, "", 1)), counts: both(outcome.Invalid, "profiling_not_enough_samples")},
		{name: "profile of a minute", call: withProfile(strings.Replace(profile, "29000000000", "60000000000", 1)), counts: both(outcome.Invalid, "profiling_duration_is_too_long")},
		{name: "profile alone", call: item("profile", "", profile), counts: invalid(outcome.Profile, "profiling_no_transaction_associated", 1)},
		{name: "chunk", call: item("profile_chunk", `,"platform":"cocoa"`, `{"version":"2","platform":"cocoa","profiler_id":"`+traceID+`","chunk_id":"`+traceID+`"}`), counts: one(outcome.ProfileChunkUI)},
		{name: "chunk without id", call: item("profile_chunk", "", `{"version":"2"}`), counts: invalid(outcome.ProfileChunk, "profiling_invalid_profile_metadata", 1)},
		{name: "115 session", call: item("session", "", sessionNow()), counts: one(outcome.Session)},
		{name: "117 old", call: item("session", "", sessionAt(time.Now().Add(-121*time.Hour), "shop@1", `"seq":1`)), counts: invalid(outcome.Session, "timestamp", 1)},
		{name: "117 latest", call: item("session", "", sessionAt(time.Now(), "latest", `"seq":1`)), counts: invalid(outcome.Session, "invalid_session", 1)},
		{name: "117 no release", call: item("session", "", `{"started":"`+time.Now().UTC().Format(time.RFC3339)+`"}`), counts: invalid(outcome.Session, "invalid_session", 1)},
		{name: "118", call: item("sessions", "", `{"attrs":{"release":"r"},"aggregates":[{"started":"`+time.Now().UTC().Format(time.RFC3339)+`","did":"x","exited":2}]}`), counts: one(outcome.Session)},
		{name: "sessions of no time", call: item("sessions", "", `{"attrs":{"release":"r"},"aggregates":[{"started":"2001-01-01T00:00:00Z"}]}`), counts: invalid(outcome.Session, "timestamp", 1)},
		{name: "121", call: item("log", logHead(2), badLogs), counts: partly},
		{name: "logs miscounted", call: item("log", logHead(3), twoLogs),
			counts: counted(outcome.Invalid, "invalid_log", map[outcome.Category]int64{outcome.LogItem: 3, outcome.LogByte: int64(len(twoLogs))})},
		{name: "logs of another type", call: item("log", `,"item_count":2`, twoLogs),
			counts: counted(outcome.Invalid, "invalid_log", map[outcome.Category]int64{outcome.LogItem: 2, outcome.LogByte: int64(len(twoLogs))})},
		{name: "spans", call: item("span", `,"item_count":1,"content_type":"application/vnd.sentry.items.span.v2+json"`, `{"items":[{"start_timestamp":1,"end_timestamp":2,`+ids+`}]}`), counts: one(outcome.Span)},
		{name: "legacy span", call: item("span", "", span), counts: one(outcome.Span)},
		{name: "legacy span without end", call: item("span", "", `{"start_timestamp":1,`+ids+`}`), counts: invalid(outcome.Span, "invalid_span", 1)},
		{name: "metric", call: item("trace_metric", `,"item_count":1,"content_type":"application/vnd.sentry.items.trace-metric+json"`,
			`{"items":[{"timestamp":1,"name":"n","type":"gauge","value":1,`+ids+`}]}`), counts: one(outcome.TraceMetric)},
		{name: "metric without value", call: item("trace_metric", `,"item_count":1,"content_type":"application/vnd.sentry.items.trace-metric+json"`,
			`{"items":[{"timestamp":1,"name":"n","type":"gauge",`+ids+`}]}`), counts: invalid(outcome.TraceMetric, "invalid_trace_metric", 1)},
		{name: "replay", call: item("replay_recording", `,"length":19`, "{\"segment_id\":0}\n[]"), counts: notStored(map[outcome.Category]int64{outcome.Replay: 1})},
		{name: "replay without segment", call: item("replay_recording", "", "{}"), counts: invalid(outcome.Replay, "invalid_replay_recording", 1)},
		{name: "replay video", call: item("replay_video", "", "nope"), counts: invalid(outcome.Replay, "invalid_replay_video", 1)},
		{name: "statsd", call: item("statsd", "", "a@none:1|c"), counts: one(outcome.MetricBucket)},
		{name: "check-in", call: item("check_in", "", `{"monitor_slug":"a","status":"ok","monitor_config":{"schedule":{"type":"interval","value":1,"unit":"hour"}}}`), counts: one(outcome.Monitor)},
		{name: "113 empty", call: item("check_in", "", `{"monitor_slug":"","status":"ok"}`), counts: invalid(outcome.Monitor, "invalid_json", 1)},
		{name: "check-in every second", call: item("check_in", "", `{"monitor_slug":"a","status":"ok","monitor_config":{"schedule":{"type":"interval","value":1,"unit":"second"}}}`), counts: invalid(outcome.Monitor, "invalid_json", 1)},
		{name: "119 ahead", call: item("client_report", "", `{"timestamp":`+fmt.Sprint(time.Now().Add(300*24*time.Hour).Unix())+`,"discarded_events":[{"reason":"before_send","category":"error","quantity":2}]}`),
			counts: map[outcome.Key]int64{}},
		{name: "log of 3 MiB", call: item("log", logHead(1), strings.Repeat("x", 3<<20)), status: 413, counts: counted(outcome.Invalid, "too_large:log", map[outcome.Category]int64{outcome.LogItem: 1, outcome.LogByte: 3 << 20})},
		{name: "origin of another page", call: call{path: envelopePath, body: `{"origin":"http://other.example"}`}, status: 400},
	}
	for i := range rows {
		rows[i].body = "*"
		if rows[i].status == 0 {
			rows[i].status = http.StatusOK
		}
	}
	g.run(rows)
}

// TestConformanceReports is row 119: equal discards of two reports are one sum.
func TestConformanceReports(t *testing.T) {
	t.Parallel()
	closeIdle(t)
	g := newRig(t)
	report := item("client_report", "", `{"discarded_events":[{"reason":"before_send","category":"error","quantity":2},{"reason":"before_send","category":"log_byte","quantity":0}]}`)
	for range 2 {
		if got := g.do(report); got.status != http.StatusOK {
			t.Fatalf("got %d %s", got.status, got.body)
		}
	}
	if diff := cmp.Diff(counted(outcome.ClientDiscard, "before_send", map[outcome.Category]int64{outcome.Error: 4}), g.s.counts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// TestConformanceCron is rows 111, 112 and 114.
// Rule: getsentry/relay tests/integration/test_monitors.py
func TestConformanceCron(t *testing.T) {
	t.Parallel()
	closeIdle(t)
	g := newRig(t)
	one := notStored(map[outcome.Category]int64{outcome.Monitor: 1})
	jsonType := http.Header{"Content-Type": {cronJSON}}
	rows := []row{
		{name: "111", call: call{method: "GET", auth: "-", path: "/api/1/cron/nightly/" + key + "?status=ok"}, status: 202, counts: one},
		{name: "111 header", call: call{path: "/api/1/cron/nightly?status=ok&duration=1.5&environment=dev&check_in_id=" + traceID}, status: 202, counts: one},
		{name: "112", call: call{auth: "-", path: "/api/1/cron/nightly/" + key + "/", header: jsonType,
			body: `{"status":"ok","monitor_slug":"other","monitor_config":{"schedule":{"type":"crontab","value":"0 * * * *"}}}`}, status: 202, counts: one},
		{name: "112 broken", call: call{path: "/api/1/cron/nightly", header: jsonType, body: `[`}, status: 400, body: detail("invalid JSON data"), counts: invalid(outcome.Monitor, "invalid_json", 1)},
		{name: "112 bad schedule", call: call{path: "/api/1/cron/nightly", header: jsonType, body: `{"status":"ok","monitor_config":{}}`}, status: 202, counts: invalid(outcome.Monitor, "invalid_json", 1)},
		{name: "no status", call: call{path: "/api/1/cron/nightly"}, status: 400, body: detail("invalid check-in"), counts: invalid(outcome.Monitor, "payload", 1)},
		{name: "bad duration", call: call{path: "/api/1/cron/nightly?status=ok&duration=NaN"}, status: 400, body: detail("invalid check-in")},
		{name: "bad id", call: call{path: "/api/1/cron/nightly?status=ok&check_in_id=7"}, status: 400, body: detail("invalid check-in")},
		{name: "two keys", call: call{path: "/api/1/cron/nightly/" + key + "?status=ok"}, status: 401, body: detail("multiple authorization payloads detected")},
		{name: "no key", call: call{auth: "-", path: "/api/1/cron/nightly?status=ok"}, status: 401, body: detail("missing authorization information")},
		{name: "bad key", call: call{auth: "-", path: "/api/1/cron/nightly/abc?status=ok"}, status: 400, body: detail("bad sentry DSN public key")},
		{name: "foreign key", call: call{auth: "-", path: "/api/1/cron/nightly/" + otherKey + "?status=ok"}, status: 403, body: "*"},
	}
	for range monitorRate.Count {
		rows = append(rows, row{name: "114", call: call{path: "/api/1/cron/busy?status=ok"}, status: 202, counts: one})
	}
	rows = append(rows,
		row{name: "114 limited", call: call{path: "/api/1/cron/busy?status=ok"}, status: 202,
			counts: counted(outcome.RateLimited, "monitor_rate_limit", map[outcome.Category]int64{outcome.Monitor: 1})},
		row{name: "114 other environment", call: call{path: "/api/1/cron/busy?status=ok&environment=dev"}, status: 202, counts: one})
	g.run(rows)
}

// TestCheckInsAreRead is rows 111 to 113: what is made of a check-in.
// Rule: getsentry/relay relay-monitors/src/lib.rs
func TestCheckInsAreRead(t *testing.T) {
	t.Parallel()
	got, err := readCheckIn([]byte(`{"monitor_slug":"` + strings.Repeat("é", 250) + `","status":"missed"}`))
	want := checkIn{ID: nilCheckIn, Monitor: strings.Repeat("é", 50), Status: "unknown"}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	got, err = readCheckIn([]byte(`{"monitor_slug":"a","check_in_id":"C4505752-a28e-a92b-eb3a-c01b937ba7b0","status":"ok","monitor_config":{"schedule":{"type":"crontab","value":"* * * * *"},"timezone":"Europe/Vienna"}}`))
	if err != nil || got.ID != traceID || got.Status != "ok" || got.Config == nil || got.Config.Timezone != "Europe/Vienna" {
		t.Errorf("%v %+v", err, got)
	}
}

// TestSessionsAreRead is rows 115, 116 and 118, and the correction of clocks.
// Rule: getsentry/relay relay-event-schema/src/protocol/session.rs
func TestSessionsAreRead(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	at := clock{received: now}
	s, err := readSession([]byte(sessionAt(now, "r", `"init":true,"seq":42`)), at)
	if err != nil || *s.Sequence != 0 || s.Status != "ok" || !s.Timestamp.Equal(now) {
		t.Errorf("row 115: %v %+v", err, s)
	}
	s, err = readSession([]byte(sessionAt(now, "r", `"status":"crashed","timestamp":"2026-11-21T09:00:00Z"`)), at)
	if err != nil || s.Errors != 1 || *s.Sequence != uint64(now.UnixMilli()) || !s.Timestamp.Equal(s.Started) {
		t.Errorf("row 116: %v %+v", err, s)
	}
	s, err = readSession([]byte(sessionAt(now.AddDate(0, 0, -20), "r", `"seq":7`)), clock{received: now, sent: now.AddDate(0, 0, -20)})
	if err != nil || !s.Started.Equal(now) || *s.Sequence != 7 {
		t.Errorf("drift: %v %+v", err, s)
	}
	if _, err = readSession([]byte(sessionAt(now.Add(2*time.Minute), "r", `"seq":7`)), at); err != errSessionTime {
		t.Errorf("future: %v", err)
	}
	var got []bucket
	err = readAggregates([]byte(`{"attrs":{"release":"r","environment":"none"},"aggregates":[{"started":"2026-11-21T09:59:00Z","did":"u","exited":2,"crashed":1},{"started":"2026-11-21T09:59:00Z","errored":3},{"started":"2001-01-01T00:00:00Z"},{}]}`),
		at, func(b *bucket) { got = append(got, *b) })
	minute := now.Add(-time.Minute)
	want := []bucket{{Started: minute, User: "u", Exited: 2, Crashed: 1}, {Started: minute, Errored: 3}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("row 118: %v (-want +got):\n%s", err, diff)
	}
}

// TestConformanceTunnel sends envelopes that only their own header authenticates.
func TestConformanceTunnel(t *testing.T) {
	t.Parallel()
	closeIdle(t)
	g := newRig(t)
	to := func(dsn string) string {
		return `{"event_id":"` + id + `","dsn":"` + dsn + `"}` + "\n{\"type\":\"event\"}\n{}"
	}
	site := http.Header{"Authorization": {"Basic dXNlcjpwYXNz"}, "Origin": {"https://shop.example"}}
	g.run([]row{
		{name: "ours", call: call{auth: "-", path: "/tunnel", body: to("https://" + key + "@anywhere.example/1"), header: site}, status: 200, body: okID(id), event: id},
		{name: "slash", call: call{auth: "-", path: "/tunnel/", body: to("https://" + key + "@anywhere.example/1")}, status: 200, body: okID(id)},
		{name: "unknown key", call: call{path: "/tunnel", body: to("https://" + strings.Repeat("e", 32) + "@anywhere.example/1")}, status: 403, body: "*"},
		{name: "other project", call: call{path: "/tunnel", body: to("https://" + key + "@anywhere.example/42")}, status: 400, body: "*"},
		{name: "no DSN", call: call{path: "/tunnel", body: event1(id, "{}")}, status: 401, body: detail("bad envelope authentication header")},
	})
	if got := g.do(call{auth: "-", path: "/tunnel", body: "x"}); got.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("want pages to read refusals, got %v", got.header)
	}
	for _, r := range sdk.Requests(t, sdk.KindEnvelope) {
		if strings.Contains(r.Target, "tunnel") {
			if got := g.do(call{auth: "-", path: "/tunnel", body: string(r.Body), header: http.Header{"Content-Type": r.Header["Content-Type"]}}); got.status != http.StatusOK {
				t.Errorf("%s: %d %s", r.File, got.status, got.body)
			}
		}
	}
}

// TestConformanceLoader is row 124.
// Rule: getsentry/sentry src/sentry/web/frontend/js_sdk_loader.py
func TestConformanceLoader(t *testing.T) {
	t.Parallel()
	closeIdle(t)
	g := newRig(t)
	g.s.cfg.LoaderBundle = "https://cdn.example/bundle.js"
	host := strings.TrimPrefix(g.url, "http://")
	for path, want := range map[string]string{
		key + ".js": "http://" + key + "@" + host + "/1", key + ".min.js": "http://" + key + "@" + host + "/1",
		"x.js": "", strings.Repeat("e", 32) + ".js": "", offKey + ".min.js": "", key: "",
	} {
		got := g.do(call{method: "GET", auth: "-", path: "/js-sdk-loader/" + path})
		if got.status != http.StatusOK || got.header.Get("Access-Control-Allow-Origin") != "*" || !strings.HasPrefix(got.header.Get("Content-Type"), "text/javascript") ||
			!strings.Contains(got.header.Get("Cache-Control"), "max-age=3600, s-maxage=60") {
			t.Errorf("%s: %d %v", path, got.status, got.header)
		}
		if want == "" && got.body != noLoader || want != "" && !strings.Contains(got.body, `{"bundle":"https://cdn.example/bundle.js","dsn":"`+want+`"}`) {
			t.Errorf("%s: want a script for %q, got %s", path, want, got.body)
		}
	}
	if got := g.do(call{method: "GET", auth: "-", path: "/js-sdk-loader/" + key + ".js", header: http.Header{"X-Forwarded-Proto": {"https"}}}); !strings.Contains(got.body, `"https://`+key) {
		t.Errorf("want the scheme a trusted proxy tells, got %s", got.body)
	}
}

// TestNetworkErrorsBecomeEvents sends what a browser reports of requests that failed.
func TestNetworkErrorsBecomeEvents(t *testing.T) {
	t.Parallel()
	queue := &memory{}
	s := newTestService(t, testConfig(), queue)
	path := "/api/1/nel/?sentry_key=" + key + "&sentry_release=r"
	body := `[{"age":1000,"type":"network-error","url":"https://a.example/x","body":{"type":"dns.unreachable","phase":"dns","method":"GET","elapsed_time":5,"server_ip":"","sampling_fraction":1,"referrer":"https://a.example/"}},{"type":"deprecation","body":{}}]`
	if w := report(s.routes(), path, "application/reports+json", body); w.Code != 200 || w.Body.Len() != 0 || len(queue.events) != 1 {
		t.Fatalf("got %d %s, %d events", w.Code, w.Body, len(queue.events))
	}
	if diff := cmp.Diff(invalid(outcome.Security, "security_report_type", 1), s.counts()); diff != "" {
		t.Errorf("what is no network error (-want +got):\n%s", diff)
	}
	raw := queue.events[0]
	ev, err := event.Decode(raw.Payload)
	if err != nil {
		t.Fatal(err)
	}
	ev.Normalize(event.Delivery{ReceivedAt: raw.ReceivedAt})
	if ev.Type != event.TypeNEL || ev.LogEntry.Formatted != "dns.unreachable" || ev.Context("nel") == nil || ev.Request.URL != "https://a.example/x" || ev.Release != "r" {
		t.Errorf("%s", raw.Payload)
	}
	for name, c := range map[string]struct {
		contentType, body string
		status            int
		reason            string
	}{
		"html": {"text/html", "[]", 415, ""}, "empty": {"application/json", "", 400, "no_data"}, "no JSON": {"application/json", "x", 200, "invalid_json"},
		"no report": {"application/json", `[{"type":"x","body":{}}]`, 200, "security_report_type"}, "no body": {"application/json", `[{"type":"network-error"}]`, 200, "security_report"},
	} {
		want := map[outcome.Key]int64{}
		if c.reason != "" {
			want = invalid(outcome.Security, c.reason, 1)
		}
		if w := report(s.routes(), path, c.contentType, c.body); w.Code != c.status || cmp.Diff(want, s.counts()) != "" {
			t.Errorf("%s: got %d", name, w.Code)
		}
	}
}

// FuzzItems: no payload of any counted item panics, and what is bad of it is never more than it is.
func FuzzItems(f *testing.F) {
	types := []string{"transaction", "session", "sessions", "check_in", "log", "span", "trace_metric", "profile", "profile_chunk", "replay_event", "replay_recording", "replay_video", "client_report"}
	for i, p := range []string{"{" + transactionTail, sessionAt(time.Unix(0, 0), "r", `"seq":1`), `{"aggregates":[{}]}`, `{"monitor_slug":"a"}`, twoLogs, span, twoLogs,
		`{"version":"1","profile":{"samples":[{"elapsed_since_start_ns":"5"},1]}}`, `{}`, `{"segment_id":1}`, "{}\nx", "\x80", `{"timestamp":1e400}`} {
		f.Add(uint8(i), 2, p)
	}
	s := newTestService(f, testConfig(), &memory{})
	c, err := s.projects.lookup(keyOf(f, key), 1)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, which uint8, count int, payload string) {
		typ := types[int(which)%len(types)]
		contentType := map[string]string{"log": logContainer.contentType, "span": spanContainer.contentType, "trace_metric": metricContainer.contentType}[typ]
		head, err := json.Marshal(map[string]any{"type": typ, "item_count": max(count, 0), "content_type": contentType, "length": len(payload)})
		if err != nil {
			t.Fatal(err)
		}
		if w := post(s.routes(), envelopePath, auth, "{}\n"+string(head)+"\n"+payload); w.Code >= 500 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		for k, n := range s.counts() {
			if n < 0 || k.Project != c.project {
				t.Errorf("counted %d of %+v", n, k)
			}
		}
	})
}
