package event

import (
	"bytes"
	"strconv"
)

// traits says why a piece of JSON cannot be kept as it is.
type traits uint8

const (
	spaced   traits = 1 << iota // has white space between tokens
	unclean                     // has an escaped NUL or an escaped surrogate
	huge                        // has a number that may not fit a float64 or int64
	tooDeep                     // is nested deeper than allowed
	anything = spaced | unclean | huge | tooDeep
)

// stringEnd returns the index behind the string that starts at b[i], and whether an escape in it
// needs rewriting.
func stringEnd(b []byte, i int) (int, traits) {
	var t traits
	for i = plainEnd(b, i+1); b[i] != '"'; i = plainEnd(b, i) {
		if b[i+1] == 'u' && risky(b[i+2], b[i+3], b[i+4], b[i+5]) {
			t |= unclean
		}
		i += 2
	}
	return i + 1, t
}

// risky reports whether four hex digits are NUL or a surrogate.
func risky(h0, h1, h2, h3 byte) bool {
	if h0|0x20 == 'd' {
		return h1 >= '8'
	}
	return h0 == '0' && h1 == '0' && h2 == '0' && h3 == '0'
}

// scalarEnd returns the index behind the number or literal that starts at b[i].
func scalarEnd(b []byte, i int) int {
	for ; i < len(b); i++ {
		switch b[i] {
		case ',', '}', ']', ':', ' ', '\n', '\t', '\r':
			return i
		}
	}
	return i
}

// skip moves past one value. It reports what must be rewritten before the value may be kept, and
// how many values it holds.
func (r *reader) skip(allowed int) (t traits, nodes int) {
	b, i, depth := r.b, r.i, 0
	for {
		switch b[i] {
		case '"':
			end, st := stringEnd(b, i)
			t |= st
			i = end
		case '{', '[':
			nodes++
			i++
			if depth++; depth > allowed {
				t |= tooDeep
			}
			continue
		case '}', ']':
			depth--
			i++
		case ',':
			nodes++
			i++
			continue
		case ':':
			i++
			continue
		case ' ', '\n', '\t', '\r':
			t |= spaced
			i++
			continue
		default:
			end := scalarEnd(b, i)
			if end-i > 15 || b[i] <= '9' && bytes.ContainsAny(b[i:end], "eE") {
				t |= huge
			}
			i = end
		}
		if depth == 0 {
			r.i = i
			return t, nodes + 1
		}
	}
}

// clean copies a value without white space, NULs, lone surrogates, numbers that no float64 or
// int64 holds (they become strings), and containers nested deeper than allowed (they become null).
func (r *reader) clean(v []byte, allowed int) Value {
	out := make([]byte, 0, len(v))
	depth := 0
	for i := 0; i < len(v); {
		switch c := v[i]; c {
		case ' ', '\n', '\t', '\r':
			i++
		case '"':
			end, t := stringEnd(v, i)
			if t == 0 {
				out = append(out, v[i:end]...)
			} else {
				out = appendString(out, r.unquote(v[i:end]))
			}
			i = end
		case '{', '[':
			if depth == allowed {
				sub := reader{b: v, i: i}
				sub.skip(maxDepth)
				i = sub.i
				out = append(out, "null"...)
				continue
			}
			depth++
			out = append(out, c)
			i++
		case '}', ']':
			depth--
			out = append(out, c)
			i++
		case ',', ':':
			out = append(out, c)
			i++
		default:
			end := scalarEnd(v, i)
			out = r.appendNumber(out, v[i:end])
			i = end
		}
	}
	return out
}

func (r *reader) appendNumber(dst, num []byte) []byte {
	if fits(num) {
		return append(dst, num...)
	}
	r.wiped++
	return append(append(append(dst, '"'), num...), '"')
}

// fits reports whether a number survives a reader that expands it to a float64 or an integer.
// A tiny exponent counts too: printed in full it is as long as a large one.
func fits(num []byte) bool {
	if len(num) <= 15 && !bytes.ContainsAny(num, "eE") || num[0] > '9' {
		return true
	}
	if len(num) > 400 {
		return false
	}
	f, err := strconv.ParseFloat(string(num), 64)
	if err != nil {
		return false
	}
	return f != 0 || !bytes.ContainsAny(mantissa(num), "123456789")
}

func mantissa(num []byte) []byte {
	if e := bytes.IndexAny(num, "eE"); e >= 0 {
		return num[:e]
	}
	return num
}

// raw reads any value as text. Nothing is returned for a value past the node limit, which is
// remarked.
func (r *reader) raw(name string) Value {
	start := r.i
	allowed := maxDepth - r.depth
	t, nodes := r.skip(allowed)
	if r.nodes+nodes > maxNodes {
		r.reject(name, "value_too_long", "too many values", nil)
		return nil
	}
	r.nodes += nodes
	if t&anything == 0 {
		return r.b[start:r.i:r.i]
	}
	if t&tooDeep != 0 {
		r.reject(name, "value_too_long", "nested too deeply", nil)
	}
	return r.clean(r.b[start:r.i], allowed)
}

// rawObject reads an object whose values stay text. A name sent twice keeps its last value. A
// wrong type is dropped and remarked; null and {} are nothing.
func (r *reader) rawObject(name string) Object {
	if r.kind() != '{' {
		if !r.null() {
			r.invalid(name, "an object")
		}
		return nil
	}
	r.enter(name)
	r.open()
	r.members = r.members[:0]
	for r.next('}') {
		key := r.key()
		if v := r.raw(key); v != nil {
			r.members = append(r.members, Member{Name: key, Value: v})
		}
	}
	r.leave()
	return r.kept.members.keep(lastOfEach(r.members))
}

// members reads the object that v writes; nil when it writes none.
func members(v Value) Object {
	if len(v) == 0 || v[0] != '{' {
		return nil
	}
	r := reader{b: v, s: string(v)}
	return r.rawObject("")
}

// lastOfEach keeps the last of the members with the same name, in place.
func lastOfEach(list []Member) []Member {
	out := Object(list[:0])
	if len(list) <= 24 {
		for _, m := range list {
			if at := out.index(m.Name); at >= 0 {
				out[at].Value = m.Value
			} else {
				out = append(out, m)
			}
		}
		return out
	}
	seen := make(map[string]int, len(list))
	for _, m := range list {
		if at, dup := seen[m.Name]; dup {
			out[at].Value = m.Value
			continue
		}
		seen[m.Name] = len(out)
		out = append(out, m)
	}
	return out
}

func (o Object) index(name string) int {
	for i := range o {
		if o[i].Name == name {
			return i
		}
	}
	return -1
}

// other keeps an unknown member of an interface, unless it is null.
func (r *reader) other(to *Object, name string) {
	if r.null() {
		return
	}
	at := to.index(name)
	if at < 0 && len(*to) >= maxList {
		r.reject(name, "value_too_long", "too many members", nil)
		r.skip(maxDepth)
		return
	}
	switch v := r.raw(name); {
	case v == nil:
	case at >= 0:
		(*to)[at].Value = v
	default:
		*to = append(*to, Member{Name: name, Value: v})
	}
}
