package ui

import (
	"fmt"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/search"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// dsnOf is the address that SDKs report to with a key.
func (u *UI) dsnOf(k project.Key) string {
	scheme, host, _ := strings.Cut(u.IngestURL, "://")
	return fmt.Sprintf("%s://%s@%s/%d", scheme, k.PublicKey, host, k.Project)
}

// firstDSN is the one to show when there is room for one: of the first key that works.
func (u *UI) firstDSN(keys []project.Key) string {
	for _, k := range keys {
		if k.Active {
			return u.dsnOf(k)
		}
	}
	return ""
}

func (u *UI) projectView(v *visit, p project.Project) view.Project {
	href := v.orgPath("/projects/" + p.Slug)
	issues := v.orgPath("/issues") + "?" + url.Values{"project": {p.Slug}}.Encode()
	return view.Project{
		ID: strconv.FormatInt(p.ID, 10), Slug: p.Slug, Name: p.Name, Platform: p.Platform, FirstEventAt: p.FirstEventAt,
		Href: href, AlertsHref: href + "/alerts", IssuesHref: issues,
	}
}

// lastDay asks what became of items in the last 24 hours, by the hour.
func (v *visit) lastDay(projects []int64) postgres.OutcomeQuery {
	end := v.base.Now.UTC().Truncate(time.Hour).Add(time.Hour)
	return postgres.OutcomeQuery{Projects: projects, From: end.Add(-24 * time.Hour), Step: time.Hour, Steps: 24}
}

func (u *UI) projects(v *visit) error {
	if err := v.principal.Require(account.ProjectRead); err != nil {
		return err
	}
	list, err := u.Store.Projects(v.r.Context(), v.principal.Organization.ID)
	if err != nil {
		return err
	}
	ids := make([]int64, len(list))
	index := make(map[int64]int, len(list))
	page := view.ProjectsPage{Projects: make([]view.Project, len(list))}
	for i, p := range list {
		ids[i], index[p.ID] = p.ID, i
		page.Projects[i] = u.projectView(v, p)
		page.Projects[i].Series = view.Series{Counts: make([]int64, 24), Unit: "hour"}
	}
	counts, err := u.Store.OutcomeCounts(v.r.Context(), v.lastDay(ids))
	if err != nil {
		return err
	}
	for _, c := range counts {
		if !isEvents(c.Category) || c.Outcome == outcome.ClientDiscard {
			continue
		}
		p := &page.Projects[index[c.Project]]
		if c.Outcome != outcome.Accepted {
			p.Dropped += c.Quantity
			continue
		}
		p.Accepted += c.Quantity
		if c.Step >= 0 && c.Step < len(p.Series.Counts) {
			p.Series.Counts[c.Step] += c.Quantity
		}
	}
	if v.principal.Scopes.Has(account.ProjectWrite) {
		page.NewHref = v.orgPath("/projects/new")
	}
	v.base.Section = view.SectionProjects
	return v.render(http.StatusOK, "Projects", func(p view.Page) component { return view.Projects(p, page) })
}

// isEvents reports whether a category is stored as issues.
func isEvents(c outcome.Category) bool {
	switch c.String() {
	case "default", "error", "security":
		return true
	}
	return false
}

// topIssues is how many issues the overview of a project shows.
const topIssues = 5

// unresolved is the search for what is open.
var unresolved = mustParse("is:unresolved")

func mustParse(text string) search.Query {
	q, err := search.Parse(text)
	if err != nil {
		panic(err) // the text is part of this program
	}
	return q
}

func (u *UI) project(v *visit) error {
	if err := v.principal.Require(account.ProjectRead); err != nil {
		return err
	}
	ctx := v.r.Context()
	p, err := u.Store.Project(ctx, v.principal.Organization.ID, v.param("project"))
	if err != nil {
		return err
	}
	keys, err := u.Store.Keys(ctx, p.ID)
	if err != nil {
		return err
	}
	counts, err := u.Store.OutcomeCounts(ctx, v.lastDay([]int64{p.ID}))
	if err != nil {
		return err
	}
	page := view.ProjectPage{
		Project: u.projectView(v, p), Waiting: p.FirstEventAt == nil, Outcomes: outcomes(counts)}
	top, err := u.Store.ListIssues(ctx, v.principal.Organization.ID, postgres.IssueQuery{Projects: []int64{p.ID}, Query: unresolved, Sort: postgres.SortUsers, Limit: topIssues})
	if err != nil {
		return err
	}
	for i := range top.Rows {
		page.Top = append(page.Top, issueRow(&top.Rows[i], v.orgPath("/issues/"), v.base.Now))
	}
	page.TopHref = page.Project.IssuesHref
	for _, k := range keys {
		key := view.ClientKey{Label: k.Label, DSN: u.dsnOf(k), Active: k.Active}
		if k.RateLimit != nil {
			key.Limit = fmt.Sprintf("at most %d events in %s", k.RateLimit.Count, k.RateLimit.Window)
		}
		page.Keys = append(page.Keys, key)
	}
	v.base.Section = view.SectionProjects
	v.base.Crumbs = []view.Link{{Label: "Projects", Href: v.orgPath("/projects")}, {Label: p.Name}}
	return v.render(http.StatusOK, p.Name, func(pg view.Page) component { return view.ProjectDetail(pg, page) })
}

// outcomes sums the hours and puts the largest first.
func outcomes(counts []postgres.OutcomeCount) []view.Outcome {
	type key struct{ word, reason, what string }
	sums := make(map[key]int64)
	for _, c := range counts {
		sums[key{strings.ReplaceAll(c.Outcome.String(), "_", " "), c.Reason, c.Category.String()}] += c.Quantity
	}
	list := make([]view.Outcome, 0, len(sums))
	for k, n := range sums {
		list = append(list, view.Outcome{
			Word: k.word, Reason: strings.ReplaceAll(k.reason, "_", " "), What: strings.ReplaceAll(k.what, "_", " "), Count: n,
			Bad: k.word != "accepted" && k.word != "filtered" && k.word != "client discard",
		})
	}
	sort.Slice(list, func(i, j int) bool {
		a, b := list[i], list[j]
		if a.Count != b.Count {
			return a.Count > b.Count
		}
		return a.Word+a.Reason+a.What < b.Word+b.Reason+b.What
	})
	return list
}
