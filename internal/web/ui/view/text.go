package view

import (
	"bytes"
	"context"
	"io"
	"sync"
	"unicode/utf8"

	"github.com/a-h/templ"
)

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxPooled keeps one huge page from being held for ever, in bytes.
const maxPooled = 1 << 20

// Render writes a component to w in one piece, with deceptive characters made visible. When it
// fails nothing is written.
func Render(ctx context.Context, w io.Writer, c templ.Component) error {
	buf := buffers.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= maxPooled {
			buf.Reset()
			buffers.Put(buf)
		}
	}()
	if err := c.Render(ctx, buf); err != nil {
		return err
	}
	_, err := w.Write(Visible(buf.Bytes()))
	return err
}

// Visible replaces characters that have no glyph or change how the text around them reads by an
// escape such as \u202e: control characters other than tab and line ends, direction marks and
// overrides, zero-width characters, and bytes that are no UTF-8. Text without any is returned as
// it is. The escapes are plain letters, so HTML stays well formed.
// Rule: https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing
func Visible(b []byte) []byte {
	i := nextDeceptive(b, 0)
	if i == len(b) {
		return b
	}
	out := make([]byte, 0, len(b)+64)
	last := 0
	for i < len(b) {
		out = append(out, b[last:i]...)
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			r = rune(b[i])
			out = append(out, '\\', 'x')
		} else {
			out = append(out, '\\', 'u', hexDigit(r>>12), hexDigit(r>>8))
		}
		out = append(out, hexDigit(r>>4), hexDigit(r))
		last = i + size
		i = nextDeceptive(b, last)
	}
	return append(out, b[last:]...)
}

// nextDeceptive is the index of the first character at or after i that must be escaped, len(b)
// when there is none.
func nextDeceptive(b []byte, i int) int {
	for i < len(b) {
		c := b[i]
		if c < utf8.RuneSelf {
			if c < 0x20 && c != '\n' && c != '\t' && c != '\r' || c == 0x7f {
				return i
			}
			i++
			continue
		}
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 || deceptive(r) {
			return i
		}
		i += size
	}
	return len(b)
}

func deceptive(r rune) bool {
	switch {
	case r >= 0x80 && r <= 0x9f, // C1 controls
		r == 0x00ad, r == 0x061c, r == 0x180e, r == 0xfeff,
		r >= 0x200b && r <= 0x200f, // zero width, direction marks
		r >= 0x2028 && r <= 0x202e, // separators, embeddings, overrides
		r >= 0x2060 && r <= 0x206f, // word joiner, isolates, deprecated marks
		r >= 0xfff9 && r <= 0xfffb: // interlinear annotation
		return true
	}
	return false
}

func hexDigit(r rune) byte { return "0123456789abcdef"[r&15] }
