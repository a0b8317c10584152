package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/release"
)

// Release is one release of an organization, summed over the projects that were asked for.
type Release struct {
	Version    string
	Status     release.Status
	Ref        string
	URL        string
	Owner      int64 // user; 0: nobody
	CreatedAt  time.Time
	StartedAt  *time.Time
	ReleasedAt *time.Time
	FirstSeen  *time.Time // of its events; nil: none came
	LastSeen   *time.Time
	TimesSeen  int64
	NewIssues  int64   // issues first seen in it
	Projects   []int64 // that have it
	ByProject  []int64 // NewIssues of each of them

	// What commits and deploys say; filled in by Releases and ReleaseByVersion.
	Commits    int64
	Deploys    int64
	LastCommit *release.Commit
	LastDeploy *Deploy
	Authors    []Author
}

// Author is who wrote commits of a release.
type Author struct{ Name, Email string }

// ReleaseSort is an order of releases.
type ReleaseSort string

// The orders: newest first, greatest version first, greatest build first.
const (
	ReleasesByDate    ReleaseSort = "date"
	ReleasesByVersion ReleaseSort = "semver"
	ReleasesByBuild   ReleaseSort = "build"
)

// ReleaseQuery is which releases a list shows.
type ReleaseQuery struct {
	Projects []int64 // of the organization
	Part     string  // of the version, in any case; empty: all
	Version  string  // exactly; empty: all
	Status   *release.Status
	Sort     ReleaseSort
	Cursor   string
	Limit    int
}

// ReleasePage is one page of releases.
type ReleasePage struct {
	Rows             []Release
	Prev, Next       string
	HasPrev, HasNext bool
}

// A release of several projects has the attributes of each of them; writing keeps them equal.
const sqlReleases = `
	select version, min(status) as status, max(ref) as ref, max(url) as url, coalesce(max(owner_id), 0) as owner, min(created_at) as created_at,
		min(started_at) as started_at, max(released_at) as released_at, min(first_seen) as first_seen, max(last_seen) as last_seen,
		sum(times_seen)::bigint as times_seen, sum(new_issues)::bigint as new_issues, array_agg(project_id order by project_id) as projects,
		array_agg(new_issues order by project_id) as by_project
	from releases where project_id = any(@projects::bigint[]) and (@pattern::text = '' or version ilike @pattern)
		and (@version::text = '' or version = @version) and (@status::smallint is null or status = @status)
	group by version
	order by case when @by_version::boolean then (array_agg(sort_key))[1] end desc nulls last, coalesce(max(released_at), min(created_at)) desc, version desc
	offset @skip limit @limit`

type releaseRow struct {
	Version                                    string
	Status                                     release.Status
	Ref, URL                                   string
	Owner                                      int64
	CreatedAt                                  time.Time
	StartedAt, ReleasedAt, FirstSeen, LastSeen *time.Time
	TimesSeen, NewIssues                       int64
	Projects, ByProject                        []int64
}

// Releases returns one page of an organization's releases.
func (st *Store) Releases(ctx context.Context, org int64, q ReleaseQuery) (ReleasePage, error) {
	from, _, err := parseCursor(q.Cursor)
	if err != nil {
		return ReleasePage{}, err
	}
	skip, n := min(max(0, from.id), maxSkipped), int64(clampLimit(q.Limit))
	pattern := ""
	if q.Part != "" {
		pattern = contains(q.Part)
	}
	page := ReleasePage{Prev: cursor{id: max(0, skip-n), back: true}.String(), Next: cursor{id: skip + n}.String(), HasPrev: skip > 0}
	err = st.read(ctx, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, sqlReleases, pgx.StrictNamedArgs{"projects": q.Projects, "pattern": pattern, "version": q.Version, "status": q.Status,
			"by_version": q.Sort == ReleasesByVersion || q.Sort == ReleasesByBuild, "skip": skip, "limit": n + 1})
		found, err := pgx.CollectRows(rows, pgx.RowToStructByName[releaseRow])
		if err != nil {
			return err
		}
		if page.HasNext = len(found) > int(n); page.HasNext {
			found = found[:n]
		}
		page.Rows = make([]Release, len(found))
		for i, r := range found {
			page.Rows[i] = Release{Version: r.Version, Status: r.Status, Ref: r.Ref, URL: r.URL, Owner: r.Owner, CreatedAt: r.CreatedAt, StartedAt: r.StartedAt,
				ReleasedAt: r.ReleasedAt, FirstSeen: r.FirstSeen, LastSeen: r.LastSeen, TimesSeen: r.TimesSeen, NewIssues: r.NewIssues, Projects: r.Projects, ByProject: r.ByProject}
		}
		return describeReleases(ctx, tx, org, page.Rows)
	})
	return page, translate(err, "list the releases of organization %d", org)
}

