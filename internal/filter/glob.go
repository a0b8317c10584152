package filter

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// A glob is one or more flat patterns, one for each combination of alternatives. The text to match
// is folded by the caller, so that one folding serves all patterns.
type glob []flat

// flat is a pattern without alternatives: the parts between its stars. Without a star the one part
// must be the whole text.
type flat struct {
	parts []part
	stars bool
}

// part is what stands between two stars: a literal, or single-character tests where it holds any.
type part struct {
	literal string
	tests   []test
}

// test matches one character: a literal one, any one, or one of a class.
type test struct {
	char   rune
	any    bool
	negate bool
	ranges []rune // pairs, both ends included
}

const (
	maxAlternatives = 64      // flat patterns that one glob may stand for
	maxSteps        = 1 << 20 // character tests for one event; past them nothing matches
	longestText     = 8 << 10 // bytes of a text that are looked at
)

// compileGlob reads a pattern: *, ?, [a-z], [!a], {a,b}, and a backslash before what is meant
// literally. Case does not matter.
func compileGlob(pattern string) (glob, error) {
	if !utf8.ValidString(pattern) {
		return nil, errors.New("not valid UTF-8")
	}
	list, err := alternatives(fold(pattern))
	if err != nil {
		return nil, err
	}
	g := make(glob, 0, len(list))
	for _, text := range list {
		f, err := compileFlat(text)
		if err != nil {
			return nil, err
		}
		g = append(g, f)
	}
	return g, nil
}

func fold(s string) string { return strings.ToLower(s) }

// alternatives writes out the braces of a pattern.
func alternatives(pattern string) ([]string, error) {
	done, open := []string(nil), []string{pattern}
	for len(open) > 0 {
		p := open[0]
		open = open[1:]
		prefix, choices, suffix, err := firstBraces(p)
		if err != nil {
			return nil, err
		}
		if choices == nil {
			done = append(done, p)
			continue
		}
		if len(done)+len(open)+len(choices) > maxAlternatives {
			return nil, errors.New("too many alternatives in braces")
		}
		for i, c := range choices {
			choices[i] = prefix + c + suffix
		}
		open = append(choices, open...)
	}
	return done, nil
}

// firstBraces splits a pattern at its first braces; choices is nil when it has none.
func firstBraces(p string) (prefix string, choices []string, suffix string, err error) {
	depth, start, from := 0, 0, 0
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case '[':
			if end := classEnd(p, i); end > 0 {
				i = end
			}
		case '{':
			if depth++; depth == 1 {
				start, from = i, i+1
			}
		case ',':
			if depth == 1 {
				choices = append(choices, p[from:i])
				from = i + 1
			}
		case '}':
			if depth--; depth < 0 {
				return "", nil, "", errors.New("closing brace without an opening one")
			}
			if depth == 0 {
				return p[:start], append(choices, p[from:i]), p[i+1:], nil
			}
		}
	}
	if depth > 0 {
		return "", nil, "", errors.New("opening brace without a closing one")
	}
	return p, nil, "", nil
}

// classEnd is the index of the bracket that closes the class at i; zero when there is none.
func classEnd(p string, i int) int {
	first := i + 1
	if first < len(p) && (p[first] == '!' || p[first] == '^') {
		first++
	}
	if n := strings.IndexByte(p[min(first+1, len(p)):], ']'); n >= 0 {
		return first + 1 + n
	}
	return 0
}

func compileFlat(p string) (flat, error) {
	var f flat
	var tests []test
	for len(p) > 0 {
		switch p[0] {
		case '*':
			f.stars = true
			f.parts = append(f.parts, newPart(tests))
			tests, p = nil, strings.TrimLeft(p, "*")
			continue
		case '?':
			tests, p = append(tests, test{any: true}), p[1:]
			continue
		case '[':
			end := classEnd(p, 0)
			if end == 0 {
				return flat{}, errors.New("opening bracket without a closing one")
			}
			t, err := readClass(p[1:end])
			if err != nil {
				return flat{}, err
			}
			tests, p = append(tests, t), p[end+1:]
			continue
		case '\\':
			if p = p[1:]; p == "" {
				return flat{}, errors.New("backslash at the end")
			}
		}
		c, n := utf8.DecodeRuneInString(p)
		tests, p = append(tests, test{char: c}), p[n:]
	}
	f.parts = append(f.parts, newPart(tests))
	return f, nil
}

