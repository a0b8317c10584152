package alert

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
)

// Facts is what the clauses of a rule are held against. Parts that are nil were not read yet; a
// clause that needs one says Unknown.
type Facts struct {
	Change *issue.Change
	Now    time.Time
	Issue  *IssueFacts
	Event  *EventFacts
	// Counts are the windows that Needs asks for, one number each.
	Counts map[Count]float64
	// Queries tells, by the text of a search, whether it finds the issue.
	Queries map[string]bool
	// Latest is the newest release by environment; "" is of any.
	Latest map[string]string
	Order  issue.Order // of the project's releases; beside Latest
	// Among are, of a look at further events, the values that tags of those events have, by TagKey; a
	// key that is absent was not noted. While no event is read they tell which clauses none satisfies.
	Among map[string][]string
	// Sampled tells that the events which were read, and satisfied no rule, are not all there are.
	Sampled bool
	// Before is how often the issue had been seen when rules last looked at it; zero: as Change tells.
	Before int64
}

// IssueFacts is the issue as it is now.
type IssueFacts struct {
	Status       issue.Status
	Priority     issue.Priority
	Assignee     string // "user:7", "team:3"; empty: nobody
	Category     string // a number of the wire, "1": error
	FirstSeen    time.Time
	TimesSeen    int64
	UserCount    int64
	FirstRelease string
	LastRelease  string
}

// EventFacts is one event that the change is about.
type EventFacts struct {
	ID          string
	Level       string
	Release     string
	Environment string
	Tags        [][2]string
	Attributes  map[string][]string // by the wire's names of attributes
}

// Count names a number of events or users of the issue: how many there were in the window of
// length Window that ended Shift before now.
type Count struct {
	Users       bool
	Window      time.Duration
	Shift       time.Duration
	Environment string // empty: any
	Filter      string // JSON of the clauses that narrow the events; empty: none
}

// Needs is what must be read before a rule can be decided.
type Needs struct {
	Issue, Event bool
	Counts       []Count
	Limits       []int64 // by position in Counts: where counting may stop; 0: nowhere
	Queries      []string
	Latest       []string // environments
}

// Needs lists what the clauses of the rule look at beyond the change itself.
func (r *Rule) Needs() Needs {
	var n Needs
	for _, list := range [][]Clause{r.Conditions, r.Filters} {
		for i := range list {
			if k := kinds[list[i].Kind]; k.needs != nil {
				k.needs(&list[i], r, &n)
			}
		}
	}
	if r.Environment != "" {
		n.Event = true
	}
	return n
}

// level is of the event when that is known, else of the change.
func (f *Facts) level() string {
	if f.Event != nil {
		return f.Event.Level
	}
	return f.Change.Level
}

func (f *Facts) release() string {
	if f.Event != nil {
		return f.Event.Release
	}
	return f.Change.Release
}

func (f *Facts) environment() string {
	if f.Event != nil {
		return f.Event.Environment
	}
	return f.Change.Environment
}

// eventful reports whether the change itself says which event it is about.
func (f *Facts) eventful() bool { return f.Event != nil || f.Change.EventID != "" }

// among is what a look says whose events were not read: False when none of the values that they have
// is a wanted one. When not all of them can be read, that some event has such a value is enough for a
// rule that asks nothing else of the same event.
func (f *Facts) among(key string, alone bool, wanted func(string) bool) Truth {
	values, noted := f.Among[key]
	switch {
	case f.Event != nil || !noted:
		return Unknown
	case !slices.ContainsFunc(values, wanted):
		return False
	case f.Sampled && alone:
		return True
	}
	return Unknown
}

// TagKey is the key under which Facts.Among has a tag.
func TagKey(key string) string { return tagKey(key) }

// AskedTags are the keys of the tags whose values decide, before any event is read, whether a rule
// about further events can fire; ascending.
func (r *Rule) AskedTags() []string {
	keys := []string{}
	if !r.AsksEvents() {
		return keys
	}
	if r.Environment != "" {
		keys = append(keys, "environment")
	}
	for _, list := range [][]Clause{r.Conditions, r.Filters} {
		for i := range list {
			switch c := &list[i]; c.Kind {
			case KindTag:
				keys = append(keys, tagKey(c.Key))
			case KindLevel, KindEnvironment:
				keys = append(keys, string(c.Kind))
			case KindLatestRelease:
				keys = append(keys, "release")
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Sieve is clauses, about events alone, that all must accept an event.
type Sieve []*term

// NewSieve reads the clauses of a Count.
func NewSieve(filter string) (Sieve, error) {
	var clauses []Clause
	if err := json.Unmarshal([]byte(filter), &clauses); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "read the filters of a condition")
	}
	p := printer{terms: map[string]*term{}}
	return p.all(&Rule{}, clauses, false), nil
}

// Accepts reports whether all of the clauses accept an event.
func (s Sieve) Accepts(e *EventFacts) bool {
	return combine(MatchAll, s, &Facts{Change: &issue.Change{}, Event: e}, nil) == True
}
