package filter

import (
	"strings"

	"github.com/tocsin-dev/tocsin/internal/event"
)

// source is a place on the web, or a pattern for places; an empty part or "*" means any.
type source struct{ scheme, host, port string }

// parseSource splits a folded URL or pattern.
// Rule: getsentry/relay relay-filter/src/csp.rs (SchemeDomainPort)
func parseSource(s string) source {
	var out source
	if scheme, rest, found := strings.Cut(s, "://"); found {
		out.scheme, s = scheme, rest
	}
	if i := strings.IndexAny(s, "/?#"); i >= 0 {
		s = s[:i]
	}
	out.host = s
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		out.host, out.port = s[:i], s[i+1:]
	}
	return out
}

func (pattern source) match(place source) bool {
	if pattern.scheme != "" && pattern.scheme != "*" && pattern.scheme != place.scheme ||
		pattern.port != "" && pattern.port != "*" && pattern.port != place.port {
		return false
	}
	switch {
	case pattern.host == "*", pattern.host == "" && pattern.scheme != "":
		return true
	case strings.HasPrefix(pattern.host, "*."):
		return strings.HasSuffix(place.host, pattern.host[1:])
	}
	return pattern.host == place.host || pattern.host == place.scheme && place.host == ""
}

// violatesPolicy reports whether a report of a content security policy is about a place that the
// project does not care for.
func violatesPolicy(ev *event.Event, patterns []source) bool {
	if ev.Type != event.TypeCSP {
		return false
	}
	for _, name := range [...]string{"blocked_uri", "source_file"} {
		text := textOf(ev.Security.Get(name))
		if text == "" || len(text) > longestText {
			continue
		}
		place := parseSource(fold(text))
		for _, p := range patterns {
			if p.match(place) {
				return true
			}
		}
	}
	return false
}

// local reports whether an event comes from somebody's own machine.
// Rule: getsentry/relay relay-filter/src/localhost.rs
func local(ev *event.Event) bool {
	if ev.User != nil && localAddress(ev.User.IPAddress) {
		return true
	}
	q := ev.Request
	if q == nil {
		return false
	}
	if localAddress(strings.TrimSpace(q.Header("X-Forwarded-For"))) {
		return true
	}
	if q.URL == "" {
		return localName(q.Header("Host")) || localName(q.Header("X-Forwarded-Host"))
	}
	place := parseSource(fold(q.URL))
	if _, host, found := strings.Cut(place.host, "@"); found {
		place.host = host
	}
	if place.scheme == "file" {
		return true
	}
	for _, host := range [...]string{"localhost", "127.0.0.1"} {
		if place.host == host || strings.HasSuffix(place.host, "."+host) {
			return true
		}
	}
	return false
}

func localAddress(s string) bool { return s == "127.0.0.1" || s == "::1" }

func localName(host string) bool {
	host, _, _ = strings.Cut(host, ":")
	return host == "localhost" || host == "127.0.0.1"
}
