package alert

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// wireKind says how a kind is written in Sentry's API.
type wireKind struct {
	kind   Kind
	id     string // without its prefix
	filter bool
	fields []wireField
}

// wireField is one member of the wire form and the field of Clause it goes to.
type wireField struct {
	name     string
	get      func(*Clause) *string
	required bool
	number   bool // written as a number
}

func value(c *Clause) *string    { return &c.Value }
func key(c *Clause) *string      { return &c.Key }
func interval(c *Clause) *string { return &c.Interval }
func shift(c *Clause) *string    { return &c.Shift }
func matchField(c *Clause) *string {
	return (*string)(&c.Match)
}

// Prefixes of ids. Kinds that Sentry does not have are ours.
const (
	wireConditions = "sentry.rules.conditions."
	wireFilters    = "sentry.rules.filters."
	wireOurs       = "tocsin.rules."
)

var countFields = []wireField{{"value", value, true, true}, {"interval", interval, true, false}, {"comparisonInterval", shift, false, false}}

// wireKinds is Sentry's catalogue.
// Rule: getsentry/sentry src/sentry/rules/conditions, src/sentry/rules/filters
var wireKinds = []wireKind{
	{KindEvent, "every_event.EveryEventCondition", false, nil},
	{KindNew, "first_seen_event.FirstSeenEventCondition", false, nil},
	{KindRegressed, "regression_event.RegressionEventCondition", false, nil},
	{KindReappeared, "reappeared_event.ReappearedEventCondition", false, nil},
	{KindNewHigh, "high_priority_issue.NewHighPriorityIssueCondition", false, nil},
	{KindExistingHigh, "high_priority_issue.ExistingHighPriorityIssueCondition", false, nil},
	{KindEvents, "event_frequency.EventFrequencyCondition", false, countFields},
	{KindUsers, "event_frequency.EventUniqueUserFrequencyCondition", false, countFields},
	{KindUsersFiltered, "event_frequency.EventUniqueUserFrequencyConditionWithConditions", false, countFields},
	{KindTag, "tagged_event.TaggedEventCondition", false, []wireField{{"key", key, true, false}, {"match", matchField, true, false}, {"value", value, false, false}}},
	{KindAttribute, "event_attribute.EventAttributeCondition", false, []wireField{{"attribute", key, true, false}, {"match", matchField, true, false}, {"value", value, false, false}}},
	{KindLevel, "level.LevelCondition", false, []wireField{{"match", matchField, true, false}, {"level", value, true, false}}},

	{KindAge, "age_comparison.AgeComparisonFilter", true, []wireField{{"comparison_type", matchField, true, false}, {"value", value, true, true}, {"time", interval, true, false}}},
	{KindTimesSeen, "issue_occurrences.IssueOccurrencesFilter", true, []wireField{{"value", value, true, true}}},
	{KindAssignedTo, "assigned_to.AssignedToFilter", true, nil},
	{KindReleaseAge, "latest_adopted_release_filter.LatestAdoptedReleaseFilter", true, []wireField{{"oldest_or_newest", key, true, false}, {"older_or_newer", matchField, true, false}, {"environment", value, false, false}}},
	{KindLatestRelease, "latest_release.LatestReleaseFilter", true, nil},
	{KindCategory, "issue_category.IssueCategoryFilter", true, []wireField{{"value", value, true, false}}},
	{KindAttribute, "event_attribute.EventAttributeFilter", true, []wireField{{"attribute", key, true, false}, {"match", matchField, true, false}, {"value", value, false, false}}},
	{KindTag, "tagged_event.TaggedEventFilter", true, []wireField{{"key", key, true, false}, {"match", matchField, true, false}, {"value", value, false, false}}},
	{KindLevel, "level.LevelFilter", true, []wireField{{"match", matchField, true, false}, {"level", value, true, false}}},
	{KindPriority, "issue_severity.IssueSeverityFilter", true, []wireField{{"value", value, true, false}}},
}

// ourFields are how kinds of ours are written: by the names of Clause.
var ourFields = []wireField{{"value", value, false, false}, {"key", key, false, false}, {"match", matchField, false, false}, {"interval", interval, false, false}}

func (w *wireKind) wireID() string {
	if w.filter {
		return wireFilters + w.id
	}
	return wireConditions + w.id
}

// wireOf finds how a kind is written as a condition or filter; kinds of ours have no entry.
func wireOf(k Kind, filter bool) *wireKind {
	for i := range wireKinds {
		if wireKinds[i].kind == k && wireKinds[i].filter == filter {
			return &wireKinds[i]
		}
	}
	return nil
}

// wireLevels are levels as the wire has them.
var wireLevels = map[string]string{"0": "debug", "10": "debug", "20": "info", "30": "warning", "40": "error", "50": "fatal"}

// wireMatches are spellings of operators that older rules have.
var wireMatches = map[string]Operator{"EQUAL": OpEqual, "eq": OpEqual}

