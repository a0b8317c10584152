package postgres

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/release"
)

// ProjectRelease is a release of one project, with what is known of it there.
type ProjectRelease struct {
	Project      int64
	Version      string
	Status       release.Status
	Ref          string
	URL          string
	Dated        time.Time // when it was released, else made
	CreatedAt    time.Time
	ReleasedAt   *time.Time
	FirstSeen    *time.Time // of its events; nil: none came
	LastSeen     *time.Time
	TimesSeen    int64
	NewIssues    int64
	Regressed    int64
	Commits      int64
	Deploys      int64
	Files        int64    // uploaded for it
	Environments []string // that it was deployed to, or that issues seen in it were seen in
	Active       int64    // events of the project's releases that were seen within a day
}

// Activity is how much the release is used.
func (r *ProjectRelease) Activity(now time.Time) release.Activity {
	a := release.Activity{Version: r.Version, TimesSeen: r.TimesSeen}
	if r.LastSeen == nil {
		return a
	}
	a.LastSeen = *r.LastSeen
	if a.Stage(now) != release.Replaced && r.Active > 0 {
		a.Share = float64(r.TimesSeen) / float64(r.Active)
	}
	return a
}

// ReleaseWalk asks for one page of the releases of projects, newest first.
type ReleaseWalk struct {
	Projects     []int64
	Environments []string // deployed to, or with issues seen in one of them; nil: all
	From, To     time.Time
	Part         string // of the version, in any case; empty: all
	Status       *release.Status
	At           string // ReleaseWalkPage.Older or Newer; empty: the newest
	Limit        int
}

// ReleaseWalkPage is one page of releases.
type ReleaseWalkPage struct {
	Rows         []ProjectRelease
	Newer, Older string // places of the pages beside it; empty: there is none
}

// How many of a release's issues, the newest first, say which environments it is in.
const (
	sqlReleaseIssuesListedPart = ` order by ir.issue_id desc limit 20`
	sqlReleaseIssuesSoughtPart = ` order by ir.issue_id desc limit 500`
)

const sqlReleaseIssuesPart = `select ir.issue_id from issue_releases ir where ir.project_id = r.project_id and ir.release = r.version`

// sqlReleaseFactsPart is a ProjectRelease of releases r.
const sqlReleaseFactsPart = `
	select r.project_id as project, r.version, r.status, r.ref, r.url, coalesce(r.released_at, r.created_at) as dated, r.created_at, r.released_at,
		r.first_seen, r.last_seen, r.times_seen, r.new_issues,
		(select count(*) from (select distinct a.issue_id from activities a where a.project_id = r.project_id and a.type = 'set_regression' and a.data->>'version' = r.version) a) as regressed,
		(select count(*) from release_commits c where c.organization_id = @org and c.version = r.version) as commits,
		(select count(*) from deploys d where d.organization_id = @org and d.version = r.version and r.project_id = any(d.project_ids)) as deploys,
		(select coalesce(sum(b.file_count), 0)::bigint from (select distinct ar.bundle_id from artifact_releases ar where ar.project_id = r.project_id and ar.release = r.version) ar
			join artifact_bundles b on b.project_id = r.project_id and b.id = ar.bundle_id) as files,
		array(select d.environment from deploys d where d.organization_id = @org and d.version = r.version and r.project_id = any(d.project_ids)
			union select e.environment from (` + sqlReleaseIssuesPart + sqlReleaseIssuesListedPart + `) i
				join issue_environments e on e.project_id = r.project_id and e.issue_id = i.issue_id where e.environment <> ''
			order by 1 limit 20) as environments,
		(select coalesce(sum(o.times_seen), 0)::bigint from releases o where o.project_id = r.project_id and o.last_seen > now() - interval '1 day') as active`

