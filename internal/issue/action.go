package issue

import "time"

// Action is what a person, a client of the API or a rule wants changed. Fields left nil stay.
type Action struct {
	Status     *Status     `json:"status,omitempty"`
	Substatus  *Substatus  `json:"substatus,omitempty"`  // must fit Status, or the status the issue has
	Resolution *Resolution `json:"resolution,omitempty"` // with Status Resolved: how far the resolution reaches; nil: until the next event
	Snooze     *Snooze     `json:"snooze,omitempty"`     // with Status Archived: when the issue comes back
	Assignee   *string     `json:"assignee,omitempty"`   // "user:7", "team:3"; empty unassigns
	Priority   *Priority   `json:"priority,omitempty"`
	Unless     int64       `json:"unless,omitempty"` // what the issue's version must be, so that a stale view changes nothing; 0: any
	Single     bool        `json:"single,omitempty"` // one issue was named rather than a selection: unresolving looks at its age
}

// Resolution says how far a resolution reaches and by whom it was made. It is stored while the
// issue is resolved; the zero value regresses with the next event.
// Rule: getsentry/sentry src/sentry/models/groupresolution.py
type Resolution struct {
	InRelease     string `json:"in_release,omitempty"`      // events of older releases do not regress
	InNextRelease bool   `json:"in_next_release,omitempty"` // nor do those of AfterRelease and older
	AfterRelease  string `json:"after_release,omitempty"`   // newest release at the time, for InNextRelease
	InCommit      string `json:"in_commit,omitempty"`       // until a release has the commit, nothing regresses
	Repository    string `json:"repository,omitempty"`      // of InCommit
	ByAge         bool   `json:"by_age,omitempty"`          // nobody saw it for long; the next event regresses
	User          int64  `json:"user,omitempty"`            // who resolved it; zero: a rule or the API
}

// Snooze says when an archived issue comes back: at the first condition that holds. The zero value
// never lifts.
// Rule: getsentry/sentry src/sentry/models/groupsnooze.py
type Snooze struct {
	Until      *time.Time `json:"until,omitempty"`
	Count      int64      `json:"count,omitempty"`       // times seen from now on
	Window     int64      `json:"window,omitempty"`      // minutes: Count within any so many of them
	UserCount  int64      `json:"user_count,omitempty"`  // users affected from now on
	UserWindow int64      `json:"user_window,omitempty"` // minutes: UserCount within any so many of them
	Escalating bool       `json:"escalating,omitempty"`  // when an hour sees more events than Forecast
	Forecast   int64      `json:"forecast,omitempty"`    // events of an hour; see the function Forecast
	ForecastAt *time.Time `json:"forecast_at,omitempty"` // when it was computed; nil: not yet
	BaseCount  int64      `json:"base_count,omitempty"`  // times seen when it was archived; filled in by Apply
	BaseUsers  int64      `json:"base_users,omitempty"`  // likewise users
}

// ActivityType names an entry of an issue's history. The words are the wire's.
// Rule: getsentry/sentry src/sentry/types/activity.py
type ActivityType string

// The entries of a history.
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
	ActivityResolvedByAge      ActivityType = "set_resolved_by_age"
	ActivityResolvedInCommit   ActivityType = "set_resolved_in_commit"
	ActivityNote               ActivityType = "note"
	ActivityPublic             ActivityType = "set_public"
	ActivityPrivate            ActivityType = "set_private"
	ActivityReviewed           ActivityType = "mark_reviewed"
	ActivityMerge              ActivityType = "merge"
	ActivityUnmergeSource      ActivityType = "unmerge_source"
	ActivityUnmergeDestination ActivityType = "unmerge_destination"
)

// Why a member is subscribed to an issue. The words are stored and are the wire's.
// Rule: getsentry/sentry src/sentry/notifications/types.py (GroupSubscriptionReason)
const (
	ReasonComment   = "comment"
	ReasonAssigned  = "assigned"
	ReasonBookmark  = "bookmark"
	ReasonStatus    = "status_change"
	ReasonMentioned = "mentioned"
)
