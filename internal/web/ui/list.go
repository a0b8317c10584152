package ui

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/search"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// rowsPerPage is how many issues a list shows unless its reader chose otherwise.
const rowsPerPage = 50

// pageSizes are what they may choose.
var pageSizes = []int{25, 50, 100}

// tabs are the list's views by status: the word of the address, its label, and the search it adds.
var tabs = []struct{ word, label, term string }{
	{"triage", "Triage", "is:for_review"},
	{"mine", "Mine", "is:unresolved is:mine"},
	{"", "All open", "is:unresolved"},
	{"archived", "Muted", "is:archived"},
	{"resolved", "Resolved", "is:resolved"},
	{"all", "All", ""},
}

var sorts = []view.Choice{
	{Value: "", Label: "Last seen"},
	{Value: string(postgres.SortFirstSeen), Label: "First seen"},
	{Value: string(postgres.SortEvents), Label: "Most events"},
	{Value: string(postgres.SortUsers), Label: "Most users"},
	{Value: string(postgres.SortPriority), Label: "Priority"},
}

// listState is what the address of a list says.
type listState struct {
	path    string
	query   string
	status  string
	sort    string
	spark   string // time of the sparklines: "" is 24 h, "14d"
	cursor  string
	view    string // id of the saved view that it started from
	limit   int    // issues on a page; 0: as the reader chose
	filters *filters
}

func readListState(v *visit, path string) listState {
	q := v.r.URL.Query()
	s := listState{
		path: path, query: strings.TrimSpace(q.Get("query")), status: q.Get("status"),
		sort: q.Get("sort"), spark: q.Get("spark"), cursor: q.Get("cursor"), view: q.Get("view"), filters: v.filters,
	}
	if n, err := strconv.Atoi(q.Get("limit")); err == nil && slices.Contains(pageSizes, n) {
		s.limit = n
	}
	if s.spark != "14d" {
		s.spark = ""
	}
	return s
}

// href is the address of the same list after a change; parts at their default are left out.
func (s listState) href(change func(*listState)) string {
	change(&s)
	q := make(url.Values)
	if s.filters != nil {
		q = s.filters.values()
	}
	for _, part := range [...]struct{ name, value string }{
		{"query", s.query}, {"status", s.status}, {"sort", s.sort}, {"spark", s.spark}, {"cursor", s.cursor}, {"view", s.view}, {"limit", number(s.limit)},
	} {
		if part.value != "" {
			q.Set(part.name, part.value)
		}
	}
	if len(q) == 0 {
		return s.path
	}
	return s.path + "?" + q.Encode()
}

// number is n as addresses write it; 0 is left out.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// tabbed is the search with what the chosen tab adds. A search that names a status itself is taken as
// it is.
func (s listState) tabbed(typed search.Query) search.Query {
	if typed.Asks(search.FieldIs) {
		return typed
	}
	for _, t := range tabs {
		if t.word == s.status && t.term != "" {
			typed.Terms = slices.Concat(typed.Terms, mustParse(t.term).Terms)
		}
	}
	return typed
}

// text is tabbed as people read it: what was typed, as it was typed, and then what the tab adds.
func (s listState) text(typed search.Query) string {
	added := search.Query{Terms: s.tabbed(typed).Terms[len(typed.Terms):]}.String()
	if added != "" && len(typed.Terms) == 1 && typed.Terms[0].Field == search.FieldAny {
		return "(" + s.query + ") " + added
	}
	return strings.TrimSpace(s.query + " " + added)
}

// home is the issue list of the reader's own organization.
func (u *UI) home(v *visit) error {
	if len(v.memberships) == 0 {
		return fault.New(fault.Denied, "You belong to no organization yet. Ask an administrator to invite you.")
	}
	return u.list(v, "/")
}

// filteredHome is home with the frame's filters, for those who belong to an organization.
func (u *UI) filteredHome(v *visit) error {
	if len(v.memberships) == 0 {
		return u.home(v)
	}
	return u.filtered(u.home)(v)
}

