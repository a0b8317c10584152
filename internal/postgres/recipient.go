package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/alert"
)

// Recipient is a member whom a message may go to.
type Recipient struct {
	ID    int64
	Name  string
	Email string
}

// activeWithin is how lately a member signed in to count as active.
const activeWithin = 30 * 24 * time.Hour

// fallLimit is how many members an alert without owners goes to at most.
const fallLimit = 20

const memberColumns = `
	select u.id, u.name, u.email
	from projects p join memberships m on m.organization_id = p.organization_id join users u on u.id = m.user_id
	where p.id = @project and u.is_active and m.is_active and u.email like '%@%' `

const (
	sqlRecipients       = memberColumns + `and u.id = any(@users::bigint[]) order by u.id`
	sqlActiveRecipients = memberColumns + `and u.last_login_at > @since order by u.last_login_at desc limit @limit`
	sqlAllRecipients    = memberColumns + `order by u.id limit @limit`
	sqlManagers         = `
		select u.id, u.name, u.email from memberships m join users u on u.id = m.user_id
		where m.organization_id = @organization and m.role in ('owner', 'manager') and u.is_active and m.is_active and u.email like '%@%'
		order by u.id limit 50`
)

// Recipients returns those of the users that are active members of the project's organization.
func (st *Store) Recipients(ctx context.Context, project int64, users []int64) ([]Recipient, error) {
	rows, _ := st.db.Query(ctx, sqlRecipients, pgx.StrictNamedArgs{"project": project, "users": users}) // Collect reports a failed Query
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Recipient])
	return list, translate(err, "read recipients of project %d", project)
}

// FallRecipients returns whom an alert without owners goes to.
func (st *Store) FallRecipients(ctx context.Context, project int64, fall alert.Fallthrough, now time.Time) ([]Recipient, error) {
	query, args := sqlActiveRecipients, pgx.StrictNamedArgs{"project": project, "limit": fallLimit}
	switch fall {
	case alert.FallNobody:
		return nil, nil
	case alert.FallAll:
		query, args["limit"] = sqlAllRecipients, 1000
	default:
		args["since"] = now.Add(-activeWithin)
	}
	rows, _ := st.db.Query(ctx, query, args) // Collect reports a failed Query
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Recipient])
	return list, translate(err, "read recipients of project %d", project)
}

// Managers lists who looks after an organization.
func (st *Store) Managers(ctx context.Context, organization int64) ([]Recipient, error) {
	rows, _ := st.db.Query(ctx, sqlManagers, pgx.StrictNamedArgs{"organization": organization}) // Collect reports a failed Query
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Recipient])
	return list, translate(err, "list the managers of organization %d", organization)
}

const sqlSpokenLanes = `
	select distinct on (lane) lane, coalesce(destination_id, 0) as destination, channel, target
	from deliveries
	where project_id = @project and issue_id = @issue and kind in ('alert', 'escalation') and state = 1 and channel = any(@channels::text[])
	order by lane, id desc`

// SpokenLane is where an issue was told of.
type SpokenLane struct {
	Lane        string
	Destination int64
	Channel     string
	Target      string
}

// SpokenLanes lists the destinations of some channels that were sent an alert about an issue.
func (st *Store) SpokenLanes(ctx context.Context, project, issueID int64, channels []string) ([]SpokenLane, error) {
	rows, _ := st.db.Query(ctx, sqlSpokenLanes, pgx.StrictNamedArgs{"project": project, "issue": issueID, "channels": channels})
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[SpokenLane])
	return list, translate(err, "list where issue %d was told of", issueID)
}
