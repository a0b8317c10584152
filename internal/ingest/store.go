package ingest

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// errJSON answers a store body that is no event.
var errJSON = fault.New(fault.Invalid, "invalid JSON data")

// eventHead is what acceptance has to know of an event's payload.
type eventHead struct {
	id  event.ID // zero when the payload has none
	typ string
}

// scanners holds idle readers of payload heads.
var scanners = sync.Pool{New: func() any { return new(scanner) }}

type scanner struct {
	src bytes.Buffer // a bytes.Buffer is decoded in place
	dec jsontext.Decoder
}

// scanEvent reads the id and type of an event and checks that the payload is one JSON object, all
// of it. errJSON when it is not, or when its id is none.
func scanEvent(payload []byte) (eventHead, error) {
	s := scanners.Get().(*scanner)
	s.src = *bytes.NewBuffer(payload)
	s.dec.Reset(&s.src, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	head, err := s.scan()
	s.src = bytes.Buffer{}
	s.dec.Reset(&s.src)
	scanners.Put(s)
	if err != nil {
		return eventHead{}, errJSON
	}
	return head, nil
}

func (s *scanner) scan() (head eventHead, err error) {
	tok, err := s.dec.ReadToken()
	if err != nil || tok.Kind() != '{' {
		return head, errJSON
	}
	for {
		tok, err := s.dec.ReadToken()
		switch {
		case err != nil:
			return head, err
		case tok.Kind() == '}':
			_, err := s.dec.ReadToken()
			if !errors.Is(err, io.EOF) {
				return head, errJSON
			}
			return head, nil
		}
		switch name := tok.String(); {
		case name == "event_id" && s.dec.PeekKind() != 'n':
			err = s.readID(&head.id)
		case name == "type" && s.dec.PeekKind() == '"':
			tok, err = s.dec.ReadToken()
			head.typ = tok.String()
		default:
			err = s.dec.SkipValue()
		}
		if err != nil {
			return head, err
		}
	}
}

func (s *scanner) readID(id *event.ID) error {
	tok, err := s.dec.ReadToken()
	if err != nil || tok.Kind() != '"' {
		return errJSON
	}
	*id, err = event.ParseID(tok.String())
	return err
}

// acceptStore answers /api/{project}/store/ and /api/store/ with {"id": event id}, a GET with a
// picture. fault.Invalid: no event in it.
// Rule: getsentry/relay relay-server/src/endpoints/store.rs
func (s *Service) acceptStore(w http.ResponseWriter, r *http.Request) error {
	q, err := s.newRequest(r, outcome.Error)
	if err != nil {
		return err
	}
	if mediaType(r.Header.Get("Content-Type")) == "application/x-sentry-envelope" {
		return s.envelopeBody(w, r, q)
	}
	if r.Method == http.MethodGet {
		// Spaces were plus signs of base64 that a client did not escape.
		data := strings.ReplaceAll(q.query.Get("sentry_data"), " ", "+")
		if strings.HasPrefix(q.query.Get("sentry_data"), "{") {
			data = q.query.Get("sentry_data")
		}
		rec, err := s.storeBody(r.Context(), q, []byte(data))
		if err != nil {
			return s.failed(w, rec, err)
		}
		answerPixel(w, rec)
		return nil
	}
	body, err := s.readBody(w, r, s.cfg.MaxEventBytes)
	if err != nil {
		return s.unreadable(q, err)
	}
	defer body.free()
	rec, err := s.storeBody(r.Context(), q, body.b)
	if err != nil {
		return s.failed(w, rec, err)
	}
	answerID(w, rec)
	return nil
}

// storeBody accepts one event that came without an envelope.
func (s *Service) storeBody(ctx context.Context, q *request, body []byte) (receipt, error) {
	if len(body) == 0 {
		return receipt{}, s.unreadable(q, errEmpty)
	}
	unwrapped, err := s.unwrap(ctx, body)
	if err != nil {
		return receipt{}, s.unreadable(q, err)
	}
	defer unwrapped.free()
	payload := unwrapped.b
	if strings.HasPrefix(q.auth.Client, "raven-python/") || strings.HasPrefix(q.auth.Client, "sentry-python/") {
		payload = replaceNaN(payload)
	}
	head, err := scanEvent(payload)
	if err != nil {
		s.drop(q, outcome.Error, outcome.Invalid, outcome.ReasonInvalidJSON, 1)
		return receipt{}, err
	}
	it := envelope.Item{Type: itemTypeOf(head.typ), Count: -1, Payload: payload}
	return s.accept(ctx, q, &envelope.Envelope{Header: envelope.Header{EventID: head.id}, Items: []envelope.Item{it}})
}

// itemTypeOf is the item type of an event that came without an envelope.
func itemTypeOf(eventType string) string {
	switch eventType {
	case "transaction", "feedback":
		return eventType
	case "csp", "hpkp", "expectct", "expectstaple":
		return "security"
	}
	return "event"
}

// unwrapped is a body as JSON; buffer is nil when the bytes are the caller's.
type unwrapped struct {
	b      []byte
	buffer *buffer
}

func (u unwrapped) free() {
	if u.buffer != nil {
		u.buffer.free()
	}
}

// errPayload answers a store body that is neither JSON nor base64 of something.
var errPayload = fault.New(fault.Invalid, "invalid request body")

// unwrap undoes the wrapping of the oldest clients, which send base64 of JSON or of a zlib stream
// of JSON without saying so.
func (s *Service) unwrap(ctx context.Context, body []byte) (unwrapped, error) {
	body = bytes.TrimSpace(body)
	if len(body) > 0 && body[0] == '{' {
		return unwrapped{b: body}, nil
	}
	plain := make([]byte, base64.StdEncoding.DecodedLen(len(body)))
	n, err := base64.StdEncoding.Strict().Decode(plain, body)
	if err != nil || n == 0 {
		return unwrapped{}, errPayload
	}
	plain = plain[:n]
	if plain[0] == '{' {
		return unwrapped{b: plain}, nil
	}
	if !isZlib(bytes.NewReader(plain)) {
		return unwrapped{}, errPayload
	}
	out, err := s.decode(ctx, "deflate", plain, s.cfg.MaxEventBytes)
	if err != nil {
		return unwrapped{}, err
	}
	return unwrapped{b: out.b, buffer: out}, nil
}

// replaceNaN writes null for the tokens NaN, Infinity and -Infinity, which old Python clients put
// into what is else JSON. Text inside strings is left alone.
func replaceNaN(b []byte) []byte {
	if !bytes.Contains(b, []byte("NaN")) && !bytes.Contains(b, []byte("Infinity")) {
		return b
	}
	out := make([]byte, 0, len(b)+64)
	inString := false
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case inString && c == '\\' && i+1 < len(b):
			out = append(out, c)
			i++
			c = b[i]
		case c == '"':
			inString = !inString
		case !inString:
			if n := notANumber(b[i:]); n > 0 {
				out = append(out, "null"...)
				i += n - 1
				continue
			}
		}
		out = append(out, c)
	}
	return out
}

// notANumber is the size of the token at the front of b that stands for no JSON number; 0 for none.
func notANumber(b []byte) int {
	for _, token := range [...]string{"NaN", "Infinity", "-Infinity"} {
		if bytes.HasPrefix(b, []byte(token)) {
			return len(token)
		}
	}
	return 0
}
