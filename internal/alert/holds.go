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
func holdsEvent(_ *Clause, _ *Rule, f *Facts) Truth { return truth(f.Change.Kind == issue.ChangeSeen) }

// holdsNew is true when the issue is new; of a rule for one environment, when it is new there.
func holdsNew(_ *Clause, r *Rule, f *Facts) Truth {
	c := f.Change
	return truth(c.IsNew || c.Kind == issue.ChangeNew || r.Environment != "" && c.NewEnvironment)
}

func holdsRegressed(_ *Clause, _ *Rule, f *Facts) Truth {
	return truth(f.Change.IsRegression || f.Change.Kind == issue.ChangeRegressed)
}

func holdsReappeared(_ *Clause, _ *Rule, f *Facts) Truth {
	return truth(f.Change.HasReappeared || f.Change.Kind == issue.ChangeReappeared)
}

func holdsEscalating(_ *Clause, _ *Rule, f *Facts) Truth {
	return truth(f.Change.HasEscalated || f.Change.Kind == issue.ChangeEscalating)
}

// holdsNewRelease is about further releases: the first one is no spread.
func holdsNewRelease(_ *Clause, _ *Rule, f *Facts) Truth {
	c := f.Change
	return truth(!c.IsNew && (c.NewRelease || c.Kind == issue.ChangeInRelease))
}

func holdsNewEnvironment(_ *Clause, _ *Rule, f *Facts) Truth {
	c := f.Change
	return truth(!c.IsNew && (c.NewEnvironment || c.Kind == issue.ChangeInEnvironment))
}

func holdsNewHigh(_ *Clause, _ *Rule, f *Facts) Truth {
	if !f.Change.IsNew && f.Change.Kind != issue.ChangeNew {
		return False
	}
	return f.priority(issue.High)
}

func holdsExistingHigh(_ *Clause, _ *Rule, f *Facts) Truth {
	c := f.Change
	if c.IsNew || !c.BecameHigh && !c.HasEscalated && !c.HasReappeared {
		return False
	}
	return f.priority(issue.High)
}

func holdsPriorityChanged(c *Clause, _ *Rule, f *Facts) Truth {
	if f.Change.Kind != issue.ChangePriority {
		return False
	}
	p, _ := issue.ParsePriority(c.Value)
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
func holdsCount(c *Clause, r *Rule, f *Facts) Truth {
	if f.Change.Kind != issue.ChangeSeen {
		return False
	}
	if f.Issue == nil {
		return Unknown
	}
	value := c.number()
	if !c.Compare && float64(f.Issue.TimesSeen) <= value {
		return False
	}
	now, ok := f.Counts[c.count(r, false)]
	if !ok {
		return Unknown
	}
	if !c.Compare {
		return truth(now > value)
	}
	before, ok := f.Counts[c.count(r, true)]
	if !ok {
		return Unknown
	}
	return truth(percent(now, before) > value)
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
func holdsNth(c *Clause, _ *Rule, f *Facts) Truth {
	n := int64(c.number())
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

func holdsAge(c *Clause, _ *Rule, f *Facts) Truth {
	if f.Issue == nil {
		return Unknown
	}
	limit := time.Duration(min(c.number(), 1e6)) * ageUnits[c.Interval]
	age := f.Now.Sub(f.Issue.FirstSeen)
	if c.Match == OpOlder {
		return truth(age > limit)
	}
	return truth(age < limit)
}

func holdsTimesSeen(c *Clause, _ *Rule, f *Facts) Truth {
	if f.Issue == nil {
		return Unknown
	}
	return truth(float64(f.Issue.TimesSeen) >= c.number())
}

func holdsUsersSeen(c *Clause, _ *Rule, f *Facts) Truth {
	if f.Issue == nil {
		return Unknown
	}
	return truth(float64(f.Issue.UserCount) >= c.number())
}

func holdsAssignedTo(c *Clause, _ *Rule, f *Facts) Truth {
	if f.Issue == nil {
		return Unknown
	}
	if c.Value == "nobody" {
		return truth(f.Issue.Assignee == "")
	}
	return truth(f.Issue.Assignee == c.Value)
}

func holdsLevel(c *Clause, _ *Rule, f *Facts) Truth {
	if !f.eventful() {
		return Unknown
	}
	have, want := severity(f.level()), severity(c.Value)
	switch c.Match {
	case OpEqual:
		return truth(have == want)
	case OpAtMost:
		return truth(have <= want)
	}
	return truth(have >= want)
}

func holdsPriority(c *Clause, _ *Rule, f *Facts) Truth {
	p, _ := issue.ParsePriority(c.Value)
	return f.priority(p)
}

func holdsCategory(c *Clause, _ *Rule, f *Facts) Truth {
	if f.Issue == nil {
		return Unknown
	}
	return truth((f.Issue.Category == c.Value) != (c.Match == OpNotEqual))
}

func holdsTag(c *Clause, _ *Rule, f *Facts) Truth {
	if f.Event == nil || f.Event.Tags == nil {
		return Unknown
	}
	return truth(matchValues(tagValues(f.Event.Tags, c.Key), c.Match, c.Value))
}

func holdsAttribute(c *Clause, _ *Rule, f *Facts) Truth {
	if f.Event == nil || f.Event.Attributes == nil {
		return Unknown
	}
	return truth(matchValues(f.Event.Attributes[c.Key], c.Match, c.Value))
}

func needLatest(_ *Clause, r *Rule, n *Needs) {
	n.Event, n.Latest = true, append(n.Latest, r.Environment)
}

func holdsLatestRelease(_ *Clause, r *Rule, f *Facts) Truth {
	latest, ok := f.Latest[r.Environment]
	if !ok || !f.eventful() {
		return Unknown
	}
	return truth(latest != "" && f.release() == latest)
}

func needReleaseAge(c *Clause, _ *Rule, n *Needs) {
	n.Issue, n.Latest = true, append(n.Latest, c.Value)
}

// holdsReleaseAge compares the issue's oldest or newest release with the newest of an environment.
func holdsReleaseAge(c *Clause, _ *Rule, f *Facts) Truth {
	latest, ok := f.Latest[c.Value]
	if !ok || f.Issue == nil {
		return Unknown
	}
	have := f.Issue.LastRelease
	if c.Key == "oldest" {
		have = f.Issue.FirstRelease
	}
	if latest == "" || have == "" || f.Order == nil {
		return False
	}
	order, _ := f.Order(have, latest)
	if c.Match == OpOlder {
		return truth(order < 0)
	}
	return truth(order > 0)
}

func holdsEnvironment(c *Clause, _ *Rule, f *Facts) Truth {
	if !f.eventful() {
		return Unknown
	}
	return truth(strings.EqualFold(strings.TrimSpace(f.environment()), strings.TrimSpace(c.Value)))
}

func holdsQuery(c *Clause, _ *Rule, f *Facts) Truth {
	found, ok := f.Queries[c.Value]
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
