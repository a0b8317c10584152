package filter

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Settings says what a project filters. The zero value filters nothing. Its JSON form has the
// protocol's names.
// Rule: getsentry/relay relay-filter/src/config.rs
type Settings struct {
	ClientIPs          Addresses      `json:"clientIps,omitzero"`
	Releases           Releases       `json:"releases,omitzero"`
	ErrorMessages      Patterns       `json:"errorMessages,omitzero"`
	BrowserExtensions  Switch         `json:"browserExtensions,omitzero"`
	LegacyBrowsers     LegacyBrowsers `json:"legacyBrowsers,omitzero"`
	WebCrawlers        Switch         `json:"webCrawlers,omitzero"`
	Localhost          Switch         `json:"localhost,omitzero"`
	CSP                Sources        `json:"csp,omitzero"`
	IgnoreTransactions Transactions   `json:"ignoreTransactions,omitzero"`
	Generic            Generic        `json:"generic,omitzero"`
}

// Switch turns a filter without parameters on.
type Switch struct {
	Enabled bool `json:"isEnabled"`
}

// Addresses are the clients that are not listened to: addresses and networks in CIDR form.
type Addresses struct {
	Blocked []string `json:"blacklistedIps"`
}

// Releases are globs for releases that are not listened to.
type Releases struct {
	Releases []string `json:"releases"`
}

// Patterns are globs for messages.
type Patterns struct {
	Patterns []string `json:"patterns"`
}

// LegacyBrowsers names the kinds of old browsers that are not listened to; see Options.
type LegacyBrowsers struct {
	Enabled bool     `json:"isEnabled"`
	Options []string `json:"options"`
}

// Sources are the places whose violations of a content security policy are not reported: hosts,
// "*.example.com", "https://example.com:8443", schemes such as "about" or "chrome-extension://*".
type Sources struct {
	Disallowed []string `json:"disallowedSources"`
}

// Transactions are globs for the names of transactions that are not kept.
type Transactions struct {
	Enabled  bool     `json:"isEnabled"`
	Patterns []string `json:"patterns"`
}

// Generic is a list of conditions, each with the reason it drops events for. Only version 1 is
// known; another version filters nothing.
type Generic struct {
	Version int          `json:"version"`
	Filters GenericRules `json:"filters"`
}

// GenericRule drops the events that meet a condition. Its ID becomes the reason.
type GenericRule struct {
	ID        string          `json:"id"`
	Enabled   bool            `json:"isEnabled"`
	Condition json.RawMessage `json:"condition,omitempty"`
}

// GenericRules are evaluated in order. In JSON they are a list, or an object by ID, whose order is
// that of the IDs.
type GenericRules []GenericRule

// UnmarshalJSON reads either form.
func (g *GenericRules) UnmarshalJSON(b []byte) error {
	var list []GenericRule
	if json.Unmarshal(b, &list) == nil {
		*g = list
		return nil
	}
	var byID map[string]GenericRule
	if json.Unmarshal(b, &byID) != nil {
		return errors.New("filters must be a list or an object of filters")
	}
	ids := make([]string, 0, len(byID))
	for id := range byID {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	*g = make(GenericRules, 0, len(ids))
	for _, id := range ids {
		rule := byID[id]
		rule.ID = id
		*g = append(*g, rule)
	}
	return nil
}

// The bounds of settings.
const (
	maxRules   = 200 // entries of all kinds together
	maxPattern = 512 // bytes of one entry
)

// Defaults are the filters of a new project: browser extensions, browsers that nobody supports any
// more, crawlers, and the transactions of health checks.
// Rule: getsentry/sentry src/sentry/api/helpers/default_inbound_filters.py and
// src/sentry/constants.py (HEALTH_CHECK_GLOBS)
func Defaults() Settings {
	return Settings{
		BrowserExtensions: Switch{Enabled: true},
		LegacyBrowsers: LegacyBrowsers{
			Enabled: true,
			Options: []string{"ie", "firefox", "chrome", "safari", "opera", "opera_mini", "android", "edge"},
		},
		WebCrawlers: Switch{Enabled: true},
		IgnoreTransactions: Transactions{Enabled: true, Patterns: []string{
			"*healthcheck*", "*heartbeat*", "*/health", "*/healthy", "*/healthz", "*/live", "*/livez",
			"*/ready", "*/readyz", "*/ping",
		}},
	}
}

// Read reads stored settings; none at all are the Defaults. fault.Invalid: they are no settings.
func Read(stored json.RawMessage) (Settings, error) {
	if len(stored) == 0 {
		return Defaults(), nil
	}
	var s Settings
	if err := json.Unmarshal(stored, &s); err != nil {
		return Settings{}, fault.Wrap(err, fault.Invalid, "not the settings of filters")
	}
	return s, nil
}

// check holds the number and size of entries to their bounds.
func (s *Settings) check() error {
	total := len(s.Generic.Filters)
	for _, group := range []struct {
		path string
		list []string
	}{
		{"clientIps.blacklistedIps", s.ClientIPs.Blocked},
		{"releases.releases", s.Releases.Releases},
		{"errorMessages.patterns", s.ErrorMessages.Patterns},
		{"legacyBrowsers.options", s.LegacyBrowsers.Options},
		{"csp.disallowedSources", s.CSP.Disallowed},
		{"ignoreTransactions.patterns", s.IgnoreTransactions.Patterns},
	} {
		total += len(group.list)
		for i, entry := range group.list {
			if len(entry) > maxPattern {
				return fault.New(fault.Invalid, "%s[%d]: longer than %d bytes", group.path, i, maxPattern)
			}
		}
	}
	if total > maxRules {
		return fault.New(fault.Invalid, "more than %d filter entries", maxRules)
	}
	return nil
}
