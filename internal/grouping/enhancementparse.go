package grouping

import (
	"math"
	"strconv"
	"strings"
)

// parseRules reads the rule language of Enhancements.
func parseRules(text string, builtIn bool) ([]*rule, error) {
	var rules []*rule
	err := eachLine(text, func(l *lineReader) error {
		p := ruleParser{lineReader: l, rule: &rule{builtIn: builtIn}}
		if err := p.parse(); err != nil {
			return err
		}
		rules = append(rules, p.rule)
		return nil
	})
	return rules, err
}

// ruleParser reads one line.
type ruleParser struct {
	*lineReader
	rule       *rule
	conditions []string // in short words, for hints
	appWords   []string
	groupWords []string
}

func (p *ruleParser) parse() (err error) {
	for f := range p.rule.families {
		p.rule.families[f] = true
	}
	if p.peek() == '[' {
		if p.rule.caller, err = p.neighbour(); err != nil {
			return err
		}
		p.skipBlanks()
		if !p.take("|") {
			return p.fail(p.i, "a | is expected after the caller")
		}
		p.conditions = append(p.conditions, "|")
	}
	if err := p.matchers(); err != nil {
		return err
	}
	if p.take("|") {
		p.conditions = append(p.conditions, "|")
		p.skipBlanks()
		if p.peek() != '[' {
			return p.fail(p.i, "a [ is expected before the callee")
		}
		if p.rule.callee, err = p.neighbour(); err != nil {
			return err
		}
	}
	if err := p.actions(); err != nil {
		return err
	}
	p.rule.appText = strings.Join(append(append([]string(nil), p.conditions...), p.appWords...), " ")
	p.rule.groupText = strings.Join(append(append([]string(nil), p.conditions...), p.groupWords...), " ")
	return nil
}

// neighbour reads a condition in brackets.
func (p *ruleParser) neighbour() (*matcher, error) {
	p.i++
	p.skipBlanks()
	m, words, err := p.matcher()
	if err != nil {
		return nil, err
	}
	p.skipBlanks()
	if !p.take("]") {
		return nil, p.fail(p.i, "a ] is expected after the condition")
	}
	p.conditions = append(p.conditions, "[ "+words+" ]")
	return m, nil
}

// matchers reads the conditions on the frame itself.
func (p *ruleParser) matchers() error {
	for n := 0; ; n++ {
		p.skipBlanks()
		if p.done() || p.peek() == '|' || p.atAction() {
			if n == 0 {
				return p.fail(p.i, "a rule needs at least one condition")
			}
			return nil
		}
		m, words, err := p.matcher()
		if err != nil {
			return err
		}
		p.conditions = append(p.conditions, words)
		p.rule.require(m)
	}
}

// require adds a condition on the frame or its exception.
func (r *rule) require(m *matcher) {
	switch {
	case m.field == fieldFamily:
		for f := range r.families {
			r.families[f] = r.families[f] && m.family(family(f))
		}
	case m.field.ofException():
		r.owner = append(r.owner, m)
	case m.field.static():
		r.static = append(r.static, m)
	default:
		r.dynamic = append(r.dynamic, m)
		if m.field == fieldCategory && !m.negated && m.glob.shape == shapeLiteral {
			r.category = m.glob.text
		}
	}
}

// atAction reports whether an action comes next rather than a condition.
func (p *ruleParser) atAction() bool {
	switch c := p.peek(); {
	case c == '^', c == '+', c == '-':
		return true
	case c == 'v' && p.i+1 < len(p.s) && (p.s[p.i+1] == '+' || p.s[p.i+1] == '-'):
		return true
	case !isLetter(c):
		return false
	}
	ahead := lineReader{s: p.s, i: p.i}
	ahead.name()
	ahead.skipBlanks()
	return ahead.peek() == '='
}

func (p *ruleParser) matcher() (*matcher, string, error) {
	start := p.i
	key, negated, err := p.matcherHead()
	if err != nil {
		return nil, "", err
	}
	f, ok := fieldByName[key]
	if !ok {
		return nil, "", p.fail(start, "%q is no condition of stack-trace rules", clip(key))
	}
	arg, err := p.argument()
	if err != nil {
		return nil, "", err
	}
	m := newMatcher(f, arg, negated)
	return m, m.String(), nil
}

// actions reads what follows the conditions, up to the end or a comment.
func (p *ruleParser) actions() error {
	for n := 0; ; n++ {
		p.skipBlanks()
		if p.done() || p.peek() == '#' && n > 0 {
			if n == 0 {
				return p.fail(p.i, "a rule needs at least one action")
			}
			return nil
		}
		var err error
		if c := p.peek(); c == 'v' && p.atAction() || strings.IndexByte("^+-", c) >= 0 {
			err = p.flag()
		} else {
			err = p.variable()
		}
		if err != nil {
			return err
		}
	}
}

// flag reads an action such as ^-group. The next one may follow without a blank.
func (p *ruleParser) flag() error {
	start := p.i
	var a flagAction
	switch {
	case p.take("^"):
		a.reach = reachCrash
	case p.take("v"):
		a.reach = reachStart
	}
	switch {
	case p.take("+"):
		a.on = true
	case !p.take("-"):
		return p.fail(p.i, "+ or - is expected here")
	}
	word := p.name()
	name, _, _ := strings.Cut(word, "-")
	p.i -= len(word) - len(name)
	switch name {
	case "app":
		p.rule.app = append(p.rule.app, a)
		p.appWords = append(p.appWords, p.s[start:p.i])
	case "group":
		p.rule.group = append(p.rule.group, a)
		p.groupWords = append(p.groupWords, p.s[start:p.i])
	case "prefix", "sentinel": // of earlier algorithms: legal, without effect
	default:
		return p.fail(start, "%q is no action; app and group are", clip(name))
	}
	return nil
}

// variable reads an action such as category=system.
func (p *ruleParser) variable() error {
	start := p.i
	name := p.name()
	p.skipBlanks()
	if name == "" || !p.take("=") {
		return p.fail(start, "an action such as -app or category=name is expected here")
	}
	p.skipBlanks()
	at := p.i
	value := p.name()
	if value == "" {
		return p.fail(at, "a value of letters, digits and _ . - is expected after =")
	}
	word := name + "=" + value
	switch name {
	case "category":
		p.rule.setTo = value
		p.appWords = append(p.appWords, word)
		return nil
	case "max-frames", "min-frames":
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			return p.fail(start, "%s takes a whole number", name)
		}
		p.groupWords = append(p.groupWords, word)
		if name == "max-frames" {
			p.rule.max, p.rule.maxSet = int32(min(n, math.MaxInt32)), true
		} else {
			p.rule.min, p.rule.minSet = int32(min(n, math.MaxInt32)), true
		}
		return nil
	case "invert-stacktrace": // of earlier algorithms: legal, without effect
		return nil
	}
	return p.fail(start, "%q is no action", clip(name))
}
