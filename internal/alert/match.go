package alert

import (
	"slices"
	"strings"
)

// wanted is what the values of a tag or an attribute are compared with, read once: lower-cased and
// trimmed. Of negative comparisons all values must satisfy it.
// Rule: getsentry/sentry src/sentry/rules/match.py
type wanted struct {
	op       Operator // never a negative one
	negative bool
	text     string
	list     []string // of OpIn
}

func newWanted(op Operator, value string) wanted {
	w := wanted{op: op, text: fold(value)}
	if positive, negative := negations[op]; negative {
		w.op, w.negative = positive, true
	}
	if w.op == OpIn {
		for part := range strings.SplitSeq(w.text, ",") {
			w.list = append(w.list, strings.TrimSpace(part))
		}
	}
	return w
}

var negations = map[Operator]Operator{
	OpNotEqual: OpEqual, OpNotContains: OpContains, OpNotStarts: OpStarts, OpNotEnds: OpEnds, OpNotIn: OpIn, OpNotSet: OpSet,
}

// in reports whether values satisfy the comparison.
func (w *wanted) in(values []string) bool { return slices.ContainsFunc(values, w.is) != w.negative }

// inTag reports whether the values of a tag do.
func (w *wanted) inTag(tags [][2]string, key string) bool {
	for i := range tags {
		if tagKey(tags[i][0]) == key && w.is(tags[i][1]) {
			return !w.negative
		}
	}
	return w.negative
}

// is compares one value, as if the comparison were not a negative one.
func (w *wanted) is(v string) bool {
	v = fold(v)
	switch w.op {
	case OpSet:
		return v != ""
	case OpEqual:
		return v == w.text
	case OpContains:
		return strings.Contains(v, w.text)
	case OpStarts:
		return strings.HasPrefix(v, w.text)
	case OpEnds:
		return strings.HasSuffix(v, w.text)
	case OpIn:
		return slices.Contains(w.list, v)
	}
	return false
}

func fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// tagKey is the key of a tag as keys compare: without case and without the prefix sentry:.
func tagKey(key string) string { return strings.TrimPrefix(fold(key), "sentry:") }

// attributeNames are the attributes of events that filters know, as the wire spells them.
var attributeNames = []string{
	"message", "platform", "environment", "type", "error.handled", "error.unhandled", "error.main_thread", "exception.type",
	"exception.value", "user.id", "user.email", "user.username", "user.ip_address", "http.method", "http.url",
	"http.status_code", "sdk.name", "stacktrace.code", "stacktrace.module", "stacktrace.filename", "stacktrace.abs_path",
	"stacktrace.package", "unreal.crash_type", "app.in_foreground", "os.distribution_name", "os.distribution_version",
	"symbolicated_in_app", "ota_updates.channel", "ota_updates.runtime_version", "ota_updates.update_id",
	"device.screen_density", "device.screen_dpi", "device.screen_height_pixels", "device.screen_width_pixels",
}

// Attributes lists the attributes that filters know.
func Attributes() []string { return slices.Clone(attributeNames) }
