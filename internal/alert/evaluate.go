package alert

import (
	"strings"

	"github.com/tocsin-dev/tocsin/internal/issue"
)

// Evaluate reports whether the rule wants the change of f told; Unknown asks for the facts that
// Needs lists. Apart from looks at events, a change is only told when a condition is about it.
// Rule: getsentry/sentry src/sentry/rules/processing/processor.py
func (e *Prepared) Evaluate(f *Facts) Truth { return e.EvaluateWith(f, nil) }

// EvaluateWith is Evaluate for a rule of a book, which remembers in m what clauses say.
func (e *Prepared) EvaluateWith(f *Facts, m *Memo) Truth {
	return e.given(combine(e.Match, e.conditions, f, m), f, m)
}

// given is what the rule says when its conditions say so much.
func (e *Prepared) given(conditions Truth, f *Facts, m *Memo) Truth {
	if conditions == False || !e.Enabled || e.Project != f.Change.Project {
		return False
	}
	filters := combine(e.FilterMatch, e.filters, f, m)
	if filters == False {
		return False
	}
	environment := e.inEnvironment(f)
	if environment == False || e.IsSnoozed(f.Now) || f.Issue != nil && f.Issue.Status == issue.Archived {
		return False
	}
	if f.Change.Kind != issue.ChangeSeen && !e.about(f, m) {
		return False
	}
	if conditions == Unknown || filters == Unknown || environment == Unknown {
		return Unknown
	}
	return True
}

// about reports whether a condition that can be about this change may hold of it.
func (e *Prepared) about(f *Facts, m *Memo) bool {
	if e.Match == MatchNone {
		return false
	}
	for _, t := range e.conditions {
		if t.kind.trigger && t.ask(f, m) != False {
			return true
		}
	}
	return false
}

func (e *Prepared) inEnvironment(f *Facts) Truth {
	switch {
	case e.Environment == "":
		return True
	case f.eventful():
		return truth(strings.EqualFold(f.environment(), e.Environment))
	}
	return f.among("environment", e.alone, func(v string) bool { return strings.EqualFold(v, e.Environment) })
}

// ask is what the clause says of f.
func (t *term) ask(f *Facts, m *Memo) Truth {
	if t.kind.holds == nil {
		return False // a kind that this release does not know
	}
	if m == nil {
		return t.kind.holds(t, f)
	}
	if said := m.said[t.at]; said != unasked {
		return said
	}
	said := t.kind.holds(t, f)
	m.said[t.at] = said
	return said
}

// combine joins clauses; every match is true of an empty list.
func combine(match Match, list []*term, f *Facts, m *Memo) Truth {
	if len(list) == 0 {
		return True
	}
	unknown := false
	for _, t := range list {
		switch said := t.ask(f, m); {
		case said == Unknown:
			unknown = true
		case match == MatchAny && said == True:
			return True
		case match == MatchNone && said == True, match != MatchAny && match != MatchNone && said == False:
			return False
		}
	}
	if unknown {
		return Unknown
	}
	return truth(match != MatchAny)
}
