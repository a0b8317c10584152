package scrub_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/scrub"
	"github.com/tocsin-dev/tocsin/internal/testkit/canary"
)

// lawSettings are the settings that the laws are tried with. Some rules find what they write: for
// them, applying again relies on remarks, which need a path that Meta can hold.
func lawSettings(rules string) map[string]scrub.Settings {
	strict := scrub.Defaults()
	strict.Strict, strict.ScrubIPAddresses = true, true
	return map[string]scrub.Settings{
		"defaults": scrub.Defaults(),
		"strict":   strict,
		"fields": {
			ScrubData: true, ScrubDefaults: true, SensitiveFields: []string{"a", "é", "word"},
			ExcludeFields: []string{"extra.a", "$user"},
		},
		"advanced": {
			ScrubIPAddresses: true,
			PIIConfig: json.RawMessage(`{"rules":` + rules + `,"applications":{"$string":["@common"],"$string && !extra.**":["@email:hash","grow"],"**.b":["@anything:mask","pair"],
				"$number || $boolean":["pair"],"tags.*":["@uuid:remove"],"$attachments":["@ip"]}}`),
		},
	}
}

const (
	growing = `{"grow":{"type":"pattern","pattern":"[a-f]","redaction":{"method":"replace","text":"abc"}},
		"pair":{"type":"redact_pair","keyPattern":"x","redaction":{"method":"hash"}}}`
	steady = `{"grow":{"type":"pattern","pattern":"[a-f]","redaction":{"method":"replace","text":"[+]"}},
		"pair":{"type":"redact_pair","keyPattern":"x","redaction":{"method":"mask"}}}`
)

var lawEvents = []string{
	`{"extra":{"a":{"b":[1,"x@y.zz",{"b":true,"password":[{}]}]},"s":"4111111111111111 Bearer abc DE44500105175407324931"}}`,
	`{"message":"jane@example.com 1.2.3.4","user":{"id":"x","email":"a@b.co","ip_address":"::1"},"tags":{"x":"abc"}}`,
	`{"request":{"headers":{"Cookie":"session=1; b=2"},"cookies":"session=2","data":"password=1&b=é","query_string":"a=b"},"contexts":{"auth":{"b":1},"response":{"cookies":{"su":"1"}}}}`,
	`{"exception":[{"type":"E","value":"secret","stacktrace":{"frames":[{"function":"f","vars":{"x":"-----BEGIN A PRIVATE KEY-----\nabc"}}]}}],"breadcrumbs":[{"message":"//u:p@h"}]}`,
	`{"extra":{"m":"jane@example.com [ip]"},"_meta":{"extra":{"m":{"":{"rem":[["@ip","s",17,21],["@email","s",0,99],["x","x",5,2]],"len":1,"val":"password"}}}}}`,
}

// applied is the stored form after Apply.
func applied(c *scrub.Scrubber, ev *event.Event) []byte {
	c.Apply(ev)
	return ev.AppendJSON(nil)
}

// holdLaws checks that applying gives valid JSON and that applying again changes nothing, both on
// the same event and on the one that was stored.
func holdLaws(t *testing.T, name string, c *scrub.Scrubber, payload []byte) {
	t.Helper()
	ev, err := event.Decode(payload)
	if err != nil {
		return
	}
	ev.Normalize(event.Delivery{})
	once := applied(c, ev)
	if !json.Valid(once) {
		t.Fatalf("%s: not JSON: %s", name, once)
	}
	if twice := applied(c, ev); !bytes.Equal(once, twice) {
		t.Errorf("%s: applying twice\nonce  %s\ntwice %s", name, once, twice)
	}
}

