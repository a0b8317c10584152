// Package issue owns the issue's life: its states, what moves it from one to the next, and the
// changes that are worth an alert. All of it is functions of values.
package issue

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
