package scrub

import (
	"bytes"
	"unicode/utf8"
)

// maxAttachment bounds the bytes of an attachment that are looked at; what lies behind is masked,
// because what cannot be checked must not be kept.
const maxAttachment = 16 << 20

// maxFileSteps bounds the work of one pattern for an attachment, in bytes times instructions. A file
// that is too much is masked as a whole.
const maxFileSteps = 1 << 30

// Attachment masks, in place, what rules for $attachments find in a file, and in plain text the
// secrets that show by their form when the built-in rules are on: every byte of a match becomes '*',
// whatever the method, so that offsets stay. It reports whether something changed. The former is
// getsentry/relay relay-pii/src/attachments.rs; the latter is ours, because a log that comes as a
// file holds what the built-in rules take out of the event.
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
	if len(c.inFiles) > 0 && plainText(b) {
		touched = c.maskText(b) || touched
	}
	return touched
}

// Stretches of a file of plain text that are looked at together; the next begins before the last
// one's end, by more than a secret is long. All but keys that span lines is looked for line by line,
// because few lines have what any rule needs.
const (
	fileWindow  = 4 << 20
	lineWindow  = 64 << 10
	fileOverlap = 16 << 10
)

// maskText masks the secrets in a file of plain text.
func (c *Scrubber) maskText(b []byte) bool {
	touched := false
	for start := 0; start < len(b); start += fileWindow {
		window := b[start:min(start+fileWindow+fileOverlap, len(b))]
		for _, r := range c.inFiles {
			if r.find == findPEM && bytes.Contains(window, []byte("-----BEGIN")) {
				touched = maskSpans(r, window, string(window)) || touched
			}
		}
	}
	for line := range bytes.Lines(b) {
		for start := 0; start < len(line); start += lineWindow {
			part := line[start:min(start+lineWindow+fileOverlap, len(line))]
			s := string(part)
			l := c.words.scan(s)
			for _, r := range c.inFiles {
				if r.find != findPEM && r.may(l, look{}, s, "") {
					touched = maskSpans(r, part, s) || touched
				}
			}
		}
	}
	return touched
}

// Words replaces, in what a user wrote, the secrets that show by their form when the built-in rules
// are on; those rules leave such texts alone otherwise.
func (c *Scrubber) Words(s string) string {
	l := c.words.scan(s)
	for _, r := range c.inFiles {
		if !r.may(l, look{}, s, "") {
			continue
		}
		for at, left := 0, maxSpans; at < len(s) && left > 0; left-- {
			spans := r.spans(nil, s[at:])
			if len(spans) == 0 {
				break
			}
			start, end := at+spans[0].start, at+spans[0].end
			s = s[:start] + r.text + s[end:]
			at = start + len(r.text)
		}
	}
	return s
}

// maskSpans masks what a rule finds in a text, of which b is the bytes.
func maskSpans(r *rule, b []byte, s string) bool {
	touched := false
	for at := 0; at < len(s); {
		spans := r.spans(nil, s[at:])
		for _, m := range spans {
			touched = mask(b[at+m.start:at+m.end]) || touched
		}
		if len(spans) < maxSpans {
			break
		}
		at += spans[len(spans)-1].end
	}
	return touched
}

// plainText reports whether a file is text, by its first bytes.
func plainText(b []byte) bool {
	head := b[:min(len(b), 4<<10)]
	for cut := 0; cut < utf8.UTFMax && len(head) > 0; cut++ { // a character may be cut in two
		if utf8.Valid(head) {
			return !bytes.ContainsRune(head, 0)
		}
		head = head[:len(head)-1]
	}
	return false
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
	touched := maskSpans(r, head, s)
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