// ParseWire reads one condition or filter of Sentry's API. What it does not know is kept and shown
// again. fault.Invalid says what is missing or wrong.
func ParseWire(raw json.RawMessage, filter bool) (Clause, error) {
	var in map[string]any
	if len(raw) > maxRawBytes || json.Unmarshal(raw, &in) != nil {
		return Clause{}, fault.New(fault.Invalid, "A condition or filter is a JSON object with an id.")
	}
	id, _ := in["id"].(string)
	if ours, ok := strings.CutPrefix(id, wireOurs); ok {
		c := Clause{Kind: Kind(ours), Raw: raw}
		return c, c.read(in, ourFields)
	}
	for i := range wireKinds {
		if w := &wireKinds[i]; w.wireID() == id {
			c := Clause{Kind: w.kind, Raw: raw}
			if err := c.read(in, w.fields); err != nil {
				return c, err
			}
			return c, c.adapt(in)
		}
	}
	return Clause{}, fault.New(fault.Invalid, "Invalid id: %.100q is not a known condition or filter.", id)
}

func (c *Clause) read(in map[string]any, fields []wireField) error {
	for _, f := range fields {
		text, ok := wireText(in[f.name])
		if f.required && (!ok || text == "") {
			return fault.New(fault.Invalid, "%s: this field is required.", f.name)
		}
		*f.get(c) = text
	}
	return nil
}

// adapt turns the words of the wire into ours.
func (c *Clause) adapt(in map[string]any) error {
	if m, ok := wireMatches[string(c.Match)]; ok {
		c.Match = m
	}
	switch c.Kind {
	case KindEvents, KindUsers, KindUsersFiltered:
		kind, _ := in["comparisonType"].(string)
		if c.Compare = kind == "percent"; !c.Compare {
			c.Shift = ""
		}
		return c.nested(in["conditions"])
	case KindLevel:
		level, ok := wireLevels[c.Value]
		if !ok {
			return fault.New(fault.Invalid, "level: %.20q is not one of 0, 10, 20, 30, 40, 50.", c.Value)
		}
		c.Value = level
	case KindPriority:
		if word, ok := map[string]string{"25": "low", "50": "medium", "75": "high"}[c.Value]; ok {
			c.Value = word
		}
	case KindAssignedTo:
		kind, _ := in["targetType"].(string)
		id, _ := wireText(in["targetIdentifier"])
		switch kind {
		case "Unassigned":
			c.Value = "nobody"
		case "Team", "Member":
			c.Value = map[string]string{"Team": "team:", "Member": "user:"}[kind] + id
		default:
			return fault.New(fault.Invalid, "targetType: it is Unassigned, Team or Member.")
		}
	case KindCategory:
		if include, ok := in["include"].(string); ok && include == "false" {
			c.Match = OpNotEqual
		}
	}
	return nil
}

// nested reads the filters inside a condition on users.
func (c *Clause) nested(v any) error {
	list, _ := v.([]any)
	switch {
	case c.Kind != KindUsersFiltered:
		return nil
	case len(list) > maxNested:
		return fault.New(fault.Invalid, "conditions: at most %d narrow which events count.", maxNested)
	}
	for _, item := range list {
		raw, err := json.Marshal(item)
		if err != nil {
			return fault.New(fault.Invalid, "conditions: they cannot be read.")
		}
		n, err := ParseWire(raw, true)
		if err != nil {
			return err
		}
		n.Raw = nil
		c.Clauses = append(c.Clauses, n)
	}
	return nil
}

// wireText is a value as text: numbers may come as either.
func wireText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// Wire is the clause in Sentry's form: as it was sent, or made from what it holds.
func (c *Clause) Wire(filter bool) json.RawMessage {
	if len(c.Raw) > 0 {
		return c.Raw
	}
	w := wireOf(c.Kind, filter)
	out := map[string]any{"id": wireOurs + string(c.Kind)}
	fields := ourFields
	if w != nil {
		out["id"], fields = w.wireID(), w.fields
	}
	for _, f := range fields {
		text := *f.get(c)
		switch n, err := strconv.ParseFloat(text, 64); {
		case text == "":
			continue
		case f.number && err == nil:
			out[f.name] = n
		default:
			out[f.name] = text
		}
	}
	if w != nil {
		c.unadapt(out)
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return json.RawMessage(`{}`) // texts and numbers only
	}
	return raw
}

func (c *Clause) unadapt(out map[string]any) {
	switch c.Kind {
	case KindEvents, KindUsers, KindUsersFiltered:
		out["comparisonType"] = map[bool]string{true: "percent", false: "count"}[c.Compare]
		if len(c.Clauses) > 0 {
			var list []json.RawMessage
			for i := range c.Clauses {
				list = append(list, c.Clauses[i].Wire(true))
			}
			out["conditions"] = list
		}
	case KindLevel:
		for n, word := range wireLevels {
			if word == c.Value && n != "0" {
				out["level"] = n
			}
		}
		if c.Match == "" {
			out["match"] = string(OpAtLeast)
		}
	case KindAssignedTo:
		kind, id, _ := strings.Cut(c.Value, ":")
		out["targetType"] = map[string]string{"nobody": "Unassigned", "team": "Team", "user": "Member"}[kind]
		out["targetIdentifier"] = id
	}
}
