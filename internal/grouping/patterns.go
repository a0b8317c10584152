package grouping

import "strings"

// The functions here return where a pattern's text that starts at i ends, 0 when it does not
// match. Callers have made sure that no word character precedes i where the pattern asks for that.

// urlAt matches scheme://host and everything up to the next blank.
func urlAt(s string, i int) int {
	rest := s[i:]
	n := 0
	for _, scheme := range [...]string{"wss", "ws", "https", "http", "ftp"} {
		if strings.HasPrefix(rest, scheme) {
			n = len(scheme)
			break
		}
	}
	if n == 0 || !strings.HasPrefix(rest[n:], "://") {
		return 0
	}
	n += len("://")
	if n >= len(rest) || blankAt(rest, n) > 0 || strings.IndexByte("/$.?#", rest[n]) >= 0 {
		return 0
	}
	n += runeWidth(rest, n)
	if n >= len(rest) || rest[n] == '\n' {
		return 0
	}
	n += runeWidth(rest, n)
	return i + n + untilBlank(rest[n:])
}

// untilBlank is the length of s up to its first whitespace character.
func untilBlank(s string) int {
	i := 0
	for i < len(s) && blankAt(s, i) == 0 {
		i += runeWidth(s, i)
	}
	return i
}

// runOf is the end of the longest run of bytes from i on that ok accepts, at most limit of them.
func runOf(s string, i, limit int, ok func(byte) bool) int {
	end := min(len(s), i+limit)
	for i < end && ok(s[i]) {
		i++
	}
	return i
}

func isLowerHex(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' }

// exactly returns the end of precisely n bytes that ok accepts, or -1. More of them may follow.
func exactly(s string, i, n int, ok func(byte) bool) int {
	if i < 0 || runOf(s, i, n, ok) != i+n {
		return -1
	}
	return i + n
}

// literal returns the end of text at i, or -1. A negative i fails, so that calls can be chained.
func literal(s string, i int, text string) int {
	if i < 0 || !strings.HasPrefix(s[i:], text) {
		return -1
	}
	return i + len(text)
}

// closed returns i when it is the end of a word, 0 when it is negative or amid one.
func closed(s string, i int) int {
	if i < 0 || wordAt(s, i) {
		return 0
	}
	return i
}

func traceparentAt(s string, i int) int {
	if j := literal(s, i, "00-"); j > 0 {
		j = exactly(s, j, 32, isLowerHex)
		j = literal(s, j, "-")
		j = exactly(s, j, 16, isLowerHex)
		j = literal(s, j, "-0")
		j = exactly(s, j, 1, func(c byte) bool { return c == '0' || c == '1' })
		return closed(s, j)
	}
	if j := literal(s, i, "1-"); j > 0 {
		j = exactly(s, j, 8, isLowerHex)
		j = literal(s, j, "-")
		j = exactly(s, j, 24, isLowerHex)
		return closed(s, j)
	}
	return 0
}

func uuidAt(s string, i int) int {
	if len(s)-i < 36 || s[i+8] != '-' {
		return 0
	}
	j := exactly(s, i, 8, isHex)
	for _, n := range [...]int{4, 4, 4, 12} {
		j = literal(s, j, "-")
		j = exactly(s, j, n, isHex)
	}
	return closed(s, j)
}

// hexExactly matches a word of n hexadecimal digits.
func hexExactly(s string, i, n int) int {
	if len(s)-i < n {
		return 0
	}
	return closed(s, exactly(s, i, n, isHex))
}

// swiftTxnAt matches a transaction id of OpenStack Swift.
func swiftTxnAt(s string, i int) int {
	j := literal(s, i, "tx")
	j = exactly(s, j, 21, isLowerHex)
	j = literal(s, j, "-")
	j = exactly(s, j, 10, isLowerHex)
	if j < 0 {
		return 0
	}
	return j + untilBlank(s[j:])
}

// hexAt matches prefixed hexadecimal numbers; and words of hexadecimal digits in one case that are
// long, or shorter and mixed of digits and letters. A minus sign belongs to the latter.
func hexAt(s string, i int) int {
	if s[i] == '0' && i+2 < len(s) && s[i+1]|0x20 == 'x' {
		if end := runOf(s, i+2, len(s), isHex); end > i+2 {
			return closed(s, end)
		}
		return 0
	}
	start := i
	if s[i] == '-' {
		start++
	}
	digits, lower, upper := 0, 0, 0
	end := start
	for ; end < len(s) && end-start <= 128 && isHex(s[end]); end++ {
		switch c := s[end]; {
		case isDigit(c):
			digits++
		case isLower(c):
			lower++
		default:
			upper++
		}
	}
	letters := lower + upper
	if lower > 0 && upper > 0 {
		return 0
	}
	switch n := end - start; {
	case n >= 8 && n <= 128, n >= 4 && n <= 6 && digits > 0 && letters > 0:
		return closed(s, end)
	}
	return 0
}

func gitSHAAt(s string, i int) int {
	end := exactly(s, i, 7, isLowerHex)
	if end < 0 {
		return 0
	}
	digits := 0
	for _, c := range []byte(s[i:end]) {
		if isDigit(c) {
			digits++
		}
	}
	if digits == 0 || digits == 7 {
		return 0
	}
	return closed(s, end)
}

// digits is the end of the decimal digits at i, at most limit of them, and their number.
func digits(s string, i, limit int) (end, n int) {
	for n < limit {
		w := digitAt(s, i)
		if w == 0 {
			break
		}
		i += w
		n++
	}
	return i, n
}

func floatAt(s string, i int) int {
	j := i
	if s[i] == '-' {
		j++
	} else if wordBefore(s, i) {
		return 0
	}
	j, n := digits(s, j, len(s))
	if n == 0 || j >= len(s) || s[j] != '.' {
		return 0
	}
	j, n = digits(s, j+1, len(s))
	if n == 0 {
		return 0
	}
	return closed(s, j)
}

func intAt(s string, i int) int {
	j := i
	if s[i] == '-' {
		j++
	}
	j, n := digits(s, j, 7)
	if n == 0 {
		return 0
	}
	return closed(s, j)
}

// duration matches 12ms after a boundary, and 1.5s before one.
func (sc *scanner) duration(i int) int {
	s := sc.text
	if i < sc.durationUntil {
		return 0
	}
	j, n := digits(s, i, len(s))
	if n == 0 {
		return 0
	}
	if strings.HasPrefix(s[j:], "ms") && !wordBefore(s, i) {
		return j + 2
	}
	whole := j
	if j < len(s) && s[j] == '.' {
		if k, n := digits(s, j+1, len(s)); n > 0 {
			j = k
		}
	}
	if j < len(s) && s[j] == 's' && !wordAt(s, j+1) {
		return j + 1
	}
	sc.durationUntil = whole
	return 0
}

func afterEquals(s string, i int) bool { return i > 0 && s[i-1] == '=' }

// quotedAt matches a quoted text directly after an equals sign.
func quotedAt(s string, i int) int {
	if !afterEquals(s, i) {
		return 0
	}
	n := strings.IndexByte(s[i+1:], s[i])
	if n <= 0 {
		return 0
	}
	return i + 1 + n + 1
}

// boolAt matches a truth value directly after an equals sign.
func boolAt(s string, i int) int {
	if !afterEquals(s, i) {
		return 0
	}
	for _, word := range [...]string{"True", "true", "False", "false"} {
		if strings.HasPrefix(s[i:], word) {
			return i + len(word)
		}
	}
	return 0
}
