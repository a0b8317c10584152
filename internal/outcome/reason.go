package outcome

// The reasons this server gives. Those of kind Invalid are the protocol's.
// Rule: getsentry/relay relay-server/src/services/outcome.rs (DiscardReason)
const (
	ReasonProjectID          = "project_id"              // key unknown, disabled, or of another project
	ReasonCORS               = "cors"                    // origin not allowed
	ReasonNoData             = "no_data"                 // empty body
	ReasonEmptyEnvelope      = "empty_envelope"          // no items
	ReasonInvalidJSON        = "invalid_json"            // body or payload is not JSON
	ReasonInvalidEnvelope    = "invalid_envelope"        // framing is broken
	ReasonInvalidCompression = "invalid_compression"     // content encoding cannot be undone
	ReasonInvalidMultipart   = "invalid_multipart"       // body is no form
	ReasonInvalidMinidump    = "invalid_minidump"        // crash report without the mark of one
	ReasonMissingMinidump    = "missing_minidump_upload" // form without a crash report
	ReasonUnreal             = "process_unreal"          // crash archive of the Unreal Engine that is none
	ReasonContentType        = "content_type"            // content type or encoding we do not read
	ReasonPayload            = "payload"                 // body is neither JSON nor a wrapped form of it
	ReasonTooLarge           = "too_large"               // followed by ":" and what was too large
	ReasonDiscardedHash      = "discarded-hash"          // its issue was discarded
	ReasonDuplicate          = "duplicate"               // event id seen before
	ReasonDuplicateItem      = "duplicate_item"          // second item where one is allowed
	ReasonSecurityReportType = "security_report_type"    // report of no known kind
	ReasonSecurityReport     = "security_report"         // report of a known kind that cannot be read
	ReasonInvalidLog         = "invalid_log"             // log container of wrong type or count
	ReasonInvalidSpan        = "invalid_span"            // span without times and ids, or container of wrong type or count
	ReasonInvalidMetric      = "invalid_trace_metric"    // metric without value and ids, or container of wrong type or count
	ReasonInvalidTransaction = "invalid_transaction"     // transaction without times or trace
	ReasonInvalidProto       = "invalid_proto"           // protocol buffer that is none
	ReasonInvalidReplay      = "invalid_replay"          // replay without id or number
	ReasonReplayNoPayload    = "invalid_replay_no_payload"
	ReasonReplayRecording    = "invalid_replay_recording"
	ReasonReplayVideo        = "invalid_replay_video"
	ReasonInvalidSession     = "invalid_session"    // session without a valid release; the protocol counts sessions nowhere
	ReasonTimestamp          = "timestamp"          // too old or in the future
	ReasonInternal           = "internal"           // a defect of ours
	ReasonNotStored          = "not_stored"         // Filtered: a kind of data this server reads but does not keep
	ReasonKeyQuota           = "key_quota"          // RateLimited: the client key's own limit
	ReasonSpike              = "spike_protection"   // RateLimited: many more errors than usual in an hour
	ReasonMonitorRate        = "monitor_rate_limit" // RateLimited: too many check-ins of one monitor
	ReasonBackpressure       = "backpressure"       // RateLimited: neither queue nor disk could take it
)

// clientReasons are the reasons clients may give for what they dropped themselves.
// Rule: https://develop.sentry.dev/sdk/telemetry/client-reports/
var clientReasons = map[string]string{}

func init() {
	for _, r := range []string{
		"queue_overflow", "cache_overflow", "buffer_overflow", "ratelimit_backoff", "network_error",
		"send_error", "internal_sdk_error", "sample_rate", "before_send", "event_processor", "ignored",
		"invalid", "insufficient_data", "backpressure", "no_parent_span",
	} {
		clientReasons[r] = r
	}
}

// ClientReason returns the reason under which a client's own discard is counted: the given one
// when the protocol knows it, else "other", so that clients cannot invent rows.
func ClientReason(reason string) string {
	if r, ok := clientReasons[reason]; ok {
		return r
	}
	return "other"
}
