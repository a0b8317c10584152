package mcp

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

func addTools(s *sdk.Server, o Options) {
	tool(s, &o, "list_projects", "List projects", "Lists the projects that the token reaches, with their slugs and platforms.", true, listProjects)
	tool(s, &o, "search_issues", "Search issues", "Searches issues by Sentry's query language (is:unresolved, level:error, release:1.2.3, user.email:x, free text), newest first.", true, searchIssues)
	tool(s, &o, "get_issue", "Read an issue", "Reads an issue with its latest or another event: stack trace with source lines and variables, request, breadcrumbs, tags, as Markdown.", true, getIssue)
	tool(s, &o, "why_grouped", "Why events are one issue", "Tells which hashes an issue owns and what of an event they were made of.", true, whyGrouped)
	tool(s, &o, "compare_releases", "Compare two releases", "Lists what is new in a release, what both have, and what is gone, against an earlier release.", true, compareReleases)
	tool(s, &o, "doctor", "Check a project", "Reports what stands between a project and its events: keys, first event, what was dropped in the last day and why.", true, doctor)
	tool(s, &o, "update_issue", "Change an issue", "Resolves, archives or reopens an issue, assigns it, or sets its priority.", false, updateIssue)
	tool(s, &o, "comment_issue", "Comment on an issue", "Adds a comment to an issue.", false, commentIssue)
}

type projectRow struct {
	ID, Slug, Name string
	Platform       *string
	FirstEvent     *string
}

func listProjects(c *call, _ struct{}) (string, error) {
	var list []projectRow
	if err := c.do(http.MethodGet, c.org()+"projects/", url.Values{"all_projects": {"1"}}, nil, &list); err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Projects of %s\n\n", c.who.Organization.Slug)
	for _, p := range list {
		platform := "any platform"
		if p.Platform != nil {
			platform = *p.Platform
		}
		state := "no event yet"
		if p.FirstEvent != nil {
			state = "first event " + *p.FirstEvent
		}
		fmt.Fprintf(&b, "- `%s` (%s, id %s): %s, %s\n", p.Slug, p.Name, p.ID, platform, state)
	}
	if len(list) == 0 {
		b.WriteString("The token reaches no project.\n")
	}
	return b.String(), nil
}

type searchInput struct {
	Query   string `json:"query,omitempty" jsonschema:"query in the issue search language; without one: is:unresolved"`
	Project string `json:"project,omitempty" jsonschema:"slug of a project; without one: all"`
	Sort    string `json:"sort,omitempty" jsonschema:"date (last seen), new (first seen), freq (events) or user (users)"`
	Limit   int    `json:"limit,omitempty" jsonschema:"how many, 1 to 50; 10 without"`
}

type issueRow struct {
	ID, ShortID, Title, Culprit, Status, Level, Permalink, FirstSeen, LastSeen, Count string
	Substatus                                                                         *string
	UserCount                                                                         int64
	Project                                                                           struct{ Slug string }
	AssignedTo                                                                        *struct{ Name, Email string }
	Priority                                                                          *string
}