const (
	sqlReleaseConditionsPart = `
		r.project_id = p.id and (@pattern::text = '' or r.version ilike @pattern) and (@status::smallint is null or r.status = @status)
		and (@from::timestamptz is null or coalesce(r.last_seen, r.released_at, r.created_at) >= @from)
		and (@to::timestamptz is null or coalesce(r.first_seen, r.created_at) <= @to)
		and (@environments::text[] is null
			or exists (select from deploys d where d.organization_id = @org and d.version = r.version and d.environment = any(@environments))
			or exists (select from (` + sqlReleaseIssuesPart + sqlReleaseIssuesSoughtPart + `) i
				join issue_environments e on e.project_id = r.project_id and e.issue_id = i.issue_id and e.environment = any(@environments)))`

	sqlOlderReleases = sqlReleaseFactsPart + ` from (
			select r.* from unnest(@projects::bigint[]) as p(id) cross join lateral (
				select r.* from releases r where ` + sqlReleaseConditionsPart + `
					and (@first::boolean or coalesce(r.released_at, r.created_at) <= @at::timestamptz
						and (coalesce(r.released_at, r.created_at), r.version, r.project_id) < (@at::timestamptz, @version::text, @project::bigint))
				order by coalesce(r.released_at, r.created_at) desc, r.version desc limit @limit) as r
			order by coalesce(r.released_at, r.created_at) desc, r.version desc, r.project_id desc limit @limit) as r
		order by dated desc, r.version desc, r.project_id desc`

	sqlNewerReleases = sqlReleaseFactsPart + ` from (
			select r.* from unnest(@projects::bigint[]) as p(id) cross join lateral (
				select r.* from releases r where ` + sqlReleaseConditionsPart + `
					and (@first::boolean or coalesce(r.released_at, r.created_at) >= @at::timestamptz
						and (coalesce(r.released_at, r.created_at), r.version, r.project_id) > (@at::timestamptz, @version::text, @project::bigint))
				order by coalesce(r.released_at, r.created_at), r.version limit @limit) as r
			order by coalesce(r.released_at, r.created_at), r.version, r.project_id limit @limit) as r
		order by dated desc, r.version desc, r.project_id desc`
)

// WalkReleases returns one page of an organization's releases, one row for each project that has
// one. fault.Invalid: At is no place.
func (st *Store) WalkReleases(ctx context.Context, org int64, q ReleaseWalk) (ReleaseWalkPage, error) {
	at, err := parseReleasePlace(q.At)
	if err != nil {
		return ReleaseWalkPage{}, err
	}
	limit, sql, pattern := clampLimit(q.Limit), sqlOlderReleases, ""
	if at.newer {
		sql = sqlNewerReleases
	}
	if q.Part != "" {
		pattern = contains(q.Part)
	}
	var rows []ProjectRelease
	err = st.read(ctx, func(tx pgx.Tx) error {
		found, _ := tx.Query(ctx, sql, pgx.StrictNamedArgs{"org": org, "projects": q.Projects, "pattern": pattern, "status": q.Status, "environments": q.Environments,
			"from": openEnd(q.From), "to": openEnd(q.To), "first": q.At == "", "at": at.dated, "version": at.version, "project": at.project, "limit": limit + 1})
		rows, err = pgx.CollectRows(found, pgx.RowToStructByName[ProjectRelease])
		return err
	})
	page := releasePage(rows, limit, at, q.At != "")
	return page, translate(err, "list the releases of organization %d", org)
}