// errNoRelease is what a release answers that no project asked about has.
func errNoRelease() error { return errNoResource() }

// ReleaseByVersion returns one release of an organization's projects. fault.Unknown: none of them
// has it.
func (st *Store) ReleaseByVersion(ctx context.Context, org int64, projects []int64, version string) (Release, error) {
	if version == "" {
		return Release{}, errNoRelease()
	}
	page, err := st.Releases(ctx, org, ReleaseQuery{Projects: projects, Version: version, Limit: 1})
	if err == nil && len(page.Rows) == 0 {
		err = errNoRelease()
	}
	if err != nil {
		return Release{}, err
	}
	return page.Rows[0], nil
}

const (
	sqlReleaseCommits = `
		select version, count(*) from release_commits where organization_id = @org and version = any(@versions::text[]) group by version`

	sqlReleaseLastCommits = `
		select rc.version, ` + commitFields + `
		from release_commits rc join commits c on c.organization_id = rc.organization_id and c.repository_id = rc.repository_id and c.sha = rc.sha
			join repositories r on r.organization_id = rc.organization_id and r.id = rc.repository_id
		where rc.organization_id = @org and rc.version = any(@versions::text[]) and rc.position = 0`

	sqlReleaseAuthors = `
		select distinct rc.version, c.author_name, c.author_email
		from release_commits rc join commits c on c.organization_id = rc.organization_id and c.repository_id = rc.repository_id and c.sha = rc.sha
		where rc.organization_id = @org and rc.version = any(@versions::text[]) and c.author_email <> '' order by rc.version, c.author_email limit 2000`

	sqlReleaseDeploys = `
		select version, count(*) from deploys where organization_id = @org and version = any(@versions::text[]) group by version`

	sqlReleaseLastDeploys = `
		select distinct on (version) id, version, environment, name, url, project_ids, started_at, finished_at from deploys
		where organization_id = @org and version = any(@versions::text[]) order by version, finished_at desc, id desc`
)

// describeReleases fills in what commits and deploys say of releases.
func describeReleases(ctx context.Context, tx pgx.Tx, org int64, list []Release) error {
	if len(list) == 0 {
		return nil
	}
	at, versions := make(map[string]*Release, len(list)), make([]string, len(list))
	for i := range list {
		at[list[i].Version], versions[i] = &list[i], list[i].Version
	}
	args := pgx.StrictNamedArgs{"org": org, "versions": versions}
	b := &pgx.Batch{}
	var version string
	var n int64
	b.Queue(sqlReleaseCommits, args).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&version, &n}, func() error { at[version].Commits = n; return nil })
		return err
	})
	b.Queue(sqlReleaseDeploys, args).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&version, &n}, func() error { at[version].Deploys = n; return nil })
		return err
	})
	b.Queue(sqlReleaseLastDeploys, args).Query(func(rows pgx.Rows) error {
		deploys, err := pgx.CollectRows(rows, pgx.RowToStructByName[Deploy])
		for i := range deploys {
			at[deploys[i].Version].LastDeploy = &deploys[i]
		}
		return err
	})
	b.Queue(sqlReleaseAuthors, args).Query(func(rows pgx.Rows) error {
		var a Author
		_, err := pgx.ForEachRow(rows, []any{&version, &a.Name, &a.Email}, func() error {
			if r := at[version]; !slices.ContainsFunc(r.Authors, func(o Author) bool { return o.Email == a.Email }) {
				r.Authors = append(r.Authors, a)
			}
			return nil
		})
		return err
	})
	b.Queue(sqlReleaseLastCommits, args).Query(func(rows pgx.Rows) error {
		_, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
			var c release.Commit
			err := row.Scan(&version, &c.ID, &c.Repository, &c.Message, &c.AuthorName, &c.AuthorEmail, &c.At, &c.Files)
			if err == nil {
				at[version].LastCommit = &c
			}
			return struct{}{}, err
		})
		return err
	})
	return tx.SendBatch(ctx, b).Close()
}

