package alert

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Rule says which changes of a project's issues are told to whom. The fields with JSON names are
// the document stored in alert_rules.rule; the others are columns beside it.
// Rule: getsentry/sentry src/sentry/models/rule.py
type Rule struct {
	ID      int64  `json:"-"` // zero: not stored yet
	Project int64  `json:"-"`
	Name    string `json:"-"`
	Enabled bool   `json:"-"`

	Conditions  []Clause `json:"conditions"`
	Match       Match    `json:"match"` // how Conditions combine
	Filters     []Clause `json:"filters,omitempty"`
	FilterMatch Match    `json:"filter_match,omitempty"` // how Filters combine; empty is MatchAll
	Actions     []Action `json:"actions"`
	// Frequency is the least time between two alerts of this rule about the same issue; an alert
	// that comes sooner is logged as suppressed. Zero: every change is told.
	Frequency   time.Duration `json:"frequency_ns,omitempty"`
	Environment string        `json:"environment,omitempty"` // only events of it; empty: of all
	Owner       string        `json:"owner,omitempty"`       // "user:7", "team:3": who keeps the rule
	// Snoozed keeps the rule silent: until SnoozedUntil, for ever when that is nil.
	Snoozed      bool       `json:"snoozed,omitempty"`
	SnoozedUntil *time.Time `json:"snoozed_until,omitempty"`
	SnoozedBy    int64      `json:"snoozed_by,omitempty"` // user
	// SnoozedFor are users who want none of its personal messages.
	SnoozedFor []int64     `json:"snoozed_for,omitempty"`
	Quiet      *Quiet      `json:"quiet,omitempty"`      // when alerts wait for the morning; nil: never
	Escalation *Escalation `json:"escalation,omitempty"` // whom to tell when nobody acknowledges; nil: nobody
	Workflow   *Workflow   `json:"workflow,omitempty"`   // what a client of the newer API sent; nil: none did

	CreatedBy   int64      `json:"-"` // user; zero when no person made it
	CreatedAt   time.Time  `json:"-"`
	UpdatedAt   time.Time  `json:"-"`
	LastFiredAt *time.Time `json:"-"`
}

// Match says how several conditions or filters combine.
type Match string

// The ways to combine. All are true of an empty list.
const (
	MatchAll  Match = "all"
	MatchAny  Match = "any"
	MatchNone Match = "none"
)

// Escalation tells a further destination when an alert of the rule was not acknowledged in time.
type Escalation struct {
	After       time.Duration `json:"after_ns"`
	Destination int64         `json:"destination"`
}

// Action is one kind of message a rule sends when it matches.
type Action struct {
	Kind        ActionKind `json:"kind"`
	Destination int64      `json:"destination,omitempty"` // of ActionDestination
	// Target is whom ActionMember and ActionTeam mean: an id.
	Target int64 `json:"target,omitempty"`
	// Fallthrough is whom ActionOwners means when an issue has no owner.
	Fallthrough Fallthrough `json:"fallthrough,omitempty"`
	Tags        []string    `json:"tags,omitempty"`     // tags of the event to show
	Notes       string      `json:"notes,omitempty"`    // text to add
	Severity    string      `json:"severity,omitempty"` // of pagers; empty: by the event's level
	Raw         RawAction   `json:"raw,omitempty"`      // as a client of Sentry's API sent it
}

// RawAction is an action in Sentry's form, with whatever keys its client wrote.
type RawAction = json.RawMessage

// ActionKind says whom an action tells.
type ActionKind string

// The kinds of action.
const (
	ActionDestination ActionKind = "destination" // a destination of the organization
	ActionOwners      ActionKind = "owners"      // who owns the issue, by mail
	ActionMember      ActionKind = "member"      // one member, by mail
	ActionTeam        ActionKind = "team"        // the members of a team, by mail
)

// Fallthrough says whom ActionOwners means when an issue has no owner.
type Fallthrough string

// The ways to fall through.
const (
	FallActive Fallthrough = "ActiveMembers" // members who signed in lately
	FallAll    Fallthrough = "AllMembers"
	FallNobody Fallthrough = "NoOne"
)

