package issue

import "time"

// ChangeKind says what happened to an issue. Where one event did several things, it is the first
// of them in the order below; Flags has the others.
type ChangeKind string

// The changes that an event makes, or a job that looks at events.
const (
	ChangeNew           ChangeKind = "new"        // seen for the first time
	ChangeRegressed     ChangeKind = "regressed"  // seen again after it was resolved
	ChangeReappeared    ChangeKind = "reappeared" // archived until a condition that is now met
	ChangeEscalating    ChangeKind = "escalating" // seen far more often than before
	ChangeInRelease     ChangeKind = "new_in_release"
	ChangeInEnvironment ChangeKind = "new_in_environment"
)

// ChangeSeen carries, in Seen, which issues got events since the last such change of the project.
// It is made where counts are folded, and only for projects with rules that ask.
const ChangeSeen ChangeKind = "seen"

// Seen is how many events of one issue were counted at once.
type Seen struct {
	ID    int64 `json:"id"` // as Change.ID
	Issue ID    `json:"issue"`
	Count int64 `json:"count"`
	// Tags are the values that the events have of the tags which rules ask about, by their keys in
	// lower case; a key that is absent was not noted.
	Tags map[string][]string `json:"tags,omitempty"`
}

// The changes that a person, a client of the API or a rule makes.
const (
	ChangeResolved   ChangeKind = "resolved"
	ChangeUnresolved ChangeKind = "unresolved"
	ChangeArchived   ChangeKind = "archived"
	ChangeAssigned   ChangeKind = "assigned" // Assignee says to whom
	ChangeUnassigned ChangeKind = "unassigned"
	ChangePriority   ChangeKind = "priority"
	ChangeCommented  ChangeKind = "commented" // Text is the comment
)

// ByEvent reports whether events make the change, which is what rules without conditions are about.
func (k ChangeKind) ByEvent() bool {
	switch k {
	case ChangeNew, ChangeRegressed, ChangeReappeared, ChangeEscalating, ChangeInRelease, ChangeInEnvironment:
		return true
	}
	return false
}

// Change is what an entry of an issue's history is to rules; empty when they are not asked.
func (t ActivityType) Change() ChangeKind {
	switch t {
	case ActivityResolved, ActivityResolvedInRelease, ActivityResolvedInCommit, ActivityResolvedByAge:
		return ChangeResolved
	case ActivityUnresolved:
		return ChangeUnresolved
	case ActivityArchived:
		return ChangeArchived
	case ActivityAssigned:
		return ChangeAssigned
	case ActivityUnassigned:
		return ChangeUnassigned
	case ActivityPriority:
		return ChangePriority
	case ActivityNote:
		return ChangeCommented
	}
	return ""
}

// Flags say all that one change did.
// Rule: getsentry/sentry src/sentry/rules/base.py (EventState)
type Flags struct {
	IsNew          bool `json:"is_new,omitempty"`
	IsRegression   bool `json:"is_regression,omitempty"`
	HasReappeared  bool `json:"has_reappeared,omitempty"`
	HasEscalated   bool `json:"has_escalated,omitempty"`
	NewRelease     bool `json:"new_release,omitempty"`     // first event of the issue in Release
	NewEnvironment bool `json:"new_environment,omitempty"` // first event of the issue in Environment
	BecameHigh     bool `json:"became_high,omitempty"`     // Priority is high and was not before
}

// Change is one change of an issue that rules are asked about. It is written in the transaction
// that makes the change and reaches the notifier at least once; ID tells copies apart.
type Change struct {
	ID   int64      `json:"id"`
	Kind ChangeKind `json:"kind"`
	Flags
	Project     int64     `json:"project"`
	ProjectSlug string    `json:"project_slug"`
	ProjectName string    `json:"project_name"`
	Org         string    `json:"organization"` // slug
	Issue       ID        `json:"issue"`
	ShortID     string    `json:"short_id"`
	Title       string    `json:"title"`
	Culprit     string    `json:"culprit"`
	Type        string    `json:"type"`
	Level       string    `json:"level"`
	Platform    string    `json:"platform"`
	Logger      string    `json:"logger,omitempty"`
	Status      string    `json:"status,omitempty"` // the wire's words, as they are after the change
	Substatus   string    `json:"substatus,omitempty"`
	Priority    string    `json:"priority,omitempty"`
	Assignee    string    `json:"assignee,omitempty"` // "user:7", "team:3"
	Owners      []string  `json:"owners,omitempty"`   // whom ownership rules name, likewise; the last rule's first
	Release     string    `json:"release,omitempty"`
	Environment string    `json:"environment,omitempty"`
	EventID     string    `json:"event_id"` // 32 hex digits; empty where no event made the change
	FirstSeen   time.Time `json:"first_seen"`
	LastSeen    time.Time `json:"last_seen,omitzero"`
	TimesSeen   int64     `json:"times_seen"`
	UserCount   int64     `json:"user_count,omitempty"`
	Actor       int64     `json:"actor,omitempty"` // the user who made the change; zero: an event, a rule or the API
	Text        string    `json:"text,omitempty"`  // of a comment
	At          time.Time `json:"at"`
	Seen        []Seen    `json:"seen,omitempty"`  // of ChangeSeen: the issues
	Count       int64     `json:"count,omitempty"` // of ChangeSeen about one issue: events counted
	Trace       string    `json:"trace,omitempty"` // traceparent of the work that made the change; empty where that was not traced
}
