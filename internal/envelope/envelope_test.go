package envelope_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/testkit/sdk"
)

var ignoreRaw = cmp.Options{
	cmpopts.EquateEmpty(),
	cmpopts.IgnoreFields(envelope.Header{}, "Raw"),
	cmpopts.IgnoreFields(envelope.Item{}, "Raw"),
}

const id = "9ec79c33ec9942ab8353589fcb2e04dc"

var idBytes = envelope.ID{0x9e, 0xc7, 0x9c, 0x33, 0xec, 0x99, 0x42, 0xab, 0x83, 0x53, 0x58, 0x9f, 0xcb, 0x2e, 0x04, 0xdc}

// TestWellFormedEnvelopes are the byte rules of the grammar.
// Rule: getsentry/relay relay-server/src/envelope/mod.rs (tests)
func TestWellFormedEnvelopes(t *testing.T) {
	t.Parallel()
	item := func(typ, payload string) envelope.Item {
		return envelope.Item{Type: typ, Count: -1, Payload: []byte(payload)}
	}
	for name, c := range map[string]struct {
		body  string
		head  envelope.Header
		items []envelope.Item
	}{
		"header only":              {body: `{"event_id":"` + id + `"}`, head: envelope.Header{EventID: idBytes}},
		"header and line feed":     {body: "{\"event_id\":\"" + id + "\"}\n", head: envelope.Header{EventID: idBytes}},
		"dashed id":                {body: `{"event_id":"9EC79C33-ec99-42ab-8353-589fcb2e04dc"}`, head: envelope.Header{EventID: idBytes}},
		"nulls":                    {body: `{"event_id":null,"dsn":null,"sent_at":null,"trace":null}`},
		"dsn and time":             {body: `{"dsn":"http://x@y/1","sent_at":"2026-11-21T10:00:00.5+01:00"}`, head: envelope.Header{DSN: "http://x@y/1", SentAt: time.Date(2026, 11, 21, 9, 0, 0, 5e8, time.UTC)}},
		"broken trace":             {body: `{"trace":{"trace_id":7,"sample_rate":[]}}`},
		"pretty header":            {body: "{\n  \"x\": [1,\n 2]\n}\n{\"type\":\"a\"}\nb", items: []envelope.Item{item("a", "b")}},
		"empty items":              {body: "{}\n{\"type\":\"a\",\"length\":0}\n\n{\"type\":\"b\",\"length\":0}\n\n", items: []envelope.Item{item("a", ""), item("b", "")}},
		"empty item at end":        {body: "{}\n{\"type\":\"a\",\"length\":0}\n\n{\"type\":\"b\",\"length\":0}\n", items: []envelope.Item{item("a", ""), item("b", "")}},
		"item header at end":       {body: "{}\n{\"type\":\"a\"}", items: []envelope.Item{item("a", "")}},
		"no length, line feed":     {body: "{}\n{\"type\":\"a\"}\nhello\n{\"type\":\"b\"}\nx\n", items: []envelope.Item{item("a", "hello"), item("b", "x")}},
		"no length, carriage":      {body: "{}\n{\"type\":\"a\"}\nhello\r\n", items: []envelope.Item{item("a", "hello\r")}},
		"null length":              {body: "{}\n{\"type\":\"a\",\"length\":null}\nhello", items: []envelope.Item{item("a", "hello")}},
		"length spans line feeds":  {body: "{}\n{\"type\":\"a\",\"length\":4}\n\r\n\r\n\n{\"type\":\"b\",\"length\":1}\nx", items: []envelope.Item{item("a", "\r\n\r\n"), item("b", "x")}},
		"blank lines between":      {body: "\n{}\n\n \n{\"type\":\"a\"}\nb\n\n{\"type\":\"c\"}\nd\n\n \t\r\n", items: []envelope.Item{item("a", "b"), item("c", "d")}},
		"odd optional item fields": {body: "{}\n{\"type\":\"a\",\"filename\":7,\"item_count\":-3,\"content_type\":[],\"platform\":null}\n", items: []envelope.Item{item("a", "")}},
		"item fields": {body: "{}\n{\"type\":\"attachment\",\"length\":1,\"filename\":\"a.txt\",\"content_type\":\"text/plain\",\"attachment_type\":\"event.minidump\",\"item_count\":3,\"platform\":\"go\",\"sentry_release\":\"r\",\"sentry_environment\":\"e\"}\nx",
			items: []envelope.Item{{Type: "attachment", Filename: "a.txt", ContentType: "text/plain", AttachmentType: "event.minidump", Count: 3, Platform: "go", Release: "r", Environment: "e", Payload: []byte("x")}}},
	} {
		got, err := envelope.Parse([]byte(c.body))
		want := envelope.Envelope{Header: c.head, Items: c.items}
		if diff := cmp.Diff(want, got, ignoreRaw); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestMalformedEnvelopesNameTheirCause(t *testing.T) {
	t.Parallel()
	for body, cause := range map[string]string{
		"":                        "missing envelope header",
		" \n ":                    "missing envelope header",
		"[]":                      "invalid envelope header",
		"nope":                    "invalid envelope header",
		`{"a":`:                   "invalid envelope header",
		`{"event_id":"nope"}`:     "invalid envelope header",
		`{"event_id":""}`:         "invalid envelope header",
		`{"event_id":7}`:          "invalid envelope header",
		`{"dsn":7}`:               "invalid envelope header",
		`{"sent_at":"yesterday"}`: "invalid envelope header",
		`{"sent_at":1}`:           "invalid envelope header",
		`{"sent_at":"2026-11-21T10:00:00Z","sent_at":"2026-11-21T10:00:00Z"}`: "invalid envelope header",
		"{}\r\n{\"type\":\"a\"}\n":                      "missing newline after header or payload",
		"{} \n":                                         "missing newline after header or payload",
		"{}{}":                                          "missing newline after header or payload",
		"{}\n{\"type\":\"a\"} x":                        "missing newline after header or payload",
		"{}\n{\"type\":\"a\",\"length\":1}\nxy":         "missing newline after header or payload",
		"{}\n{\"type\":\"a\",\"length\":3}\nxy":         "unexpected end of file",
		"{}\n{\"type\":\"a\",\"length\":1}":             "unexpected end of file",
		"{}\n{\"type\":\"a\",\"length\":4294967295}\nx": "unexpected end of file",
		"{}\n{}\nx":                                     "invalid item header",
		"{}\n{\"type\":7}\nx":                           "invalid item header",
		"{}\n{\"type\":null}\nx":                        "invalid item header",
		"{}\n{\"type\":\"a\",\"type\":\"b\"}\nx":        "invalid item header",
		"{}\n{\"type\":\"a\",\"length\":-1}\nx":         "invalid item header",
		"{}\n{\"type\":\"a\",\"length\":1.0}\nx":        "invalid item header",
		"{}\n{\"type\":\"a\",\"length\":\"1\"}\nx":      "invalid item header",
		"{}\n{\"type\":\"a\",\"length\":4294967296}\nx": "invalid item header",
		"{}\n{\"type\":\"a\",\"length\":1e9}\nx":        "invalid item header",
		"{}\nnope\n":                                    "invalid item header",
	} {
		_, err := envelope.Parse([]byte(body))
		want := []string{cause}
		if fault.KindOf(err) != fault.Invalid || fault.Public(err) != "invalid event envelope" || cmp.Diff(want, fault.Causes(err)) != "" {
			t.Errorf("%q: want cause %q, got %v", body, cause, err)
		}
	}
}

func TestFramingIsBounded(t *testing.T) { // counts allocations, so it runs alone
	pad := strings.Repeat("x", envelope.MaxHeader)
	many := "{}\n" + strings.Repeat("{\"type\":\"a\"}\n\n", 1_000_000)
	for name, body := range map[string]string{
		"long header":        `{"x":"` + pad + `"}`,
		"endless header":     `{"x":"` + pad,
		"long item header":   "{}\n{\"type\":\"a\",\"x\":\"" + pad + "\"}\n",
		"nested header":      `{"x":` + strings.Repeat("[", 2*envelope.MaxHeader),
		"a million items":    many,
		"header of the size": "{}\n{" + strings.Repeat(" ", envelope.MaxHeader) + "\"type\":\"a\"}",
	} {
		allocated := testing.AllocsPerRun(1, func() {
			if _, err := envelope.Parse([]byte(body)); fault.KindOf(err) != fault.TooLarge {
				t.Errorf("%s: want too large, got %v", name, err)
			}
		})
		if allocated > 2000 {
			t.Errorf("%s: %v allocations", name, allocated)
		}
	}
	fits := `{"x":"` + strings.Repeat("x", envelope.MaxHeader-8) + `"}`
	if env, err := envelope.Parse([]byte(fits + "\n{\"type\":\"a\"}\nb")); err != nil || len(env.Items) != 1 {
		t.Errorf("header of exactly the limit: %v", err)
	}
}

func TestRecordedEnvelopesParse(t *testing.T) {
	t.Parallel()
	n := 0
	for _, r := range sdk.Requests(t, sdk.KindEnvelope) {
		if r.ContentEncoding != "" {
			continue
		}
		n++
		env, err := envelope.Parse(r.Body)
		if err != nil {
			t.Errorf("%s: %v", r.File, err)
			continue
		}
		var got []sdk.Item
		for _, it := range env.Items {
			got = append(got, sdk.Item{Type: it.Type, Bytes: len(it.Payload)})
		}
		if diff := cmp.Diff(r.Items, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", r.File, diff)
		}
	}
	if n < 500 {
		t.Errorf("want at least 500 plain envelopes, got %d", n)
	}
}

// FuzzParse: whatever parses survives a round trip unchanged.
func FuzzParse(f *testing.F) {
	for _, r := range sdk.Requests(f, sdk.KindEnvelope)[:40] {
		if r.ContentEncoding == "" && len(r.Body) < 4096 {
			f.Add(r.Body)
		}
	}
	f.Add([]byte("{\"a\":{\"b\":[1,\"\\ud800\",null]}}\n{\"length\":2,\"type\":\"\\u0000\",\"type2\":1e9}\nab\n\n{\"type\":\"x\"}\nc\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		env, err := envelope.Parse(raw)
		if !bytes.Equal(before, raw) {
			t.Fatal("parsing changed its input")
		}
		if err != nil {
			return
		}
		out := env.Append(nil)
		again, err := envelope.Parse(out)
		if fault.KindOf(err) == fault.TooLarge { // the length we add may pass the header's bound
			return
		}
		if diff := cmp.Diff(env, again, ignoreRaw); err != nil || diff != "" {
			t.Fatalf("round trip of %q: %v (-first +again):\n%s", out, err, diff)
		}
		if twice := again.Append(nil); !bytes.Equal(out, twice) {
			t.Fatalf("written %q, then %q", out, twice)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for _, name := range []string{"browser-10.x/007-browser10-breadcrumbs.http"} {
		for _, r := range sdk.Requests(b, sdk.KindEnvelope) {
			if r.File != name {
				continue
			}
			b.Run(fmt.Sprintf("%d", len(r.Body)), func(b *testing.B) {
				b.SetBytes(int64(len(r.Body)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := envelope.Parse(r.Body); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
