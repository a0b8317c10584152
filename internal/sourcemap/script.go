package sourcemap

import (
	"bytes"
	"cmp"
	"slices"
	"sort"
	"unicode/utf8"
)

// Script is a generated script, with its functions found. It is never changed.
type Script struct {
	data   []byte
	lines  []int32 // byte where each line begins
	ascii  bool    // every column is a byte
	scopes []scope // by start
}

// scope is the extent of one function, parameters included, and where its name stands; name is -1
// for a function without one.
type scope struct {
	start, end    int32
	name, nameEnd int32
	parent        int32 // index of the function around it, -1
}

// Function is one function of a script.
type Function struct {
	Name         string // as the script has it; empty: it has none
	Line, Column int    // of the name, of the beginning without one; from 1, in UTF-16 units
}

// Scan finds the functions of a script, which must not change. It understands what compilers and
// minifiers write; where it is wrong a function is missing or one too many.
func Scan(data []byte) *Script {
	s := &Script{data: data, lines: []int32{0}, ascii: true}
	for i := 0; ; {
		next := bytes.IndexByte(data[i:], '\n')
		if next < 0 {
			break
		}
		i += next + 1
		s.lines = append(s.lines, int32(i))
	}
	for _, c := range data {
		if c >= 0x80 {
			s.ascii = false
			break
		}
	}
	s.scopes = findScopes(data)
	slices.SortStableFunc(s.scopes, func(a, b scope) int { return cmp.Compare(a.start, b.start) })
	var open []int32
	for i := range s.scopes {
		for len(open) > 0 && s.scopes[open[len(open)-1]].end <= s.scopes[i].start {
			open = open[:len(open)-1]
		}
		s.scopes[i].parent = -1
		if len(open) > 0 {
			s.scopes[i].parent = open[len(open)-1]
		}
		open = append(open, int32(i))
	}
	return s
}

// Bytes is about how much memory the script holds.
func (s *Script) Bytes() int { return len(s.data) + 4*len(s.lines) + 20*len(s.scopes) }

// Enclosing returns the innermost function around a place; line and column count from 1, columns
// in UTF-16 units. ok is false outside of all functions.
func (s *Script) Enclosing(line, column int) (f Function, ok bool) {
	at, ok := s.offset(line, column)
	if !ok {
		return f, false
	}
	i := int32(sort.Search(len(s.scopes), func(i int) bool { return s.scopes[i].start > at }) - 1)
	for i >= 0 && s.scopes[i].end <= at {
		i = s.scopes[i].parent
	}
	if i < 0 {
		return f, false
	}
	in := s.scopes[i]
	if in.name < 0 {
		f.Line, f.Column = s.place(in.start)
		return f, true
	}
	f.Name = string(bytes.Trim(s.data[in.name:in.nameEnd], `"'`))
	f.Line, f.Column = s.place(in.name)
	return f, true
}

// Lines returns the lines first to last, counted from 1; fewer when the script ends before.
func (s *Script) Lines(first, last int) []string {
	var out []string
	for n := max(first, 1); n <= last && n <= len(s.lines); n++ {
		out = append(out, s.line(n))
	}
	return out
}

func (s *Script) line(n int) string {
	end := len(s.data)
	if n < len(s.lines) {
		end = int(s.lines[n]) - 1
	}
	return string(bytes.TrimSuffix(s.data[s.lines[n-1]:end], []byte("\r")))
}

// offset is the byte of a place.
func (s *Script) offset(line, column int) (int32, bool) {
	if line < 1 || line > len(s.lines) {
		return 0, false
	}
	start, end := int(s.lines[line-1]), len(s.data)
	if line < len(s.lines) {
		end = int(s.lines[line]) - 1
	}
	units := max(column, 1) - 1
	if s.ascii {
		return int32(min(start+units, end)), true
	}
	return int32(start + byteOf(s.data[start:end], units)), true
}

// place is the line and column of a byte.
func (s *Script) place(at int32) (line, column int) {
	line = sort.Search(len(s.lines), func(i int) bool { return s.lines[i] > at })
	text := s.data[s.lines[line-1]:at]
	if s.ascii {
		return line, len(text) + 1
	}
	return line, unitsOf(text) + 1
}

// byteOf is the byte at which the n-th UTF-16 unit begins.
func byteOf(text []byte, n int) int {
	i := 0
	for i < len(text) && n > 0 {
		if text[i] < utf8.RuneSelf {
			i, n = i+1, n-1
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		i, n = i+size, n-1
		if r > 0xFFFF {
			n--
		}
	}
	return i
}

// unitsOf is how many UTF-16 units a text has.
func unitsOf(text []byte) (n int) {
	for i := 0; i < len(text); n++ {
		if text[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if i += size; r > 0xFFFF {
			n++
		}
	}
	return n
}
