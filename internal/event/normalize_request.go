package event

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// request splits the URL, reads the body and moves cookies to their place.
// Rule: getsentry/relay relay-event-normalization/src/normalize/request.rs
func (n *normalizer) request() {
	q := n.Request
	if q == nil {
		return
	}
	if method := strings.ToUpper(q.Method); method == "" || validMethod(method) {
		q.Method = method
	} else {
		n.lost("request.method", "invalid_data", "invalid HTTP method", q.Method)
		q.Method = ""
	}
	q.splitURL()
	q.Cookies, q.Headers = cookiesFrom("Cookie", q.Cookies, q.Headers)
	n.body()
	if q.isEmpty() {
		n.Request = nil
	}
}

func (q *Request) isEmpty() bool {
	return q.URL == "" && q.Method == "" && q.Query == nil && q.Fragment == "" && q.Cookies == nil &&
		q.Headers == nil && q.Data == nil && q.Env == nil && q.InferredContentType == "" &&
		q.APITarget == "" && q.Other == nil
}

func validMethod(s string) bool {
	if len(s) < 3 || len(s) > 32 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// splitURL moves query and fragment of the URL to their fields, which win when they are filled.
func (q *Request) splitURL() {
	if text, cut := strings.CutSuffix(q.URL, "…"); cut {
		q.URL = text + "..."
	}
	var fragment, query string
	q.URL, fragment, _ = strings.Cut(q.URL, "#")
	q.URL, query, _ = strings.Cut(q.URL, "?")
	q.URL = asciiHost(q.URL)
	if q.Fragment == "" {
		q.Fragment = fragment
	}
	if q.Query == nil {
		q.Query = ParseQuery(query)
	}
}

// hosts turns the names of hosts into what DNS knows, as browsers do.
// Rule: https://url.spec.whatwg.org/#concept-domain-to-ascii
var hosts = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.CheckHyphens(false),
	idna.StrictDomainName(false), idna.BidiRule())

// asciiHost writes the host of a URL without query in ASCII, if it can be.
func asciiHost(s string) string {
	if ascii(s) {
		return s
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return s
	}
	host, path := rest, ""
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		host, path = rest[:slash], rest[slash:]
	}
	login, port := "", ""
	if mark := strings.LastIndexByte(host, '@'); mark >= 0 {
		login, host = host[:mark+1], host[mark+1:]
	}
	if colon := strings.LastIndexByte(host, ':'); colon >= 0 {
		host, port = host[:colon], host[colon:]
	}
	if ascii(host) || len(host) > longestHost {
		return s
	}
	plain, err := hosts.ToASCII(host)
	if err != nil || strings.ContainsAny(plain, " #%<>?@[\\]^|") {
		return s
	}
	return scheme + "://" + login + plain + port + path
}

// longestHost bounds the names that are converted, in bytes; DNS allows 253.
const longestHost = 1024

// cookiesFrom moves what a header says to the cookies, if there are none; the header goes away,
// unless it is not understood.
func cookiesFrom(header string, cookies, headers []Pair) (newCookies, newHeaders []Pair) {
	for i := range headers {
		if !equalFold(headers[i].Key, header) {
			continue
		}
		if cookies == nil {
			list, whole := parseCookies(headers[i].Value)
			if !whole {
				break
			}
			cookies = list
		}
		return cookies, withoutPair(headers, i)
	}
	return cookies, headers
}

func withoutPair(list []Pair, i int) []Pair {
	if len(list) == 1 {
		return nil
	}
	out := make([]Pair, 0, len(list)-1)
	return append(append(out, list[:i]...), list[i+1:]...)
}

// body gives a text body the structure it has, and says what kind of content it is.
func (n *normalizer) body() {
	q := n.Request
	if q.Data == nil {
		return
	}
	text, isText := textOf(q.Data)
	if !isText {
		if q.InferredContentType == "" {
			q.InferredContentType = mediaType(q.Header("Content-Type"))
		}
		return
	}
	if n.wasCut("request.data") {
		return
	}
	if v := jsonBody(text); v != nil {
		q.Data, q.InferredContentType = v, "application/json"
	} else if v := formBody(text); v != nil {
		q.Data, q.InferredContentType = v, "application/x-www-form-urlencoded"
	} else {
		q.InferredContentType = mediaType(q.Header("Content-Type"))
	}
}

func mediaType(header string) string {
	header, _, _ = strings.Cut(header, ";")
	return strings.TrimSpace(header)
}

// jsonBody is the object or list that text writes, nil when it writes none.
func jsonBody(text string) Value {
	text = strings.TrimSpace(text)
	if text == "" || text[0] != '{' && text[0] != '[' {
		return nil
	}
	v := Value(text)
	if !wellFormed(v) {
		return nil
	}
	r := reader{b: v, s: text}
	return r.raw("")
}

// formBody is the object that a URL-encoded form writes, nil when text is none.
func formBody(text string) Value {
	if text == "" || !ascii(text) || strings.HasPrefix(text, "<?xml") || text[0] == '{' || text[0] == '[' {
		return nil
	}
	pairs := ParseQuery(text)
	if len(pairs) == 0 || len(pairs) == 1 && (pairs[0].Value == "" || strings.Trim(pairs[0].Value, "=") == "") {
		return nil
	}
	if _, err := url.ParseQuery(text); err != nil {
		return nil
	}
	members := make([]Member, len(pairs))
	for i, p := range pairs {
		members[i] = Member{p.Key, TextValue(p.Value)}
	}
	return append(appendMembers([]byte{'{'}, lastOfEach(members)), '}')
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
