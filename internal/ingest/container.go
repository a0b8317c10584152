package ingest

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// lax lets through what does not stand in the way of reading a payload.
var lax = json.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))

// members calls each for every member of a JSON object, with the decoder before the value, which
// each has to read. errJSON when the payload is anything else.
func members(payload []byte, each func(name string, dec *jsontext.Decoder) error) error {
	s := scanners.Get().(*scanner)
	s.src = *bytes.NewBuffer(payload)
	s.dec.Reset(&s.src, lax)
	err := s.members(each)
	s.src = bytes.Buffer{}
	s.dec.Reset(&s.src)
	scanners.Put(s)
	if err != nil {
		return errJSON
	}
	return nil
}

func (s *scanner) members(each func(name string, dec *jsontext.Decoder) error) error {
	tok, err := s.dec.ReadToken()
	if err != nil || tok.Kind() != '{' {
		return errJSON
	}
	for {
		switch tok, err = s.dec.ReadToken(); {
		case err != nil:
			return err
		case tok.Kind() == '}':
			if _, err := s.dec.ReadToken(); !errors.Is(err, io.EOF) {
				return errJSON
			}
			return nil
		}
		if err := each(tok.String(), &s.dec); err != nil {
			return err
		}
	}
}

// elements calls each for every element of the JSON array before the decoder. The value is only
// good until each returns.
func elements(dec *jsontext.Decoder, each func(v jsontext.Value)) error {
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '[' {
		return errJSON
	}
	for dec.PeekKind() != ']' {
		v, err := dec.ReadValue()
		if err != nil {
			return err
		}
		each(v)
	}
	_, err := dec.ReadToken()
	return err
}

// entry is what the entries of all containers are asked for; a type that does not fit makes the
// entry unreadable.
type entry struct {
	Timestamp jsontext.Value `json:"timestamp"`
	Start     jsontext.Value `json:"start_timestamp"`
	End       jsontext.Value `json:"end_timestamp"`
	TraceID   string         `json:"trace_id"`
	SpanID    string         `json:"span_id"`
	Body      *string        `json:"body"`
	Name      string         `json:"name"`
	Type      string         `json:"type"`
	Value     jsontext.Value `json:"value"`
}

// container is how the entries of an item that holds many are told apart.
type container struct {
	contentType string
	reason      string // of an entry or container that breaks a rule
	sound       func(e *entry) bool
}

// The containers. Rule: getsentry/relay relay-server/src/envelope/container.rs and
// https://develop.sentry.dev/sdk/telemetry/logs/
var (
	logContainer = container{"application/vnd.sentry.items.log+json", outcome.ReasonInvalidLog, func(e *entry) bool {
		return moment(e.Timestamp) && hexID(e.TraceID, 16) && optionalID(e.SpanID, 8) && e.Body != nil
	}}
	spanContainer = container{"application/vnd.sentry.items.span.v2+json", outcome.ReasonInvalidSpan, func(e *entry) bool {
		return moment(e.Start) && moment(e.End) && hexID(e.TraceID, 16) && hexID(e.SpanID, 8)
	}}
	metricContainer = container{"application/vnd.sentry.items.trace-metric+json", outcome.ReasonInvalidMetric, func(e *entry) bool {
		return moment(e.Timestamp) && hexID(e.TraceID, 16) && optionalID(e.SpanID, 8) && e.Name != "" && number(e.Value) &&
			(e.Type == "counter" || e.Type == "gauge" || e.Type == "distribution")
	}}
)

// check reads a container. One of another content type, or with other than the announced number of
// entries, is bad as a whole; a bad entry is only bad itself.
func (c container) check(_ *request, _ *envelope.Envelope, it *envelope.Item) verdict {
	whole := verdict{reason: c.reason, whole: true}
	if mediaType(it.ContentType) != c.contentType || it.Count < 0 {
		return whole
	}
	v := verdict{reason: c.reason}
	n := 0
	err := members(it.Payload, func(name string, dec *jsontext.Decoder) error {
		if name != "items" {
			return dec.SkipValue()
		}
		return elements(dec, func(value jsontext.Value) {
			n++
			var e entry
			if json.Unmarshal(value, &e, lax) != nil || !c.sound(&e) {
				v.bad++
				v.badBytes += int64(len(value))
			}
		})
	})
	if err != nil || n != it.Count {
		return whole
	}
	return v
}

// number reports whether v is a JSON number.
func number(v jsontext.Value) bool { return v.Kind() == '0' }

// moment reports whether v is a time: seconds, or RFC 3339 as the Go client writes it.
func moment(v jsontext.Value) bool {
	if v.Kind() != '"' {
		return v.Kind() == '0'
	}
	_, err := time.Parse(time.RFC3339, strings.Trim(string(v), `"`))
	return err == nil
}

// hexID reports whether s is an id of size bytes in hexadecimal, dashes left out of account, that
// is not all zeros.
func hexID(s string, size int) bool {
	n, zeros := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '-':
			continue
		case c == '0':
			zeros++
		case !strings.ContainsRune("123456789abcdefABCDEF", rune(c)):
			return false
		}
		n++
	}
	return n == 2*size && zeros < n
}

// optionalID is hexID for an id that may be missing.
func optionalID(s string, size int) bool { return s == "" || hexID(s, size) }
