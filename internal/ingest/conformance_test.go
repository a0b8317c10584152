package ingest

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

const (
	envelopePath = "/api/1/envelope/"
	storePath    = "/api/1/store/"
)

func zlibbed(s string) []byte {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return out.Bytes()
}

func encoded(encoding, s string) string {
	var out bytes.Buffer
	switch encoding {
	case "gzip":
		return string(gzipped([]byte(s)))
	case "deflate":
		return string(zlibbed(s))
	case "raw deflate":
		w, _ := flate.NewWriter(&out, 5)
		_, _ = w.Write([]byte(s))
		_ = w.Close()
	case "br":
		w := brotli.NewWriter(&out)
		_, _ = w.Write([]byte(s))
		_ = w.Close()
	case "zstd":
		w, _ := zstd.NewWriter(&out)
		_, _ = w.Write([]byte(s))
		_ = w.Close()
	}
	return out.String()
}

// row is one line of the conformance table: a request, its answer, and what it leaves behind.
type row struct {
	name    string
	call    call
	status  int
	body    string // exact; "*" for any, "id" for a new event id
	event   string // id of the event that must arrive; "new" for the one answered
	payload string // of that event
	counts  map[outcome.Key]int64
}

func invalid(c outcome.Category, reason string, n int64) map[outcome.Key]int64 {
	return map[outcome.Key]int64{{Project: 1, KeyID: 11, Category: c, Kind: outcome.Invalid, Reason: reason}: n}
}

func detail(text string, causes ...string) string {
	if causes == nil {
		return `{"detail":"` + text + `"}`
	}
	return `{"detail":"` + text + `","causes":["` + strings.Join(causes, `","`) + `"]}`
}

const malformed = "invalid event envelope"

var newID = regexp.MustCompile(`^\{"id":"([0-9a-f]{32})"\}$`)

// run sends the rows to one server, in order, and checks each.
func (g *rig) run(rows []row) {
	for _, r := range rows {
		g.s.counts()
		got := g.do(r.call)
		if got.status != r.status {
			g.t.Errorf("%s: want status %d, got %d %s", r.name, r.status, got.status, got.body)
			continue
		}
		want := r.event
		switch {
		case r.body == "id":
			m := newID.FindStringSubmatch(got.body)
			if m == nil {
				g.t.Errorf("%s: want an event id, got %s", r.name, got.body)
				continue
			}
			if want == "new" {
				want = m[1]
			}
		case r.body != "*" && r.body != got.body:
			g.t.Errorf("%s: want %s, got %s", r.name, r.body, got.body)
		}
		if got.status >= 400 && got.header.Get("X-Sentry-Error") == "" && r.body != "" {
			g.t.Errorf("%s: no X-Sentry-Error", r.name)
		}
		if want != "" {
			raw := g.wait(want)
			if r.payload != "" && string(raw.Payload) != r.payload {
				g.t.Errorf("%s: want payload %s, got %s", r.name, r.payload, raw.Payload)
			}
		}
		if r.counts != nil {
			if diff := cmp.Diff(r.counts, g.s.counts()); diff != "" {
				g.t.Errorf("%s: counts (-want +got):\n%s", r.name, diff)
			}
		}
	}
}

// eventID is a distinct id for each row.
func eventID(n int) string { return fmt.Sprintf("%032x", 0xabc000+n) }

func okID(id string) string { return `{"id":"` + id + `"}` }

