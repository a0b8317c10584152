package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/release"
)

// ReleaseChange is what is to be set of a release; nil stays.
type ReleaseChange struct {
	Status     *release.Status
	Ref        *string
	URL        *string
	Owner      *int64
	StartedAt  *time.Time
	ReleasedAt *time.Time
	Commits    []release.Commit // the newest first; replaces those known; empty: stay
	Heads      []Head           // likewise, of repositories
}

// Head is the commit of a repository that a release was built from.
type Head struct{ Repository, Commit, Previous string }

const (
	// The attributes of a release are those it has in the other projects.
	sqlPutRelease = `
		with known as (select status, ref, url, owner_id, created_at, started_at, released_at from releases
			where project_id = any(@all::bigint[]) and version = @version order by created_at limit 1)
		insert into releases (project_id, version, sort_key, created_at, status, ref, url, owner_id, started_at, released_at)
		select p, @version, @key, coalesce(k.created_at, @now), coalesce(k.status, 0), coalesce(k.ref, ''), coalesce(k.url, ''), k.owner_id, k.started_at, k.released_at
		from unnest(@projects::bigint[]) as p left join known k on true
		on conflict (project_id, version) do nothing`

	sqlHasReleaseIn = `select exists (select from releases where project_id = any(@all::bigint[]) and version = @version)`

	sqlSetRelease = `
		update releases set status = coalesce(@status, status), ref = coalesce(@ref, ref), url = coalesce(@url, url), owner_id = coalesce(@owner, owner_id),
			started_at = coalesce(@started, started_at), released_at = coalesce(@released, released_at)
		where project_id = any(@all::bigint[]) and version = @version`
)

// PutRelease makes a release in those of an organization's projects that do not have it, and sets
// what the change names in all that do. created tells that no project had it. Issues that its
// commits say they fix are resolved in it, by the user (0: a program). fault.Invalid: the version.
func (st *Store) PutRelease(ctx context.Context, org int64, projects []int64, version string, change ReleaseChange, user int64) (created bool, err error) {
	if err := release.ValidateVersion(version); err != nil {
		return false, err
	}
	all, err := st.Projects(ctx, org)
	if err != nil {
		return false, err
	}
	err = retry(ctx, func() error {
		return pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) (err error) {
			created, err = putRelease(ctx, tx, org, all, projects, version, change, user)
			return err
		})
	})
	return created, translate(err, "write release %.60s of organization %d", version, org)
}

func putRelease(ctx context.Context, tx pgx.Tx, org int64, all []project.Project, projects []int64, version string, change ReleaseChange, user int64) (bool, error) {
	ids := (&conditions{projects: all}).projectIDs()
	var known bool
	if err := tx.QueryRow(ctx, sqlHasReleaseIn, pgx.StrictNamedArgs{"all": ids, "version": version}).Scan(&known); err != nil {
		return false, err
	}
	b := &pgx.Batch{}
	b.Queue(sqlPutRelease, pgx.StrictNamedArgs{"all": ids, "projects": projects, "version": version, "key": release.SortKey(version), "now": time.Now().UTC()})
	b.Queue(sqlSetRelease, pgx.StrictNamedArgs{"all": ids, "version": version, "status": change.Status, "ref": change.Ref, "url": change.URL,
		"owner": change.Owner, "started": change.StartedAt, "released": change.ReleasedAt})
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return false, err
	}
	if len(change.Commits) > 0 || len(change.Heads) > 0 {
		rows, _ := tx.Query(ctx, sqlShasOfRelease, pgx.StrictNamedArgs{"org": org, "version": version})
		had, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return false, err
		}
		if err := setCommits(ctx, tx, org, version, change); err != nil {
			return false, err
		}
		if err := resolveFixed(ctx, tx, all, version, change, had, user); err != nil {
			return false, err
		}
	}
	return !known, nil
}

const (
	sqlReleaseInUse = `
		select exists (select from issue_releases where project_id = any(@projects::bigint[]) and release = @version)
			or exists (select from issues where project_id = any(@projects::bigint[]) and resolution->>'in_release' = @version)`

	sqlDeleteRelease        = `delete from releases where project_id = any(@projects::bigint[]) and version = @version`
	sqlDeleteReleaseCommits = `delete from release_commits where organization_id = @org and version = @version`
	sqlDeleteReleaseHeads   = `delete from release_heads where organization_id = @org and version = @version`
	sqlDeleteReleaseDeploys = `delete from deploys where organization_id = @org and version = @version`
)

// DeleteRelease removes a release of all of an organization's projects. fault.Unknown: none has it.
// fault.Invalid: issues name it.
func (st *Store) DeleteRelease(ctx context.Context, org int64, version string) error {
	all, err := st.Projects(ctx, org)
	if err != nil {
		return err
	}
	ids := (&conditions{projects: all}).projectIDs()
	err = pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sqlDeleteRelease, pgx.StrictNamedArgs{"projects": ids, "version": version})
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return errNoRelease()
		}
		var used bool
		if err := tx.QueryRow(ctx, sqlReleaseInUse, pgx.StrictNamedArgs{"projects": ids, "version": version}).Scan(&used); err != nil {
			return err
		}
		if used {
			return fault.New(fault.Invalid, "This release is referenced by active issues and cannot be removed.")
		}
		b := &pgx.Batch{}
		for _, sql := range [...]string{sqlDeleteReleaseCommits, sqlDeleteReleaseHeads, sqlDeleteReleaseDeploys} {
			b.Queue(sql, pgx.StrictNamedArgs{"org": org, "version": version})
		}
		return tx.SendBatch(ctx, b).Close()
	})
	return translate(err, "delete release %.60s of organization %d", version, org)
}

// Deploy is one roll-out of a release to an environment.
type Deploy struct {
	ID          int64
	Version     string
	Environment string
	Name        string
	URL         string
	ProjectIDs  []int64
	StartedAt   *time.Time
	FinishedAt  time.Time
}

const sqlInsertDeploy = `
	insert into deploys (organization_id, id, version, environment, name, url, project_ids, started_at, finished_at)
	values (@org, @id, @version, @environment, @name, @url, @projects, @started, @finished)`

// CreateDeploy stores a deploy of a release that exists, and fills in its id.
func (st *Store) CreateDeploy(ctx context.Context, org int64, d *Deploy) error {
	d.ID = NewID()
	_, err := st.db.Exec(ctx, sqlInsertDeploy, pgx.StrictNamedArgs{"org": org, "id": d.ID, "version": d.Version, "environment": d.Environment, "name": d.Name,
		"url": d.URL, "projects": d.ProjectIDs, "started": d.StartedAt, "finished": d.FinishedAt})
	return translate(err, "store a deploy of %.60s", d.Version)
}

const sqlDeploys = `
	select id, version, environment, name, url, project_ids, started_at, finished_at from deploys
	where organization_id = @org and version = @version order by finished_at desc, id desc limit 1000`

// Deploys lists the deploys of a release, newest first, at most 1,000.
func (st *Store) Deploys(ctx context.Context, org int64, version string) ([]Deploy, error) {
	rows, _ := st.db.Query(ctx, sqlDeploys, pgx.StrictNamedArgs{"org": org, "version": version})
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Deploy])
	return list, translate(err, "list the deploys of %.60s", version)
}
