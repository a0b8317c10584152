package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

const sqlTeamsPart = `
	select t.id, t.slug, t.name, t.external_id, t.created_at,
		(select count(*) from team_members m where m.organization_id = t.organization_id and m.team_id = t.id) as member_count,
		array(select p.project_id from team_projects p join projects j on j.id = p.project_id and j.deleted_at is null
			where p.organization_id = t.organization_id and p.team_id = t.id order by p.project_id) as projects,
		coalesce((select m.role from team_members m where m.organization_id = t.organization_id and m.team_id = t.id and m.user_id = @me), '') as my_role
	from teams t where t.organization_id = @org`

const (
	sqlTeams = sqlTeamsPart + ` order by t.slug limit 1000`
	sqlTeam  = sqlTeamsPart + ` and (t.slug = @name or t.id::text = @name)`
)

type teamRow struct {
	ID          int64
	Slug        string
	Name        string
	ExternalID  string
	CreatedAt   time.Time
	MemberCount int
	Projects    []int64
	MyRole      string
}

func (r teamRow) team() account.Team {
	return account.Team{ID: r.ID, Slug: r.Slug, Name: r.Name, ExternalID: r.ExternalID, CreatedAt: r.CreatedAt, MemberCount: r.MemberCount,
		Projects: r.Projects, Mine: r.MyRole != "", MyRole: account.TeamRole(r.MyRole)}
}

func rowToTeam(row pgx.CollectableRow) (account.Team, error) {
	r, err := pgx.RowToStructByName[teamRow](row)
	return r.team(), err
}

// Teams lists an organization's teams by slug; me is the user whose place in them is told.
func (st *Store) Teams(ctx context.Context, org, me int64) ([]account.Team, error) {
	rows, _ := st.db.Query(ctx, sqlTeams, pgx.StrictNamedArgs{"org": org, "me": me})
	list, err := pgx.CollectRows(rows, rowToTeam)
	return list, translate(err, "list the teams of organization %d", org)
}

// Team returns the team of an organization that a path names by id or slug. fault.Unknown: it has
// none of that name.
func (st *Store) Team(ctx context.Context, org int64, name string, me int64) (account.Team, error) {
	rows, _ := st.db.Query(ctx, sqlTeam, pgx.StrictNamedArgs{"org": org, "name": name, "me": me})
	t, err := pgx.CollectExactlyOneRow(rows, rowToTeam)
	return t, translate(err, "The requested resource does not exist")
}

const sqlInsertTeam = `
	insert into teams (organization_id, id, slug, name, external_id) values (@org, @id, @slug, @name, @external)`

// CreateTeam makes a team. fault.Conflict: the organization has one of that slug.
func (st *Store) CreateTeam(ctx context.Context, org int64, slug, name, external string) (account.Team, error) {
	if err := account.CheckSlug(slug); err != nil {
		return account.Team{}, err
	}
	if err := account.CheckName(name); err != nil {
		return account.Team{}, err
	}
	t := account.Team{ID: NewID(), Slug: slug, Name: name, ExternalID: external, CreatedAt: time.Now().UTC()}
	_, err := st.db.Exec(ctx, sqlInsertTeam, pgx.StrictNamedArgs{"org": org, "id": t.ID, "slug": slug, "name": name, "external": external})
	return t, translate(err, "A team with this slug already exists.")
}

const sqlUpdateTeam = `
	update teams set slug = @slug, name = @name, external_id = @external where organization_id = @org and id = @id`

// UpdateTeam renames a team. fault.Conflict: the organization has another one of that slug.
func (st *Store) UpdateTeam(ctx context.Context, org int64, t account.Team) error {
	if err := account.CheckSlug(t.Slug); err != nil {
		return err
	}
	if err := account.CheckName(t.Name); err != nil {
		return err
	}
	tag, err := st.db.Exec(ctx, sqlUpdateTeam, pgx.StrictNamedArgs{"org": org, "id": t.ID, "slug": t.Slug, "name": t.Name, "external": t.ExternalID})
	return changed(tag.RowsAffected(), err, "A team with this slug already exists.")
}

// changed is fault.Unknown when a statement that was to change one row changed none.
func changed(rows int64, err error, text string) error {
	if err == nil && rows == 0 {
		return errNoResource()
	}
	return translate(err, "%s", text)
}

const sqlDeleteTeam = `delete from teams where organization_id = @org and id = @id`

// DeleteTeam takes a team away; its members and projects stay.
func (st *Store) DeleteTeam(ctx context.Context, org, id int64) error {
	tag, err := st.db.Exec(ctx, sqlDeleteTeam, pgx.StrictNamedArgs{"org": org, "id": id})
	return changed(tag.RowsAffected(), err, "delete a team")
}

const sqlPutTeamMember = `
	insert into team_members (organization_id, team_id, user_id, role) values (@org, @team, @user, @role)
	on conflict (organization_id, team_id, user_id) do update set role = excluded.role
	returning (xmax = 0)`

// PutTeamMember makes a member of the organization one of a team, or changes their role in it;
// added is false when they were in it before. fault.Unknown: no such member or team.
func (st *Store) PutTeamMember(ctx context.Context, org, team, user int64, role account.TeamRole) (added bool, err error) {
	if !role.Valid() {
		return false, fault.New(fault.Invalid, "A role in a team is contributor or admin.")
	}
	err = st.db.QueryRow(ctx, sqlPutTeamMember, pgx.StrictNamedArgs{"org": org, "team": team, "user": user, "role": role}).Scan(&added)
	if codeOf(err) == codeForeignKey {
		return false, errNoResource()
	}
	return added, translate(err, "put a member into a team")
}

const sqlDeleteTeamMember = `
	delete from team_members where organization_id = @org and team_id = @team and user_id = @user`

// DeleteTeamMember takes a member out of a team; fault.Unknown: they are not in it.
func (st *Store) DeleteTeamMember(ctx context.Context, org, team, user int64) error {
	tag, err := st.db.Exec(ctx, sqlDeleteTeamMember, pgx.StrictNamedArgs{"org": org, "team": team, "user": user})
	return changed(tag.RowsAffected(), err, "take a member out of a team")
}

const sqlPutTeamProject = `
	insert into team_projects (organization_id, team_id, project_id)
	select @org, @team, p.id from projects p where p.organization_id = @org and p.id = @project and p.deleted_at is null
	on conflict do nothing`

// PutTeamProject gives a team access to one of the organization's projects.
func (st *Store) PutTeamProject(ctx context.Context, org, team, project int64) error {
	_, err := st.db.Exec(ctx, sqlPutTeamProject, pgx.StrictNamedArgs{"org": org, "team": team, "project": project})
	if codeOf(err) == codeForeignKey {
		return errNoResource()
	}
	return translate(err, "give a team access to project %d", project)
}

const sqlDeleteTeamProject = `
	delete from team_projects where organization_id = @org and team_id = @team and project_id = @project`

// DeleteTeamProject takes a team's access to a project away.
func (st *Store) DeleteTeamProject(ctx context.Context, org, team, project int64) error {
	tag, err := st.db.Exec(ctx, sqlDeleteTeamProject, pgx.StrictNamedArgs{"org": org, "team": team, "project": project})
	return changed(tag.RowsAffected(), err, "take a team's access away")
}

const codeForeignKey = "23503" // foreign_key_violation
