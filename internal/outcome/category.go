package outcome

// categories holds the protocol's name of every category, by number.
// Rule: getsentry/relay relay-base-schema/src/data_category.rs
var categories = [...]string{
	"default", "error", "transaction", "security", "attachment", "session", "profile", "replay",
	"transaction_processed", "transaction_indexed", "monitor", "profile_indexed", "span", "monitor_seat",
	"feedback", "metric_bucket", "span_indexed", "profile_duration", "profile_chunk", "metric_second",
	"replay_video", "uptime", "attachment_item", "log_item", "log_byte", "profile_duration_ui",
	"profile_chunk_ui", "seer_autofix", "seer_scanner", "prevent_user", "prevent_review", "size_analysis",
	"installable_build", "trace_metric", "seer_user", "profile_backend", "profile_ui",
}

// aliases are names that clients use for categories besides the protocol's own.
// Rule: getsentry/sentry-javascript packages/core/src/utils/envelope.ts
var aliases = map[string]Category{
	"user_report_v2": Feedback,
	"user_report":    Feedback,
	"metric":         TraceMetric,
	"check_in":       Monitor,
	"log":            LogItem,
}

var categoryByName = func() map[string]Category {
	m := make(map[string]Category, len(categories)+len(aliases))
	for i, name := range categories {
		m[name] = Category(i)
	}
	for name, c := range aliases {
		m[name] = c
	}
	return m
}()

// ParseCategory reads a category's name as a client or a limit header writes it. ok is false for
// names the protocol does not have.
func ParseCategory(name string) (c Category, ok bool) {
	c, ok = categoryByName[name]
	if !ok {
		return UnknownItem, false
	}
	return c, true
}

// String is the protocol's name of the category; "unknown" for numbers it does not have.
func (c Category) String() string {
	if c < 0 || int(c) >= len(categories) {
		return "unknown"
	}
	return categories[c]
}

// kinds holds the protocol's name of every outcome, by number.
var kinds = [...]string{"accepted", "filtered", "rate_limited", "invalid", "abuse", "client_discard", "cardinality_limited"}

// String is the protocol's name of the outcome; "received" for Received.
func (k Kind) String() string {
	if k == Received {
		return "received"
	}
	if k < 0 || int(k) >= len(kinds) {
		return "unknown"
	}
	return kinds[k]
}

// OfItem is the category that an item of the queue counts in, by its type, once per item.
func OfItem(itemType string) Category {
	switch itemType {
	case "security", "raw_security":
		return Security
	case "feedback", "user_report":
		return Feedback
	case "attachment":
		return AttachmentItem
	}
	return Error
}
