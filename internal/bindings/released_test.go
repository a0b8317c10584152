package bindings_test

import (
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/quota"
)

// While a release is replaced, its programs and the next one's read each other's messages, and what
// is queued outlives the upgrade. testdata/released has, for each release, every message, request,
// answer and record as its programs put them on the wire. Those of a release
// that is out are never rewritten; a new one adds
// its own with
//
//	go test ./internal/bindings -run Released -record 0.2.0
var record = flag.String("record", "", "write down the messages of this release under its name")

// message is what one edge carried.
type message struct {
	Header nats.Header     `json:"header,omitempty"`
	Data   []byte          `json:"data"`
	Value  json.RawMessage `json:"value"` // what it says
}

// edge puts a message on the wire as this release does, and reads one that a release put there.
type edge struct {
	name  string
	write func(*testing.T) message
	read  func(*testing.T, message) any
}

var at = time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)

func edges() []edge {
	id := event.ID{0xfc, 0x6d, 0x8c, 0x0c, 0x43, 0xfc, 0x46, 0x30, 0xad, 0x85, 0x0e, 0xe5, 0x18, 0xf1, 0xb9, 0xd0}
	raw := event.Raw{Project: 42, KeyID: 7, ID: id, ReceivedAt: at, SentAt: at.Add(-time.Second), ClientIP: netip.MustParseAddr("2001:db8::7"), UserAgent: "sentry.go/0.50",
		Client: "sentry.go/0.50.0", Origin: "https://example.com", ItemType: "event", Payload: []byte(`{"message":"hello","level":"error"}`)}
	change := issue.Change{ID: 9, Kind: issue.ChangeNew, Project: 42, ProjectSlug: "shop", ProjectName: "Shop", Org: "default", Issue: 11, ShortID: "SHOP-B", Title: "TypeError: no", Culprit: "main",
		Type: "error", Level: "error", Platform: "go", Status: "unresolved", Substatus: "new", Priority: "high", Assignee: "user:7", Owners: []string{"team:3"}, Release: "shop@1.2.3",
		Environment: "production", EventID: "fc6d8c0c43fc4630ad850ee518f1b9d0", FirstSeen: at, LastSeen: at, TimesSeen: 3, UserCount: 2, At: at}
	seen := issue.Change{ID: 10, Kind: issue.ChangeSeen, Project: 42, At: at, Seen: []issue.Seen{{ID: 12, Issue: 11, Count: 5}}}
	counts := outcome.Batch{ID: [16]byte{1, 2, 3}, Counts: []outcome.Count{{Key: outcome.Key{Project: 42, KeyID: 7, Minute: at, Kind: outcome.RateLimited, Category: outcome.Error, Reason: "daily_limit"}, Quantity: 8}}}
	snapshot := project.Snapshot{Project: 42, Organization: 1, Slug: "shop", Artifacts: 3, Keys: []project.SnapshotKey{{ID: 7, PublicKey: "0123456789abcdef0123456789abcdef", Active: true, RateLimit: &project.RateLimit{Count: 5, Window: time.Minute}}},
		Quotas: []quota.Quota{{ID: "day", Categories: []outcome.Category{outcome.Error}, Scope: quota.ScopeProject, Limit: 1000, Window: 24 * time.Hour, Reason: "daily_limit"}}}
	return slices.Concat([]edge{
		queue("queue-events", bindings.Events, "ingest", "processor", raw),
		queue("queue-outcomes", bindings.Outcomes, "ingest", "processor", counts),
		queue("queue-alerts", bindings.Alerts, "processor", "notifier", change),
		queue("queue-alerts-seen", bindings.Alerts, "processor", "notifier", seen),
		deadLetter(raw),
		bucket("bucket-projects", bindings.Projects, "web", "ingest", "42", snapshot),
		bucket("bucket-pauses", bindings.Pauses, "processor", "web", "events", bus.Pause{Reason: "a storm", By: "processor", At: at, Until: at.Add(time.Hour)}),
		bucket("bucket-quotas", bindings.Quotas, "ingest", "ingest", "42.day", quota.Usage{Slot: 20_000, Used: 17}),
	},
		call(bindings.TestRule, "web", "notifier", alert.TestRequest{Project: 42, Organization: 1, Rule: 5, Action: 1, Destination: 6, User: 7},
			alert.TestResult{Delivery: 8, State: alert.DeliverySent, Attempt: alert.Attempt{Number: 1, StartedAt: at, Duration: time.Second, Status: 200, Response: "ok"}}),
		call(bindings.Redeliver, "web", "notifier", alert.RedeliverRequest{Project: 42, Deliveries: []int64{8, 9}}, alert.RedeliverResult{Queued: []int64{8}}),
		call(bindings.Rehearse, "web", "processor", raw, issue.Rehearsal{Verdict: issue.WouldBeStored, Title: "hello", Issue: 11}))
}

func TestReleasedMessagesAreRead(t *testing.T) {
	t.Parallel()
	const root = "testdata/released"
	if *record != "" {
		for _, e := range edges() {
			text, err := json.MarshalIndent(e.write(t), "", "  ")
			if err == nil {
				err = os.MkdirAll(filepath.Join(root, *record), 0o755)
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(root, *record, e.name+".json"), append(text, '\n'), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	releases, err := filepath.Glob(root + "/*")
	if err != nil || len(releases) == 0 {
		t.Fatalf("no release has its messages written down: %v", err)
	}
	for _, dir := range releases {
		for _, e := range edges() {
			text, err := os.ReadFile(filepath.Join(dir, e.name+".json"))
			if os.IsNotExist(err) {
				continue // the release did not have the edge
			}
			t.Run(filepath.Base(dir)+"/"+e.name, func(t *testing.T) {
				t.Parallel()
				var m message
				if err := json.Unmarshal(text, &m); err != nil {
					t.Fatal(err)
				}
				says(t, m.Value, e.read(t, m))
				if m.Data[0] == '{' { // JSON: the next release may add a field
					m.Data = append([]byte(`{"field_of_the_next_release":{"a":[1]},`), m.Data[1:]...)
					says(t, m.Value, e.read(t, m))
				}
			})
		}
	}
}

// says wants v to hold what was written down; fields that it has beyond that are newer.
func says(t *testing.T, want json.RawMessage, v any) {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var w, g any
	if err := json.Unmarshal(want, &w); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w, common(w, g)); diff != "" {
		t.Errorf("the message of the release reads differently (-written +read):\n%s", diff)
	}
}

// common is got without the fields of objects that want does not have.
func common(want, got any) any {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return got
		}
		kept := map[string]any{}
		for k, v := range g {
			if inner, has := w[k]; has {
				kept[k] = common(inner, v)
			}
		}
		return kept
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return got
		}
		kept := make([]any, len(g))
		for i := range g {
			kept[i] = common(w[i], g[i])
		}
		return kept
	}
	return got
}

func written(t *testing.T, v any, header nats.Header, data []byte) message {
	t.Helper()
	value, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	for _, transport := range []string{"Nats-Msg-Id", "Traceparent"} {
		header.Del(transport)
	}
	return message{header, data, value}
}
