package bus_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

// small is a valid file to break; its lines are counted from 1.
const small = `version: 1
services:
  a: {replicas: 1, memory: 64Mi, cpu: 100m}
  b: {replicas: 1, memory: 64Mi, cpu: 100m}
calls:
  ask: {server: b, callers: [a], timeout: 2s}
queues:
  jobs:
    producers: [a]
    consumer: b
    max_concurrency: 1
    max_batch_size: 10
    max_retries: 2
    backoff: [1s, 2s]
    dead_letter_queue: dlq
    storage_percent: 50
buckets:
  keys: {writers: [a, admin], watchers: [b]}
external:
  relay: {url: "smtp://mail.example:25", callers: [b], timeout: 5s}
`

func TestWrongBindingsNameTheLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, old, new, want string }{
		{"unknown section", "version: 1", "version: 1\nextra: 2", "line 2: field extra not found"},
		{"version", "version: 1", "version: 2", "version 2 is not known"},
		{"unknown setting", "consumer: b", "consumer: b\n    retries: 3", `line 11: "retries" is not a setting`},
		{"service twice", "  b: {replicas", "  a: {replicas: 1}\n  b: {replicas", `mapping key "a" already defined at line 3`},
		{"reserved service", "  a: {replicas", "  admin: {replicas: 1, memory: 1Mi, cpu: 1m}\n  a: {replicas", `line 3: "admin" cannot name a service`},
		{"no memory", "memory: 64Mi, cpu: 100m}\n  b", "cpu: 100m}\n  b", "line 3: service a needs memory and cpu"},
		{"unknown producer", "producers: [a]", "producers: [a, c]", `line 9: "c" among producers is not a service`},
		{"producer twice", "producers: [a]", "producers: [a, a]", `line 9: "a" is named twice`},
		{"no producer", "producers: [a]", "producers: []", "line 9: producers are missing"},
		{"no consumer", "    consumer: b\n", "", "line 9: a consumer is missing"},
		{"unknown consumer", "consumer: b", "consumer: zed", `line 10: consumer "zed" is not a service`},
		{"no dead letters", "    dead_letter_queue: dlq\n", "", "line 9: queue jobs needs a dead_letter_queue"},
		{"dead letters are a queue", "dead_letter_queue: dlq", "dead_letter_queue: jobs", `"jobs" cannot name a queue`},
		{"batch size", "max_batch_size: 10", "max_batch_size: 0", "line 12: max_batch_size must be 1 to"},
		{"number", "max_batch_size: 10", "max_batch_size: many", `line 12: "many" is not a whole number`},
		{"duration", "timeout: 2s", "timeout: 2 hours", `line 6: "2 hours" is not a duration`},
		{"deadline", "timeout: 2s", "timeout: 11s", "line 6: timeout must be above 0 and at most 10s"},
		{"no deadline", ", timeout: 2s", "", "line 6: timeout must be above 0"},
		{"retries of a command", "timeout: 2s", "timeout: 2s, max_retries: 1", "line 6: max_retries needs idempotent"},
		{"fallback", "timeout: 2s", "timeout: 2s, fallback: guess", `line 6: fallback is "guess"`},
		{"backoff shrinks", "[1s, 2s]", "[2s, 1s]", "line 14: backoff delays are above 0"},
		{"backoff text", "[1s, 2s]", "[soon]", `line 14: "soon" is not a duration`},
		{"too much storage", "storage_percent: 50", "storage_percent: 90", "line 16: storage_percent must be 1 to 85"},
		{"unknown server", "server: b", "server: c", `line 6: server "c" is not a service`},
		{"own caller", "callers: [a], timeout: 2s", "callers: [b], timeout: 2s", "line 6: call ask: b calls itself"},
		{"circle", "timeout: 2s}", "timeout: 2s}\n  back: {server: a, callers: [b], timeout: 1s}", "closes a circle: a → b → a"},
		{"bucket writer", "writers: [a, admin]", "writers: [x]", `line 18: "x" among writers`},
		{"bucket watcher", "watchers: [b]", "watchers: []", "line 18: watchers are missing"},
		{"external address", "smtp://mail.example:25", "mail.example", "line 20: external relay needs"},
		{"external setting", `url: "smtp://mail.example:25"`, `setting: RELAY_URL`, `line 20: setting "RELAY_URL" of external relay is no variable of ours`},
		{"call name", "  ask:", "  Ask!:", `line 6: "Ask!" cannot be a name`},
		{"list instead of mapping", "  keys: {writers: [a, admin], watchers: [b]}", "  keys: [1]", "line 18: a mapping is needed here"},
		{"not yaml", "version: 1", "version: [", "yaml"},
	} {
		if !strings.Contains(small, c.old) {
			t.Fatalf("%s: the file has no %q", c.name, c.old)
		}
		g, err := bus.ParseGraph([]byte(strings.Replace(small, c.old, c.new, 1)))
		if err == nil || g != nil || !strings.Contains(err.Error(), c.want) || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: want an error with %q, got %v", c.name, c.want, err)
		}
	}
	if _, err := bus.ParseGraph(nil); err == nil {
		t.Error("want an error of an empty file")
	}
	if _, err := bus.ParseGraph(make([]byte, 1<<20)); fault.KindOf(err) != fault.TooLarge {
		t.Errorf("want too large, got %v", err)
	}
}

func TestSeveralComplaintsComeTogetherInOrder(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer("consumer: b", "consumer: c", "server: b", "server: d").Replace(small)
	_, err := bus.ParseGraph([]byte(text))
	want := "the bindings are wrong:\n  line 6: server \"d\" is not a service\n  line 10: consumer \"c\" is not a service"
	if err == nil || err.Error() != want {
		t.Errorf("want %s\ngot  %v", want, err)
	}
}

func TestDrawingsShowEveryEdge(t *testing.T) {
	t.Parallel()
	g, err := bus.ParseGraph([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	wantMermaid := `flowchart LR
  a[a]
  b[b]
  admin([admin])
  relay([relay])
  a -->|call ask| b
  a ==>|queue jobs| b
  a -.->|bucket keys| b
  admin -.->|bucket keys| b
  b -->|external relay| relay
`
	if got := g.Mermaid(); got != wantMermaid {
		t.Errorf("mermaid: want\n%s\ngot\n%s", wantMermaid, got)
	}
	dot, doc := g.DOT(), g.JSON()
	for _, e := range g.Edges() {
		if arrow := fmt.Sprintf("%q -> %q [label=\"%s %s", e.From, e.To, e.Kind, e.Name); !strings.Contains(dot, arrow) {
			t.Errorf("dot: want %s in\n%s", arrow, dot)
		}
		if !strings.Contains(doc, fmt.Sprintf("%q: %q", "name", e.Name)) {
			t.Errorf("json: want %s in\n%s", e.Name, doc)
		}
	}
}

// FuzzParseGraph: no text makes the parser panic, and every graph it returns can be drawn and
// turned into permissions.
func FuzzParseGraph(f *testing.F) {
	f.Add(small)
	f.Add(testGraph)
	f.Fuzz(func(t *testing.T, text string) {
		g, err := bus.ParseGraph([]byte(text))
		if err != nil {
			return
		}
		if g.Mermaid() == "" || g.DOT() == "" || g.JSON() == "" || g.NATSConfig(bus.Broker{}) == "" {
			t.Error("want drawings of a valid graph")
		}
		for _, identity := range g.Identities() {
			if len(g.Permissions(identity).Subscribe) == 0 {
				t.Errorf("%s has no inbox", identity)
			}
		}
	})
}
