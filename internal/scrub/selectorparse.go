package scrub

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

func decodeRune(s string) (rune, int) { return utf8.DecodeRuneInString(s) }

// selectorParser reads the selector language.
// Rule: getsentry/relay relay-pii/src/selector.pest
type selectorParser struct {
	s     string
	i     int
	depth int
}

// maxSelectorDepth bounds parentheses within parentheses.
const maxSelectorDepth = 32

// parseSelector reads a selector. The text of an error gives the position, in bytes from 1.
func parseSelector(s string) (selector, error) {
	if len(s) > maxEntry {
		return nil, fault.New(fault.Invalid, "longer than %d bytes", maxEntry)
	}
	p := selectorParser{s: s}
	out, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.space(); p.i < len(p.s) {
		return nil, p.fail("nothing more expected")
	}
	return out, nil
}

// parseOldSelector also reads the names that stood for types before there were selectors.
func parseOldSelector(s string) (selector, error) {
	switch s {
	case "freeform", "email", "sensitive", "text":
		return &pathSelector{steps: []pathStep{{kind: stepType, kinds: kindString}}}, nil
	case "databag", "container":
		return &pathSelector{steps: []pathStep{{kind: stepType, kinds: kindObject}}}, nil
	}
	return parseSelector(s)
}

// mustSelector reads a selector of ours.
func mustSelector(s string) selector {
	out, err := parseSelector(s)
	if err != nil {
		panic("built-in selector " + s + ": " + err.Error())
	}
	return out
}

func (p *selectorParser) fail(format string, args ...any) error {
	return fault.New(fault.Invalid, "position %d: %s", p.i+1, fmt.Sprintf(format, args...))
}

func (p *selectorParser) space() {
	for p.i < len(p.s) && strings.IndexByte(" \t\r\n", p.s[p.i]) >= 0 {
		p.i++
	}
}

// operator moves past one or two of c.
func (p *selectorParser) operator(c byte) bool {
	p.space()
	if p.i >= len(p.s) || p.s[p.i] != c {
		return false
	}
	if p.i++; p.i < len(p.s) && p.s[p.i] == c {
		p.i++
	}
	return true
}

func (p *selectorParser) or() (selector, error) {
	first, err := p.and()
	if err != nil {
		return nil, err
	}
	list := orSelector{first}
	for p.operator('|') {
		next, err := p.and()
		if err != nil {
			return nil, err
		}
		list = append(list, next)
	}
	if len(list) == 1 {
		return first, nil
	}
	return list, nil
}

func (p *selectorParser) and() (selector, error) {
	first, err := p.unary()
	if err != nil {
		return nil, err
	}
	list := andSelector{first}
	for p.operator('&') {
		next, err := p.unary()
		if err != nil {
			return nil, err
		}
		list = append(list, next)
	}
	if len(list) == 1 {
		return first, nil
	}
	return list, nil
}

func (p *selectorParser) unary() (selector, error) {
	p.space()
	if p.i < len(p.s) && (p.s[p.i] == '!' || p.s[p.i] == '~') {
		p.i++
		inner, err := p.operand()
		if err != nil {
			return nil, err
		}
		return notSelector{inner}, nil
	}
	return p.operand()
}

func (p *selectorParser) operand() (selector, error) {
	p.space()
	if p.i >= len(p.s) || p.s[p.i] != '(' {
		return p.path()
	}
	if p.depth++; p.depth > maxSelectorDepth {
		return nil, p.fail("more than %d parentheses within each other", maxSelectorDepth)
	}
	p.i++
	inner, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.space(); p.i >= len(p.s) || p.s[p.i] != ')' {
		return nil, p.fail("closing parenthesis expected")
	}
	p.i++
	p.depth--
	return inner, nil
}

func (p *selectorParser) path() (selector, error) {
	out := new(pathSelector)
	deep := false
	for {
		p.space()
		start := p.i
		step, err := p.step()
		if err != nil {
			return nil, err
		}
		if step.kind == stepDeep {
			if deep {
				p.i = start
				return nil, p.fail("** may be used once in a path")
			}
			deep = true
		}
		out.steps = append(out.steps, step)
		if p.space(); p.i >= len(p.s) || p.s[p.i] != '.' {
			break
		}
		p.i++
	}
	if len(out.steps) == 1 && out.steps[0].kind == stepAny {
		return nil, p.fail("* must be part of a path")
	}
	out.rooted = out.steps[0].kind == stepKey && len(out.steps) > 1
	return out, nil
}

func (p *selectorParser) step() (pathStep, error) {
	if p.i >= len(p.s) {
		return pathStep{}, p.fail("a path expected")
	}
	switch c := p.s[p.i]; {
	case c == '$':
		return p.typeName()
	case strings.HasPrefix(p.s[p.i:], "**"):
		p.i += 2
		return pathStep{kind: stepDeep}, nil
	case c == '*':
		p.i++
		return pathStep{kind: stepAny}, nil
	case c == '\'':
		return p.quoted()
	case c >= '0' && c <= '9':
		text := p.while(func(c byte) bool { return c >= '0' && c <= '9' })
		n, err := strconv.Atoi(text)
		if err != nil {
			return pathStep{}, p.fail("index out of range")
		}
		return pathStep{kind: stepIndex, index: n}, nil
	case letter(c) || c == '_':
		key := p.while(func(c byte) bool { return letter(c) || c == '_' || c == '-' || c >= '0' && c <= '9' })
		return pathStep{kind: stepKey, key: key}, nil
	}
	return pathStep{}, p.fail("a name, $type, *, ** or index expected")
}

func (p *selectorParser) typeName() (pathStep, error) {
	start := p.i
	p.i++
	name := p.while(func(c byte) bool { return letter(c) || c == '_' })
	k, ok := kindNames[name]
	if !ok {
		p.i = start
		return pathStep{}, p.fail("no type is called $%s", name)
	}
	return pathStep{kind: stepType, kinds: k}, nil
}

func (p *selectorParser) quoted() (pathStep, error) {
	start := p.i
	var sb strings.Builder
	for p.i++; p.i < len(p.s); p.i++ {
		if p.s[p.i] == '\'' {
			if p.i++; p.i >= len(p.s) || p.s[p.i] != '\'' {
				return pathStep{kind: stepKey, key: sb.String()}, nil
			}
		}
		sb.WriteByte(p.s[p.i])
	}
	p.i = start
	return pathStep{}, p.fail("quote without end")
}

func (p *selectorParser) while(ok func(byte) bool) string {
	start := p.i
	for p.i < len(p.s) && ok(p.s[p.i]) {
		p.i++
	}
	return p.s[start:p.i]
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
