package event

import (
	"math/bits"
	"unicode/utf8"
)

// deepest is how many containers a document may nest. It is the JSON library's bound, which readers
// of what is stored keep to as well.
const deepest = 10000

// wellFormed reports whether b is one JSON value and nothing else, as the JSON library would say:
// names may repeat, and strings may hold bytes that are not UTF-8 and surrogates without a partner.
func wellFormed(b []byte) bool {
	i := validValue(b, space(b, 0), 0)
	return i >= 0 && space(b, i) == len(b)
}

// space returns the index of the first byte from i on that is no white space.
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// validValue returns the index behind the value at i, which is in depth containers; -1 when there
// is none. So do the functions for single kinds of values.
func validValue(b []byte, i, depth int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return validString(b, i)
	case '{':
		return validObject(b, i, depth+1)
	case '[':
		return validList(b, i, depth+1)
	case 't':
		return validWord(b, i, "true")
	case 'f':
		return validWord(b, i, "false")
	case 'n':
		return validWord(b, i, "null")
	}
	return validNumber(b, i)
}

func validObject(b []byte, i, depth int) int {
	if i = space(b, i+1); i < len(b) && b[i] == '}' && depth <= deepest {
		return i + 1
	}
	for i < len(b) && b[i] == '"' && depth <= deepest {
		if i = validString(b, i); i < 0 {
			return -1
		}
		if i = space(b, i); i >= len(b) || b[i] != ':' {
			return -1
		}
		if i = validValue(b, space(b, i+1), depth); i < 0 {
			return -1
		}
		if i = space(b, i); i >= len(b) || b[i] != ',' {
			return closed(b, i, '}')
		}
		i = space(b, i+1)
	}
	return -1
}

func validList(b []byte, i, depth int) int {
	if i = space(b, i+1); i < len(b) && b[i] == ']' && depth <= deepest {
		return i + 1
	}
	for depth <= deepest {
		if i = validValue(b, i, depth); i < 0 {
			return -1
		}
		if i = space(b, i); i >= len(b) || b[i] != ',' {
			return closed(b, i, ']')
		}
		i = space(b, i+1)
	}
	return -1
}

// closed returns the index behind the end of a container at i.
func closed(b []byte, i int, end byte) int {
	if i >= len(b) || b[i] != end {
		return -1
	}
	return i + 1
}

func validWord(b []byte, i int, word string) int {
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

func validString(b []byte, i int) int {
	for i = plainEnd(b, i+1); i < len(b); i = plainEnd(b, i) {
		if b[i] == '"' {
			return i + 1
		}
		if b[i] != '\\' || i+1 >= len(b) {
			return -1
		}
		switch b[i+1] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			i += 2
		case 'u':
			if len(b)-i < len(`\u0000`) || !hexDigit(b[i+2]) || !hexDigit(b[i+3]) || !hexDigit(b[i+4]) || !hexDigit(b[i+5]) {
				return -1
			}
			i += len(`\u0000`)
		default:
			return -1
		}
	}
	return -1
}

func hexDigit(c byte) bool { return digit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }

func digit(c byte) bool { return c >= '0' && c <= '9' }

func validNumber(b []byte, i int) int {
	if b[i] == '-' {
		i++
	}
	whole := digitsEnd(b, i)
	if whole == i || whole > i+1 && b[i] == '0' {
		return -1
	}
	if i = whole; i < len(b) && b[i] == '.' {
		end := digitsEnd(b, i+1)
		if end == i+1 {
			return -1
		}
		i = end
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		end := digitsEnd(b, i)
		if end == i {
			return -1
		}
		i = end
	}
	return i
}

func digitsEnd(b []byte, i int) int {
	for i < len(b) && digit(b[i]) {
		i++
	}
	return i
}

const (
	ones = 0x0101010101010101 // times a byte: that byte eight times
	tops = 0x8080808080808080
)

// marks has the top bit of each byte of x that does not stand for itself inside a JSON string: a
// quote, a backslash, a control character. Only the lowest of them is sure, as borrows run upwards.
func marks(x uint64) uint64 {
	quote, slash := x^ones*'"', x^ones*'\\'
	return ((quote-ones)&^quote | (slash-ones)&^slash | (x-ones*' ')&^x) & tops
}

// eight is the eight bytes at s[i].
func eight[T string | []byte](s T, i int) uint64 {
	s = s[i : i+8]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// plainEnd returns the index of the first byte from i on that does not stand for itself inside a
// JSON string, the length of b when all do.
func plainEnd(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		if m := marks(eight(b, i)); m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	for i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

// asciiEnd is plainEnd that stops at what is not ASCII too.
func asciiEnd(s string, i int) int {
	for ; i+8 <= len(s); i += 8 {
		x := eight(s, i)
		if m := marks(x) | x&tops; m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	for i < len(s) && s[i] >= ' ' && s[i] < utf8.RuneSelf && s[i] != '"' && s[i] != '\\' {
		i++
	}
	return i
}