// TestConformanceStore is rows 1 to 10 of the protocol's table.
// Rule: getsentry/relay relay-server/src/endpoints/store.rs
func TestConformanceStore(t *testing.T) {
	t.Parallel()
	closeIdle(t)
	g := newRig(t)
	json := func(n int) string { return `{"event_id":"` + eventID(n) + `","message":"hello"}` }
	wrapped := func(n int) string { return base64Text(zlibbed(json(n))) }
	octets := http.Header{"Content-Type": {"application/octet-stream"}}
	g.run([]row{
		{name: "1", call: call{path: envelopePath, body: event1(eventID(1), `{"message":"hello"}`)}, status: 200,
			body: okID(eventID(1)), event: eventID(1), payload: `{"message":"hello"}`},
		{name: "2", call: call{path: storePath, body: json(2)}, status: 200, body: okID(eventID(2)), event: eventID(2), payload: json(2)},
		{name: "3", call: call{path: storePath, body: wrapped(3), header: octets}, status: 200,
			body: okID(eventID(3)), event: eventID(3), payload: json(3)},
		{name: "3 without zlib", call: call{path: storePath, body: base64.StdEncoding.EncodeToString([]byte(json(30)))},
			status: 200, body: okID(eventID(30)), event: eventID(30), payload: json(30)},
		{name: "4", call: call{path: storePath}, status: 400, body: detail("empty request body"), counts: invalid(outcome.Error, "no_data", 1)},
		{name: "5", call: call{path: storePath, body: "hello, world!"}, status: 400, body: detail("invalid request body"),
			counts: invalid(outcome.Error, "payload", 1)},
		{name: "5 base64 of nothing known", call: call{path: storePath, body: "aGVsbG8="}, status: 400, body: detail("invalid request body")},
		{name: "6", call: call{path: storePath, body: event1(eventID(6), `{"a":6}`), header: http.Header{"Content-Type": {"application/x-sentry-envelope"}}},
			status: 200, body: okID(eventID(6)), event: eventID(6), payload: `{"a":6}`},
		{name: "7", call: call{method: "GET", auth: "-", path: storePath + "?sentry_key=" + key + "&sentry_data=" + url.QueryEscape(json(7))},
			status: 200, body: string(pixel), event: eventID(7), payload: json(7)},
		{name: "7 wrapped", call: call{method: "GET", auth: "-", path: storePath + "?sentry_key=" + key + "&sentry_data=" + wrapped(70)},
			status: 200, body: string(pixel), event: eventID(70), payload: json(70)},
		{name: "8", call: call{path: "/api/store/", body: json(8)}, status: 200, body: okID(eventID(8)), event: eventID(8)},
		{name: "8 without slash", call: call{path: "/api/1/store", body: json(80)}, status: 200, body: okID(eventID(80)), event: eventID(80)},
		{name: "9", call: call{path: storePath, body: `{"event_id":"` + eventID(9) + `","type":"transaction",` + transactionTail}, status: 200, body: okID(eventID(9)),
			counts: notStored(map[outcome.Category]int64{outcome.Transaction: 1, outcome.Span: 3})},
		{name: "10", call: call{path: storePath, body: `{"event_id":"nope"}`}, status: 400, body: detail("invalid JSON data"),
			counts: invalid(outcome.Error, "invalid_json", 1)},
		{name: "10 number", call: call{path: storePath, body: `{"event_id":7}`}, status: 400, body: detail("invalid JSON data")},
		{name: "10 broken", call: call{path: storePath, body: `{"a":`}, status: 400, body: detail("invalid JSON data")},
		{name: "10 trailing", call: call{path: storePath, body: `{} {}`}, status: 400, body: detail("invalid JSON data")},
		{name: "10 missing", call: call{path: storePath, body: `{"event_id":null,"a":10}`}, status: 200, body: "id", event: "new", payload: `{"event_id":null,"a":10}`},
		{name: "NaN of Python", call: call{path: storePath, auth: "Sentry sentry_client=raven-python/5.0, sentry_key=" + key, body: `{"a":[NaN,-Infinity,"NaN \" Infinity"]}`},
			status: 200, body: "id", event: "new", payload: `{"a":[null,null,"NaN \" Infinity"]}`},
		{name: "NaN of others", call: call{path: storePath, body: `{"a":NaN}`}, status: 400, body: detail("invalid JSON data")},
		{name: "too large", call: call{path: storePath, body: `{"a":"` + strings.Repeat("x", 1<<20) + `"}`}, status: 413,
			body: detail("length limit exceeded"), counts: invalid(outcome.Error, "too_large:error", 1)},
	})
	if got := g.do(call{method: "GET", auth: "-", path: storePath + "?sentry_key=" + key + "&sentry_data=%7B%7D"}); got.header.Get("Content-Type") != "image/gif" {
		t.Errorf("want a picture, got %s", got.header.Get("Content-Type"))
	}
	raw := g.wait(eventID(1))
	ev, err := event.Decode(raw.Payload)
	if err != nil {
		t.Fatal(err)
	}
	ev.Normalize(event.Delivery{ReceivedAt: raw.ReceivedAt, Retention: 24 * time.Hour})
	if ev.LogEntry == nil || ev.LogEntry.Formatted != "hello" {
		t.Errorf("want the message stored, got %+v", ev.LogEntry)
	}
	want := event.Raw{Project: 1, KeyID: 11, ID: raw.ID, ReceivedAt: raw.ReceivedAt, ClientIP: netip.MustParseAddr("127.0.0.1"),
		UserAgent: "Go-http-client/1.1", Client: "test/1.0", ItemType: "event", Payload: []byte(`{"message":"hello"}`)}
	if diff := cmp.Diff(want, raw, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("queued event (-want +got):\n%s", diff)
	}
	if age := time.Since(raw.ReceivedAt); age < 0 || age > time.Minute {
		t.Errorf("received %s ago", age)
	}
}

