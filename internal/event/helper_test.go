package event_test

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// normalized decodes and normalizes a payload.
func normalized(t testing.TB, payload string, d event.Delivery) *event.Event {
	t.Helper()
	e, err := event.Decode([]byte(payload))
	if err != nil {
		t.Fatalf("decode %.200s: %v", payload, err)
	}
	e.Normalize(d)
	return e
}

// stored is the stored form as plain values.
func stored(t testing.TB, e *event.Event) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(e.AppendJSON(nil), &v); err != nil {
		t.Fatalf("stored form is not JSON: %v", err)
	}
	return v
}

// at follows a dotted path; "~" stands for the empty name. Nil when there is nothing.
func at(v any, path string) any {
	for part := range strings.SplitSeq(path, ".") {
		if part == "~" {
			part = ""
		}
		switch node := v.(type) {
		case map[string]any:
			v = node[part]
		case []any:
			n, err := strconv.Atoi(part)
			if err != nil || n >= len(node) {
				return nil
			}
			v = node[n]
		default:
			return nil
		}
	}
	return v
}

// field is the JSON text at a path of the stored form; empty when there is nothing.
func field(t testing.TB, v any, path string) string {
	t.Helper()
	found := at(v, path)
	if found == nil {
		return ""
	}
	var sb strings.Builder
	enc := json.NewEncoder(&sb)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(found); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(sb.String())
}

// rule is one line of a table: what is sent and what is stored at some paths, as JSON text; an
// empty text means that nothing is there.
type rule struct {
	name    string
	payload string
	want    map[string]string
}

func checkRules(t *testing.T, rules []rule, d event.Delivery) {
	t.Helper()
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			v := stored(t, normalized(t, r.payload, d))
			for path, want := range r.want {
				if got := field(t, v, path); got != want {
					t.Errorf("%s: want %s, got %s", path, want, got)
				}
			}
		})
	}
}

// tag is the value of a tag, empty when the event does not have it.
func tag(e *event.Event, key string) string {
	value, _ := e.Tag(key)
	return value
}

// parsed is a JSON text as plain values.
func parsed(t testing.TB, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// somewhere is a geo database that knows public addresses of one town.
func somewhere(addr netip.Addr) event.Geo {
	if addr.IsPrivate() {
		return event.Geo{}
	}
	return event.Geo{CountryCode: "GB", City: "Boxford"}
}
