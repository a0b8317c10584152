package alert

import (
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
)

// Rule says which changes of a project's issues are told to whom. The fields with JSON names are
// the document stored in alert_rules.rule; the others are columns beside it.
// Rule: getsentry/sentry src/sentry/models/rule.py
type Rule struct {
	ID      int64  `json:"-"` // zero: not stored yet
	Project int64  `json:"-"`
	Name    string `json:"-"`
	Enabled bool   `json:"-"`

	Conditions  []Condition `json:"conditions"`
	Match       Match       `json:"match"` // how Conditions combine
	Filters     []Filter    `json:"filters,omitempty"`
	FilterMatch Match       `json:"filter_match,omitempty"` // how Filters combine; empty is MatchAll
	Actions     []Action    `json:"actions"`
	// Frequency is the least time between two alerts of this rule about the same issue; an alert
	// that comes sooner is logged as suppressed. Zero: every change is told.
	Frequency time.Duration `json:"frequency_ns,omitempty"`

	CreatedBy   int64      `json:"-"` // user; zero when no person made it
	CreatedAt   time.Time  `json:"-"`
	UpdatedAt   time.Time  `json:"-"`
	LastFiredAt *time.Time `json:"-"`
}

// Match says how several conditions or filters combine.
type Match string

// The ways to combine. Both are true of an empty list.
const (
	MatchAll Match = "all"
	MatchAny Match = "any"
)

// Condition is one thing that can happen to an issue.
type Condition struct {
	Kind ConditionKind `json:"kind"`
}

// ConditionKind names a condition.
type ConditionKind string

// The conditions a rule can ask for.
const (
	ConditionNew       ConditionKind = "new"       // seen for the first time
	ConditionRegressed ConditionKind = "regressed" // came back after it was resolved
)

// Filter narrows a rule to some of the changes that its conditions accept.
type Filter struct {
	Kind  FilterKind `json:"kind"`
	Value string     `json:"value"`
}

// FilterKind names a filter.
type FilterKind string

// The filters a rule can ask for.
const (
	FilterEnvironment FilterKind = "environment" // equals Value
	FilterLevel       FilterKind = "level"       // at least as severe as Value
)

// Action is one message a rule sends when it matches.
type Action struct {
	Channel string `json:"channel"` // ChannelWebhook
	// Target is what lists and logs show of the destination: scheme, host and port, never a path,
	// which often carries a secret. Deliveries to one target share its concurrency limit.
	Target string `json:"target"`
	// Settings are the channel's own, sealed by package seal.
	Settings string `json:"settings"`
}

// ChannelWebhook is the channel that posts JSON to an address.
const ChannelWebhook = "webhook"

// What a rule may hold.
const (
	maxNameBytes     = 256
	maxParts         = 32 // conditions, filters or actions of one rule
	maxValueBytes    = 256
	maxSettingsBytes = 16 << 10
	minFrequency     = 5 * time.Minute
	maxFrequency     = 30 * 24 * time.Hour
)

var (
	conditionKinds = []ConditionKind{ConditionNew, ConditionRegressed}
	filterKinds    = []FilterKind{FilterEnvironment, FilterLevel}
	matches        = []Match{MatchAll, MatchAny}
	channels       = []string{ChannelWebhook}
	levels         = []string{"debug", "info", "warning", "error", "fatal"} // least severe first
)

// NewOrRegressed is the rule every project wants first: each new or regressed issue is told once
// to the given actions.
func NewOrRegressed(project int64, name string, actions ...Action) Rule {
	return Rule{
		Project: project, Name: name, Enabled: true,
		Conditions: []Condition{{ConditionNew}, {ConditionRegressed}},
		Match:      MatchAny,
		Actions:    actions,
	}
}