func (u *UI) orgHome(v *visit) error { return v.redirect(v.orgPath("/issues")) }

func (u *UI) issues(v *visit) error { return u.list(v, v.orgPath("/issues")) }

// orgPath is the address of a page of the organization.
func (v *visit) orgPath(tail string) string { return "/o/" + v.principal.Organization.Slug + tail }

func (u *UI) list(v *visit, path string) error {
	if err := v.principal.Require(account.EventRead); err != nil {
		return err
	}
	ctx, org := v.r.Context(), v.principal.Organization.ID
	s, projects := readListState(v, path), v.filters.all
	if target := u.firstView(v, s); target != "" {
		return v.redirect(target)
	}
	page := view.ListPage{
		Path: path, Here: s.href(func(*listState) {}), Action: v.orgPath("/issues"), Query: s.query,
		ShowProject: len(projects) > 1, Reset: path, CanDelete: v.principal.Scopes.Has(account.EventAdmin),
	}
	s.choices(&page)
	if err := u.fillViews(v, s, &page); err != nil {
		return err
	}
	query, problem := s.search()
	if problem != nil {
		page.QueryProblem, page.Empty = problem, view.NothingMatches
		return u.drawList(v, page, http.StatusBadRequest)
	}
	page.Terms = s.terms(query)
	found, err := u.Store.ListIssues(ctx, org, s.issueQuery(query, v))
	if err != nil {
		if fault.KindOf(err) == fault.Invalid { // a value of the search, or an address cut short
			page.QueryProblem, page.Empty = &view.QueryProblem{Before: s.query, Text: fault.Public(err)}, view.NothingMatches
			return u.drawList(v, page, http.StatusBadRequest)
		}
		return err
	}
	if err := u.fillRows(v, &page, s, found); err != nil {
		return err
	}
	if len(found.Rows) == 0 {
		if page.Empty, err = u.whyEmpty(v, s, projects, &page); err != nil {
			return err
		}
		if page.Empty == view.NothingMatches && s.cursor == "" {
			page.Wider = u.wider(v, s)
		}
	}
	return u.drawList(v, page, http.StatusOK)
}

func (u *UI) drawList(v *visit, page view.ListPage, status int) error {
	v.base.Section, v.base.Keys = view.SectionIssues, view.KeysList
	return v.render(status, "Issues", func(p view.Page) component { return view.List(p, page) })
}

// search parses what was typed; problem points at the first character that makes no sense.
func (s listState) search() (q search.Query, problem *view.QueryProblem) {
	typed, err := search.Parse(s.query)
	if err == nil {
		return s.tabbed(typed), nil
	}
	var e *search.Error
	if !errors.As(err, &e) {
		return q, &view.QueryProblem{Before: s.query, Text: fault.Public(err)}
	}
	at := min(max(e.Pos, 0), len(s.query))
	return q, &view.QueryProblem{Before: s.query[:at], Rest: s.query[at:], Text: e.Text}
}

func (s listState) issueQuery(q search.Query, v *visit) postgres.IssueQuery {
	iq := postgres.IssueQuery{Query: q, Sort: postgres.IssueSort(s.sort), Cursor: s.cursor, Limit: s.perPage(v), Me: v.principal.UserID(), Within: s.filters.all}
	s.filters.restrict(&iq)
	return iq
}

// perPage is how many issues a page has.
func (s listState) perPage(v *visit) int {
	for _, n := range []int{s.limit, v.settings.PerPage} {
		if slices.Contains(pageSizes, n) {
			return n
		}
	}
	return rowsPerPage
}

