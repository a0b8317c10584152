package alert

import (
	"slices"
	"strings"
)

// matchValues compares the values something has with the one wanted, lower-cased and trimmed. Of
// negative comparisons all values must satisfy it.
// Rule: getsentry/sentry src/sentry/rules/match.py
func matchValues(values []string, op Operator, want string) bool {
	switch op {
	case OpSet:
		return slices.ContainsFunc(values, func(v string) bool { return strings.TrimSpace(v) != "" })
	case OpNotSet:
		return !slices.ContainsFunc(values, func(v string) bool { return strings.TrimSpace(v) != "" })
	case OpNotEqual, OpNotContains, OpNotStarts, OpNotEnds, OpNotIn:
		return !matchValues(values, negations[op], want)
	}
	want = fold(want)
	var list []string
	if op == OpIn {
		for part := range strings.SplitSeq(want, ",") {
			list = append(list, strings.TrimSpace(part))
		}
	}
	return slices.ContainsFunc(values, func(v string) bool {
		v = fold(v)
		switch op {
		case OpEqual:
			return v == want
		case OpContains:
			return strings.Contains(v, want)
		case OpStarts:
			return strings.HasPrefix(v, want)
		case OpEnds:
			return strings.HasSuffix(v, want)
		case OpIn:
			return slices.Contains(list, v)
		}
		return false
	})
}

var negations = map[Operator]Operator{
	OpNotEqual: OpEqual, OpNotContains: OpContains, OpNotStarts: OpStarts, OpNotEnds: OpEnds, OpNotIn: OpIn,
}

func fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// tagValues are the values of a tag; keys compare without case and without the prefix sentry:.
func tagValues(tags [][2]string, key string) []string {
	key = strings.TrimPrefix(fold(key), "sentry:")
	var list []string
	for _, t := range tags {
		if strings.TrimPrefix(fold(t[0]), "sentry:") == key {
			list = append(list, t[1])
		}
	}
	return list
}

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
