package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/project"
)

// isNamed reports whether a path's name means the thing with this id and slug.
func isNamed(id int64, slug, name string) bool {
	return slug == name || strconv.FormatInt(id, 10) == name
}

type projectRow struct {
	ID             int64
	OrganizationID int64
	Organization   string
	Slug           string
	Name           string
	Platform       string
	Settings       []byte
	FirstEventAt   *time.Time
	CreatedAt      time.Time
}

func (r projectRow) project() (project.Project, error) {
	p := project.Project{ID: r.ID, OrganizationID: r.OrganizationID, Organization: r.Organization, Slug: r.Slug, Name: r.Name,
		Platform: r.Platform, FirstEventAt: r.FirstEventAt, CreatedAt: r.CreatedAt}
	if err := json.Unmarshal(r.Settings, &p.Settings); err != nil {
		return p, fault.Wrap(err, fault.Internal, "read the settings of project %d", r.ID)
	}
	return p, nil
}

const sqlProjects = `
	select p.id, p.organization_id, o.slug as organization, p.slug, p.name, p.platform, p.settings, p.first_event_at, p.created_at
	from projects p join organizations o on o.id = p.organization_id
	where p.organization_id = @org and p.deleted_at is null order by p.slug limit 10000`

// Projects lists an organization's projects by slug. When ctx says who asks (account.WithPrincipal),
// those out of their reach are left out, here and in everything that starts from this list.
func (st *Store) Projects(ctx context.Context, org int64) ([]project.Project, error) {
	rows, _ := st.db.Query(ctx, sqlProjects, pgx.StrictNamedArgs{"org": org})
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (project.Project, error) {
		r, err := pgx.RowToStructByName[projectRow](row)
		if err != nil {
			return project.Project{}, err
		}
		return r.project()
	})
	if who := account.PrincipalFrom(ctx); who != nil && who.Projects != nil {
		list = slices.DeleteFunc(list, func(p project.Project) bool { return !who.Sees(p.ID) })
	}
	return list, translate(err, "list the projects of organization %d", org)
}

const sqlProject = `
	select p.id, p.organization_id, o.slug as organization, p.slug, p.name, p.platform, p.settings, p.first_event_at, p.created_at
	from projects p join organizations o on o.id = p.organization_id
	where p.organization_id = @org and (p.slug = @name or p.id::text = @name) and p.deleted_at is null`

const sqlProjectOnceCalled = `
	select p.id, p.organization_id, o.slug as organization, p.slug, p.name, p.platform, p.settings, p.first_event_at, p.created_at
	from project_redirects r join projects p on p.id = r.project_id join organizations o on o.id = p.organization_id
	where r.organization_id = @org and r.slug = @name and p.organization_id = @org and p.deleted_at is null`

// Project returns the project of an organization that a path names by id or slug, or by a slug that it
// had. fault.Unknown: it has none of that name, or it is out of reach of whom ctx says is asking.
func (st *Store) Project(ctx context.Context, org int64, name string) (project.Project, error) {
	args := pgx.StrictNamedArgs{"org": org, "name": name}
	rows, _ := st.db.Query(ctx, sqlProject, args)
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[projectRow])
	if errors.Is(err, pgx.ErrNoRows) {
		rows, _ = st.db.Query(ctx, sqlProjectOnceCalled, args)
		r, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[projectRow])
	}
	if err != nil {
		return project.Project{}, translate(err, "The requested resource does not exist")
	}
	if who := account.PrincipalFrom(ctx); who != nil && !who.Sees(r.ID) {
		return project.Project{}, errNoResource()
	}
	return r.project()
}

var validSlug = regexp.MustCompile(`^[a-z0-9_-]*[a-z_-][a-z0-9_-]*$`)

// CreateProject makes a project with one client key. fault.Conflict: the organization has one of
// that slug. Snapshots has it from now on.
func (st *Store) CreateProject(ctx context.Context, org int64, slug, name, platform string) (project.Project, error) {
	if !validSlug.MatchString(slug) || len(slug) > 100 {
		return project.Project{}, fault.New(fault.Invalid, "a slug has 1 to 100 of a-z, 0-9, _ and -, and is not a number")
	}
	err := st.configure(ctx, func(tx pgx.Tx) error { // tried again when the number was taken in between
		var id int64
		err := tx.QueryRow(ctx, sqlInsertProject, pgx.StrictNamedArgs{"org": org, "slug": slug, "name": name, "platform": platform}).Scan(&id)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, sqlInsertKey, keyArgs(id, randomHex(16), "Default"))
		return err
	})
	if err != nil {
		return project.Project{}, translate(err, "create project %q", slug)
	}
	return st.Project(ctx, org, slug)
}

