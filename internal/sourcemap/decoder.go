package sourcemap

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// decoder reads JSON and says where in the data its values lie, so that long texts are not copied.
type decoder struct {
	*jsontext.Decoder
	base int // of its input within the data
}

func newDecoder(data []byte, at span) *decoder {
	return &decoder{jsontext.NewDecoder(bytes.NewBuffer(data[at.start:at.end:at.end]), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)), at.start}
}

// value skips one value and returns its place.
func (d *decoder) value() (span, error) {
	v, err := d.ReadValue()
	if err != nil {
		return span{}, err
	}
	end := d.base + int(d.InputOffset())
	return span{end - len(v), end}, nil
}

// object calls f with each name; f must read the value.
func (d *decoder) object(f func(name string) error) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != '}' {
		t, err := d.ReadToken()
		if err != nil {
			return err
		}
		if err := f(t.String()); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// list returns the places of the members of an array, none of another value. ErrMap: there are too
// many.
func (d *decoder) list(most int) ([]span, error) {
	if d.PeekKind() != '[' {
		_, err := d.ReadValue()
		return nil, err
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	var all []span
	for d.PeekKind() != ']' {
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		if len(all) == most {
			return nil, refuse("a list of it has more than %d members", most)
		}
		all = append(all, v)
	}
	_, err := d.ReadToken()
	return all, err
}

// text reads a string; another value is empty.
func (d *decoder) text() (string, error) {
	if d.PeekKind() != '"' {
		_, err := d.ReadValue()
		return "", err
	}
	t, err := d.ReadToken()
	if err != nil {
		return "", err
	}
	return t.String(), nil
}

// offset reads where a section begins.
func (d *decoder) offset() (at position, err error) {
	if d.PeekKind() != '{' {
		_, err = d.ReadValue()
		return at, err
	}
	err = d.object(func(name string) error {
		v, err := d.ReadValue()
		switch name {
		case "line":
			at.line = number(v)
		case "column":
			at.column = number(v)
		}
		return err
	})
	return at, err
}
