package alert_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/issue"
)

var now = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// scene is a change with facts; each row of the table changes one.
func scene(kind issue.ChangeKind, more ...func(*alert.Facts)) *alert.Facts {
	c := &issue.Change{ID: 1, Kind: kind, Project: 1, Issue: 2, Level: "error", Release: "shop@2", Environment: "production", EventID: "e", TimesSeen: 100, Count: 3, At: now}
	f := &alert.Facts{Change: c, Now: now,
		Issue: &alert.IssueFacts{Priority: issue.Medium, Category: "1", FirstSeen: now.Add(-2 * time.Hour), TimesSeen: 100, UserCount: 20, FirstRelease: "shop@1", LastRelease: "shop@2"},
		Event: &alert.EventFacts{Level: "error", Release: "shop@2", Environment: "production", Tags: [][2]string{{"Browser", "Firefox 145"}},
			Attributes: map[string][]string{"exception.type": {"ValueError"}, "http.url": {"https://a.example/x"}}},
		Counts: map[alert.Count]float64{}, Queries: map[string]bool{"is:unresolved": true, "is:resolved": false}, Latest: map[string]string{"": "shop@2", "production": "shop@2", "old": "shop@1"},
		Order: func(a, b string) (int, bool) { return strings.Compare(a, b), true }}
	for _, m := range more {
		m(f)
	}
	return f
}

func counting(n float64, c alert.Count) func(*alert.Facts) {
	return func(f *alert.Facts) { f.Counts[c] = n }
}

// row is one clause with a scene in which it fires and one in which it does not.
type row struct {
	name    string
	clause  alert.Clause
	yes, no *alert.Facts
}

func on(k issue.ChangeKind) *alert.Facts { return scene(k) }

func conditionRows() []row {
	hour := alert.Count{Window: time.Hour}
	before := alert.Count{Window: time.Hour, Shift: 24 * time.Hour}
	users := alert.Count{Users: true, Window: time.Hour}
	tagged := []alert.Clause{{Kind: alert.KindTag, Key: "browser", Match: alert.OpStarts, Value: "firefox"}}
	text, _ := json.Marshal(tagged)
	filtered := alert.Count{Users: true, Window: time.Hour, Filter: string(text)}
	flag := func(k issue.ChangeKind, set func(*issue.Change)) *alert.Facts {
		return scene(k, func(f *alert.Facts) { set(f.Change) })
	}
	high := func(f *alert.Facts) { f.Issue.Priority = issue.High }
	seen := issue.ChangeSeen
	return []row{
		{"event", alert.Clause{Kind: alert.KindEvent}, on(seen), on(issue.ChangeNew)},
		{"new", alert.Clause{Kind: alert.KindNew}, on(issue.ChangeNew), on(issue.ChangeRegressed)},
		{"regressed", alert.Clause{Kind: alert.KindRegressed}, on(issue.ChangeRegressed), on(issue.ChangeNew)},
		{"reappeared", alert.Clause{Kind: alert.KindReappeared}, on(issue.ChangeReappeared), on(issue.ChangeNew)},
		{"escalating", alert.Clause{Kind: alert.KindEscalating}, flag(issue.ChangeReappeared, func(c *issue.Change) { c.HasEscalated = true }), on(issue.ChangeNew)},
		{"resolved", alert.Clause{Kind: alert.KindResolved}, on(issue.ChangeResolved), on(issue.ChangeNew)},
		{"assigned", alert.Clause{Kind: alert.KindAssigned}, on(issue.ChangeAssigned), on(issue.ChangeResolved)},
		{"commented", alert.Clause{Kind: alert.KindCommented}, on(issue.ChangeCommented), on(issue.ChangeAssigned)},
		{"new, high priority", alert.Clause{Kind: alert.KindNewHigh}, scene(issue.ChangeNew, high), on(issue.ChangeNew)},
		{"existing, high priority", alert.Clause{Kind: alert.KindExistingHigh}, scene(issue.ChangePriority, high, func(f *alert.Facts) { f.Change.BecameHigh = true }), scene(issue.ChangeNew, high, func(f *alert.Facts) { f.Change.IsNew, f.Change.BecameHigh = true, true })},
		{"events", alert.Clause{Kind: alert.KindEvents, Value: "10", Interval: "1h"}, scene(seen, counting(11, hour)), scene(seen, counting(10, hour))},
		{"events, percent", alert.Clause{Kind: alert.KindEvents, Value: "100", Interval: "1h", Compare: true, Shift: "1d"}, scene(seen, counting(21, hour), counting(10, before)), scene(seen, counting(20, hour), counting(10, before))},
		{"events, percent of nothing", alert.Clause{Kind: alert.KindEvents, Value: "100", Interval: "1h", Compare: true, Shift: "1d"}, scene(seen, counting(2, hour), counting(0, before)), scene(seen, counting(1, hour), counting(0, before))},
		{"users", alert.Clause{Kind: alert.KindUsers, Value: "5", Interval: "1h"}, scene(seen, counting(6, users)), scene(seen, counting(5, users))},
		{"users, filtered", alert.Clause{Kind: alert.KindUsersFiltered, Value: "5", Interval: "1h", Clauses: tagged}, scene(seen, counting(6, filtered)), scene(seen, counting(5, filtered))},
		{"every Nth", alert.Clause{Kind: alert.KindNth, Value: "50"}, on(seen), scene(seen, func(f *alert.Facts) { f.Change.TimesSeen = 99 })},
		{"new release", alert.Clause{Kind: alert.KindNewRelease}, flag(issue.ChangeInRelease, func(c *issue.Change) { c.NewRelease = true }), flag(issue.ChangeNew, func(c *issue.Change) { c.IsNew, c.NewRelease = true, true })},
		{"new environment", alert.Clause{Kind: alert.KindNewEnvironment}, flag(issue.ChangeInEnvironment, func(c *issue.Change) { c.NewEnvironment = true }), flag(issue.ChangeNew, func(c *issue.Change) { c.IsNew, c.NewEnvironment = true, true })},
		{"priority changed", alert.Clause{Kind: alert.KindPriorityChanged, Value: "high"}, scene(issue.ChangePriority, high), on(issue.ChangePriority)},
	}
}