type keyRow struct {
	ID               int64
	ProjectID        int64
	PublicKey        string
	SecretKey        string
	Label            string
	IsActive         bool
	RateLimitCount   *int
	RateLimitSeconds *int
	CreatedAt        time.Time
}

func (r keyRow) key() project.Key {
	return project.Key{ID: r.ID, Project: r.ProjectID, PublicKey: r.PublicKey, SecretKey: r.SecretKey, Label: r.Label,
		Active: r.IsActive, RateLimit: r.limit(), CreatedAt: r.CreatedAt}
}

func (r keyRow) limit() *project.RateLimit {
	if r.RateLimitCount == nil || r.RateLimitSeconds == nil {
		return nil
	}
	return &project.RateLimit{Count: *r.RateLimitCount, Window: time.Duration(*r.RateLimitSeconds) * time.Second}
}

const sqlKeys = `
	select id, project_id, public_key, secret_key, label, is_active, rate_limit_count, rate_limit_seconds, created_at
	from client_keys where project_id = @project order by created_at, id limit 1000`

// Keys lists a project's client keys, oldest first.
func (st *Store) Keys(ctx context.Context, project int64) ([]project.Key, error) {
	rows, _ := st.db.Query(ctx, sqlKeys, pgx.StrictNamedArgs{"project": project})
	return collectKeys(rows, "list the keys of project %d", project)
}

func collectKeys(rows pgx.Rows, format string, args ...any) ([]project.Key, error) {
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[keyRow])
	list := make([]project.Key, len(found))
	for i, r := range found {
		list[i] = r.key()
	}
	return list, translate(err, format, args...)
}

const sqlSnapshotProjects = `
	select p.id, p.organization_id, p.slug, p.settings, o.settings, coalesce(a.revision, 0)
	from projects p join organizations o on o.id = p.organization_id left join artifact_states a on a.project_id = p.id
	where p.deleted_at is null order by p.id`

const sqlSnapshotKeys = `
	select id, project_id, public_key, secret_key, label, is_active, rate_limit_count, rate_limit_seconds, created_at
	from client_keys order by project_id, id`

// Snapshots returns what ingest knows of every project, by id: what is to be published.
func (st *Store) Snapshots(ctx context.Context) ([]project.Snapshot, error) {
	var list []project.Snapshot
	err := st.read(ctx, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, sqlSnapshotKeys)
		keys, err := collectKeys(rows, "read the client keys")
		if err != nil {
			return err
		}
		byProject := make(map[int64][]project.SnapshotKey)
		for _, k := range keys {
			byProject[k.Project] = append(byProject[k.Project], project.SnapshotKey{ID: k.ID, PublicKey: k.PublicKey, Active: k.Active, RateLimit: k.RateLimit})
		}
		rows, _ = tx.Query(ctx, sqlSnapshotProjects)
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (s project.Snapshot, err error) {
			var settings, orgSettings []byte
			if err := row.Scan(&s.Project, &s.Organization, &s.Slug, &settings, &orgSettings, &s.Artifacts); err != nil {
				return s, err
			}
			var ofOrg project.OrganizationSettings
			if err := json.Unmarshal(orgSettings, &ofOrg); err != nil {
				return s, err
			}
			s.Keys, s.Quotas = byProject[s.Project], ofOrg.Quotas
			return s, json.Unmarshal(settings, &s.Settings)
		})
		return err
	})
	return list, translate(err, "read the projects")
}

const sqlKeyProject = `
	select k.project_id from client_keys k join projects p on p.id = k.project_id
	where k.public_key = @public and p.organization_id = @org and p.deleted_at is null`

// KeyByPublic returns the project of an organization whose client key this is; 0 when none has it.
func (st *Store) KeyByPublic(ctx context.Context, org int64, public string) (int64, error) {
	var id int64
	err := translate(st.db.QueryRow(ctx, sqlKeyProject, pgx.StrictNamedArgs{"public": public, "org": org}).Scan(&id), "find a client key")
	if fault.KindOf(err) == fault.Unknown {
		return 0, nil
	}
	return id, err
}
