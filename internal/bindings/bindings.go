// Package bindings has one typed name for each edge of deploy/bindings.yaml. Who may use an edge,
// and how it is retried, is in that file; what travels on it is here.
package bindings

import (
	"sync"

	"github.com/tocsin-dev/tocsin/deploy"
	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/quota"
)

// The queues.
var (
	// Events are accepted events, as ingest got them.
	Events = bus.Queue[event.Raw]{Name: "events"}
	// Outcomes are counts of what became of items, for the ledger.
	Outcomes = bus.Queue[outcome.Batch]{Name: "outcomes"}
	// Alerts are issue changes that alert rules are asked about.
	Alerts = bus.Queue[issue.Change]{Name: "alerts"}
)

// The calls.
var (
	// TestRule sends one sample alert now.
	TestRule = bus.Call[alert.TestRequest, alert.TestResult]{Name: "rules.test"}
	// Redeliver queues finished deliveries again.
	Redeliver = bus.Call[alert.RedeliverRequest, alert.RedeliverResult]{Name: "deliveries.redeliver"}
)

// Rehearse says what would become of an event, storing nothing.
var Rehearse = bus.Call[event.Raw, issue.Rehearsal]{Name: "events.rehearse"}

// Symbolicator names native frames that no uploaded debug file does.
var Symbolicator = bus.External{Name: "symbolicator"}

// Projects is what ingest knows of each project; the key is the project's id in decimal.
var Projects = bus.Bucket[project.Snapshot]{Name: "projects"}

// Pauses says why queues are paused, by queue.
var Pauses = bus.Bucket[bus.Pause]{Name: "pauses"}

// Quotas is how much of each quota's window is given out; the key names the count.
var Quotas = bus.Bucket[quota.Usage]{Name: "quotas"}

var graph = sync.OnceValue(func() *bus.Graph {
	g, err := bus.ParseGraph(deploy.Bindings)
	if err != nil {
		panic(err) // the file is part of the program, and a test reads it
	}
	return g
})

// Graph is the bindings this program was built with. It must not be changed.
func Graph() *bus.Graph { return graph() }
