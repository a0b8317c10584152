package ingest

import (
	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// class is a size class: limits that the items of some types share. Zero is no limit.
// Rule: getsentry/relay relay-server/src/utils/sizes.rs, relay-config/src/config.rs
type class struct {
	name  string // in the reason too_large:<name>
	count int    // items of the class in one envelope
	each  int64  // bytes of one item
	total int64  // bytes of all items of the class in one envelope
	mean  int64  // bytes of an item for each entry its header announces
}

var (
	classEvent      = &class{name: "event"} // each: Config.MaxEventBytes
	classAttachment = &class{name: "attachment", count: 30, each: 200 << 20, total: 200 << 20}
	classSession    = &class{name: "session", count: 100, total: 10 << 20}
	classReport     = &class{name: "client_report", count: 100, total: 100 << 10}
	classCheckIn    = &class{name: "check_in", count: 1, each: 100 << 10}
	classProfile    = &class{name: "profile", count: 1, each: 50 << 20}
	classRecording  = &class{name: "replay_recording", count: 1, each: 10 << 20}
	classVideo      = &class{name: "replay_video", count: 1, each: 10 << 20}
	classSpan       = &class{name: "span", count: 25, each: 10 << 20, total: 12 << 20}
	classSpans      = &class{name: "span", count: 1, total: 12 << 20, mean: 10 << 20}
	classLog        = &class{name: "log", total: 12 << 20, mean: 2 << 20}
	classMetric     = &class{name: "trace_metric", count: 1, total: 12 << 20, mean: 1 << 20}
	classSmall      = &class{name: "item", each: 1 << 20}
)

// counting says which quantities an item counts as.
type counting uint8

const (
	countOne        counting = iota // one of its category
	countNone                       // nothing
	countEntries                    // the entries its header announces
	countLog                        // the entries, and the bytes
	countAttachment                 // bytes, the item, and an error when it makes an event
	countReport                     // what the client says it dropped
	countSpans                      // one of its category, and its spans with the one it is itself
	countCheckIn                    // one of its category, within its monitor's rate
	countProfile                    // one of its category, and one of its kind of platform
)

// itemSpec is all that acceptance knows of an item type.
type itemSpec struct {
	category  outcome.Category
	class     *class
	counting  counting
	needsID   bool // belongs to the envelope's event and is dropped with it
	event     bool // fills the envelope's one place for an event
	stored    bool // an event that goes to the processor; without companion, the others are counted and dropped
	companion bool // kept beside the envelope's event
	internal  bool // never sent by clients
	single    bool // two of them are both refused
	check     checker
}

// items is the table of item types.
// Rule: https://develop.sentry.dev/sdk/foundations/data-model/envelope-items/ and
// getsentry/relay relay-server/src/envelope/item.rs
var items = map[string]itemSpec{
	"event":            {category: outcome.Error, class: classEvent, needsID: true, event: true, stored: true},
	"security":         {category: outcome.Security, class: classEvent, needsID: true, event: true, stored: true},
	"raw_security":     {category: outcome.Security, class: classEvent, needsID: true, event: true, stored: true},
	"transaction":      {category: outcome.Transaction, class: classEvent, needsID: true, event: true, counting: countSpans, check: checkTransaction},
	"feedback":         {category: outcome.Feedback, class: classEvent, needsID: true, event: true, stored: true},
	"replay_event":     {category: outcome.Replay, class: classEvent, needsID: true, event: true, check: checkReplayEvent},
	"form_data":        {class: classEvent, needsID: true, counting: countNone},
	"attachment":       {category: outcome.Attachment, class: classAttachment, needsID: true, counting: countAttachment, companion: true},
	"unreal_report":    {category: outcome.Error, class: classAttachment, needsID: true},
	"user_report":      {category: outcome.Feedback, class: classAttachment, needsID: true, companion: true},
	"session":          {category: outcome.Session, class: classSession, check: checkSession},
	"sessions":         {category: outcome.Session, class: classSession, check: checkSessions},
	"client_report":    {class: classReport, counting: countReport},
	"check_in":         {category: outcome.Monitor, class: classCheckIn, counting: countCheckIn},
	"statsd":           {category: outcome.MetricBucket, class: classSmall},
	"metric_buckets":   {category: outcome.MetricBucket, class: classSmall},
	"metric_meta":      {class: classSmall, counting: countNone},
	"profile":          {category: outcome.Profile, class: classProfile, needsID: true, counting: countProfile, check: checkProfile},
	"profile_chunk":    {category: outcome.ProfileChunk, class: classProfile, check: checkChunk},
	"profile_chunk_ui": {category: outcome.ProfileChunkUI, class: classProfile, check: checkChunk},
	"replay_recording": {category: outcome.Replay, class: classRecording, check: checkRecording},
	"replay_video":     {category: outcome.Replay, class: classVideo, check: checkReplayVideo},
	"span":             {category: outcome.Span, class: classSpan, counting: countEntries, check: checkSpan},
	"otel_span":        {category: outcome.Span, class: classSmall, check: checkOTel(outcome.ReasonInvalidSpan)},
	"log":              {category: outcome.LogItem, class: classLog, counting: countLog, single: true, check: logContainer.check},
	"otel_log":         {category: outcome.LogItem, class: classSmall, counting: countLog, check: checkOTel(outcome.ReasonInvalidLog)},
	"trace_metric":     {category: outcome.TraceMetric, class: classMetric, counting: countEntries, check: metricContainer.check},
	"nel":              {class: classSmall, counting: countNone},
	"integration":      {internal: true},
}

// unknownItem is what an item of a type outside the table is.
var unknownItem = itemSpec{category: outcome.UnknownItem}

func specOf(it *envelope.Item) itemSpec {
	spec, known := items[it.Type]
	switch {
	case !known:
		return unknownItem
	case it.Type == "profile_chunk" && uiPlatform(it.Platform):
		spec.category = outcome.ProfileChunkUI
	case it.Type == "span" && mediaType(it.ContentType) == spanContainer.contentType:
		spec.class = classSpans
	}
	return spec
}

// uiPlatform reports whether profiles of a platform count as those of a user interface.
// Rule: getsentry/relay relay-profiling/src/lib.rs (ProfileType)
func uiPlatform(p string) bool {
	return p == "javascript" || p == "cocoa" || p == "android"
}

// quantities calls each for every category an item counts in.
func quantities(it *envelope.Item, spec itemSpec, each func(outcome.Category, int64)) {
	size := int64(len(it.Payload))
	entries := int64(1)
	if it.Count >= 0 {
		entries = min(int64(it.Count), size) // an entry has at least one byte, whatever is claimed
	}
	switch spec.counting {
	case countOne, countCheckIn:
		each(spec.category, 1)
	case countEntries:
		each(spec.category, entries)
	case countSpans:
		each(spec.category, 1)
		each(outcome.Span, spansOf(it.Payload))
	case countProfile:
		each(spec.category, 1)
		if c, ok := profileCategory(it.Platform); ok {
			each(c, 1)
		}
	case countLog:
		each(spec.category, entries)
		each(outcome.LogByte, size)
	case countAttachment:
		each(outcome.Attachment, max(size, 1))
		each(outcome.AttachmentItem, 1)
		if isCrash(it) {
			each(outcome.Error, 1)
		}
	}
}

// checkItems holds an envelope to the limits by type. The first one passed refuses it whole:
// fault.TooLarge, with the name for the outcome. Types that clients never send: fault.Invalid.
func checkItems(list []envelope.Item, maxEvent int64) (tooLarge string, err error) {
	var sums [16]struct {
		class *class
		count int
		bytes int64
	}
	for i := range list {
		spec := specOf(&list[i])
		if spec.internal {
			return "", fault.New(fault.Invalid, "envelope contains internal items")
		}
		c, size := spec.class, int64(len(list[i].Payload))
		if c == nil {
			continue
		}
		each := c.each
		if c == classEvent {
			each = maxEvent
		}
		j := 0
		for sums[j].class != nil && sums[j].class != c {
			j++
		}
		sum := &sums[j]
		sum.class, sum.count, sum.bytes = c, sum.count+1, sum.bytes+size
		if over(each, size) || over(c.total, sum.bytes) || over(int64(c.count), int64(sum.count)) ||
			over(c.mean, size/int64(max(list[i].Count, 1))) {
			return c.name, fault.New(fault.TooLarge, "envelope exceeded size limits for type '%s'", list[i].Type)
		}
	}
	return "", nil
}

// over reports whether n passes a limit; zero is none.
func over(limit, n int64) bool { return limit > 0 && n > limit }
