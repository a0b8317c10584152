package issue

import "time"

// Action is what a person, a client of the API or a rule wants changed. Fields left nil stay.
type Action struct {
	Status     *Status
	Substatus  *Substatus  // must fit Status, or the status the issue has
	Resolution *Resolution // with Status Resolved: how far the resolution reaches; nil: until the next event
	Snooze     *Snooze     // with Status Archived: when the issue comes back
	Assignee   *string     // "user:7", "team:3"; empty unassigns
	Priority   *Priority
	Single     bool // one issue was named rather than a selection: unresolving looks at its age
}

// Resolution says how far a resolution reaches and by whom it was made. It is stored while the
// issue is resolved; the zero value regresses with the next event.
// Rule: getsentry/sentry src/sentry/models/groupresolution.py
type Resolution struct {
	InRelease     string `json:"in_release,omitempty"`      // events of older releases do not regress
	InNextRelease bool   `json:"in_next_release,omitempty"` // nor do those of AfterRelease and older
	AfterRelease  string `json:"after_release,omitempty"`   // newest release at the time, for InNextRelease
	User          int64  `json:"user,omitempty"`            // who resolved it; zero: a rule or the API
}

// Snooze says when an archived issue comes back: at the first condition that holds. The zero value
// never lifts.
// Rule: getsentry/sentry src/sentry/models/groupsnooze.py
type Snooze struct {
	Until      *time.Time `json:"until,omitempty"`
	Count      int64      `json:"count,omitempty"`      // times seen from now on
	UserCount  int64      `json:"user_count,omitempty"` // users affected from now on
	Escalating bool       `json:"escalating,omitempty"` // when it is seen far more often than before
	BaseCount  int64      `json:"base_count,omitempty"` // times seen when it was archived; filled in by Apply
	BaseUsers  int64      `json:"base_users,omitempty"` // likewise users
}

// ActivityType names an entry of an issue's history. The words are the wire's.
// Rule: getsentry/sentry src/sentry/types/activity.py
type ActivityType string

// The entries that are written today.
const (
	ActivityFirstSeen          ActivityType = "first_seen"
	ActivityResolved           ActivityType = "set_resolved"
	ActivityResolvedInRelease  ActivityType = "set_resolved_in_release"
	ActivityUnresolved         ActivityType = "set_unresolved"
	ActivityArchived           ActivityType = "set_ignored"
	ActivityRegression         ActivityType = "set_regression"
	ActivityAssigned           ActivityType = "assigned"
	ActivityUnassigned         ActivityType = "unassigned"
	ActivityPriority           ActivityType = "set_priority"
	ActivityEscalating         ActivityType = "set_escalating"
	ActivityOngoing            ActivityType = "auto_set_ongoing"
	ActivityMerge              ActivityType = "merge"
	ActivityUnmergeSource      ActivityType = "unmerge_source"
	ActivityUnmergeDestination ActivityType = "unmerge_destination"
)
