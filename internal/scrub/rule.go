package scrub

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"regexp"
	"strings"
	"unicode/utf8"
)

// finder names what a rule looks for.
type finder uint8

const (
	findPattern finder = iota
	findPair
	findPassword
	findBearer
	findField
	findAnything
	findIMEI
	findMAC
	findUUID
	findEmail
	findIP
	findCard
	findIBAN
	findUserPath
	findPEM
	findURLAuth
	findSSN
	findCookie
	findJWT
	findKey
	findAssignment
)

// method says what takes the place of a match.
type method uint8

const (
	methodReplace method = iota
	methodRemove
	methodMask
	methodHash
)

// kind is the letter of the method in remarks.
func (m method) kind() string { return [...]string{"s", "x", "m", "p"}[m] }

// rule looks for one thing and replaces it. It never changes once compiled.
type rule struct {
	shown  string // name in remarks
	find   finder
	keyed  bool // looks at names too and replaces whole values
	method method
	text   string         // of methodReplace
	re     *regexp.Regexp // of findPattern and findPair
	groups []int          // of findPattern: the groups to replace, nil for the match
	cost   int            // steps for each byte
}

// span is a stretch of a text, in bytes.
type span struct{ start, end int }

// may reports whether the rule is worth running, by what the scans of value and name found out.
func (r *rule) may(l, key look, s, name string) bool {
	switch r.find {
	case findPattern, findAnything:
		return true
	case findPair:
		return true
	case findPassword:
		return l.hits&(hitSecret|hitBearer|hitAssign) != 0 || key.hits&(hitSecret|hitToken) != 0 || alone(s) || alone(name)
	case findField:
		return (l.hits|key.hits)&hitField != 0
	case findAssignment:
		return l.hits&(hitSecret|hitToken) != 0 && l.seen&(seenColon|seenEqual) != 0
	case findCookie:
		return l.seen&seenEqual != 0
	case findJWT:
		return l.seen&seenDot != 0 && len(s) >= 30
	case findKey:
		return len(s) >= 16 && l.seen&seenDigit != 0 && keyHead(s)
	}
	return r.find.may(l, s)
}

// ssnDigits is how many digits a social security number has; payment cards have more.
const ssnDigits = 9

// may is the part of rule.may for what shows by the classes of bytes.
func (f finder) may(l look, s string) bool {
	switch f {
	case findBearer:
		return l.hits&hitBearer != 0
	case findIMEI:
		return l.digits >= 15
	case findMAC:
		return len(s) >= 17 && l.seen&(seenColon|seenDash) != 0
	case findUUID:
		return len(s) >= 32
	case findEmail:
		return l.seen&seenAt != 0 && l.seen&seenDot != 0
	case findIP:
		return l.digits >= 4 && l.seen&seenDot != 0 || strings.Count(s, ":") >= 2
	case findCard:
		return l.digits >= 15
	case findIBAN:
		return l.digits >= 2 && len(s) >= 15 && ibanShape(s)
	case findUserPath, findURLAuth:
		return l.seen&seenSlash != 0 && (f == findUserPath || l.seen&seenAt != 0)
	case findPEM:
		return l.seen&seenDash != 0 && strings.Contains(s, "-----BEGIN")
	case findSSN:
		return l.digits >= ssnDigits && l.seen&seenDash != 0
	}
	return false
}

// calm reports whether f finds nothing in a calm text.
func (f finder) calm() bool {
	switch f {
	case findPassword, findBearer, findField, findEmail, findCard, findIBAN, findPEM, findURLAuth, findSSN:
		return true
	}
	return false
}

// calm reports whether a text is like most: no words of ours, few digits, no @, no beginning of an
// account number, no heading of a key.
func (l *look) calm(s string) bool {
	return l.hits == 0 && l.digits < ssnDigits && l.seen&seenAt == 0 && !alone(s) && !findIBAN.may(*l, s) && !findPEM.may(*l, s)
}

// alone reports whether s is one of the names that are secret only as a whole.
func alone(s string) bool {
	switch len(s) {
	case 3:
		return strings.EqualFold(s, "otp")
	case 10:
		return strings.EqualFold(s, "two-factor") || strings.EqualFold(s, "two_factor")
	}
	return false
}

// named reports whether the name of a value means that all of it goes.
func (r *rule) named(key look, name string) bool {
	switch r.find {
	case findPassword:
		return key.hits&(hitSecret|hitToken) != 0 || alone(name)
	case findField:
		return key.hits&hitField != 0
	case findPair:
		return name != "" && r.re.MatchString(name)
	case findAnything:
		return true
	}
	return false
}

// wholly reports whether a text means that all of it goes.
func (r *rule) wholly(l look, s string) bool {
	switch r.find {
	case findPassword:
		return l.hits&(hitSecret|hitAssign) != 0 || alone(s)
	case findField:
		return l.hits&hitField != 0
	case findPair:
		return r.re.MatchString(s)
	}
	return false
}

// spans appends the stretches of a text to replace.
func (r *rule) spans(dst []span, s string) []span {
	switch r.find {
	case findPattern:
		return patternSpans(dst, s, r.re, r.groups)
	case findPair, findField, findAnything:
		return dst
	case findPassword:
		return findBearer.spans(dst, s)
	}
	return r.find.spans(dst, s)
}

func patternSpans(dst []span, s string, re *regexp.Regexp, groups []int) []span {
	if groups == nil {
		groups = wholeMatch
	}
	for _, m := range re.FindAllStringSubmatchIndex(s, maxSpans) {
		for _, g := range groups {
			if 2*g+1 < len(m) && m[2*g] >= 0 && m[2*g+1] > m[2*g] {
				dst = append(dst, span{m[2*g], m[2*g+1]})
			}
		}
	}
	return tidy(dst)
}

var wholeMatch = []int{0}

// maxSpans bounds the matches of one rule that are replaced one by one; a text with more is replaced
// as a whole.
const maxSpans = 100

// tidy orders spans and joins those that overlap.
func tidy(list []span) []span {
	for i := 1; i < len(list); i++ {
		for j := i; j > 0 && list[j].start < list[j-1].start; j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
	out := list[:0]
	for _, s := range list {
		if n := len(out); n > 0 && s.start < out[n-1].end {
			out[n-1].end = max(out[n-1].end, s.end)
			continue
		}
		out = append(out, s)
	}
	return out
}

// substitute is what takes the place of a match.
func (r *rule) substitute(match string, hashKey []byte) string {
	switch r.method {
	case methodReplace:
		return r.text
	case methodMask:
		return strings.Repeat("*", utf8.RuneCountInString(match))
	case methodHash:
		mac := hmac.New(sha1.New, hashKey)
		mac.Write([]byte(match))
		return strings.ToUpper(hex.EncodeToString(mac.Sum(nil)))
	}
	return ""
}

// done reports whether a text looks like what this rule leaves behind.
func (r *rule) done(s string) bool {
	switch r.method {
	case methodReplace:
		return s == r.text
	case methodMask:
		return strings.Trim(s, "*") == ""
	case methodHash:
		return hashed(s)
	}
	return s == ""
}

// hashed reports whether s has the form of a hash.
func hashed(s string) bool {
	if len(s) != 2*sha1.Size {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}
