package ingest

import (
	"bytes"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// verdict is what reading an item's payload found. The zero value: nothing is wrong with it.
type verdict struct {
	kind     outcome.Kind // 0 is outcome.Invalid: nothing is accepted here
	reason   string
	whole    bool  // the item is bad as a whole
	bad      int64 // entries of a container that are
	badBytes int64
}

// invalidItem is the verdict on an item that is bad as a whole.
func invalidItem(reason string) verdict { return verdict{reason: reason, whole: true} }

// checker reads the payload of an item that is counted and not stored. What it finds bad is
// counted under its own reason; the client is not told, and the rest of the envelope stands.
type checker func(q *request, env *envelope.Envelope, it *envelope.Item) verdict

// countChecked counts an item as kind and reason, but what is bad of it as what it is.
func (s *Service) countChecked(q *request, it *envelope.Item, spec itemSpec, v verdict, kind outcome.Kind, reason string) {
	badKind := outcome.Invalid
	if v.kind != 0 {
		badKind = v.kind
	}
	if v.whole {
		kind, reason = badKind, v.reason
	}
	quantities(it, spec, func(c outcome.Category, n int64) {
		bad := int64(0)
		switch {
		case v.whole || v.bad == 0:
		case c == outcome.LogByte:
			bad = min(v.badBytes, n)
		default:
			bad = min(v.bad, n)
		}
		s.drop(q, c, badKind, v.reason, bad)
		s.drop(q, c, kind, reason, n-bad)
	})
}

// checkTransaction asks for what a transaction must have to be measured.
// Rule: getsentry/relay relay-event-normalization/src/validation.rs
func checkTransaction(_ *request, _ *envelope.Envelope, it *envelope.Item) verdict {
	ev, err := event.Decode(it.Payload)
	if err != nil {
		return invalidItem(outcome.ReasonInvalidJSON)
	}
	ev.Type = event.TypeTransaction // the item's type decides
	if ev.ValidTransaction() != nil {
		return invalidItem(outcome.ReasonInvalidTransaction)
	}
	return verdict{}
}

// spansOf is how many spans a transaction has, itself included.
func spansOf(payload []byte) int64 {
	n := int64(1)
	err := members(payload, func(name string, dec *jsontext.Decoder) error {
		if name != "spans" || dec.PeekKind() != '[' {
			return dec.SkipValue()
		}
		return elements(dec, func(jsontext.Value) { n++ })
	})
	if err != nil {
		return 1
	}
	return n
}

// checkSpan asks a single span, as the clients before version 2 of the format send it, for its
// times and ids.
func checkSpan(q *request, env *envelope.Envelope, it *envelope.Item) verdict {
	if it.ContentType != "" && mediaType(it.ContentType) == spanContainer.contentType {
		return spanContainer.check(q, env, it)
	}
	var e entry
	if json.Unmarshal(it.Payload, &e, lax) != nil || !moment(e.Start) || !moment(e.Timestamp) || !hexID(e.TraceID, 16) || !hexID(e.SpanID, 8) {
		return invalidItem(outcome.ReasonInvalidSpan)
	}
	return verdict{}
}

// checkOTel asks a span or log in the words of OpenTelemetry to be an object.
func checkOTel(reason string) checker {
	return func(_ *request, _ *envelope.Envelope, it *envelope.Item) verdict {
		if members(it.Payload, skipMember) != nil {
			return invalidItem(reason)
		}
		return verdict{}
	}
}

func skipMember(_ string, dec *jsontext.Decoder) error { return dec.SkipValue() }

// maxSegment is the highest number of a part of a replay.
const maxSegment = 1<<16 - 1

// checkReplayEvent asks for the replay's id and the number of the part.
// Rule: getsentry/relay relay-event-schema/src/protocol/replay.rs
func checkReplayEvent(_ *request, _ *envelope.Envelope, it *envelope.Item) verdict {
	var head struct {
		ReplayID string   `json:"replay_id"`
		Segment  *float64 `json:"segment_id"`
	}
	if len(it.Payload) == 0 {
		return invalidItem(outcome.ReasonReplayNoPayload)
	}
	if json.Unmarshal(it.Payload, &head, lax) != nil || !hexID(head.ReplayID, 16) ||
		head.Segment == nil || *head.Segment < 0 || *head.Segment > maxSegment {
		return invalidItem(outcome.ReasonInvalidReplay)
	}
	return verdict{}
}

// checkRecording asks for the line that numbers the part, and something after it.
func checkRecording(_ *request, _ *envelope.Envelope, it *envelope.Item) verdict {
	line, rest, _ := bytes.Cut(it.Payload, []byte("\n"))
	var head struct {
		Segment *float64 `json:"segment_id"`
	}
	if json.Unmarshal(line, &head, lax) != nil || head.Segment == nil || len(rest) == 0 {
		return invalidItem(outcome.ReasonReplayRecording)
	}
	return verdict{}
}

// checkReplayVideo asks for a MessagePack map.
func checkReplayVideo(_ *request, _ *envelope.Envelope, it *envelope.Item) verdict {
	const fixMap, map16, map32 = 0x80, 0xde, 0xdf
	if b := it.Payload; len(b) < 2 || (b[0]&0xf0 != fixMap && b[0] != map16 && b[0] != map32) {
		return invalidItem(outcome.ReasonReplayVideo)
	}
	return verdict{}
}
