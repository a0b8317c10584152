package delivery

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Line makes text that others wrote fit one line of a message: valid, short, without control
// characters, and without characters that turn the direction of writing or show as nothing.
func Line(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r) || r == '\u2028' || r == '\u2029':
			return ' '
		case invisible(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	return Short(strings.TrimSpace(s), most)
}

// Block is Line for text of several lines.
func Block(s string, most int) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(Line(strings.ReplaceAll(lines[i], "\t", "    "), most), " ")
	}
	return Short(strings.Join(lines, "\n"), most)
}

// invisible reports characters that hide or reorder text: zero-width ones, bidirectional controls,
// tags and the byte order mark.
func invisible(r rune) bool {
	switch {
	case r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2060 && r <= 0x2069, r == 0xfeff, r == 0x00ad, r == 0x061c,
		r >= 0xe0000 && r <= 0xe007f:
		return true
	}
	return false
}

// Cut shortens s to at most n bytes, between characters.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n]
}

// Short is Cut with an ellipsis that tells of it.
func Short(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return Cut(s, n-len("…")) + "…"
}

// JSON encodes v compactly: no HTML escapes and raw UTF-8.
func JSON(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "render a message")
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}
