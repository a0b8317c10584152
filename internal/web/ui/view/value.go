package view

import (
	"bytes"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// Pair is a name and a text.
type Pair struct{ Key, Value string }

// Field is a name and a value of any shape.
type Field struct {
	Name  string
	Value Value
}

// Value is one JSON value to show.
type Value struct {
	Class    string  // text, number, word (true, false, null), list, object
	Short    string  // on one line
	Pretty   string  // in full; empty when Short or Items are all of it
	Items    []Field // of a list or object that unfolds
	More     string  // what of it is not drawn: "12 more entries"
	Size     string  // "3 entries"
	Scrubbed bool    // something personal stood here
	Rule     string  // which rule changed it, in words; empty when nobody knows
	Trimmed  string  // that it was cut when it arrived: "was 12,000 characters"
}

// Bounds of what is shown of one value. The raw event has everything.
const (
	shortValue  = 160   // characters on one line
	prettyValue = 20000 // bytes unfolded
	treeShort   = 60    // characters up to which a list or object stays on its line
	treeDepth   = 6     // levels that unfold
	treeEntries = 60    // entries of one list or object
	treeNodes   = 2000  // entries of all of a page
)

// values prepares JSON values. It knows what processing said about the fields of the event.
type values struct {
	meta  event.Meta
	nodes int // that were made so far
}

// at prepares the value at a path such as "extra.order": texts without quotes marks, lists and
// objects on one line or as a tree to unfold.
func (vs *values) at(path string, v event.Value) Value { return vs.node(path, v, 0) }

func (vs *values) node(path string, v event.Value, depth int) Value {
	vs.nodes++
	out := vs.plain(path, v, depth)
	if len(vs.meta) > 0 {
		if r, ok := vs.meta[path]; ok {
			out.remark(r)
		}
	}
	return out
}

func (vs *values) plain(path string, v event.Value, depth int) Value {
	if len(v) == 0 {
		return Value{Class: "word", Short: "absent"}
	}
	switch v[0] {
	case '"':
		return textValue(unquote(v))
	case '{', '[':
		return vs.tree(path, v, depth)
	case 't', 'f', 'n':
		return Value{Class: "word", Short: string(v)}
	}
	return Value{Class: "number", Short: cutText(string(v), shortValue)}
}

// tree is a list or object: on its line when it is short and nothing was said about its parts.
func (vs *values) tree(path string, v event.Value, depth int) Value {
	out := Value{Class: "object", Short: cutText(compact(v), shortValue)}
	if v[0] == '[' {
		out.Class = "list"
	}
	if len(out.Short) <= treeShort && !vs.remarksBelow(path) {
		return out
	}
	if depth >= treeDepth || vs.nodes >= treeNodes {
		out.Size, out.Pretty = entries(v), pretty(v)
		return out
	}
	n := 0
	ok := members(v, func(name string, item event.Value) {
		if n++; n <= treeEntries {
			out.Items = append(out.Items, Field{Name: name, Value: vs.node(path+"."+name, item, depth+1)})
		}
	})
	out.Size = counted(n, "entry", "entries")
	if n > treeEntries {
		out.More = counted(n-treeEntries, "more entry", "more entries") + "; the raw event has all of it"
	}
	if !ok || n == 0 {
		out.Items, out.Pretty = nil, pretty(v)
	}
	return out
}

// remarksBelow reports whether something was said about a part of the value at path.
func (vs *values) remarksBelow(path string) bool {
	for p := range vs.meta {
		if strings.HasPrefix(p, path) && len(p) > len(path) && p[len(path)] == '.' {
			return true
		}
	}
	return false
}

// remark adds what processing said about the value.
func (v *Value) remark(r event.Remarks) {
	for _, m := range r.Remarks {
		switch {
		case m.Rule == "!limit" || m.Rule == "!raw":
			v.Trimmed = first(lengthWords(r.Length), "was longer")
		case m.Kind == "a": // a note, nothing changed
		default:
			v.Scrubbed, v.Rule = true, remarkWords(m)
			if v.Class == "word" && v.Short == "null" || v.Short == "" {
				v.Short = "removed"
			}
		}
	}
}

// members calls f with the direct members of a list or object, those of a list under their index.
// It reports whether v could be read to its end.
func members(v event.Value, f func(name string, item event.Value)) bool {
	dec := jsontext.NewDecoder(bytes.NewReader(v), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if _, err := dec.ReadToken(); err != nil {
		return false
	}
	for n := 0; dec.PeekKind() != '}' && dec.PeekKind() != ']'; n++ {
		name := strconv.Itoa(n)
		if v[0] == '{' {
			token, err := dec.ReadToken()
			if err != nil {
				return false
			}
			name = token.String()
		}
		item, err := dec.ReadValue()
		if err != nil {
			return false
		}
		f(name, event.Value(bytes.Clone(item)))
	}
	return true
}

func textValue(s string) Value {
	s = strings.TrimRight(s, "\r\n")
	out := Value{Class: "text", Short: s, Scrubbed: isScrubbed(s)}
	line, _, several := strings.Cut(s, "\n")
	if several || utf8.RuneCountInString(s) > 400 {
		out.Short, out.Pretty = cutText(line, shortValue), cutBytes(s, prettyValue)
		if !strings.HasSuffix(out.Short, "…") {
			out.Short += " …"
		}
		out.Size = counted(utf8.RuneCountInString(s), "character", "characters")
	}
	return out
}

// isScrubbed knows the marks that SDKs and servers leave in place of what they removed.
func isScrubbed(s string) bool {
	switch s {
	case "[Filtered]", "[filtered]", "[redacted]", "[REDACTED]", "********", "[email]", "[ip]", "[creditcard]", "[password]":
		return true
	}
	return false
}

func unquote(v event.Value) string {
	b, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return string(v)
	}
	return string(b)
}

// scalar is a value as plain text: texts bare, the rest as JSON.
func scalar(v event.Value) string {
	if len(v) > 0 && v[0] == '"' {
		return unquote(v)
	}
	return compact(v)
}

// compact is a value on one line, its texts with as few escapes as JSON allows.
func compact(v event.Value) string {
	b, err := jsontext.AppendFormat(nil, v)
	if err != nil {
		return string(v)
	}
	return string(b)
}

func pretty(v event.Value) string {
	b, err := jsontext.AppendFormat(nil, v, jsontext.WithIndent("  "))
	if err != nil {
		b = v
	}
	return cutBytes(string(b), prettyValue)
}

// entries counts the direct members of a list or object.
func entries(v event.Value) string {
	n := 0
	members(v, func(string, event.Value) { n++ })
	return counted(n, "entry", "entries")
}

// cutText keeps at most n characters.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := range s {
		if n == 0 {
			return s[:i] + "…"
		}
		n--
	}
	return s
}

