package grouping

import (
	"math/bits"
	"slices"
	"sync"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// bitset is a set of rules by index.
type bitset []uint64

func newBitset(n int) bitset { return make(bitset, (n+63)/64) }

func (b bitset) add(i int) { b[i/64] |= 1 << (i % 64) }

func (b bitset) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }

func (b bitset) join(other bitset) {
	for i := range b {
		b[i] |= other[i]
	}
}

func (b bitset) remove(other bitset) {
	for i := range b {
		b[i] &^= other[i]
	}
}

// ruleset is a compiled list of rules. Most rules ask for a function, module, package or path that
// a given stack trace does not have; they are ruled out once per distinct frame, and the answer is
// remembered.
type ruleset struct {
	rules      []*rule
	classify   bitset // rules with actions on in-app and category
	contribute bitset // rules with the other actions
	families   [familyCount]familyRules
	cache      frameCache
}

// familyRules are the rules that apply to frames of one family.
type familyRules struct {
	rules bitset
	// byField holds the conditions that a text can only meet when it begins with a certain byte. A
	// frame is tested against the few that begin as its texts do; all others fail at once.
	byField [fieldPackage + 1]leadingTests
	tests   []staticTest // all other conditions
}

// leadingTests are conditions on one field by the byte that begins what they match. A rule has at
// most one of them.
type leadingTests struct {
	users bitset // of all of them
	first map[byte][]staticTest
}

// staticTest is one condition and the rules that need it.
type staticTest struct {
	matcher *matcher
	users   bitset
}

// newRuleset compiles rules for use with a cache of so many frames.
func newRuleset(rules []*rule, cacheFrames int) *ruleset {
	n := len(rules)
	rs := &ruleset{cache: frameCache{limit: cacheFrames}, rules: rules, classify: newBitset(n), contribute: newBitset(n)}
	for i, r := range rules {
		if r.classifies() {
			rs.classify.add(i)
		}
		if r.contributes() {
			rs.contribute.add(i)
		}
	}
	for f := range rs.families {
		rs.families[f] = rs.forFamily(family(f))
	}
	return rs
}

// forFamily collects the conditions of the rules that apply to a family, equal ones once.
func (rs *ruleset) forFamily(f family) familyRules {
	fr := familyRules{rules: newBitset(len(rs.rules))}
	for i := range fr.byField {
		fr.byField[i] = leadingTests{users: newBitset(len(rs.rules)), first: map[byte][]staticTest{}}
	}
	for i, r := range rs.rules {
		if !r.families[f] {
			continue
		}
		fr.rules.add(i)
		for _, m := range r.static {
			lead := &fr.byField[m.field]
			if !m.leads() || lead.users.has(i) {
				fr.tests = addUser(fr.tests, m, i, len(rs.rules))
				continue
			}
			lead.users.add(i)
			by := m.glob.text[0]
			lead.first[by] = addUser(lead.first[by], m, i, len(rs.rules))
		}
	}
	return fr
}

// addUser notes that rule i of n needs a condition.
func addUser(tests []staticTest, m *matcher, i, n int) []staticTest {
	at := slices.IndexFunc(tests, func(t staticTest) bool {
		return t.matcher.field == m.field && t.matcher.negated == m.negated && t.matcher.arg == m.arg
	})
	if at < 0 {
		at = len(tests)
		tests = append(tests, staticTest{matcher: m, users: newBitset(n)})
	}
	tests[at].users.add(i)
	return tests
}

// candidates returns the rules whose family and static conditions a frame meets. key is what appendKey
// makes of it.
func (rs *ruleset) candidates(f *frameState, key []byte) bitset {
	if set := rs.cache.get(key); set != nil {
		return set
	}
	fr := &rs.families[f.family]
	set := slices.Clone(fr.rules)
	var users [maxRules/64 + 1]uint64
	met := bitset(users[:len(set)])
	fr.byField[fieldFunction].settle(set, met, f, f.function)
	fr.byField[fieldModule].settle(set, met, f, f.frame.Module)
	fr.byField[fieldPackage].settle(set, met, f, f.foldedPackage())
	fr.byField[fieldPath].settle(set, met, f, f.foldedPath())
	for i := range fr.tests {
		if t := &fr.tests[i]; !t.matcher.frame(f) {
			set.remove(t.users)
		}
	}
	rs.cache.put(key, set)
	return set
}