func filterRows() []row {
	is := func(set func(*alert.Facts)) *alert.Facts { return scene(issue.ChangeNew, set) }
	plain := on(issue.ChangeNew)
	rows := []row{
		{"age older", alert.Clause{Kind: alert.KindAge, Match: alert.OpOlder, Value: "1", Interval: "hour"}, plain, is(func(f *alert.Facts) { f.Issue.FirstSeen = now })},
		{"age newer", alert.Clause{Kind: alert.KindAge, Match: alert.OpNewer, Value: "1", Interval: "hour"}, is(func(f *alert.Facts) { f.Issue.FirstSeen = now }), plain},
		{"times seen", alert.Clause{Kind: alert.KindTimesSeen, Value: "100"}, plain, is(func(f *alert.Facts) { f.Issue.TimesSeen = 99 })},
		{"users seen", alert.Clause{Kind: alert.KindUsersSeen, Value: "20"}, plain, is(func(f *alert.Facts) { f.Issue.UserCount = 19 })},
		{"assigned to nobody", alert.Clause{Kind: alert.KindAssignedTo, Value: "nobody"}, plain, is(func(f *alert.Facts) { f.Issue.Assignee = "user:7" })},
		{"assigned to a member", alert.Clause{Kind: alert.KindAssignedTo, Value: "user:7"}, is(func(f *alert.Facts) { f.Issue.Assignee = "user:7" }), plain},
		{"level at least", alert.Clause{Kind: alert.KindLevel, Value: "error"}, plain, is(func(f *alert.Facts) { f.Event.Level = "warning" })},
		{"level at most", alert.Clause{Kind: alert.KindLevel, Match: alert.OpAtMost, Value: "warning"}, is(func(f *alert.Facts) { f.Event.Level = "info" }), plain},
		{"level equal", alert.Clause{Kind: alert.KindLevel, Match: alert.OpEqual, Value: "error"}, plain, is(func(f *alert.Facts) { f.Event.Level = "fatal" })},
		{"priority", alert.Clause{Kind: alert.KindPriority, Value: "medium"}, plain, is(func(f *alert.Facts) { f.Issue.Priority = issue.Low })},
		{"category", alert.Clause{Kind: alert.KindCategory, Value: "1"}, plain, is(func(f *alert.Facts) { f.Issue.Category = "6" })},
		{"latest release", alert.Clause{Kind: alert.KindLatestRelease}, plain, is(func(f *alert.Facts) { f.Event.Release = "shop@1" })},
		{"oldest release older", alert.Clause{Kind: alert.KindReleaseAge, Key: "oldest", Match: alert.OpOlder, Value: "production"}, plain, is(func(f *alert.Facts) { f.Issue.FirstRelease = "shop@2" })},
		{"newest release newer", alert.Clause{Kind: alert.KindReleaseAge, Key: "newest", Match: alert.OpNewer, Value: "old"}, plain, is(func(f *alert.Facts) { f.Issue.LastRelease = "shop@1" })},
		{"environment", alert.Clause{Kind: alert.KindEnvironment, Value: "Production "}, plain, is(func(f *alert.Facts) { f.Event.Environment = "staging" })},
		{"query", alert.Clause{Kind: alert.KindQuery, Value: "is:unresolved"}, plain, is(func(f *alert.Facts) { f.Queries["is:unresolved"] = false })},
		{"attribute", alert.Clause{Kind: alert.KindAttribute, Key: "exception.type", Match: alert.OpEqual, Value: "valueerror"}, plain, is(func(f *alert.Facts) { f.Event.Attributes["exception.type"] = []string{"KeyError"} })},
	}
	tag := func(values ...string) *alert.Facts {
		return is(func(f *alert.Facts) {
			f.Event.Tags = [][2]string{}
			for _, v := range values {
				f.Event.Tags = append(f.Event.Tags, [2]string{"sentry:browser", v})
			}
		})
	}
	for _, c := range []struct {
		op      alert.Operator
		value   string
		yes, no *alert.Facts
	}{
		{alert.OpContains, "FOX", tag("Firefox"), tag("Chrome")}, {alert.OpNotContains, "fox", tag("Chrome"), tag("Chrome", "Firefox")},
		{alert.OpEqual, " firefox", tag("Firefox "), tag("Firefox 1")}, {alert.OpNotEqual, "firefox", tag("Chrome"), tag("Firefox")},
		{alert.OpStarts, "fire", tag("Firefox"), tag("a Firefox")}, {alert.OpNotStarts, "fire", tag("Chrome"), tag("Firefox")},
		{alert.OpEnds, "fox", tag("Firefox"), tag("Fox 1")}, {alert.OpNotEnds, "fox", tag("Chrome"), tag("Firefox")},
		{alert.OpSet, "", tag("x"), tag()}, {alert.OpNotSet, "", tag(), tag("x")},
		{alert.OpIn, "chrome, firefox", tag("Firefox"), tag("Opera")}, {alert.OpNotIn, "chrome, firefox", tag("Opera"), tag("Firefox")},
	} {
		rows = append(rows, row{"tag " + string(c.op), alert.Clause{Kind: alert.KindTag, Key: "Browser", Match: c.op, Value: c.value}, c.yes, c.no})
	}
	return rows
}

