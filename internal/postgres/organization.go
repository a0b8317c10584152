package postgres

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/project"
)

const (
	sqlInsertOrganization = `insert into organizations (id, slug, name) values (@id, @slug, @name) returning id, slug, name, created_at`

	sqlOrganizationByID = `select id, slug, name, created_at, settings from organizations where id = @id`

	sqlLockOrganization = `select id, slug, name, created_at, settings from organizations where id = @id for update`

	sqlPutOrganization = `update organizations set slug = @slug, name = @name, settings = @settings where id = @id`
)

// CreateOrganization makes an organization that a user owns. fault.Conflict: the slug is taken.
func (st *Store) CreateOrganization(ctx context.Context, slug, name string, owner int64) (o project.Organization, err error) {
	if err := account.CheckSlug(slug); err != nil {
		return o, err
	}
	if err := account.CheckName(name); err != nil {
		return o, err
	}
	err = pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
		row := tx.QueryRow(ctx, sqlInsertOrganization, pgx.StrictNamedArgs{"id": NewID(), "slug": slug, "name": name})
		if err := row.Scan(&o.ID, &o.Slug, &o.Name, &o.CreatedAt); err != nil {
			return translate(err, "An organization with this slug already exists.")
		}
		_, err := tx.Exec(ctx, sqlInsertMembership, pgx.StrictNamedArgs{"org": o.ID, "user": owner, "role": account.RoleOwner})
		return err
	})
	return o, translate(err, "create an organization")
}

// Organization returns an organization with its settings. fault.Unknown: there is none of that id.
func (st *Store) Organization(ctx context.Context, id int64) (o project.Organization, s project.OrganizationSettings, err error) {
	var text []byte
	err = st.db.QueryRow(ctx, sqlOrganizationByID, pgx.StrictNamedArgs{"id": id}).Scan(&o.ID, &o.Slug, &o.Name, &o.CreatedAt, &text)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	return o, s, translate(err, "The requested resource does not exist")
}

// ChangeOrganization applies a change to an organization's name, slug and settings, one at a time.
// An error of the change leaves all as it was. fault.Conflict: the slug is taken.
func (st *Store) ChangeOrganization(ctx context.Context, id int64, change func(*project.Organization, *project.OrganizationSettings) error) error {
	return st.configure(ctx, func(tx pgx.Tx) error {
		var text []byte
		var o project.Organization
		var s project.OrganizationSettings
		row := tx.QueryRow(ctx, sqlLockOrganization, pgx.StrictNamedArgs{"id": id})
		if err := row.Scan(&o.ID, &o.Slug, &o.Name, &o.CreatedAt, &text); err != nil {
			return translate(err, "The requested resource does not exist")
		}
		if err := json.Unmarshal(text, &s); err != nil {
			return fault.Wrap(err, fault.Internal, "read the settings of organization %d", id)
		}
		if err := change(&o, &s); err != nil {
			return err
		}
		if err := account.CheckSlug(o.Slug); err != nil {
			return err
		}
		if err := account.CheckName(o.Name); err != nil {
			return err
		}
		settings, err := json.Marshal(s)
		if err != nil {
			return fault.Wrap(err, fault.Internal, "encode settings")
		}
		_, err = tx.Exec(ctx, sqlPutOrganization, pgx.StrictNamedArgs{"id": id, "slug": o.Slug, "name": o.Name, "settings": settings})
		return translate(err, "An organization with this slug already exists.")
	})
}

const (
	sqlDeleteProject = `update projects set deleted_at = now(), slug = slug || '-deleted-' || id::text where organization_id = @org and id = @id and deleted_at is null`

	sqlDropProjectTeams = `delete from team_projects where organization_id = @org and project_id = @id`

	sqlTransferProject = `
	update projects set organization_id = @to where organization_id = @org and id = @id and deleted_at is null`
)

// DeleteProject takes a project away: its keys stop working and nothing of it is shown any more.
// fault.Unknown: the organization has no such project.
func (st *Store) DeleteProject(ctx context.Context, org, id int64) error {
	return st.configure(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sqlDeleteProject, pgx.StrictNamedArgs{"org": org, "id": id})
		if err != nil || tag.RowsAffected() == 0 {
			return changed(0, err, "delete a project")
		}
		_, err = tx.Exec(ctx, sqlDropProjectTeams, pgx.StrictNamedArgs{"org": org, "id": id})
		return err
	})
}

// TransferProject gives a project to another organization, with everything it holds; no team of
// the old one keeps access. fault.Conflict: the new one has a project of that slug.
func (st *Store) TransferProject(ctx context.Context, org, id, to int64) error {
	return st.configure(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sqlTransferProject, pgx.StrictNamedArgs{"org": org, "id": id, "to": to})
		if err != nil || tag.RowsAffected() == 0 {
			return changed(0, err, "The other organization has a project with this slug.")
		}
		_, err = tx.Exec(ctx, sqlDropProjectTeams, pgx.StrictNamedArgs{"org": org, "id": id})
		return err
	})
}

const (
	sqlKeepSlug = `
	insert into project_redirects (organization_id, slug, project_id)
	select organization_id, slug, id from projects where organization_id = @org and id = @id and deleted_at is null and slug <> @slug
	on conflict (organization_id, slug) do update set project_id = excluded.project_id, created_at = now()`

	sqlDropRedirect = `delete from project_redirects where organization_id = @org and slug = @slug`

	sqlChangeProject = `
	update projects set slug = @slug, name = @name, platform = @platform where organization_id = @org and id = @id and deleted_at is null`
)

// ChangeProject gives a project another slug, name and platform. Short ids of its issues follow the slug;
// the old one goes on leading to it until another project takes it. fault.Invalid: a part cannot be one. fault.Conflict: the organization
// has a project of that slug. fault.Unknown: it has no such project.
func (st *Store) ChangeProject(ctx context.Context, org, id int64, slug, name, platform string) error {
	if !validSlug.MatchString(slug) || len(slug) > 100 {
		return fault.New(fault.Invalid, "A slug has 1 to 100 of a-z, 0-9, _ and -, and is not a number.")
	}
	if err := account.CheckName(name); err != nil {
		return err
	}
	if len(platform) > 64 {
		return fault.New(fault.Invalid, "A platform has at most 64 characters.")
	}
	return st.configure(ctx, func(tx pgx.Tx) error {
		args := pgx.StrictNamedArgs{"org": org, "id": id, "slug": slug}
		if _, err := tx.Exec(ctx, sqlKeepSlug, args); err != nil {
			return err
		}
		delete(args, "id")
		if _, err := tx.Exec(ctx, sqlDropRedirect, args); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, sqlChangeProject, pgx.StrictNamedArgs{"org": org, "id": id, "slug": slug, "name": name, "platform": platform})
		return changed(tag.RowsAffected(), err, "A project with this slug already exists.")
	})
}