// TestConformanceAuth is rows 11 to 21 and 27 to 29.
// Rule: getsentry/relay relay-server/src/extractors/request_meta.rs
func TestConformanceAuth(t *testing.T) {
	t.Parallel()
	closeIdle(t)
	g := newRig(t)
	withDSN := func(n int, dsn string) string {
		return `{"event_id":"` + eventID(n) + `","dsn":"` + dsn + `"}` + "\n" + `{"type":"event"}` + "\n{}"
	}
	own := "http://" + key + "@example.com/1"
	denied := detail("event submission rejected with_reason: ProjectId")
	projectID := func(p int64) map[outcome.Key]int64 {
		return map[outcome.Key]int64{{Project: p, Category: outcome.Error, Kind: outcome.Invalid, Reason: "project_id"}: 1}
	}
	g.run([]row{
		{name: "11", call: call{auth: "-", path: envelopePath, body: withDSN(11, own), header: http.Header{"X-Sentry-Auth": {""}}},
			status: 200, body: okID(eventID(11)), event: eventID(11)},
		{name: "12", call: call{auth: "-", path: envelopePath, body: "{}"}, status: 401, body: detail("bad envelope authentication header")},
		{name: "12 no JSON", call: call{auth: "-", path: envelopePath, body: "hello"}, status: 401, body: detail("bad envelope authentication header")},
		{name: "12 bad DSN", call: call{auth: "-", path: envelopePath, body: withDSN(0, "http://example.com/1")}, status: 401, body: detail("bad envelope authentication header")},
		{name: "13", call: call{auth: "-", path: storePath, body: "{}"}, status: 401, body: detail("missing authorization information")},
		{name: "14", call: call{path: envelopePath + "?sentry_key=" + key, body: "{}"}, status: 401, body: detail("multiple authorization payloads detected")},
		{name: "15", call: call{auth: "-", path: envelopePath, header: http.Header{"Authorization": {"Sentry sentry_key=" + key}}, body: event1(eventID(15), "{}")},
			status: 200, body: okID(eventID(15)), event: eventID(15)},
		{name: "16 envelope", call: call{auth: "-", path: envelopePath, header: http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(key+":"))}},
			body: event1(eventID(16), "{}")}, status: 200, body: okID(eventID(16)), event: eventID(16)},
		{name: "16", call: call{auth: "-", path: "/api/1/cron/nightly/", header: http.Header{"Content-Type": {"application/json"},
			"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(key+":"))}}, body: `{"status":"ok"}`}, status: 202, body: ""},
		{name: "17", call: call{auth: "Sentry sentry_version=8,sentry_key=" + key, path: envelopePath, body: "{}"}, status: 400, body: detail("unsupported protocol version (8)")},
		{name: "17 of 2.0", call: call{auth: "Sentry sentry_version=2.0,sentry_key=" + key, path: envelopePath, body: event1(eventID(17), "{}")},
			status: 200, body: okID(eventID(17)), event: eventID(17)},
		{name: "18", call: call{auth: "Sentry sentry_version=7", path: envelopePath, body: "{}"}, status: 401, body: detail("bad x-sentry-auth header")},
		{name: "18 short", call: call{auth: "Sentry sentry_key=abc", path: envelopePath, body: "{}"}, status: 400, body: detail("bad sentry DSN public key")},
		{name: "19", call: call{path: "/api/foo/envelope/", body: "{}"}, status: 400, body: detail("bad project path parameter")},
		{name: "20", call: call{auth: "Sentry sentry_key=" + otherKey, path: envelopePath, body: "{}"}, status: 403, body: denied, counts: projectID(1)},
		{name: "20 unknown project", call: call{path: "/api/43/envelope/", body: "{}"}, status: 403, body: denied, counts: projectID(0)},
		{name: "20 unknown key", call: call{auth: "Sentry sentry_key=" + strings.Repeat("f", 32), path: envelopePath, body: "{}"}, status: 403, body: denied, counts: projectID(1)},
		{name: "20 zero key", call: call{auth: "Sentry sentry_key=" + strings.Repeat("0", 32), path: "/api/store/", body: "{}"}, status: 403, body: denied},
		{name: "20 disabled key", call: call{auth: "Sentry sentry_key=" + offKey, path: envelopePath, body: "{}"}, status: 403, body: denied, counts: projectID(1)},
		{name: "21 project", call: call{path: envelopePath, body: withDSN(21, "http://"+key+"@example.com/42")}, status: 400,
			body: detail(malformed, "project id header mismatch between envelope and request")},
		{name: "21 key", call: call{path: envelopePath, body: withDSN(21, "http://"+otherKey+"@example.com/1")}, status: 400,
			body: detail(malformed, "public key header mismatch between envelope and request")},
		{name: "21 no DSN", call: call{path: envelopePath, body: withDSN(21, "nope")}, status: 400, body: detail(malformed, "invalid envelope header")},
		{name: "21 path", call: call{auth: "-", path: "/api/42/envelope/", body: withDSN(21, own)}, status: 400,
			body: detail(malformed, "project id header mismatch between envelope and request")},
		{name: "27", call: call{path: envelopePath, body: "garbage", header: http.Header{"Content-Encoding": {"gzip"}}}, status: 400, body: "*",
			counts: invalid(outcome.Error, "invalid_compression", 1)},
		{name: "27 cut", call: call{path: envelopePath, body: encoded("gzip", event1(id, "{}"))[:30], header: http.Header{"Content-Encoding": {"gzip"}}}, status: 400, body: "*"},
		{name: "415", call: call{path: envelopePath, body: "x", header: http.Header{"Content-Encoding": {"compress"}}}, status: 415, body: "*",
			counts: invalid(outcome.Error, "content_type", 1)},
		{name: "415 list", call: call{path: envelopePath, body: "x", header: http.Header{"Content-Encoding": {"gzip, br"}}}, status: 415, body: "*"},
		{name: "404", call: call{path: "/api/1/nothing/"}, status: 404, body: detail("there is nothing at this path")},
		{name: "405", call: call{method: "DELETE", path: envelopePath}, status: 405, body: detail("method not allowed")},
	})
}

