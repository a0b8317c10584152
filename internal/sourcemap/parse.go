package sourcemap

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"
)

// Bounds on one map.
const (
	maxTokens   = 16 << 20
	maxSources  = 1 << 20
	maxNames    = 4 << 20
	maxSections = 1 << 16
	maxNesting  = 4 // sections within sections
)

// ErrMap is the failure of every document that is no source map; it is wrapped with the reason.
var ErrMap = errors.New("this is not a source map")

// Map tells where the places of one generated script come from. It is never changed.
type Map struct {
	DebugID string // as the map writes it; empty when it names none

	data     []byte // the document, which contents lie in
	sources  []string
	contents []span // of sources, within data; empty when the map has no text of it
	names    []string
	lines    []uint32 // index of the first token of each generated line, and one past the last
	tokens   []token
}

type span struct{ start, end int }

// token is one mapping. Lines and columns count from 0, columns in UTF-16 units.
type token struct {
	column       uint32
	source, name int32 // -1: none
	line, from   uint32
}

// Parse reads a map, of one piece or in sections. The map keeps data, which must not change.
// ErrMap: it cannot be read.
func Parse(data []byte) (*Map, error) {
	m := &Map{data: data}
	start := 0
	if bytes.HasPrefix(data, []byte(")]}")) { // keeps the document from being run as a script
		start = max(0, bytes.IndexByte(data, '\n'))
	}
	p := parser{m: m}
	if err := p.document(span{start, len(data)}, position{}, 0); err != nil {
		return nil, err
	}
	if err := p.finish(); err != nil {
		return nil, err
	}
	return m, nil
}

// Bytes is about how much memory the map holds.
func (m *Map) Bytes() int {
	n := len(m.data) + len(m.tokens)*int(unsafe.Sizeof(token{})) + 4*len(m.lines) + 16*len(m.contents)
	for _, list := range [][]string{m.sources, m.names} {
		for _, s := range list {
			n += len(s) + 16
		}
	}
	return n
}

type position struct{ line, column uint32 }

// parser collects the tokens of a document and its sections.
type parser struct {
	m    *Map
	flat []flatToken
}

// flatToken is a token and its line in the script, before they are put in order.
type flatToken struct {
	generated uint32
	token
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMap, fmt.Sprintf(format, args...))
}

// members are the parts of one map or section that are read.
type members struct {
	mappings, sections       span
	sources, names, contents []span
	root                     string
}

// document reads the object at a place of the data; its mappings begin at base.
func (p *parser) document(at span, base position, depth int) error {
	d := newDecoder(p.m.data, at)
	if d.PeekKind() != '{' {
		return refuse("it does not begin with an object")
	}
	var v members
	if err := d.object(func(name string) error { return p.member(d, name, &v, depth) }); err != nil {
		return unreadable(err)
	}
	if v.sections != (span{}) {
		return p.sections(v.sections, base, depth)
	}
	if v.mappings == (span{}) {
		return refuse("it has no mappings")
	}
	return p.section(&v, base)
}

// unreadable names the place of a mistake in the JSON.
func unreadable(err error) error {
	if errors.Is(err, ErrMap) {
		return err
	}
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return refuse("it is no JSON at byte %d", syntax.ByteOffset)
	}
	return refuse("it is no JSON")
}

func (p *parser) member(d *decoder, name string, v *members, depth int) (err error) {
	switch name {
	case "mappings":
		if v.mappings, err = d.value(); err == nil && p.m.data[v.mappings.start] != '"' {
			return refuse("its mappings are no text")
		}
	case "sources":
		v.sources, err = d.list(maxSources)
	case "names":
		v.names, err = d.list(maxNames)
	case "sourcesContent":
		v.contents, err = d.list(maxSources)
	case "sourceRoot":
		v.root, err = d.text()
	case "debug_id", "debugId":
		var id string
		if id, err = d.text(); depth == 0 && id != "" && (p.m.DebugID == "" || name == "debug_id") { // the older key wins
			p.m.DebugID = id
		}
	case "sections":
		if v.sections, err = d.value(); err == nil && p.m.data[v.sections.start] != '[' {
			v.sections = span{}
		}
	default:
		_, err = d.value()
	}
	return err
}