func TestLaws(t *testing.T) {
	t.Parallel()
	for name, s := range lawSettings(growing) {
		c := compile(t, s)
		for _, payload := range append(lawEvents, typicalEvent()) {
			holdLaws(t, name, c, []byte(payload))
			ev := decode(t, payload)
			once := applied(c, ev)
			again, err := event.Decode(once)
			if err != nil {
				t.Fatalf("%s: stored form is refused: %v", name, err)
			}
			stored := again.AppendJSON(nil)
			if twice := applied(c, again); !bytes.Equal(stored, twice) {
				t.Errorf("%s: applying to what was stored\nonce  %s\ntwice %s", name, stored, twice)
			}
		}
	}
}

// FuzzApply: no payload makes Apply fail, write what is no JSON, or leave work for a second time.
func FuzzApply(f *testing.F) {
	for _, seed := range lawEvents {
		f.Add([]byte(seed))
	}
	var all []*scrub.Scrubber
	var names []string
	for name, s := range lawSettings(steady) {
		all, names = append(all, compile(f, s)), append(names, name)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		for i, c := range all {
			holdLaws(t, names[i], c, payload)
		}
	})
}

// FuzzConfig: whatever compiles can be applied.
func FuzzConfig(f *testing.F) {
	for _, s := range lawSettings(steady) {
		f.Add([]byte(s.PIIConfig), "a.**")
	}
	f.Add([]byte(`{"rules":{"a":{"type":"multiple","rules":["b","@ip"]},"b":{"type":"alias","rule":"@mac"}},"applications":{"$object.a":["a"]}}`), "$string")
	f.Fuzz(func(t *testing.T, raw []byte, exclude string) {
		c, err := scrub.Compile(scrub.Settings{ScrubData: true, ScrubDefaults: true, ExcludeFields: []string{exclude}, PIIConfig: raw})
		if err != nil {
			return
		}
		for _, payload := range lawEvents {
			if got := applied(c, decode(t, payload)); !json.Valid(got) {
				t.Errorf("not JSON: %s", got)
			}
		}
		c.Attachment("a.txt", []byte("from 1.2.3.4"))
	})
}

// TestHostileTextsStayFast holds texts that detectors dislike, and patterns that engines dislike, to
// a bounded time.
func TestHostileTextsStayFast(t *testing.T) {
	t.Parallel()
	texts := []string{
		strings.Repeat("a:", 60_000), strings.Repeat("4111 ", 20_000), strings.Repeat("//a:", 30_000), strings.Repeat("a@", 60_000),
		strings.Repeat("-----BEGIN A PRIVATE KEY-----", 4_000), strings.Repeat("Bearer ", 18_000), strings.Repeat("DE44", 30_000),
		strings.Repeat("/home/a", 18_000), strings.Repeat("token", 25_000), strings.Repeat("a", 120_000),
	}
	s := scrub.Defaults()
	s.ScrubIPAddresses, s.Strict = true, true
	s.PIIConfig = json.RawMessage(`{"rules":{"slow":{"type":"pattern","pattern":"(a|a?)*(a+)+(.*a){20}b"}},"applications":{"$string":["@common","slow"]}}`)
	c := compile(t, s)
	for _, text := range texts {
		ev := &event.Event{Extra: event.Object{{Name: "v", Value: event.Value(canary.Quoted(text))}}}
		start := time.Now()
		c.Apply(ev)
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("%.20q took %v", text, took)
		}
	}
}

func TestWorkThatIsTooMuchIsFailedClosed(t *testing.T) {
	t.Parallel()
	c := config(t, `{"p":{"type":"pattern","pattern":"(x{200}){4}y","redaction":{"method":"replace","text":"-"}}}`, `{"$string":["p"]}`)
	ev := &event.Event{}
	for range 20 {
		ev.Extra = append(ev.Extra, event.Member{Name: "v", Value: event.Value(canary.Quoted(strings.Repeat("z", 10_000)))})
	}
	c.Apply(ev)
	if got := string(ev.Extra[0].Value); len(got) != 10_002 {
		t.Errorf("a text within the budget became %.40s", got)
	}
	if got := string(ev.Extra[19].Value); got != `"-"` {
		t.Errorf("a text past the budget became %.40s", got)
	}
}
