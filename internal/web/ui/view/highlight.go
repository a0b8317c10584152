package view

import (
	"strings"
)

// CodePart is a stretch of source of one kind: "" plain, k keyword, s string, n number, c comment.
type CodePart struct{ Class, Text string }

// highlighter colours source lines. It looks at one line at a time, since a frame shows only a
// few, and never changes a character.
type highlighter struct {
	language string // event platform or frame language
	inBlock  bool   // within /* */
}

// keywords are those of the languages that SDKs report, together: a word that is a keyword in a
// neighbouring language does little harm.
var keywords = wordSet(`abstract and as assert async await begin break case catch chan class const continue def default defer
	del delete do elif else elsif end ensure enum except export extends extern false final finally fn for foreach from func
	function global go goto guard if impl implements import in instanceof interface internal is lambda let loop match mod
	module mut namespace new next nil nonlocal not null None object or package pass private protected pub public raise range
	rescue return self Self static struct super switch then this throw throws trait true True False try type typeof undefined
	union unless until use using val var virtual void when where while with yield fun override data companion sealed
	select fallthrough map string int bool float double long char byte error any unsafe ref readonly`)

func wordSet(s string) map[string]bool {
	set := make(map[string]bool)
	for w := range strings.FieldsSeq(s) {
		set[w] = true
	}
	return set
}

// maxHighlighted bounds the work on one line, in bytes: minified code is one line of megabytes.
const maxHighlighted = 2000

// line splits one line into parts; joined they are the line.
func (h *highlighter) line(s string) []CodePart {
	if len(s) > maxHighlighted {
		return []CodePart{{Text: s}}
	}
	var parts []CodePart
	add := func(class, text string) {
		if text == "" {
			return
		}
		if n := len(parts); n > 0 && parts[n-1].Class == class {
			parts[n-1].Text += text
			return
		}
		parts = append(parts, CodePart{class, text})
	}
	for s != "" {
		class, n := h.token(s)
		add(class, s[:n])
		s = s[n:]
	}
	return parts
}

// token finds the kind and length of what s begins with; the length is at least one.
func (h *highlighter) token(s string) (class string, n int) {
	if h.inBlock {
		if end := strings.Index(s, "*/"); end >= 0 {
			h.inBlock = false
			return "c", end + 2
		}
		return "c", len(s)
	}
	switch c := s[0]; {
	case strings.HasPrefix(s, "//") && !h.hash(), c == '#' && h.hash():
		return "c", len(s)
	case strings.HasPrefix(s, "/*") && !h.hash():
		h.inBlock = true
		return "c", 2
	case c == '"' || c == '\'' || c == '`':
		return "s", quoted(s)
	case c >= '0' && c <= '9':
		return "n", span(s, isWord)
	case isWord(c):
		n = span(s, isWord)
		if keywords[s[:n]] {
			return "k", n
		}
		return "", n
	}
	return "", 1
}

// hash reports whether the language's comments begin with #.
func (h *highlighter) hash() bool {
	switch h.language {
	case "python", "ruby", "elixir", "perl", "bash", "sh", "yaml":
		return true
	}
	return false
}

// quoted is the length of the string literal that s begins with; one that does not end on the line
// is only its quote mark.
func quoted(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[0]:
			return i + 1
		}
	}
	return 1
}

func span(s string, in func(byte) bool) int {
	n := 1
	for n < len(s) && in(s[n]) {
		n++
	}
	return n
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
