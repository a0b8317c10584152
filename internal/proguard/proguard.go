// Package proguard reads the mappings that ProGuard and R8 write and undoes what they did to the
// names of a JVM's stack: classes, methods with their lines, and the calls that were inlined.
//
// Rule: https://www.guardsquare.com/manual/tools/retrace and
// https://r8.googlesource.com/r8/+/refs/heads/main/doc/retrace.md
package proguard

import (
	"bytes"
	"strconv"
	"strings"
)

// Bounds on one mapping. What is beyond is left out.
const (
	maxClasses   = 1 << 20
	maxMembers   = 8 << 20
	maxLineBytes = 1 << 16
)

// Mapping knows the original names of one build's classes. It is never changed.
type Mapping struct {
	classes map[string]*class // by obfuscated name
	bytes   int
	rows    int // that were understood
}

type class struct {
	original string
	file     string              // source file, when the mapping names it
	methods  map[string][]member // by obfuscated name, in the mapping's order
}

// member is one line of a method: the obfuscated lines it covers and what they were.
type member struct {
	from, to         int32 // obfuscated lines; 0: all
	origFrom, origTo int32 // original lines; 0: the same as the obfuscated
	class            string
	name             string
}

// Frame is one call of the original program.
type Frame struct {
	Class  string // with its package
	Method string
	File   string // empty when it is not known
	Line   int    // 0 when it is not known
}

// Has reports whether a text looks like a mapping: one of its first lines maps a class.
func Has(data []byte) bool {
	for n := 0; n < 200 && len(data) > 0; n++ {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		if _, _, ok := classLine(string(line[:min(len(line), 1024)])); ok {
			return true
		}
		data = rest
	}
	return false
}

// Parse reads a mapping; lines that it does not understand are left out.
func Parse(data []byte) *Mapping {
	m := &Mapping{classes: make(map[string]*class)}
	var at *class
	members := 0
	for len(data) > 0 {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		data = rest
		line = bytes.TrimRight(line, "\r ")
		if len(line) == 0 || len(line) > maxLineBytes {
			continue
		}
		text := string(line)
		switch {
		case strings.HasPrefix(strings.TrimLeft(text, " \t"), "#"):
			if at != nil {
				if file := sourceFile(text); file != "" {
					at.file = file
				}
			}
		case text[0] == ' ' || text[0] == '\t':
			if at == nil || members >= maxMembers {
				continue
			}
			if name, mem, ok := memberLine(strings.TrimSpace(text), at.original); ok {
				at.methods[name] = append(at.methods[name], mem)
				members++
				m.rows++
				m.bytes += len(mem.name) + 64
			}
		default:
			original, name, ok := classLine(text)
			if at = nil; !ok || len(m.classes) >= maxClasses {
				continue
			}
			at = &class{original: original, methods: make(map[string][]member)}
			m.classes[name] = at
			m.rows++
			m.bytes += len(original) + len(name) + 160
		}
	}
	return m
}

// Bytes is about how much memory the mapping holds.
func (m *Mapping) Bytes() int { return m.bytes }

// Empty reports whether nothing in the text was a mapping.
func (m *Mapping) Empty() bool { return m.rows == 0 }

// HasLines reports whether the mapping knows lines of methods.
func (m *Mapping) HasLines() bool {
	for _, c := range m.classes {
		for _, list := range c.methods {
			for _, mem := range list {
				if mem.from > 0 {
					return true
				}
			}
		}
	}
	return false
}

// classLine reads "original.Name -> a.b:".
func classLine(line string) (original, name string, ok bool) {
	original, rest, ok := strings.Cut(line, " -> ")
	name, found := strings.CutSuffix(strings.TrimRight(rest, "\r "), ":")
	if !ok || !found || original == "" || original[0] == ' ' || original[0] == '#' || !isName(original) || !isName(name) {
		return "", "", false
	}
	return original, name, true
}

func isName(s string) bool {
	return s != "" && !strings.ContainsAny(s, " \t():;,=\"'{}") && len(s) < 2048
}

// sourceFile reads the comment in which R8 names the file of a class.
func sourceFile(line string) string {
	if !strings.Contains(line, `"sourceFile"`) {
		return ""
	}
	_, rest, _ := strings.Cut(line, `"fileName":"`)
	name, _, ok := strings.Cut(rest, `"`)
	if !ok || len(name) > 512 || strings.ContainsAny(name, "\\/") {
		return ""
	}
	return name
}

