package filter

import (
	"encoding/json"
	"net/netip"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

// The reasons that outcomes carry. A generic filter gives its ID.
// Rule: getsentry/relay relay-filter/src/common.rs (FilterStatKey)
const (
	ReasonAddress     = "ip-address"
	ReasonRelease     = "release-version"
	ReasonMessage     = "error-message"
	ReasonExtension   = "browser-extensions"
	ReasonLegacy      = "legacy-browsers"
	ReasonCrawler     = "web-crawlers"
	ReasonLocalhost   = "localhost"
	ReasonCSP         = "invalid-csp"
	ReasonTransaction = "filtered-transaction"
)

// Filter is compiled Settings. It never changes and may be used by many goroutines.
type Filter struct {
	active       bool // anything is on
	generic      []genericRule
	sources      []source
	networks     []netip.Prefix
	releases     globs
	messages     globs
	localhost    bool
	extensions   bool
	legacy       []browserRule
	crawlers     bool
	transactions globs
}

type genericRule struct {
	id   string
	when condition
}

// Compile checks settings and prepares them. The text of an error says which entry is wrong.
// fault.Invalid: an entry cannot be read, or there are too many.
func Compile(s Settings) (*Filter, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	f := &Filter{
		localhost: s.Localhost.Enabled, extensions: s.BrowserExtensions.Enabled, crawlers: s.WebCrawlers.Enabled,
	}
	var err error
	if f.networks, err = compileNetworks(s.ClientIPs.Blocked); err != nil {
		return nil, err
	}
	if f.releases, err = compileGlobs("releases.releases", s.Releases.Releases); err != nil {
		return nil, err
	}
	if f.messages, err = compileGlobs("errorMessages.patterns", s.ErrorMessages.Patterns); err != nil {
		return nil, err
	}
	if s.IgnoreTransactions.Enabled {
		if f.transactions, err = compileGlobs("ignoreTransactions.patterns", s.IgnoreTransactions.Patterns); err != nil {
			return nil, err
		}
	}
	if s.LegacyBrowsers.Enabled {
		f.legacy = browserRules(s.LegacyBrowsers.Options)
	}
	for _, entry := range s.CSP.Disallowed {
		if entry != "" {
			f.sources = append(f.sources, parseSource(fold(entry)))
		}
	}
	if f.generic, err = compileGeneric(s.Generic); err != nil {
		return nil, err
	}
	f.active = f.localhost || f.extensions || f.crawlers || f.generic != nil || f.sources != nil || f.networks != nil ||
		f.releases != nil || f.messages != nil || f.legacy != nil || f.transactions != nil
	return f, nil
}

func compileGlobs(path string, patterns []string) (globs, error) {
	var out globs
	for i, p := range patterns {
		if p == "" {
			continue
		}
		g, err := compileGlob(p)
		if err != nil {
			return nil, fault.New(fault.Invalid, "%s[%d]: %v", path, i, err)
		}
		out = append(out, g)
	}
	return out, nil
}

func compileNetworks(entries []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for i, text := range entries {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		if addr, err := netip.ParseAddr(text); err == nil {
			addr = addr.Unmap().WithZone("")
			out = append(out, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fault.New(fault.Invalid, "clientIps.blacklistedIps[%d]: not an address or network", i)
		}
		if network.Addr().Is4In6() && network.Bits() >= 96 {
			network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
		}
		out = append(out, network.Masked())
	}
	return out, nil
}

func compileGeneric(g Generic) ([]genericRule, error) {
	if g.Version > genericVersion {
		return nil, nil
	}
	var out []genericRule
	for i, rule := range g.Filters {
		if !rule.Enabled {
			continue
		}
		if rule.ID == "" {
			return nil, fault.New(fault.Invalid, "generic.filters[%d]: has no id", i)
		}
		if len(rule.Condition) == 0 || string(rule.Condition) == "null" {
			continue
		}
		when, err := compileCondition(json.RawMessage(rule.Condition))
		if err != nil {
			return nil, fault.New(fault.Invalid, "generic.filters[%d] (%s): %v", i, rule.ID, err)
		}
		out = append(out, genericRule{rule.ID, when})
	}
	return out, nil
}

// genericVersion is the newest form of generic filters that is understood.
const genericVersion = 1

// Check reports whether a normalized event is to be dropped, and the reason. clientIP is the first
// address of the forwarding chain; the zero address is no address. The first filter that hits
// decides.
// Rule: getsentry/relay relay-filter/src/lib.rs (should_filter)
func (f *Filter) Check(ev *event.Event, clientIP netip.Addr) (reason string, drop bool) {
	if !f.active {
		return "", false
	}
	steps := maxSteps
	for i := range f.generic {
		if f.generic[i].when.holds(subject{ev: ev, steps: &steps}) {
			return f.generic[i].id, true
		}
	}
	switch {
	case f.sources != nil && violatesPolicy(ev, f.sources):
		reason = ReasonCSP
	case f.networks != nil && f.blocks(clientIP):
		reason = ReasonAddress
	case f.releases.match(ev.Release, &steps):
		reason = ReasonRelease
	case f.messages != nil && f.unwanted(ev, &steps):
		reason = ReasonMessage
	case f.localhost && local(ev):
		reason = ReasonLocalhost
	case f.extensions && fromExtension(ev):
		reason = ReasonExtension
	case f.legacy != nil && legacy(ev, f.legacy):
		reason = ReasonLegacy
	case f.crawlers && crawler(ev.Request.Header("User-Agent")):
		reason = ReasonCrawler
	case ev.Type == event.TypeTransaction && f.transactions.match(ev.Transaction, &steps):
		reason = ReasonTransaction
	default:
		return "", false
	}
	return reason, true
}

// ChecksAddress reports whether an address alone is reason to drop whatever it sends, sessions
// and check-ins included.
func (f *Filter) ChecksAddress(clientIP netip.Addr) bool {
	return f.networks != nil && f.blocks(clientIP)
}

func (f *Filter) blocks(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for _, n := range f.networks {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}

// unwanted tests the message of an event, and "type: value" of each of its exceptions.
// Rule: getsentry/relay relay-filter/src/error_messages.rs
func (f *Filter) unwanted(ev *event.Event, steps *int) bool {
	if l := ev.LogEntry; l != nil {
		text := l.Formatted
		if text == "" {
			text = l.Message
		}
		if f.messages.match(text, steps) {
			return true
		}
	}
	for i := range ev.Exceptions {
		x := &ev.Exceptions[i]
		text := x.Value
		switch {
		case x.Type != "" && x.Value != "":
			text = x.Type + ": " + x.Value
		case x.Type != "":
			text = x.Type
		}
		if f.messages.match(text, steps) {
			return true
		}
	}
	return false
}
