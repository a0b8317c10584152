package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/issue"
)

// maxMoments is how many moments of each kind a preview looks at.
const maxMoments = 2000

const (
	sqlNewMoments = `
		select id as issue_id, first_seen as at, 'new' as kind, coalesce(first_release, '') as text, 1::bigint as count
		from issues where project_id = @project and first_seen >= @from order by first_seen desc limit @limit`
	sqlActivityMoments = `
		select issue_id, created_at as at, type as kind, coalesce(data ->> 'priority', '') as text, 1::bigint as count
		from activities where project_id = @project and created_at >= @from and type = any(@types::text[]) order by id desc limit @limit`
	sqlReleaseMoments = `
		select r.issue_id, r.first_seen as at, 'new_in_release' as kind, r.release as text, 1::bigint as count
		from issue_releases r join issues i on i.project_id = r.project_id and i.id = r.issue_id
		where r.project_id = @project and r.first_seen >= @from and r.first_seen > i.first_seen order by r.first_seen desc limit @limit`
	sqlEnvironmentMoments = `
		select e.issue_id, e.first_seen as at, 'new_in_environment' as kind, e.environment as text, 1::bigint as count
		from issue_environments e join issues i on i.project_id = e.project_id and i.id = e.issue_id
		where e.project_id = @project and e.first_seen >= @from and e.first_seen > i.first_seen and e.environment <> '' order by e.first_seen desc limit @limit`
	sqlHourMoments = `
		select issue_id, hour as at, 'seen' as kind, '' as text, times_seen as count
		from issue_hours where project_id = @project and hour >= @from order by hour desc limit @limit`
)

// Moment is something that happened to an issue and that a rule may have been about.
type Moment struct {
	IssueID int64
	At      time.Time
	Kind    string
	Text    string // release, environment or priority
	Count   int64  // events, of an hour
}

// activityKinds are the changes that entries of histories stand for.
var activityKinds = map[string]issue.ChangeKind{
	string(issue.ActivityRegression): issue.ChangeRegressed, string(issue.ActivityEscalating): issue.ChangeEscalating,
	string(issue.ActivityUnresolved): issue.ChangeReappeared, string(issue.ActivityResolved): issue.ChangeResolved,
	string(issue.ActivityResolvedInRelease): issue.ChangeResolved, string(issue.ActivityAssigned): issue.ChangeAssigned,
	string(issue.ActivityPriority): issue.ChangePriority, "note": issue.ChangeCommented,
}

// Moments lists what happened in a project since a time that changes of some kinds stand for,
// latest first within each kind.
func (st *Store) Moments(ctx context.Context, projectID int64, from time.Time, kinds map[issue.ChangeKind]bool) ([]Moment, error) {
	var types []string
	for t, k := range activityKinds {
		if kinds[k] {
			types = append(types, t)
		}
	}
	var list []Moment
	err := st.read(ctx, func(tx pgx.Tx) error {
		for kind, query := range map[issue.ChangeKind]string{issue.ChangeNew: sqlNewMoments, issue.ChangeInRelease: sqlReleaseMoments,
			issue.ChangeInEnvironment: sqlEnvironmentMoments, issue.ChangeSeen: sqlHourMoments, "activity": sqlActivityMoments} {
			args := pgx.StrictNamedArgs{"project": projectID, "from": from, "limit": maxMoments}
			if kind == "activity" {
				if args["types"] = types; len(types) == 0 {
					continue
				}
			} else if !kinds[kind] {
				continue
			}
			if kind == issue.ChangeSeen {
				args["limit"] = 10 * maxMoments
			}
			rows, _ := tx.Query(ctx, query, args) // Collect reports a failed Query
			found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Moment])
			if err != nil {
				return err
			}
			list = append(list, found...)
		}
		return nil
	})
	for i := range list {
		if k, ok := activityKinds[list[i].Kind]; ok {
			list[i].Kind = string(k)
		}
	}
	return list, translate(err, "read what happened in project %d", projectID)
}

const sqlReceipts = `
	select received_at, coalesce(user_key, '') as user_key from events
	where project_id = @project and issue_id = @issue and received_at >= @from and received_at < @to and (@environment::text = '' or environment = @environment)
	order by received_at limit @limit`

// Receipt is when an event of an issue came, and from whom.
type Receipt struct {
	ReceivedAt time.Time
	UserKey    string
}

// Receipts lists the first events of an issue in a stretch of time.
func (st *Store) Receipts(ctx context.Context, projectID, issueID int64, environment string, from, to time.Time, limit int) (list []Receipt, err error) {
	err = st.read(ctx, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, sqlReceipts, pgx.StrictNamedArgs{"project": projectID, "issue": issueID, "environment": environment,
			"from": from, "to": to, "limit": limit})
		list, err = pgx.CollectRows(rows, pgx.RowToStructByName[Receipt])
		return err
	})
	return list, translate(err, "read when events of issue %d came", issueID)
}

const sqlEventNear = issueEvents + ` and received_at <= @at::timestamptz order by received_at desc, event_id desc limit 1`

// EventAt reads the latest event of an issue up to a time, else its oldest; nil: there is none.
func (st *Store) EventAt(ctx context.Context, projectID, issueID int64, at time.Time) (*EventRow, error) {
	var places []eventPlace
	err := st.read(ctx, func(tx pgx.Tx) (err error) {
		args := pgx.NamedArgs{"project": projectID, "issue": issueID, "environments": []string(nil), "at": at}
		for _, query := range []string{sqlEventNear, sqlOldestEvent} {
			rows, _ := tx.Query(ctx, query, args)
			if places, err = pgx.CollectRows(rows, pgx.RowToStructByName[eventPlace]); err != nil || len(places) > 0 {
				return err
			}
		}
		return nil
	})
	if err != nil || len(places) == 0 {
		return nil, translate(err, "read an event of issue %d", issueID)
	}
	list, err := st.decoded(ctx, projectID, places)
	if err != nil {
		return nil, err
	}
	return &list[0], nil
}
