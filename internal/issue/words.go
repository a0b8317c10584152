package issue

import "github.com/tocsin-dev/tocsin/internal/event"

// The words of the wire, by number.
// Rule: getsentry/sentry src/sentry/models/group.py (STATUS_QUERY_CHOICES), types/group.py
var (
	statusWords    = map[Status]string{Unresolved: "unresolved", Resolved: "resolved", Archived: "ignored"}
	substatusWords = map[Substatus]string{
		UntilEscalating: "archived_until_escalating",
		Escalating:      "escalating",
		Ongoing:         "ongoing",
		UntilCondition:  "archived_until_condition_met",
		Forever:         "archived_forever",
		Regressed:       "regressed",
		New:             "new",
	}
	priorityWords = map[Priority]string{Low: "low", Medium: "medium", High: "high"}
)

// String is the wire's word.
func (s Status) String() string { return statusWords[s] }

// String is the wire's word, empty for None.
func (s Substatus) String() string { return substatusWords[s] }

// String is the wire's word.
func (p Priority) String() string { return priorityWords[p] }

// ParseStatus reads the wire's word; "archived" is read as "ignored".
func ParseStatus(word string) (Status, bool) {
	if word == "archived" {
		return Archived, true
	}
	return parse(statusWords, word)
}

// ParseSubstatus reads the wire's word.
func ParseSubstatus(word string) (Substatus, bool) { return parse(substatusWords, word) }

// ParsePriority reads the wire's word.
func ParsePriority(word string) (Priority, bool) { return parse(priorityWords, word) }

func parse[T comparable](words map[T]string, word string) (T, bool) {
	for v, w := range words {
		if w == word {
			return v, true
		}
	}
	var zero T
	return zero, false
}

// Of returns the status that a substatus goes with.
func (s Substatus) Of() Status {
	switch s {
	case None:
		return Resolved
	case UntilEscalating, UntilCondition, Forever:
		return Archived
	}
	return Unresolved
}

// PriorityOf is the priority of a new issue whose first event has the level.
// Rule: getsentry/sentry src/sentry/event_manager.py (_get_priority_for_group)
func PriorityOf(l event.Level) Priority {
	switch {
	case l >= event.LevelError:
		return High
	case l >= event.LevelWarning:
		return Medium
	}
	return Low
}

// Activity is one entry of an issue's history. Data is what the wire shows with it.
type Activity struct {
	Type ActivityType
	Data map[string]any
}
