package grouping

import (
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// matchGroup is what the conditions of a fingerprint rule look at together: one item must satisfy
// all conditions of a group.
type matchGroup uint8

const (
	groupTopLevel matchGroup = iota // message
	groupLog                        // logger, level
	groupExceptions
	groupFrames
	groupTags
	groupSDK
	groupFamily
	groupRelease
	groupCount
)

// key is what one condition of a fingerprint rule tests.
type key uint8

const (
	keyMessage key = iota
	keyLogger
	keyLevel
	keyType
	keyValue
	keyModule
	keyPath
	keyPackage
	keyFunction
	keyApp
	keyTag
	keySDK
	keyFamily
	keyRelease
)

// keys lists the conditions by name with the form in which rules are shown.
var keys = map[string]struct {
	key   key
	group matchGroup
	short string
	mode  globMode
}{
	"message":        {keyMessage, groupTopLevel, "message", globFolded},
	"logger":         {keyLogger, groupLog, "logger", globText},
	"level":          {keyLevel, groupLog, "level", globFolded},
	"type":           {keyType, groupExceptions, "type", globText},
	"error.type":     {keyType, groupExceptions, "type", globText},
	"value":          {keyValue, groupExceptions, "value", globFolded},
	"error.value":    {keyValue, groupExceptions, "value", globFolded},
	"module":         {keyModule, groupFrames, "module", globText},
	"stack.module":   {keyModule, groupFrames, "module", globText},
	"path":           {keyPath, groupFrames, "path", globPath},
	"stack.abs_path": {keyPath, groupFrames, "path", globPath},
	"package":        {keyPackage, groupFrames, "package", globPath},
	"stack.package":  {keyPackage, groupFrames, "package", globPath},
	"function":       {keyFunction, groupFrames, "function", globText},
	"stack.function": {keyFunction, groupFrames, "function", globText},
	"app":            {keyApp, groupFrames, "app", globText},
	"sdk":            {keySDK, groupSDK, "sdk", globText},
	"family":         {keyFamily, groupFamily, "family", globText},
	"release":        {keyRelease, groupRelease, "release", globPath},
}

// fingerprintMatcher is one condition.
type fingerprintMatcher struct {
	key     key
	group   matchGroup
	name    string // short
	tag     string
	pattern string
	negated bool
	glob    *glob
	app     triState
	// families that a condition on the family lists
	families [familyCount]bool
}

func newFingerprintMatcher(name, pattern string, negated bool) (*fingerprintMatcher, bool) {
	m := &fingerprintMatcher{name: name, pattern: pattern, negated: negated}
	if tag, ok := strings.CutPrefix(name, "tags."); ok && tag != "" {
		m.key, m.group, m.tag, m.glob = keyTag, groupTags, tag, compileGlob(pattern, globText)
		return m, true
	}
	k, ok := keys[name]
	if !ok {
		return nil, false
	}
	m.key, m.group, m.name = k.key, k.group, k.short
	m.glob = compileGlob(pattern, k.mode)
	m.app = truth(pattern)
	for f := range m.families {
		m.families[f] = familyListed(pattern, family(f))
	}
	return m, true
}

// String is the condition in its short form.
func (m *fingerprintMatcher) String() string {
	bang := ""
	if m.negated {
		bang = "!"
	}
	return bang + m.name + `:"` + m.pattern + `"`
}

// text tests a text that may be missing.
func (m *fingerprintMatcher) text(v string) bool { return m.fits(v) != m.negated }

// fits reports whether there is a text and the pattern matches it.
func (m *fingerprintMatcher) fits(v string) bool {
	return v != "" && m.glob.match(fold(v, m.glob.mode))
}

// matchFingerprint returns the first rule that matches the event, nil when none does.
func matchFingerprint(rules []*fingerprintRule, f facts) *fingerprintRule {
	for _, rule := range rules {
		if rule.matches(f) {
			return rule
		}
	}
	return nil
}

// matches tests the groups, the cheap ones first.
func (rule *fingerprintRule) matches(f facts) bool {
	g := &rule.groups
	ev := f.ev
	all := func(group matchGroup, test func(*fingerprintMatcher) bool) bool {
		return !slices.ContainsFunc(g[group], func(m *fingerprintMatcher) bool { return !test(m) })
	}
	fam := familyOf(ev.Platform)
	return all(groupFamily, func(m *fingerprintMatcher) bool { return m.families[fam] != m.negated }) &&
		all(groupSDK, func(m *fingerprintMatcher) bool { return sdkListed(m.pattern, ev) != m.negated }) &&
		all(groupRelease, func(m *fingerprintMatcher) bool { return m.text(strings.TrimSpace(ev.Release)) }) &&
		all(groupTags, func(m *fingerprintMatcher) bool { return m.ofTag(ev) }) &&
		all(groupLog, func(m *fingerprintMatcher) bool { return m.ofLog(ev) }) &&
		rule.anyMessage(ev) && rule.anyException(ev) && rule.anyFrame(ev)
}

// sdkListed tests a comma list of SDKs.
func sdkListed(list string, ev *event.Event) bool {
	name := otherSDK
	if ev.SDK != nil {
		name = sdkFamily(ev.SDK.Name)
	}
	return slices.ContainsFunc(strings.Split(list, ","), func(s string) bool {
		s = strings.TrimSpace(s)
		return s == "all" || s == name
	})
}

func (m *fingerprintMatcher) ofTag(ev *event.Event) bool {
	v, _ := ev.Tag(m.tag)
	return m.text(strings.TrimSpace(v))
}

func (m *fingerprintMatcher) ofLog(ev *event.Event) bool {
	if m.key == keyLogger {
		return m.text(ev.Logger)
	}
	return m.text(levelName(ev.Level))
}

// anyMessage looks for a message or exception value that satisfies the conditions on messages.
func (rule *fingerprintRule) anyMessage(ev *event.Event) bool {
	conditions := rule.groups[groupTopLevel]
	if len(conditions) == 0 {
		return true
	}
	try := func(text string) bool {
		text = strings.TrimSpace(text)
		return !slices.ContainsFunc(conditions, func(m *fingerprintMatcher) bool { return !m.text(text) })
	}
	if l := ev.LogEntry; l != nil {
		if text := either(l.Formatted, l.Message); text != "" && try(text) {
			return true
		}
	}
	for i := range ev.Exceptions {
		if try(ev.Exceptions[i].Value) {
			return true
		}
	}
	return false
}

// anyException looks for an exception that satisfies the conditions on exceptions.
func (rule *fingerprintRule) anyException(ev *event.Event) bool {
	conditions := rule.groups[groupExceptions]
	if len(conditions) == 0 {
		return true
	}
	for i := range ev.Exceptions {
		e := &ev.Exceptions[i]
		if !slices.ContainsFunc(conditions, func(m *fingerprintMatcher) bool {
			if m.key == keyType {
				return !m.text(strings.TrimSpace(e.Type))
			}
			return !m.text(strings.TrimSpace(e.Value))
		}) {
			return true
		}
	}
	return false
}

// anyFrame looks for a frame that satisfies the conditions on frames, in the stack traces of
// exceptions, else in the top-level one, else in that of the thread that the event is about.
func (rule *fingerprintRule) anyFrame(ev *event.Event) bool {
	conditions := rule.groups[groupFrames]
	if len(conditions) == 0 {
		return true
	}
	found := false
	anyIn := func(trace *event.Stacktrace) bool {
		if !hasFrames(trace) {
			return false
		}
		found = true
		for i := range trace.Frames {
			f := &trace.Frames[i]
			if !slices.ContainsFunc(conditions, func(m *fingerprintMatcher) bool { return !m.ofFrame(f) }) {
				return true
			}
		}
		return false
	}
	for i := range ev.Exceptions {
		if anyIn(ev.Exceptions[i].Stacktrace) {
			return true
		}
	}
	if !found && anyIn(ev.Stacktrace) {
		return true
	}
	if thread := chooseThread(ev.Threads); !found && thread.index >= 0 {
		return anyIn(ev.Threads[thread.index].Stacktrace)
	}
	return false
}

func (m *fingerprintMatcher) ofFrame(f *event.Frame) bool {
	switch m.key {
	case keyModule:
		return m.text(f.Module)
	case keyPackage:
		return m.text(f.Package)
	case keyFunction:
		return m.text(either(f.Function, "<unknown>"))
	case keyApp:
		inApp := f.InApp != nil && *f.InApp
		return (m.app == stateOn && inApp || m.app == stateOff && !inApp) != m.negated
	}
	return (m.fits(f.AbsPath) || m.fits(f.Filename)) != m.negated
}