// What a rule may hold.
const (
	maxNameBytes  = 256
	maxParts      = 32 // conditions, filters or actions of one rule
	maxValueBytes = 1024
	maxRawBytes   = 16 << 10
	maxNotesBytes = 2048
	maxTags       = 20
	minFrequency  = 5 * time.Minute
	maxFrequency  = 30 * 24 * time.Hour
	maxEscalation = 7 * 24 * time.Hour
)

var (
	matches      = []Match{MatchAll, MatchAny, MatchNone}
	actionKinds  = []ActionKind{ActionDestination, ActionOwners, ActionMember, ActionTeam}
	fallthroughs = []Fallthrough{FallActive, FallAll, FallNobody}
	severities   = []string{"critical", "error", "warning", "info", "P1", "P2", "P3", "P4", "P5"}
	levels       = []string{"debug", "info", "warning", "error", "fatal"} // least severe first
)

// NewOrRegressed is the rule every project wants first: each new or regressed issue is told once
// to the given actions.
func NewOrRegressed(project int64, name string, actions ...Action) Rule {
	return Rule{
		Project: project, Name: name, Enabled: true,
		Conditions: []Clause{{Kind: KindNew}, {Kind: KindRegressed}},
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
	case len(r.Environment) > maxNameBytes:
		return fault.New(fault.Invalid, "a rule's environment has at most %d bytes", maxNameBytes)
	case r.Owner != "" && !isActor(r.Owner):
		return fault.New(fault.Invalid, `a rule's owner is "user:" or "team:" with an id`)
	}
	if err := known("match", r.Match, matches); err != nil {
		return err
	}
	if r.FilterMatch != "" {
		if err := known("filter match", r.FilterMatch, matches); err != nil {
			return err
		}
	}
	if err := r.validateParts(); err != nil {
		return err
	}
	if r.Escalation != nil && (r.Escalation.After < time.Minute || r.Escalation.After > maxEscalation || r.Escalation.Destination <= 0) {
		return fault.New(fault.Invalid, "an escalation names a destination and waits 1 minute to 7 days")
	}
	return r.Quiet.validate()
}

func (r *Rule) validateParts() error {
	for i := range r.Conditions {
		if err := r.Conditions[i].validate("condition"); err != nil {
			return err
		}
	}
	for i := range r.Filters {
		if err := r.Filters[i].validate("filter"); err != nil {
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

// Validate reports, as fault.Invalid, why the action cannot be stored.
func (a *Action) Validate() error {
	if err := known("action", a.Kind, actionKinds); err != nil {
		return err
	}
	switch {
	case a.Kind == ActionDestination && a.Destination <= 0:
		return fault.New(fault.Invalid, "an action names the destination it goes to")
	case (a.Kind == ActionMember || a.Kind == ActionTeam) && a.Target <= 0:
		return fault.New(fault.Invalid, "an action names the %s it goes to", a.Kind)
	case len(a.Notes) > maxNotesBytes || len(a.Tags) > maxTags || len(a.Raw) > maxRawBytes:
		return fault.New(fault.Invalid, "an action has at most %d bytes of notes and %d tags", maxNotesBytes, maxTags)
	}
	if a.Fallthrough != "" {
		if err := known("fallthrough", a.Fallthrough, fallthroughs); err != nil {
			return err
		}
	}
	if a.Severity != "" {
		return known("severity", a.Severity, severities)
	}
	return nil
}

// IsSnoozed reports whether the rule is silent for everybody at a moment.
func (r *Rule) IsSnoozed(now time.Time) bool {
	return r.Snoozed && (r.SnoozedUntil == nil || now.Before(*r.SnoozedUntil))
}

// AsksEvents reports whether the rule must be told of events that change nothing but counts.
func (r *Rule) AsksEvents() bool {
	if len(r.Conditions) == 0 || r.Match == MatchNone {
		return true
	}
	for i := range r.Conditions {
		if k := kinds[r.Conditions[i].Kind]; k.counts || !k.trigger {
			return true
		}
	}
	return false
}

// isActor reports whether text is "user:" or "team:" with an id.
func isActor(text string) bool {
	kind, id, found := strings.Cut(text, ":")
	n, err := strconv.ParseInt(id, 10, 64)
	return found && err == nil && n > 0 && (kind == "user" || kind == "team")
}
