package grouping

import (
	"encoding/json"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// csp builds the component of a content security policy report: what was violated, and by what.
func (r *run) csp() *node {
	report := r.ev.Security
	directive := member(report, "effective_directive", "effective-directive")
	blocked := normalizeURI(member(report, "blocked_uri", "blocked-uri"))
	violated := member(report, "violated_directive", "violated-directive")
	violation := r.text(kindViolation, localViolation(directive, violated, blocked))
	uri := r.text(kindURI, blocked)
	if violation.on {
		uri.off(hintViolationWins)
	} else {
		violation.off(hintNoViolation)
	}
	return r.arena.parent(kindCSP, r.text(kindSalt, directive), violation, uri)
}

// localViolation is the keyword that would have allowed an inline script, empty for other reports.
func localViolation(directive, violated, blocked string) string {
	if directive != "script-src" || blocked != "'self'" {
		return ""
	}
	for _, keyword := range [...]string{"'unsafe-inline'", "'unsafe-eval'"} {
		if strings.Contains(violated, keyword) {
			return keyword
		}
	}
	return ""
}

// normalizeURI reduces a blocked address to its host, or to scheme and host outside the web. A word
// without colon is a scheme.
func normalizeURI(uri string) string {
	switch uri {
	case "", "self", "'self'":
		return "'self'"
	}
	scheme, host := uri, ""
	if strings.IndexByte(uri, ':') >= 0 {
		if scheme, host = splitURI(uri); scheme == "http" || scheme == "https" {
			return host
		}
	}
	if host != "" || hostSchemes[scheme] {
		host = "//" + host
	}
	if scheme != "" {
		scheme += ":"
	}
	return scheme + host
}

// splitURI returns the scheme in lower case and the host with its port; empty when there is none.
func splitURI(uri string) (scheme, host string) {
	rest := uri
	if before, after, _ := strings.Cut(uri, ":"); validScheme(before) {
		scheme, rest = strings.ToLower(before), after
	}
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		host = after
		if end := strings.IndexAny(after, "/?#"); end >= 0 {
			host = after[:end]
		}
	}
	return scheme, host
}

// Rule: https://datatracker.ietf.org/doc/html/rfc3986#section-3.1
func validScheme(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && (i == 0 || !isDigit(c) && strings.IndexByte("+-.", c) < 0) {
			return false
		}
	}
	return s != ""
}

// hostSchemes are the schemes whose addresses have a host, be it an empty one.
var hostSchemes = func() map[string]bool {
	set := map[string]bool{}
	for _, scheme := range strings.Fields("ftp http gopher nntp telnet imap wais file mms https shttp snews " +
		"prospero rtsp rtsps rtspu rsync svn svn+ssh sftp nfs git git+ssh ws wss itms-services") {
		set[scheme] = true
	}
	return set
}()

// hostReport builds the component of a report about a host's keys or certificates.
func (r *run) hostReport(k kind, salt string) *node {
	host := member(r.ev.Security, "hostname")
	return r.arena.parent(k, r.arena.value(kindSalt, salt), r.text(kindHostname, host))
}

// member returns the first of the members that is a text, empty when none is.
func member(o event.Object, names ...string) string {
	for _, name := range names {
		var s string
		if v := o.Get(name); len(v) > 0 && json.Unmarshal(v, &s) == nil {
			return s
		}
	}
	return ""
}
