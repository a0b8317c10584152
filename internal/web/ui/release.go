package ui

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/release"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// What the pages of a release show.
const (
	releaseIssuesShown  = 10 // of each kind
	deploysShown        = 50
	commitsPerPage      = 50
	comparedIssuesShown = 25
)

// shownRelease is the release that a path names, with the head of its pages.
type shownRelease struct {
	project project.Project
	view.ReleaseHead
	found postgres.ReleaseDetail
}

// findRelease finds the release that the path names; tab is the last part of the page's address.
func (u *UI) findRelease(v *visit, tab string) (*shownRelease, error) {
	if err := v.principal.Require(account.ProjectRead); err != nil {
		return nil, err
	}
	ctx, org := v.r.Context(), v.principal.Organization.ID
	all, err := u.Store.Projects(ctx, org)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(all, func(p project.Project) bool { return p.Slug == v.param("project") })
	if at < 0 {
		return nil, fault.New(fault.Unknown, "There is no project of this name, or it is not for you.")
	}
	found, err := u.Store.ReleaseOf(ctx, org, all[at].ID, idsOf(all), v.param("version"))
	if fault.KindOf(err) == fault.Unknown && err != nil {
		err = fault.New(fault.Unknown, "The project has no release of this version.")
	}
	if err != nil {
		return nil, err
	}
	s := &shownRelease{project: all[at], found: found}
	s.ReleaseHead = v.releaseHead(s, all, tab)
	v.base.Section, v.base.Keys = view.SectionReleases, view.KeysRelease
	v.base.Crumbs = []view.Link{{Label: "Releases", Href: v.orgPath("/releases")}, {Label: s.Short, Href: s.Href}}
	if tab != "" {
		v.base.Crumbs = append(v.base.Crumbs, view.Link{Label: releaseTabWords[tab]})
	}
	return s, nil
}

// releaseTabWords name the pages of a release beside the first.
var releaseTabWords = map[string]string{"commits": "Commits", "artifacts": "Artifacts", "compare": "Compare"}

func (v *visit) releaseHead(s *shownRelease, all []project.Project, tab string) view.ReleaseHead {
	row := v.releaseRow(&s.project, &s.found.ProjectRelease)
	h := view.ReleaseHead{ReleaseRow: row, Action: row.Href, Here: v.r.URL.RequestURI(), CanWrite: v.principal.Scopes.Has(account.ProjectReleases),
		Ref: s.found.Ref, URL: s.found.URL, Owner: s.found.Owner, CompareHref: row.Href + "/compare", ArtifactsHref: row.Href + "/artifacts",
		IssuesHref: v.searchHref(searchTerm("release", row.Version)) + "&" + url.Values{"project": {s.project.Slug}}.Encode()}
	beside := func(version string) string {
		if version == "" {
			return ""
		}
		return v.releaseHref(s.project.Slug, version)
	}
	h.Older, h.Newer = beside(s.found.Older), beside(s.found.Newer)
	if s.found.Older != "" {
		h.CompareHref += "?" + url.Values{"with": {s.found.Older}}.Encode()
	}
	h.Tabs = []view.Link{{Label: "Overview", Href: row.Href, Current: tab == ""},
		{Label: "Commits", Href: row.Href + "/commits", Count: view.Short(row.Commits), Current: tab == "commits"},
		{Label: "Artifacts", Href: h.ArtifactsHref, Count: view.Short(row.Files), Current: tab == "artifacts"},
		{Label: "Compare", Href: h.CompareHref, Current: tab == "compare"}}
	for _, p := range all {
		if p.ID != s.project.ID && slices.Contains(s.found.Projects, p.ID) {
			h.Elsewhere = append(h.Elsewhere, view.Link{Label: p.Name, Href: v.releaseHref(p.Slug, row.Version)})
		}
	}
	return h
}

// release shows what a release brought.
func (u *UI) release(v *visit) error {
	s, err := u.findRelease(v, "")
	if err != nil {
		return err
	}
	page := view.ReleasePage{ReleaseHead: s.ReleaseHead}
	var issues postgres.ReleaseIssues
	var deploys []postgres.Deploy
	var authors []postgres.Author
	g, ctx := errgroup.WithContext(v.r.Context())
	org := v.principal.Organization.ID
	g.Go(func() (err error) {
		issues, err = u.Store.ReleaseIssues(ctx, s.project, s.Version, releaseIssuesShown)
		return err
	})
	g.Go(func() (err error) { deploys, err = u.Store.Deploys(ctx, org, s.Version); return err })
	g.Go(func() (err error) { authors, err = u.Store.ReleaseAuthors(ctx, org, s.Version); return err })
	if err := g.Wait(); err != nil {
		return err
	}
	page.New, page.Regressed, page.Resolved = v.issueRows(issues.New), v.issueRows(issues.Regressed), v.issueRows(issues.Resolved)
	for _, d := range deploys {
		if len(page.Deploys) < deploysShown && slices.Contains(d.ProjectIDs, s.project.ID) {
			page.Deploys = append(page.Deploys, view.DeployLine{Environment: d.Environment, Name: d.Name, URL: d.URL, StartedAt: known0(d.StartedAt), FinishedAt: d.FinishedAt})
		}
	}
	for _, a := range authors {
		page.Authors = append(page.Authors, view.CommitAuthor(a))
	}
	return v.render(http.StatusOK, "Release "+s.Short, func(p view.Page) component { return view.Release(p, page) })
}

