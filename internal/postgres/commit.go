package postgres

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/release"
)

// Repository is where commits come from.
type Repository struct {
	ID        int64
	Name      string
	Provider  string
	URL       string
	CreatedAt time.Time
}

const sqlRepositories = `
	select id, name, provider, url, created_at from repositories where organization_id = @org order by name limit 1000`

// Repositories lists an organization's repositories by name, at most 1,000.
func (st *Store) Repositories(ctx context.Context, org int64) ([]Repository, error) {
	rows, _ := st.db.Query(ctx, sqlRepositories, pgx.StrictNamedArgs{"org": org})
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Repository])
	return list, translate(err, "list the repositories of organization %d", org)
}

const sqlInsertRepository = `
	insert into repositories (organization_id, id, name, provider, url) values (@org, @id, @name, @provider, @url) returning created_at`

// CreateRepository stores a repository and fills in its id. fault.Conflict: the name is taken.
func (st *Store) CreateRepository(ctx context.Context, org int64, r *Repository) error {
	r.ID = NewID()
	err := st.db.QueryRow(ctx, sqlInsertRepository, pgx.StrictNamedArgs{"org": org, "id": r.ID, "name": r.Name, "provider": r.Provider, "url": r.URL}).Scan(&r.CreatedAt)
	return translate(err, "A repository named %.100s exists already.", r.Name)
}

const (
	sqlPutRepositories = `
		insert into repositories (organization_id, id, name) select @org::bigint, * from unnest(@ids::bigint[], @names::text[])
		on conflict (organization_id, name) do nothing`

	sqlRepositoryIDs = `select name, id from repositories where organization_id = @org and name = any(@names::text[])`

	// A commit that is told again without its files keeps those it had.
	sqlPutCommits = `
		insert into commits as c (organization_id, repository_id, sha, message, author_name, author_email, committed_at, files)
		select @org::bigint, n.repository_id, n.sha, n.message, n.author_name, n.author_email, n.committed_at, n.files::jsonb
		from unnest(@repositories::bigint[], @shas::text[], @messages::text[], @names::text[], @emails::text[], @times::timestamptz[], @files::text[])
			as n(repository_id, sha, message, author_name, author_email, committed_at, files)
		on conflict (organization_id, repository_id, sha) do update set message = coalesce(nullif(excluded.message, ''), c.message),
			author_name = coalesce(nullif(excluded.author_name, ''), c.author_name), author_email = coalesce(nullif(excluded.author_email, ''), c.author_email),
			committed_at = case when excluded.message = '' then c.committed_at else excluded.committed_at end,
			files = case when excluded.files = '[]'::jsonb then c.files else excluded.files end`

	sqlPutReleaseCommits = `
		insert into release_commits (organization_id, version, position, repository_id, sha)
		select @org::bigint, @version::text, * from unnest(@positions::int[], @repositories::bigint[], @shas::text[])`

	sqlPutHeads = `
		insert into release_heads (organization_id, version, repository_id, sha)
		select @org::bigint, @version::text, * from unnest(@repositories::bigint[], @shas::text[])
		on conflict (organization_id, version, repository_id) do update set sha = excluded.sha`
)

// commitFields are the columns of a release.Commit, from commits c and repositories r.
const commitFields = `c.sha, r.name, c.message, c.author_name, c.author_email, c.committed_at, c.files`

func scanCommit(row pgx.CollectableRow) (c release.Commit, err error) {
	return c, row.Scan(&c.ID, &c.Repository, &c.Message, &c.AuthorName, &c.AuthorEmail, &c.At, &c.Files)
}

// DefaultRepository is where commits belong that name none.
const DefaultRepository = "default"

