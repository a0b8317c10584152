package scrub

// maxAttachment bounds the bytes of an attachment that are looked at; what lies behind is masked,
// because what cannot be checked must not be kept.
const maxAttachment = 16 << 20

// maxFileSteps bounds the work of one pattern for an attachment, in bytes times instructions. A file
// that is too much is masked as a whole.
const maxFileSteps = 1 << 30

// Attachment masks, in place, what rules for $attachments find in a file of plain text: every byte
// of a match becomes '*', whatever the method, so that offsets stay. It reports whether something
// changed.
// Rule: getsentry/relay relay-pii/src/attachments.rs
func (c *Scrubber) Attachment(name string, b []byte) bool {
	p := place{mark: markYes, path: []element{
		{key: "", index: -1, pair: -1, kinds: kindAttachments | kindObject},
		{key: name, index: -1, pair: -1, kinds: kindBinary | kindAttachments},
	}}
	touched := false
	for i := range c.apps {
		app := &c.apps[i]
		if !app.files || !app.where.match(&p) {
			continue
		}
		for _, r := range app.rules {
			if c.maskFile(r, b) {
				touched = true
			}
		}
	}
	return touched
}

// maskFile applies one rule to a file.
func (c *Scrubber) maskFile(r *rule, b []byte) bool {
	head := b[:min(len(b), maxAttachment)]
	s := string(head)
	l := c.words.scan(s)
	if !r.may(l, look{}, s, "") {
		return mask(b[len(head):])
	}
	if r.find == findAnything || len(s)*r.cost > maxFileSteps || r.keyed && r.wholly(l, s) {
		return mask(b)
	}
	touched := false
	for at := 0; at < len(s); {
		spans := r.spans(nil, s[at:])
		for _, m := range spans {
			touched = mask(head[at+m.start:at+m.end]) || touched
		}
		if len(spans) < maxSpans {
			break
		}
		at += spans[len(spans)-1].end
	}
	return mask(b[len(head):]) || touched
}

// mask overwrites bytes and reports whether that changed any.
func mask(b []byte) bool {
	touched := false
	for i := range b {
		touched = touched || b[i] != '*'
		b[i] = '*'
	}
	return touched
}
