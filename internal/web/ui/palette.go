package ui

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/search"
)

// found is one answer of the palette.
type found struct {
	Label string `json:"label"`
	Hint  string `json:"hint"`
	Href  string `json:"href"`
}

// How many issues and releases the palette names.
const (
	foundIssues       = 6
	foundReleasesMost = 3
)

// foundWithin is how long words are looked for while somebody types; the whole search is one of the
// answers.
const foundWithin = 250 * time.Millisecond

// palette answers what the command palette looks for: pages of projects and releases by part of
// their name, issues by id or words, events by id.
func (u *UI) palette(v *visit) error {
	if err := v.principal.Require(account.EventRead); err != nil {
		return err
	}
	q := strings.TrimSpace(v.r.URL.Query().Get("q"))
	list := []found{}
	if id, err := event.ParseID(q); err == nil {
		list = append(list, found{"Event " + id.String(), "event", v.orgPath("/e/" + id.String())})
	}
	if _, _, ok := project.ParseShortID(q); ok {
		if row, err := u.Store.IssueByShortID(v.r.Context(), v.principal.Organization.ID, q); err == nil {
			list = append(list, found{row.ShortID + " " + row.Title, "issue", v.orgPath("/issues/" + row.ShortID)})
		}
	}
	projects, err := u.Store.Projects(v.r.Context(), v.principal.Organization.ID)
	if err != nil {
		return err
	}
	for _, p := range projects {
		if len(list) < 10 && (containsFold(p.Name, q) || containsFold(p.Slug, q)) {
			list = append(list, found{p.Name, "project", v.orgPath("/projects/" + p.Slug)},
				found{"Issues of " + p.Name, "project", v.orgPath("/issues") + "?" + url.Values{"project": {p.Slug}}.Encode()})
		}
	}
	if len([]rune(q)) >= 2 {
		releases, err := u.foundReleases(v, projects, q)
		if err != nil {
			return err
		}
		list = append(list, releases...)
		issues, err := u.foundByWords(v, projects, q)
		if err != nil {
			return err
		}
		list = append(list, issues...)
		list = append(list, found{"Search issues for “" + q + "”", "search", v.orgPath("/issues") + "?" + url.Values{"query": {q}}.Encode()})
	}
	return httpx.JSON(v.w, http.StatusOK, list)
}

// foundByWords are the issues seen last whose title or culprit has the words.
func (u *UI) foundByWords(v *visit, within []project.Project, words string) (list []found, err error) {
	q, err := search.Parse(words)
	if err != nil {
		return nil, nil // half of a search is being typed
	}
	ctx, cancel := context.WithTimeout(v.r.Context(), foundWithin)
	defer cancel()
	page, err := u.Store.ListIssues(ctx, v.principal.Organization.ID,
		postgres.IssueQuery{Query: q, Limit: foundIssues, Me: v.principal.UserID(), Within: within, Uncounted: true})
	if err != nil {
		return nil, nil // as above: a value that makes no sense yet, or words that are nowhere near
	}
	for i := range page.Rows {
		r := &page.Rows[i]
		list = append(list, found{r.Title, r.ShortID, v.orgPath("/issues/" + r.ShortID)})
	}
	return list, nil
}

// foundReleases are the newest releases whose version has the words.
func (u *UI) foundReleases(v *visit, projects []project.Project, words string) (list []found, err error) {
	if !v.principal.Scopes.Has(account.ProjectRead) {
		return nil, nil
	}
	releases, err := u.Store.ReleasesNamed(v.r.Context(), idsOf(projects), words, foundReleasesMost)
	for _, r := range releases {
		at := slices.IndexFunc(projects, func(p project.Project) bool { return p.ID == r.Project })
		list = append(list, found{r.Version, "release of " + projects[at].Name, v.releaseHref(projects[at].Slug, r.Version)})
	}
	return list, err
}

func containsFold(s, part string) bool {
	return part != "" && strings.Contains(strings.ToLower(s), strings.ToLower(part))
}
