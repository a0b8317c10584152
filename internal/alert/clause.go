package alert

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Clause is one condition or one filter of a rule: a kind with what it compares to. Which of the
// fields count depends on the kind; Form of the kind lists them.
type Clause struct {
	Kind     Kind     `json:"kind"`
	Value    string   `json:"value,omitempty"`    // number, word, text or query
	Key      string   `json:"key,omitempty"`      // tag or attribute
	Match    Operator `json:"match,omitempty"`    // how Value is compared
	Interval string   `json:"interval,omitempty"` // "5m": a window; of an age its unit, "hour"
	// Compare says that Value is a percentage over the window that lies Shift earlier.
	Compare bool   `json:"compare,omitempty"`
	Shift   string `json:"shift,omitempty"`
	// Clauses narrow the events that count; of KindUsersFiltered alone.
	Clauses []Clause `json:"clauses,omitempty"`
	// Raw is the clause as a client of Sentry's API sent it, to be shown as it was.
	Raw json.RawMessage `json:"raw,omitempty"`
}

// Kind names what a clause looks at.
type Kind string

// Kinds that are about what happened.
const (
	KindEvent           Kind = "event"            // an event was seen
	KindNew             Kind = "new"              // the issue was seen for the first time
	KindRegressed       Kind = "regressed"        // it came back after it was resolved
	KindReappeared      Kind = "reappeared"       // it came back from the archive
	KindEscalating      Kind = "escalating"       // it is seen far more often than before
	KindResolved        Kind = "resolved"         // somebody or something resolved it
	KindAssigned        Kind = "assigned"         // it was given to somebody
	KindCommented       Kind = "commented"        // somebody wrote about it
	KindNewHigh         Kind = "new_high"         // new, of high priority
	KindExistingHigh    Kind = "existing_high"    // not new, of high priority since now
	KindEvents          Kind = "events"           // more than Value events in Interval
	KindUsers           Kind = "users"            // more than Value users in Interval
	KindUsersFiltered   Kind = "users_filtered"   // likewise, of events that Clauses accept
	KindNth             Kind = "nth"              // every Value-th event
	KindNewRelease      Kind = "new_release"      // first seen in a further release
	KindNewEnvironment  Kind = "new_environment"  // first seen in a further environment
	KindPriorityChanged Kind = "priority_changed" // its priority became another one, Value or higher
)

// Kinds that are about how things are.
const (
	KindAge           Kind = "age"            // first seen longer ("gt") or less long ("lt") ago than Value Intervals
	KindTimesSeen     Kind = "times_seen"     // at least Value events
	KindUsersSeen     Kind = "users_seen"     // at least Value users
	KindAssignedTo    Kind = "assigned_to"    // Value: "nobody", "user:7", "team:3"
	KindLevel         Kind = "level"          // level compared with Value
	KindPriority      Kind = "priority"       // priority is Value or higher
	KindCategory      Kind = "category"       // category of the issue
	KindTag           Kind = "tag"            // a tag of the event
	KindAttribute     Kind = "attribute"      // an attribute of the event
	KindLatestRelease Kind = "latest_release" // the event is of the newest release
	KindReleaseAge    Kind = "release_age"    // Key "oldest"/"newest" release of the issue is Match older/newer than the newest of environment Value
	KindEnvironment   Kind = "environment"    // the event's environment equals Value
	KindQuery         Kind = "query"          // the issue is found by the search Value
)

// Operator is how a value is compared.
type Operator string

// The comparisons. The words are the wire's.
const (
	OpContains    Operator = "co"
	OpNotContains Operator = "nc"
	OpEqual       Operator = "eq"
	OpNotEqual    Operator = "ne"
	OpStarts      Operator = "sw"
	OpNotStarts   Operator = "nsw"
	OpEnds        Operator = "ew"
	OpNotEnds     Operator = "new"
	OpSet         Operator = "is"
	OpNotSet      Operator = "ns"
	OpIn          Operator = "in"
	OpNotIn       Operator = "nin"
	OpAtLeast     Operator = "gte"
	OpAtMost      Operator = "lte"
	OpOlder       Operator = "older"
	OpNewer       Operator = "newer"
)

// textOperators are the ones for tags and attributes.
var textOperators = []Operator{OpContains, OpNotContains, OpEqual, OpNotEqual, OpStarts, OpNotStarts, OpEnds, OpNotEnds, OpSet, OpNotSet, OpIn, OpNotIn}

// Truth is what a clause says of what is known: Unknown asks for more facts.
type Truth int8

// The truths.
const (
	False Truth = iota
	True
	Unknown
)

func truth(b bool) Truth {
	if b {
		return True
	}
	return False
}

// maxNested bounds the clauses inside a clause.
const maxNested = 16

// validate reports, as fault.Invalid, why the clause cannot be stored; what is "condition" or
// "filter".
func (c *Clause) validate(what string) error {
	k, ok := kinds[c.Kind]
	if !ok || what == "filter" && k.trigger {
		return known(what, c.Kind, kindNames(what == "filter"))
	}
	switch {
	case len(c.Value) > maxValueBytes || len(c.Key) > maxValueBytes || len(c.Raw) > maxRawBytes:
		return fault.New(fault.Invalid, "the value of %s %q has at most %d bytes", what, c.Kind, maxValueBytes)
	case len(c.Clauses) > 0 && c.Kind != KindUsersFiltered:
		return fault.New(fault.Invalid, "%s %q has no filters of its own", what, c.Kind)
	case len(c.Clauses) > maxNested:
		return fault.New(fault.Invalid, "%s %q has at most %d filters of its own", what, c.Kind, maxNested)
	}
	if k.check == nil {
		return nil
	}
	if err := k.check(c); err != nil {
		return err
	}
	for i := range c.Clauses {
		n := &c.Clauses[i]
		if n.Kind != KindTag && n.Kind != KindAttribute && n.Kind != KindLevel {
			return fault.New(fault.Invalid, "only filters on tags, attributes and levels narrow which events count")
		}
		if err := n.validate("filter"); err != nil {
			return err
		}
	}
	return nil
}

// number is the clause's value as a number; zero when it is none.
func (c *Clause) number() float64 {
	n, _ := strconv.ParseFloat(c.Value, 64)
	return n
}

// windows are the stretches of time that conditions may count over, by the words of both APIs.
var windows = map[string]time.Duration{
	"1m": time.Minute, "5m": 5 * time.Minute, "15m": 15 * time.Minute, "30m": 30 * time.Minute, "1h": time.Hour,
	"1d": 24 * time.Hour, "1w": 7 * 24 * time.Hour, "30d": 30 * 24 * time.Hour,
	"1min": time.Minute, "5min": 5 * time.Minute, "15min": 15 * time.Minute, "1hr": time.Hour,
}

// ageUnits are the units of ages.
var ageUnits = map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour}

func known[T ~string](what string, v T, allowed []T) error {
	words := make([]string, len(allowed))
	for i, a := range allowed {
		if a == v {
			return nil
		}
		words[i] = string(a)
	}
	return fault.New(fault.Invalid, "unknown %s %q: allowed are %s", what, string(v[:min(len(v), 64)]), strings.Join(words, ", "))
}
