package event

import "strings"

// measurements are a matter of transactions; there their names are cleaned.
// Rule: getsentry/relay relay-event-normalization/src/event.rs (normalize_measurements)
func (n *normalizer) measurements() {
	at := n.Other.index("measurements")
	if at < 0 {
		return
	}
	if n.Type != TypeTransaction || len(n.Other[at].Value) == 0 || n.Other[at].Value[0] != '{' {
		n.Other = n.Other.without("measurements")
		return
	}
	v := n.Other[at].Value
	r := reader{b: v, s: string(v)}
	var kept []Member
	for r.open(); r.next('}'); {
		name := strings.ToLower(strings.TrimSpace(r.key()))
		start := r.i
		r.skip(maxDepth)
		if name == "" || !validTagKey(name) {
			n.lost("measurements", "invalid_data", "invalid measurement name", name)
			continue
		}
		kept = append(kept, Member{name, v[start:r.i]})
	}
	if len(kept) == 0 {
		n.Other = n.Other.without("measurements")
		return
	}
	n.Other = n.Other.with("measurements", append(appendMembers([]byte{'{'}, lastOfEach(kept)), '}'))
}
