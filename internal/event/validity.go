package event

import (
	"encoding/hex"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// ValidTransaction reports why a transaction cannot be measured: it needs both times, a trace, and
// spans that have the same. Other events are always fine. It looks at an event as Decode returns
// it, because Normalize fills in a missing time.
// fault.Invalid: the reason, as text.
// Rule: getsentry/relay relay-event-normalization/src/validation.rs (validate_transaction)
func (e *Event) ValidTransaction() error {
	if e.Type != TypeTransaction {
		return nil
	}
	if reason := invalidTimes(e.StartTimestamp, e.Timestamp); reason != "" {
		return fault.New(fault.Invalid, "transaction %s", reason)
	}
	trace := e.Context("trace")
	switch {
	case trace == nil:
		return fault.New(fault.Invalid, "transaction has no trace context")
	case !validID(trace.text("trace_id"), 16):
		return fault.New(fault.Invalid, "transaction has no valid trace_id")
	case !validID(trace.text("span_id"), 8):
		return fault.New(fault.Invalid, "transaction has no valid span_id")
	}
	if reason := invalidSpans(e.Spans); reason != "" {
		return fault.New(fault.Invalid, "a span of the transaction %s", reason)
	}
	return nil
}

// invalidTimes is what is wrong with a start and end, empty when nothing is.
func invalidTimes(start, end time.Time) string {
	switch {
	case end.IsZero():
		return "has no valid timestamp"
	case start.IsZero():
		return "has no valid start_timestamp"
	case end.Before(start):
		return "ends before it starts"
	}
	return ""
}

// validID reports whether s is an id of size bytes in hexadecimal that is not all zeros.
func validID(s string, size int) bool {
	s = lowerID(s)
	if len(s) != 2*size || strings.Trim(s, "0") == "" {
		return false
	}
	var buf [16]byte
	_, err := hex.Decode(buf[:], []byte(s))
	return err == nil
}

// invalidSpans is what is wrong with the first bad span, empty when none is.
func invalidSpans(list Value) string {
	if len(list) == 0 {
		return ""
	}
	r := reader{b: list, s: string(list)}
	for r.open(); r.next(']'); {
		if r.kind() != '{' {
			return "is no object"
		}
		if reason := r.invalidSpan(); reason != "" {
			return reason
		}
	}
	return ""
}

func (r *reader) invalidSpan() string {
	var start, end time.Time
	var trace, span string
	for r.open(); r.next('}'); {
		switch key := r.key(); key {
		case "start_timestamp":
			start = r.timestamp(key)
		case "timestamp":
			end = r.timestamp(key)
		case "trace_id":
			trace = r.str(key)
		case "span_id":
			span = r.str(key)
		default:
			r.skip(maxDepth)
		}
	}
	switch reason := invalidTimes(start, end); {
	case reason != "":
		return reason
	case !validID(trace, 16):
		return "has no valid trace_id"
	case !validID(span, 8):
		return "has no valid span_id"
	}
	return ""
}
