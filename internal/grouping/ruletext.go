package grouping

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
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

// quoted reads a text in double quotes, with the escapes that escape names.
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
			l.escape(&b)
		default:
			b.WriteByte(c)
		}
	}
	return "", l.fail(start, "the quoted text is never closed")
}

// escape appends the character that the backslash before l.i stands for, and leaves l.i at its last
// byte: quotes, backslash, \a \b \f \n \r \t \v, \123 in octal, \x12, \u1234 and \U00012345. Before
// anything else the backslash stays, as it escapes the characters of patterns.
func (l *lineReader) escape(b *strings.Builder) {
	const names, meanings = `"'\abfnrtv`, "\"'\\\a\b\f\n\r\t\v"
	c := l.s[l.i]
	if at := strings.IndexByte(names, c); at >= 0 {
		b.WriteByte(meanings[at])
		return
	}
	from, digits, base := l.i+1, 0, 16
	switch c {
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	default:
		from, base = l.i, 8
		digits = runOf(l.s, from, 3, func(c byte) bool { return '0' <= c && c <= '7' }) - from
	}
	if end := from + digits; digits > 0 && end <= len(l.s) {
		if r, err := strconv.ParseUint(l.s[from:end], base, 32); err == nil && r <= unicode.MaxRune {
			b.WriteRune(rune(r))
			l.i = end - 1
			return
		}
	}
	b.WriteByte('\\')
	b.WriteByte(c)
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
		if at := strings.IndexFunc(key, notInKey); at >= 0 {
			return "", false, l.fail(start, "a quoted key has letters, digits and _ . : - only, not %q", key[at:at+runeWidth(key, at)])
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

// notInKey reports whether a quoted key may not have r.
func notInKey(r rune) bool {
	return r >= utf8.RuneSelf || !isLetter(byte(r)) && !isDigit(byte(r)) && !strings.ContainsRune("_.:-", r)
}

// clip shortens a text that is shown in an error.
func clip(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}

var lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// eachLine calls read with every line that is neither blank nor a comment.
func eachLine(text string, read func(*lineReader) error) error {
	if len(text) > maxRuleBytes {
		return fault.New(fault.TooLarge, "rules may have at most %d bytes", maxRuleBytes)
	}
	if strings.IndexByte(text, '\r') >= 0 {
		text = lineBreaks.Replace(text)
	}
	rules := 0
	for n := 1; text != ""; n++ {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		l := &lineReader{s: strings.TrimRight(line, " \t"), line: n}
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
