package ui

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/search"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// fillViews adds the searches that people keep to the tabs.
func (u *UI) fillViews(v *visit, s listState, page *view.ListPage) error {
	list, err := u.Store.SavedViews(v.r.Context(), v.principal.Organization.ID, v.principal.UserID())
	if err != nil {
		return err
	}
	first := v.settings.Org(v.principal.Organization.ID).View
	for _, sv := range list {
		id := strconv.FormatInt(sv.ID, 10)
		page.Views = append(page.Views, view.SavedView{
			ID: id, Name: sv.Name, Href: s.ofView(sv), Current: s.view == id, Own: sv.UserID == v.principal.UserID(), Shared: sv.IsShared, First: first == id,
		})
	}
	page.SaveHref, page.SortValue = v.orgPath("/views"), s.sort
	page.Live = v.livePath()
	page.Suggest = v.orgPath("/suggest") + v.keptFilters()
	typed, _ := search.Parse(s.query)
	page.Full = s.text(typed)
	return nil
}

// ofView is the address of a kept search.
func (s listState) ofView(sv postgres.SavedView) string {
	return s.href(func(n *listState) {
		n.query, n.sort, n.status, n.view, n.cursor = sv.Query, string(sv.Sort), "all", strconv.FormatInt(sv.ID, 10), ""
	})
}

// firstView is the address of the view that the reader wants to open first, for an address that
// asks for nothing.
func (u *UI) firstView(v *visit, s listState) string {
	first := v.settings.Org(v.principal.Organization.ID).View
	if first == "" || s.query != "" || s.status != "" || s.view != "" || s.cursor != "" || s.sort != "" {
		return ""
	}
	for _, t := range tabs {
		if t.word == first && first != "" {
			return s.href(func(n *listState) { n.status = first })
		}
	}
	list, err := u.Store.SavedViews(v.r.Context(), v.principal.Organization.ID, v.principal.UserID())
	if err != nil {
		return ""
	}
	for _, sv := range list {
		if strconv.FormatInt(sv.ID, 10) == first {
			return s.ofView(sv)
		}
	}
	return ""
}

// changeViews keeps the search of a list, deletes a kept one, or makes one open first.
func (u *UI) changeViews(v *visit) error {
	if err := v.principal.Require(account.EventRead); err != nil {
		return err
	}
	if err := v.parseForm(); err != nil {
		return err
	}
	ctx, org, form := v.r.Context(), v.principal.Organization.ID, v.r.PostForm
	back := localOr(form.Get("back"), v.orgPath("/issues"))
	var err error
	switch do := form.Get("do"); do {
	case "save":
		if _, err = search.Parse(form.Get("query")); err != nil {
			break
		}
		sv := postgres.SavedView{UserID: v.principal.UserID(), Name: form.Get("name"), Query: strings.TrimSpace(form.Get("query")),
			Sort: postgres.IssueSort(form.Get("sort")), IsShared: form.Get("shared") == "1"}
		if sv.ID, err = u.Store.CreateSavedView(ctx, org, sv); err == nil {
			v.notify(view.Notice{Text: "Saved as " + strings.TrimSpace(sv.Name) + "."})
			return v.redirect(listState{path: v.orgPath("/issues")}.ofView(sv))
		}
	case "delete":
		id, _ := strconv.ParseInt(form.Get("view"), 10, 64) // 0 is nobody's
		if err = u.Store.DeleteSavedView(ctx, org, v.principal.UserID(), id); err == nil {
			v.notify(view.Notice{Text: "The view is deleted."})
			return v.redirect(v.orgPath("/issues?status=all"))
		}
	case "first":
		word := form.Get("view")
		err = u.changeSettings(v, func(s *account.Settings) {
			s.SetOrg(org, func(p *account.OrgPreference) { p.View = word })
		})
		if err == nil {
			v.notify(view.Notice{Text: "This view opens first from now on."})
		}
	default:
		err = fault.New(fault.Invalid, "The form asks for nothing that can be done.")
	}
	if err != nil {
		if !slices.Contains([]fault.Kind{fault.Invalid, fault.Conflict, fault.Limited, fault.Unknown}, fault.KindOf(err)) {
			return err
		}
		v.notify(view.Notice{Text: fault.Public(err), Bad: true})
	}
	return v.redirect(back)
}

// terms are the conditions of the search, each with the address of the list without it.
func (s listState) terms(q search.Query) (chips []view.TermChip) {
	typed, err := search.Parse(s.query)
	if err != nil {
		return nil
	}
	for i := range typed.Terms {
		rest := search.Query{Terms: slices.Delete(slices.Clone(typed.Terms), i, i+1)}
		one := search.Query{Terms: typed.Terms[i : i+1]}
		chips = append(chips, view.TermChip{Text: one.String(), Without: s.href(func(n *listState) { n.query, n.cursor = rest.String(), "" })})
	}
	return chips
}

// wider is the search with one condition, or the tab, left out that finds the most: what to offer
// when nothing matches.
func (u *UI) wider(v *visit, s listState) *view.Wider {
	typed, err := search.Parse(s.query)
	if err != nil || len(typed.Terms) > 6 {
		return nil
	}
	var tries []listState
	for i := range typed.Terms {
		next := s
		next.query, next.cursor = search.Query{Terms: slices.Delete(slices.Clone(typed.Terms), i, i+1)}.String(), ""
		tries = append(tries, next)
	}
	if s.status != "all" && s.view == "" {
		next := s
		next.status, next.cursor = "all", ""
		tries = append(tries, next)
	}
	var best *view.Wider
	most := 0
	for _, next := range tries {
		q, problem := next.search()
		if problem != nil {
			continue
		}
		if next.status != s.status {
			q.Terms = append(q.Terms, s.without()...)
		}
		iq := next.issueQuery(q, v)
		iq.Limit = 1
		found, err := u.Store.ListIssues(v.r.Context(), v.principal.Organization.ID, iq)
		if err != nil || found.Hits <= most {
			continue
		}
		most = found.Hits
		hits := view.Long(int64(found.Hits))
		if found.HitsCapped {
			hits += "+"
		}
		text := next.query
		if next.status != s.status {
			text = strings.TrimSpace(text + " in every state")
		}
		best = &view.Wider{Text: text, Href: next.href(func(*listState) {}), Hits: hits}
	}
	return best
}

// without is the condition that leaves out what the chosen tab is about, where one says that: after
// a search there that found nothing, the rest need not look at its issues again.
func (s listState) without() []search.Term {
	for _, t := range tabs {
		if t.word == s.status && t.term != "" && !strings.Contains(t.term, " ") {
			return mustParse("!" + t.term).Terms
		}
	}
	return nil
}
