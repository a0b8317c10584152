package grouping

import (
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// Explanation says how an event got its hashes.
type Explanation struct {
	Config            string
	Fingerprint       []string // in effect, variables not replaced
	ClientFingerprint []string // as sent
	FingerprintSource Source
	MatchedRule       string // text of the fingerprint rule that matched, empty when none did
	Title             string // from that rule, empty when it sets none
	Variants          []Variant
}

// Variant is one view of the event.
type Variant struct {
	// Name is app, system, default, fallback, checksum, hashed_checksum, or one of the
	// fingerprints: custom_client_fingerprint, custom_server_fingerprint, built_in_fingerprint.
	Name string
	// Type is component, salted-component, custom-fingerprint, built-in-fingerprint, checksum,
	// hashed-checksum or fallback.
	Type        string
	Contributes bool
	Hash        Hash // zero when the variant does not contribute
	Hint        string
	// Values are the texts that the hash is made of, in order.
	Values []string
	// Component is the tree, nil for variants without one.
	Component *Component
}

// ContributingComponent is the name of what decides the variant, such as exception or csp; empty
// when there is none.
func (v *Variant) ContributingComponent() string {
	if v.Component == nil {
		return ""
	}
	for i := range v.Component.Values {
		if c := &v.Component.Values[i]; c.Contributes {
			return c.ID
		}
	}
	return ""
}

// Component is a part of the event in the tree of a variant.
type Component struct {
	ID          string // empty for a leaf
	Name        string // in words
	Contributes bool
	Hint        string
	Text        string // of a leaf
	IsNumber    bool   // the leaf stands for an integer
	Values      []Component
}

// Explain computes the hashes of an event as Assign does, with everything that it looked at. It
// changes the event in the same way.
func (g *Grouper) Explain(ev *event.Event) Explanation {
	r := g.start(ev)
	defer r.release()
	r.complete = true
	r.run()
	e := Explanation{
		Config: g.cfg.ID, Fingerprint: r.fingerprint, ClientFingerprint: ev.Fingerprint,
		FingerprintSource: r.source, Title: r.title,
	}
	if r.matchedRule != nil {
		e.MatchedRule = r.matchedRule.text
	}
	for i := range r.variants {
		e.Variants = append(e.Variants, r.explain(&r.variants[i]))
	}
	return e
}

// Hashes returns the hashes as Assign does.
func (e *Explanation) Hashes() []Hash {
	var list []Hash
	for _, systemLast := range [...]bool{false, true} {
		for i := range e.Variants {
			v := &e.Variants[i]
			if v.Contributes && (v.Name == "system") == systemLast && !slices.Contains(list, v.Hash) {
				list = append(list, v.Hash)
			}
		}
	}
	return list
}

func (r *run) explain(v *variant) Variant {
	out := Variant{
		Name: v.name, Type: typeOf(v), Contributes: v.on, Hint: v.hint,
		Values: slices.Clone(v.values),
	}
	if v.on {
		out.Hash = v.hash
	}
	if v.root == nil {
		return out
	}
	tree := explainNode(v.root)
	tree.Contributes, tree.Hint = v.on, v.hint
	out.Component = &tree
	if !v.on {
		return out
	}
	leaves := v.root.leaves(nil)
	if !v.salted {
		out.Values = leaves
		return out
	}
	for i, entry := range r.fingerprint {
		if isDefaultEntry(entry) {
			out.Values = append(out.Values, leaves...)
		} else {
			out.Values = append(out.Values, r.resolvedPrint[i])
		}
	}
	return out
}

func typeOf(v *variant) string {
	switch {
	case v.salted:
		return "salted-component"
	case v.root != nil:
		return "component"
	case strings.HasPrefix(v.name, "custom_"):
		return "custom-fingerprint"
	}
	return strings.ReplaceAll(v.name, "_", "-")
}

// componentWords are the names for people where they differ from the id.
var componentWords = map[kind]string{
	kindApp: "in-app", kindChain: "chained exception", kindNSError: "NSError", kindContextLine: "source line",
	kindStacktrace: "stack trace", kindThreads: "thread", kindCSP: "content security policy report",
	kindHPKP: "key pinning report", kindExpectCT: "certificate transparency report",
	kindExpectStaple: "certificate stapling report", kindViolation: "inline code", kindURI: "address", kindHostname: "host",
}

func explainNode(n *node) Component {
	c := Component{
		ID: kindNames[n.kind], Name: kindNames[n.kind], Contributes: n.on, Hint: n.hint(),
	}
	if words, ok := componentWords[n.kind]; ok {
		c.Name = words
	}
	if n.leaf {
		leaf := Component{Contributes: true, Text: n.text, IsNumber: n.number}
		if n.kind == kindLeaf {
			return leaf
		}
		c.Values = append(c.Values, leaf)
	}
	for child := n.first; child != nil; child = child.next {
		c.Values = append(c.Values, explainNode(child))
	}
	return c
}
