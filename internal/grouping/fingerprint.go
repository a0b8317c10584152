package grouping

import (
	"crypto/md5"
	"slices"
)

var defaultFingerprint = []string{"{{ default }}"}

// chooseFingerprint takes the fingerprint of the first rule that matches, else the client's. The
// title of a rule goes with it.
func (r *run) chooseFingerprint() {
	r.facts = factsOf(r.ev)
	r.fingerprint, r.source = r.ev.Fingerprint, SourceClient
	rule := matchFingerprint(r.prints.own, r.facts)
	if rule == nil {
		rule = matchFingerprint(builtInFingerprints(), r.facts)
	}
	if rule != nil {
		r.matchedRule = rule
		r.source = SourceServer
		if rule.builtIn {
			r.source = SourceBuiltIn
		}
		r.fingerprint = rule.fingerprint
		if rule.title != "" {
			r.title = r.facts.expand(rule.title, r.cfg)
		}
	}
	if len(r.fingerprint) == 0 {
		r.fingerprint = defaultFingerprint
	}
	if rule == nil && isDefaultFingerprint(r.fingerprint) {
		r.source = SourceDefault
	}
}

func isDefaultEntry(entry string) bool {
	name, ok := variableName(entry)
	return ok && name == defaultVariable
}

func isDefaultFingerprint(fingerprint []string) bool {
	return len(fingerprint) == 1 && isDefaultEntry(fingerprint[0])
}

// fingerprintNames are the variant that a fingerprint makes, and what it says to the others.
var fingerprintNames = map[Source]struct{ variant, hint string }{
	SourceClient:  {"custom_client_fingerprint", "ignored because custom client fingerprint takes precedence"},
	SourceServer:  {"custom_server_fingerprint", "ignored because custom server fingerprint takes precedence"},
	SourceBuiltIn: {"built_in_fingerprint", "ignored because built-in fingerprint takes precedence"},
}

// applyFingerprint lets the fingerprint replace the variants, or salt them when it contains the
// default.
func (r *run) applyFingerprint() {
	if isDefaultFingerprint(r.fingerprint) {
		return
	}
	r.resolvedPrint = r.facts.resolve(r.fingerprint, r.cfg)
	if slices.ContainsFunc(r.fingerprint, isDefaultEntry) {
		for i := range r.variants {
			if v := &r.variants[i]; v.on {
				v.salted = true
				v.hash = r.saltedHash(v)
			}
		}
		return
	}
	names := fingerprintNames[r.source]
	for i := range r.variants {
		v := &r.variants[i]
		v.on = false
		v.hint = names.hint
	}
	r.variants = append(r.variants, variant{
		name: names.variant, values: r.resolvedPrint, on: true, hash: hashOf(r.resolvedPrint...),
	})
}

// saltedHash is the hash of the fingerprint with the variant's own leaves in place of the default.
func (r *run) saltedHash(v *variant) Hash {
	r.buf = r.buf[:0]
	for i, entry := range r.fingerprint {
		if isDefaultEntry(entry) {
			r.buf = v.root.appendLeaves(r.buf)
		} else {
			r.buf = append(r.buf, r.resolvedPrint[i]...)
		}
	}
	return md5.Sum(r.buf)
}
