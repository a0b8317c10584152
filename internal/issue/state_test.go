package issue_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
)

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func ptr[T any](v T) *T { return &v }

// byText is the order of releases by their names, as versions or as days.
func byText(semver bool) issue.Order {
	return func(a, b string) (int, bool) { return strings.Compare(a, b), semver }
}

func TestResolveThenSightRegressesOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := issue.State{Status: issue.Unresolved, Substatus: issue.New, FirstSeen: now}
		want, got := 0, 0
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "resolve") {
				s, _, _ = issue.Apply(s, issue.Action{Status: ptr(issue.Resolved)}, 7, now)
				continue
			}
			if s.Status == issue.Resolved {
				want++
			}
			next, step := issue.Sight(s, issue.Sighting{At: now, EventID: "e"}, nil)
			if step.Change == issue.ChangeRegressed {
				got++
				if len(step.Activities) != 1 || step.Activities[0].Type != issue.ActivityRegression {
					t.Fatalf("want an activity of the regression, got %+v", step.Activities)
				}
			}
			if s = next; s.Status != issue.Unresolved {
				t.Fatalf("after a sighting: want unresolved, got %s", s.Status)
			}
		}
		if want != got {
			t.Fatalf("want %d regressions, got %d", want, got)
		}
	})
}

func TestWhichReleasesRegress(t *testing.T) {
	t.Parallel()
	in := func(r string) *issue.Resolution { return &issue.Resolution{InRelease: r} }
	next := func(after string) *issue.Resolution {
		return &issue.Resolution{InNextRelease: true, AfterRelease: after}
	}
	for _, c := range []struct {
		name       string
		resolution *issue.Resolution
		release    string
		semver     bool
		want       bool
	}{
		{"plain", nil, "1", true, true},
		{"plain, no release", nil, "", true, true},
		{"empty resolution", &issue.Resolution{User: 3}, "", true, true},
		{"in release, none sent", in("2"), "", true, false},
		{"in release, older version", in("2"), "1", true, false},
		{"in release, the same", in("2"), "2", true, true},
		{"in release, newer version", in("2"), "3", true, true},
		{"in release, older day", in("2"), "1", false, false},
		{"in release, newer day", in("2"), "3", false, true},
		{"in release, the same by day", in("2"), "2", false, true},
		{"next release, none sent", next("2"), "", true, false},
		{"next release, current", next("2"), "2", true, false},
		{"next release, older", next("2"), "1", true, false},
		{"next release, newer", next("2"), "3", true, true},
		{"next release, current by day", next("2"), "2", false, false},
		{"next release, newer day", next("2"), "3", false, true},
		{"next release when there was none", next(""), "1", true, true},
	} {
		s := issue.State{Status: issue.Resolved, Resolution: c.resolution}
		got, step := issue.Sight(s, issue.Sighting{At: now, Release: c.release}, byText(c.semver))
		if (step.Change == issue.ChangeRegressed) != c.want || (got.Status == issue.Unresolved) != c.want {
			t.Errorf("%s: want regressed %v, got %+v, %+v", c.name, c.want, got, step)
		}
		if c.want && (got.Substatus != issue.Regressed || got.Resolution != nil || !got.StatusAt.Equal(now)) {
			t.Errorf("%s: want a clean regressed state, got %+v", c.name, got)
		}
	}
}

