package sourcemap

import (
	"bytes"
	"path"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Token is where one place of a script comes from.
type Token struct {
	Source string // as the map names it, with its root; empty when the map names none
	Line   int    // from 1
	Column int    // from 1, in UTF-16 units
	Name   string // of what stands there, when the map says
	Exact  bool   // the place asked for is where the mapping begins

	index int32
}

// Lookup returns where a place of the generated script comes from; line and column count from 1,
// columns in UTF-16 units. ok is false when the map does not say.
func (m *Map) Lookup(line, column int) (t Token, ok bool) {
	if line < 1 || line >= len(m.lines) {
		return t, false
	}
	column = max(column, 1) - 1 // some clients do not know it
	in := m.tokens[m.lines[line-1]:m.lines[line]]
	i := sort.Search(len(in), func(i int) bool { return int(in[i].column) > column }) - 1
	if i < 0 || in[i].source < 0 {
		return t, false
	}
	found := in[i]
	t = Token{Source: m.sources[found.source], Line: int(found.line) + 1, Column: int(found.from) + 1, Exact: int(found.column) == column, index: found.source}
	if found.name >= 0 {
		t.Name = m.names[found.name]
	}
	return t, true
}

// Sources are the names of the original files, as the map names them, with their root.
func (m *Map) Sources() []string { return m.sources }

// Content returns the text of a token's source. ok is false when the map does not hold it.
func (m *Map) Content(t Token) (text string, ok bool) {
	if int(t.index) >= len(m.contents) || t.Source == "" {
		return "", false
	}
	at := m.contents[t.index]
	if at == (span{}) {
		return "", false
	}
	return m.unquote(at), true
}

// Lines returns the lines first to last of a token's source, counted from 1; fewer when it ends
// before. ok is false when the map does not hold its text.
func (m *Map) Lines(t Token, first, last int) (lines []string, ok bool) {
	if int(t.index) >= len(m.contents) || t.Source == "" {
		return nil, false
	}
	at := m.contents[t.index]
	if at == (span{}) {
		return nil, false
	}
	quoted := m.data[at.start+1 : at.end-1]
	for n := 1; n <= last; n++ {
		line, rest, more := cutQuoted(quoted)
		if n >= first {
			lines = append(lines, unescape(line))
		}
		if !more {
			break
		}
		quoted = rest
	}
	return lines, true
}

// cutQuoted splits the inside of a JSON string at its first line break, which is written as an
// escape: \n, \r or both.
func cutQuoted(b []byte) (line, rest []byte, more bool) {
	for i := 0; i+1 < len(b); i++ {
		if b[i] != '\\' {
			continue
		}
		switch b[i+1] {
		case 'n':
			return b[:i], b[i+2:], true
		case 'r':
			line, rest = b[:i], b[i+2:]
			if len(rest) >= 2 && rest[0] == '\\' && rest[1] == 'n' {
				rest = rest[2:]
			}
			return line, rest, true
		case 'u':
			if bytes.HasPrefix(b[i+2:], []byte("000a")) || bytes.HasPrefix(b[i+2:], []byte("000A")) {
				return b[:i], b[i+6:], true
			}
		}
		i++
	}
	return b, nil, false
}

func unescape(inside []byte) string {
	text, err := jsontext.AppendUnquote(nil, append(append([]byte{'"'}, inside...), '"'))
	if err != nil && !utf8.Valid(text) {
		return strings.ToValidUTF8(string(text), "\uFFFD")
	}
	return string(text)
}

// joinRoot puts the root before the name of a source, unless that stands for itself.
func joinRoot(root, source string) string {
	if root == "" || absolute(source) {
		return source
	}
	return strings.TrimSuffix(root, "/") + "/" + source
}

// absolute reports whether a name needs nothing before it: a URL or a path from the root.
func absolute(name string) bool {
	return strings.HasPrefix(name, "/") || scheme(name) != ""
}

// scheme is the beginning of a URL up to its colon; empty when name is no URL.
func scheme(name string) string {
	head, _, ok := strings.Cut(name, ":")
	if !ok || head == "" {
		return ""
	}
	for i := range len(head) {
		if c := head[i] | 0x20; (c < 'a' || c > 'z') && (i == 0 || !strings.ContainsRune("0123456789+-.", rune(head[i]))) {
			return ""
		}
	}
	if len(head) == 1 { // the drive of a Windows path
		return ""
	}
	return head
}

// Join resolves a name against the address of the file that holds it, as a browser does: names from
// the root keep scheme and host, relative ones replace the last part.
func Join(base, name string) string {
	if scheme(name) != "" || base == "" || name == "" {
		return name
	}
	origin, dir := "", base
	if s := scheme(base); s != "" {
		rest := base[len(s)+1:]
		if host, ok := strings.CutPrefix(rest, "//"); ok {
			end := strings.IndexByte(host, '/')
			if end < 0 {
				end = len(host)
			}
			origin, dir = base[:len(s)+3+end], host[end:]
		} else {
			origin, dir = s+":", rest
		}
	}
	if strings.HasPrefix(name, "//") && strings.HasPrefix(origin, "http") {
		return origin[:strings.IndexByte(origin, ':')+1] + name
	}
	if strings.HasPrefix(name, "/") {
		return origin + clean(name)
	}
	if end := strings.IndexAny(dir, "?#"); end >= 0 {
		dir = dir[:end]
	}
	dir = dir[:strings.LastIndexByte(dir, '/')+1]
	if dir == "" && origin != "" && strings.HasSuffix(origin, ":") {
		return origin + name
	}
	if dir == "" && origin != "" {
		dir = "/"
	}
	return origin + clean(dir+name)
}

// clean removes the steps "." and "..", which lead no higher than the root.
func clean(p string) string {
	if !strings.Contains(p, "./") && !strings.HasSuffix(p, "/..") && !strings.HasSuffix(p, "/.") {
		return p
	}
	query := ""
	if end := strings.IndexAny(p, "?#"); end >= 0 {
		p, query = p[:end], p[end:]
	}
	return path.Clean(p) + query
}