// issueRows are issues as short tables show them.
func (v *visit) issueRows(list []postgres.IssueRow) []view.Row {
	rows := make([]view.Row, len(list))
	for i := range list {
		rows[i] = issueRow(&list[i], v.orgPath("/issues/"), v.base.Now)
	}
	return rows
}

// releaseCommits lists what a release is made of.
func (u *UI) releaseCommits(v *visit) error {
	s, err := u.findRelease(v, "commits")
	if err != nil {
		return err
	}
	skip := skipped(v)
	list, err := u.Store.CommitsOfReleases(v.r.Context(), v.principal.Organization.ID, []string{s.Version}, skip, commitsPerPage+1)
	if err != nil {
		return err
	}
	page := view.ReleaseCommitsPage{ReleaseHead: s.ReleaseHead, Command: "sentry-cli releases set-commits " + shellWord(s.Version) + " --auto"}
	page.Newer, page.Older = around(v, skip, len(list) > commitsPerPage)
	for i := range list[:min(len(list), commitsPerPage)] {
		page.Commits = append(page.Commits, v.commitLine(&list[i]))
	}
	return v.render(http.StatusOK, "Commits of "+s.Short, func(p view.Page) component { return view.ReleaseCommits(p, page) })
}

// commitLine is a commit as lists show it, with the issues that it says it fixes.
func (v *visit) commitLine(c *release.Commit) view.CommitLine {
	title, rest, _ := strings.Cut(strings.TrimSpace(c.Message), "\n")
	line := view.CommitLine{ID: c.ID, Short: c.ID[:min(len(c.ID), 10)], Title: title, Rest: strings.TrimSpace(rest), Author: c.AuthorName, Email: c.AuthorEmail,
		Repository: c.Repository, At: c.At, Files: len(c.Files)}
	if line.Title == "" {
		line.Title = "Commit " + line.Short
	}
	for _, id := range release.Fixes(c.Message) {
		line.Fixes = append(line.Fixes, view.Link{Label: id, Href: v.orgPath("/issues/" + url.PathEscape(id))})
	}
	return line
}

// shellWord writes a version for a shell.
func shellWord(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// releaseCompare tells a release and another one of its project apart.
func (u *UI) releaseCompare(v *visit) error {
	s, err := u.findRelease(v, "compare")
	if err != nil {
		return err
	}
	page := view.ReleaseComparePage{ReleaseHead: s.ReleaseHead, With: strings.TrimSpace(v.r.URL.Query().Get("with"))}
	recent, err := u.Store.ReleaseVersions(v.r.Context(), s.project.ID, 50)
	if err != nil {
		return err
	}
	page.Others = slices.DeleteFunc(recent, func(version string) bool { return version == s.Version })
	if page.With == s.Version {
		page.Problem = "Name another release than this one."
	} else if page.With != "" {
		if err := u.compareWith(v, s, &page); err != nil {
			return err
		}
	}
	return v.render(http.StatusOK, "Compare "+s.Short, func(p view.Page) component { return view.ReleaseCompare(p, page) })
}

func (u *UI) compareWith(v *visit, s *shownRelease, page *view.ReleaseComparePage) error {
	ctx, org := v.r.Context(), v.principal.Organization.ID
	other, err := u.Store.ReleaseOf(ctx, org, s.project.ID, []int64{s.project.ID}, page.With)
	if fault.KindOf(err) == fault.Unknown && err != nil {
		page.Problem = "The project has no release of this version."
		return nil
	}
	if err != nil {
		return err
	}
	c, err := u.Store.CompareReleases(ctx, s.project, s.Version, other.Version, comparedIssuesShown)
	if err != nil {
		return err
	}
	row := v.releaseRow(&s.project, &other.ProjectRelease)
	page.Other = &row
	part := func(id, title, about string, n int64, list []postgres.ComparedIssue) {
		p := view.ComparedPart{ID: id, Title: title, About: about, Count: n}
		for i := range list {
			p.Issues = append(p.Issues, view.ComparedRow{Row: issueRow(&list[i].IssueRow, v.orgPath("/issues/"), v.base.Now), Here: list[i].Here, There: list[i].There})
		}
		page.Parts = append(page.Parts, p)
	}
	part("only", "Only in "+s.Short, "Seen in this release and never in "+row.Short+".", c.OnlyCount, c.Only)
	part("gone", "Only in "+row.Short, "Seen in "+row.Short+" and not in this release.", c.GoneCount, c.Gone)
	part("both", "In both", "Seen in both releases.", c.BothCount, c.Both)
	return nil
}
