package scrub_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/scrub"
)

func compile(t testing.TB, s scrub.Settings) *scrub.Scrubber {
	t.Helper()
	c, err := scrub.Compile(s)
	if err != nil {
		t.Fatalf("compile: %v", err)
	}
	return c
}

func decode(t testing.TB, payload string) *event.Event {
	t.Helper()
	ev, err := event.Decode([]byte(payload))
	if err != nil {
		t.Fatalf("decode %.300s: %v", payload, err)
	}
	return ev
}

// scrubbed is the stored form of a payload after Normalize and Apply, as plain values.
func scrubbed(t testing.TB, c *scrub.Scrubber, payload string) any {
	t.Helper()
	ev := decode(t, payload)
	ev.Normalize(event.Delivery{})
	c.Apply(ev)
	var v any
	if err := json.Unmarshal(ev.AppendJSON(nil), &v); err != nil {
		t.Fatalf("stored form is not JSON: %v", err)
	}
	return v
}

// at is the JSON text at a dotted path, "~" standing for the empty name and "\." for a dot in a
// name; empty when there is nothing.
func at(t testing.TB, v any, path string) string {
	t.Helper()
	for part := range strings.SplitSeq(strings.ReplaceAll(path, `\.`, "\x00"), ".") {
		if part = strings.ReplaceAll(part, "\x00", "."); part == "~" {
			part = ""
		}
		switch node := v.(type) {
		case map[string]any:
			v = node[part]
		case []any:
			n, err := strconv.Atoi(part)
			if err != nil || n >= len(node) {
				return ""
			}
			v = node[n]
		default:
			return ""
		}
	}
	if v == nil {
		return ""
	}
	var sb strings.Builder
	enc := json.NewEncoder(&sb)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(sb.String())
}

// pair is the value of a pair in a list of [name, value] at a path.
func pair(t testing.TB, v any, path, name string) string {
	t.Helper()
	for i := 0; ; i++ {
		prefix := path + "." + strconv.Itoa(i)
		switch key := at(t, v, prefix+".0"); key {
		case "":
			return ""
		case strconv.Quote(name):
			return at(t, v, prefix+".1")
		}
	}
}

// config wraps applications in settings without the built-in rules.
func config(t testing.TB, rules, applications string) *scrub.Scrubber {
	t.Helper()
	return compile(t, scrub.Settings{PIIConfig: json.RawMessage(`{"rules":` + rules + `,"applications":` + applications + `}`)})
}
