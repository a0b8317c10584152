package search

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Parse reads a search: terms, which must all hold, alternatives between OR, and parentheses around
// either; AND binds before OR and may be left out. The error is fault.Invalid around an *Error that
// points at the character. Words that stand alone become one term of free text, as they were typed.
func Parse(text string) (Query, error) {
	p := parser{text: text}
	if len(text) > MaxBytes {
		p.fail(MaxBytes, "at most %d bytes", MaxBytes)
	}
	terms := p.alternatives(0)
	if p.err != nil {
		return Query{}, fault.Wrap(p.err, fault.Invalid, "%s", p.err.Text)
	}
	return Query{Terms: terms}, nil
}

type parser struct {
	text  string
	pos   int
	terms []Term // of the alternative that is being read
	count int    // conditions read so far
	depth int    // open parentheses
	err   *Error

	free    []string // words of the free text that is being collected
	freePos int
}

// fail records the first failure; text that does not start with what was expected goes first.
func (p *parser) fail(pos int, expected string, args ...any) {
	if p.err == nil {
		expected = fmt.Sprintf(expected, args...)
		p.err = &Error{Pos: min(pos, len(p.text)), Expected: expected, Text: "Invalid search: expected " + expected}
	}
}

// failText records the first failure with a sentence that clients know.
func (p *parser) failText(pos int, expected, text string, args ...any) {
	if p.err == nil {
		p.err = &Error{Pos: min(pos, len(p.text)), Expected: expected, Text: fmt.Sprintf(text, args...)}
	}
}

func (p *parser) skipSpace() {
	for p.pos < len(p.text) {
		r, size := utf8.DecodeRuneInString(p.text[p.pos:])
		if !unicode.IsSpace(r) {
			return
		}
		p.pos += size
	}
}

func (p *parser) peek() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

// term reads one filter, or one word of free text.
func (p *parser) term() {
	start := p.pos
	negated := p.peek() == '!'
	if negated {
		p.pos++
	}
	key, tag, ok := p.key()
	if !ok {
		p.pos = start
		p.freeWord()
		return
	}
	p.flushFree()
	t := Term{Negated: negated, Pos: start}
	t.Field, t.Tag, t.Numeric = meaning(key, tag)
	p.values(&t, key)
	p.append(t)
}

// append adds a condition.
func (p *parser) append(t Term) {
	if p.count++; p.count > MaxTerms {
		p.fail(t.Pos, "at most %d terms", MaxTerms)
	}
	if p.err == nil {
		p.terms = append(p.terms, t)
	}
}

// meaning is the field that a key names, with what tells it from others of the field. tag is true
// for the form tags[name], which names a tag whatever it is called.
func meaning(key string, tag bool) (f Field, name string, numeric bool) {
	if tag {
		if plain, ok := strings.CutSuffix(key, ",number"); ok {
			return FieldTag, plain, true
		}
		return FieldTag, key, false
	}
	if other, ok := propertyNames[key]; ok {
		key = other
	}
	if field, known := byName[key]; known {
		return field, "", false
	}
	if kind, known := properties[key]; known {
		return FieldProperty, key, kind == KindReal
	}
	switch {
	case strings.HasPrefix(key, "flags["):
		return FieldProperty, key, false
	case strings.HasPrefix(key, "contexts."):
		return FieldContext, strings.TrimPrefix(key, "contexts."), false
	case strings.HasPrefix(key, "tag."):
		return FieldTag, strings.TrimPrefix(key, "tag."), false
	case strings.Contains(key, "."):
		return FieldContext, key, false
	}
	return FieldTag, key, false
}

// key reads `name:`, `"odd name":`, `flags[name]:` or `tags[name]:` and reports whether it was one;
// tag is true for the last form, which never names a field.
func (p *parser) key() (name string, tag, ok bool) {
	if p.peek() == '"' {
		name, ok = p.quoted()
		if ok = ok && p.peek() == ':' && validKey(name); ok {
			p.pos++
		}
		return name, false, ok
	}
	rest := p.text[p.pos:]
	if after, found := strings.CutPrefix(rest, "tags["); found {
		if name, _, ok = strings.Cut(after, "]:"); ok && validKey(name) && !strings.ContainsAny(name, "[]\" ") {
			p.pos += len("tags[") + len(name) + len("]:")
			return name, true, true
		}
		return "", false, false
	}
	if after, found := strings.CutPrefix(rest, "flags["); found {
		if name, _, ok = strings.Cut(after, "]:"); ok && validKey(name) && !strings.ContainsAny(strings.Trim(name, `"`), "[]\" ") {
			p.pos += len("flags[") + len(name) + len("]:")
			return "flags[" + strings.Trim(name, `"`) + "]", false, true
		}
		return "", false, false
	}
	n := 0
	for n < len(rest) && isKeyByte(rest[n]) {
		n++
	}
	if n == 0 || n == len(rest) || rest[n] != ':' || strings.HasPrefix(rest[n:], "://") || n > maxKeyBytes {
		return "", false, false
	}
	p.pos += n + 1
	return rest[:n], false, true
}

const maxKeyBytes = 200

func validKey(name string) bool {
	return name != "" && len(name) <= maxKeyBytes && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl) &&
		!strings.ContainsRune(name, Wildcard)
}

func isKeyByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-'
}

// quoted reads "…" with \" and \\ and leaves the position after it; ok is false when it is not closed.
func (p *parser) quoted() (text string, ok bool) {
	start := p.pos
	var b strings.Builder
	for i := start + 1; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == '\\' && i+1 < len(p.text) && (p.text[i+1] == '"' || p.text[i+1] == '\\'):
			i++
			b.WriteByte(p.text[i])
		case c == '"':
			p.pos = i + 1
			return b.String(), true
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

// freeWord collects one word, or one quoted phrase, of free text.
func (p *parser) freeWord() {
	start := p.pos
	if p.peek() == '"' {
		if text, ok := p.quoted(); ok {
			p.addFree(start, text)
			return
		}
		p.fail(len(p.text), "a closing quotation mark")
		return
	}
	end := p.wordEnd(start, "")
	p.pos = end
	p.addFree(start, p.text[start:end])
}

func (p *parser) addFree(pos int, text string) {
	if text = clean(text); text == "" {
		return
	}
	if len(p.free) == 0 {
		p.freePos = pos
	}
	p.free = append(p.free, text)
}

// flushFree makes a term of the words collected so far.
func (p *parser) flushFree() {
	if len(p.free) > 0 && p.err == nil {
		p.append(Term{Field: FieldText, Pos: p.freePos, Values: []Value{{Text: strings.Join(p.free, " ")}}})
	}
	p.free = nil
}

// wordEnd is where the run of characters that are neither space nor in stop ends. Inside of
// parentheses it ends before the one that closes them; those that the word opens itself are its own.
func (p *parser) wordEnd(from int, stop string) int {
	own := 0
	for i, r := range p.text[from:] {
		switch {
		case unicode.IsSpace(r) || strings.ContainsRune(stop, r):
			return from + i
		case p.depth == 0:
		case r == '(':
			own++
		case r == ')':
			if own--; own < 0 {
				return from + i
			}
		}
	}
	return len(p.text)
}

// clean drops what no stored text contains, and the character that stands for a wildcard.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == 0 || r == Wildcard || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
}