func readClass(body string) (test, error) {
	var t test
	if body[0] == '!' || body[0] == '^' {
		t.negate, body = true, body[1:]
	}
	chars := []rune(body)
	for i := 0; i < len(chars); i++ {
		lo, hi := chars[i], chars[i]
		if i+2 < len(chars) && chars[i+1] == '-' {
			hi = chars[i+2]
			i += 2
		}
		if lo > hi {
			return t, errors.New("range of a class is upside down")
		}
		t.ranges = append(t.ranges, lo, hi)
	}
	return t, nil
}

func newPart(tests []test) part {
	var sb strings.Builder
	for _, t := range tests {
		if t.any || t.ranges != nil {
			return part{tests: tests}
		}
		sb.WriteRune(t.char)
	}
	return part{literal: sb.String()}
}

func (t *test) match(c rune) bool {
	if t.any {
		return true
	}
	if t.ranges == nil {
		return t.char == c
	}
	for i := 0; i < len(t.ranges); i += 2 {
		if c >= t.ranges[i] && c <= t.ranges[i+1] {
			return !t.negate
		}
	}
	return t.negate
}

// match tests a folded text. steps counts the work left for the event.
func (g glob) match(s string, steps *int) bool {
	for i := range g {
		if g[i].match(s, steps) {
			return true
		}
	}
	return false
}

// match finds the parts one behind the other, each as early as it can be: for stars that is enough.
func (f *flat) match(s string, steps *int) bool {
	n, ok := f.parts[0].prefix(s, steps)
	if !ok || !f.stars {
		return ok && n == len(s)
	}
	s = s[n:]
	last := len(f.parts) - 1
	for i := 1; i < last; i++ {
		if n, ok = f.parts[i].find(s, steps); !ok {
			return false
		}
		s = s[n:]
	}
	return f.parts[last].suffix(s, steps)
}

// prefix is the length of the part at the start of s.
func (p *part) prefix(s string, steps *int) (int, bool) {
	if p.tests == nil {
		return len(p.literal), strings.HasPrefix(s, p.literal)
	}
	at := 0
	for i := range p.tests {
		if *steps--; *steps < 0 || at == len(s) {
			return 0, false
		}
		c, n := utf8.DecodeRuneInString(s[at:])
		if !p.tests[i].match(c) {
			return 0, false
		}
		at += n
	}
	return at, true
}

// find is the end of the first occurrence of the part in s.
func (p *part) find(s string, steps *int) (int, bool) {
	if p.tests == nil {
		*steps -= len(s) / 16
		n := strings.Index(s, p.literal)
		return n + len(p.literal), n >= 0 && *steps >= 0
	}
	for at := range s {
		if n, ok := p.prefix(s[at:], steps); ok {
			return at + n, true
		}
		if *steps < 0 {
			break
		}
	}
	return 0, false
}

// suffix reports whether s ends with the part.
func (p *part) suffix(s string, steps *int) bool {
	if p.tests == nil {
		return strings.HasSuffix(s, p.literal)
	}
	at := len(s)
	for i := len(p.tests) - 1; i >= 0; i-- {
		if *steps--; *steps < 0 || at == 0 {
			return false
		}
		c, n := utf8.DecodeLastRuneInString(s[:at])
		if !p.tests[i].match(c) {
			return false
		}
		at -= n
	}
	return true
}

// globs is a list of patterns any of which may match.
type globs []glob

// match folds s and tests it against all patterns.
func (g globs) match(s string, steps *int) bool {
	if len(g) == 0 || s == "" {
		return false
	}
	if len(s) > longestText {
		s = s[:longestText]
	}
	s = fold(s)
	for i := range g {
		if g[i].match(s, steps) {
			return true
		}
	}
	return false
}
