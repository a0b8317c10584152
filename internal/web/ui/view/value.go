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
	Class    string // text, number, word (true, false, null), list, object, hidden
	Short    string // on one line
	Pretty   string // in full; empty when Short is all of it
	Size     string // "3 entries"
	Scrubbed bool
}

// Bounds of what is shown of one value. The raw event has everything.
const (
	shortValue  = 160   // characters on one line
	prettyValue = 20000 // bytes unfolded
)

// valueOf prepares a value: texts without quotes marks, lists and objects on one line with the rest
// to unfold.
func valueOf(v event.Value) Value {
	if len(v) == 0 {
		return Value{Class: "word", Short: "absent"}
	}
	switch v[0] {
	case '"':
		return textValue(unquote(v))
	case '{', '[':
		out := Value{Class: "object", Short: cutText(compact(v), shortValue), Size: entries(v)}
		if len(out.Short) > 60 || strings.HasSuffix(out.Short, "…") {
			out.Pretty = pretty(v)
		}
		if v[0] == '[' {
			out.Class = "list"
		}
		return out
	case 't', 'f', 'n':
		return Value{Class: "word", Short: string(v)}
	}
	return Value{Class: "number", Short: cutText(string(v), shortValue)}
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
	dec := jsontext.NewDecoder(bytes.NewReader(v))
	if _, err := dec.ReadToken(); err != nil {
		return ""
	}
	n := 0
	for dec.PeekKind() != '}' && dec.PeekKind() != ']' {
		if v[0] == '{' {
			if err := dec.SkipValue(); err != nil {
				return ""
			}
		}
		if err := dec.SkipValue(); err != nil {
			return ""
		}
		n++
	}
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
func fields(o event.Object) []Field {
	list := make([]Field, 0, len(o))
	for _, m := range o {
		list = append(list, Field{Name: m.Name, Value: valueOf(m.Value)})
	}
	return list
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
