package envelope

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// scanner reads one JSON object off the front of a buffer, member by member.
type scanner struct {
	src bytes.Buffer // a bytes.Buffer is decoded in place
	dec jsontext.Decoder
}

var scanners = sync.Pool{New: func() any { return new(scanner) }}

// release gives s back without a hold on what it read.
func (s *scanner) release() {
	s.src = bytes.Buffer{}
	s.dec.Reset(&s.src)
	scanners.Put(s)
}

var errHeader = errors.New("malformed header")

// object calls each for every member of the object at the front of b with the decoder before the
// value, which each has to read. It returns the size of the object.
func (s *scanner) object(b []byte, each func(name string, dec *jsontext.Decoder) error) (int, error) {
	window := b[:min(len(b), MaxHeader+1)]
	s.src = *bytes.NewBuffer(window)
	s.dec.Reset(&s.src, lax...)
	err := s.members(each)
	if n := int(s.dec.InputOffset()); err == nil && n <= MaxHeader {
		return n, nil
	}
	// A header that does not end inside the window may be sound and just too long.
	if len(b) > MaxHeader && (err == nil || s.dec.InputOffset() >= MaxHeader || errors.Is(err, io.ErrUnexpectedEOF)) {
		return 0, fault.New(fault.TooLarge, "header exceeds %d bytes", MaxHeader)
	}
	return 0, err
}

func (s *scanner) members(each func(name string, dec *jsontext.Decoder) error) error {
	tok, err := s.dec.ReadToken()
	if err != nil {
		return err
	}
	if tok.Kind() != '{' {
		return errHeader
	}
	for {
		if tok, err = s.dec.ReadToken(); err != nil {
			return err
		}
		if tok.Kind() == '}' {
			return nil
		}
		if err := each(intern(tok), &s.dec); err != nil {
			return err
		}
	}
}

// lax lets through what does not stand in the way of reading a header.
var lax = []jsontext.Options{jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)}

// names spares an allocation for each header name we read.
var names = func() map[string]string {
	m := map[string]string{}
	for _, n := range []string{
		"event_id", "dsn", "sent_at", "sdk", "trace", "type", "length", "content_type", "filename",
		"attachment_type", "platform", "item_count", "sentry_release", "sentry_environment",
	} {
		m[n] = n
	}
	return m
}()

func intern(tok jsontext.Token) string {
	s := tok.String()
	if n, ok := names[s]; ok {
		return n
	}
	return s
}

// header reads the envelope header at the front of b and returns its size.
func (s *scanner) header(b []byte, h *Header) (int, error) {
	var seen [3]bool
	once := func(i int) error {
		if seen[i] {
			return errHeader
		}
		seen[i] = true
		return nil
	}
	return s.object(b, func(name string, dec *jsontext.Decoder) error {
		switch name {
		case "event_id":
			return firstOf(once(0), func() error { return readID(dec, &h.EventID) })
		case "dsn":
			return firstOf(once(1), func() error { return readString(dec, &h.DSN) })
		case "sent_at":
			return firstOf(once(2), func() error { return readTime(dec, &h.SentAt) })
		}
		return dec.SkipValue()
	})
}

func firstOf(err error, then func() error) error {
	if err != nil {
		return err
	}
	return then()
}

// item reads the item header at the front of b: its size, and the payload length it announces,
// -1 for none. Only type and length must be well-formed.
func (s *scanner) item(b []byte, it *Item) (size int, length int64, err error) {
	length = -1
	var typed, sized bool
	size, err = s.object(b, func(name string, dec *jsontext.Decoder) error {
		switch name {
		case "type":
			if dec.PeekKind() != '"' || typed {
				return errHeader
			}
			typed = true
			return readString(dec, &it.Type)
		case "length":
			if sized {
				return errHeader
			}
			sized = true
			return readLength(dec, &length)
		case "item_count":
			return readCount(dec, &it.Count)
		case "content_type":
			return readOptional(dec, &it.ContentType)
		case "filename":
			return readOptional(dec, &it.Filename)
		case "attachment_type":
			return readOptional(dec, &it.AttachmentType)
		case "platform":
			return readOptional(dec, &it.Platform)
		case "sentry_release":
			return readOptional(dec, &it.Release)
		case "sentry_environment":
			return readOptional(dec, &it.Environment)
		}
		return dec.SkipValue()
	})
	if err == nil && !typed {
		err = errHeader
	}
	return size, length, err
}

// readString reads a string; null leaves the field as it is, anything else is malformed.
func readString(dec *jsontext.Decoder, into *string) error {
	tok, err := dec.ReadToken()
	if err != nil {
		return err
	}
	switch tok.Kind() {
	case '"':
		*into = tok.String()
		return nil
	case 'n':
		return nil
	}
	return errHeader
}

// readOptional reads a string and ignores values of other types.
func readOptional(dec *jsontext.Decoder, into *string) error {
	if dec.PeekKind() == '"' {
		return readString(dec, into)
	}
	return dec.SkipValue()
}

func readCount(dec *jsontext.Decoder, into *int) error {
	v, err := dec.ReadValue()
	if err != nil {
		return err
	}
	if n, err := strconv.ParseUint(string(v), 10, 31); err == nil {
		*into = int(n)
	}
	return nil
}

// readLength reads an unsigned 32-bit integer; null is absent.
func readLength(dec *jsontext.Decoder, into *int64) error {
	v, err := dec.ReadValue()
	if err != nil || string(v) == "null" {
		return err
	}
	n, err := strconv.ParseUint(string(v), 10, 32)
	if err != nil {
		return errHeader
	}
	*into = int64(n)
	return nil
}

// readID reads a UUID of 32 or 36 characters; null is absent.
func readID(dec *jsontext.Decoder, into *ID) error {
	if dec.PeekKind() == 'n' {
		return dec.SkipValue()
	}
	var s string
	if err := readString(dec, &s); err != nil {
		return err
	}
	id, ok := ParseID(s)
	if !ok {
		return errHeader
	}
	*into = id
	return nil
}

// ParseID reads 32 hex digits, with or without the dashes of a UUID, in any case.
func ParseID(s string) (id ID, ok bool) {
	switch {
	case len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-':
		s = s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	case len(s) != 32:
		return ID{}, false
	}
	_, err := hex.Decode(id[:], []byte(s))
	return id, err == nil
}

func readTime(dec *jsontext.Decoder, into *time.Time) error {
	if dec.PeekKind() == 'n' {
		return dec.SkipValue()
	}
	var s string
	if err := readString(dec, &s); err != nil {
		return err
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return errHeader
	}
	*into = t.UTC()
	return nil
}
