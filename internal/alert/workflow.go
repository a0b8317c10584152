package alert

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Workflow is a rule in the newer shape of Sentry's API: what triggers it, and for what passes a list
// of filters what is done. A rule keeps the one it was made from, so that its client reads what it
// wrote; ReadWorkflow makes the rule of it, which alone decides what is told.
// Rule: getsentry/sentry src/sentry/workflow_engine/models/workflow.py
type Workflow struct {
	// Detectors are the kinds of detectors it is connected to; empty: all.
	Detectors     []DetectorType  `json:"detectors,omitempty"`
	Triggers      WorkflowGroup   `json:"triggers"`
	ActionFilters []WorkflowGroup `json:"actionFilters"`
}

// WorkflowGroup is conditions, how they combine, and what is done when they hold.
type WorkflowGroup struct {
	LogicType  Logic               `json:"logicType"`
	Conditions []WorkflowCondition `json:"conditions"`
	Actions    []WorkflowAction    `json:"actions,omitempty"`
}

// WorkflowCondition is one condition; what Comparison holds depends on the type.
type WorkflowCondition struct {
	Type       string          `json:"type"`
	Comparison json.RawMessage `json:"comparison"`
}

// WorkflowAction is one action, with its settings as they were sent.
type WorkflowAction struct {
	Type          string          `json:"type"`
	IntegrationID *string         `json:"integrationId,omitempty"`
	Data          json.RawMessage `json:"data,omitempty"`
	Config        json.RawMessage `json:"config,omitempty"`
}

// Logic says how the conditions of a group combine.
type Logic string

// The logics. LogicAnyShort stops at the first that holds, which comes to the same as LogicAny.
const (
	LogicAll      Logic = "all"
	LogicAny      Logic = "any"
	LogicAnyShort Logic = "any-short"
	LogicNone     Logic = "none"
)

var logics = map[Logic]Match{LogicAll: MatchAll, LogicAny: MatchAny, LogicAnyShort: MatchAny, LogicNone: MatchNone}

// DetectorType is what a detector finds. Each project has one of either, since errors are all that is
// detected here.
type DetectorType string

// The types of detectors.
const (
	DetectorError       DetectorType = "error"
	DetectorIssueStream DetectorType = "issue_stream"
)

// WorkflowFault is what is wrong with a workflow, and in which member.
type WorkflowFault struct {
	Field string // triggers or actionFilters
	Text  string
}

func (e *WorkflowFault) Error() string { return e.Field + ": " + e.Text }

// ReadWorkflow sets what the workflow says of the rule: its conditions, filters and actions. It
// answers a *WorkflowFault for what cannot be evaluated.
func (r *Rule) ReadWorkflow(w *Workflow, destinations []Destination) error {
	if len(w.ActionFilters) != 1 {
		return &WorkflowFault{"actionFilters", "An alert has one list of filters with its actions here: make an alert for each."}
	}
	group := &w.ActionFilters[0]
	triggers, err := readGroup("triggers", &w.Triggers)
	if err != nil {
		return err
	}
	filters, err := readGroup("actionFilters", group)
	if err != nil {
		return err
	}
	if len(w.Triggers.Actions) > 0 {
		return &WorkflowFault{"triggers", "Actions belong to actionFilters."}
	}
	r.Conditions, r.Match, r.Filters, r.FilterMatch = triggers, logics[w.Triggers.LogicType], filters, logics[group.LogicType]
	if err := r.countFirst(); err != nil {
		return err
	}
	r.Actions = nil
	if len(group.Actions) == 0 || len(group.Actions) > maxParts {
		return &WorkflowFault{"actionFilters", "You must add 1 to 32 actions for this alert to fire."}
	}
	for i := range group.Actions {
		list, err := group.Actions[i].read(destinations)
		if err != nil {
			return &WorkflowFault{"actionFilters", fault.Public(err)}
		}
		r.Actions = append(r.Actions, list...)
	}
	if err := r.validateParts(); err != nil {
		return &WorkflowFault{"actionFilters", fault.Public(err)}
	}
	return nil
}