const sqlPreviousRelease = `
	select p.version from releases p
	where p.project_id = any(@projects::bigint[]) and p.version <> @version
		and coalesce(p.released_at, p.created_at) <= coalesce((select min(created_at) from releases where project_id = any(@projects::bigint[]) and version = @version), now())
		and exists (select from release_commits rc where rc.organization_id = @org and rc.version = p.version)
	order by coalesce(p.released_at, p.created_at) desc, p.version desc limit 1`

// PreviousWithCommits returns the newest release before one whose commits are known. found is false
// when there is none.
func (st *Store) PreviousWithCommits(ctx context.Context, org int64, projects []int64, version string) (r Release, found bool, err error) {
	var before string
	err = st.db.QueryRow(ctx, sqlPreviousRelease, pgx.StrictNamedArgs{"org": org, "projects": projects, "version": version}).Scan(&before)
	if err = translate(err, "find the release before %.60s", version); fault.KindOf(err) == fault.Unknown {
		return Release{}, false, nil
	}
	if err != nil {
		return Release{}, false, err
	}
	r, err = st.ReleaseByVersion(ctx, org, projects, before)
	return r, err == nil, err
}

// Environment is a name under which projects run.
type Environment struct {
	Name      string
	Hidden    bool
	FirstSeen time.Time
	LastSeen  time.Time
}

const sqlEnvironmentList = `
	select name, bool_and(is_hidden) as hidden, min(first_seen) as first_seen, max(last_seen) as last_seen
	from environments where project_id = any(@projects::bigint[]) group by name order by name limit 1000`

// Environments lists the environments that projects were seen in, by name. One is hidden when it is
// in all of them.
func (st *Store) Environments(ctx context.Context, projects []int64) ([]Environment, error) {
	rows, _ := st.db.Query(ctx, sqlEnvironmentList, pgx.StrictNamedArgs{"projects": projects})
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Environment])
	return list, translate(err, "list the environments of %d projects", len(projects))
}

const sqlHideEnvironment = `
	update environments set is_hidden = @hidden where project_id = @project and name = @name
	returning name, is_hidden as hidden, first_seen, last_seen`

// HideEnvironment sets whether lists leave an environment of a project out. fault.Unknown: the
// project was never seen in it.
func (st *Store) HideEnvironment(ctx context.Context, project int64, name string, hidden bool) (Environment, error) {
	rows, _ := st.db.Query(ctx, sqlHideEnvironment, pgx.StrictNamedArgs{"project": project, "name": name, "hidden": hidden})
	e, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Environment])
	return e, translate(err, "The requested resource does not exist")
}

const sqlResolvedIn = `
	select ` + issueFields + ` from issues i where i.project_id = any(@projects::bigint[]) and i.resolution is not null
		and i.status = 1 and i.resolution->>'in_release' = @version order by i.last_seen desc limit 1000`

// ResolvedIn lists the issues of projects that are resolved in a release, at most 1,000.
func (st *Store) ResolvedIn(ctx context.Context, org int64, projects []int64, version string) ([]IssueRow, error) {
	all, err := st.Projects(ctx, org)
	if err != nil {
		return nil, err
	}
	rows, _ := st.db.Query(ctx, sqlResolvedIn, pgx.StrictNamedArgs{"projects": projects, "version": version})
	list, _, err := collectIssueRows(rows, all)
	return list, translate(err, "list what is resolved in %.60s", version)
}
