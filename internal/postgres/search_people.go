package postgres

import (
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/search"
)

// userAssignee is how assignees name a user.
func userAssignee(id int64) string { return "user:" + strconv.FormatInt(id, 10) }

// assigned finds issues by who works on them: me, none, user:7, an e-mail address or a name.
func (c *conditions) assigned(t search.Term) {
	var parts []string
	for _, v := range t.Values {
		text := strings.ToLower(v.Text)
		switch {
		case text == "none" || text == "":
			parts = append(parts, "i.assignee is null")
		case strings.HasPrefix(text, "user:"), strings.HasPrefix(text, "team:"):
			parts = append(parts, "i.assignee = "+c.arg(text))
		case text == "my_teams" || strings.HasPrefix(text, "#"):
			parts = append(parts, "false") // there are no teams to be a member of
		default:
			parts = append(parts, "i.assignee in (select 'user:' || p.id from ("+c.people(text)+") as p)")
		}
	}
	c.andMaybe(strings.Join(parts, " or "), t.Negated)
}

// people selects the ids of the members that a word means: me, an e-mail address or a name.
func (c *conditions) people(word string) string {
	if word = strings.ToLower(word); word == "me" {
		return "select " + c.arg(c.me) + "::bigint as id"
	}
	name := c.arg(word)
	return `select u.id from users u join memberships m on m.user_id = u.id
		where m.organization_id = ` + c.arg(c.org) + ` and (lower(u.email) = ` + name + ` or lower(u.name) = ` + name + `)`
}

// everyone selects the ids of all members that any of the values mean.
func (c *conditions) everyone(values []search.Value) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = c.people(v.Text)
	}
	return strings.Join(parts, " union ")
}

func (c *conditions) bookmarked(values []search.Value) string {
	return "exists (select from issue_people b where b.project_id = i.project_id and b.issue_id = i.id and b.bookmarked_at is not null and b.user_id in (" + c.everyone(values) + "))"
}

// subscribed is the condition that an issue concerns people: it is theirs, they acted on it, or
// they marked it.
func (c *conditions) subscribed(values []search.Value) string {
	return "i.assignee in (select 'user:' || p.id from (" + c.everyone(values) + ") as p)" +
		" or exists (select from activities a where a.project_id = i.project_id and a.issue_id = i.id and a.user_id in (" + c.everyone(values) + "))" +
		" or " + c.bookmarked(values)
}
