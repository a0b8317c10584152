package scrub

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// wireConfig is the advanced rules as they are written.
// Rule: getsentry/relay relay-pii/src/config.rs
type wireConfig struct {
	Rules map[string]wireRule `json:"rules"`
	Vars  struct {
		HashKey string `json:"hashKey"`
	} `json:"vars"`
	Applications map[string][]string `json:"applications"`
}

type wireRule struct {
	Type          string        `json:"type"`
	Pattern       string        `json:"pattern"`
	ReplaceGroups []int         `json:"replaceGroups"`
	KeyPattern    string        `json:"keyPattern"`
	Rule          string        `json:"rule"`
	Rules         []string      `json:"rules"`
	HideInner     bool          `json:"hideInner"`
	Redaction     wireRedaction `json:"redaction"`
}

type wireRedaction struct {
	Method string  `json:"method"`
	Text   *string `json:"text"`
}

// resolver turns names of rules into rules.
type resolver struct {
	rules map[string]wireRule
	total int
}

// addConfig adds the applications of the advanced rules, in the order of their selectors.
func (c *Scrubber) addConfig(raw json.RawMessage) error {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	if len(raw) > maxConfig {
		return fault.New(fault.Invalid, "piiConfig: longer than %d bytes", maxConfig)
	}
	var w wireConfig
	if err := json.Unmarshal(raw, &w); err != nil {
		return fault.New(fault.Invalid, "piiConfig: %v", err)
	}
	if len(w.Rules) > maxRules || len(w.Applications) > maxRules {
		return fault.New(fault.Invalid, "piiConfig: more than %d rules or applications", maxRules)
	}
	c.hashKey = []byte(w.Vars.HashKey)
	rs := resolver{rules: w.Rules}
	for _, id := range slices.Sorted(maps.Keys(w.Rules)) {
		if _, err := rs.resolve(id, 0); err != nil { // unused rules are checked too
			return fault.New(fault.Invalid, "piiConfig.rules.%s%v", id, err)
		}
		rs.total = 0
	}
	for _, text := range slices.Sorted(maps.Keys(w.Applications)) {
		where, err := parseOldSelector(text)
		if err != nil {
			return fault.New(fault.Invalid, "piiConfig.applications[%q]: %v", text, err)
		}
		var rules []*rule
		for i, id := range w.Applications[text] {
			found, err := rs.resolve(id, 0)
			if err != nil {
				return fault.New(fault.Invalid, "piiConfig.applications[%q][%d]%v", text, i, err)
			}
			rules = append(rules, found...)
		}
		c.add(where, rules)
		c.advanced = true
	}
	return nil
}

// resolve is the rules that a name stands for. Its errors continue a path.
func (rs *resolver) resolve(id string, depth int) ([]*rule, error) {
	if rs.total++; depth > maxNesting || rs.total > maxRules {
		return nil, fmt.Errorf(": more than %d rules, or nested more than %d deep", maxRules, maxNesting)
	}
	w, ok := rs.rules[id]
	if !ok {
		if len(id) > 0 && id[0] == '@' {
			if list := builtin(id, ""); list != nil {
				return list, nil
			}
		}
		return nil, fmt.Errorf(": no rule is called %q", id)
	}
	list, err := rs.read(id, &w, depth)
	if err != nil {
		return nil, err
	}
	if err := w.Redaction.apply(list); err != nil {
		return nil, err
	}
	return list, nil
}

// read is the rules of one definition, with the methods they have by themselves.
func (rs *resolver) read(id string, w *wireRule, depth int) ([]*rule, error) {
	switch w.Type {
	case "pattern":
		r, err := newPattern(".pattern", w.Pattern, findPattern)
		if err != nil {
			return nil, err
		}
		for i, g := range w.ReplaceGroups {
			if g < 0 || g > r.re.NumSubexp() {
				return nil, fmt.Errorf(".replaceGroups[%d]: the pattern has no group %d", i, g)
			}
		}
		r.shown, r.groups = id, w.ReplaceGroups
		return []*rule{r}, nil
	case "redact_pair", "redactPair":
		r, err := newPattern(".keyPattern", w.KeyPattern, findPair)
		if err != nil {
			return nil, err
		}
		r.shown, r.keyed = id, true
		return []*rule{r}, nil
	case "multiple":
		var out []*rule
		for i, inner := range w.Rules {
			list, err := rs.resolve(inner, depth+1)
			if err != nil {
				return nil, fmt.Errorf(".rules[%d]%w", i, err)
			}
			out = append(out, list...)
		}
		return hide(out, id, w.HideInner), nil
	case "alias":
		out, err := rs.resolve(w.Rule, depth+1)
		if err != nil {
			return nil, fmt.Errorf(".rule%w", err)
		}
		return hide(out, id, w.HideInner), nil
	}
	name := w.Type
	if long, ok := typeNames[name]; ok {
		name = long
	}
	d, ok := detectors[name]
	if !ok {
		return nil, fmt.Errorf(".type: no type is called %q", w.Type)
	}
	r := d.rule()
	r.shown = id
	return []*rule{r}, nil
}

// hide gives rules the name of the rule that holds them, if it is to hide theirs.
func hide(list []*rule, id string, yes bool) []*rule {
	if yes {
		for _, r := range list {
			r.shown = id
		}
	}
	return list
}

// newPattern compiles a regular expression of a rule. Patterns that need a large program are
// refused, because time grows with it.
func newPattern(path, pattern string, find finder) (*rule, error) {
	if pattern == "" || len(pattern) > maxEntry {
		return nil, fmt.Errorf("%s: must have 1 to %d bytes", path, maxEntry)
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(program.Inst) > maxProgram {
		return nil, fmt.Errorf("%s: too complex", path)
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &rule{find: find, method: methodRemove, re: re, cost: len(program.Inst)}, nil
}

// apply sets the method of rules, unless it is the default, which leaves each its own.
func (w *wireRedaction) apply(list []*rule) error {
	var m method
	switch w.Method {
	case "", "default":
		return nil
	case "remove":
		m = methodRemove
	case "replace":
		m = methodReplace
	case "mask":
		m = methodMask
	case "hash":
		m = methodHash
	default:
		return fmt.Errorf(".redaction.method: no method is called %q", w.Method)
	}
	text := filteredText
	if w.Text != nil {
		if text = *w.Text; len(text) > maxEntry {
			return fmt.Errorf(".redaction.text: longer than %d bytes", maxEntry)
		}
	}
	for _, r := range list {
		r.method, r.text = m, text
	}
	return nil
}
