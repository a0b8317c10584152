// Package issue owns the issue's life: its states, what moves it from one to the next, and the
// changes that are worth an alert. All of it is functions of values.
package issue

import (
	"time"
)

// ID identifies an issue. Ids are made by the processor and grow with time.
type ID = int64

// Status is where an issue stands. The numbers are stored.
// Rule: getsentry/sentry src/sentry/models/group.py (GroupStatus)
type Status int16

// The statuses an issue can have.
const (
	Unresolved Status = 0
	Resolved   Status = 1
	Archived   Status = 2 // Sentry's wire word is "ignored"
)

// Substatus says more about a status. The numbers are stored.
// Rule: getsentry/sentry src/sentry/types/group.py (GroupSubStatus)
type Substatus int16

// The substatuses; None goes with Resolved.
const (
	None            Substatus = 0
	UntilEscalating Substatus = 1
	Escalating      Substatus = 2
	Ongoing         Substatus = 3
	UntilCondition  Substatus = 4
	Forever         Substatus = 5
	Regressed       Substatus = 6
	New             Substatus = 7
)

// Priority is how urgent an issue looks. The numbers are stored and are the wire's.
type Priority int16

// The priorities.
const (
	Low    Priority = 25
	Medium Priority = 50
	High   Priority = 75
)

// ChangeKind says what happened to an issue.
type ChangeKind string

// The changes that rules can ask for.
const (
	ChangeNew       ChangeKind = "new"
	ChangeRegressed ChangeKind = "regressed"
)

// Change is one change of an issue that rules are asked about. It is written in the transaction
// that makes the change and reaches the notifier at least once; ID tells copies apart.
type Change struct {
	ID          int64      `json:"id"`
	Kind        ChangeKind `json:"kind"`
	Project     int64      `json:"project"`
	ProjectSlug string     `json:"project_slug"`
	ProjectName string     `json:"project_name"`
	Org         string     `json:"organization"` // slug
	Issue       ID         `json:"issue"`
	ShortID     string     `json:"short_id"`
	Title       string     `json:"title"`
	Culprit     string     `json:"culprit"`
	Type        string     `json:"type"`
	Level       string     `json:"level"`
	Platform    string     `json:"platform"`
	Logger      string     `json:"logger,omitempty"`
	Release     string     `json:"release,omitempty"`
	Environment string     `json:"environment,omitempty"`
	EventID     string     `json:"event_id"` // 32 hex digits
	FirstSeen   time.Time  `json:"first_seen"`
	TimesSeen   int64      `json:"times_seen"`
	At          time.Time  `json:"at"`
}