func searchIssues(c *call, in searchInput) (string, error) {
	if in.Limit < 1 || in.Limit > 50 {
		in.Limit = 10
	}
	q := url.Values{"limit": {fmt.Sprint(in.Limit)}, "query": {in.Query}}
	if in.Query == "" {
		q.Set("query", "is:unresolved")
	}
	if in.Sort != "" {
		q.Set("sort", in.Sort)
	}
	if in.Project != "" {
		q.Set("project", in.Project)
	}
	var list []issueRow
	if err := c.do(http.MethodGet, c.org()+"issues/", q, nil, &list); err != nil {
		return "", err
	}
	if len(list) == 0 {
		return "No issue matches `" + q.Get("query") + "`.\n", nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# %d issues for `%s`\n\n", len(list), q.Get("query"))
	for _, i := range list {
		writeRow(&b, i)
	}
	return b.String(), nil
}

func writeRow(b *strings.Builder, i issueRow) {
	fmt.Fprintf(b, "- **%s** %s\n  in `%s`, %s, %s events, %d users, first %s, last %s, %s\n", i.ShortID, trim(i.Title, 200), trim(i.Culprit, 120), state(i), i.Count, i.UserCount, i.FirstSeen, i.LastSeen, i.Permalink)
}

func state(i issueRow) string {
	text := i.Status
	if i.Substatus != nil && *i.Substatus != "" {
		text += " (" + *i.Substatus + ")"
	}
	return text
}

// issuePath is where the API has an issue, named by short id, id or address.
func (c *call) issuePath(name string) (string, error) {
	name = strings.Trim(strings.TrimSpace(name), "/")
	if u, err := url.Parse(name); err == nil && u.Host != "" {
		parts := strings.Split(strings.Trim(u.Path, "/"), "/")
		for i, p := range parts {
			if p == "issues" && i+1 < len(parts) {
				name = parts[i+1]
			}
		}
	}
	if name == "" || strings.ContainsAny(name, "/?#") {
		return "", fault.New(fault.Invalid, "Name an issue by its short id, such as SHOP-1F2.")
	}
	return c.org() + "issues/" + url.PathEscape(name) + "/", nil
}

type updateInput struct {
	Issue         string `json:"issue" jsonschema:"short id, id or address of the issue"`
	Status        string `json:"status,omitempty" jsonschema:"resolved, unresolved or ignored (archived)"`
	NextRelease   bool   `json:"in_next_release,omitempty" jsonschema:"resolve in the next release rather than at once"`
	UntilEscalate bool   `json:"until_escalating,omitempty" jsonschema:"archive until it happens much more often"`
	AssignedTo    string `json:"assigned_to,omitempty" jsonschema:"address of a member, #team, or none"`
	Priority      string `json:"priority,omitempty" jsonschema:"high, medium or low"`
}

func updateIssue(c *call, in updateInput) (string, error) {
	path, err := c.issuePath(in.Issue)
	if err != nil {
		return "", err
	}
	body := map[string]any{}
	switch in.Status {
	case "":
	case "resolved", "unresolved", "ignored":
		body["status"] = in.Status
	default:
		return "", fault.New(fault.Invalid, "A status is resolved, unresolved or ignored.")
	}
	if in.NextRelease && in.Status == "resolved" {
		body["statusDetails"] = map[string]any{"inNextRelease": true}
	}
	if in.UntilEscalate && in.Status == "ignored" {
		body["substatus"] = "archived_until_escalating"
	}
	if in.AssignedTo == "none" {
		body["assignedTo"] = ""
	} else if in.AssignedTo != "" {
		body["assignedTo"] = in.AssignedTo
	}
	if in.Priority != "" {
		body["priority"] = in.Priority
	}
	if len(body) == 0 {
		return "", fault.New(fault.Invalid, "Say what to change: status, assigned_to or priority.")
	}
	var i issueRow
	if err := c.do(http.MethodPut, path, nil, body, &i); err != nil {
		return "", err
	}
	assigned := "nobody"
	if i.AssignedTo != nil {
		assigned = i.AssignedTo.Name
	}
	return fmt.Sprintf("%s is now %s, assigned to %s.\n%s\n", i.ShortID, state(i), assigned, i.Permalink), nil
}

type commentInput struct {
	Issue string `json:"issue" jsonschema:"short id, id or address of the issue"`
	Text  string `json:"text" jsonschema:"the comment, Markdown"`
}

func commentIssue(c *call, in commentInput) (string, error) {
	path, err := c.issuePath(in.Issue)
	if err != nil {
		return "", err
	}
	if strings.TrimSpace(in.Text) == "" {
		return "", fault.New(fault.Invalid, "A comment has a text.")
	}
	if err := c.do(http.MethodPost, path+"comments/", nil, map[string]any{"text": in.Text}, nil); err != nil {
		return "", err
	}
	return "The comment is added.\n", nil
}

type compareInput struct {
	Project string `json:"project" jsonschema:"slug of the project"`
	Before  string `json:"before" jsonschema:"version of the earlier release"`
	After   string `json:"after" jsonschema:"version of the later release"`
}

// compareReleases asks for the issues of each release and sorts them by which has them.
func compareReleases(c *call, in compareInput) (string, error) {
	if in.Project == "" || in.Before == "" || in.After == "" {
		return "", fault.New(fault.Invalid, "Name a project and two releases.")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# %s: %s → %s\n", in.Project, in.Before, in.After)
	quote := func(v string) string { return `"` + strings.ReplaceAll(v, `"`, `\"`) + `"` }
	before, after := quote(in.Before), quote(in.After)
	for _, part := range []struct{ title, query string }{
		{"New in " + in.After, "firstRelease:" + after},
		{"Regressed: seen in " + in.After + " again", "release:" + after + " is:regressed"},
		{"In both", "release:" + before + " release:" + after},
		{"Not seen in " + in.After, "release:" + before + " !release:" + after},
	} {
		var list []issueRow
		q := url.Values{"project": {in.Project}, "query": {part.query}, "limit": {"20"}, "sort": {"freq"}}
		if err := c.do(http.MethodGet, c.org()+"issues/", q, nil, &list); err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "\n## %s (%d)\n\n", part.title, len(list))
		for _, i := range list {
			writeRow(&b, i)
		}
		if len(list) == 0 {
			b.WriteString("None.\n")
		}
	}
	return b.String(), nil
}

type doctorInput struct {
	Project string `json:"project" jsonschema:"slug of the project"`
}

// doctor gathers what keeps a project from showing its events.
func doctor(c *call, in doctorInput) (string, error) {
	if in.Project == "" {
		return "", fault.New(fault.Invalid, "Name a project.")
	}
	var p projectRow
	if err := c.do(http.MethodGet, c.project(in.Project), nil, nil, &p); err != nil {
		return "", err
	}
	var keys []struct {
		Name, Public string
		IsActive     bool
		RateLimit    *struct{ Count, Window int }
		DSN          struct{ Public string }
	}
	if err := c.do(http.MethodGet, c.project(in.Project)+"keys/", nil, nil, &keys); err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n## Keys\n\n", p.Slug)
	active := 0
	for _, k := range keys {
		word := "switched off"
		if k.IsActive {
			word = "active"
			active++
		}
		if k.RateLimit != nil {
			word += fmt.Sprintf(", at most %d events in %d s", k.RateLimit.Count, k.RateLimit.Window)
		}
		fmt.Fprintf(&b, "- %s: %s, `%s`\n", k.Name, word, k.DSN.Public)
	}
	if active == 0 {
		b.WriteString("\n**No key is active: everything is refused.**\n")
	}
	if p.FirstEvent == nil {
		b.WriteString("\nNo event has ever been stored. Check the DSN in the application, and that it reaches this host.\n")
	}
	var stats struct {
		Groups []struct {
			By     struct{ Outcome, Reason, Category string }
			Totals map[string]int64
		}
	}
	q := url.Values{"project": {p.ID}, "statsPeriod": {"24h"}, "interval": {"1h"}, "field": {"sum(quantity)"}, "groupBy": {"outcome", "reason", "category"}}
	if err := c.do(http.MethodGet, c.org()+"stats_v2/", q, nil, &stats); err != nil {
		return "", err
	}
	b.WriteString("\n## What became of the last 24 hours\n\n")
	for _, g := range stats.Groups {
		reason := g.By.Reason
		if reason == "" || reason == "none" {
			reason = "–"
		}
		fmt.Fprintf(&b, "- %s, %s: %d (%s)\n", g.By.Category, strings.ReplaceAll(g.By.Outcome, "_", " "), g.Totals["sum(quantity)"], reason)
	}
	if len(stats.Groups) == 0 {
		b.WriteString("Nothing arrived.\n")
	}
	return b.String(), nil
}
