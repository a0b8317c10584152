package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/project"
)

const (
	sqlDueReports = `
		select m.organization_id, o.slug as org, o.name as org_name, u.id, u.name, u.email
		from memberships m join users u on u.id = m.user_id join organizations o on o.id = m.organization_id
		where u.is_active and m.is_active and u.email like '%@%' and m.created_at < @week
			and not exists (select from weekly_reports r where r.organization_id = m.organization_id and r.user_id = m.user_id and r.week = @week::timestamptz::date)
		order by m.organization_id, u.id limit @limit`

	sqlTakeReport = `
		insert into weekly_reports (organization_id, user_id, week) values (@org, @user, @week::timestamptz::date) on conflict do nothing`

	sqlDropWeeklyReports = `delete from weekly_reports where week < @week::timestamptz::date - 90`

	// An issue counts by its hours; activities say what became of issues.
	sqlProjectWeeks = `
		select p.id as project, p.slug, p.name,
			coalesce((select sum(h.times_seen) from issues i join issue_hours h on h.project_id = i.project_id and h.issue_id = i.id
				where i.project_id = p.id and i.last_seen >= @from and h.hour >= @from and h.hour < @to), 0)::bigint as events,
			coalesce((select sum(h.times_seen) from issues i join issue_hours h on h.project_id = i.project_id and h.issue_id = i.id
				where i.project_id = p.id and i.last_seen >= @before and h.hour >= @before and h.hour < @from), 0)::bigint as before,
			(select count(*) from issues i where i.project_id = p.id and i.first_seen >= @from and i.first_seen < @to) as new,
			(select count(distinct a.issue_id) from activities a join issues i on i.project_id = a.project_id and i.id = a.issue_id
				where a.project_id = p.id and a.type = 'set_regression' and a.created_at >= @from and a.created_at < @to) as regressed,
			(select count(*) from issues i where i.project_id = p.id and i.status = 1 and exists (select from activities a
				where a.project_id = i.project_id and a.issue_id = i.id and a.type like 'set_resolved%' and a.created_at >= @from and a.created_at < @to)) as resolved
		from projects p where p.organization_id = @org and p.deleted_at is null
		order by events desc, p.id limit 200`

	sqlWeekIssues = `
		select i.number, i.title, sum(h.times_seen)::bigint as events, i.first_seen >= @from as new
		from issues i join issue_hours h on h.project_id = i.project_id and h.issue_id = i.id
		where i.project_id = @project and i.last_seen >= @from and h.hour >= @from and h.hour < @to and i.status <> 2
		group by i.id, i.number, i.title, i.first_seen order by events desc, i.id limit @limit`
)

// DueReport is a member whose weekly report was not taken up yet.
type DueReport struct {
	OrganizationID int64
	Org            string
	OrgName        string
	Recipient
}

// DueReports lists members whose report of the week that ended at a moment is due.
func (st *Store) DueReports(ctx context.Context, week time.Time, limit int) ([]DueReport, error) {
	rows, _ := st.db.Query(ctx, sqlDueReports, pgx.StrictNamedArgs{"week": week, "limit": limit}) // Collect reports a failed Query
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[DueReport])
	return list, translate(err, "list due weekly reports")
}

// TakeReport notes that a member's report of a week is done with and queues its message, when there
// is one, both or neither. taken is false when somebody else took it.
func (st *Store) TakeReport(ctx context.Context, r *DueReport, week time.Time, jobs []alert.Job) (taken bool, err error) {
	err = retry(ctx, func() error {
		return pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, sqlTakeReport, pgx.StrictNamedArgs{"org": r.OrganizationID, "user": r.ID, "week": week})
			if taken = tag.RowsAffected() == 1; err != nil || !taken || len(jobs) == 0 {
				return err
			}
			_, err = enqueue(ctx, tx, jobs)
			return err
		})
	})
	return taken, translate(err, "queue a weekly report")
}

// DropReports forgets reports of long ago.
func (st *Store) DropReports(ctx context.Context, week time.Time) error {
	_, err := st.db.Exec(ctx, sqlDropWeeklyReports, pgx.StrictNamedArgs{"week": week})
	return translate(err, "forget weekly reports")
}

// ProjectWeeks counts what happened in the projects of an organization in the week up to a moment;
// those with most events come first.
func (st *Store) ProjectWeeks(ctx context.Context, org int64, to time.Time) ([]alert.ProjectWeek, error) {
	from := to.AddDate(0, 0, -7)
	var list []alert.ProjectWeek
	err := st.read(ctx, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, sqlProjectWeeks, pgx.StrictNamedArgs{"org": org, "before": from.AddDate(0, 0, -7), "from": from, "to": to})
		var err error
		if list, err = pgx.CollectRows(rows, pgx.RowToStructByNameLax[alert.ProjectWeek]); err != nil {
			return err
		}
		for i := range list[:min(len(list), 2*alert.MaxReportProjects)] {
			w := &list[i]
			rows, _ := tx.Query(ctx, sqlWeekIssues, pgx.StrictNamedArgs{"project": w.Project, "from": from, "to": to, "limit": alert.MaxReportIssues})
			if w.Top, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (t alert.ReportIssue, err error) {
				var number int64
				err = row.Scan(&number, &t.Title, &t.Events, &t.New)
				t.ShortID = project.ShortID(w.Slug, number)
				return t, err
			}); err != nil {
				return err
			}
		}
		return nil
	})
	return list, translate(err, "count the week of organization %d", org)
}
