package search

// kinds says what value each field takes; fields that are absent take text.
var kinds = map[Field]Kind{
	FieldIs: KindWord, FieldHas: KindWord, FieldLevel: KindWord, FieldPriority: KindWord, FieldCategory: KindWord,
	FieldUnhandled: KindWord,
	FieldFirstSeen: KindTime, FieldLastSeen: KindTime,
	FieldTimesSeen: KindNumber, FieldUserCount: KindNumber, FieldIssueID: KindNumber, FieldProjectID: KindNumber,
	FieldTimestamp: KindTime, FieldVersion: KindVersion, FieldBuild: KindVersion, FieldStage: KindWord, FieldDetector: KindWord,
}

// properties are what a search can name of one event beside its tags, with their kinds: the keys
// that event.Properties writes.
var properties = map[string]Kind{
	"app.in_foreground": KindWord, "browser.name": KindText, "browser.version": KindText, "dist": KindText,
	"device.arch": KindText, "device.battery_level": KindReal, "device.brand": KindText, "device.charging": KindWord, "device.family": KindText,
	"device.locale": KindText, "device.model_id": KindText, "device.name": KindText, "device.online": KindWord, "device.orientation": KindText,
	"device.screen_density": KindReal, "device.screen_dpi": KindReal, "device.screen_height_pixels": KindReal, "device.screen_width_pixels": KindReal,
	"device.simulator": KindWord, "device.uuid": KindText, "device.location": KindText,
	"error.main_thread": KindWord, "error.mechanism": KindText, "geo.city": KindText, "geo.country_code": KindText, "geo.region": KindText,
	"geo.subdivision": KindText, "http.method": KindText, "http.referer": KindText, "http.status_code": KindReal, "http.url": KindText,
	"os.build": KindText, "os.distribution_name": KindText, "os.distribution_version": KindText, "os.kernel_version": KindText, "os.name": KindText,
	"os.version": KindText, "ota_updates.channel": KindText, "ota_updates.runtime_version": KindText, "ota_updates.update_id": KindText,
	"replay.id": KindText, "sdk.name": KindText, "sdk.version": KindText, "stack.abs_path": KindText, "stack.colno": KindReal,
	"stack.filename": KindText, "stack.function": KindText, "stack.in_app": KindWord, "stack.lineno": KindReal, "stack.module": KindText,
	"stack.package": KindText, "stack.resource": KindText, "stack.stack_level": KindReal, "symbolicated_in_app": KindWord, "trace": KindText,
	"trace.op": KindText, "trace.status": KindText, "unreal.crash_type": KindText, "user.email": KindText, "user.id": KindText, "user.ip": KindText,
	"user.username": KindText, "transaction.duration": KindReal,
}

// propertyNames are further spellings of properties.
var propertyNames = map[string]string{
	"stack.file": "stack.filename", "trace.trace_id": "trace", "user.ip_address": "user.ip", "error.unhandled_mechanism": "error.mechanism",
}

// PropertyKind is the kind of value that a property takes; ok is false when key is none.
func PropertyKind(key string) (k Kind, ok bool) {
	k, ok = properties[key]
	return k, ok
}

// Kind is the kind of value that the term takes.
func (t *Term) Kind() Kind {
	if t.Field == FieldProperty {
		return properties[t.Tag]
	}
	return t.Field.Kind()
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
	{FieldAssigned, []string{"assigned", "assigned_to", "owner", "assigned_or_suggested"}},
	{FieldLevel, []string{"level"}},
	{FieldPriority, []string{"issue.priority", "priority"}},
	{FieldCategory, []string{"issue.category"}},
	{FieldType, []string{"event.type", "issue.type", "type"}},
	{FieldPlatform, []string{"platform", "platform.name"}},
	{FieldLogger, []string{"logger"}},
	{FieldRelease, []string{"release"}},
	{FieldFirstRelease, []string{"firstRelease", "first-release", "first_release"}},
	{FieldEnvironment, []string{"environment"}},
	{FieldFirstSeen, []string{"firstSeen", "first_seen", "age", "first", "firstseen"}},
	{FieldLastSeen, []string{"lastSeen", "last_seen", "last", "lastseen"}},
	{FieldTimestamp, []string{"timestamp", "event.timestamp"}},
	{FieldTimesSeen, []string{"timesSeen", "times_seen", "events"}},
	{FieldUserCount, []string{"users"}},
	{FieldErrorType, []string{"error.type"}},
	{FieldErrorValue, []string{"error.value"}},
	{FieldTitle, []string{"title", "message"}},
	{FieldCulprit, []string{"culprit", "location"}},
	{FieldUnhandled, []string{"error.unhandled", "error.handled", "unhandled", "handled"}},
	{FieldUser, []string{"user"}},
	{FieldProject, []string{"project", "project.name"}},
	{FieldIssue, []string{"issue"}},
	{FieldIssueID, []string{"issue.id"}},
	{FieldProjectID, []string{"project.id"}},
	{FieldEventID, []string{"id", "event.id"}},
	{FieldBookmarks, []string{"bookmarks"}},
	{FieldSubscribed, []string{"subscribed"}},
	{FieldRegressedIn, []string{"regressed_in_release"}},
	{FieldVersion, []string{"release.version"}},
	{FieldBuild, []string{"release.build"}},
	{FieldPackage, []string{"release.package"}},
	{FieldStage, []string{"release.stage"}},
	{FieldDetector, []string{"detector"}},
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

var truths = map[string]string{"true": "true", "1": "true", "false": "false", "0": "false"}

// words lists what each field of KindWord takes, with what it means. Values keep the meaning.
var words = map[Field]map[string]string{
	FieldIs: {
		"unresolved": "unresolved", "resolved": "resolved",
		"ignored": "ignored", "archived": "ignored", "muted": "ignored",
		"assigned": "assigned", "unassigned": "unassigned", "unhandled": "unhandled", "handled": "handled",
		"mine": "mine", "bookmarked": "bookmarked", "linked": "linked", "unlinked": "unlinked", "for_review": "for_review", "reprocessing": "reprocessing",
		"new": "new", "ongoing": "ongoing", "escalating": "escalating", "regressed": "regressed",
		"until_escalating": "archived_until_escalating", "archived_until_escalating": "archived_until_escalating",
		"until_condition_met": "archived_until_condition_met", "archived_until_condition_met": "archived_until_condition_met",
		"archived_forever": "archived_forever", "forever": "archived_forever",
	},
	FieldLevel: {"sample": "sample", "debug": "debug", "info": "info", "log": "info", "warning": "warning", "error": "error",
		"fatal": "fatal", "critical": "fatal"},
	FieldPriority:  {"low": "low", "medium": "medium", "med": "medium", "high": "high"},
	FieldCategory:  {"error": "error", "outage": "outage", "metric": "metric", "db_query": "db_query", "http_client": "http_client", "frontend": "frontend", "mobile": "mobile", "feedback": "feedback"},
	FieldUnhandled: truths,
	FieldProperty:  truths,
	FieldStage:     {"adopted": "adopted", "low_adoption": "low_adoption", "low": "low_adoption", "replaced": "replaced"},
	FieldDetector:  {"error": "error"},
}