// settle removes from set the rules that ask for another text than v. A path may be meant from the
// root, so what begins with a slash is tested too. What is in met before does not matter.
func (l *leadingTests) settle(set, met bitset, f *frameState, v string) {
	clear(met)
	if v != "" {
		met.joinMet(l.first[v[0]], f)
		if v[0] != '/' {
			met.joinMet(l.first['/'], f)
		}
	}
	for i := range set {
		set[i] &^= l.users[i] &^ met[i]
	}
}

// joinMet adds the users of the conditions that a frame meets.
func (b bitset) joinMet(tests []staticTest, f *frameState) {
	for i := range tests {
		if tests[i].matcher.frame(f) {
			b.join(tests[i].users)
		}
	}
}

// each calls visit with the rules that are in pass and in at least one frame's candidates, in order.
func (rs *ruleset) each(pass bitset, frames []frameState, which int, visit func(index int, r *rule)) {
	for w := range pass {
		var some uint64
		for i := range frames {
			some |= frames[i].candidates[which][w]
		}
		for some &= pass[w]; some != 0; some &= some - 1 {
			i := w*64 + bits.TrailingZeros64(some)
			visit(i, rs.rules[i])
		}
	}
}

// Bounds of the frame caches: frames in one of the two generations, and bytes that describe a frame.
const (
	baseCacheFrames = 4096
	ownCacheFrames  = 512
	cacheKeyBytes   = 1024
)

// appendKey appends everything that static conditions look at, the lengths of the texts first. A
// frame that has too much of it to be remembered has no key.
func (f *frameState) appendKey(b []byte) []byte {
	texts := [...]string{f.function, f.frame.Module, f.frame.Package, f.path()}
	b = append(b, byte(f.family))
	for _, s := range texts {
		b = append(b, byte(len(s)), byte(len(s)>>8))
	}
	for _, s := range texts {
		if len(s) > cacheKeyBytes-len(b) {
			return nil
		}
		b = append(b, s...)
	}
	return b
}

// frameCache remembers the candidates of the frames seen lately. When the young generation is full
// it becomes the old one; what is used again in between survives.
type frameCache struct {
	limit      int // frames in a generation
	mu         sync.RWMutex
	young, old map[string]bitset
}

// get is what is remembered under a key, nil when nothing is.
func (c *frameCache) get(key []byte) bitset {
	c.mu.RLock()
	set := c.young[string(key)]
	stale := false
	if set == nil {
		set = c.old[string(key)]
		stale = set != nil
	}
	c.mu.RUnlock()
	if stale {
		c.put(key, set)
	}
	return set
}

// put remembers a copy of key, so that the cache keeps no event alive.
func (c *frameCache) put(key []byte, set bitset) {
	if len(key) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.young) >= c.limit || c.young == nil {
		c.old, c.young = c.young, make(map[string]bitset)
	}
	c.young[string(key)] = set
}

// triState is a flag that may be unset.
type triState uint8

const (
	stateUnset triState = iota
	stateOff
	stateOn
)

func stateOf(flag *bool) triState {
	switch {
	case flag == nil:
		return stateUnset
	case *flag:
		return stateOn
	}
	return stateOff
}

// frameState is a frame while rules are applied to it.
type frameState struct {
	frame      *event.Frame
	platform   string
	family     family
	function   string // trimmed; <unknown> when there is none
	category   string
	inApp      triState
	appRule    *rule     // the last one that set inApp
	candidates [2]bitset // by rule set
	folded     [2]string // path and package in the form in which globs compare them
}

// path is the absolute path, else the filename.
func (f *frameState) path() string {
	if f.frame.AbsPath != "" {
		return f.frame.AbsPath
	}
	return f.frame.Filename
}

func (f *frameState) foldedPath() string {
	if f.folded[0] == "" {
		f.folded[0] = fold(f.path(), globPath)
	}
	return f.folded[0]
}

func (f *frameState) foldedPackage() string {
	if f.folded[1] == "" {
		f.folded[1] = fold(f.frame.Package, globPath)
	}
	return f.folded[1]
}