// sections reads the parts of a map that is made of others.
func (p *parser) sections(at span, base position, depth int) error {
	if depth >= maxNesting {
		return refuse("its sections are nested too deeply")
	}
	d := newDecoder(p.m.data, at)
	list, err := d.list(maxSections)
	if err != nil {
		return unreadable(err)
	}
	for _, s := range list {
		var offset position
		var inner span
		d := newDecoder(p.m.data, s)
		if d.PeekKind() != '{' {
			return refuse("a section is no object")
		}
		err := d.object(func(name string) (err error) {
			switch name {
			case "offset":
				offset, err = d.offset()
			case "map":
				inner, err = d.value()
			default:
				_, err = d.value()
			}
			return err
		})
		if err != nil {
			return unreadable(err)
		}
		if inner == (span{}) {
			return refuse("a section has no map of its own")
		}
		start := position{base.line + offset.line, offset.column}
		if offset.line == 0 {
			start.column += base.column
		}
		if err := p.document(inner, start, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// section adds one map's lists and mappings.
func (p *parser) section(v *members, base position) error {
	m := p.m
	sourceBase, nameBase := len(m.sources), len(m.names)
	if sourceBase+len(v.sources) > maxSources || nameBase+len(v.names) > maxNames {
		return refuse("it has too many sources or names")
	}
	for i, s := range v.sources {
		m.sources = append(m.sources, joinRoot(v.root, m.unquote(s)))
		content := span{}
		if i < len(v.contents) && m.data[v.contents[i].start] == '"' {
			content = v.contents[i]
		}
		m.contents = append(m.contents, content)
	}
	for _, s := range v.names {
		m.names = append(m.names, m.unquote(s))
	}
	text := m.data[v.mappings.start+1 : v.mappings.end-1]
	if bytes.IndexByte(text, '\\') >= 0 { // some writers escape the slash
		text = []byte(m.unquote(v.mappings))
	}
	return p.mappings(text, base, limits{sourceBase, len(v.sources), nameBase, len(v.names)})
}

// limits are the parts of the lists that a section's mappings may name.
type limits struct{ sourceBase, sources, nameBase, names int }

// finish puts the tokens in the order of the generated script.
func (p *parser) finish() error {
	m := p.m
	byPlace := func(a, b flatToken) int {
		if a.generated != b.generated {
			return int(int64(a.generated) - int64(b.generated))
		}
		return int(int64(a.column) - int64(b.column))
	}
	if !slices.IsSortedFunc(p.flat, byPlace) {
		slices.SortStableFunc(p.flat, byPlace)
	}
	lines := 0
	if n := len(p.flat); n > 0 {
		if p.flat[n-1].generated > maxTokens { // lines without mappings cost memory too
			return refuse("its mappings begin at a line that no script has")
		}
		lines = int(p.flat[n-1].generated) + 1
	}
	m.tokens = make([]token, len(p.flat))
	m.lines = make([]uint32, lines+1)
	line := 0
	for i, t := range p.flat {
		for ; line <= int(t.generated); line++ {
			m.lines[line] = uint32(i)
		}
		m.tokens[i] = t.token
	}
	for ; line <= lines; line++ {
		m.lines[line] = uint32(len(p.flat))
	}
	return nil
}

// unquote is the text of a JSON string; empty for other values.
func (m *Map) unquote(s span) string {
	if s.end-s.start < 2 || m.data[s.start] != '"' {
		return ""
	}
	text, err := jsontext.AppendUnquote(nil, m.data[s.start:s.end])
	if err != nil && len(text) == 0 {
		return ""
	}
	return string(text)
}

// number reads a whole number that fits a line or column.
func number(raw []byte) uint32 {
	n := uint64(0)
	for _, c := range raw {
		if c < '0' || c > '9' {
			return 0
		}
		n = min(n*10+uint64(c-'0'), 2*maxTokens) // past every script
	}
	return uint32(n)
}
