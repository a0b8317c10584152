package event

import "time"

// The tolerances on the client's clock.
// Rule: getsentry/relay relay-event-normalization/src/clock_drift.rs
const (
	driftMinimum = 55 * time.Minute
	futureLimit  = 60 * time.Second
)

// clock corrects a client clock that is far off, and moves an event that lies in the future or
// before the retention to the time it was received.
func (n *normalizer) clock() {
	if !n.d.ReceivedAt.IsZero() {
		n.ReceivedAt = n.d.ReceivedAt.UTC().Truncate(time.Microsecond)
	}
	received := n.ReceivedAt
	if received.IsZero() {
		return
	}
	if !n.d.SentAt.IsZero() && !n.Meta.has("timestamp", "clock_drift") {
		drift := received.Sub(n.d.SentAt).Truncate(time.Second)
		if drift.Abs() >= driftMinimum {
			n.shift(received.Sub(n.d.SentAt).Truncate(time.Microsecond))
			n.clockError("clock_drift", n.d.SentAt)
		}
	}
	sent := n.Timestamp
	switch {
	case sent.IsZero():
		n.Timestamp = received
	case sent.After(received.Add(futureLimit)):
		n.shift(received.Sub(sent))
		n.Timestamp = received
		n.clockError("future_timestamp", sent)
	case n.d.Retention > 0 && sent.Before(received.Add(-n.d.Retention)):
		n.shift(received.Sub(sent))
		n.Timestamp = received
		n.clockError("past_timestamp", sent)
	}
}

// shift moves every time of the event.
func (n *normalizer) shift(by time.Duration) {
	n.Timestamp = shifted(n.Timestamp, by)
	n.StartTimestamp = shifted(n.StartTimestamp, by)
	if n.Spans != nil {
		n.Spans = shiftSpans(n.Spans, by)
	}
	for i := range n.Breadcrumbs {
		n.Breadcrumbs[i].Timestamp = shifted(n.Breadcrumbs[i].Timestamp, by)
	}
}

// shifted leaves a time alone that is absent, or that would leave the calendar.
func shifted(t time.Time, by time.Duration) time.Time {
	if t.IsZero() {
		return t
	}
	if s := t.Add(by).Unix(); s < firstSecond || s > lastSecond {
		return t
	}
	return t.Add(by)
}

func (n *normalizer) clockError(kind string, sdk time.Time) {
	data := Object{
		{"sdk_time", TextValue(sdk.UTC().Format(time.RFC3339Nano))},
		{"server_time", TextValue(n.ReceivedAt.Format(time.RFC3339Nano))},
	}
	n.Meta = n.Meta.add("timestamp", Remarks{Errors: []MetaError{{kind, data}}})
	if len(n.Errors) < maxErrors {
		n.Errors = append(n.Errors, ProcessingError{Type: kind, Name: "timestamp"})
	}
}