// setCommits replaces the commits and heads of a release. A head alone is a commit of which only
// the hash is known.
func setCommits(ctx context.Context, tx pgx.Tx, org int64, version string, change ReleaseChange) error {
	commits := slices.Clone(change.Commits)
	for _, h := range change.Heads {
		if len(change.Commits) == 0 {
			commits = append(commits, release.Commit{ID: h.Commit, Repository: h.Repository, At: time.Now().UTC()})
		}
	}
	repositories, err := putRepositories(ctx, tx, org, commits, change.Heads)
	if err != nil {
		return err
	}
	type key struct {
		repository int64
		sha        string
	}
	var ids []int64
	var positions []int32
	var shas, messages, names, emails, files []string
	var times []time.Time
	seen := map[key]bool{}
	for _, c := range commits {
		k := key{repositories[c.Repository], c.ID}
		if seen[k] {
			continue
		}
		seen[k] = true
		if c.Files == nil {
			c.Files = []release.File{}
		}
		text, err := json.Marshal(c.Files)
		if err != nil {
			return err
		}
		positions = append(positions, int32(len(ids)))
		ids, shas, messages, files = append(ids, k.repository), append(shas, c.ID), append(messages, clean(c.Message, release.MaxMessageBytes)), append(files, clean(string(text), len(text)))
		names, emails, times = append(names, clean(c.AuthorName, 200)), append(emails, clean(c.AuthorEmail, 200)), append(times, c.At)
	}
	b := &pgx.Batch{}
	b.Queue(sqlPutCommits, pgx.StrictNamedArgs{"org": org, "repositories": ids, "shas": shas, "messages": messages, "names": names, "emails": emails, "times": times, "files": files})
	b.Queue(sqlDeleteReleaseCommits, pgx.StrictNamedArgs{"org": org, "version": version})
	b.Queue(sqlPutReleaseCommits, pgx.StrictNamedArgs{"org": org, "version": version, "positions": positions, "repositories": ids, "shas": shas})
	var headIDs []int64
	var headShas []string
	for _, h := range change.Heads {
		headIDs, headShas = append(headIDs, repositories[h.Repository]), append(headShas, h.Commit)
	}
	if len(headIDs) > 0 {
		b.Queue(sqlDeleteReleaseHeads, pgx.StrictNamedArgs{"org": org, "version": version})
		b.Queue(sqlPutHeads, pgx.StrictNamedArgs{"org": org, "version": version, "repositories": headIDs, "shas": headShas})
	}
	return tx.SendBatch(ctx, b).Close()
}

// putRepositories makes the repositories that are named, and returns the ids of all.
func putRepositories(ctx context.Context, tx pgx.Tx, org int64, commits []release.Commit, heads []Head) (map[string]int64, error) {
	var names []string
	for i := range commits {
		if commits[i].Repository == "" {
			commits[i].Repository = DefaultRepository
		}
		names = append(names, commits[i].Repository)
	}
	for _, h := range heads {
		names = append(names, h.Repository)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	ids := make([]int64, len(names))
	for i := range ids {
		ids[i] = NewID()
	}
	b := &pgx.Batch{}
	b.Queue(sqlPutRepositories, pgx.StrictNamedArgs{"org": org, "ids": ids, "names": names})
	byName := make(map[string]int64, len(names))
	b.Queue(sqlRepositoryIDs, pgx.StrictNamedArgs{"org": org, "names": names}).Query(func(rows pgx.Rows) error {
		var name string
		var id int64
		_, err := pgx.ForEachRow(rows, []any{&name, &id}, func() error { byName[name] = id; return nil })
		return err
	})
	return byName, tx.SendBatch(ctx, b).Close()
}

// Only these can wait for a commit.
const sqlAwaitingCommits = `
	select id, resolution from issues where project_id = any(@projects::bigint[]) and resolution is not null and status = @resolved
		and resolution->>'in_commit' = any(@shas::text[]) and resolution->>'in_release' is null`

const sqlProjectsOfRelease = `select project_id from releases where project_id = any(@projects::bigint[]) and version = @version`

const sqlShasOfRelease = `select sha from release_commits where organization_id = @org and version = @version`

// resolveFixed resolves in a release the issues of its projects that its commits say they fix, and
// makes it the release of those that were resolved in one of its commits. known are the commits it
// had before: told again, they do not resolve again what came back since.
// Rule: getsentry/sentry src/sentry/models/releases/set_commits.py (update_group_resolutions)
func resolveFixed(ctx context.Context, tx pgx.Tx, all []project.Project, version string, change ReleaseChange, known []string, user int64) error {
	rows, _ := tx.Query(ctx, sqlProjectsOfRelease, pgx.StrictNamedArgs{"projects": (&conditions{projects: all}).projectIDs(), "version": version})
	having, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(slices.Clone(all), func(p project.Project) bool { return !slices.Contains(having, p.ID) })
	now := time.Now().UTC()
	shas := make([]string, 0, len(change.Commits)+len(change.Heads))
	for _, h := range change.Heads {
		shas = append(shas, h.Commit)
	}
	for _, commit := range change.Commits {
		shas = append(shas, commit.ID)
		if slices.Contains(known, commit.ID) {
			continue
		}
		for _, short := range release.Fixes(commit.Message) {
			slug, number, ok := project.ParseShortID(short)
			i := slices.IndexFunc(all, func(p project.Project) bool { return p.Slug == slug })
			if !ok || i < 0 {
				continue
			}
			var id int64
			err := tx.QueryRow(ctx, sqlIssueByNumber, pgx.StrictNamedArgs{"project": all[i].ID, "number": number}).Scan(&id)
			if fault.KindOf(translate(err, "")) == fault.Unknown && err != nil {
				continue
			}
			if err != nil {
				return err
			}
			if err := resolveByCommit(ctx, tx, all, id, version, commit, user, now); err != nil {
				return err
			}
		}
	}
	rows, _ = tx.Query(ctx, sqlAwaitingCommits, pgx.StrictNamedArgs{"projects": having, "resolved": int16(issue.Resolved), "shas": shas})
	var id int64
	var r issue.Resolution
	waiting := map[int64]issue.Resolution{}
	if _, err := pgx.ForEachRow(rows, []any{&id, &r}, func() error { waiting[id], r = r, issue.Resolution{}; return nil }); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(waiting)) {
		commit := release.Commit{ID: waiting[id].InCommit, Repository: waiting[id].Repository}
		if err := resolveByCommit(ctx, tx, all, id, version, commit, user, now); err != nil {
			return err
		}
	}
	return nil
}

