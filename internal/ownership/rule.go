// Package ownership says who owns what an event is about, by rules that a project's members write
// and by a CODEOWNERS file.
//
// Rule: https://docs.sentry.io/product/issues/ownership-rules/
package ownership

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// What rules may hold.
const (
	MaxBytes   = 256 << 10 // of all rules, and of a CODEOWNERS file
	maxRules   = 3_000
	maxPattern = 500 // bytes
	maxOwners  = 50  // of one rule
)

// Kind is what a rule looks at.
type Kind string

// The kinds.
const (
	Path       Kind = "path"       // file names of the stack
	Module     Kind = "module"     // modules of the stack
	URL        Kind = "url"        // of the request
	Tag        Kind = "tags"       // the value of one tag
	CodeOwners Kind = "codeowners" // file names, as a CODEOWNERS file matches them
)

// Rule gives the owners of what matches it. Without owners it takes them away.
type Rule struct {
	Kind    Kind
	Tag     string // key, for Tag
	Pattern string
	Owners  []string // an e-mail address, "#team", or in a CODEOWNERS file "@user" and "@organization/team"
	Line    int      // from 1
	match   *regexp.Regexp
}

// Text is the rule as its author wrote it, without its owners.
func (r *Rule) Text() string {
	if r.Kind == Tag {
		return "tags." + r.Tag + ":" + r.Pattern
	}
	return string(r.Kind) + ":" + r.Pattern
}

// Rules are a project's rules in the order in which they are tried: the last that matches wins.
type Rules []Rule

// Owners lists everybody the rules name, each once.
func (rs Rules) Owners() []string {
	var names []string
	seen := map[string]bool{}
	for i := range rs {
		for _, name := range rs[i].Owners {
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names
}

// Parse reads rules, one a line: a kind, a colon and a pattern, then the owners. A pattern alone is a
// path. "#" begins a comment. fault.Invalid: a line is no rule; the text names it.
func Parse(text string) (Rules, error) {
	if len(text) > MaxBytes || !utf8.ValidString(text) {
		return nil, fault.New(fault.Invalid, "Ownership rules are UTF-8 text of at most %d bytes.", MaxBytes)
	}
	var rules Rules
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		r, err := parseRule(line, number)
		if err != nil {
			return nil, err
		}
		if rules = append(rules, r); len(rules) > maxRules {
			return nil, fault.New(fault.Invalid, "There can be at most %d ownership rules.", maxRules)
		}
	}
	return rules, nil
}

func parseRule(line string, number int) (Rule, error) {
	r := Rule{Line: number}
	kind, rest, found := strings.Cut(line, ":")
	if !found || strings.ContainsAny(kind, " \t\"") {
		kind, rest = string(Path), line
	}
	if key, isTag := strings.CutPrefix(kind, "tags."); isTag && key != "" {
		r.Kind, r.Tag = Tag, key
	} else {
		switch r.Kind = Kind(kind); r.Kind {
		case Path, Module, URL, CodeOwners:
		default:
			return r, fault.New(fault.Invalid, "Line %d: unknown kind %.40q: known are path, module, url, tags.KEY and codeowners.", number, kind)
		}
	}
	var owners string
	if strings.HasPrefix(rest, `"`) {
		if r.Pattern, owners, found = strings.Cut(rest[1:], `"`); !found {
			return r, fault.New(fault.Invalid, "Line %d: the pattern's quotes are not closed.", number)
		}
	} else {
		r.Pattern, owners, _ = strings.Cut(rest, " ")
	}
	if r.Pattern == "" || len(r.Pattern) > maxPattern {
		return r, fault.New(fault.Invalid, "Line %d: a pattern has 1 to %d bytes.", number, maxPattern)
	}
	for owner := range strings.FieldsSeq(owners) {
		if strings.HasPrefix(owner, "# ") || owner == "#" { // a comment follows
			break
		}
		if !(strings.HasPrefix(owner, "#") && len(owner) > 1) && !strings.Contains(strings.Trim(owner, "@"), "@") {
			return r, fault.New(fault.Invalid, "Line %d: %.60q is no owner: name an e-mail address or a #team.", number, owner)
		}
		r.Owners = append(r.Owners, owner)
	}
	if len(r.Owners) == 0 || len(r.Owners) > maxOwners {
		return r, fault.New(fault.Invalid, "Line %d: a rule names 1 to %d owners.", number, maxOwners)
	}
	r.compile()
	return r, nil
}

// compile makes the pattern's expression, which matches in time linear in what it is tried on.
func (r *Rule) compile() {
	if r.Kind == CodeOwners {
		r.match = gitPattern(r.Pattern)
		return
	}
	pattern := r.Pattern
	if r.Kind == Path {
		pattern = strings.ReplaceAll(pattern, `\`, "/")
	}
	var b strings.Builder
	b.WriteString("(?is)^")
	for _, c := range pattern {
		switch c {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteByte('.')
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	b.WriteByte('$')
	r.match = regexp.MustCompile(b.String()) // every part is quoted
}
