package grouping

import (
	"crypto/md5"
	"slices"
	"sync"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// Rules are what a project adds to the algorithm. They are compiled once and shared.
type Rules struct {
	Enhancements *Enhancements
	Fingerprints *FingerprintRules
}

// Grouper groups the events of one project. It is safe for concurrent use.
type Grouper struct {
	cfg    Config
	sets   [2]*ruleset
	prints *FingerprintRules
}

// New returns a grouper of one version of the algorithm with a project's rules.
func New(cfg Config, rules Rules) *Grouper {
	prints := rules.Fingerprints
	if prints == nil {
		prints = &FingerprintRules{}
	}
	return &Grouper{cfg: cfg, sets: rules.Enhancements.sets(cfg), prints: prints}
}

// Source says who chose the fingerprint of an event.
type Source string

// The sources of a fingerprint. The default one leaves the hashes to the algorithm.
const (
	SourceDefault Source = "default"
	SourceClient  Source = "client"
	SourceServer  Source = "server"
	SourceBuiltIn Source = "built-in"
)

// Result is what grouping found about one event.
type Result struct {
	// Hashes of the contributing variants without repetition, never empty. The first is the
	// primary one; the system variant's comes last.
	Hashes []Hash
	// Secondary are the hashes under the version that was in force before, while the project is on
	// its way from it.
	Secondary []Hash
	// Fingerprint is the list in effect, its variables not yet replaced: a rule's, else the
	// client's, else {{ default }}. It is shared and not to be changed.
	Fingerprint       []string
	FingerprintSource Source
	// Title replaces the event's title when it is not empty.
	Title string
}

// Assign computes the hashes of an event. It trims the function names of the event's frames,
// decides which frames are in-app, and names the main exception where the chain of exceptions tells;
// what the client sent is kept beside, so that assigning again gives the same. It fails on nothing:
// an event that says nothing has the hash of nothing.
func (g *Grouper) Assign(ev *event.Event) Result {
	r := g.start(ev)
	defer r.release()
	r.run()
	return r.result()
}

// runs are kept for reuse, as each needs room for a few hundred nodes.
var runs = sync.Pool{New: func() any { return new(run) }}

// run is the work on one event, and memory for it.
type run struct {
	arena
	cfg    Config
	sets   [2]*ruleset
	prints *FingerprintRules
	ev     *event.Event

	// complete makes components carry all their texts, also where they do not contribute.
	complete bool
	built    map[*event.Exception]views // set when exceptions are built more than once
	lastText normalText

	states     []frameState
	stacks     []stack
	categories []string
	matched    []int
	hits       []hit
	nodes      []*node
	changes    []change
	buf        []byte

	fingerprint   []string
	source        Source
	title         string
	matchedRule   *fingerprintRule
	facts         facts
	found         []components // of the strategies that were run
	winner        int          // index in found, -1 when nothing contributes
	variants      []variant
	resolvedPrint []string
}

// variant is one contributing or explained view of the event.
type variant struct {
	name   string
	root   *node    // nil for those without components
	values []string // the texts of the hash when there is no root
	salted bool     // the hash is over the resolved fingerprint
	on     bool
	hash   Hash
	hint   string
}

func (g *Grouper) start(ev *event.Event) *run {
	r := runs.Get().(*run)
	r.cfg, r.sets, r.prints, r.ev = g.cfg, g.sets, g.prints, ev
	return r
}

// maxKeptFrames is how many frames' worth of memory a run keeps between events.
const maxKeptFrames = 4096

// release forgets the event and keeps the memory, unless the event was exceptionally large.
func (r *run) release() {
	if cap(r.states) > maxKeptFrames {
		return
	}
	r.arena.reset()
	clear(r.states)
	clear(r.stacks)
	clear(r.hits)
	clear(r.nodes)
	clear(r.changes)
	clear(r.found)
	clear(r.variants)
	clear(r.categories)
	*r = run{
		arena: r.arena, states: r.states[:0], stacks: r.stacks[:0], categories: r.categories[:0],
		matched: r.matched[:0], hits: r.hits[:0], nodes: r.nodes[:0], changes: r.changes[:0],
		buf: r.buf[:0], found: r.found[:0], variants: r.variants[:0],
	}
	runs.Put(r)
}

// run does the work that Assign and Explain share.
func (r *run) run() {
	r.prepare()
	r.chooseFingerprint()
	if r.ev.Checksum != "" {
		r.useChecksum()
		return
	}
	r.runStrategies()
	r.collectVariants()
	r.applyFingerprint()
	if !slices.ContainsFunc(r.variants, func(v variant) bool { return v.on }) {
		r.variants = append(r.variants, variant{name: "fallback", on: true, hash: hashOf()})
	}
}

// useChecksum makes the legacy checksum the only variant.
func (r *run) useChecksum() {
	v := variant{name: "checksum", on: true}
	hash, ok := parseHash(r.ev.Checksum)
	if !ok {
		v.name, v.values = "hashed_checksum", []string{r.ev.Checksum}
		hash = hashOf(r.ev.Checksum)
	}
	v.hash = hash
	r.variants = append(r.variants, v)
}

// runStrategies runs the strategies up to the first one that contributes, or all of them when the
// result is to be complete.
func (r *run) runStrategies() {
	r.winner = -1
	explain := r.complete
	for i := range strategies {
		s := &strategies[i]
		if !s.applies(r.ev) {
			continue
		}
		c := r.apply(s)
		r.found = append(r.found, c)
		if r.winner < 0 && c.contributes() {
			r.winner = len(r.found) - 1
			if !explain {
				return
			}
		}
	}
}

var slotKinds = [slotCount]kind{slotApp: kindApp, slotSystem: kindSystem, slotDefault: kindDefault}

// slotOrder lists the variants in the order of their hashes.
var slotOrder = [slotCount]slot{slotApp, slotDefault, slotSystem}

// collectVariants joins what the strategies found to one tree per variant, in which only the
// winner's components contribute.
func (r *run) collectVariants() {
	hint := r.precedenceHint()
	for _, s := range slotOrder {
		var root, last *node
		for i := range r.found {
			n := r.found[i][s]
			if n == nil {
				continue
			}
			if i != r.winner && n.on {
				n.off(hintPrecedence)
				n.explain(hintPrecedence, hintDetail{text: hint})
			}
			if root == nil {
				root = r.arena.node(slotKinds[s])
				root.first = n
			} else {
				last.next = n
			}
			last = n
			root.on = root.on || n.on
		}
		if root == nil {
			continue
		}
		v := variant{name: kindNames[root.kind], root: root, on: root.on}
		if root.on {
			v.hash = r.hashOf(root)
		} else {
			v.hint = hint
		}
		r.variants = append(r.variants, v)
	}
}

func (r *run) hashOf(root *node) Hash {
	r.buf = root.appendLeaves(r.buf[:0])
	return md5.Sum(r.buf)
}

// precedenceHint says which strategy won, with the variants that contribute. It is only needed for
// an explanation.
func (r *run) precedenceHint() string {
	if r.winner < 0 || !r.complete {
		return ""
	}
	c := r.found[r.winner]
	names, by := "", kindLeaf
	for _, s := range [...]slot{slotApp, slotSystem} {
		if n := c[s]; n != nil && n.on {
			if names != "" {
				names += "/"
			}
			names += kindNames[slotKinds[s]]
			by = n.kind
		}
	}
	if names != "" {
		names += " "
	} else {
		by = c[slotDefault].kind
	}
	verb := "takes"
	if name := kindNames[by]; name[len(name)-1] == 's' {
		verb = "take"
	}
	return "ignored because " + names + kindNames[by] + " " + verb + " precedence"
}

// result collects what Assign returns.
func (r *run) result() Result {
	res := Result{
		Hashes:      make([]Hash, 0, len(r.variants)),
		Fingerprint: r.fingerprint, FingerprintSource: r.source, Title: r.title,
	}
	for _, systemLast := range [...]bool{false, true} {
		for i := range r.variants {
			v := &r.variants[i]
			if v.on && (v.name == "system") == systemLast && !slices.Contains(res.Hashes, v.hash) {
				res.Hashes = append(res.Hashes, v.hash)
			}
		}
	}
	return res
}
