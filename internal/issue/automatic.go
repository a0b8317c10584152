package issue

import (
	"math"
	"slices"
	"time"
)

// What makes issues escalate by themselves.
// Rule: getsentry/sentry src/sentry/issues/escalating/
const (
	// EscalateAfter is how old an issue is before its forecast counts; a younger one that is new
	// escalates by the threshold of its project.
	EscalateAfter = 24 * time.Hour
	// EscalateCount is how often a new issue is seen at least before it escalates.
	EscalateCount = 10
	// ForecastAge is how long a forecast is used, and a threshold.
	ForecastAge = 24 * time.Hour
	// ForecastHours is how many hours before now a forecast is made of.
	ForecastHours = 7 * 24
)

// Forecast is how many events of one hour are more than can be expected after the hourly counts,
// the oldest first, none left out. With less than a week of them it is ten times the largest.
// Rule: getsentry/sentry src/sentry/issues/escalating/forecasts (generate_issue_forecast)
func Forecast(hourly []int64) int64 {
	if len(hourly) == 0 {
		return 0
	}
	top := float64(slices.Max(hourly))
	if len(hourly) < ForecastHours {
		return int64(10 * top)
	}
	sum := 0.0
	for _, n := range hourly {
		sum += float64(n)
	}
	mean := sum / float64(len(hourly))
	if mean == 0 {
		return 0
	}
	squares := 0.0
	for _, n := range hourly {
		squares += (float64(n) - mean) * (float64(n) - mean)
	}
	sd := math.Sqrt(squares / float64(len(hourly)))
	limit := top * clamp(5*math.Exp(-0.65*sd/mean), 2, 5)
	band := mean + clamp((mean+5*sd)/mean, 5, 8)*mean
	return int64(math.Ceil(max(limit, band)))
}

func clamp(v, low, high float64) float64 { return min(max(v, low), high) }

// Outgrows reports whether a new issue is seen more often per hour than the threshold of its
// project: how often the busiest twentieth of its issues is; 0 lets nothing escalate.
func (s State) Outgrows(threshold float64, now time.Time) bool {
	age := now.Sub(s.FirstSeen)
	return s.Status == Unresolved && s.Substatus == New && age < EscalateAfter && s.TimesSeen >= EscalateCount && threshold > 0 &&
		float64(s.TimesSeen)/max(1, age.Hours()) > threshold
}

// Exceeds reports whether an issue that is archived until it escalates was seen more often in this
// hour than its forecast says.
func (s State) Exceeds(thisHour int64, now time.Time) bool {
	return s.Status == Archived && s.Snooze != nil && s.Snooze.Escalating && s.Snooze.ForecastAt != nil &&
		now.Sub(s.FirstSeen) >= EscalateAfter && thisHour > s.Snooze.Forecast
}

// Affected lifts a snooze until so many more users are affected, which are counted some seconds after their
// events came; eventID is the newest event.
func (s State) Affected(eventID string, now time.Time) (State, Step) {
	z := s.Snooze
	if s.Status != Archived || z == nil || z.UserCount == 0 || z.UserWindow > 0 || s.UserCount-z.BaseUsers < z.UserCount {
		return s, Step{}
	}
	data := z.data()
	data["event_id"] = eventID
	return s.escalate(data, now)
}

// Escalate makes an issue escalate; eventID is the event that shows it, forecast what was expected.
func (s State) Escalate(eventID string, forecast int64, now time.Time) (State, Step) {
	return s.escalate(map[string]any{"event_id": eventID, "forecast": forecast}, now)
}

func (s State) escalate(data map[string]any, now time.Time) (State, Step) {
	step := Step{Change: ChangeEscalating, Flags: Flags{HasEscalated: true}, Activities: []Activity{{ActivityEscalating, data}}}
	if s.Status == Archived {
		step.Change, step.Flags.HasReappeared = ChangeReappeared, true
	}
	s.Status, s.Substatus, s.Snooze, s.StatusAt = Unresolved, Escalating, nil, now
	if s.Locked {
		return s, step
	}
	raised := High
	if s.Priority == Low {
		raised = Medium
	}
	step.Flags.BecameHigh = raised == High && s.Priority != High
	s, step.Activities = s.prioritize(raised, "escalating", step.Activities)
	return s, step
}

// Settle makes an issue ongoing that has been new, regressed or escalating for SettleAfter. One
// that escalated gets its first priority back.
func (s State) Settle(now time.Time) (State, []Activity) {
	since := s.StatusAt
	if since.IsZero() {
		since = s.FirstSeen
	}
	if s.Status != Unresolved || s.Substatus == Ongoing || now.Sub(since) < SettleAfter {
		return s, nil
	}
	acts := []Activity{{ActivityOngoing, map[string]any{"after_days": int(SettleAfter.Hours() / 24)}}}
	if s.Substatus == Escalating && !s.Locked && s.Initial != 0 {
		s, acts = s.prioritize(s.Initial, "ongoing", acts)
	}
	s.Substatus, s.StatusAt = Ongoing, now
	return s, acts
}

// Expire resolves an unresolved issue that no event was seen of for so many hours.
func (s State) Expire(hours int64, now time.Time) (State, []Activity) {
	if s.Status != Unresolved {
		return s, nil
	}
	s.Status, s.Substatus, s.StatusAt = Resolved, None, now
	s.Resolution, s.Snooze = &Resolution{ByAge: true}, nil
	return s, []Activity{{ActivityResolvedByAge, map[string]any{"age": hours}}}
}
