package grouping

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// family is a group of platforms that rules treat alike.
type family uint8

const (
	familyOther family = iota
	familyNative
	familyJavaScript
	familyCount
)

var familyNames = [...]string{familyOther: "other", familyNative: "native", familyJavaScript: "javascript"}

func familyOf(platform string) family {
	switch platform {
	case "objc", "cocoa", "swift", "native", "c":
		return familyNative
	case "javascript", "node":
		return familyJavaScript
	}
	return familyOther
}

// platformOf is the frame's own platform, else the event's, else "other".
func platformOf(f *event.Frame, ev *event.Event) string {
	switch {
	case f.Platform != "":
		return f.Platform
	case ev.Platform != "":
		return ev.Platform
	}
	return "other"
}

// usesContextLine reports whether source lines take part in grouping.
func usesContextLine(platform string) bool {
	switch platform {
	case "javascript", "node", "python", "php", "ruby":
		return true
	}
	return false
}

// fromURL reports whether a path was served over the network; file URLs count when asked for.
func fromURL(path string, filesToo bool) bool {
	return strings.HasPrefix(path, "http:") || strings.HasPrefix(path, "https:") ||
		strings.HasPrefix(path, "applewebdata:") || strings.HasPrefix(path, "blob:") ||
		filesToo && strings.HasPrefix(path, "file:")
}

// lastSegment is what follows the last slash or backslash.
func lastSegment(path string) string {
	return path[strings.LastIndexAny(path, `/\`)+1:]
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }

func isLetter(c byte) bool { return isLower(c | 0x20) }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

func isBlank(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// isWord reports whether a character belongs to words, in the sense of regular expressions over
// Unicode text.
func isWord(r rune) bool {
	if r < utf8.RuneSelf {
		c := byte(r)
		return isLetter(c) || isDigit(c) || c == '_'
	}
	return unicode.IsLetter(r) || unicode.IsNumber(r)
}

// wordAt reports whether the character that starts at i is a word character.
func wordAt(s string, i int) bool {
	if i >= len(s) {
		return false
	}
	if c := s[i]; c < utf8.RuneSelf {
		return isLetter(c) || isDigit(c) || c == '_'
	}
	r, _ := utf8.DecodeRuneInString(s[i:])
	return isWord(r)
}

// wordBefore reports whether the character that ends at i is a word character.
func wordBefore(s string, i int) bool {
	if i <= 0 {
		return false
	}
	if c := s[i-1]; c < utf8.RuneSelf {
		return isLetter(c) || isDigit(c) || c == '_'
	}
	r, _ := utf8.DecodeLastRuneInString(s[:i])
	return isWord(r)
}

// boundary reports whether exactly one side of i is a word character.
func boundary(s string, i int) bool { return wordBefore(s, i) != wordAt(s, i) }

// blankAt returns the width of the whitespace character at i, 0 when there is none.
func blankAt(s string, i int) int {
	if i >= len(s) {
		return 0
	}
	if c := s[i]; c < utf8.RuneSelf {
		if isBlank(c) || 0x1c <= c && c <= 0x1f {
			return 1
		}
		return 0
	}
	if r, n := utf8.DecodeRuneInString(s[i:]); unicode.IsSpace(r) {
		return n
	}
	return 0
}

// digitAt returns the width of the decimal digit at i, 0 when there is none.
func digitAt(s string, i int) int {
	if i >= len(s) {
		return 0
	}
	if c := s[i]; c < utf8.RuneSelf {
		if isDigit(c) {
			return 1
		}
		return 0
	}
	if r, n := utf8.DecodeRuneInString(s[i:]); unicode.Is(unicode.Nd, r) {
		return n
	}
	return 0
}
