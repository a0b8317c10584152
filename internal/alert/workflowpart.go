package alert

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// workflowKind says how a kind is written as a condition of a workflow. One without fields has the
// comparison true.
type workflowKind struct {
	name    string
	kind    Kind
	percent bool
	fields  []wireField
}

var (
	countsOver   = []wireField{{"value", value, true, true}, {"interval", interval, true, false}}
	percentsOver = append(countsOver[:2:2], wireField{"comparisonInterval", shift, true, false})
)

// workflowKinds is the catalogue of workflows.
// Rule: getsentry/sentry src/sentry/workflow_engine/handlers/condition
var workflowKinds = []workflowKind{
	{"every_event", KindEvent, false, nil},
	{"first_seen_event", KindNew, false, nil},
	{"regression_event", KindRegressed, false, nil},
	{"reappeared_event", KindReappeared, false, nil},
	{"issue_resolved_trigger", KindResolved, false, nil},
	{"new_high_priority_issue", KindNewHigh, false, nil},
	{"existing_high_priority_issue", KindExistingHigh, false, nil},
	{"latest_release", KindLatestRelease, false, nil},
	{"event_frequency_count", KindEvents, false, countsOver},
	{"event_frequency_percent", KindEvents, true, percentsOver},
	{"event_unique_user_frequency_count", KindUsers, false, countsOver},
	{"event_unique_user_frequency_percent", KindUsers, true, percentsOver},
	{"age_comparison", KindAge, false, []wireField{{"comparisonType", matchField, true, false}, {"value", value, true, true}, {"time", interval, true, false}}},
	{"issue_occurrences", KindTimesSeen, false, []wireField{{"value", value, true, true}}},
	{"assigned_to", KindAssignedTo, false, []wireField{{"targetType", key, true, false}, {"targetIdentifier", value, false, false}}},
	{"latest_adopted_release", KindReleaseAge, false, []wireField{{"environment", value, false, false}, {"ageComparison", matchField, true, false}, {"releaseAgeType", key, true, false}}},
	{"issue_category", KindCategory, false, []wireField{{"value", value, true, true}, {"include", matchField, false, false}}},
	{"event_attribute", KindAttribute, false, []wireField{{"attribute", key, true, false}, {"match", matchField, true, false}, {"value", value, false, false}}},
	{"tagged_event", KindTag, false, []wireField{{"key", key, true, false}, {"match", matchField, true, false}, {"value", value, false, false}}},
	{"level", KindLevel, false, []wireField{{"match", matchField, true, false}, {"level", value, true, true}}},
	{"issue_priority_greater_or_equal", KindPriority, false, nil},
}

// ourWorkflow precedes the names of kinds that workflows elsewhere do not have.
const ourWorkflow = "tocsin."

var (
	priorityNumbers = map[string]string{"25": "low", "50": "medium", "75": "high"}
	// notCounted are conditions that cannot be asked here, and why.
	notCounted = map[string]string{
		"percent_sessions_count":      "sessions are not counted by alerts on this server; count events or users.",
		"percent_sessions_percent":    "sessions are not counted by alerts on this server; count events or users.",
		"issue_priority_deescalating": "priorities do not fall by themselves on this server; use issue_priority_greater_or_equal.",
		"issue_priority_equals":       "use issue_priority_greater_or_equal.",
		"issue_resolution_change":     "use issue_resolved_trigger.",
		"issue_type":                  "every issue of this server is of the type error; leave it out, or use issue_category.",
	}
)

// read is the condition as a clause. fault.Invalid says what is wrong.
func (c *WorkflowCondition) read() (Clause, error) {
	if why, known := notCounted[c.Type]; known {
		return Clause{}, fault.New(fault.Invalid, "The condition %s is not supported: %s", c.Type, why)
	}
	var v any
	if len(c.Comparison) > maxRawBytes || len(c.Comparison) > 0 && json.Unmarshal(c.Comparison, &v) != nil {
		return Clause{}, fault.New(fault.Invalid, "%.60s: comparison: it cannot be read.", c.Type)
	}
	if ours, ok := strings.CutPrefix(c.Type, ourWorkflow); ok {
		out := Clause{Kind: Kind(ours)}
		return out, out.compare(c.Type, v, ourFields)
	}
	for i := range workflowKinds {
		if k := &workflowKinds[i]; k.name == c.Type {
			out := Clause{Kind: k.kind, Compare: k.percent}
			if k.kind == KindPriority {
				n, _ := wireText(v)
				if out.Value = priorityNumbers[n]; out.Value == "" {
					return out, fault.New(fault.Invalid, "%s: comparison: it is 75 for high, 50 for medium or 25 for low.", c.Type)
				}
				return out, nil
			}
			if k.fields == nil {
				return out, out.flag(c.Type, v)
			}
			if err := out.narrowed(c.Type, v); err != nil {
				return out, err
			}
			if err := out.compare(c.Type, v, k.fields); err != nil {
				return out, err
			}
			return out, out.fromWorkflow(c.Type)
		}
	}
	return Clause{}, fault.New(fault.Invalid, "%.60q is not a known type of condition.", c.Type)
}

// flag accepts the comparison of a condition that compares nothing.
func (c *Clause) flag(name string, v any) error {
	if m, ok := v.(map[string]any); v == nil || v == true || ok && len(m) == 0 {
		return nil
	}
	return fault.New(fault.Invalid, "%s: comparison: it is true.", name)
}