// resolveByCommit resolves one issue in a release, for a commit that says it fixes it.
func resolveByCommit(ctx context.Context, tx pgx.Tx, all []project.Project, id int64, version string, commit release.Commit, user int64, now time.Time) error {
	_, err := changeIssues(ctx, tx, all, []int64{id}, issue.Action{Status: new(issue.Resolved),
		Resolution: &issue.Resolution{InRelease: version, InCommit: commit.ID, Repository: commit.Repository}}, user, now)
	return err
}

const sqlCommitsOfRelease = `
	select ` + commitFields + `
	from release_commits rc join commits c on c.organization_id = rc.organization_id and c.repository_id = rc.repository_id and c.sha = rc.sha
		join repositories r on r.organization_id = rc.organization_id and r.id = rc.repository_id
	where rc.organization_id = @org and rc.version = any(@versions::text[]) order by array_position(@versions::text[], rc.version), rc.position offset @skip limit @limit`

// CommitsOfReleases lists the commits of releases, in the order of the versions, the newest of each
// first.
func (st *Store) CommitsOfReleases(ctx context.Context, org int64, versions []string, skip, limit int) ([]release.Commit, error) {
	rows, _ := st.db.Query(ctx, sqlCommitsOfRelease, pgx.StrictNamedArgs{"org": org, "versions": versions, "skip": skip, "limit": limit})
	list, err := pgx.CollectRows(rows, scanCommit)
	return list, translate(err, "list the commits of %d releases", len(versions))
}

const sqlHasCommit = `
	select c.sha from commits c join repositories r on r.organization_id = c.organization_id and r.id = c.repository_id
	where c.organization_id = @org and c.sha = @sha and (@repository::text = '' or r.name = @repository) limit 1`

const sqlReleaseOfCommit = `
	select rc.version from release_commits rc join repositories r on r.organization_id = rc.organization_id and r.id = rc.repository_id
		join releases l on l.project_id = @project and l.version = rc.version
	where rc.organization_id = @org and rc.sha = @sha and (@repository::text = '' or r.name = @repository)
	order by coalesce(l.released_at, l.created_at) limit 1`

const sqlSuspectCommits = `
	with v as (
		select version, row_number() over (order by coalesce(released_at, created_at) desc, version desc) as place
		from releases where project_id = @project and coalesce(released_at, created_at) <= coalesce(
			(select coalesce(released_at, created_at) from releases where project_id = @project and version = @version), now())
		order by coalesce(released_at, created_at) desc, version desc limit @releases)
	select ` + commitFields + `
	from v join release_commits rc on rc.organization_id = @org and rc.version = v.version
		join commits c on c.organization_id = rc.organization_id and c.repository_id = rc.repository_id and c.sha = rc.sha
		join repositories r on r.organization_id = rc.organization_id and r.id = rc.repository_id
	order by v.place, rc.position limit @limit`

// suspectReleases is how many releases up to the one an issue was first seen in are looked at for
// the commit that caused it.
const suspectReleases = 3

// SuspectCommits lists the commits that may have caused an issue of a project that was first seen
// in the release, given the stack's frames from the failing one on.
func (st *Store) SuspectCommits(ctx context.Context, org, project int64, version string, frames []release.Frame) ([]release.Suspect, error) {
	if version == "" || len(frames) == 0 {
		return nil, nil
	}
	rows, _ := st.db.Query(ctx, sqlSuspectCommits, pgx.StrictNamedArgs{"org": org, "project": project, "version": version, "releases": suspectReleases, "limit": release.MaxCommits})
	commits, err := pgx.CollectRows(rows, scanCommit)
	if err != nil {
		return nil, translate(err, "find the commits up to %.60s", version)
	}
	return release.Suspects(frames, commits), nil
}