// cutBytes keeps at most n bytes, whole characters.
func cutBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "\n… (cut; the raw event has all of it)"
}

// fields prepares an object's members.
func (vs *values) fields(path string, o event.Object) []Field {
	list := make([]Field, 0, len(o))
	for _, m := range o {
		list = append(list, Field{Name: m.Name, Value: vs.at(path+"."+m.Name, m.Value)})
	}
	return list
}

// pairs prepares texts, with what was said about each.
func (vs *values) pairs(path string, list []event.Pair) []Field {
	out := make([]Field, len(list))
	for i, p := range list {
		out[i] = Field{Name: p.Key, Value: textValue(p.Value)}
		for _, at := range []string{path + "." + p.Key, path + "." + strconv.Itoa(i) + ".1"} {
			if r, ok := vs.meta[at]; ok {
				out[i].Value.remark(r)
			}
		}
	}
	return out
}

// pairsOf writes an object's members as texts.
func pairsOf(o event.Object) []Pair {
	var list []Pair
	for _, m := range o {
		list = append(list, Pair{Key: m.Name, Value: cutText(scalar(m.Value), 400)})
	}
	return list
}

// webLink returns address when it is a link that may be followed, else nothing.
func webLink(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	return u.String()
}

// Long0 writes a number without grouping.
func Long0(n int) string { return strconv.Itoa(n) }

// quoteJSON is text as a JSON string.
func quoteJSON(s string) event.Value {
	b, err := jsontext.AppendQuote(nil, s)
	if err != nil { // bytes that are no UTF-8
		b, _ = jsontext.AppendQuote(nil, strings.ToValidUTF8(s, "\ufffd"))
	}
	return b
}
