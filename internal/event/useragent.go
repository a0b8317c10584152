package event

import (
	"strings"
	"sync"

	"github.com/ua-parser/uap-go/uaparser"
)

// The user-agent parser compiles about a thousand expressions, so it is made when the first event
// needs it. Answers for the agents seen lately are kept.
var agents = sync.OnceValue(func() *uaparser.Parser {
	p, err := uaparser.New(uaparser.WithCacheSize(4096))
	if err != nil {
		panic("user-agent definitions that are compiled in do not load: " + err.Error())
	}
	return p
})

// longestAgent bounds the text that the expressions run over, in bytes.
const longestAgent = 512

// userAgent says which browser, system and device sent the request that was being handled.
// Rule: getsentry/relay relay-event-normalization/src/normalize/user_agent.rs
func (n *normalizer) userAgent() {
	if n.Request == nil {
		return
	}
	osName := "client_os"
	if n.Platform == "javascript" {
		osName = "os"
	}
	h := readHints(n.Request)
	n.addContext("browser", h.browser)
	n.addContext(osName, h.os)
	n.addContext("device", h.device)
	agent := n.Request.Header("User-Agent")
	if agent == "" || len(agent) > longestAgent {
		return
	}
	agent = strings.Clone(agent) // the parser remembers it
	if !n.hasContext("browser") {
		n.addContext("browser", browserContext(agents().ParseUserAgent(agent)))
	}
	if !n.hasContext(osName) {
		n.addContext(osName, osContext(agents().ParseOs(agent)))
	}
	if !n.hasContext("device") {
		n.addContext("device", deviceContext(agents().ParseDevice(agent)))
	}
}

func (n *normalizer) hasContext(name string) bool {
	for i := range n.Contexts {
		if n.Contexts[i].Name == name {
			return true
		}
	}
	return false
}

// addContext adds a block that says something, unless there is one by this name.
func (n *normalizer) addContext(name string, o Object) {
	if o != nil && !n.hasContext(name) {
		n.Contexts = append(n.Contexts, Context{name, o})
	}
}

// nameVersion is a context of a name and a version; nil without a name.
func nameVersion(name, version string) Object {
	if name == "" || name == "Other" {
		return nil
	}
	o := Object{{"name", TextValue(name)}}
	if version != "" {
		o = append(o, Member{"version", TextValue(version)})
	}
	return o
}

func version(parts ...string) string {
	for i, p := range parts {
		if p == "" {
			parts = parts[:i]
			break
		}
	}
	return strings.Join(parts, ".")
}

func browserContext(ua *uaparser.UserAgent) Object {
	if ua == nil {
		return nil
	}
	return nameVersion(ua.Family, version(ua.Major, ua.Minor, ua.Patch))
}

// osContext marks the versions at which browsers froze what they tell.
func osContext(os *uaparser.Os) Object {
	if os == nil {
		return nil
	}
	v := version(os.Major, os.Minor, os.Patch)
	if os.Family == "Windows" && v == "10" || os.Family == "Mac OS X" && v == "10.15.7" {
		v = ">=" + v
	}
	return nameVersion(os.Family, v)
}

func deviceContext(d *uaparser.Device) Object {
	if d == nil || d.Family == "" || d.Family == "Other" {
		return nil
	}
	o := Object{{"family", TextValue(d.Family)}}
	if d.Brand != "" {
		o = append(o, Member{"brand", TextValue(d.Brand)})
	}
	if d.Model != "" {
		o = append(o, Member{"model", TextValue(d.Model)})
	}
	return o
}

// hints are the contexts that client-hint headers give.
type hints struct{ browser, os, device Object }

func readHints(q *Request) hints {
	var h hints
	h.browser = nameVersion(brand(q.Header("Sec-CH-UA")))
	h.os = nameVersion(unquoted(q.Header("Sec-CH-UA-Platform")), unquoted(q.Header("Sec-CH-UA-Platform-Version")))
	if model := unquoted(q.Header("Sec-CH-UA-Model")); model != "" {
		h.device = Object{{"model", TextValue(model)}}
	}
	return h
}

func unquoted(s string) string { return strings.Trim(strings.TrimSpace(s), `"`) }

// brand is the first browser in a Sec-CH-UA header that is no placeholder and no engine.
func brand(header string) (name, version string) {
	for part := range strings.SplitSeq(header, ",") {
		label, rest, ok := strings.Cut(part, ";v=")
		if label = unquoted(label); !ok || label == "" || engine(label) {
			continue
		}
		return label, unquoted(rest)
	}
	return "", ""
}

func engine(label string) bool {
	for _, word := range [...]string{"Brand", "Chromium", "Gecko", "WebKit"} {
		if strings.Contains(label, word) {
			return true
		}
	}
	return false
}
