package scrub

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// Settings says what a project wants removed. The zero value removes nothing.
// Rule: getsentry/relay relay-pii/src/legacy.rs (DataScrubbingConfig)
type Settings struct {
	// ScrubData is the master switch of ScrubDefaults and SensitiveFields.
	ScrubData bool `json:"scrubData"`
	// ScrubDefaults turns the built-in rules on.
	ScrubDefaults bool `json:"scrubDefaults"`
	// ScrubIPAddresses removes addresses, by itself.
	ScrubIPAddresses bool `json:"scrubIpAddresses"`
	// Strict also replaces secrets that show by their form (tokens, keys, cards, assignments to a
	// password) where the built-in rules do not look: exception values, messages, tags, URLs.
	Strict bool `json:"scrubStrict,omitempty"`
	// SensitiveFields are parts of names, in any case, whose values are replaced.
	SensitiveFields []string `json:"sensitiveFields,omitempty"`
	// ExcludeFields are selectors, or plain names, of what the built-in rules leave alone.
	ExcludeFields []string `json:"excludeFields,omitempty"`
	// PIIConfig is the advanced rules: {"rules": …, "vars": …, "applications": …}.
	PIIConfig json.RawMessage `json:"piiConfig,omitempty"`
}

// Defaults are the settings of a new project: the built-in rules, addresses kept.
func Defaults() Settings { return Settings{ScrubData: true, ScrubDefaults: true} }

// Read reads stored settings; none at all are the Defaults. fault.Invalid: they are no settings.
func Read(stored json.RawMessage) (Settings, error) {
	if len(stored) == 0 {
		return Defaults(), nil
	}
	var s Settings
	if err := json.Unmarshal(stored, &s); err != nil {
		return Settings{}, fault.Wrap(err, fault.Invalid, "not the settings of scrubbing")
	}
	return s, nil
}

// The bounds of settings.
const (
	maxFields    = 200       // sensitive fields, and as many excluded ones
	maxEntry     = 512       // bytes of a field, selector or pattern
	maxConfig    = 256 << 10 // bytes of advanced rules
	maxRules     = 200       // advanced rules, and rules of all applications once written out
	maxProgram   = 2000      // instructions of a compiled pattern
	maxNesting   = 8         // rules within rules
	ruleFields   = "strip-fields"
	filteredText = "[Filtered]"
)

// Scrubber is compiled Settings. It never changes and may be used by many goroutines.
type Scrubber struct {
	apps     []application
	words    *words
	inFiles  []*rule // for attachments of plain text
	advanced bool    // a selector may name what the built-in rules never look at
	// addresses are removed, so that tags of spans are looked at
	addresses bool
	hashKey   []byte
	texts     map[string]*rule // rules by the name their remarks carry
	brackets  []string         // what rules write, where it stands in brackets
}

// application is where some rules apply.
type application struct {
	where selector
	rules []*rule
	files bool // the selector can match an attachment
	calm  bool // the rules need something that calm texts do not have
}

// Compile checks settings and prepares them. The text of an error says where the fault is: the
// position in a selector, the path in the advanced rules.
// fault.Invalid: an entry cannot be read, or there are too many.
func Compile(s Settings) (*Scrubber, error) {
	if len(s.SensitiveFields) > maxFields || len(s.ExcludeFields) > maxFields {
		return nil, fault.New(fault.Invalid, "more than %d fields", maxFields)
	}
	fields, err := entries("sensitiveFields", s.SensitiveFields)
	if err != nil {
		return nil, err
	}
	excluded, err := entries("excludeFields", s.ExcludeFields)
	if err != nil {
		return nil, err
	}
	if !s.ScrubData {
		fields = nil
	}
	c := &Scrubber{words: newWords(fields), texts: make(map[string]*rule)}
	if err := c.addConfig(s.PIIConfig); err != nil {
		return nil, err
	}
	c.addDefaults(s, fields, excludedBy(excluded))
	if s.ScrubData && s.ScrubDefaults {
		c.inFiles = strictRules()
	}
	for i := range c.apps {
		c.apps[i].files = c.apps[i].where.files()
		for _, r := range c.apps[i].rules {
			c.know(r)
		}
	}
	return c, nil
}

// know notes what a rule writes.
func (c *Scrubber) know(r *rule) {
	if c.texts[r.shown] == nil {
		c.texts[r.shown] = r
	}
	n := len(r.text)
	if r.method == methodReplace && n > 2 && r.text[0] == '[' && r.text[n-1] == ']' && !slices.Contains(c.brackets, r.text) {
		c.brackets = append(c.brackets, r.text)
	}
}

// entries are the texts of a list that are not blank.
func entries(path string, list []string) ([]string, error) {
	var out []string
	for i, text := range list {
		if len(text) > maxEntry {
			return nil, fault.New(fault.Invalid, "%s[%d]: longer than %d bytes", path, i, maxEntry)
		}
		if text = strings.TrimSpace(text); text != "" {
			out = append(out, text)
		}
	}
	return out, nil
}

// excludedBy reads excluded fields: selectors, and names where they are none.
func excludedBy(list []string) []selector {
	var out []selector
	for _, text := range list {
		sel, err := parseSelector(text)
		if err != nil {
			sel = &pathSelector{steps: []pathStep{{kind: stepKey, key: text}}}
		}
		out = append(out, sel)
	}
	return out
}

// addDefaults adds the applications of the switches.
// Rule: getsentry/relay relay-pii/src/convert.rs
func (c *Scrubber) addDefaults(s Settings, fields []string, excluded []selector) {
	everywhere := &defaultSelector{excluded: excluded}
	var rules []*rule
	if s.ScrubData && s.ScrubDefaults {
		rules = builtin("@common:filter", "")
		c.add(cookieSelector{}, builtin("@anything:filter", ""))
		c.add(cookieHeaderSelector{}, []*rule{cookieRule})
		c.add(mustSelector("$logentry.formatted"), builtinList("@email", "@creditcard", "@iban", "@usssn", "@bearer"))
	}
	if s.ScrubIPAddresses {
		c.addresses = true
		c.add(mustSelector("$request.env.REMOTE_ADDR | $user.ip_address | $sdk.client_ip | $span.sentry_tags.'user.ip'"),
			builtin("@anything:remove", ""))
		rules = append(rules, builtin("@ip", "")...)
	}
	if len(fields) > 0 {
		rules = append(rules, &rule{
			shown: ruleFields, find: findField, keyed: true, method: methodReplace, text: filteredText,
		})
	}
	c.add(everywhere, rules)
	if s.Strict {
		c.advanced = true
		c.add(strictSelector{}, strictRules())
	}
}

func (c *Scrubber) add(where selector, rules []*rule) {
	if len(rules) > 0 {
		calm := !slices.ContainsFunc(rules, func(r *rule) bool { return !r.find.calm() })
		c.apps = append(c.apps, application{where: where, rules: rules, calm: calm})
	}
}

func builtinList(names ...string) []*rule {
	var out []*rule
	for _, name := range names {
		out = append(out, builtin(name, "")...)
	}
	return out
}
