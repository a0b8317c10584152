package grouping

import (
	"math/bits"
	"strings"
	"unicode/utf8"
)

// pattern is one kind of text that differs between events of the same issue.
type pattern uint8

// The patterns in the order in which they are tried at each position.
const (
	patEmail pattern = iota
	patURL
	patHostname
	patIP
	patTraceparent
	patUUID
	patSHA1
	patMD5
	patDate
	patDuration
	patSwiftTxn
	patHex
	patGitSHA
	patFloat
	patInt
	patQuoted
	patBool
	patCount
)

var placeholders = [...]string{
	patEmail: "<email>", patURL: "<url>", patHostname: "<hostname>", patIP: "<ip>",
	patTraceparent: "<traceparent>", patUUID: "<uuid>", patSHA1: "<sha1>", patMD5: "<md5>",
	patDate: "<date>", patDuration: "<duration>", patSwiftTxn: "<swift_txn_id>", patHex: "<hex>",
	patGitSHA: "<git_sha>", patFloat: "<float>", patInt: "<int>", patQuoted: "<quoted_str>",
	patBool: "<bool>",
}

// Parameterize replaces the parts of text that vary between occurrences – numbers, ids, dates,
// addresses and the like – by placeholders such as <int>. Its time is linear in the text.
//
// One pass tries all patterns at each position, in order. Should something in it only look like an
// address, the whole text is done again pattern by pattern.
func Parameterize(text string) string {
	sc := scanner{text: text}
	if out, ok := sc.pass(allPatterns); ok {
		return out
	}
	for p := range patCount {
		sc = scanner{text: text, tolerant: true}
		text, _ = sc.pass(1 << p)
	}
	return text
}

const allPatterns = 1<<patCount - 1

// scanner is one pass over a text. The "until" marks remember that a pattern cannot match before
// a position, so that no stretch of text is looked at over and over.
type scanner struct {
	text     string
	tolerant bool // leave candidates that fail validation alone instead of giving up
	rejected bool

	emailUntil    int
	hostUntil     int
	durationUntil int
	out           strings.Builder
	copied        int // text before it is in out
}

// pass replaces the wanted patterns. It reports false when a candidate failed its validation and
// the scanner is not tolerant.
func (sc *scanner) pass(want uint32) (string, bool) {
	s := sc.text
	for i := 0; i < len(s); {
		p, end := sc.match(i, want)
		switch {
		case sc.rejected && !sc.tolerant:
			return "", false
		case sc.rejected:
			sc.rejected = false
			i = end
		case end > i:
			sc.out.WriteString(s[sc.copied:i])
			sc.out.WriteString(placeholders[p])
			sc.copied, i = end, end
		default:
			i += runeWidth(s, i)
		}
	}
	if sc.copied == 0 {
		return s, true
	}
	sc.out.WriteString(s[sc.copied:])
	return sc.out.String(), true
}

func runeWidth(s string, i int) int {
	if s[i] < utf8.RuneSelf {
		return 1
	}
	_, n := utf8.DecodeRuneInString(s[i:])
	return n
}

// match returns the first of the wanted patterns that matches at i and where its text ends, 0 for
// the end when none does.
func (sc *scanner) match(i int, want uint32) (pattern, int) {
	want &= starts[sc.text[i]]
	if want&^anywhere != 0 && wordBefore(sc.text, i) {
		want &= anywhere
	}
	for ; want != 0; want &= want - 1 {
		p := pattern(bits.TrailingZeros32(want))
		if end := sc.at(p, i); end > i {
			return p, end
		}
	}
	return 0, 0
}

// anywhere holds the patterns that may start in the middle of a word. The others need a boundary,
// or at least no word character, in front.
const anywhere = 1<<patEmail | 1<<patHostname | 1<<patDate | 1<<patDuration | 1<<patFloat

