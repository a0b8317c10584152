package scrub

import (
	"math/bits"
	"strings"
)

// look is what one scan of a text found out.
type look struct {
	seen   uint8 // classes of the bytes
	digits int
	hits   uint8 // kinds of the words that occur
}

// The classes of bytes that some detector needs.
const (
	seenAt uint8 = 1 << iota
	seenDash
	seenSlash // either direction
	seenColon
	seenDot
	seenDigit
	seenEqual

	seenDigitBit = 5 // of seenDigit
)

// The kinds of words.
const (
	hitSecret uint8 = 1 << iota // a secret is near: password, auth, api_key …
	hitToken                    // "token", which counts in names
	hitBearer
	hitField  // a sensitive field of the project
	hitAssign // "token" with an assignment in the same word
)

// word is a text to find in any case, with the kinds it stands for.
type word struct {
	text  string
	kind  uint8
	ascii bool // as newWords finds it
}

// secretWords are what the password rule looks for, besides the texts that must stand alone.
// Rule: getsentry/relay relay-pii/src/regexes.rs (PASSWORD_KEY_REGEX, TOKEN_KEY_REGEX)
var secretWords = []word{
	{text: "password", kind: hitSecret},
	{text: "passwd", kind: hitSecret},
	{text: "secret", kind: hitSecret},
	{text: "api_key", kind: hitSecret},
	{text: "api-key", kind: hitSecret},
	{text: "apikey", kind: hitSecret},
	{text: "auth", kind: hitSecret},
	{text: "credentials", kind: hitSecret},
	{text: "mysql_pwd", kind: hitSecret},
	{text: "privatekey", kind: hitSecret},
	{text: "private_key", kind: hitSecret},
	{text: "private-key", kind: hitSecret},
	{text: "token", kind: hitToken},
	{text: "bearer", kind: hitBearer},
}

// words finds a fixed set of words in one pass. A table gives, for each byte, the buckets that have
// a word with this byte as its first, second or third; only where all three agree are the words of
// the bucket compared.
type words struct {
	table   [256]entry
	buckets [8][]word
}

// entry packs what is known about a byte: from the lowest eight bits up its class and the buckets
// that have it first, second, third.
type entry uint32

const (
	firstShift  = 8
	secondShift = 16
	thirdShift  = 24
)

func newWords(fields []string) *words {
	w := new(words)
	for c := range 256 {
		w.table[c] = entry(classOf(byte(c)))
	}
	list := append([]word(nil), secretWords...)
	for _, f := range fields {
		list = append(list, word{text: strings.ToLower(f), kind: hitField})
	}
	for _, wd := range list {
		wd.ascii = ascii(wd.text)
		bucket := int(wd.text[0]+wd.text[len(wd.text)-1]) % 8
		w.buckets[bucket] = append(w.buckets[bucket], wd)
		w.index(wd.text, uint8(1)<<bucket)
	}
	return w
}

// index marks the bytes that a word may begin with. A letter outside of ASCII may be written with
// other bytes in the other case, so that any byte is taken.
func (w *words) index(text string, bit uint8) {
	for c := range 256 {
		for i, shift := range [...]int{firstShift, secondShift, thirdShift} {
			if i >= len(text) || text[i] >= 0x80 || lower(byte(c)) == text[i] || i > 0 && !ascii(text[:i]) {
				w.table[c] |= entry(bit) << shift
			}
		}
	}
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func classOf(c byte) uint8 {
	switch {
	case c == '@':
		return seenAt
	case c == '-':
		return seenDash
	case c == '/', c == '\\':
		return seenSlash
	case c == ':':
		return seenColon
	case c == '.':
		return seenDot
	case c >= '0' && c <= '9':
		return seenDigit
	case c == '=':
		return seenEqual
	}
	return 0
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// scan reads a text once.
func (w *words) scan(s string) look {
	var l look
	var seen, run entry // run has, at their places in an entry, the buckets whose first byte, first two, first three just came
	read := 0
	for i := range len(s) {
		e := w.table[s[i]]
		seen |= e
		l.digits += int(e>>seenDigitBit) & 1
		run = (run<<8 | 0xFF<<firstShift) & e
		if run>>thirdShift == 0 {
			continue
		}
		hits := w.verify(s, i-2, uint8(run>>thirdShift))
		if hits&hitToken != 0 && i >= read { // else the word was read to its end before
			var assigns bool
			if assigns, read = assigned(s, i); assigns {
				hits |= hitAssign
			}
		}
		l.hits |= hits
	}
	l.seen = uint8(seen)
	l.hits |= w.tail(s, uint8(run>>firstShift), uint8(run>>secondShift))
	return l
}

// tail finds the words of one or two bytes at the end.
func (w *words) tail(s string, one, two uint8) uint8 {
	var hits uint8
	if two != 0 {
		hits |= w.verify(s, len(s)-2, two)
	}
	if one != 0 {
		hits |= w.verify(s, len(s)-1, one)
	}
	return hits
}

// verify compares the words of some buckets with the text at i.
func (w *words) verify(s string, i int, buckets uint8) uint8 {
	var hits uint8
	for ; buckets != 0; buckets &= buckets - 1 {
		list := w.buckets[bits.TrailingZeros8(buckets)]
		for j := range list {
			if wd := &list[j]; hits&wd.kind == 0 && wd.begins(s[i:]) {
				hits |= wd.kind
			}
		}
	}
	return hits
}

// begins reports whether a text begins with the word in any case.
func (wd *word) begins(s string) bool {
	if wd.ascii {
		return hasPrefixFold(s, wd.text)
	}
	rest := s
	for range wd.text {
		if rest == "" {
			return false
		}
		_, n := decodeRune(rest)
		rest = rest[n:]
	}
	return strings.EqualFold(s[:len(s)-len(rest)], wd.text)
}

// hasPrefixFold reports whether s begins with a prefix of ASCII in any case.
func hasPrefixFold(s, prefix string) bool {
	if len(s) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if lower(s[i]) != prefix[i] {
			return false
		}
	}
	return true
}

// assigned reports whether a colon or equals sign follows in the same word, and how far it read.
func assigned(s string, i int) (yes bool, end int) {
	for ; i < len(s); i++ {
		switch s[i] {
		case ':', '=':
			return true, len(s)
		case ' ', '\t', '\n', '\r', '\f', '\v':
			return false, i
		}
	}
	return false, i
}
