package event

import (
	"math"
	"net/netip"
	"time"
)

// Delivery is what only the server knows about how an event arrived. Retention is how long the
// project keeps events; zero means any age is accepted.
type Delivery struct {
	ReceivedAt time.Time
	SentAt     time.Time // the client's clock; zero when unknown
	ClientIP   netip.Addr
	UserAgent  string
	Client     string // sentry_client of the authentication
	Origin     string
	Retention  time.Duration
	Geo        func(netip.Addr) Geo // says where an address is; nil when nothing does
}

// Geo is where in the world an address is, as far as a database knows; English names.
type Geo struct {
	CountryCode string // two letters, ISO 3166
	City        string
	Subdivision string // state or province
	Region      string // the country's name
}

// Delivery returns what ingest noted about this event, for Normalize.
func (r *Raw) Delivery(retention time.Duration) Delivery {
	return Delivery{
		ReceivedAt: r.ReceivedAt, SentAt: r.SentAt, ClientIP: r.ClientIP,
		UserAgent: r.UserAgent, Client: r.Client, Origin: r.Origin, Retention: retention,
	}
}

// normalizer is one Normalize under way.
type normalizer struct {
	*Event
	d Delivery
}

// Normalize completes an event: defaults, the clock, moved and inferred fields, limits, automatic
// tags. What it drops or cuts is remarked. Doing it twice is doing it once.
// Rule: getsentry/relay relay-event-normalization/src/event.rs
func (e *Event) Normalize(d Delivery) {
	n := &normalizer{e, d}
	n.kind()
	n.report()
	n.delivered()
	n.addresses()
	n.geo()
	n.versions()
	n.logEntry()
	n.clock()
	n.clientTags()
	n.stacks()
	n.exceptions()
	n.kind() // again, because exceptions may have been dropped
	n.request()
	n.userAgent()
	n.transaction()
	n.defaults()
	n.contexts()
	n.mechanisms() // after contexts, which name the operating system
	n.user()
	n.breadcrumbs()
	n.trim()
	n.addAutoTags()
}

// place is a member of the event that a remark is about. The indexes are unused when negative.
type place struct {
	list string
	i    int
	sub  string
	j    int
}

// at is a place outside of lists.
func at(path string) place { return place{path, -1, "", -1} }

// path is the dotted path of a member of the place.
func (p place) path(name string) string {
	s := p.list
	if p.i >= 0 {
		s += "." + itoa(p.i)
	}
	if p.sub != "" {
		s += "." + p.sub
	}
	if p.j >= 0 {
		s += "." + itoa(p.j)
	}
	if s != "" && name != "" {
		s += "."
	}
	return s + name
}

// lost remarks that a field was dropped; sent is its text, when there was one.
func (n *normalizer) lost(path, kind, reason, sent string) {
	var value Value
	if sent != "" && len(sent) <= maxOriginal {
		value = TextValue(sent)
	}
	data := Object{{"reason", TextValue(reason)}}
	n.Meta = n.Meta.add(path, Remarks{Errors: []MetaError{{kind, data}}, Value: value})
	if len(n.Errors) < maxErrors {
		n.Errors = append(n.Errors, ProcessingError{Type: kind, Name: path, Value: value})
	}
}

// kind infers the type; only transactions and feedback are believed.
func (n *normalizer) kind() {
	switch {
	case n.Type == TypeTransaction || n.Type == TypeFeedback:
	case len(n.Exceptions) > 0:
		n.Type = TypeError
	case n.Security != nil && n.Type.security():
	case n.Context("nel") != nil:
		n.Type = TypeNEL
	default:
		n.Type = TypeDefault
	}
	if !n.Type.security() {
		n.Security = nil
	}
}

// security reports whether the type is a report that a browser sends by itself.
func (t Type) security() bool {
	switch t {
	case TypeCSP, TypeHPKP, TypeExpectCT, TypeExpectStaple:
		return true
	}
	return false
}

// delivered copies the delivering browser's headers into a security report, which has none.
func (n *normalizer) delivered() {
	if !n.Type.security() && n.Type != TypeNEL || n.d.UserAgent == "" {
		return
	}
	if n.Request == nil {
		n.Request = new(Request)
	}
	n.addHeader("User-Agent", n.d.UserAgent)
}

// defaults fills the attributes that every event has.
func (n *normalizer) defaults() {
	if n.Level == 0 {
		n.Level = LevelError
		if n.Type == TypeTransaction {
			n.Level = LevelInfo
		}
	}
	if at := n.Other.index("time_spent"); at >= 0 {
		if spent, ok := wholeNumber(n.Other[at].Value); !ok || spent < 0 || spent >= math.MaxInt32 {
			n.Other = n.Other.without("time_spent")
		}
	}
	if !knownPlatform(n.Platform) {
		n.Platform = "other"
	}
	if n.SDK == nil || n.SDK.isEmpty() {
		n.SDK = parseClient(storable(n.d.Client))
	}
}

func (s *SDK) isEmpty() bool {
	return s.Name == "" && s.Version == "" && s.Integrations == nil && s.Features == nil &&
		s.Packages == nil && s.InferIP == "" && s.Settings == nil && s.Other == nil
}

// parseClient reads "name/version" or "name version"; nil when it is neither.
func parseClient(s string) *SDK {
	for i := len(s) - 1; i > 0; i-- {
		if s[i] == '/' || s[i] == ' ' {
			if i == len(s)-1 {
				return nil
			}
			return &SDK{Name: s[:i], Version: s[i+1:]}
		}
	}
	return nil
}

// knownPlatform reports whether the platform is one that the protocol names.
// Rule: getsentry/relay relay-event-schema/src/protocol/event.rs (VALID_PLATFORMS)
func knownPlatform(s string) bool {
	switch s {
	case "as3", "c", "cfml", "cocoa", "csharp", "dart", "elixir", "go", "groovy", "haskell", "java",
		"javascript", "native", "node", "objc", "other", "perl", "php", "python", "ruby", "swift":
		return true
	}
	return false
}
