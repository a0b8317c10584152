package scrub

import "strings"

// detector describes a built-in detector: its type in the advanced rules, the text that replaces
// what it finds, and what it does when no method is named.
type detector struct {
	find     finder
	text     string
	standard method
}

// detectors are the built-in ones by the names of their types.
// Rule: getsentry/relay relay-pii/src/builtin.rs
var detectors = map[string]detector{
	"anything":   {findAnything, filteredText, methodReplace},
	"ip":         {findIP, "[ip]", methodReplace},
	"email":      {findEmail, "[email]", methodReplace},
	"creditcard": {findCard, "[creditcard]", methodReplace},
	"iban":       {findIBAN, "[iban]", methodReplace},
	"imei":       {findIMEI, "[imei]", methodReplace},
	"mac":        {findMAC, "[mac]", methodMask},
	"uuid":       {findUUID, "[uuid]", methodMask},
	"pemkey":     {findPEM, "[pemkey]", methodReplace},
	"url_auth":   {findURLAuth, "[auth]", methodReplace},
	"userpath":   {findUserPath, "[user]", methodReplace},
	"us_ssn":     {findSSN, "[us-ssn]", methodMask},
	"password":   {findPassword, "[password]", methodRemove},
	"bearer":     {findBearer, "[token]", methodReplace},
}

// typeNames maps the names after @ to types where they differ.
var typeNames = map[string]string{"urlauth": "url_auth", "usssn": "us_ssn"}

// collections are built-in rules that stand for several.
var collections = map[string][]string{
	"@common": {
		"@iban", "@ip", "@email", "@creditcard", "@pemkey", "@urlauth", "@userpath", "@password", "@usssn",
	},
	"@common:filter": {
		"@creditcard:filter", "@iban:filter", "@usssn:filter", "@pemkey:filter", "@urlauth:filter", "@password:filter",
	},
}

// builtin is the rules behind a name that begins with @, nil when there are none. shown replaces
// the name in remarks unless it is empty.
func builtin(name, shown string) []*rule {
	if list := collections[name]; list != nil {
		var out []*rule
		for _, inner := range list {
			out = append(out, builtin(inner, shown)...)
		}
		return out
	}
	base, how, explicit := strings.Cut(strings.TrimPrefix(name, "@"), ":")
	if long, ok := typeNames[base]; ok {
		base = long
	}
	d, ok := detectors[base]
	if !ok || name[0] != '@' {
		return nil
	}
	r := d.rule()
	if explicit {
		switch how {
		case "replace":
			r.method = methodReplace
		case "mask":
			r.method = methodMask
		case "hash":
			r.method = methodHash
		case "remove":
			r.method = methodRemove
		case "filter", "legacy":
			r.method, r.text = methodReplace, filteredText
		default:
			return nil
		}
	} else if base == "us_ssn" {
		r.method = methodMask
	}
	if r.shown = name; shown != "" {
		r.shown = shown
	}
	return []*rule{r}
}

// rule is the detector with its own method, without a name.
func (d detector) rule() *rule {
	return &rule{
		find: d.find, keyed: d.find == findPassword || d.find == findAnything, method: d.standard, text: d.text, cost: 16,
	}
}

// cookieRule replaces the cookies of a login inside a header.
var cookieRule = &rule{shown: "@anything:filter", find: findCookie, method: methodReplace, text: filteredText}

// strictRules are those of Settings.Strict.
func strictRules() []*rule {
	out := builtinList("@bearer:filter", "@pemkey:filter", "@urlauth:filter", "@creditcard:filter", "@iban:filter", "@usssn:filter")
	for _, r := range []rule{
		{shown: "@jwt:filter", find: findJWT},
		{shown: "@key:filter", find: findKey},
		{shown: "@assignment:filter", find: findAssignment},
	} {
		r.text = filteredText
		out = append(out, &r)
	}
	return out
}