// compare reads the members of a comparison.
func (c *Clause) compare(name string, v any, fields []wireField) error {
	in, ok := v.(map[string]any)
	if !ok && v != nil {
		return fault.New(fault.Invalid, "%s: comparison: it is an object.", name)
	}
	for member := range in {
		known := member == "filters"
		for _, f := range fields {
			known = known || f.name == member
		}
		if !known {
			return fault.New(fault.Invalid, "%s: comparison: unknown field %.60q.", name, member)
		}
	}
	if err := c.read(in, fields); err != nil {
		return fault.New(fault.Invalid, "%s: %s", name, fault.Public(err))
	}
	return nil
}

// narrowed reads the filters of a condition that counts.
func (c *Clause) narrowed(name string, v any) error {
	in, _ := v.(map[string]any)
	list, given := in["filters"].([]any)
	if in["filters"] != nil && !given || len(list) > maxNested {
		return fault.New(fault.Invalid, "%s: filters: they are a list of at most %d.", name, maxNested)
	}
	if len(list) == 0 {
		return nil
	}
	if c.Kind != KindUsers {
		return fault.New(fault.Invalid, "%s: filters: only event_unique_user_frequency_count and …_percent count what filters accept; use conditions beside this one.", name)
	}
	c.Kind = KindUsersFiltered
	for _, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			return fault.New(fault.Invalid, "%s: filters: each is an object.", name)
		}
		n, fields := Clause{Kind: KindTag}, workflowOf(KindTag, false).fields
		if m["attribute"] != nil {
			n.Kind, fields = KindAttribute, workflowOf(KindAttribute, false).fields
		}
		if err := n.compare(name+": filters", item, fields); err != nil {
			return err
		}
		c.Clauses = append(c.Clauses, n)
	}
	return nil
}

// fromWorkflow turns the words of workflows into ours.
func (c *Clause) fromWorkflow(name string) error {
	switch c.Kind {
	case KindLevel:
		level, ok := wireLevels[c.Value]
		if !ok {
			return fault.New(fault.Invalid, "%s: level: %.20q is not one of 0, 10, 20, 30, 40, 50.", name, c.Value)
		}
		c.Value = level
	case KindCategory:
		c.Match = map[Operator]Operator{"false": OpNotEqual}[c.Match]
	case KindAssignedTo:
		kind := c.Key
		c.Key = ""
		switch kind {
		case "Unassigned", "NoOne":
			c.Value = "nobody"
		case "Team", "Member":
			c.Value = map[string]string{"Team": "team:", "Member": "user:"}[kind] + c.Value
		default:
			return fault.New(fault.Invalid, "%s: targetType: it is Unassigned, Team or Member.", name)
		}
	}
	return nil
}

// workflowOf finds how a kind is written; kinds of ours have no entry.
func workflowOf(k Kind, percent bool) *workflowKind {
	if k == KindUsersFiltered {
		k = KindUsers
	}
	for i := range workflowKinds {
		if workflowKinds[i].kind == k && workflowKinds[i].percent == percent {
			return &workflowKinds[i]
		}
	}
	return nil
}

// workflow is the clause as a condition of a workflow.
func (c *Clause) workflow() WorkflowCondition {
	k := workflowOf(c.Kind, c.Compare)
	if k == nil {
		return WorkflowCondition{Type: ourWorkflow + string(c.Kind), Comparison: c.comparison(ourFields)}
	}
	d := *c
	switch c.Kind {
	case KindPriority:
		for n, word := range priorityNumbers {
			if word == c.Value {
				return WorkflowCondition{Type: k.name, Comparison: json.RawMessage(n)}
			}
		}
	case KindLevel:
		for n, word := range wireLevels {
			if word == c.Value && n != "0" {
				d.Value = n
			}
		}
		if d.Match == "" {
			d.Match = OpAtLeast
		}
	case KindCategory:
		d.Match = ""
	case KindAssignedTo:
		kind, id, _ := strings.Cut(c.Value, ":")
		d.Key, d.Value = map[string]string{"nobody": "Unassigned", "team": "Team", "user": "Member"}[kind], id
	}
	if k.fields == nil {
		return WorkflowCondition{Type: k.name, Comparison: json.RawMessage("true")}
	}
	out := WorkflowCondition{Type: k.name, Comparison: d.comparison(k.fields)}
	if c.Kind == KindCategory {
		out.Comparison = with(out.Comparison, "include", c.Match != OpNotEqual)
	}
	if len(c.Clauses) > 0 {
		var list []json.RawMessage
		for i := range c.Clauses {
			list = append(list, c.Clauses[i].workflow().Comparison)
		}
		out.Comparison = with(out.Comparison, "filters", list)
	}
	return out
}

func (c *Clause) comparison(fields []wireField) json.RawMessage {
	out := json.RawMessage("{}")
	for _, f := range fields {
		text := *f.get(c)
		switch n, err := strconv.ParseFloat(text, 64); {
		case text == "" && !(f.required || f.name == "targetIdentifier" || f.name == "environment"):
		case f.number && err == nil:
			out = with(out, f.name, n)
		default:
			out = with(out, f.name, text)
		}
	}
	return out
}

// with is an object with one member more.
func with(object json.RawMessage, name string, v any) json.RawMessage {
	text, err := json.Marshal(map[string]any{name: v})
	if err != nil {
		return object // texts, numbers and what was marshalled before
	}
	if len(object) <= 2 {
		return text
	}
	return append(append(object[:len(object)-1:len(object)-1], ','), text[1:]...)
}

// same reports whether two actions are written alike.
func (a WorkflowAction) same(b WorkflowAction) bool {
	return a.Type == b.Type && bytes.Equal(a.Config, b.Config) && bytes.Equal(a.Data, b.Data)
}
