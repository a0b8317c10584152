package event

import (
	"bytes"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"
)

// reader walks one JSON document that jsontext has found valid, so it never checks syntax again.
// Every method that reads a value stands on the value's first byte and leaves just behind it.
// Texts alias s and values alias b; neither is ever written to.
type reader struct {
	b     []byte
	s     string // the same bytes
	i     int
	depth int // open objects and lists
	nodes int // values kept inside free-form parts
	calls int // frames kept in all stack traces
	wiped int // NULs removed, surrogates and bad UTF-8 replaced, numbers turned to text

	rejected int // fields lost

	path []step
	meta Meta
	errs []ProcessingError

	kept memory // behind the event

	// Scratch, copied out.
	frames  []Frame
	crumbs  []Breadcrumb
	members []Member
	pairs   []Pair
	plain   []byte
}

// step is one part of the path from the document to the value being read.
type step struct {
	name  string // empty for a list
	index int
}

// maxPlain is the longest scratch for a text that is kept for the next document, in bytes.
const maxPlain = 64 << 10

var readers = sync.Pool{New: func() any { return new(reader) }}

// newReader reads doc in place: a copy for the texts would be the largest allocation of an event.
// Whatever outlives the event clones its texts, or it keeps the whole document.
func newReader(doc []byte) *reader {
	r := readers.Get().(*reader)
	r.b, r.s = doc, unsafe.String(unsafe.SliceData(doc), len(doc))
	return r
}

// release gives the scratch back for the next document, without what it points to.
func (r *reader) release() {
	fresh := reader{path: r.path[:0]}
	if cap(r.frames) <= 2*maxFrames {
		clear(r.frames[:cap(r.frames)])
		fresh.frames = r.frames[:0]
	}
	if cap(r.crumbs) <= 2*maxCrumbs {
		clear(r.crumbs[:cap(r.crumbs)])
		fresh.crumbs = r.crumbs[:0]
	}
	if cap(r.members) <= 256 {
		clear(r.members[:cap(r.members)])
		fresh.members = r.members[:0]
	}
	if cap(r.pairs) <= 256 {
		clear(r.pairs[:cap(r.pairs)])
		fresh.pairs = r.pairs[:0]
	}
	if cap(r.plain) <= maxPlain {
		fresh.plain = r.plain[:0]
	}
	clear(r.path[:cap(r.path)])
	*r = fresh
	readers.Put(r)
}

// kind is the first byte of the value: one of { [ " t f n - and the digits.
func (r *reader) kind() byte { return r.b[r.i] }

func (r *reader) space() {
	for r.b[r.i] <= ' ' {
		r.i++
	}
}

// open enters the object or list the reader stands on; next must follow until it is false.
func (r *reader) open() {
	r.i++
	r.depth++
}

// next moves to the next member or element, or out of the container that ends with end.
func (r *reader) next(end byte) bool {
	r.space()
	if r.b[r.i] == ',' {
		r.i++
		r.space()
	}
	if r.b[r.i] == end {
		r.i++
		r.depth--
		return false
	}
	return true
}

// key reads a member's name and moves to its value.
func (r *reader) key() string {
	name := r.text()
	r.space()
	r.i++
	r.space()
	return name
}

// null moves past a null, if that is what the reader stands on.
func (r *reader) null() bool {
	if r.b[r.i] != 'n' {
		return false
	}
	r.i += len("null")
	return true
}

// text reads a string value: escapes resolved, NULs removed, lone surrogates replaced.
func (r *reader) text() string {
	first, start := r.i, r.i+1
	if end := plainEnd(r.b, start); r.b[end] == '"' {
		r.i = end + 1
		return r.s[start:end]
	}
	r.i, _ = stringEnd(r.b, r.i)
	return r.unquote(r.b[first:r.i])
}

func (r *reader) unquote(quoted []byte) string {
	out, err := jsontext.AppendUnquote(r.plain[:0], quoted)
	if err != nil {
		r.wiped++
	}
	if r.plain = out; bytes.IndexByte(out, 0) >= 0 {
		out = bytes.ReplaceAll(out, []byte{0}, nil)
		r.wiped++
	}
	return r.kept.text(out)
}

// enter and leave keep the path for remarks.
func (r *reader) enter(name string)    { r.path = append(r.path, step{name: name}) }
func (r *reader) enterIndex(index int) { r.path = append(r.path, step{index: index}) }
func (r *reader) leave()               { r.path = r.path[:len(r.path)-1] }

// pathTo is the dotted path of a member of the current container; of the container itself when
// name is empty.
func (r *reader) pathTo(name string) string {
	var sb strings.Builder
	for i, s := range r.path {
		if i > 0 {
			sb.WriteByte('.')
		}
		if s.name != "" {
			sb.WriteString(s.name)
		} else {
			sb.WriteString(strconv.Itoa(s.index))
		}
	}
	if name != "" {
		if sb.Len() > 0 {
			sb.WriteByte('.')
		}
		sb.WriteString(name)
	}
	return sb.String()
}

// invalid drops the value the reader stands on and remarks that name should have been want.
func (r *reader) invalid(name, want string) {
	start := r.i
	r.skip(maxDepth)
	var sent Value
	if r.i-start <= maxOriginal {
		sent = r.clean(r.b[start:r.i], maxDepth)
	}
	r.reject(name, "invalid_data", "expected "+want, sent)
}

// reject records that a field was lost: a remark at its path and a processing error.
func (r *reader) reject(name, kind, reason string, sent Value) {
	if r.rejected++; r.rejected > maxMeta {
		return // a document that is wrong so often needs no further proof
	}
	path := r.pathTo(name)
	data := Object{{Name: "reason", Value: TextValue(reason)}}
	r.meta = r.meta.add(path, Remarks{Errors: []MetaError{{Kind: kind, Data: data}}, Value: sent})
	if len(r.errs) < maxErrors {
		r.errs = append(r.errs, ProcessingError{Type: kind, Name: path, Value: sent})
	}
}

// shortened remarks that a list or text had length entries before it was cut.
func (r *reader) shortened(name string, length int) {
	r.meta = r.meta.add(r.pathTo(name), Remarks{Length: length})
}
