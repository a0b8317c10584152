package scrub

import (
	"regexp"
	"strings"
)

// The patterns of detectors that run only where a scan saw what they need.
// Rule: getsentry/relay relay-pii/src/regexes.rs
var (
	bearerPattern = regexp.MustCompile(`(?i)\bBearer\s+[^\s]+`)
	imeiPattern   = regexp.MustCompile(`\b\d{2}-?\d{6}-?\d{6}-?\d{1,2}\b`)
	macPattern    = regexp.MustCompile(`\b(?:[[:xdigit:]]{2}[:-]){5}[[:xdigit:]]{2}\b`)
	uuidPattern   = regexp.MustCompile(`(?i)\b[a-z0-9]{8}-?[a-z0-9]{4}-?[a-z0-9]{4}-?[a-z0-9]{4}-?[a-z0-9]{12}\b`)
	emailPattern  = regexp.MustCompile(
		"\\b[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9-]+(?:\\.[a-zA-Z0-9-]+)*\\.[a-zA-Z]{2,}\\b")
	ssnPattern = regexp.MustCompile(`\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b`)
	pemPattern = regexp.MustCompile(`(?s)-----BEGIN[A-Z ]+(?:PRIVATE|PUBLIC) KEY-----[\t ]*\r?\n?` +
		`(?:(.+?)\r?\n?-----END[A-Z ]+(?:PRIVATE|PUBLIC) KEY-----|\s*(\S.*)\z)`) // the second is a key cut short
	urlAuthPattern  = regexp.MustCompile(`//(?:[^\s/?#@:"'<>]*:([^\s/?#@"'<>]+)|([^\s/?#@:"'<>]+))@`)
	userPathPattern = regexp.MustCompile(
		`(?i)(?:\b(?:[a-z]:[\\/])?(?:users|home|documents and settings|[^/\\]+[/\\]profiles)[\\/]|/(?:home|users)/)([^/\\\r\n\x00]+)`)
	ibanPattern       = regexp.MustCompile(`\b[A-Z]{2}[0-9]{2}[a-zA-Z0-9]{11,29}\b`)
	jwtPattern        = regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`)
	assignmentPattern = regexp.MustCompile(
		`(?i)(?:(?:password|passwd|secret|api[-_]?key|credentials|mysql_pwd|private[-_]?key|token)[a-z0-9_.-]*|\bauth(?:orization|entication)?(?:[_.-][a-z0-9_.-]*)?)` +
			`["']?\s*[:=]\s*["']?((?:(?:basic|digest|token|negotiate)[ \t]+)?[^\s"',;&}\]]+)`)
	keyPattern = regexp.MustCompile(`\b(?:(?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}|` +
		`glpat-[A-Za-z0-9_-]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|AIza[0-9A-Za-z_-]{35}|` +
		`SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|npm_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9_-]{20,})`)
)

// keyHeads are texts one of which every key has.
var keyHeads = [...]string{
	"AKIA", "ASIA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "k_live_", "k_test_",
	"AIza", "SG.", "npm_", "sk-",
}

func keyHead(s string) bool {
	for _, head := range keyHeads {
		if strings.Contains(s, head) {
			return true
		}
	}
	return false
}

// countries are the codes that an IBAN begins with, each followed by a blank.
const countries = "AT AD AE AL AZ BA BE BG BH BR BY CH CR CY CZ DE DK DO EE EG ES FI FO FR GB GE GI GL GR GT HR HU IE IL " +
	"IQ IS IT JO KW KZ LB LC LI LT LU LV LY MC MD ME MK MR MT MU NL NO PK PL PS PT QA RO RU RS SA SC SE SI SK SM ST SV " +
	"TL TN TR UA VA VG XK DZ AO BJ BF BI CV CM CF TD KM CG CI DJ GQ GA GW HN IR MG ML MA MZ NI NE SN TG "

// spans appends the stretches of a text that hold what f looks for.
func (f finder) spans(dst []span, s string) []span {
	switch f {
	case findBearer:
		return matches(dst, s, bearerPattern)
	case findIMEI:
		return matches(dst, s, imeiPattern)
	case findMAC:
		return matches(dst, s, macPattern)
	case findUUID:
		return matches(dst, s, uuidPattern)
	case findEmail:
		return matches(dst, s, emailPattern)
	case findIP:
		return addresses(dst, s)
	case findCard:
		return cards(dst, s)
	case findIBAN:
		return ibans(dst, s)
	case findUserPath:
		return patternSpans(dst, s, userPathPattern, firstGroup)
	case findPEM:
		return patternSpans(dst, s, pemPattern, bothGroups)
	case findURLAuth:
		return patternSpans(dst, s, urlAuthPattern, bothGroups)
	case findSSN:
		return matches(dst, s, ssnPattern)
	case findCookie:
		return cookies(dst, s)
	case findJWT:
		return matches(dst, s, jwtPattern)
	case findKey:
		return matches(dst, s, keyPattern)
	case findAssignment:
		return patternSpans(dst, s, assignmentPattern, firstGroup)
	}
	return dst
}

var (
	firstGroup = []int{1}
	bothGroups = []int{1, 2}
)

func matches(dst []span, s string, re *regexp.Regexp) []span {
	for _, m := range re.FindAllStringIndex(s, maxSpans) {
		dst = append(dst, span{m[0], m[1]})
	}
	return dst
}

// ibans finds account numbers: a country, two digits, 11 to 29 more characters, as one word.
func ibans(dst []span, s string) []span {
	for _, m := range ibanPattern.FindAllStringIndex(s, maxSpans) {
		if i := strings.Index(countries, s[m[0]:m[0]+2]+" "); i >= 0 && i%3 == 0 {
			dst = append(dst, span{m[0], m[1]})
		}
	}
	return dst
}

// ibanShape reports whether two capital letters and two digits stand together somewhere.
func ibanShape(s string) bool {
	for i := 3; i < len(s); i++ {
		if !digit(s[i]) {
			continue
		}
		if digit(s[i-1]) && capital(s[i-2]) && capital(s[i-3]) {
			return true
		}
	}
	return false
}

func digit(c byte) bool   { return c >= '0' && c <= '9' }
func capital(c byte) bool { return c >= 'A' && c <= 'Z' }

// cards finds the numbers of payment cards, with blanks or dashes between any digits.
func cards(dst []span, s string) []span {
	for i := 0; i < len(s); {
		if !digit(s[i]) || i > 0 && wordByte(s[i-1]) {
			i++
			continue
		}
		if end := cardEnd(s, i); end > 0 {
			dst = append(dst, span{i, end})
			i = end
			continue
		}
		i++
	}
	return dst
}

// cardEnd is the end of the card number that begins at i; zero when none does.
func cardEnd(s string, i int) int {
	var head [4]byte
	want, n := 16, 0
	for at := i; at < len(s); at++ {
		c := s[at]
		if !digit(c) {
			if c != '-' && c != ' ' && c != '\t' && c != '\n' && c != '\r' || at+1 == len(s) || !digit(s[at+1]) {
				return 0
			}
			continue
		}
		if n < len(head) {
			head[n] = c
		}
		if n++; n == 4 {
			if want = cardDigits(head); want == 0 {
				return 0
			}
		}
		if n == want {
			if at+1 < len(s) && wordByte(s[at+1]) {
				return 0
			}
			return at + 1
		}
	}
	return 0
}

// cardDigits is the length of the numbers that begin with these digits; zero when none do.
func cardDigits(head [4]byte) int {
	switch {
	case head[0] == '3' && (head[1] == '4' || head[1] == '7'):
		return 15
	case head[0] == '4', head[0] == '5' && head[1] >= '1' && head[1] <= '5', head[0] == '6' && head[1] == '5',
		string(head[:]) == "6011":
		return 16
	}
	return 0
}

func wordByte(c byte) bool { return c == '_' || digit(c) || letter(c) }

// cookies finds the values of the cookies that stand for a login, in the text of a Cookie or
// Set-Cookie header.
func cookies(dst []span, s string) []span {
	at := 0
	for part := range strings.SplitSeq(s, ";") {
		start := at
		at += len(part) + 1
		name, value, ok := strings.Cut(part, "=")
		if !ok || value == "" || len(dst) >= maxSpans || !sensitiveCookies[strings.ToLower(strings.TrimSpace(name))] {
			continue
		}
		start += len(name) + 1
		dst = append(dst, span{start, start + len(strings.TrimRight(value, " "))})
	}
	return dst
}
