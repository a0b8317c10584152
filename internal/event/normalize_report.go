package event

import (
	"net/url"
	"strings"
)

// report fills in what a browser leaves to us when it reports a violation: logger, message,
// culprit and request. What the event says already stays.
// Rule: getsentry/relay relay-event-schema/src/protocol/security_report.rs
func (n *normalizer) report() {
	if !n.Type.security() || n.Security == nil {
		return
	}
	message, culprit, page := n.hostReport()
	if n.Type == TypeCSP {
		message, culprit, page = n.cspReport()
	}
	if n.Logger == "" {
		n.Logger = string(n.Type)
	}
	if l := n.LogEntry; l == nil || l.Message == "" && l.Formatted == "" {
		n.LogEntry = &LogEntry{Formatted: message}
	}
	if n.Culprit == "" || n.Culprit == n.Security.text("violated_directive") {
		n.Culprit = culprit
	}
	if n.Request == nil {
		n.Request = new(Request)
	}
	if n.Request.URL == "" {
		n.Request.URL = page
	}
	n.addHeader("Referer", n.Security.text("referrer"))
}

// addHeader adds a header of the request, unless it is there or was cut away before.
func (n *normalizer) addHeader(name, value string) {
	if value == "" || n.Request.Header(name) != "" || n.Meta["request.headers"].Length > 0 {
		return
	}
	n.Request.Headers = append(n.Request.Headers, Pair{name, storable(value)})
}

// hostReport describes a report about the certificate of a host.
func (n *normalizer) hostReport() (message, culprit, page string) {
	host := n.Security.text("hostname")
	what := "Public key pinning validation failed for"
	switch n.Type {
	case TypeExpectCT:
		what, culprit = "Expect-CT failed for", host
	case TypeExpectStaple:
		what, culprit = "Expect-Staple failed for", host
	}
	return what + " '" + host + "'", culprit, host
}

// cspReport describes a violation of a content security policy.
func (n *normalizer) cspReport() (message, culprit, page string) {
	page = n.Security.text("document_uri")
	return cspMessage(n.Security.directive(), n.Security.blockedURI()), cspCulprit(n.Security.text("violated_directive"), page), page
}

// directive is the policy that was violated. Browsers that do not name it send it first among the
// words of the rule.
func (o Object) directive() string {
	name, _, _ := strings.Cut(strings.TrimSpace(first(o.text("effective_directive"), o.text("violated_directive"))), " ")
	return name
}

// blockedURI is what was blocked; without one it is the page itself.
func (o Object) blockedURI() string { return first(o.text("blocked_uri"), "self") }

// cspNoun is what a directive guards, the directive itself when there is no word for it.
func cspNoun(directive string) string {
	switch directive {
	case "img-src":
		return "image"
	case "script-src", "script-src-elem", "style-src", "style-src-elem", "child-src", "connect-src", "font-src",
		"manifest-src", "media-src", "object-src":
		noun, _, _ := strings.Cut(directive, "-")
		return noun
	}
	return directive
}

func cspMessage(directive, blocked string) string {
	switch {
	case directive == "script-src" && blocked == "inline":
		return "Blocked unsafe inline 'script'"
	case directive == "script-src" && blocked == "eval":
		return "Blocked unsafe eval() 'script'"
	case ownPage(blocked):
		return cspInline(directive)
	}
	from := "from '" + shortURI(blocked) + "'"
	switch directive {
	case "form-action":
		return "Blocked 'form' action to '" + shortURI(blocked) + "'"
	case "script-src-attr":
		return "Blocked inline script attribute " + from
	case "style-src-attr":
		return "Blocked style attribute " + from
	}
	return "Blocked '" + cspNoun(directive) + "' " + from
}

// cspInline is the message when the page itself holds what was blocked.
func cspInline(directive string) string {
	switch directive {
	case "script-src":
		return "Blocked unsafe (eval() or inline) 'script'"
	case "script-src-attr":
		return "Blocked unsafe 'script' element"
	case "script-src-elem":
		return "Blocked inline script attribute"
	case "style-src-attr":
		return "Blocked style attribute"
	case "style-src-elem":
		return "Blocked 'style' or 'link' element"
	}
	return "Blocked inline '" + cspNoun(directive) + "'"
}

func ownPage(uri string) bool { return uri == "" || uri == "self" || uri == "'self'" }

// shortURI is the host of a web address with its port, scheme and host of others, and the bare
// word that browsers give for data and blobs as a scheme.
func shortURI(uri string) string {
	if ownPage(uri) {
		return "'self'"
	}
	if !strings.Contains(uri, ":") {
		return uri + ":"
	}
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return uri
	case u.Scheme == "http" || u.Scheme == "https":
		return storable(u.Host)
	case u.Host == "":
		return u.Scheme + ":"
	}
	return u.Scheme + "://" + storable(u.Host)
}

// cspCulprit is the violated rule, with the page's own origin written as 'self'.
func cspCulprit(violated, page string) string {
	if len(violated) > limitMessage.max {
		return ""
	}
	words := strings.Fields(violated)
	own := shortURI(page)
	for i := 1; i < len(words); i++ {
		if strings.HasPrefix(words[i], "'") {
			continue
		}
		if strings.Contains(words[i], ":") && shortURI(words[i]) == own || words[i] == own {
			words[i] = "'self'"
		}
	}
	return strings.Join(words, " ")
}

// appendReportTags appends the tags of a browser's report.
func (e *Event) appendReportTags(dst []Pair) []Pair {
	o := e.Security
	switch e.Type {
	case TypeCSP:
		blocked := o.blockedURI()
		if strings.HasPrefix(blocked, "https://api.stripe.com/") { // carries card data
			blocked, _, _ = strings.Cut(blocked, "?")
			blocked, _, _ = strings.Cut(blocked, "#")
		}
		dst = autoTag(dst, "effective-directive", o.directive())
		dst = autoTag(dst, "blocked-uri", blocked)
		dst = autoTag(dst, "blocked-host", webHost(blocked))
	case TypeHPKP:
		dst = autoTag(dst, "hostname", o.text("hostname"))
		dst = autoTag(dst, "port", o.lenientText("port"))
		if v := o.Get("include_subdomains"); len(v) > 0 && (v[0] == 't' || v[0] == 'f') {
			dst = autoTag(dst, "include-subdomains", string(v))
		}
	case TypeExpectCT, TypeExpectStaple:
		dst = autoTag(dst, "hostname", o.text("hostname"))
		dst = autoTag(dst, "port", o.lenientText("port"))
		dst = autoTag(dst, "response_status", o.text("response_status"))
		dst = autoTag(dst, "cert_status", o.text("cert_status"))
	}
	return dst
}

// webHost is the host of a web address without port; empty for anything else.
func webHost(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	return storable(u.Hostname())
}

// reportLocation is where a report of a browser points: the blocked host, else the page's.
func (e *Event) reportLocation() string {
	if e.Type == TypeCSP {
		return first(webHost(e.Security.text("blocked_uri")), webHost(e.Security.text("document_uri")))
	}
	return e.Security.text("hostname")
}
