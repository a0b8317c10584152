package issue

import "time"

// Sighting is one event as an issue's state sees it.
type Sighting struct {
	At      time.Time // when it was received
	EventID string    // 32 hex digits
	Release string    // empty when the client sent none
	// Within the snooze's windows, this event included; counted only while there are windows.
	WindowCount, WindowUsers int64
}

// Order compares two releases of one project: negative when a came before b. semver tells whether
// their versions were compared rather than the days they were first seen.
type Order func(a, b string) (cmp int, semver bool)

// Step is what a sighting did besides being counted. The zero value is nothing.
type Step struct {
	Change     ChangeKind // empty when no rule needs to be asked
	Flags      Flags
	Activities []Activity
}

// Sight returns the state after an event of the issue was seen: a resolved issue regresses unless
// the event is of a release that the resolution does not cover, and a snooze whose condition is
// met is lifted. s.TimesSeen counts the event already.
// Rule: getsentry/sentry src/sentry/event_manager.py (_handle_regression), models/groupresolution.py
func Sight(s State, e Sighting, order Order) (State, Step) {
	switch {
	case s.Status == Resolved:
		if regressed, semver := s.Resolution.regressed(e.Release, order); regressed {
			return s.regress(e, semver)
		}
	case s.Status == Archived && s.Snooze != nil:
		return s.wake(e)
	}
	return s, Step{}
}

func (s State) regress(e Sighting, semver bool) (State, Step) {
	data := map[string]any{"event_id": e.EventID, "version": e.Release}
	if r := s.Resolution; r != nil && (r.InRelease != "" || r.InNextRelease) {
		data["follows_semver"] = semver
		if r.InRelease != "" {
			data["resolved_in_version"] = r.InRelease
		}
	}
	s.Status, s.Substatus, s.Resolution, s.StatusAt = Unresolved, Regressed, nil, e.At
	return s, Step{Change: ChangeRegressed, Flags: Flags{IsRegression: true}, Activities: []Activity{{ActivityRegression, data}}}
}

// plain reports whether the resolution names no release and no commit.
func (r *Resolution) plain() bool {
	return r == nil || r.InRelease == "" && !r.InNextRelease && r.InCommit == ""
}

// regressed reports whether an event of the release shows that the resolution does not hold, and
// whether versions were compared to find out.
func (r *Resolution) regressed(release string, order Order) (regressed, semver bool) {
	switch {
	case r.plain():
		return true, false
	case release == "":
		return false, false
	case r.InRelease != "":
		cmp, semver := order(r.InRelease, release)
		return release == r.InRelease || cmp < 0 || semver && cmp == 0, semver
	case !r.InNextRelease: // no release has the commit yet
		return false, false
	case r.AfterRelease == "": // every release is later than none
		return true, false
	}
	cmp, semver := order(release, r.AfterRelease)
	return release != r.AfterRelease && (cmp > 0 || !semver && cmp == 0), semver
}

// wake lifts the snooze when one of its conditions is met.
func (s State) wake(e Sighting) (State, Step) {
	z := s.Snooze
	seen, users := s.TimesSeen-z.BaseCount, s.UserCount-z.BaseUsers
	if z.Window > 0 {
		seen = e.WindowCount
	}
	if z.UserWindow > 0 {
		users = e.WindowUsers
	}
	if z.Until != nil && !e.At.Before(*z.Until) {
		s.Status, s.Substatus, s.Snooze, s.StatusAt = Unresolved, Ongoing, nil, e.At
		return s, Step{Change: ChangeReappeared, Flags: Flags{HasReappeared: true}, Activities: []Activity{{ActivityUnresolved, z.data()}}}
	}
	if (z.Count == 0 || seen < z.Count) && (z.UserCount == 0 || users < z.UserCount) {
		return s, Step{}
	}
	data := z.data()
	data["event_id"] = e.EventID
	return s.escalate(data, e.At)
}

// data is the snooze as histories tell it.
func (z *Snooze) data() map[string]any {
	data := map[string]any{}
	if z.Until != nil {
		data["ignoreUntil"] = *z.Until
	}
	for name, n := range map[string]int64{"ignoreCount": z.Count, "ignoreWindow": z.Window, "ignoreUserCount": z.UserCount, "ignoreUserWindow": z.UserWindow} {
		if n > 0 {
			data[name] = n
		}
	}
	return data
}