// openEnd is the moment, nil for the zero one.
func openEnd(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// releasePage cuts the one row too many off, which is the first of a page read backwards.
func releasePage(rows []ProjectRelease, limit int, at releasePlace, given bool) (page ReleaseWalkPage) {
	more := len(rows) > limit
	switch {
	case more && at.newer:
		rows = rows[len(rows)-limit:]
	case more:
		rows = rows[:limit]
	}
	page.Rows = rows
	if len(rows) == 0 {
		return page
	}
	if given && (!at.newer || more) {
		page.Newer = placeOf(&rows[0], true).String()
	}
	if at.newer || more {
		page.Older = placeOf(&rows[len(rows)-1], false).String()
	}
	return page
}

// releasePlace is where a release stands in the order, and which way to go on from it.
type releasePlace struct {
	dated   time.Time
	project int64
	version string
	newer   bool
}

func placeOf(r *ProjectRelease, newer bool) releasePlace {
	return releasePlace{r.Dated, r.Project, r.Version, newer}
}

func (p releasePlace) String() string {
	way := "o"
	if p.newer {
		way = "n"
	}
	return way + strconv.FormatInt(p.dated.UnixMicro(), 10) + ":" + strconv.FormatInt(p.project, 10) + ":" + p.version
}

func parseReleasePlace(text string) (releasePlace, error) {
	if text == "" {
		return releasePlace{}, nil
	}
	parts := strings.SplitN(text[1:], ":", 3)
	if len(parts) == 3 && (text[0] == 'o' || text[0] == 'n') && len(text) <= 1000 {
		micros, err1 := strconv.ParseInt(parts[0], 10, 64)
		project, err2 := strconv.ParseInt(parts[1], 10, 64)
		if err1 == nil && err2 == nil {
			return releasePlace{time.UnixMicro(micros).UTC(), project, parts[2], text[0] == 'n'}, nil
		}
	}
	return releasePlace{}, fault.New(fault.Invalid, "The address names no place in the list of releases.")
}

// ReleaseDetail is a release of one project and what stands around it.
type ReleaseDetail struct {
	ProjectRelease
	Owner    string  // name or address; empty: nobody
	Projects []int64 // of the organization, that have the release
	Older    string  // version of the project's release before it; empty: none
	Newer    string
}

const sqlReleaseDetail = sqlReleaseFactsPart + `, coalesce(u.name, '') as owner_name, coalesce(u.email, '') as owner_email,
		array(select o.project_id from releases o where o.project_id = any(@projects::bigint[]) and o.version = r.version order by o.project_id) as projects,
		coalesce((select o.version from releases o where o.project_id = r.project_id and coalesce(o.released_at, o.created_at) <= coalesce(r.released_at, r.created_at)
			and (coalesce(o.released_at, o.created_at), o.version) < (coalesce(r.released_at, r.created_at), r.version)
			order by coalesce(o.released_at, o.created_at) desc, o.version desc limit 1), '') as older,
		coalesce((select o.version from releases o where o.project_id = r.project_id and coalesce(o.released_at, o.created_at) >= coalesce(r.released_at, r.created_at)
			and (coalesce(o.released_at, o.created_at), o.version) > (coalesce(r.released_at, r.created_at), r.version)
			order by coalesce(o.released_at, o.created_at), o.version limit 1), '') as newer
	from releases r left join users u on u.id = r.owner_id
	where r.project_id = @project and r.version = @version`

// ReleaseOf returns a release of a project, one of those given, all of an organization.
// fault.Unknown: the project has none of that version.
func (st *Store) ReleaseOf(ctx context.Context, org, project int64, projects []int64, version string) (ReleaseDetail, error) {
	if !slices.Contains(projects, project) {
		return ReleaseDetail{}, errNoRelease()
	}
	type row struct {
		ProjectRelease
		OwnerName, OwnerEmail string
		Projects              []int64
		Older, Newer          string
	}
	var found row
	err := st.read(ctx, func(tx pgx.Tx) (err error) {
		rows, _ := tx.Query(ctx, sqlReleaseDetail, pgx.StrictNamedArgs{"org": org, "project": project, "projects": projects, "version": version})
		found, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[row])
		return err
	})
	d := ReleaseDetail{ProjectRelease: found.ProjectRelease, Owner: found.OwnerName, Projects: found.Projects, Older: found.Older, Newer: found.Newer}
	if d.Owner == "" {
		d.Owner = found.OwnerEmail
	}
	return d, translate(err, "The requested resource does not exist")
}

// NamedRelease is a release of a project.
type NamedRelease struct {
	Project int64
	Version string
}

const sqlReleasesNamed = `
	select p.id as project, r.version from unnest(@projects::bigint[]) as p(id) cross join lateral (
		select version, created_at from releases where project_id = p.id and version ilike @pattern
		order by version <> @version, coalesce(released_at, created_at) desc limit @limit) as r
	order by r.version <> @version, r.created_at desc, r.version limit @limit`

// ReleasesNamed lists the newest releases of projects whose version has the part; one that is the
// part comes first.
func (st *Store) ReleasesNamed(ctx context.Context, projects []int64, part string, limit int) ([]NamedRelease, error) {
	rows, _ := st.db.Query(ctx, sqlReleasesNamed, pgx.StrictNamedArgs{"projects": projects, "version": part, "pattern": contains(part), "limit": limit})
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[NamedRelease])
	return list, translate(err, "find releases by their name")
}

const sqlReleaseVersions = `
	select version from releases where project_id = @project order by coalesce(released_at, created_at) desc, version desc limit @limit`

// ReleaseVersions lists the versions of a project's newest releases.
func (st *Store) ReleaseVersions(ctx context.Context, project int64, limit int) ([]string, error) {
	rows, _ := st.db.Query(ctx, sqlReleaseVersions, pgx.StrictNamedArgs{"project": project, "limit": limit})
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return list, translate(err, "list the releases of project %d", project)
}

const sqlAuthorsOfRelease = `
	select distinct c.author_name as name, c.author_email as email
	from release_commits rc join commits c on c.organization_id = rc.organization_id and c.repository_id = rc.repository_id and c.sha = rc.sha
	where rc.organization_id = @org and rc.version = @version and c.author_name || c.author_email <> '' order by 1, 2 limit 100`

// ReleaseAuthors lists who wrote the commits of a release, by name, at most 100.
func (st *Store) ReleaseAuthors(ctx context.Context, org int64, version string) ([]Author, error) {
	rows, _ := st.db.Query(ctx, sqlAuthorsOfRelease, pgx.StrictNamedArgs{"org": org, "version": version})
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Author])
	return list, translate(err, "list the authors of %.60s", version)
}
