package alert

import (
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/issue"
)

// holdsEvent is true of each look at the issue's new events. The events that made, regressed or
// woke it are among those, so the changes themselves are not told twice.
func holdsEvent(_ *term, f *Facts) Truth { return truth(f.Change.Kind == issue.ChangeSeen) }

// holdsNew is true when the issue is new; of a rule for one environment, when it is new there.
func holdsNew(t *term, f *Facts) Truth {
	c := f.Change
	return truth(c.IsNew || c.Kind == issue.ChangeNew || t.environment != "" && c.NewEnvironment)
}

func holdsRegressed(_ *term, f *Facts) Truth {
	return truth(f.Change.IsRegression || f.Change.Kind == issue.ChangeRegressed)
}

func holdsReappeared(_ *term, f *Facts) Truth {
	return truth(f.Change.HasReappeared || f.Change.Kind == issue.ChangeReappeared)
}

func holdsEscalating(_ *term, f *Facts) Truth {
	return truth(f.Change.HasEscalated || f.Change.Kind == issue.ChangeEscalating)
}

// holdsNewRelease is about further releases: the first one is no spread.
func holdsNewRelease(_ *term, f *Facts) Truth {
	c := f.Change
	return truth(!c.IsNew && (c.NewRelease || c.Kind == issue.ChangeInRelease))
}

func holdsNewEnvironment(_ *term, f *Facts) Truth {
	c := f.Change
	return truth(!c.IsNew && (c.NewEnvironment || c.Kind == issue.ChangeInEnvironment))
}

func holdsNewHigh(_ *term, f *Facts) Truth {
	if !f.Change.IsNew && f.Change.Kind != issue.ChangeNew {
		return False
	}
	return f.priority(issue.High)
}

func holdsExistingHigh(_ *term, f *Facts) Truth {
	c := f.Change
	if c.IsNew || !c.BecameHigh && !c.HasEscalated && !c.HasReappeared {
		return False
	}
	return f.priority(issue.High)
}

func holdsPriorityChanged(t *term, f *Facts) Truth {
	if f.Change.Kind != issue.ChangePriority {
		return False
	}
	p, _ := issue.ParsePriority(t.Value)
	return f.priority(p)
}

func (f *Facts) priority(least issue.Priority) Truth {
	if f.Issue == nil {
		return Unknown
	}
	return truth(f.Issue.Priority >= least)
}

func needCount(c *Clause, r *Rule, n *Needs) {
	n.Issue = true
	if c.Compare {
		n.Counts, n.Limits = append(n.Counts, c.count(r, false), c.count(r, true)), append(n.Limits, 0, 0)
		return
	}
	n.Counts, n.Limits = append(n.Counts, c.count(r, false)), append(n.Limits, int64(min(c.number(), 1<<40))+1)
}

// count names the number that the clause compares.
func (c *Clause) count(r *Rule, before bool) Count {
	n := Count{Users: c.Kind != KindEvents, Window: windows[c.Interval], Environment: r.Environment}
	if before {
		n.Shift = windows[c.Shift]
	}
	if len(c.Clauses) > 0 {
		text, _ := json.Marshal(c.Clauses) // texts only
		n.Filter = string(text)
	}
	return n
}

// holdsCount compares a number of events or users with the clause's value. An issue that has not
// so many events altogether needs no counting: nor has it more users than events.
func holdsCount(t *term, f *Facts) Truth {
	if f.Change.Kind != issue.ChangeSeen {
		return False
	}
	if f.Issue == nil {
		return Unknown
	}
	if !t.Compare && float64(f.Issue.TimesSeen) <= t.number {
		return False
	}
	now, ok := f.Counts[t.now]
	if !ok {
		return Unknown
	}
	if !t.Compare {
		return truth(now > t.number)
	}
	before, ok := f.Counts[t.before]
	if !ok {
		return Unknown
	}
	return truth(percent(now, before) > t.number)
}

// percent is by how much now exceeds before.
// Rule: getsentry/sentry src/sentry/rules/conditions/event_frequency.py (percent_increase)
func percent(now, before float64) float64 {
	if before == 0 {
		return now * 100
	}
	return max((now-before)/before*100, 0)
}

// holdsNth is true when one of the events since rules last looked was the Nth, 2Nth …
func holdsNth(t *term, f *Facts) Truth {
	n := int64(t.number)
	if f.Change.Kind != issue.ChangeSeen || n <= 0 {
		return False
	}
	total, before := f.Change.TimesSeen, f.Before
	if total == 0 {
		return Unknown
	}
	if before == 0 {
		before = total - f.Change.Count
	}
	return truth(total/n > before/n)
}

