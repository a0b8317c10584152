package issue_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tocsin-dev/tocsin/internal/issue"
)

func TestForecasts(t *testing.T) {
	t.Parallel()
	week := func(set map[int]int64, rest int64) []int64 {
		hours := slices.Repeat([]int64{rest}, issue.ForecastHours)
		for i, n := range set {
			hours[i] = n
		}
		return hours
	}
	for name, c := range map[string]struct {
		hours []int64
		want  int64
	}{
		"nothing":               {nil, 0},
		"less than a week":      {[]int64{3, 0, 7}, 70},
		"a week of silence":     {week(nil, 0), 0},
		"steady":                {week(nil, 10), 60}, // mean + 5 times mean
		"a burst in a week":     {week(map[int]int64{40: 100}, 0), 200},
		"a burst above the day": {week(map[int]int64{40: 100}, 10), 327}, // 100 times 5e^(-0.65·6.92/10.54)
	} {
		if got := issue.Forecast(c.hours); got != c.want {
			t.Errorf("%s: want %d, got %d", name, c.want, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		hours := rapid.SliceOfN(rapid.Int64Range(0, 1000), 1, issue.ForecastHours).Draw(t, "hours")
		if got := issue.Forecast(hours); got < slices.Max(hours) {
			t.Fatalf("the forecast %d is below what was seen, %d", got, slices.Max(hours))
		}
	})
}

func TestEscalatingRaisesThePriorityUntilItSettles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		priority, raised, settled issue.Priority
		locked                    bool
	}{{issue.Low, issue.Medium, issue.Low, false}, {issue.Medium, issue.High, issue.Medium, false}, {issue.High, issue.High, issue.High, false}, {issue.Low, issue.Low, issue.Low, true}} {
		s := issue.State{Status: issue.Archived, Substatus: issue.UntilEscalating, Snooze: &issue.Snooze{Escalating: true, Forecast: 5, ForecastAt: &now},
			Priority: c.priority, Initial: c.priority, Locked: c.locked, FirstSeen: now.Add(-48 * time.Hour)}
		if s.Exceeds(5, now) || !s.Exceeds(6, now) {
			t.Error("want more than the forecast needed")
		}
		s, step := s.Escalate("e", 5, now)
		if s.Substatus != issue.Escalating || s.Priority != c.raised || s.Snooze != nil || step.Change != issue.ChangeReappeared || !step.Flags.HasEscalated ||
			step.Flags.BecameHigh != (c.raised == issue.High && c.priority != issue.High) {
			t.Errorf("%s, locked %v: got %+v, %+v", c.priority, c.locked, s, step)
		}
		if same, acts := s.Settle(now.Add(issue.SettleAfter - time.Minute)); acts != nil || !cmp.Equal(same, s) {
			t.Errorf("too early to settle: %+v", acts)
		}
		s, acts := s.Settle(now.Add(issue.SettleAfter))
		if s.Substatus != issue.Ongoing || s.Priority != c.settled || acts[0].Type != issue.ActivityOngoing {
			t.Errorf("%s, locked %v: settled as %+v, %+v", c.priority, c.locked, s, acts)
		}
		if _, acts := s.Settle(now.Add(3 * issue.SettleAfter)); acts != nil {
			t.Errorf("settled twice: %+v", acts)
		}
	}
}

func TestNewIssuesEscalateAboveTheThreshold(t *testing.T) {
	t.Parallel()
	s := issue.State{Substatus: issue.New, FirstSeen: now.Add(-2 * time.Hour), TimesSeen: 20}
	if !s.Outgrows(9, now) || s.Outgrows(10, now) || s.Outgrows(0, now) {
		t.Error("want ten an hour to outgrow nine, not ten, nor an unknown threshold")
	}
	few, old, seen := s, s, s
	few.TimesSeen, old.FirstSeen, seen.Substatus = issue.EscalateCount-1, now.Add(-25*time.Hour), issue.Ongoing
	old.TimesSeen = 10_000
	for name, s := range map[string]issue.State{"seldom": few, "old": old, "known": seen} {
		if s.Outgrows(0.1, now) {
			t.Errorf("%s: escalates", name)
		}
	}
}

// TestTakingBackRestores: whatever a person did, taking it back leaves the issue as it was, counts
// aside.
func TestTakingBackRestores(t *testing.T) {
	t.Parallel()
	statuses := rapid.SampledFrom([]issue.Status{issue.Unresolved, issue.Resolved, issue.Archived})
	priorities := rapid.SampledFrom([]issue.Priority{issue.Low, issue.Medium, issue.High})
	assignees := rapid.SampledFrom([]string{"", "user:7", "team:3"})
	rapid.Check(t, func(t *rapid.T) {
		before := issue.State{Substatus: issue.Ongoing, FirstSeen: now, StatusAt: now, TimesSeen: 3}
		act := func(s issue.State, label string) issue.State {
			a := issue.Action{Status: ptr(statuses.Draw(t, label)), Priority: ptr(priorities.Draw(t, label)), Assignee: ptr(assignees.Draw(t, label))}
			if *a.Status == issue.Archived {
				a.Snooze = &issue.Snooze{Count: rapid.Int64Range(1, 9).Draw(t, label)}
			}
			s, _, err := issue.Apply(s, a, 7, now)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		before = act(before, "before")
		after := act(before, "after")
		after.TimesSeen++
		got, acts := after.Restore(before, now)
		before.TimesSeen++
		if diff := cmp.Diff(before, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		if _, again := got.Restore(before, now); again != nil {
			t.Fatalf("taken back twice: %+v, %+v", acts, again)
		}
	})
}
