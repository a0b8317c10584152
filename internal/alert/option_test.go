package alert_test

import (
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/issue"
)

// option is a rule with one of its options set, and whether it fires.
type option struct {
	set   func(*alert.Rule)
	facts *alert.Facts
	want  alert.Truth
}

func optionRows() map[string]option {
	later, earlier := now.Add(time.Hour), now.Add(-time.Hour)
	clauses := func(kinds ...alert.Kind) (list []alert.Clause) {
		for _, k := range kinds {
			list = append(list, alert.Clause{Kind: k})
		}
		return list
	}
	return map[string]option{
		"plain":                  {func(*alert.Rule) {}, on(issue.ChangeNew), alert.True},
		"off":                    {func(r *alert.Rule) { r.Enabled = false }, on(issue.ChangeNew), alert.False},
		"another project":        {func(r *alert.Rule) { r.Project = 2 }, on(issue.ChangeNew), alert.False},
		"snoozed for ever":       {func(r *alert.Rule) { r.Snoozed = true }, on(issue.ChangeNew), alert.False},
		"snoozed until later":    {func(r *alert.Rule) { r.Snoozed, r.SnoozedUntil = true, &later }, on(issue.ChangeNew), alert.False},
		"snooze is over":         {func(r *alert.Rule) { r.Snoozed, r.SnoozedUntil = true, &earlier }, on(issue.ChangeNew), alert.True},
		"environment":            {func(r *alert.Rule) { r.Environment = "production" }, on(issue.ChangeNew), alert.True},
		"another environment":    {func(r *alert.Rule) { r.Environment = "staging" }, on(issue.ChangeNew), alert.False},
		"new in the environment": {func(r *alert.Rule) { r.Environment = "production" }, scene(issue.ChangeInEnvironment, func(f *alert.Facts) { f.Change.NewEnvironment = true }), alert.True},
		"archived":               {func(*alert.Rule) {}, scene(issue.ChangeNew, func(f *alert.Facts) { f.Issue.Status = issue.Archived }), alert.False},
		"all of two":             {func(r *alert.Rule) { r.Conditions = clauses(alert.KindNew, alert.KindRegressed) }, on(issue.ChangeNew), alert.False},
		"any of two": {func(r *alert.Rule) {
			r.Conditions, r.Match = clauses(alert.KindNew, alert.KindRegressed), alert.MatchAny
		}, on(issue.ChangeNew), alert.True},
		"none of two, seen": {func(r *alert.Rule) {
			r.Conditions, r.Match = clauses(alert.KindNew, alert.KindRegressed), alert.MatchNone
		}, on(issue.ChangeSeen), alert.True},
		"none of two, new": {func(r *alert.Rule) {
			r.Conditions, r.Match = clauses(alert.KindNew, alert.KindRegressed), alert.MatchNone
		}, on(issue.ChangeNew), alert.False},
		"no condition, seen":     {func(r *alert.Rule) { r.Conditions = nil }, on(issue.ChangeSeen), alert.True},
		"no condition, resolved": {func(r *alert.Rule) { r.Conditions = nil }, on(issue.ChangeResolved), alert.False},
		"filters: none": {func(r *alert.Rule) {
			r.FilterMatch, r.Filters = alert.MatchNone, []alert.Clause{{Kind: alert.KindLevel, Value: "fatal"}}
		}, on(issue.ChangeNew), alert.True},
		"filters: any": {func(r *alert.Rule) {
			r.FilterMatch, r.Filters = alert.MatchAny, []alert.Clause{{Kind: alert.KindLevel, Value: "fatal"}, {Kind: alert.KindTimesSeen, Value: "5"}}
		}, on(issue.ChangeNew), alert.True},
		"unknown kinds are false": {func(r *alert.Rule) { r.Conditions = clauses("moon") }, on(issue.ChangeNew), alert.False},
		"facts that were not read": {func(r *alert.Rule) { r.Filters = []alert.Clause{{Kind: alert.KindTimesSeen, Value: "5"}} },
			scene(issue.ChangeNew, func(f *alert.Facts) { f.Issue = nil }), alert.Unknown},
	}
}

func TestOptionsOfARuleAreEvaluated(t *testing.T) {
	t.Parallel()
	for name, c := range optionRows() {
		t.Run(name, func(t *testing.T) {
			r := rule([]alert.Clause{{Kind: alert.KindNew}}, nil)
			c.set(r)
			if got := alert.Prepare(r).Evaluate(c.facts); got != c.want {
				t.Errorf("want %v, got %v", c.want, got)
			}
		})
	}
}