func rule(conditions, filters []alert.Clause) *alert.Rule {
	return &alert.Rule{Project: 1, Name: "x", Enabled: true, Match: alert.MatchAll, FilterMatch: alert.MatchAll, Conditions: conditions, Filters: filters,
		Actions: []alert.Action{somewhere}}
}

// TestEveryConditionFires holds each condition against a scene in which it fires and one in which it
// does not, and every kind must have a row.
func TestEveryConditionFires(t *testing.T) {
	t.Parallel()
	covered := map[alert.Kind]bool{}
	for _, r := range conditionRows() {
		covered[r.clause.Kind] = true
		rule := rule([]alert.Clause{r.clause}, nil)
		if err := rule.Validate(); err != nil {
			t.Errorf("%s: %v", r.name, err)
		}
		evaluates(t, r.name, rule, r.yes, r.no)
		if s := r.clause.Sentence(); s == "" || s == string(r.clause.Kind) {
			t.Errorf("%s has no sentence", r.name)
		}
	}
	for _, k := range alert.Kinds(true) {
		if !covered[k] {
			t.Errorf("condition %s has no row", k)
		}
	}
}

// evaluates runs a rule in a scene in which it fires and in one in which it does not.
func evaluates(t *testing.T, name string, r *alert.Rule, yes, no *alert.Facts) {
	t.Helper()
	t.Run(name+"/fires", func(t *testing.T) {
		if got := alert.Prepare(r).Evaluate(yes); got != alert.True {
			t.Errorf("want it to fire, got %v", got)
		}
	})
	t.Run(name+"/silent", func(t *testing.T) {
		if got := alert.Prepare(r).Evaluate(no); got != alert.False {
			t.Errorf("want it silent, got %v", got)
		}
	})
}

// TestEveryFilterDecides holds each filter against an event that it lets through and one that it does not.
func TestEveryFilterDecides(t *testing.T) {
	t.Parallel()
	for _, r := range filterRows() {
		evaluates(t, r.name, rule([]alert.Clause{{Kind: alert.KindNew}}, []alert.Clause{r.clause}), r.yes, r.no)
	}
}

