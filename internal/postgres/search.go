package postgres

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/release"
	"github.com/tocsin-dev/tocsin/internal/search"
)

// conditions is a search as SQL over issues i: fragments that must all hold, whose values are
// parameters. Statuses and projects are kept apart because the indexes begin with them.
type conditions struct {
	org      int64
	me       int64
	now      time.Time
	projects []project.Project  // those that remain
	versions []release.Activity // of the projects, when the search asks about them
	statuses map[issue.Status]bool
	where    []string
	texts    []string // those of where that trigrams can find, over issue_texts t
	args     pgx.NamedArgs

	uncounted bool // IssueQuery.Uncounted
}

func newConditions(org int64, q IssueQuery, projects []project.Project, versions []release.Activity, now time.Time) (*conditions, error) {
	c := &conditions{org: org, me: q.Me, now: now, projects: projects, versions: versions, args: pgx.NamedArgs{},
		statuses: map[issue.Status]bool{issue.Unresolved: true, issue.Resolved: true, issue.Archived: true}}
	if q.Projects != nil {
		c.keepProjects(func(p project.Project) bool { return slices.Contains(q.Projects, p.ID) })
	}
	if q.IDs != nil {
		c.and("i.id = any(" + c.arg(q.IDs) + "::bigint[])")
	}
	if len(q.Environments) > 0 {
		values := make([]search.Value, len(q.Environments))
		for i, name := range q.Environments {
			values[i].Text = name
		}
		c.environment(values, false)
	}
	if !q.From.IsZero() {
		c.and("i.last_seen >= " + c.arg(q.From) + "::timestamptz")
	}
	if !q.To.IsZero() {
		c.and("i.first_seen <= " + c.arg(q.To) + "::timestamptz")
	}
	for _, t := range q.Query.Terms {
		if err := c.term(t); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *conditions) keepProjects(keep func(project.Project) bool) {
	var kept []project.Project
	for _, p := range c.projects {
		if keep(p) {
			kept = append(kept, p)
		}
	}
	c.projects = kept
}

// arg adds a parameter and returns how SQL names it.
func (c *conditions) arg(v any) string {
	name := "q" + strconv.Itoa(len(c.args))
	c.args[name] = v
	return "@" + name
}

func (c *conditions) and(sql string) { c.where = append(c.where, sql) }

// andMaybe adds a condition that may be null, negated when asked; null counts as false.
func (c *conditions) andMaybe(sql string, negated bool) {
	if negated {
		c.and("(" + sql + ") is not true")
		return
	}
	c.and("(" + sql + ")")
}

func (c *conditions) statusList() []int16 {
	list := []int16{}
	for _, s := range []issue.Status{issue.Unresolved, issue.Resolved, issue.Archived} {
		if c.statuses[s] {
			list = append(list, int16(s))
		}
	}
	return list
}

func (c *conditions) projectIDs() []int64 {
	ids := make([]int64, len(c.projects))
	for i, p := range c.projects {
		ids[i] = p.ID
	}
	return ids
}

// organization is the slug of the organization that one of the projects belongs to.
func (c *conditions) organization(id int64) string {
	for _, p := range c.projects {
		if p.ID == id {
			return p.Organization
		}
	}
	return ""
}

// textColumns are the fields that are one text column of issues.
var textColumns = map[search.Field]string{
	search.FieldType: "i.type", search.FieldPlatform: "i.platform", search.FieldLogger: "i.logger",
	search.FieldErrorType:  "coalesce(i.metadata->>'type', '')",
	search.FieldErrorValue: "coalesce(i.metadata->>'value', '')",
}

func (c *conditions) term(t search.Term) error {
	switch t.Field {
	case search.FieldText:
		c.freeText(t)
	case search.FieldTitle:
		c.insensitive("i.title", t)
	case search.FieldCulprit:
		c.insensitive("i.culprit", t)
	case search.FieldIs:
		c.is(t)
	case search.FieldHas:
		c.has(t)
	case search.FieldTag, search.FieldContext, search.FieldProperty:
		c.named(t)
	case search.FieldEventID:
		return c.events(t)
	case search.FieldProjectID:
		c.count("i.project_id", t)
	case search.FieldBookmarks:
		c.andMaybe(c.bookmarked(t.Values), t.Negated)
	case search.FieldSubscribed:
		c.andMaybe(c.subscribed(t.Values), t.Negated)
	case search.FieldRegressedIn:
		c.andMaybe("exists (select from activities a where a.project_id = i.project_id and a.issue_id = i.id and a.type = "+
			c.arg(string(issue.ActivityRegression))+" and ("+c.matches("coalesce(a.data->>'version', '')", t.Values)+"))", t.Negated)
	case search.FieldVersion, search.FieldBuild, search.FieldPackage, search.FieldStage:
		c.releases(t)
	case search.FieldTimestamp:
		c.seenAt(t)
	case search.FieldDetector: // errors are all that is detected
		if t.Negated {
			c.and("false")
		}
	case search.FieldUser:
		c.user(t)
	case search.FieldAssigned:
		c.assigned(t)
	case search.FieldLevel:
		c.numbers("i.level", t, func(v search.Value) int64 { return int64(event.ParseLevel(v.Text)) })
	case search.FieldPriority:
		c.numbers("i.priority", t, func(v search.Value) int64 { return int64(priorities[v.Text]) })
	case search.FieldCategory:
		c.category(t)
	case search.FieldUnhandled:
		c.andMaybe("i.is_unhandled = "+c.arg(t.Values[0].Text == "true"), t.Negated)
	case search.FieldRelease:
		c.release(t)
	case search.FieldFirstRelease:
		c.firstRelease(t)
	case search.FieldEnvironment:
		c.environment(t.Values, t.Negated)
	case search.FieldFirstSeen:
		c.moment("i.first_seen", t)
	case search.FieldLastSeen:
		c.moment("i.last_seen", t)
	case search.FieldTimesSeen:
		c.count("i.times_seen", t)
	case search.FieldUserCount:
		c.count("i.user_count", t)
	case search.FieldIssueID:
		c.count("i.id", t)
	case search.FieldIssue:
		return c.shortIDs(t)
	case search.FieldProject:
		return c.project(t)
	case search.FieldAny:
		return c.alternatives(t, (*conditions).term)
	default:
		c.andMaybe(c.matches(textColumns[t.Field], t.Values), t.Negated)
	}
	return nil
}

// category adds one issue.category: term: every issue is of the category error.
func (c *conditions) category(t search.Term) {
	found := slices.ContainsFunc(t.Values, func(v search.Value) bool { return v.Text == "error" })
	if found == t.Negated {
		c.and("false")
	}
}

var priorities = map[string]issue.Priority{"low": issue.Low, "medium": issue.Medium, "high": issue.High}

// likeEscaper keeps what a pattern would read as more than itself.
var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`, string(search.Wildcard), "%")

func contains(text string) string { return "%" + likeEscaper.Replace(text) + "%" }

// matches is the condition that a text equals one of the values, wildcards included. Wildcards
// match in any case, exact values in their own.
func (c *conditions) matches(column string, values []search.Value) string {
	var exact, patterns []string
	for _, v := range values {
		if v.HasWildcard() {
			patterns = append(patterns, likeEscaper.Replace(v.Text))
		} else {
			exact = append(exact, v.Text)
		}
	}
	var parts []string
	if len(exact) > 0 {
		parts = append(parts, column+" = any("+c.arg(exact)+"::text[])")
	}
	if len(patterns) > 0 {
		parts = append(parts, c.like(column, patterns))
	}
	return strings.Join(parts, " or ")
}

// like is the condition that a text matches one of the patterns in any case. Bytes are compared:
// that takes half the time of ilike.
func (c *conditions) like(column string, patterns []string) string {
	return "lower(" + column + `) collate "C" like any(array(select lower(p) from unnest(` + c.arg(patterns) + "::text[]) as p))"
}

// insensitive is matches for titles, whose case does not count.
func (c *conditions) insensitive(column string, t search.Term) {
	patterns := make([]string, len(t.Values))
	for i, v := range t.Values {
		patterns[i] = likeEscaper.Replace(v.Text)
	}
	c.andMaybe(c.like(column, patterns), t.Negated)
}

func (c *conditions) numbers(column string, t search.Term, number func(search.Value) int64) {
	list := make([]int64, len(t.Values))
	for i, v := range t.Values {
		list[i] = number(v)
	}
	c.andMaybe(column+" = any("+c.arg(list)+"::bigint[])", t.Negated)
}

// operators are the comparisons as SQL writes them.
var operators = map[search.Op]string{search.OpEqual: " = ", search.OpGreater: " > ", search.OpGreaterEq: " >= ",
	search.OpLess: " < ", search.OpLessEq: " <= "}

func (c *conditions) count(column string, t search.Term) {
	if t.Op == search.OpEqual {
		c.numbers(column, t, func(v search.Value) int64 { return v.Number })
		return
	}
	c.andMaybe(column+operators[t.Op]+c.arg(t.Values[0].Number)+"::bigint", t.Negated)
}

// An exact moment finds what happened around it.
// Rule: getsentry/sentry src/sentry/search/utils.py (parse_datetime_value)
const (
	momentBefore = 5 * time.Minute
	momentAfter  = 6 * time.Minute
)

func (c *conditions) moment(column string, t search.Term) {
	from, until := c.span(t)
	var parts []string
	if !from.IsZero() {
		parts = append(parts, column+" >= "+c.arg(from)+"::timestamptz")
	}
	if !until.IsZero() {
		parts = append(parts, column+" < "+c.arg(until)+"::timestamptz")
	}
	c.andMaybe(strings.Join(parts, " and "), t.Negated)
}

// span is the time that a term over moments means, half open; a zero end is open. Columns hold
// microseconds.
func (c *conditions) span(t search.Term) (from, until time.Time) {
	v := t.Values[0]
	at, end := v.Time, v.Time.Add(time.Microsecond)
	switch {
	case v.Time.IsZero():
		at = c.now.Add(-v.Ago)
		end = at.Add(time.Microsecond)
	case v.Day:
		end = at.AddDate(0, 0, 1)
	case t.Op == search.OpEqual:
		at, end = at.Add(-momentBefore), at.Add(momentAfter)
	}
	switch t.Op {
	case search.OpGreater:
		return end, time.Time{}
	case search.OpGreaterEq:
		return at, time.Time{}
	case search.OpLess:
		return time.Time{}, at
	case search.OpLessEq:
		return time.Time{}, end
	}
	return at, end
}

func (c *conditions) project(t search.Term) error {
	known := map[string]bool{}
	for _, p := range c.projects {
		known[p.Slug] = true
	}
	wanted := map[string]bool{}
	for _, v := range t.Values {
		if !known[v.Text] {
			return fault.New(fault.Invalid, "Invalid query. Project(s) %.100s do not exist or are not actively selected.", v.Text)
		}
		wanted[v.Text] = true
	}
	c.keepProjects(func(p project.Project) bool { return wanted[p.Slug] != t.Negated })
	return nil
}

// shortIDs restricts to issues by the ids people read.
func (c *conditions) shortIDs(t search.Term) error {
	var projects, numbers []int64
	for _, v := range t.Values {
		slug, number, ok := project.ParseShortID(v.Text)
		if !ok {
			return fault.New(fault.Invalid, "Invalid format for issue search: %.100s", v.Text)
		}
		for _, p := range c.projects {
			if p.Slug == slug {
				projects, numbers = append(projects, p.ID), append(numbers, number)
			}
		}
	}
	c.andMaybe("(i.project_id, i.number) in (select * from unnest("+c.arg(projects)+"::bigint[], "+c.arg(numbers)+"::bigint[]))", t.Negated)
	return nil
}
