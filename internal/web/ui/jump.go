package ui

import (
	"net/url"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/project"
)

// jump leads from an event id, a short id or a version to its page, and from any other words to a
// search.
func (u *UI) jump(v *visit) error {
	q := strings.TrimSpace(v.r.URL.Query().Get("q"))
	if id, err := event.ParseID(q); err == nil {
		return u.toEvent(v, id)
	}
	if _, _, ok := project.ParseShortID(q); ok {
		row, err := u.Store.IssueByShortID(v.r.Context(), v.principal.Organization.ID, q)
		if err == nil {
			return v.redirect(v.orgPath("/issues/" + row.ShortID))
		}
		if fault.KindOf(err) != fault.Unknown {
			return err
		}
	}
	if target, err := u.toRelease(v, q); err != nil {
		return err
	} else if target != "" {
		return v.redirect(target)
	}
	s := listState{path: v.orgPath("/issues"), query: q}
	return v.redirect(s.href(func(*listState) {}))
}

// toRelease is the address of the release of that version in one of the reader's projects; empty
// when none has it.
func (u *UI) toRelease(v *visit, version string) (string, error) {
	if version == "" || !v.principal.Scopes.Has(account.ProjectRead) {
		return "", nil
	}
	ctx := v.r.Context()
	projects, err := u.Store.Projects(ctx, v.principal.Organization.ID)
	if err != nil {
		return "", err
	}
	list, err := u.Store.ReleasesNamed(ctx, idsOf(projects), version, 1)
	if err != nil || len(list) == 0 || list[0].Version != version {
		return "", err
	}
	at := slices.IndexFunc(projects, func(p project.Project) bool { return p.ID == list[0].Project })
	return v.releaseHref(projects[at].Slug, version), nil
}

func (u *UI) permalink(v *visit) error {
	id, err := event.ParseID(v.param("event"))
	if err != nil {
		return fault.New(fault.Unknown, "An event id is 32 hexadecimal digits.")
	}
	return u.toEvent(v, id)
}

// toEvent leads to the page of an event in any of the reader's organizations.
func (u *UI) toEvent(v *visit, id event.ID) error {
	for _, m := range v.memberships {
		if slug := chi.URLParam(v.r, "org"); slug != "" && slug != m.Organization.Slug {
			continue
		}
		_, issueID, err := u.Store.FindEvent(v.r.Context(), m.Organization.ID, id)
		if fault.KindOf(err) == fault.Unknown && err != nil {
			continue
		}
		if err != nil {
			return err
		}
		row, err := u.Store.IssueByID(v.r.Context(), m.Organization.ID, issueID)
		if err != nil {
			return err
		}
		return v.redirect("/o/" + m.Organization.Slug + "/issues/" + row.ShortID + "/events/" + id.String())
	}
	return fault.New(fault.Unknown, "There is no event with this id. A very new one may need a few seconds; an old one may have been removed.")
}

// deepLink leads from the addresses of Sentry's pages to ours.
func (u *UI) deepLink(v *visit) error {
	target := v.orgPath("/issues/" + url.PathEscape(v.param("issue")))
	if e := v.param("event"); e != "" {
		target += "/events/" + url.PathEscape(e)
	}
	return v.redirect(target)
}