func TestASnoozeIsLiftedByItsFirstCondition(t *testing.T) {
	t.Parallel()
	later := now.Add(time.Hour)
	for _, c := range []struct {
		name   string
		snooze issue.Snooze
		seen   int64
		users  int64
		at     time.Time
		want   issue.Substatus
	}{
		{"before the time", issue.Snooze{Until: &later}, 99, 9, now, issue.UntilCondition},
		{"at the time", issue.Snooze{Until: &later}, 11, 1, later, issue.Ongoing},
		{"too few events", issue.Snooze{Count: 5}, 14, 9, now, issue.UntilCondition},
		{"enough events", issue.Snooze{Count: 5}, 15, 1, now, issue.Escalating},
		{"too few users", issue.Snooze{UserCount: 2}, 99, 3, now, issue.UntilCondition},
		{"enough users", issue.Snooze{UserCount: 2}, 99, 4, now, issue.Escalating},
	} {
		s := issue.State{Status: issue.Unresolved, TimesSeen: 10, UserCount: 2}
		s, acts, err := issue.Apply(s, issue.Action{Status: ptr(issue.Archived), Snooze: &c.snooze}, 0, now)
		if err != nil || len(acts) != 1 || s.Substatus != issue.UntilCondition {
			t.Fatalf("%s: archive: %+v, %v, %v", c.name, s, acts, err)
		}
		s.TimesSeen, s.UserCount = c.seen, c.users
		got, step := issue.Sight(s, issue.Sighting{At: c.at}, nil)
		lifted, often := c.want != issue.UntilCondition, c.want == issue.Escalating
		if got.Substatus != c.want || (step.Change == issue.ChangeReappeared) != lifted || step.Flags.HasReappeared != lifted ||
			step.Flags.HasEscalated != often || (step.Activities != nil) != lifted {
			t.Errorf("%s: want %s, got %+v, %+v", c.name, c.want, got, step)
		}
	}
	s := issue.State{Status: issue.Archived, Substatus: issue.Forever}
	if got, step := issue.Sight(s, issue.Sighting{At: now}, nil); !cmp.Equal(got, s) || step.Change != "" || step.Activities != nil {
		t.Errorf("archived for ever: want no change, got %+v, %+v", got, step)
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	young, old := now.Add(-time.Hour), now.Add(-30*24*time.Hour)
	unresolve := issue.Action{Status: ptr(issue.Unresolved), Single: true}
	for _, c := range []struct {
		name   string
		before issue.State
		action issue.Action
		want   issue.Substatus
		types  []issue.ActivityType
	}{
		{"resolve", issue.State{Substatus: issue.Ongoing}, issue.Action{Status: ptr(issue.Resolved)}, issue.None, []issue.ActivityType{issue.ActivityResolved}},
		{"resolve again", issue.State{Status: issue.Resolved}, issue.Action{Status: ptr(issue.Resolved)}, issue.None, nil},
		{"resolve in a release", issue.State{Status: issue.Resolved}, issue.Action{Status: ptr(issue.Resolved), Resolution: &issue.Resolution{InRelease: "2"}},
			issue.None, []issue.ActivityType{issue.ActivityResolvedInRelease}},
		{"resolve in the next release", issue.State{}, issue.Action{Status: ptr(issue.Resolved), Resolution: &issue.Resolution{InNextRelease: true}},
			issue.None, []issue.ActivityType{issue.ActivityResolvedInRelease}},
		{"archive", issue.State{}, issue.Action{Status: ptr(issue.Archived)}, issue.Forever, []issue.ActivityType{issue.ActivityArchived}},
		{"archive again", issue.State{Status: issue.Archived, Substatus: issue.Forever}, issue.Action{Status: ptr(issue.Archived)}, issue.Forever, nil},
		{"archive until it escalates", issue.State{}, issue.Action{Status: ptr(issue.Archived), Substatus: ptr(issue.UntilEscalating)},
			issue.UntilEscalating, []issue.ActivityType{issue.ActivityArchived}},
		{"unresolve a resolved one", issue.State{Status: issue.Resolved}, unresolve, issue.Regressed, []issue.ActivityType{issue.ActivityUnresolved}},
		{"unresolve a young archived one", issue.State{Status: issue.Archived, FirstSeen: young}, unresolve, issue.New, []issue.ActivityType{issue.ActivityUnresolved}},
		{"unresolve an old archived one", issue.State{Status: issue.Archived, FirstSeen: old}, unresolve, issue.Ongoing, []issue.ActivityType{issue.ActivityUnresolved}},
		{"unresolve many", issue.State{Status: issue.Resolved}, issue.Action{Status: ptr(issue.Unresolved)}, issue.Ongoing, []issue.ActivityType{issue.ActivityUnresolved}},
		{"unresolve an unresolved one", issue.State{Substatus: issue.Escalating}, unresolve, issue.Escalating, nil},
		{"substatus alone", issue.State{Substatus: issue.New}, issue.Action{Substatus: ptr(issue.Ongoing)}, issue.Ongoing, []issue.ActivityType{issue.ActivityUnresolved}},
		{"assign and prioritize", issue.State{Substatus: issue.New, Priority: issue.Low}, issue.Action{Assignee: ptr("user:7"), Priority: ptr(issue.High)},
			issue.New, []issue.ActivityType{issue.ActivityPriority, issue.ActivityAssigned}},
		{"unassign", issue.State{Assignee: "team:1", Substatus: issue.New}, issue.Action{Assignee: ptr("")}, issue.New, []issue.ActivityType{issue.ActivityUnassigned}},
	} {
		got, acts, err := issue.Apply(c.before, c.action, 7, now)
		var types []issue.ActivityType
		for _, a := range acts {
			types = append(types, a.Type)
		}
		if diff := cmp.Diff(c.types, types); err != nil || got.Substatus != c.want || diff != "" {
			t.Errorf("%s: want %s, got %s, %v (-want +got):\n%s", c.name, c.want, got.Substatus, err, diff)
		}
		if len(types) == 0 && !cmp.Equal(c.before, got) {
			t.Errorf("%s: nothing to tell, yet the state changed to %+v", c.name, got)
		}
	}
}

func TestContradictoryActionsAreRefused(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]issue.Action{
		"substatus of another status":   {Status: ptr(issue.Resolved), Substatus: ptr(issue.Ongoing)},
		"resolution while unresolved":   {Resolution: &issue.Resolution{InRelease: "1"}},
		"snooze while resolved":         {Status: ptr(issue.Resolved), Snooze: &issue.Snooze{Count: 1}},
		"a release and the next one":    {Status: ptr(issue.Resolved), Resolution: &issue.Resolution{InRelease: "1", InNextRelease: true}},
		"substatus of the status ahead": {Substatus: ptr(issue.Forever)},
	} {
		if _, _, err := issue.Apply(issue.State{}, a, 0, now); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: want invalid, got %v", name, err)
		}
	}
}

func TestWordsAreReadBack(t *testing.T) {
	t.Parallel()
	for _, s := range []issue.Status{issue.Unresolved, issue.Resolved, issue.Archived} {
		if got, ok := issue.ParseStatus(s.String()); got != s || !ok {
			t.Errorf("want %d, got %d", s, got)
		}
	}
	for s := issue.UntilEscalating; s <= issue.New; s++ {
		if got, ok := issue.ParseSubstatus(s.String()); got != s || !ok {
			t.Errorf("want %d, got %d", s, got)
		}
	}
	for level, want := range map[event.Level]issue.Priority{event.LevelFatal: issue.High, event.LevelError: issue.High, event.LevelWarning: issue.Medium, event.LevelInfo: issue.Low} {
		got, ok := issue.ParsePriority(issue.PriorityOf(level).String())
		if got != want || !ok {
			t.Errorf("%s: want %s, got %s", level, want, got)
		}
	}
	if _, ok := issue.ParseStatus("pending_merge"); ok {
		t.Error("want an unknown word refused")
	}
}