// TestConformanceEncodings is row 26.
func TestConformanceEncodings(t *testing.T) {
	t.Parallel()
	closeIdle(t)
	g := newRig(t)
	var rows []row
	for i, c := range []struct{ header, encoding string }{
		{"gzip", "gzip"}, {"x-gzip", "gzip"}, {"GZIP ", "gzip"}, {"deflate", "deflate"}, {"deflate", "raw deflate"},
		{"br", "br"}, {"zstd", "zstd"}, {"", ""}, {"identity", ""}, {"UTF-8", ""},
	} {
		for n, path := range []string{envelopePath, storePath} {
			id := eventID(100 + 2*i + n)
			body := event1(id, `{"a":1}`)
			if path == storePath {
				body = `{"event_id":"` + id + `"}`
			}
			if c.encoding != "" {
				body = encoded(c.encoding, body)
			}
			rows = append(rows, row{name: c.header + " as " + c.encoding, call: call{path: path, body: body, header: http.Header{"Content-Encoding": {c.header}}},
				status: 200, body: okID(id), event: id})
		}
	}
	g.run(rows)
}

// TestConformanceParsing is rows 30 to 45, but for 42, 43 and 45.
// Rule: getsentry/relay relay-server/src/envelope/mod.rs
func TestConformanceParsing(t *testing.T) {
	t.Parallel()
	closeIdle(t)
	g := newRig(t)
	post := func(body string) call { return call{path: envelopePath, body: body} }
	head := func(n int) string { return `{"event_id":"` + eventID(n) + `"}` + "\n" }
	logs := func(n int) string {
		return `{"type":"log","item_count":2,"content_type":"application/vnd.sentry.items.log+json"}` + "\n" + twoLogs + "\n"
	}
	g.run([]row{
		{name: "zero bytes", call: post(""), status: 400, body: detail("empty request body")},
		{name: "30", call: post(`{"event_id":"` + eventID(30) + `"}`), status: 200, body: okID(eventID(30)), counts: map[outcome.Key]int64{}},
		{name: "30 line feed", call: post(head(30)), status: 200, body: okID(eventID(30))},
		{name: "30 empty", call: post("{}"), status: 200, body: "{}"},
		{name: "31", call: post(head(31) + "{\"type\":\"attachment\",\"length\":0}\n\n{\"type\":\"attachment\",\"length\":0}\n"), status: 200, body: okID(eventID(31)), counts: map[outcome.Key]int64{}},
		{name: "31 header last", call: post(head(31) + `{"type":"attachment"}`), status: 200, body: okID(eventID(31))},
		{name: "32", call: post(head(32) + "{\"type\":\"event\"}\n{\"a\":1}\n{\"type\":\"x\"}\nrest"), status: 200, body: okID(eventID(32)), event: eventID(32), payload: `{"a":1}`},
		{name: "32 end of input", call: post(head(320) + "{\"type\":\"event\"}\n{\"a\":1}"), status: 200, body: okID(eventID(320)), event: eventID(320), payload: `{"a":1}`},
		{name: "33", call: post(head(33) + "{\"type\":\"event\",\"length\":9}\n{\r\n\"a\":1}"), status: 200, body: okID(eventID(33)), event: eventID(33), payload: "{\r\n\"a\":1}"},
		{name: "34", call: post("{}\n{\"type\":\"event\",\"length\":10}\n{}"), status: 400, body: detail(malformed, "unexpected end of file"),
			counts: invalid(outcome.Error, "invalid_envelope", 1)},
		{name: "34 other byte", call: post("{}\n{\"type\":\"event\",\"length\":1}\n{}"), status: 400, body: detail(malformed, "missing newline after header or payload")},
		{name: "35", call: post("{}\r\n{\"type\":\"event\"}\n{}"), status: 400, body: detail(malformed, "missing newline after header or payload")},
		{name: "36", call: post("{}\n{\"length\":2}\n{}"), status: 400, body: detail(malformed, "invalid item header")},
		{name: "37", call: post(head(37) + "{\"type\":\"nonsense\"}\nx\n{\"type\":\"event\"}\n{}"), status: 200, body: okID(eventID(37)), event: eventID(37)},
		{name: "37 only unknown", call: post("{}\n{\"type\":\"nonsense\"}\nx"), status: 200, body: "{}",
			counts: map[outcome.Key]int64{{Project: 1, KeyID: 11, Category: outcome.UnknownItem, Kind: outcome.Filtered, Reason: "not_stored"}: 1}},
		{name: "38", call: post("{}\n{\"type\":\"integration\"}\nx"), status: 400, body: detail("envelope contains internal items")},
		{name: "39", call: post("{}\n{\"type\":\"event\"}\n{\"a\":39}"), status: 200, body: "id", event: "new", payload: `{"a":39}`},
		{name: "39 session", call: post("{}\n{\"type\":\"session\"}\n" + sessionNow()), status: 200, body: "{}",
			counts: map[outcome.Key]int64{{Project: 1, KeyID: 11, Category: outcome.Session, Kind: outcome.Filtered, Reason: "not_stored"}: 1}},
		{name: "40", call: post(head(40) + "{\"type\":\"event\"}\n{\"event_id\":\"" + eventID(41) + "\"}"), status: 200, body: okID(eventID(40)), event: eventID(40)},
		{name: "40 payload only", call: post("{}\n{\"type\":\"event\"}\n{\"event_id\":\"" + eventID(401) + "\"}"), status: 200, body: okID(eventID(401)), event: eventID(401)},
		{name: "41", call: post(`{"sent_at":"2026-01-01T00:00:00Z","sent_at":"2026-01-01T00:00:00Z"}`), status: 400, body: detail(malformed, "invalid envelope header")},
		{name: "41 unparsable", call: post(`{"sent_at":"now"}`), status: 400, body: detail(malformed, "invalid envelope header")},
		{name: "42", call: post(`{"event_id":"` + eventID(42) + `","trace":{"trace_id":[],"sampled":{}}}` + "\n{\"type\":\"event\"}\n{}"), status: 200, body: okID(eventID(42)), event: eventID(42)},
		{name: "44", call: post("{}\n" + logs(1) + logs(2)), status: 200, body: "{}", counts: map[outcome.Key]int64{
			{Project: 1, KeyID: 11, Category: outcome.LogItem, Kind: outcome.Invalid, Reason: "duplicate_item"}: 4,
			{Project: 1, KeyID: 11, Category: outcome.LogByte, Kind: outcome.Invalid, Reason: "duplicate_item"}: int64(2 * len(twoLogs)),
		}},
		{name: "one log", call: post("{}\n" + logs(1)), status: 200, body: "{}", counts: map[outcome.Key]int64{
			{Project: 1, KeyID: 11, Category: outcome.LogItem, Kind: outcome.Filtered, Reason: "not_stored"}: 2,
			{Project: 1, KeyID: 11, Category: outcome.LogByte, Kind: outcome.Filtered, Reason: "not_stored"}: int64(len(twoLogs)),
		}},
		{name: "two events", call: post(head(46) + "{\"type\":\"event\"}\n{\"a\":1}\n{\"type\":\"event\"}\n{\"a\":2}\n{\"type\":\"transaction\"}\n{}"), status: 200, body: okID(eventID(46)),
			event: eventID(46), payload: `{"a":1}`, counts: map[outcome.Key]int64{
				{Project: 1, KeyID: 11, Category: outcome.Error, Kind: outcome.Invalid, Reason: "duplicate_item"}:       1,
				{Project: 1, KeyID: 11, Category: outcome.Transaction, Kind: outcome.Invalid, Reason: "duplicate_item"}: 1,
				{Project: 1, KeyID: 11, Category: outcome.Span, Kind: outcome.Invalid, Reason: "duplicate_item"}:        1,
			}},
	})
}

