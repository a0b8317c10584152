package issue

import (
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// SettleAfter is how long a new, regressed or escalating issue stays so before it is ongoing.
const SettleAfter = 7 * 24 * time.Hour

// State is what decides an issue's next step.
//
//	            sight ▶ regressed                    snooze lifted
//	Resolved ──────────────▶ Unresolved ◀────────────────────── Archived
//	    ▲  unresolve           │  ▲  │  unresolve                  ▲
//	    └──────── resolve ─────┘  └──┴─────────── archive ─────────┘
type State struct {
	Status     Status
	Substatus  Substatus
	Resolution *Resolution // while resolved; nil for a plain one
	Snooze     *Snooze     // while archived until a condition
	Priority   Priority
	Assignee   string    // "user:7", "team:3", empty
	StatusAt   time.Time // last change of status; zero when it never changed
	FirstSeen  time.Time
	TimesSeen  int64
	UserCount  int64
}

// Apply returns the state after the action by the user (0: a program's) and the activities that
// tell of it. Asking for what is already so changes nothing. fault.Invalid: the action contradicts
// itself.
func Apply(s State, a Action, user int64, now time.Time) (State, []Activity, error) {
	if err := a.validate(s); err != nil {
		return s, nil, err
	}
	var acts []Activity
	if a.Status != nil || a.Substatus != nil {
		next, act := s.move(a, user, now)
		if act != nil {
			acts = append(acts, *act)
		}
		s = next
	}
	if a.Priority != nil && *a.Priority != s.Priority {
		s.Priority = *a.Priority
		acts = append(acts, Activity{ActivityPriority, map[string]any{"priority": s.Priority.String()}})
	}
	if a.Assignee != nil && *a.Assignee != s.Assignee {
		s.Assignee = *a.Assignee
		if s.Assignee == "" {
			acts = append(acts, Activity{ActivityUnassigned, nil})
		} else {
			acts = append(acts, Activity{ActivityAssigned, map[string]any{"assignee": s.Assignee}})
		}
	}
	return s, acts, nil
}

func (a Action) validate(s State) error {
	status := s.Status
	if a.Status != nil {
		status = *a.Status
	}
	switch {
	case a.Substatus != nil && a.Substatus.Of() != status:
		return fault.New(fault.Invalid, "substatus %s does not go with status %s", a.Substatus, status)
	case a.Resolution != nil && status != Resolved:
		return fault.New(fault.Invalid, "only a resolved issue has a resolution")
	case a.Snooze != nil && status != Archived:
		return fault.New(fault.Invalid, "only an archived issue has conditions that lift it")
	case a.Resolution != nil && a.Resolution.InRelease != "" && a.Resolution.InNextRelease:
		return fault.New(fault.Invalid, "an issue is resolved in a release or in the next one, not both")
	}
	return nil
}

// move changes the status. Any change by hand removes the resolution and snooze of before.
func (s State) move(a Action, user int64, now time.Time) (State, *Activity) {
	next := s
	if a.Status != nil {
		next.Status = *a.Status
	}
	next.Resolution, next.Snooze, next.StatusAt = nil, nil, now
	switch next.Status {
	case Resolved:
		return next.resolve(s, a.Resolution, user)
	case Archived:
		return next.archive(s, a)
	}
	next.Substatus = s.unresolvedAs(a, now)
	if s.Status == Unresolved && s.Substatus == next.Substatus {
		return s, nil
	}
	return next, &Activity{ActivityUnresolved, nil}
}

// resolve completes a move to Resolved.
func (s State) resolve(before State, r *Resolution, user int64) (State, *Activity) {
	s.Substatus = None
	if r == nil {
		if before.Status == Resolved && before.Resolution == nil {
			return before, nil
		}
		return s, &Activity{ActivityResolved, nil}
	}
	resolution := *r
	resolution.User = user
	if before.Status == Resolved && before.Resolution != nil && *before.Resolution == resolution {
		return before, nil
	}
	s.Resolution = &resolution
	if r.InNextRelease {
		return s, &Activity{ActivityResolvedInRelease, map[string]any{"version": "", "inNextRelease": true, "current_release_version": r.AfterRelease}}
	}
	if r.InRelease == "" {
		return s, &Activity{ActivityResolved, nil}
	}
	return s, &Activity{ActivityResolvedInRelease, map[string]any{"version": r.InRelease}}
}

// archive completes a move to Archived: an explicit substatus, else until a condition when there
// is one, else for ever.
func (s State) archive(before State, a Action) (State, *Activity) {
	data := map[string]any{}
	switch {
	case a.Substatus != nil:
		s.Substatus = *a.Substatus
	case a.Snooze != nil && a.Snooze.Escalating:
		s.Substatus = UntilEscalating
	case a.Snooze != nil:
		s.Substatus = UntilCondition
	default:
		s.Substatus = Forever
	}
	if a.Snooze != nil {
		snooze := *a.Snooze
		snooze.BaseCount, snooze.BaseUsers = s.TimesSeen, s.UserCount
		s.Snooze = &snooze
		if snooze.Until != nil {
			data["ignoreUntil"] = *snooze.Until
		}
		if snooze.Count > 0 {
			data["ignoreCount"] = snooze.Count
		}
		if snooze.UserCount > 0 {
			data["ignoreUserCount"] = snooze.UserCount
		}
	} else if before.Status == Archived && before.Substatus == s.Substatus {
		return before, nil
	}
	if s.Substatus == UntilEscalating {
		data["ignoreUntilEscalating"] = true
	}
	return s, &Activity{ActivityArchived, data}
}

// unresolvedAs is the substatus of an issue that is made unresolved by hand.
func (s State) unresolvedAs(a Action, now time.Time) Substatus {
	switch {
	case a.Substatus != nil:
		return *a.Substatus
	case s.Status == Unresolved:
		return s.Substatus
	case !a.Single:
		return Ongoing
	case s.Status == Resolved:
		return Regressed
	case now.Sub(s.FirstSeen) < SettleAfter:
		return New
	}
	return Ongoing
}
