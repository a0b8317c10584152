package grouping

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Limits of a project's rule texts.
const (
	maxRuleBytes = 128 << 10
	maxRules     = 1000
)

// lineReader reads one line of a rule text from the left and reports errors by position.
type lineReader struct {
	s    string
	i    int
	line int // from 1
}

// fail returns an error that names the line and column of byte offset at.
func (l *lineReader) fail(at int, format string, args ...any) error {
	p := Position{Line: l.line, Column: utf8.RuneCountInString(l.s[:min(at, len(l.s))]) + 1}
	return fault.Wrap(&p, fault.Invalid, "line %d, column %d: "+format, append([]any{p.Line, p.Column}, args...)...)
}

// Position is where in a rule text an error is. Line and Column count from 1, Column in characters.
type Position struct{ Line, Column int }

func (p *Position) Error() string { return fmt.Sprintf("at %d:%d", p.Line, p.Column) }

// PositionOf is where in a rule text err is; false when it is no error of a rule text.
func PositionOf(err error) (Position, bool) {
	var p *Position
	if !errors.As(err, &p) {
		return Position{}, false
	}
	return *p, true
}

func (l *lineReader) skipBlanks() {
	for l.i < len(l.s) && isBlank(l.s[l.i]) {
		l.i++
	}
}

func (l *lineReader) done() bool { return l.i >= len(l.s) }

// peek is the next byte, 0 at the end.
func (l *lineReader) peek() byte {
	if l.done() {
		return 0
	}
	return l.s[l.i]
}

// take skips text when it is next.
func (l *lineReader) take(text string) bool {
	if !strings.HasPrefix(l.s[l.i:], text) {
		return false
	}
	l.i += len(text)
	return true
}

// name reads letters, digits and _ . -
func (l *lineReader) name() string {
	start := l.i
	for !l.done() {
		if c := l.s[l.i]; !isLetter(c) && !isDigit(c) && c != '_' && c != '.' && c != '-' {
			break
		}
		l.i++
	}
	return l.s[start:l.i]
}

// quoted reads a text in double quotes. A backslash makes \n, \r and \t, keeps a quote or
// backslash as it is, and stays in front of anything else, where it escapes glob characters.
func (l *lineReader) quoted() (string, error) {
	start := l.i
	var b strings.Builder
	for l.i++; !l.done(); l.i++ {
		switch c := l.s[l.i]; c {
		case '"':
			l.i++
			return b.String(), nil
		case '\\':
			if l.i++; l.done() {
				return "", l.fail(start, "the quoted text is never closed")
			}
			b.WriteString(unescape(l.s[l.i]))
		default:
			b.WriteByte(c)
		}
	}
	return "", l.fail(start, "the quoted text is never closed")
}

func unescape(c byte) string {
	switch c {
	case 'n':
		return "\n"
	case 'r':
		return "\r"
	case 't':
		return "\t"
	case '"', '\\':
		return string(c)
	}
	return `\` + string([]byte{c})
}

// argument reads a quoted text or everything up to the next blank. It may not be empty.
func (l *lineReader) argument() (string, error) {
	start := l.i
	if l.peek() == '"' {
		return l.quoted()
	}
	for !l.done() && !isBlank(l.s[l.i]) {
		l.i++
	}
	if l.i == start {
		return "", l.fail(start, "a pattern is missing")
	}
	return l.s[start:l.i], nil
}

// matcherHead reads [!]key: and returns the key.
func (l *lineReader) matcherHead() (key string, negated bool, err error) {
	negated = l.take("!")
	start := l.i
	if l.peek() == '"' {
		if key, err = l.quoted(); err != nil {
			return "", false, err
		}
	} else {
		key = l.name()
	}
	if key == "" {
		return "", false, l.fail(start, "a condition such as path:pattern is expected here")
	}
	if !l.take(":") {
		return "", false, l.fail(l.i, "a colon is expected after %q", clip(key))
	}
	return key, negated, nil
}

// clip shortens a text that is shown in an error.
func clip(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}

// eachLine calls read with every line that is neither blank nor a comment.
func eachLine(text string, read func(*lineReader) error) error {
	if len(text) > maxRuleBytes {
		return fault.New(fault.TooLarge, "rules may have at most %d bytes", maxRuleBytes)
	}
	rules := 0
	for n := 1; text != ""; n++ {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		l := &lineReader{s: strings.TrimRight(line, " \t\r"), line: n}
		l.skipBlanks()
		if l.done() || l.peek() == '#' {
			continue
		}
		if rules++; rules > maxRules {
			return l.fail(l.i, "there may be at most %d rules", maxRules)
		}
		if err := read(l); err != nil {
			return err
		}
	}
	return nil
}