// TestConformanceLimits is row 43.
// Rule: getsentry/relay relay-server/src/utils/sizes.rs
func TestConformanceLimits(t *testing.T) {
	t.Parallel()
	closeIdle(t)
	g := newRig(t)
	repeat := func(n int, item string) call { return call{path: envelopePath, body: "{}\n" + strings.Repeat(item, n)} }
	sessions, attachments := "{\"type\":\"session\"}\n{}\n", "{\"type\":\"attachment\"}\nx\n"
	large := func(n int) call {
		return call{path: envelopePath, body: event1(eventID(43), `{"a":"`+strings.Repeat("x", n-8)+`"}`)}
	}
	over := func(typ string) string { return detail("envelope exceeded size limits for type '" + typ + "'") }
	g.run([]row{
		{name: "100 sessions", call: repeat(100, sessions), status: 200, body: "{}"},
		{name: "101 sessions", call: repeat(101, sessions), status: 413, body: over("session"), counts: invalid(outcome.Session, "too_large:session", 101)},
		{name: "event of 1 MiB", call: large(1 << 20), status: 200, body: okID(eventID(43)), event: eventID(43)},
		{name: "event of 1 MiB + 1", call: large(1<<20 + 1), status: 413, body: over("event"), counts: invalid(outcome.Error, "too_large:event", 1)},
		{name: "30 attachments", call: repeat(30, attachments), status: 200, body: "id"},
		{name: "31 attachments", call: repeat(31, attachments), status: 413, body: over("attachment"), counts: map[outcome.Key]int64{
			{Project: 1, KeyID: 11, Category: outcome.Attachment, Kind: outcome.Invalid, Reason: "too_large:attachment"}:     31,
			{Project: 1, KeyID: 11, Category: outcome.AttachmentItem, Kind: outcome.Invalid, Reason: "too_large:attachment"}: 31,
		}},
		{name: "2 check-ins", call: repeat(2, "{\"type\":\"check_in\"}\n{}\n"), status: 413, body: over("check_in")},
		{name: "a million items", call: repeat(1_000_000, "{\"type\":\"x\"}\n\n"), status: 413, body: "*", counts: invalid(outcome.Error, "too_large:envelope", 1)},
	})
}