// TestEveryConditionFilterAndActionCombine fires every condition through every filter to every kind
// of action, and silences it by the filter, by the condition, and by each option of the rule.
func TestEveryConditionFilterAndActionCombine(t *testing.T) {
	t.Parallel()
	covered := map[alert.Kind]bool{}
	combined := 0
	for _, c := range conditionRows() {
		for _, f := range filterRows() {
			covered[f.clause.Kind] = true
			for _, a := range actionRows() {
				r := rule([]alert.Clause{c.clause}, []alert.Clause{f.clause})
				r.Actions = []alert.Action{a}
				if err := r.Validate(); err != nil {
					t.Fatalf("%s × %s × %s: %v", c.name, f.name, a.Kind, err)
				}
				yes, no := joined(c.yes, f.yes), joined(c.yes, f.no)
				if c.clause.Kind == alert.KindPriorityChanged || c.clause.Kind == alert.KindNewHigh || c.clause.Kind == alert.KindExistingHigh {
					yes.Issue.Priority = issue.High
					if f.clause.Kind == alert.KindPriority {
						no = joined(c.no, f.yes)
					} else {
						no.Issue.Priority = issue.High
					}
				}
				if got := alert.Prepare(r).Evaluate(yes); got != alert.True {
					t.Errorf("%s × %s × %s: want it to fire, got %v", c.name, f.name, a.Kind, got)
				}
				if got := alert.Prepare(r).Evaluate(no); got != alert.False {
					t.Errorf("%s × %s × %s: want it silent, got %v", c.name, f.name, a.Kind, got)
				}
				combined++
			}
		}
	}
	for _, k := range alert.Kinds(false) {
		if !covered[k] {
			t.Errorf("filter %s has no row", k)
		}
	}
	if want := len(conditionRows()) * len(filterRows()) * len(actionRows()); combined != want {
		t.Errorf("want %d combinations, got %d", want, combined)
	}
}

// actionRows is one action of each kind.
func actionRows() []alert.Action {
	return []alert.Action{somewhere, {Kind: alert.ActionOwners}, {Kind: alert.ActionMember, Target: 7}, {Kind: alert.ActionTeam, Target: 3}}
}

// joined is the change and counts of one scene with the issue and event of another.
func joined(c, f *alert.Facts) *alert.Facts {
	out := *f
	out.Change, out.Counts = c.Change, c.Counts
	i := *f.Issue
	out.Issue = &i
	return &out
}

func TestQuietHoursFollowTheWallClock(t *testing.T) {
	t.Parallel()
	zurich, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	q := &alert.Quiet{Zone: "Europe/Zurich", From: "22:00", To: "07:00"}
	weekdays := &alert.Quiet{Zone: "Europe/Zurich", From: "22:00", To: "07:00", Days: []time.Weekday{time.Monday}}
	for name, c := range map[string]struct {
		quiet *alert.Quiet
		at    time.Time
		end   time.Time
	}{
		"evening":               {q, time.Date(2026, 11, 20, 23, 0, 0, 0, zurich), time.Date(2026, 11, 21, 7, 0, 0, 0, zurich)},
		"night":                 {q, time.Date(2026, 11, 21, 3, 0, 0, 0, zurich), time.Date(2026, 11, 21, 7, 0, 0, 0, zurich)},
		"noon":                  {q, time.Date(2026, 11, 21, 12, 0, 0, 0, zurich), time.Time{}},
		"the end is not within": {q, time.Date(2026, 11, 21, 7, 0, 0, 0, zurich), time.Time{}},
		"clocks go back":        {q, time.Date(2026, 10, 25, 0, 30, 0, 0, zurich), time.Date(2026, 10, 25, 7, 0, 0, 0, zurich)},
		"Tuesday before dawn":   {weekdays, time.Date(2026, 11, 24, 3, 0, 0, 0, zurich), time.Date(2026, 11, 24, 7, 0, 0, 0, zurich)},
		"Wednesday before dawn": {weekdays, time.Date(2026, 11, 25, 3, 0, 0, 0, zurich), time.Time{}},
		"none":                  {nil, now, time.Time{}},
	} {
		if end, ok := c.quiet.Until(c.at); ok == c.end.IsZero() || !end.Equal(c.end) {
			t.Errorf("%s: want %v, got %v, %v", name, c.end, end, ok)
		}
	}
}

func TestBudgetsAndFolds(t *testing.T) {
	t.Parallel()
	n := alert.Noise{Budget: 3, DigestMin: 5 * time.Minute, DigestMax: 15 * time.Minute}
	var b alert.Tokens
	for i := range 5 {
		if got := b.Take(n, now.Add(time.Duration(i)*time.Second)); got != (i < 3) {
			t.Errorf("message %d: %v", i, got)
		}
	}
	if !b.Take(n, now.Add(6*time.Minute)) || b.Take(n, now.Add(6*time.Minute)) {
		t.Error("want one message more after the shorter time")
	}
	var f alert.Fold
	f.Extend(n, now)
	if want := now.Add(5 * time.Minute); !f.DueAt.Equal(want) {
		t.Errorf("first: want %v, got %v", want, f.DueAt)
	}
	for range 100 {
		f.Extend(n, now)
	}
	if want := now.Add(15 * time.Minute); !f.DueAt.Equal(want) {
		t.Errorf("last: want %v, got %v", want, f.DueAt)
	}
}
