package grouping

import (
	_ "embed"
	"sync"
)

// Enhancements are the stack-trace rules of a project: which frames are the project's own, and
// which of them count. The zero value and nil have no rules of their own; the base rules, which
// hold for every project, come before them in any case. They are safe for concurrent use.
//
// One rule per line, # begins a comment:
//
//	[ caller ] | conditions | [ callee ] actions
//
//	family:native package:/usr/lib/**            category=system
//	path:**/vendor/** !function:main             -app -group
//	[ category:throw ] | category:internals      ^-group
//
// Conditions: family, path, module, function, package, category, app, and of the exception type,
// value, mechanism. Actions: +app -app +group -group, with ^ for all frames towards the crash and
// v for all away from it; category=NAME, max-frames=N, min-frames=N.
type Enhancements struct{ own *ruleset }

// ParseEnhancements compiles a project's rules. fault.Invalid: the text has an error, at the line
// and column that the message names. fault.TooLarge: it is too long.
func ParseEnhancements(text string) (*Enhancements, error) {
	rules, err := parseRules(text, false)
	if err != nil {
		return nil, err
	}
	if len(rules) == 0 {
		return &Enhancements{}, nil
	}
	return &Enhancements{own: newRuleset(rules, ownCacheFrames)}, nil
}

// sets lists the rule sets in the order in which they are evaluated, those of the version first.
func (e *Enhancements) sets(cfg Config) [2]*ruleset {
	base := baseRules2023
	if cfg.ID == Newstyle2026 {
		base = baseRules2026
	}
	if e == nil {
		return [2]*ruleset{base(), nil}
	}
	return [2]*ruleset{base(), e.own}
}

// The rule bases of the versions. One is frozen as soon as there is a newer one.
var (
	//go:embed rules/all-platforms-2026-01-20.txt
	baseText2026 string
	//go:embed rules/all-platforms-2023-01-11.txt
	baseText2023 string

	baseRules2026 = sync.OnceValue(func() *ruleset { return builtInRules(baseText2026) })
	baseRules2023 = sync.OnceValue(func() *ruleset { return builtInRules(baseText2023) })
)

func builtInRules(text string) *ruleset {
	rules, err := parseRules(text, true)
	if err != nil {
		panic("grouping: base rules: " + err.Error()) // the text is part of the program
	}
	return newRuleset(rules, baseCacheFrames)
}

// rule is one line of the rule language.
type rule struct {
	builtIn bool
	// static conditions look at what rules never change: function, module, package and path of the
	// frame. They are decided once per distinct frame.
	static   []*matcher
	families [familyCount]bool
	dynamic  []*matcher // category and in-app of the frame
	caller   *matcher
	callee   *matcher
	owner    []*matcher // conditions on the exception
	// category, when not empty, is one that the frame must have.
	category string

	app       []flagAction
	group     []flagAction
	setTo     string // category
	maxSet    bool
	minSet    bool
	max       int32
	min       int32
	appText   string // the rule with only the actions on in-app and category
	groupText string // the rule with only the others
}

// origin names where the rule comes from, for hints.
func (r *rule) origin() string {
	if r.builtIn {
		return "built-in"
	}
	return "custom"
}

// describe names the rule by what it does to contribution.
func (r *rule) describe() string { return r.origin() + " stacktrace rule (" + r.groupText + ")" }

func (r *rule) classifies() bool { return len(r.app) > 0 || r.setTo != "" }

func (r *rule) contributes() bool { return len(r.group) > 0 || r.maxSet || r.minSet }

// reach says which frames an action changes, seen from the frame that matched.
type reach uint8

const (
	reachSelf  reach = iota
	reachCrash       // all frames after it
	reachStart       // all frames before it
)

// flagAction switches in-app or contribution of frames.
type flagAction struct {
	reach reach
	on    bool
}

// span is the range of frames that an action changes when frame i of n matched.
func (a flagAction) span(i, n int) (from, to int) {
	switch a.reach {
	case reachCrash:
		return i + 1, n
	case reachStart:
		return 0, i
	}
	return i, i + 1
}