func readGroup(field string, g *WorkflowGroup) ([]Clause, error) {
	if g.LogicType == "" {
		g.LogicType = LogicAnyShort
	}
	if _, ok := logics[g.LogicType]; !ok {
		return nil, &WorkflowFault{field, "logicType: it is any-short, any, all or none."}
	}
	if len(g.Conditions) > maxParts {
		return nil, &WorkflowFault{field, "There are at most 32 conditions."}
	}
	var list []Clause
	for i := range g.Conditions {
		c, err := g.Conditions[i].read()
		if err == nil {
			err = c.validate("condition")
		}
		if err != nil {
			return nil, &WorkflowFault{field, fault.Public(err)}
		}
		list = append(list, c)
	}
	return list, nil
}

// countFirst moves filters that count events to the conditions, since counts are looked at when an
// event is seen.
func (r *Rule) countFirst() error {
	counts := func(c Clause) bool { return kinds[c.Kind].trigger }
	if !slices.ContainsFunc(r.Filters, counts) {
		return nil
	}
	if len(r.Conditions) > 0 && !slices.ContainsFunc(r.Conditions, func(c Clause) bool { return c.Kind == KindEvent }) {
		return &WorkflowFault{"actionFilters", "A condition that counts, or is about what happened, is asked whenever an event is seen: leave the triggers empty, or make it one of them."}
	}
	var first, rest []Clause
	for _, c := range r.Filters {
		if r.FilterMatch != MatchAll || counts(c) { // others than all are one question
			first = append(first, c)
		} else {
			rest = append(rest, c)
		}
	}
	r.Conditions, r.Match, r.Filters, r.FilterMatch = first, r.FilterMatch, rest, MatchAll
	return nil
}

// AsWorkflow is the rule in the newer shape: as it was sent, as long as that still is what the rule
// says, or made from what it holds.
func (r *Rule) AsWorkflow(destinations []Destination) Workflow {
	if w := r.Workflow; w != nil {
		made := Rule{Project: r.Project}
		if made.ReadWorkflow(w, destinations) == nil && made.says() == r.says() {
			return *w
		}
	}
	w := Workflow{Triggers: WorkflowGroup{LogicType: logicOf(r.Match, LogicAnyShort), Conditions: []WorkflowCondition{}}}
	if r.Workflow != nil {
		w.Detectors = r.Workflow.Detectors
	}
	group := WorkflowGroup{LogicType: logicOf(r.FilterMatch, LogicAnyShort), Conditions: []WorkflowCondition{}, Actions: []WorkflowAction{}}
	counted := r.Match == MatchAll && (len(r.Filters) == 0 || group.LogicType == LogicAll) &&
		!slices.ContainsFunc(r.Conditions, func(c Clause) bool { return c.Kind != KindEvent && !kinds[c.Kind].counts })
	for i := range r.Conditions {
		c := &r.Conditions[i]
		into := &w.Triggers
		if counted && c.Kind != KindEvent {
			into, group.LogicType = &group, LogicAll
		}
		into.Conditions = append(into.Conditions, c.workflow())
	}
	for i := range r.Filters {
		group.Conditions = append(group.Conditions, r.Filters[i].workflow())
	}
	for i := range r.Actions {
		if a := r.Actions[i].workflow(destinations); !slices.ContainsFunc(group.Actions, a.same) {
			group.Actions = append(group.Actions, a)
		}
	}
	w.ActionFilters = []WorkflowGroup{group}
	return w
}

func logicOf(m Match, of Logic) Logic {
	switch m {
	case MatchAny:
		return of
	case MatchNone:
		return LogicNone
	}
	return LogicAll
}

// says is what a rule holds, whichever form it was sent in.
func (r *Rule) says() string {
	clauses := func(list []Clause) []Clause {
		list = slices.Clone(list)
		for i := range list {
			list[i].Raw = nil
		}
		return list
	}
	actions := slices.Clone(r.Actions)
	for i := range actions {
		actions[i].Raw = nil
	}
	out, err := json.Marshal(Rule{Conditions: clauses(r.Conditions), Match: r.Match, Filters: clauses(r.Filters), FilterMatch: r.FilterMatch, Actions: actions})
	if err != nil {
		return "" // texts and numbers only
	}
	return string(bytes.ReplaceAll(out, []byte(`"conditions":[]`), []byte(`"conditions":null`)))
}
