package envelope

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Append writes e to dst so that Parse reads it back: headers compact, each payload with its
// length and a line feed after it.
func (e *Envelope) Append(dst []byte) []byte {
	dst = appendCompact(dst, e.Header.Raw)
	dst = append(dst, '\n')
	for i := range e.Items {
		it := &e.Items[i]
		dst = append(appendItemHeader(dst, it), '\n')
		dst = append(append(dst, it.Payload...), '\n')
	}
	return dst
}

// appendItemHeader copies an item's header with its length set to the payload's.
func appendItemHeader(dst []byte, it *Item) []byte {
	s := scanners.Get().(*scanner)
	defer s.release()
	start := len(dst)
	dst = append(dst, '{')
	_, err := s.object(it.Raw, func(name string, dec *jsontext.Decoder) error {
		v, err := dec.ReadValue()
		if err != nil || name == "length" {
			return err
		}
		if dst, err = jsontext.AppendQuote(dst, name); err != nil {
			return err
		}
		dst = append(appendCompact(append(dst, ':'), v), ',')
		return nil
	})
	if err != nil { // Raw was not made by Parse; the type alone still frames the payload
		dst, _ = jsontext.AppendQuote(append(dst[:start], `{"type":`...), it.Type)
		dst = append(dst, ',')
	}
	dst = strconv.AppendInt(append(dst, `"length":`...), int64(len(it.Payload)), 10)
	return append(dst, '}')
}

// appendCompact copies a JSON value without insignificant white space; what is no JSON becomes an
// empty object.
func appendCompact(dst, raw []byte) []byte {
	v := jsontext.Value(append([]byte(nil), raw...))
	if err := v.Compact(lax...); err != nil {
		return append(dst, "{}"...)
	}
	return append(dst, v...)
}
