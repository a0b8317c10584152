// Package envelope reads and writes the framing of what clients send: one line of headers, then
// items, each with a header and payload bytes.
//
//	envelope = header-json [ LF *( item ) ]
//	item     = item-header-json [ LF [ payload ] [ LF ] ]
//
// It knows nothing of what payloads mean. Rule:
// https://develop.sentry.dev/sdk/foundations/transport/envelopes/ and
// getsentry/relay relay-server/src/envelope
package envelope

import (
	"bytes"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// ID is the id of the event an envelope belongs to.
type ID = [16]byte

// Envelope is one parsed envelope. Its byte slices alias what was parsed.
type Envelope struct {
	Header Header
	Items  []Item
}

// Header is the first line of an envelope. The zero value of a field means it was not sent.
type Header struct {
	EventID ID
	DSN     string
	SentAt  time.Time // the client's clock
	Raw     []byte    // the whole header, a JSON object
}

// Item is one item: what its header says, and its payload.
type Item struct {
	Type           string
	ContentType    string
	Filename       string
	AttachmentType string
	Platform       string
	Release        string // sentry_release, of security reports
	Environment    string // sentry_environment, of security reports
	Count          int    // item_count; -1 when absent or no count
	Raw            []byte // the whole header, a JSON object
	Payload        []byte
}

// Bounds on framing. Payload bytes are bounded by what the caller passes to Parse.
const (
	MaxHeader = 8 << 10 // bytes of one header, leading white space not counted
	MaxItems  = 300     // items of one envelope; no mix of items within the limits by type has more
)

// The causes of a malformed envelope, with the protocol's texts; Parse wraps them in
// "invalid event envelope".
// Rule: getsentry/relay relay-server/src/envelope/mod.rs (EnvelopeError)
var (
	ErrUnexpectedEOF  = fault.New(fault.Invalid, "unexpected end of file")
	ErrMissingHeader  = fault.New(fault.Invalid, "missing envelope header")
	ErrMissingNewline = fault.New(fault.Invalid, "missing newline after header or payload")
	ErrInvalidHeader  = fault.New(fault.Invalid, "invalid envelope header")
	ErrInvalidItem    = fault.New(fault.Invalid, "invalid item header")
)

// Malformed wraps the cause of a refusal in the text clients see for it.
func Malformed(cause error) error {
	return fault.Wrap(cause, fault.Invalid, "invalid event envelope")
}

// Parse reads one envelope from body, which it aliases. A malformed item anywhere makes the whole
// envelope malformed: fault.Invalid. Too many items, or a header over MaxHeader: fault.TooLarge.
func Parse(body []byte) (Envelope, error) {
	s := scanners.Get().(*scanner)
	defer s.release()
	env, rest, err := parseHeader(s, body)
	if err != nil {
		return Envelope{}, err
	}
	env.Items = make([]Item, 0, 2)
	for rest = trimSpace(rest); len(rest) > 0; rest = trimSpace(rest) {
		if len(env.Items) == MaxItems {
			return Envelope{}, fault.New(fault.TooLarge, "envelope exceeded the limit of %d items", MaxItems)
		}
		var it Item
		if it, rest, err = parseItem(s, rest); err != nil {
			return Envelope{}, err
		}
		env.Items = append(env.Items, it)
	}
	return env, nil
}

// ParseHeader reads only the first line of an envelope.
func ParseHeader(body []byte) (Header, error) {
	s := scanners.Get().(*scanner)
	defer s.release()
	env, _, err := parseHeader(s, body)
	return env.Header, err
}

// ParseLone reads the header of an envelope of size bytes, and of its item, from the bytes at its front.
// ok is false unless they say that there is this one item and no other. Its payload is left out.
func ParseLone(front []byte, size int64) (env Envelope, ok bool) {
	s := scanners.Get().(*scanner)
	defer s.release()
	env, rest, err := parseHeader(s, front)
	if err != nil {
		return Envelope{}, false
	}
	it := Item{Count: -1}
	rest = trimSpace(rest)
	n, length, err := s.item(rest, &it)
	if err != nil || length < 0 || n == len(rest) || rest[n] != '\n' {
		return Envelope{}, false
	}
	it.Raw = rest[:n]
	env.Items = []Item{it}
	end := int64(len(front)-len(rest)+n+1) + length
	return env, end == size || end+1 == size // a line feed may follow
}

func parseHeader(s *scanner, body []byte) (Envelope, []byte, error) {
	var env Envelope
	body = trimSpace(body)
	if len(body) == 0 {
		return env, nil, Malformed(ErrMissingHeader)
	}
	n, err := s.header(body, &env.Header)
	if err != nil {
		return env, nil, headerFault(err, ErrInvalidHeader)
	}
	env.Header.Raw = body[:n]
	rest, err := newline(body[n:])
	return env, rest, err
}

// parseItem reads the item at the front of b and returns what follows it.
func parseItem(s *scanner, b []byte) (Item, []byte, error) {
	it := Item{Count: -1}
	n, length, err := s.item(b, &it)
	if err != nil {
		return it, nil, headerFault(err, ErrInvalidItem)
	}
	it.Raw = b[:n]
	rest, err := newline(b[n:])
	if err != nil {
		return it, nil, err
	}
	if length >= 0 {
		if length > int64(len(rest)) {
			return it, nil, Malformed(ErrUnexpectedEOF)
		}
		it.Payload = rest[:length:length]
		rest, err = newline(rest[length:])
		return it, rest, err
	}
	end := bytes.IndexByte(rest, '\n')
	if end < 0 {
		it.Payload = rest
		return it, nil, nil
	}
	it.Payload = rest[:end:end]
	return it, rest[end+1:], nil
}

// newline takes the line feed that ends a header or payload; the end of input will do.
func newline(b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, nil
	}
	if b[0] != '\n' {
		return nil, Malformed(ErrMissingNewline)
	}
	return b[1:], nil
}

func headerFault(err, what error) error {
	if fault.KindOf(err) == fault.TooLarge {
		return err
	}
	return Malformed(what)
}

// trimSpace drops the white space that may stand before a header.
func trimSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == '\n' || b[0] == ' ' || b[0] == '\r' || b[0] == '\t') {
		b = b[1:]
	}
	return b
}
