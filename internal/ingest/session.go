package ingest

import (
	"errors"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// Bounds on the times of sessions. Rule: getsentry/relay relay-server/src/processing/sessions
const (
	maxSessionAge   = 5 * 24 * time.Hour
	maxSessionAhead = 60 * time.Second
	driftMinimum    = 55 * time.Minute
)

// The ways a session is refused.
var (
	errSessionTime    = errors.New("session is of another time")
	errSessionRelease = errors.New("session has no valid release")
)

// attributes are what all updates of a session have in common.
type attributes struct {
	Release     string  `json:"release"`
	Environment *string `json:"environment"` // nil when unset or not valid
}

func (a *attributes) validate() error {
	a.Release = strings.TrimSpace(a.Release)
	if !event.ValidRelease(a.Release) {
		return errSessionRelease
	}
	if a.Environment != nil && !event.ValidEnvironment(*a.Environment) {
		a.Environment = nil
	}
	return nil
}

// session is one update of a session, which carries all of its state.
// Rule: https://develop.sentry.dev/sdk/telemetry/sessions/
type session struct {
	ID         string     `json:"sid"`
	User       string     `json:"did"`
	Sequence   *uint64    `json:"seq"` // of two updates the higher one holds
	Init       bool       `json:"init"`
	Started    time.Time  `json:"started"`
	Timestamp  time.Time  `json:"timestamp"`
	Status     string     `json:"status"`
	Errors     uint64     `json:"errors"`
	Attributes attributes `json:"attrs"`
}

// clock is what is known of when an envelope came and was sent.
type clock struct{ received, sent time.Time }

// correct moves a time by how far off the client's clock is, when that is far.
// Rule: getsentry/relay relay-event-normalization/src/clock_drift.rs
func (c clock) correct(t time.Time) time.Time {
	if c.sent.IsZero() {
		return t
	}
	if drift := c.received.Sub(c.sent); drift.Truncate(time.Second).Abs() >= driftMinimum {
		return t.Add(drift)
	}
	return t
}

// near reports whether a session of that time is still taken.
func (c clock) near(t time.Time) bool {
	return !t.Before(c.received.Add(-maxSessionAge)) && !t.After(c.received.Add(maxSessionAhead))
}

// readSession reads one update with its gaps filled and its times corrected.
func readSession(payload []byte, c clock) (session, error) {
	var s session
	if err := json.Unmarshal(payload, &s, lax); err != nil {
		return s, errJSON
	}
	if _, err := event.ParseID(s.ID); s.Started.IsZero() || (s.ID != "" && err != nil) {
		return s, errJSON
	}
	if s.Timestamp.IsZero() {
		s.Timestamp = c.received
	} else {
		s.Timestamp = c.correct(s.Timestamp)
	}
	s.Started = c.correct(s.Started)
	if s.Timestamp.Before(s.Started) {
		s.Timestamp = s.Started
	}
	sequence := uint64(c.received.UnixMilli())
	switch {
	case s.Init:
		sequence = 0
	case s.Sequence != nil:
		sequence = *s.Sequence
	}
	s.Sequence = &sequence
	if s.Status == "" {
		s.Status = "ok"
	}
	if s.Status == "crashed" {
		s.Errors = max(s.Errors, 1)
	}
	if !c.near(s.Started) || !c.near(s.Timestamp) {
		return s, errSessionTime
	}
	return s, s.Attributes.validate()
}

// bucket counts the sessions of one user, or of all unnamed ones, that started in a minute.
type bucket struct {
	Started   time.Time `json:"started"`
	User      string    `json:"did"` // empty for unnamed ones
	Exited    uint32    `json:"exited"`
	Errored   uint32    `json:"errored"`
	Abnormal  uint32    `json:"abnormal"`
	Unhandled uint32    `json:"unhandled"`
	Crashed   uint32    `json:"crashed"`
}

// readAggregates calls each for every bucket of an item within bounds, with its time corrected.
// errSessionTime when it has buckets, but none within bounds.
func readAggregates(payload []byte, c clock, each func(*bucket)) error {
	var attrs attributes
	late, taken := 0, 0
	err := members(payload, func(name string, dec *jsontext.Decoder) error {
		switch name {
		case "attrs":
			return json.UnmarshalDecode(dec, &attrs, lax)
		case "aggregates":
			return elements(dec, func(v jsontext.Value) {
				var b bucket
				if json.Unmarshal(v, &b, lax) != nil || b.Started.IsZero() {
					return
				}
				if b.Started = c.correct(b.Started); !c.near(b.Started) {
					late++
					return
				}
				taken++
				each(&b)
			})
		}
		return dec.SkipValue()
	})
	switch {
	case err != nil, taken == 0 && late == 0:
		return errJSON
	case taken == 0:
		return errSessionTime
	}
	return attrs.validate()
}

// checkSession judges an update of a session.
func checkSession(q *request, env *envelope.Envelope, it *envelope.Item) verdict {
	_, err := readSession(it.Payload, clock{q.receivedAt, env.Header.SentAt})
	return sessionVerdict(err)
}

// checkSessions judges counted sessions.
func checkSessions(q *request, env *envelope.Envelope, it *envelope.Item) verdict {
	return sessionVerdict(readAggregates(it.Payload, clock{q.receivedAt, env.Header.SentAt}, func(*bucket) {}))
}

func sessionVerdict(err error) verdict {
	switch err {
	case nil:
		return verdict{}
	case errSessionTime:
		return invalidItem(outcome.ReasonTimestamp)
	case errSessionRelease:
		return invalidItem(outcome.ReasonInvalidSession)
	}
	return invalidItem(outcome.ReasonInvalidJSON)
}
