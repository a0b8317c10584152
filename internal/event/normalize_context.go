package event

import (
	"strings"
)

// contexts drops what clients may not send and completes what is known.
// Rule: getsentry/relay relay-event-normalization/src/normalize/contexts.rs
func (n *normalizer) contexts() {
	kept := n.Contexts[:0]
	for _, c := range n.Contexts {
		if c.Name == "reprocessing" || c.Name == "" {
			continue
		}
		switch kind := c.kind(); kind {
		case "trace":
			c.Data = traceContext(c.Data)
		case "os", "browser", "runtime":
			c.Data = c.Data.described()
			if label := c.Data.label(); label != "" && (kind != "runtime" || c.Data.text("version") != "") {
				c.Data = c.Data.withText(kind, label)
			}
		}
		kept = append(kept, c)
	}
	clear(n.Contexts[len(kept):])
	if n.Contexts = kept; len(kept) == 0 {
		n.Contexts = nil
	}
}

// withText is with for a string; o itself when it says that already.
func (o Object) withText(name, text string) Object {
	if old, ok := textOf(o.Get(name)); ok && old == text {
		return o
	}
	return o.with(name, appendString(nil, text))
}

// traceContext writes the ids in lower case and fills the status.
func traceContext(o Object) Object {
	for _, name := range [...]string{"trace_id", "span_id", "parent_span_id"} {
		if id := o.text(name); id != "" {
			o = o.withText(name, strings.ToLower(id))
		}
	}
	if o == nil {
		return nil
	}
	if status := o.text("status"); status == "" || status == "unknown_error" {
		o = o.withText("status", "unknown")
	}
	return o
}

// described fills name and version from raw_description when they are empty.
func (o Object) described() Object {
	raw := o.text("raw_description")
	if raw == "" || o.text("name") != "" || o.text("version") != "" {
		return o
	}
	name, version := parseDescription(raw)
	if name == "" {
		return o
	}
	if o = o.withText("name", name); version != "" {
		o = o.withText("version", version)
	}
	return o
}

// parseDescription splits what a platform says about its operating system or runtime, such as
// "Linux 5.10.0-23-amd64 #1 SMP", "Microsoft Windows NT 10.0.19045.0", "macOS 13.4 22F66",
// ".NET 8.0.1".
func parseDescription(s string) (name, version string) {
	s = strings.TrimPrefix(strings.TrimSpace(s), "Microsoft ")
	s = strings.Replace(s, "Windows NT ", "Windows ", 1)
	if len(s) > valueLength {
		return "", ""
	}
	fields := strings.Fields(s)
	for i, f := range fields {
		f = strings.TrimPrefix(strings.Trim(f, ",;()"), "v")
		if f != "" && f[0] >= '0' && f[0] <= '9' && i > 0 {
			return strings.Join(fields[:i], " "), f
		}
	}
	return "", ""
}

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
