package ui

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/release"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// releasesPerPage is how many releases a list shows.
const releasesPerPage = 25

// releaseStatuses are what the list can be restricted to.
var releaseStatuses = []view.Choice{{Value: "", Label: "Open"}, {Value: "archived", Label: "Archived"}, {Value: "all", Label: "All"}}

// releases lists the releases of the projects, environments and time that the frame names.
func (u *UI) releases(v *visit) error {
	if err := v.principal.Require(account.ProjectRead); err != nil {
		return err
	}
	q, shown := v.r.URL.Query(), v.filters.Shown()
	status := known(q.Get("status"), releaseStatuses)
	walk := postgres.ReleaseWalk{Projects: idsOf(shown), Environments: v.filters.Environments, Part: strings.TrimSpace(q.Get("query")), At: q.Get("at"), Limit: releasesPerPage}
	walk.From, walk.To = v.filters.Range()
	if s, ok := release.ParseStatus(status); ok && status != "all" {
		walk.Status = &s
	}
	list, err := u.Store.WalkReleases(v.r.Context(), v.principal.Organization.ID, walk)
	if err != nil {
		return err
	}
	page := view.ReleasesPage{Path: v.orgPath("/releases"), Query: walk.Part, ShowProject: len(v.filters.all) > 1, Reset: v.orgPath("/releases"), Create: releaseCommands}
	for _, c := range releaseStatuses {
		c.Current = c.Value == status
		page.Statuses = append(page.Statuses, c)
	}
	for name, values := range v.filters.values() {
		for _, value := range values {
			page.Hidden = append(page.Hidden, view.Choice{Label: name, Value: value})
		}
	}
	for i := range list.Rows {
		r := &list.Rows[i]
		at := slices.IndexFunc(shown, func(p project.Project) bool { return p.ID == r.Project })
		page.Rows = append(page.Rows, v.releaseRow(&shown[at], r))
	}
	page.Newer, page.Older = releasesAt(v, list.Newer), releasesAt(v, list.Older)
	if len(page.Rows) == 0 {
		page.Empty = view.NothingMatches
		if walk.Part == "" && status == "" && walk.At == "" && len(v.filters.values()) == 0 {
			page.Empty = view.NeverHadData
		}
	}
	v.base.Section, v.base.Keys = view.SectionReleases, view.KeysReleases
	return v.render(http.StatusOK, "Releases", func(p view.Page) component { return view.Releases(p, page) })
}

func idsOf(list []project.Project) []int64 {
	ids := make([]int64, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	return ids
}

// releasesAt is the address of the same list at another place; empty for none.
func releasesAt(v *visit, place string) string {
	if place == "" {
		return ""
	}
	q := v.r.URL.Query()
	q.Set("at", place)
	return v.r.URL.EscapedPath() + "?" + q.Encode()
}

// releaseHref is the address of a release of a project.
func (v *visit) releaseHref(slug, version string) string {
	return v.orgPath("/releases/" + url.PathEscape(slug) + "/" + url.PathEscape(version))
}

// releaseRow is a release as lists show it.
func (v *visit) releaseRow(p *project.Project, r *postgres.ProjectRelease) view.ReleaseRow {
	row := view.ReleaseRow{
		Href: v.releaseHref(p.Slug, r.Version), Version: r.Version, Short: release.Short(r.Version), Project: p.Name, ProjectHref: v.orgPath("/projects/" + p.Slug),
		Archived: r.Status == release.Archived, Environments: r.Environments, CreatedAt: r.CreatedAt, ReleasedAt: known0(r.ReleasedAt), FirstSeen: known0(r.FirstSeen),
		LastSeen: known0(r.LastSeen), Events: r.TimesSeen, NewIssues: r.NewIssues, Regressed: r.Regressed, Commits: r.Commits, Deploys: r.Deploys, Files: r.Files,
		Adoption: adoptionOf(r, v.base.Now),
	}
	if parsed, ok := release.Parse(r.Version); ok {
		row.Package = parsed.Package
	}
	in := func(key string) string {
		return v.searchHref(searchTerm(key, r.Version)) + "&" + url.Values{"project": {p.Slug}}.Encode()
	}
	row.NewHref, row.RegressedHref = in("firstRelease"), in("regressed_in_release")
	return row
}

// known0 is the moment, zero when it is not known.
func known0(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// adoptionWords name the stages of a release's use, with the look of each.
var adoptionWords = map[string]view.Adoption{
	release.Adopted: {Word: "adopted", Class: "ok"}, release.LowAdoption: {Word: "low", Class: "wait"}, release.Replaced: {Word: "replaced", Class: "quiet"},
}

func adoptionOf(r *postgres.ProjectRelease, now time.Time) view.Adoption {
	if r.LastSeen == nil {
		return view.Adoption{}
	}
	activity := r.Activity(now)
	a := adoptionWords[activity.Stage(now)]
	if activity.Share > 0 {
		share := view.NewShare("", "", r.TimesSeen, r.Active)
		a.Percent, a.Words = share.Percent, share.Words
	}
	return a
}

// releaseCommands make a release, as a build would.
const releaseCommands = `sentry-cli releases new "$VERSION"
sentry-cli releases set-commits "$VERSION" --auto
sentry-cli releases finalize "$VERSION"
sentry-cli deploys new --release "$VERSION" --env production`
