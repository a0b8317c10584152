package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/alert"
)

const (
	// The word about one project counts more than the one about all; silence is a yes.
	sqlWantsMail = `
		select coalesce((select is_on from notification_settings
			where user_id = @user and project_id in (0, @project) and topic = @topic and channel = 'email'
			order by project_id desc limit 1), true)`
	sqlNotificationSettings = `
		select project_id, topic, is_on from notification_settings where user_id = @user and channel = 'email' order by project_id, topic`
	sqlPutNotificationSetting = `
		insert into notification_settings (user_id, project_id, topic, is_on) values (@user, @project, @topic, @on)
		on conflict (user_id, project_id, topic, channel) do update set is_on = excluded.is_on, updated_at = now()`
	sqlDropNotificationSetting = `
		delete from notification_settings where user_id = @user and project_id = @project and topic = @topic and channel = 'email'`
	sqlSubscribers = `
		select u.id, u.name, u.email from issue_people s join users u on u.id = s.user_id
		join projects p on p.id = s.project_id join organizations o on o.id = p.organization_id
		join memberships m on m.organization_id = p.organization_id and m.user_id = u.id
		where s.project_id = @project and s.issue_id = @issue and s.is_subscribed and u.is_active and m.is_active and ` + sqlReachesPart + `
			and u.email like '%@%' order by u.id limit 1000`
)

// WantsMail reports whether a user wants mail about a topic in a project (0: in no one in particular).
func (st *Store) WantsMail(ctx context.Context, user, project int64, topic alert.Topic) (bool, error) {
	var wanted bool
	err := st.db.QueryRow(ctx, sqlWantsMail, pgx.StrictNamedArgs{"user": user, "project": project, "topic": topic}).Scan(&wanted)
	return wanted, translate(err, "read what user %d wants to hear of", user)
}

// NotificationSetting is one word of a user about a topic.
type NotificationSetting struct {
	ProjectID int64 // zero: all
	Topic     alert.Topic
	IsOn      bool
}

// NotificationSettings lists what a user said about mail.
func (st *Store) NotificationSettings(ctx context.Context, user int64) ([]NotificationSetting, error) {
	rows, _ := st.db.Query(ctx, sqlNotificationSettings, pgx.StrictNamedArgs{"user": user}) // Collect reports a failed Query
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[NotificationSetting])
	return list, translate(err, "read what user %d wants to hear of", user)
}

// SetNotification stores a user's word about a topic; on nil takes it back.
func (st *Store) SetNotification(ctx context.Context, user, project int64, topic alert.Topic, on *bool) error {
	args := pgx.StrictNamedArgs{"user": user, "project": project, "topic": topic}
	query := sqlDropNotificationSetting
	if on != nil {
		query, args["on"] = sqlPutNotificationSetting, *on
	}
	_, err := st.db.Exec(ctx, query, args)
	return translate(err, "store what user %d wants to hear of", user)
}

// Subscribe makes a user hear of what happens to an issue, unless they said no before.
func (st *Store) Subscribe(ctx context.Context, project, issueID, user int64, reason string) error {
	_, err := st.db.Exec(ctx, sqlSubscribe, pgx.StrictNamedArgs{"project": project, "issue": issueID, "user": user, "reason": reason})
	return translate(err, "subscribe user %d to issue %d", user, issueID)
}

// Subscribers lists who hears of what happens to an issue.
func (st *Store) Subscribers(ctx context.Context, project, issueID int64) ([]Recipient, error) {
	rows, _ := st.db.Query(ctx, sqlSubscribers, pgx.StrictNamedArgs{"project": project, "issue": issueID}) // Collect reports a failed Query
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Recipient])
	return list, translate(err, "list the subscribers of issue %d", issueID)
}

// sqlReachesPart is whether a membership m of organization o gives access to project p, as sqlReachPart
// lists it.
const sqlReachesPart = `(m.role in ('owner', 'manager') or not coalesce((o.settings->>'closed_membership')::boolean, false)
	or exists (select from team_members tm join team_projects tp on tp.organization_id = tm.organization_id and tp.team_id = tm.team_id
		where tm.organization_id = o.id and tm.user_id = m.user_id and tp.project_id = p.id))`

const sqlProjectMembers = `
	select u.id, u.name, u.email from projects p join organizations o on o.id = p.organization_id
	join memberships m on m.organization_id = p.organization_id join users u on u.id = m.user_id
	where p.id = @project and u.is_active and m.is_active and ` + sqlReachesPart + ` order by u.id limit 1000`

// ProjectMembers lists the active members of the organization who may see the project.
func (st *Store) ProjectMembers(ctx context.Context, project int64) ([]Recipient, error) {
	rows, _ := st.db.Query(ctx, sqlProjectMembers, pgx.StrictNamedArgs{"project": project}) // Collect reports a failed Query
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Recipient])
	return list, translate(err, "list the members around project %d", project)
}

const sqlTeamUsers = `
	select m.user_id from projects p join team_members m on m.organization_id = p.organization_id and m.team_id = @team
	where p.id = @project order by m.user_id limit 1000`

// TeamUsers lists the users of a team of the project's organization.
func (st *Store) TeamUsers(ctx context.Context, project, team int64) ([]int64, error) {
	rows, _ := st.db.Query(ctx, sqlTeamUsers, pgx.StrictNamedArgs{"project": project, "team": team}) // Collect reports a failed Query
	list, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	return list, translate(err, "list the users of team %d", team)
}