func holdsAge(t *term, f *Facts) Truth {
	if f.Issue == nil {
		return Unknown
	}
	limit := time.Duration(min(t.number, 1e6)) * ageUnits[t.Interval]
	age := f.Now.Sub(f.Issue.FirstSeen)
	if t.Match == OpOlder {
		return truth(age > limit)
	}
	return truth(age < limit)
}

func holdsTimesSeen(t *term, f *Facts) Truth {
	if f.Issue == nil {
		return Unknown
	}
	return truth(float64(f.Issue.TimesSeen) >= t.number)
}

func holdsUsersSeen(t *term, f *Facts) Truth {
	if f.Issue == nil {
		return Unknown
	}
	return truth(float64(f.Issue.UserCount) >= t.number)
}

func holdsAssignedTo(t *term, f *Facts) Truth {
	if f.Issue == nil {
		return Unknown
	}
	if t.Value == "nobody" {
		return truth(f.Issue.Assignee == "")
	}
	return truth(f.Issue.Assignee == t.Value)
}

func holdsLevel(t *term, f *Facts) Truth {
	want := severity(t.Value)
	compare := func(level string) bool {
		switch have := severity(level); t.Match {
		case OpEqual:
			return have == want
		case OpAtMost:
			return have <= want
		default:
			return have >= want
		}
	}
	if !f.eventful() {
		return f.among("level", t.alone, compare)
	}
	return truth(compare(f.level()))
}

func holdsPriority(t *term, f *Facts) Truth {
	p, _ := issue.ParsePriority(t.Value)
	return f.priority(p)
}

func holdsCategory(t *term, f *Facts) Truth {
	if f.Issue == nil {
		return Unknown
	}
	return truth((f.Issue.Category == t.Value) != (t.Match == OpNotEqual))
}

func holdsTag(t *term, f *Facts) Truth {
	if f.Event != nil && f.Event.Tags != nil {
		return truth(t.want.inTag(f.Event.Tags, t.key))
	}
	if t.want.negative {
		return Unknown
	}
	return f.among(t.key, t.alone, t.want.is)
}

func holdsAttribute(t *term, f *Facts) Truth {
	if f.Event == nil || f.Event.Attributes == nil {
		return Unknown
	}
	return truth(t.want.in(f.Event.Attributes[t.Key]))
}

func needLatest(_ *Clause, r *Rule, n *Needs) {
	n.Event, n.Latest = true, append(n.Latest, r.Environment)
}

func holdsLatestRelease(t *term, f *Facts) Truth {
	latest, ok := f.Latest[t.environment]
	switch {
	case !ok:
		return Unknown
	case !f.eventful():
		return f.among("release", t.alone, func(v string) bool { return v == latest })
	}
	return truth(latest != "" && f.release() == latest)
}

func needReleaseAge(c *Clause, _ *Rule, n *Needs) {
	n.Issue, n.Latest = true, append(n.Latest, c.Value)
}

// holdsReleaseAge compares the issue's oldest or newest release with the newest of an environment.
func holdsReleaseAge(t *term, f *Facts) Truth {
	latest, ok := f.Latest[t.Value]
	if !ok || f.Issue == nil {
		return Unknown
	}
	have := f.Issue.LastRelease
	if t.Key == "oldest" {
		have = f.Issue.FirstRelease
	}
	if latest == "" || have == "" || f.Order == nil {
		return False
	}
	order, _ := f.Order(have, latest)
	if t.Match == OpOlder {
		return truth(order < 0)
	}
	return truth(order > 0)
}

func holdsEnvironment(t *term, f *Facts) Truth {
	is := func(environment string) bool {
		return strings.EqualFold(strings.TrimSpace(environment), strings.TrimSpace(t.Value))
	}
	if !f.eventful() {
		return f.among("environment", t.alone, is)
	}
	return truth(is(f.environment()))
}

func holdsQuery(t *term, f *Facts) Truth {
	found, ok := f.Queries[t.Value]
	if !ok {
		return Unknown
	}
	return truth(found)
}

// severity ranks a level; unknown words rank below all.
func severity(level string) int {
	for i, l := range levels {
		if l == level {
			return i
		}
	}
	return math.MinInt
}