// TestConformanceClockDrift is row 45, up to what the processor is told.
func TestConformanceClockDrift(t *testing.T) {
	t.Parallel()
	closeIdle(t)
	g := newRig(t)
	now := time.Now().UTC()
	for _, c := range []struct {
		id    string
		ago   time.Duration
		drift bool
	}{{eventID(451), 24 * time.Hour, true}, {eventID(452), 54 * time.Minute, false}} {
		sent := now.Add(-c.ago)
		stamp := sent.Add(-time.Minute)
		g.run([]row{{name: c.ago.String(), status: 200, body: okID(c.id), event: c.id, call: call{path: envelopePath,
			body: fmt.Sprintf("{\"event_id\":%q,\"sent_at\":%q}\n{\"type\":\"event\"}\n{\"timestamp\":%d}", c.id, sent.Format(time.RFC3339Nano), stamp.Unix())}}})
		raw := g.wait(c.id)
		if !raw.SentAt.Equal(sent.Truncate(time.Microsecond)) {
			t.Errorf("want sent at %s, got %s", sent, raw.SentAt)
		}
		ev, err := event.Decode(raw.Payload)
		if err != nil {
			t.Fatal(err)
		}
		ev.Normalize(event.Delivery{ReceivedAt: raw.ReceivedAt, SentAt: raw.SentAt, Retention: 90 * 24 * time.Hour})
		want := stamp.Truncate(time.Second)
		if c.drift {
			want = want.Add(raw.ReceivedAt.Sub(raw.SentAt))
		}
		if d := ev.Timestamp.Sub(want); d < -time.Second || d > time.Second {
			t.Errorf("%s: want the event at %s, got %s", c.ago, want, ev.Timestamp)
		}
	}
}

func base64Text(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
