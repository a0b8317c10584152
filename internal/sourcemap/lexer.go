package sourcemap

import "bytes"

// kind tells the tokens of a script apart as far as finding functions needs it.
type kind uint8

const (
	kindEnd      kind = iota
	kindWord          // names and keywords, private names with their #
	kindValue         // numbers, regular expressions, ends of templates
	kindText          // strings
	kindOperator      // one or more signs; brackets are always alone
)

// lexeme is one token of a script; start and end are bytes.
type lexeme struct {
	kind       kind
	first      byte // the first byte of it
	newline    bool // a line break stands before it
	start, end int32
	pair       int32 // of a closing bracket: the index of its opening token; 0 when there is none
}

// lexer splits a script. It never fails: what it does not understand is a sign.
type lexer struct {
	src       []byte
	i         int
	division  bool  // a slash would divide, not begin a regular expression
	templates []int // per open ${ of templates: how many braces are open in it
}

// next reads one token; kindEnd at the end.
func (l *lexer) next() lexeme {
	newline := l.blank()
	if l.i >= len(l.src) {
		return lexeme{start: int32(l.i), end: int32(l.i)}
	}
	start := l.i
	c := l.src[l.i]
	k := kindOperator
	switch {
	case wordByte(c) && (c < '0' || c > '9') || c == '#':
		k = kindWord
		for l.i++; l.i < len(l.src) && wordByte(l.src[l.i]); l.i++ {
		}
	case c >= '0' && c <= '9' || c == '.' && l.i+1 < len(l.src) && l.src[l.i+1] >= '0' && l.src[l.i+1] <= '9':
		k = kindValue
		for l.i++; l.i < len(l.src) && (wordByte(l.src[l.i]) || l.src[l.i] == '.'); l.i++ {
		}
	case c == '"' || c == '\'':
		k = kindText
		l.text(c)
	case c == '`':
		l.i++
		k = l.template()
	case c == '}' && len(l.templates) > 0 && l.templates[len(l.templates)-1] == 0:
		l.templates = l.templates[:len(l.templates)-1]
		l.i++
		k = l.template()
	case c == '/' && !l.division:
		k = kindValue
		l.regexp()
	default:
		l.operator(c)
	}
	t := lexeme{kind: k, first: c, newline: newline, start: int32(start), end: int32(l.i)}
	l.division = k != kindOperator || l.i-start == 1 && (c == ')' || c == ']' || c == '}')
	if k == kindWord && beforeValue[string(l.src[start:l.i])] {
		l.division = false
	}
	if k == kindOperator && l.i-start == 2 && (c == '+' || c == '-') && l.src[start+1] == c {
		l.division = true // as after x++
	}
	return t
}

// beforeValue are the keywords after which a value begins.
var beforeValue = map[string]bool{"return": true, "typeof": true, "case": true, "in": true, "of": true, "instanceof": true, "new": true, "delete": true,
	"void": true, "throw": true, "do": true, "else": true, "yield": true, "await": true, "default": true, "extends": true}

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '$' || c >= 0x80 || c == '\\'
}

// blank skips white space and comments and reports whether there was a line break in them.
func (l *lexer) blank() (newline bool) {
	for l.i < len(l.src) {
		switch c := l.src[l.i]; {
		case c == '\n':
			newline = true
			l.i++
		case c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f':
			l.i++
		case l.i == 0 && bytes.HasPrefix(l.src, []byte("\ufeff")):
			l.i = 3
		case c == '/' && l.i+1 < len(l.src) && l.src[l.i+1] == '/', c == '#' && l.i == 0 && bytes.HasPrefix(l.src, []byte("#!")):
			end := bytes.IndexByte(l.src[l.i:], '\n')
			if end < 0 {
				l.i = len(l.src)
				return newline
			}
			l.i += end
		case c == '/' && l.i+1 < len(l.src) && l.src[l.i+1] == '*':
			end := bytes.Index(l.src[l.i+2:], []byte("*/"))
			if end < 0 {
				l.i = len(l.src)
				return newline
			}
			newline = newline || bytes.IndexByte(l.src[l.i:l.i+2+end], '\n') >= 0
			l.i += end + 4
		default:
			return newline
		}
	}
	return newline
}

// text reads a string; one that is not closed ends with its line.
func (l *lexer) text(quote byte) {
	for l.i++; l.i < len(l.src); l.i++ {
		switch l.src[l.i] {
		case '\\':
			l.i++
		case quote:
			l.i++
			return
		case '\n':
			return
		}
	}
	l.i = min(l.i, len(l.src))
}

// template reads on to the end of a template, or to the ${ of a value in it.
func (l *lexer) template() kind {
	for ; l.i < len(l.src); l.i++ {
		switch l.src[l.i] {
		case '\\':
			l.i++
		case '`':
			l.i++
			return kindValue
		case '$':
			if l.i+1 < len(l.src) && l.src[l.i+1] == '{' {
				l.i += 2
				l.templates = append(l.templates, 0)
				return kindOperator
			}
		}
	}
	l.i = min(l.i, len(l.src))
	return kindValue
}

// regexp reads a regular expression; one that is not closed ends with its line.
func (l *lexer) regexp() {
	class := false
	for l.i++; l.i < len(l.src); l.i++ {
		switch c := l.src[l.i]; {
		case c == '\\':
			l.i++
		case c == '\n':
			return
		case c == '[':
			class = true
		case c == ']':
			class = false
		case c == '/' && !class:
			for l.i++; l.i < len(l.src) && wordByte(l.src[l.i]); l.i++ {
			}
			return
		}
	}
	l.i = min(l.i, len(l.src))
}

// operator reads one; those that matter in their length are => and ++ --.
func (l *lexer) operator(c byte) {
	l.i++
	if len(l.templates) > 0 {
		switch c {
		case '{':
			l.templates[len(l.templates)-1]++
		case '}':
			l.templates[len(l.templates)-1]--
		}
	}
	if l.i < len(l.src) {
		switch n := l.src[l.i]; {
		case c == '=' && n == '>', c == '+' && n == '+', c == '-' && n == '-', c == '=' && n == '=', c == '?' && (n == '.' || n == '?'):
			l.i++
		}
	}
}
