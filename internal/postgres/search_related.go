package postgres

import (
	"strings"

	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/search"
)

// substatuses are the words of is: that name one, with the status each goes with.
var substatuses = map[string]struct {
	status    issue.Status
	substatus issue.Substatus
}{
	"new":                          {issue.Unresolved, issue.New},
	"ongoing":                      {issue.Unresolved, issue.Ongoing},
	"escalating":                   {issue.Unresolved, issue.Escalating},
	"regressed":                    {issue.Unresolved, issue.Regressed},
	"archived_until_escalating":    {issue.Archived, issue.UntilEscalating},
	"archived_until_condition_met": {issue.Archived, issue.UntilCondition},
	"archived_forever":             {issue.Archived, issue.Forever},
}

var statusWords = map[string]issue.Status{"unresolved": issue.Unresolved, "resolved": issue.Resolved, "ignored": issue.Archived}

// is adds one is: term. Terms of several statuses contradict each other and find nothing.
func (c *conditions) is(t search.Term) {
	word := t.Values[0].Text
	if s, ok := statusWords[word]; ok {
		for other := range c.statuses {
			if (other == s) == t.Negated {
				c.statuses[other] = false
			}
		}
		return
	}
	switch word {
	case "assigned":
		c.andMaybe("i.assignee is not null", t.Negated)
	case "unassigned":
		c.andMaybe("i.assignee is null", t.Negated)
	case "unhandled":
		c.andMaybe("i.is_unhandled", t.Negated)
	case "handled":
		c.andMaybe("not i.is_unhandled", t.Negated)
	case "mine":
		c.andMaybe("i.assignee = "+c.arg(userAssignee(c.me)), t.Negated)
	case "bookmarked":
		c.andMaybe(c.bookmarked([]search.Value{{Text: "me"}}), t.Negated)
	case "for_review": // what changed by itself and nobody has taken
		c.andMaybe("i.status = 0 and i.assignee is null and i.substatus = any("+c.arg([]int16{int16(issue.New), int16(issue.Regressed), int16(issue.Escalating)})+"::smallint[])", t.Negated)
	case "linked", "reprocessing": // nothing is either
		c.andMaybe("false", t.Negated)
	case "unlinked":
		c.andMaybe("true", t.Negated)
	default:
		s := substatuses[word]
		if !t.Negated {
			for other := range c.statuses {
				c.statuses[other] = c.statuses[other] && other == s.status
			}
		}
		c.andMaybe("i.status = "+c.arg(int16(s.status))+" and i.substatus = "+c.arg(int16(s.substatus)), t.Negated)
	}
}

// related is the condition that a table with one row per issue and name has a row for the issue.
func related(table, name, condition string) string {
	return "exists (select from " + table + " r where r.project_id = i.project_id and r.issue_id = i.id and (" +
		strings.ReplaceAll(condition, "$name", "r."+name) + "))"
}

// orMissing is the condition that a related name matches, or, where the values include the empty
// text, that there is none at all.
func (c *conditions) orMissing(values []search.Value, negated bool, exists func(condition string) string) {
	var some []search.Value
	missing := false
	for _, v := range values {
		if v.Text == "" {
			missing = true
		} else {
			some = append(some, v)
		}
	}
	var parts []string
	if len(some) > 0 {
		parts = append(parts, exists(c.matches("$name", some)))
	}
	if missing {
		parts = append(parts, "not "+exists("true"))
	}
	c.andMaybe(strings.Join(parts, " or "), negated)
}

func (c *conditions) release(t search.Term) {
	rest := withoutLatest(t.Values)
	exists := func(condition string) string { return related("issue_releases", "release", condition) }
	if len(rest) == len(t.Values) {
		c.orMissing(rest, t.Negated, exists)
		return
	}
	condition := "$name = " + latestRelease
	if len(rest) > 0 {
		condition += " or " + c.matches("$name", rest)
	}
	c.andMaybe(exists(condition), t.Negated)
}

// latestRelease is the release of an issue's project that was first seen last.
const latestRelease = "(select l.version from releases l where l.project_id = i.project_id order by l.first_seen desc, l.version desc limit 1)"

func withoutLatest(values []search.Value) (rest []search.Value) {
	for _, v := range values {
		if v.Text != "latest" {
			rest = append(rest, v)
		}
	}
	return rest
}

func (c *conditions) firstRelease(t search.Term) {
	rest := withoutLatest(t.Values)
	var parts []string
	if len(rest) > 0 {
		parts = append(parts, c.matches("coalesce(i.first_release, '')", rest))
	}
	if len(rest) < len(t.Values) {
		parts = append(parts, "i.first_release = "+latestRelease)
	}
	c.andMaybe(strings.Join(parts, " or "), t.Negated)
}

// environment finds issues seen in any of the environments; events without one count under "".
func (c *conditions) environment(values []search.Value, negated bool) {
	c.andMaybe(related("issue_environments", "environment", c.matches("$name", values)), negated)
}

func (c *conditions) tagExists(key string) func(string) string {
	name := c.arg(key)
	return func(condition string) string {
		return related("issue_tags", "value", "r.key = "+name+" and ("+condition+")")
	}
}

// user finds the tag as it is stored, "id:42", and plain values in any of its forms.
func (c *conditions) user(t search.Term) {
	var values []search.Value
	for _, v := range t.Values {
		kind, _, found := strings.Cut(v.Text, ":")
		if found && (kind == "id" || kind == "email" || kind == "username" || kind == "ip") || v.Text == "" {
			values = append(values, v)
			continue
		}
		for _, kind := range []string{"id:", "email:", "username:", "ip:"} {
			values = append(values, search.Value{Text: kind + v.Text})
		}
	}
	c.orMissing(values, t.Negated, c.tagExists("user"))
}

// has adds one has: term: a field of the issue, or a tag.
func (c *conditions) has(t search.Term) {
	switch key := t.Values[0].Text; key {
	case "release":
		c.andMaybe(related("issue_releases", "release", "true"), t.Negated)
	case "environment":
		c.andMaybe(related("issue_environments", "environment", "$name <> ''"), t.Negated)
	case "assigned", "assigned_to":
		c.andMaybe("i.assignee is not null", t.Negated)
	case "culprit", "logger", "platform", "title", "level":
		column := map[string]string{"culprit": "i.culprit <> ''", "logger": "i.logger <> ''", "platform": "i.platform <> ''",
			"title": "i.title <> ''", "level": "i.level <> 0"}[key]
		c.andMaybe(column, t.Negated)
	case "firstRelease", "first_release", "first-release":
		c.andMaybe("i.first_release is not null", t.Negated)
	case "error.type", "error.value":
		c.andMaybe("i.metadata->>"+c.arg(strings.TrimPrefix(key, "error."))+"::text is not null", t.Negated)
	case "bookmarks":
		c.andMaybe("exists (select from issue_people b where b.project_id = i.project_id and b.issue_id = i.id and b.bookmarked_at is not null)", t.Negated)
	default:
		some := c.tagExists(key)("true") + " or " + c.propertyExists(key)("true")
		if kind, ok := strings.CutPrefix(key, "user."); ok { // one of them is the user's tag
			some += " or " + c.userExists(kind)("true")
		}
		c.andMaybe(some, t.Negated)
	}
}
