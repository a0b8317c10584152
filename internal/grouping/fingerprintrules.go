package grouping

import (
	_ "embed"
	"strings"
	"sync"
)

// FingerprintRules are the rules by which a project chooses fingerprints itself. The zero value and
// nil have none. Rules that hold for every project come after them. They are safe for concurrent use.
//
// One rule per line, # begins a comment line, and the first rule that matches wins:
//
//	error.type:DatabaseUnavailable !release:1.* -> database, {{ transaction }}
//	message:"*timed out*" -> "timeout" title="Timeout in {{ transaction }}"
//
// Keys: error.type, error.value, stack.module, stack.abs_path, stack.package, stack.function,
// message, logger, level, family, app, sdk, release, tags.NAME; see the short forms in keys.
type FingerprintRules struct{ own []*fingerprintRule }

// ParseFingerprintRules compiles a project's rules. fault.Invalid: the text has an error, at the
// line and column that the message names. fault.TooLarge: it is too long.
func ParseFingerprintRules(text string) (*FingerprintRules, error) {
	rules, err := parseFingerprintRules(text, false)
	if err != nil {
		return nil, err
	}
	return &FingerprintRules{own: rules}, nil
}

//go:embed rules/javascript-2024-02-02.txt
var builtInFingerprintText string

var builtInFingerprints = sync.OnceValue(func() []*fingerprintRule {
	rules, err := parseFingerprintRules(builtInFingerprintText, true)
	if err != nil {
		panic("grouping: built-in fingerprint rules: " + err.Error()) // the text is part of the program
	}
	return rules
})

// fingerprintRule is one line.
type fingerprintRule struct {
	builtIn     bool
	groups      [groupCount][]*fingerprintMatcher
	fingerprint []string
	title       string
	text        string
}

func parseFingerprintRules(text string, builtIn bool) ([]*fingerprintRule, error) {
	var rules []*fingerprintRule
	err := eachLine(text, func(l *lineReader) error {
		p := fingerprintParser{lineReader: l, rule: &fingerprintRule{builtIn: builtIn}}
		if err := p.parse(); err != nil {
			return err
		}
		rules = append(rules, p.rule)
		return nil
	})
	return rules, err
}

// fingerprintParser reads one line.
type fingerprintParser struct {
	*lineReader
	rule  *fingerprintRule
	words []string
}

func (p *fingerprintParser) parse() error {
	for {
		p.skipBlanks()
		if p.take("->") {
			break
		}
		if p.done() {
			return p.fail(p.i, "-> and a fingerprint are expected after the conditions")
		}
		if err := p.matcher(); err != nil {
			return err
		}
	}
	if len(p.words) == 0 {
		return p.fail(p.i-len("->"), "a rule needs at least one condition")
	}
	for p.skipBlanks(); !p.done(); p.skipBlanks() {
		if p.peek() == ',' {
			return p.fail(p.i, "a part of the fingerprint is expected before the comma")
		}
		if err := p.value(); err != nil {
			return err
		}
		p.skipBlanks()
		p.take(",")
	}
	if len(p.rule.fingerprint) == 0 && p.rule.title == "" {
		return p.fail(p.i, "a fingerprint is expected after ->")
	}
	p.rule.text = strings.Join(p.words, " ") + ` -> "` + strings.Join(p.rule.fingerprint, "") + `"`
	if p.rule.title != "" {
		p.rule.text += ` title="` + p.rule.title + `"`
	}
	return nil
}

func (p *fingerprintParser) matcher() error {
	start := p.i
	key, negated, err := p.matcherHead()
	if err != nil {
		return err
	}
	pattern, err := p.argument()
	if err != nil {
		return err
	}
	m, ok := newFingerprintMatcher(key, pattern, negated)
	if !ok {
		return p.fail(start, "%q is no condition of fingerprint rules", clip(key))
	}
	p.rule.groups[m.group] = append(p.rule.groups[m.group], m)
	p.words = append(p.words, m.String())
	return nil
}

// value reads one part of the fingerprint or the attribute title.
func (p *fingerprintParser) value() error {
	start := p.i
	switch {
	case p.peek() == '"':
		text, err := p.quoted()
		if err != nil {
			return err
		}
		p.add(text)
		return nil
	case strings.HasPrefix(p.s[p.i:], "{{"):
		n := strings.Index(p.s[p.i:], "}}")
		if n < 0 {
			return p.fail(start, "the variable is never closed")
		}
		p.i += n + 2
		if _, ok := variableName(p.s[start:p.i]); !ok {
			return p.fail(start, "a variable is written {{ name }}")
		}
		p.add(p.s[start:p.i])
		return nil
	}
	return p.word()
}

// add appends a part of the fingerprint. The default one has one spelling.
func (p *fingerprintParser) add(part string) {
	if isDefaultEntry(part) {
		part = defaultFingerprint[0]
	}
	p.rule.fingerprint = append(p.rule.fingerprint, part)
}

// word reads a bare part of the fingerprint, or title="…".
func (p *fingerprintParser) word() error {
	start := p.i
	for !p.done() && !isBlank(p.peek()) && p.peek() != ',' && p.peek() != '{' {
		name := p.s[start:p.i]
		if name != "" && strings.HasPrefix(p.s[p.i:], `="`) && strings.IndexFunc(name, notInKey) < 0 && !strings.Contains(name, ":") {
			p.i++
			text, err := p.quoted()
			if err != nil {
				return err
			}
			if name != "title" {
				return p.fail(start, "%q is no attribute; title is", clip(name))
			}
			p.rule.title = text
			return nil
		}
		p.i++
	}
	if p.i == start {
		return p.fail(start, "a fingerprint may not begin with {")
	}
	p.add(p.s[start:p.i])
	return nil
}