// starts holds the patterns that may begin with a byte. Bytes above ASCII may begin a digit.
var starts = func() (table [256]uint32) {
	const numbers = 1<<patDate | 1<<patDuration | 1<<patFloat | 1<<patInt
	add := func(p pattern, chars string) {
		for _, c := range []byte(chars) {
			table[c] |= 1 << p
		}
	}
	add(patURL, "whf")
	add(patIP, ":")
	add(patTraceparent, "01")
	add(patDate, "MTWFSJADNOd")
	add(patSwiftTxn, "t")
	add(patHex, "-")
	add(patFloat, "-")
	add(patInt, "-")
	add(patQuoted, `'"`)
	add(patBool, "TtFf")
	for i := range table {
		c := byte(i)
		if mailChar[c] {
			table[i] |= 1 << patEmail
		}
		if isLabelChar(c) {
			table[i] |= 1 << patHostname
		}
		if isHex(c) {
			table[i] |= 1<<patIP | 1<<patUUID | 1<<patSHA1 | 1<<patMD5 | 1<<patHex
		}
		if isLowerHex(c) {
			table[i] |= 1 << patGitSHA
		}
		if isDigit(c) || c >= utf8.RuneSelf {
			table[i] |= numbers
		}
	}
	return table
}()

// at returns where the text of one pattern that starts at i ends, 0 when there is none.
func (sc *scanner) at(p pattern, i int) int {
	s := sc.text
	switch p {
	case patEmail:
		return sc.email(i)
	case patURL:
		return urlAt(s, i)
	case patHostname:
		return sc.hostname(i)
	case patIP:
		return sc.ip(i)
	case patTraceparent:
		return traceparentAt(s, i)
	case patUUID:
		return uuidAt(s, i)
	case patSHA1:
		return hexExactly(s, i, 40)
	case patMD5:
		return hexExactly(s, i, 32)
	case patDate:
		return dateAt(s, i)
	case patDuration:
		return sc.duration(i)
	case patSwiftTxn:
		return swiftTxnAt(s, i)
	case patHex:
		return hexAt(s, i)
	case patGitSHA:
		return gitSHAAt(s, i)
	case patFloat:
		return floatAt(s, i)
	case patInt:
		return intAt(s, i)
	case patQuoted:
		return quotedAt(s, i)
	case patBool:
		return boolAt(s, i)
	}
	return 0
}

// normalizeMessage trims and parameterizes a log message or exception value, and reports whether
// that changed it.
func normalizeMessage(text string) (string, bool) {
	out := Parameterize(trimLines(text))
	return out, out != text
}

// trimLines keeps the first two lines that are not blank and marks what it cut by an ellipsis.
func trimLines(text string) string {
	if strings.IndexFunc(text, isLineBreak) < 0 && strings.TrimSpace(text) != "" {
		return text
	}
	var kept [2]string
	n := 0
	for rest := text; rest != "" && n < len(kept); {
		var line string
		line, rest = cutLine(rest)
		if !isBlankText(line) {
			kept[n] = line
			n++
		}
	}
	out := kept[0]
	if n == 2 {
		out += "\n" + kept[1]
	}
	if out != text {
		out += "..."
	}
	return out
}

func isBlankText(s string) bool {
	for i := 0; i < len(s); {
		n := blankAt(s, i)
		if n == 0 {
			return false
		}
		i += n
	}
	return true
}

// isLineBreak reports whether r ends a line by Unicode's rules.
func isLineBreak(r rune) bool {
	return '\n' <= r && r <= '\r' || 0x1c <= r && r <= 0x1e || r == 0x85 || r == 0x2028 || r == 0x2029
}

func cutLine(s string) (line, rest string) {
	i := strings.IndexFunc(s, isLineBreak)
	if i < 0 {
		return s, ""
	}
	end := i + runeWidth(s, i)
	if s[i] == '\r' && end < len(s) && s[end] == '\n' {
		end++
	}
	return s[:i], s[end:]
}
