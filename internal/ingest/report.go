package ingest

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// Bounds on what one client report may count.
const (
	maxDiscards        = 200
	maxDiscardQuantity = 1_000_000
	maxReportAhead     = time.Minute
	maxReportAge       = 30 * 24 * time.Hour
)

// clientReport is what a client says it dropped itself.
// Rule: https://develop.sentry.dev/sdk/telemetry/client-reports/
type clientReport struct {
	Timestamp json.RawMessage `json:"timestamp"`
	Discarded []struct {
		Reason   string  `json:"reason"`
		Category string  `json:"category"`
		Quantity float64 `json:"quantity"`
	} `json:"discarded_events"`
}

// countReport counts a client report under the minute it came in. Reports that cannot be read or
// are of another time, and categories the protocol does not have, count as nothing.
// Only what a client dropped itself is believed: the lists of what others limited or filtered are
// for servers that pass items on.
func (s *Service) countReport(q *request, h *envelope.Header, payload []byte) {
	var rep clientReport
	if json.Unmarshal(payload, &rep) != nil || !current(rep.Timestamp, clock{q.receivedAt, h.SentAt}) {
		return
	}
	for _, d := range rep.Discarded[:min(len(rep.Discarded), maxDiscards)] {
		if c, ok := outcome.ParseCategory(d.Category); ok {
			s.drop(q, c, outcome.ClientDiscard, outcome.ClientReason(d.Reason), int64(min(max(d.Quantity, 0), maxDiscardQuantity)))
		}
	}
}

// current reports whether a report's time, seconds or RFC 3339, lies within bounds around now once
// it is corrected by the client's drift. A missing or unreadable one is now.
func current(stamp json.RawMessage, c clock) bool {
	now := c.received
	at := now
	var seconds float64
	var text string
	switch {
	case len(stamp) == 0 || bytes.Equal(stamp, []byte("null")):
	case json.Unmarshal(stamp, &seconds) == nil:
		if seconds < 0 || seconds > 1e11 {
			return false
		}
		at = c.correct(time.Unix(int64(seconds), 0))
	case json.Unmarshal(stamp, &text) == nil:
		if t, err := time.Parse(time.RFC3339, text); err == nil {
			at = c.correct(t)
		}
	}
	return at.Before(now.Add(maxReportAhead)) && at.After(now.Add(-maxReportAge))
}
