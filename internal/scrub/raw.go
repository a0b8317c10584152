package scrub

import (
	"bytes"
	"strings"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// maxDepth bounds the nesting of values that are looked into. Decode cuts at 64 levels, so that a
// deeper value did not come from there; it becomes null.
const maxDepth = 100

// rewriter walks the text of one JSON value and, once something changes, writes a new one.
type rewriter struct {
	w      *walker
	v      []byte
	out    []byte
	copied int // bytes of v that are in out
	shape  shape
}

// shape says what is known about the members of the objects in a value.
type shape uint8

const (
	shapeFree shape = iota
	shapeSpans
	shapeSpan
)

// raw visits a named JSON value and rewrites it when something in it goes. A value that goes as a
// whole becomes its replacement, or null.
func (w *walker) raw(name string, m mark, v *event.Value) { w.rawShaped(name, m, v, shapeFree) }

func (w *walker) rawShaped(name string, m mark, v *event.Value, sh shape) {
	if len(*v) == 0 || m == markNo || m == markMaybe && !w.s.advanced {
		return
	}
	r := rewriter{w: w, v: *v, shape: sh}
	w.member(name, 0)
	r.value(0, name, m, 0)
	w.pop()
	if r.out != nil {
		*v = append(r.out, r.v[r.copied:]...)
	}
}

// spanMarks are the members of a span that are not markYes.
var spanMarks = marks("op span_id parent_span_id trace_id segment_id is_segment status start_timestamp timestamp "+
	"exclusive_time origin hash same_process_as_parent profile_id measurements", "tags sentry_tags")

// marks lists members by mark; those not listed are markYes.
func marks(no, maybe string) map[string]mark {
	out := make(map[string]mark)
	for _, name := range strings.Fields(no) {
		out[name] = markNo
	}
	for _, name := range strings.Fields(maybe) {
		out[name] = markMaybe
	}
	return out
}

// replace puts text in the place of v[start:end].
func (r *rewriter) replace(start, end int, text []byte) {
	if r.out == nil {
		r.out = make([]byte, 0, len(r.v)+len(text))
	}
	r.out = append(append(r.out, r.v[r.copied:start]...), text...)
	r.copied = end
}

// value visits the value at i, whose element is the last of the path, and returns its end.
func (r *rewriter) value(i int, name string, m mark, depth int) int {
	i = r.space(i)
	if i >= len(r.v) {
		return i
	}
	leaf := r.w.place.leaf()
	end := r.end(i)
	switch r.v[i] {
	case '"':
		leaf.kinds |= kindString
		r.w.place.mark = m
		r.text(i, end, name)
		return end
	case '{':
		leaf.kinds |= kindObject
		if r.shape == shapeSpan {
			leaf.kinds |= kindSpan
		}
		if depth < maxDepth && !r.solid(i, end, name, m) {
			r.object(i, m, depth)
		}
	case '[':
		leaf.kinds |= kindArray
		if depth < maxDepth && !r.solid(i, end, name, m) {
			r.list(i, name, m, depth)
		}
	case 't', 'f':
		leaf.kinds |= kindBoolean
		r.solid(i, end, name, m)
		return end
	case 'n':
		return end
	default:
		leaf.kinds |= kindNumber
		if !r.solid(i, end, name, m) && end-i >= 15 {
			r.number(i, end, name)
		}
		return end
	}
	if depth >= maxDepth {
		r.w.change()
		r.replace(i, end, []byte("null"))
	}
	return end
}

// text visits a string.
func (r *rewriter) text(i, end int, name string) {
	out, v := r.w.text(r.unquote(i, end), name, false)
	switch v {
	case changed:
		r.replace(i, end, quote(out))
	case removed:
		r.replace(i, end, []byte("null"))
	}
}

// number visits a number long enough to be that of a card.
func (r *rewriter) number(i, end int, name string) {
	if out, v := r.w.text(view(r.v[i:end]), name, true); v != kept {
		r.replace(i, end, quote(out))
	}
}

// solid replaces a value by its name alone; false when it stays.
func (r *rewriter) solid(i, end int, name string, m mark) bool {
	w := r.w
	w.place.mark = m
	rl := w.solid(name)
	if rl == nil {
		return false
	}
	text := []byte("null")
	method := rl.method
	if scalar := r.v[i] != '{' && r.v[i] != '['; method == methodMask && !scalar {
		method = methodRemove // there are no characters to mask
	}
	var remark event.Remark
	if method != methodRemove {
		s := rl.substitute(string(r.v[i:end]), w.s.hashKey)
		text = quote(s)
		remark.End = len([]rune(s))
	}
	remark.Rule, remark.Kind = rl.shown, method.kind()
	w.remark(w.path(), []event.Remark{remark}, 0)
	r.replace(i, end, text)
	return true
}

// object visits the members of the object at i.
func (r *rewriter) object(i int, m mark, depth int) {
	sh := r.shape
	for i++; ; {
		i = r.skip(i)
		if i >= len(r.v) || r.v[i] != '"' {
			break
		}
		end := r.end(i)
		name := r.unquote(i, end)
		i = r.skip(end)
		inner := m
		if sh == shapeSpan {
			if known, ok := spanMarks[name]; ok {
				inner = known
			}
			r.shape = shapeFree
		}
		if i >= len(r.v) {
			break
		}
		if inner == markNo || inner == markMaybe && !r.w.s.advanced && !r.w.s.addresses {
			i = r.end(i)
		} else {
			r.w.member(name, 0)
			i = r.value(i, name, inner, depth+1)
			r.w.pop()
		}
		r.shape = sh
	}
}

// list visits the entries of the list at i. In a list of headers or cookies, an entry of a name and
// a value counts as a member.
func (r *rewriter) list(i int, name string, m mark, depth int) {
	paired := name == "headers" || name == "cookies" || name == "query_string"
	sh := r.shape
	if sh == shapeSpans {
		r.shape = shapeSpan
	}
	n := 0
	for i++; ; n++ {
		i = r.skip(i)
		if i >= len(r.v) || r.v[i] == ']' {
			break
		}
		if key, at := r.pair(i); paired && at > 0 {
			r.w.push(element{key: key, index: -1, pair: n})
			r.value(at, key, m, depth+2)
			i = r.end(i)
		} else {
			r.w.item(n, 0)
			i = r.value(i, "", m, depth+1)
		}
		r.w.pop()
	}
	r.shape = sh
}

// pair is the name and the place of the value in a list of just these two; zero when it is another.
func (r *rewriter) pair(i int) (name string, value int) {
	if r.v[i] != '[' {
		return "", 0
	}
	start := r.space(i + 1)
	if start >= len(r.v) || r.v[start] != '"' {
		return "", 0
	}
	end := r.end(start)
	value = r.skip(end)
	if value >= len(r.v) || r.v[value] == ']' {
		return "", 0
	}
	if last := r.space(r.end(value)); last >= len(r.v) || r.v[last] != ']' {
		return "", 0
	}
	return r.unquote(start, end), value
}

func (r *rewriter) space(i int) int {
	for i < len(r.v) && r.v[i] <= ' ' {
		i++
	}
	return i
}

// skip moves past white space, commas and colons.
func (r *rewriter) skip(i int) int {
	for i < len(r.v) && (r.v[i] <= ' ' || r.v[i] == ',' || r.v[i] == ':') {
		i++
	}
	return i
}

// end is the index behind the value at i.
func (r *rewriter) end(i int) int {
	depth := 0
	for i < len(r.v) {
		switch r.v[i] {
		case '"':
			i = stringEnd(r.v, i)
		case '{', '[':
			depth++
			i++
		case '}', ']':
			depth--
			i++
		case ',', ':', ' ', '\n', '\t', '\r':
			i++
			continue
		default:
			for i < len(r.v) && !delimiter(r.v[i]) {
				i++
			}
		}
		if depth <= 0 {
			return i
		}
	}
	return i
}

func delimiter(c byte) bool { return c <= ' ' || c == ',' || c == ':' || c == '}' || c == ']' }

func stringEnd(v []byte, i int) int {
	for i++; i < len(v); i++ {
		n := bytes.IndexByte(v[i:], '"')
		if n < 0 {
			return len(v)
		}
		if esc := bytes.IndexByte(v[i:i+n], '\\'); esc < 0 {
			return i + n + 1
		} else {
			i += esc + 1 // the loop skips what is escaped
		}
	}
	return len(v)
}

// unquote is the text of the string v[i:end]. It may alias v, which is never written to.
func (r *rewriter) unquote(i, end int) string {
	if end-i < 2 {
		return ""
	}
	inner := r.v[i+1 : end-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return view(inner)
	}
	out, _ := jsontext.AppendUnquote(nil, r.v[i:end]) // what is no valid escape reads as far as it can
	return string(out)
}

// view is b as a string without copying; b must never change.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func quote(s string) []byte {
	out, _ := jsontext.AppendQuote(nil, s) // bytes that are no UTF-8 are replaced
	return out
}

// sensitive reports whether the rules would change a value that was kept under a path.
func (w *walker) sensitive(path string, v event.Value) bool {
	w.place.path = w.place.path[:0]
	name := ""
	for part := range strings.SplitSeq(path, ".") {
		name = part
		w.member(part, 0)
	}
	probe := walker{s: w.s, ev: &event.Event{}, steps: w.steps, place: place{path: w.place.path}}
	r := rewriter{w: &probe, v: v}
	r.value(0, name, markYes, 0)
	w.place.path = w.place.path[:0]
	return probe.changed
}
