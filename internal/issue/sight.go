package issue

import "time"

// Sighting is one event as an issue's state sees it.
type Sighting struct {
	At      time.Time // when it was received
	EventID string    // 32 hex digits
	Release string    // empty when the client sent none
}

// Order compares two releases of one project: negative when a came before b. semver tells whether
// their versions were compared rather than the days they were first seen.
type Order func(a, b string) (cmp int, semver bool)

// Step is what a sighting did besides being counted. The zero value is nothing.
type Step struct {
	Change   ChangeKind // empty when no rule needs to be asked
	Flags    Flags
	Activity *Activity
}

// Sight returns the state after an event of the issue was seen: a resolved issue regresses unless
// the event is of a release that the resolution does not cover, and a snooze whose condition is
// met is lifted. s.TimesSeen counts the event already.
// Rule: getsentry/sentry src/sentry/event_manager.py (_handle_regression), models/groupresolution.py
func Sight(s State, e Sighting, order Order) (State, Step) {
	switch {
	case s.Status == Resolved && s.Resolution.regressed(e.Release, order):
		return s.regress(e)
	case s.Status == Archived && s.Snooze != nil:
		return s.wake(e)
	}
	return s, Step{}
}

func (s State) regress(e Sighting) (State, Step) {
	data := map[string]any{"event_id": e.EventID, "version": e.Release}
	if s.Resolution != nil && s.Resolution.InRelease != "" {
		data["resolved_in_version"] = s.Resolution.InRelease
	}
	s.Status, s.Substatus, s.Resolution, s.StatusAt = Unresolved, Regressed, nil, e.At
	return s, Step{Change: ChangeRegressed, Flags: Flags{IsRegression: true}, Activity: &Activity{ActivityRegression, data}}
}

// regressed reports whether an event of the release shows that the resolution does not hold.
func (r *Resolution) regressed(release string, order Order) bool {
	switch {
	case r == nil || r.InRelease == "" && !r.InNextRelease:
		return true
	case release == "":
		return false
	case r.InRelease != "":
		cmp, semver := order(r.InRelease, release)
		return release == r.InRelease || cmp < 0 || semver && cmp == 0
	case r.AfterRelease == "": // every release is later than none
		return true
	}
	cmp, semver := order(release, r.AfterRelease)
	return release != r.AfterRelease && (cmp > 0 || !semver && cmp == 0)
}

// wake lifts the snooze when one of its conditions is met.
func (s State) wake(e Sighting) (State, Step) {
	z := s.Snooze
	due := z.Until != nil && !e.At.Before(*z.Until)
	often := z.Count > 0 && s.TimesSeen-z.BaseCount >= z.Count || z.UserCount > 0 && s.UserCount-z.BaseUsers >= z.UserCount
	if !due && !often {
		return s, Step{}
	}
	s.Status, s.Snooze, s.StatusAt = Unresolved, nil, e.At
	if z.Until != nil {
		s.Substatus = Ongoing
		return s, Step{Change: ChangeReappeared, Flags: Flags{HasReappeared: true},
			Activity: &Activity{ActivityUnresolved, map[string]any{"ignoreUntil": *z.Until}}}
	}
	s.Substatus = Escalating
	return s, Step{Change: ChangeReappeared, Flags: Flags{HasReappeared: true, HasEscalated: true}, Activity: &Activity{ActivityEscalating, map[string]any{"event_id": e.EventID}}}
}
