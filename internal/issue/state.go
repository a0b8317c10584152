package issue

import (
	"reflect"
	"strings"
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
	Initial    Priority  // what Priority was at first; zero: not known
	Locked     bool      // Priority was set by hand and does not change by itself
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
	if a.Priority != nil && (*a.Priority != s.Priority || !s.Locked) {
		s.Locked = true
		s, acts = s.prioritize(*a.Priority, "", acts)
	}
	if a.Assignee != nil {
		s, acts = s.assign(*a.Assignee, acts)
	}
	return s, acts, nil
}

// prioritize changes the priority. reason is what did it; empty: who is named beside the activity.
func (s State) prioritize(p Priority, reason string, acts []Activity) (State, []Activity) {
	if p == s.Priority && reason != "" {
		return s, acts
	}
	s.Priority = p
	data := map[string]any{"priority": p.String()}
	if reason != "" {
		data["reason"] = reason
	}
	return s, append(acts, Activity{ActivityPriority, data})
}

func (s State) assign(to string, acts []Activity) (State, []Activity) {
	if to == s.Assignee {
		return s, acts
	}
	s.Assignee = to
	if to == "" {
		return s, append(acts, Activity{ActivityUnassigned, nil})
	}
	return s, append(acts, Activity{ActivityAssigned, assigned(to)})
}

// assigned is an assignment as histories tell it.
func assigned(to string) map[string]any {
	kind, id, _ := strings.Cut(to, ":")
	return map[string]any{"assignee": id, "assigneeType": kind}
}

// AssignBy assigns an issue that nobody has to the owner whom a rule of the integration names.
func (s State) AssignBy(owner, integration, rule string) (State, []Activity) {
	if s.Assignee != "" || owner == "" {
		return s, nil
	}
	s, acts := s.assign(owner, nil)
	acts[0].Data["integration"], acts[0].Data["rule"] = integration, rule
	return s, acts
}

// Restore puts an issue back to where it was before a change by hand, and tells so. What events
// changed meanwhile, its counts, stays.
func (s State) Restore(before State, now time.Time) (State, []Activity) {
	var acts []Activity
	if s.Status != before.Status || s.Substatus != before.Substatus || !sameAs(s.Resolution, before.Resolution) || !sameAs(s.Snooze, before.Snooze) {
		s.Status, s.Substatus, s.Resolution, s.Snooze, s.StatusAt = before.Status, before.Substatus, before.Resolution, before.Snooze, before.StatusAt
		if s.StatusAt.IsZero() {
			s.StatusAt = now
		}
		types := map[Status]ActivityType{Unresolved: ActivityUnresolved, Resolved: ActivityResolved, Archived: ActivityArchived}
		acts = append(acts, Activity{types[s.Status], map[string]any{"undo": true}})
	}
	if s.Priority != before.Priority || s.Locked != before.Locked {
		s.Locked = before.Locked
		s, acts = s.prioritize(before.Priority, "", acts)
	}
	return s.assign(before.Assignee, acts)
}

func sameAs[T any](a, b *T) bool { return reflect.DeepEqual(a, b) }

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
	case a.Snooze != nil && (a.Snooze.Window > 0 && a.Snooze.Count == 0 || a.Snooze.UserWindow > 0 && a.Snooze.UserCount == 0):
		return fault.New(fault.Invalid, "a window goes with a count")
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
	switch {
	case r.InCommit != "":
		data := map[string]any{"commit": map[string]any{"id": r.InCommit, "repository": map[string]any{"name": r.Repository}}}
		if r.InRelease != "" {
			data["version"] = r.InRelease
		}
		return s, &Activity{ActivityResolvedInCommit, data}
	case r.ByAge:
		return s, &Activity{ActivityResolvedByAge, map[string]any{}}
	case r.InRelease == "":
		return s, &Activity{ActivityResolved, nil}
	}
	return s, &Activity{ActivityResolvedInRelease, map[string]any{"version": r.InRelease}}
}

// archive completes a move to Archived: an explicit substatus, else until a condition when there
// is one, else for ever.
func (s State) archive(before State, a Action) (State, *Activity) {
	data := map[string]any{}
	if a.Snooze == nil && a.Substatus != nil && *a.Substatus == UntilEscalating {
		a.Snooze = &Snooze{Escalating: true}
	}
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
	if before.Status == Archived && before.Substatus == UntilEscalating && s.Substatus == UntilEscalating && *a.Snooze == (Snooze{Escalating: true}) {
		return before, nil
	}
	if a.Snooze != nil {
		snooze := *a.Snooze
		snooze.BaseCount, snooze.BaseUsers = s.TimesSeen, s.UserCount
		s.Snooze, data = &snooze, snooze.data()
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
