package search

// kinds says what value each field takes; fields that are absent take text.
var kinds = map[Field]Kind{
	FieldIs: KindWord, FieldHas: KindWord, FieldLevel: KindWord, FieldPriority: KindWord, FieldCategory: KindWord,
	FieldUnhandled: KindWord,
	FieldFirstSeen: KindTime, FieldLastSeen: KindTime,
	FieldTimesSeen: KindNumber, FieldUserCount: KindNumber, FieldIssueID: KindNumber,
}

// Kind is the kind of value the field takes.
func (f Field) Kind() Kind { return kinds[f] }

// names lists the spellings of each field; the first is the canonical one.
var names = [...]struct {
	field Field
	names []string
}{
	{FieldIs, []string{"is", "status"}},
	{FieldHas, []string{"has"}},
	{FieldAssigned, []string{"assigned", "assigned_to"}},
	{FieldLevel, []string{"level"}},
	{FieldPriority, []string{"issue.priority", "priority"}},
	{FieldCategory, []string{"issue.category"}},
	{FieldType, []string{"event.type", "issue.type"}},
	{FieldPlatform, []string{"platform", "platform.name"}},
	{FieldLogger, []string{"logger"}},
	{FieldRelease, []string{"release"}},
	{FieldFirstRelease, []string{"firstRelease", "first-release", "first_release"}},
	{FieldEnvironment, []string{"environment"}},
	{FieldFirstSeen, []string{"firstSeen", "first_seen", "age", "first"}},
	{FieldLastSeen, []string{"lastSeen", "last_seen", "last", "timestamp", "event.timestamp"}},
	{FieldTimesSeen, []string{"timesSeen", "times_seen", "events"}},
	{FieldUserCount, []string{"users"}},
	{FieldErrorType, []string{"error.type"}},
	{FieldErrorValue, []string{"error.value"}},
	{FieldTitle, []string{"title", "message"}},
	{FieldCulprit, []string{"culprit", "location"}},
	{FieldUnhandled, []string{"error.unhandled", "error.handled"}},
	{FieldUser, []string{"user", "user.id", "user.email", "user.username", "user.ip"}},
	{FieldProject, []string{"project", "project.name"}},
	{FieldIssue, []string{"issue"}},
	{FieldIssueID, []string{"issue.id"}},
}

var byName, canonical = func() (map[string]Field, map[Field]string) {
	by, first := make(map[string]Field), make(map[Field]string)
	for _, n := range names {
		first[n.field] = n.names[0]
		for _, name := range n.names {
			by[name] = n.field
		}
	}
	return by, first
}()

// Name is the field's canonical spelling; empty for free text and tags.
func (f Field) Name() string { return canonical[f] }

// words lists what each field of KindWord takes, with what it means. Values keep the meaning.
var words = map[Field]map[string]string{
	FieldIs: {
		"unresolved": "unresolved", "resolved": "resolved",
		"ignored": "ignored", "archived": "ignored", "muted": "ignored",
		"assigned": "assigned", "unassigned": "unassigned", "unhandled": "unhandled", "handled": "handled",
		"new": "new", "ongoing": "ongoing", "escalating": "escalating", "regressed": "regressed",
		"until_escalating": "archived_until_escalating", "archived_until_escalating": "archived_until_escalating",
		"until_condition_met": "archived_until_condition_met", "archived_until_condition_met": "archived_until_condition_met",
		"archived_forever": "archived_forever", "forever": "archived_forever",
	},
	FieldLevel: {"sample": "sample", "debug": "debug", "info": "info", "log": "info", "warning": "warning", "error": "error",
		"fatal": "fatal", "critical": "fatal"},
	FieldPriority:  {"low": "low", "medium": "medium", "med": "medium", "high": "high"},
	FieldCategory:  {"error": "error", "outage": "outage", "metric": "metric", "db_query": "db_query", "http_client": "http_client", "frontend": "frontend", "mobile": "mobile", "feedback": "feedback"},
	FieldUnhandled: {"true": "true", "1": "true", "false": "false", "0": "false"},
}