// memberLine reads "1:3:void run(int):10:12 -> a"; fields, which have no parameters, are left out.
func memberLine(line, owner string) (name string, m member, ok bool) {
	left, name, ok := strings.Cut(line, " -> ")
	if !ok || !isName(strings.TrimSuffix(name, ":")) {
		return "", m, false
	}
	m.class = owner
	if from, rest, ok := strings.Cut(left, ":"); ok && number(from) >= 0 {
		to, tail, ok := strings.Cut(rest, ":")
		if !ok || number(to) < 0 {
			return "", m, false
		}
		m.from, m.to, left = number(from), number(to), tail
	}
	open := strings.IndexByte(left, '(')
	end := strings.IndexByte(left, ')')
	if open < 0 || end < open {
		return "", m, false
	}
	space := strings.LastIndexByte(left[:open], ' ')
	if space < 0 {
		return "", m, false
	}
	m.name = left[space+1 : open]
	if dot := strings.LastIndexByte(m.name, '.'); dot >= 0 { // of another class, inlined into this one
		m.class, m.name = m.name[:dot], m.name[dot+1:]
	}
	if lines, ok := strings.CutPrefix(left[end+1:], ":"); ok {
		from, to, _ := strings.Cut(lines, ":")
		m.origFrom, m.origTo = max(number(from), 0), max(number(to), 0)
	}
	return name, m, m.name != ""
}

// number reads a line number, -1 when it is none.
func number(s string) int32 {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 0 {
		return -1
	}
	return int32(n)
}

// Class is the original name of a class. ok is false when the mapping does not know it.
func (m *Mapping) Class(name string) (original string, ok bool) {
	c, ok := m.classes[name]
	if !ok {
		return "", false
	}
	return c.original, true
}

// Frame undoes one call: several frames when calls were inlined into it, the innermost first. line
// is 0 when it is not known. ok is false when the mapping does not know the class.
func (m *Mapping) Frame(className, method string, line int) (frames []Frame, ok bool) {
	c, ok := m.classes[className]
	if !ok {
		return nil, false
	}
	var found []member
	for _, mem := range c.methods[method] {
		if mem.from == 0 && mem.to == 0 || line > 0 && int32(line) >= mem.from && int32(line) <= mem.to {
			found = append(found, mem)
		}
	}
	if len(found) == 0 && line <= 0 {
		found = sameName(c.methods[method])
	}
	if len(found) == 0 {
		return []Frame{{Class: c.original, Method: method, File: m.fileOf(c.original, c), Line: line}}, true
	}
	if found[0].from == 0 { // overloads without lines: what all of them agree on
		if found = sameName(found); len(found) == 0 {
			return []Frame{{Class: c.original, Method: method, File: m.fileOf(c.original, c), Line: line}}, true
		}
	}
	for _, mem := range found {
		f := Frame{Class: mem.class, Method: mem.name, Line: mem.original(line)}
		owner := c
		if mem.class != c.original {
			owner = nil
		}
		f.File = m.fileOf(mem.class, owner)
		frames = append(frames, f)
	}
	return frames, true
}

// sameName is the first of members that all have one name; none when they differ.
func sameName(list []member) []member {
	for i := range list {
		if list[i].name != list[0].name || list[i].class != list[0].class {
			return nil
		}
	}
	return list[:min(1, len(list))]
}

// original is the line in the source of an obfuscated line within the member.
func (m *member) original(line int) int {
	switch {
	case m.origFrom == 0:
		return line
	case m.origTo == 0 || m.origTo == m.origFrom || line <= 0: // the place of a call
		return int(m.origFrom)
	}
	return int(min(m.origFrom+int32(line)-m.from, m.origTo))
}

// fileOf is the source file of a class: as the mapping names it, else as compilers name files.
func (m *Mapping) fileOf(original string, c *class) string {
	if c != nil && c.file != "" {
		return c.file
	}
	name := original[strings.LastIndexByte(original, '.')+1:]
	name, _, _ = strings.Cut(name, "$")
	if kotlin, ok := strings.CutSuffix(name, "Kt"); ok && kotlin != "" {
		return kotlin + ".kt"
	}
	if name == "" {
		return ""
	}
	return name + ".java"
}