// choices fills the tabs and filters.
func (s listState) choices(page *view.ListPage) {
	for _, t := range tabs {
		page.Tabs = append(page.Tabs, view.Link{Label: t.label, Current: t.word == s.status && s.view == "",
			Href: s.href(func(n *listState) { n.status, n.cursor, n.view = t.word, "", "" })})
	}
	for _, c := range sorts {
		c.Current = c.Value == s.sort
		page.Sorts = append(page.Sorts, c)
	}
	for _, c := range [...]struct{ word, label string }{{"", "24 h"}, {"14d", "14 d"}} {
		page.Periods = append(page.Periods, view.Link{Label: c.label, Current: c.word == s.spark,
			Href: s.href(func(n *listState) { n.spark = c.word })})
	}
	for _, h := range [...]view.Choice{{Label: "status", Value: s.status}, {Label: "spark", Value: s.spark}, {Label: "limit", Value: number(s.limit)}} {
		if h.Value != "" {
			page.Hidden = append(page.Hidden, h)
		}
	}
	for name, values := range s.filters.values() {
		for _, value := range values {
			page.Hidden = append(page.Hidden, view.Choice{Label: name, Value: value})
		}
	}
}

// fillRows turns what was found into rows with their sparklines.
func (u *UI) fillRows(v *visit, page *view.ListPage, s listState, found postgres.IssuePage) error {
	ctx := v.r.Context()
	from, step, n, unit := sparkTime(v.base.Now, s.spark)
	facts, err := u.Store.RowFacts(ctx, found.Rows, v.principal.UserID(), from, step, n)
	if err != nil {
		return err
	}
	var who members
	if len(found.Rows) > 0 {
		if who, err = u.Store.Members(ctx, v.principal.Organization.ID); err != nil {
			return err
		}
	}
	page.People = who.choices()
	page.HistogramHref = v.orgPath("/issues/histogram") + strings.TrimPrefix(s.href(func(n *listState) { n.cursor, n.sort = "", "" }), s.path)
	page.CSVHref = v.orgPath("/issues/csv") + strings.TrimPrefix(s.href(func(n *listState) { n.cursor = "" }), s.path)
	page.Capped = found.HitsCapped
	for _, n := range pageSizes {
		page.Sizes = append(page.Sizes, view.Link{Label: strconv.Itoa(n), Current: n == s.perPage(v), Href: s.href(func(l *listState) { l.limit, l.cursor = n, "" })})
	}
	for i := range found.Rows {
		row := issueRow(&found.Rows[i], v.orgPath("/issues/"), v.base.Now)
		f := facts[found.Rows[i].ID]
		row.Assignee, row.Bookmarked, row.Series = who.name(found.Rows[i].Assignee), f.Bookmarked, view.Series{Counts: f.Series, Unit: unit}
		page.Rows = append(page.Rows, row)
	}
	page.Hits = view.Long(int64(found.Hits))
	if found.HitsCapped {
		page.Hits += "+"
	}
	if found.HasNext {
		page.Older = s.href(func(n *listState) { n.cursor = found.Next })
	}
	if found.HasPrev {
		page.Newer = s.href(func(n *listState) { n.cursor = found.Prev })
	}
	return nil
}

// sparkTime is what the sparklines of a list show: n steps from a moment on, and the word for one.
func sparkTime(now time.Time, period string) (from time.Time, step time.Duration, n int, unit string) {
	step, n, unit = time.Hour, 24, "hour"
	if period == "14d" {
		step, n, unit = 24*time.Hour, 14, "day"
	}
	return now.UTC().Truncate(step).Add(step).Add(-time.Duration(n) * step), step, n, unit
}

// whyEmpty tells the kinds of empty list apart.
func (u *UI) whyEmpty(v *visit, s listState, projects []project.Project, page *view.ListPage) (view.Emptiness, error) {
	heard := false
	for _, p := range projects {
		heard = heard || p.FirstEventAt != nil
	}
	switch {
	case !heard:
		for _, p := range projects[:min(len(projects), 5)] {
			card := u.projectView(v, p)
			keys, err := u.Store.Keys(v.r.Context(), p.ID)
			if err != nil {
				return "", err
			}
			card.DSN = u.firstDSN(keys)
			page.Start = append(page.Start, card)
		}
		return view.NeverHadData, nil
	case s.query == "" && s.status == "" && len(s.filters.values()) == 0 && s.cursor == "":
		return view.AllDone, nil
	}
	return view.NothingMatches, nil
}