// Validate reports, as fault.Invalid, the first thing that keeps the rule from being stored; the
// text says what is allowed.
func (r *Rule) Validate() error {
	switch {
	case r.Project <= 0:
		return fault.New(fault.Invalid, "a rule belongs to a project")
	case strings.TrimSpace(r.Name) == "" || len(r.Name) > maxNameBytes:
		return fault.New(fault.Invalid, "a rule's name has 1 to %d bytes", maxNameBytes)
	case len(r.Actions) == 0 || len(r.Actions) > maxParts:
		return fault.New(fault.Invalid, "a rule has 1 to %d actions", maxParts)
	case len(r.Conditions) > maxParts || len(r.Filters) > maxParts:
		return fault.New(fault.Invalid, "a rule has at most %d conditions and %d filters", maxParts, maxParts)
	case r.Frequency != 0 && (r.Frequency < minFrequency || r.Frequency > maxFrequency):
		return fault.New(fault.Invalid, "a rule's frequency is 0 or %d to %d minutes",
			int(minFrequency.Minutes()), int(maxFrequency.Minutes()))
	}
	if err := known("match", r.Match, matches); err != nil {
		return err
	}
	if r.FilterMatch != "" {
		if err := known("filter match", r.FilterMatch, matches); err != nil {
			return err
		}
	}
	for _, c := range r.Conditions {
		if err := known("condition", c.Kind, conditionKinds); err != nil {
			return err
		}
	}
	for _, f := range r.Filters {
		if err := f.validate(); err != nil {
			return err
		}
	}
	for i := range r.Actions {
		if err := r.Actions[i].Validate(); err != nil {
			return err
		}
	}
	return nil
}

func (f Filter) validate() error {
	if err := known("filter", f.Kind, filterKinds); err != nil {
		return err
	}
	if f.Kind == FilterLevel {
		return known("level", f.Value, levels)
	}
	if f.Value == "" || len(f.Value) > maxValueBytes {
		return fault.New(fault.Invalid, "the value of filter %q has 1 to %d bytes", f.Kind, maxValueBytes)
	}
	return nil
}

// Validate reports, as fault.Invalid, why the action cannot be stored.
func (a *Action) Validate() error {
	if err := known("channel", a.Channel, channels); err != nil {
		return err
	}
	if a.Target == "" || len(a.Target) > maxNameBytes {
		return fault.New(fault.Invalid, "an action's target has 1 to %d bytes", maxNameBytes)
	}
	if !strings.HasPrefix(a.Settings, "v1.") || len(a.Settings) > maxSettingsBytes {
		return fault.New(fault.Invalid, "an action's settings are sealed text of at most %d bytes", maxSettingsBytes)
	}
	return nil
}

// Matches reports whether the rule wants c told. A rule without conditions is about what events do.
func (r *Rule) Matches(c *issue.Change) bool {
	return r.Enabled && r.Project == c.Project && (c.Kind.ByEvent() || len(r.Conditions) > 0) &&
		combine(r.Match, r.Conditions, func(k Condition) bool { return k.holds(c) }) &&
		combine(r.FilterMatch, r.Filters, func(f Filter) bool { return f.holds(c) })
}

func (k Condition) holds(c *issue.Change) bool {
	switch k.Kind {
	case ConditionNew:
		return c.Kind == issue.ChangeNew
	case ConditionRegressed:
		return c.Kind == issue.ChangeRegressed
	}
	return false
}

func (f Filter) holds(c *issue.Change) bool {
	switch f.Kind {
	case FilterEnvironment:
		return strings.EqualFold(strings.TrimSpace(c.Environment), strings.TrimSpace(f.Value))
	case FilterLevel:
		return severity(c.Level) >= severity(f.Value)
	}
	return false
}

// severity ranks a level; unknown words rank below all.
func severity(level string) int {
	for i, l := range levels {
		if l == level {
			return i
		}
	}
	return -1
}

// combine is true of an empty list.
func combine[T any](m Match, list []T, holds func(T) bool) bool {
	if len(list) == 0 {
		return true
	}
	for _, v := range list {
		if holds(v) == (m == MatchAny) {
			return m == MatchAny
		}
	}
	return m != MatchAny
}

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
