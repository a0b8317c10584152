package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/project"
)

// moveRows is how many issues are moved on in one transaction.
const moveRows = 500

const sqlLiveProjects = `
	select p.id, p.organization_id, o.slug, p.slug, p.name, p.settings
	from projects p join organizations o on o.id = p.organization_id where p.deleted_at is null order by p.id`

// MoveIssues lets time take its course: new, regressed and escalating issues become ongoing, those
// that nobody saw for long are resolved, those that are seen far more often than before escalate, and so
// do those that were archived until as many users are affected as are by now,
// and young ones are assigned to the authors of suspect commits. Doing it twice changes nothing.
func (st *Store) MoveIssues(ctx context.Context, now time.Time) error {
	rows, _ := st.db.Query(ctx, sqlLiveProjects)
	projects, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p project.Project, err error) {
		var settings []byte
		if err := row.Scan(&p.ID, &p.OrganizationID, &p.Organization, &p.Slug, &p.Name, &settings); err != nil {
			return p, err
		}
		return p, json.Unmarshal(settings, &p.Settings)
	})
	if err != nil {
		return translate(err, "list the projects")
	}
	for _, p := range projects {
		if err := st.moveProject(ctx, p, now); err != nil {
			return translate(err, "move the issues of project %d on", p.ID)
		}
	}
	if _, err := st.AssignSuspects(ctx, now); err != nil {
		return err
	}
	_, err = st.db.Exec(ctx, sqlForgetUndo, pgx.StrictNamedArgs{"before": now.Add(-undoWithin)})
	return translate(err, "forget what can no more be taken back")
}

// Rows are taken in the order in which RecordEvents locks them; those that are being recorded are
// left to the next call.
const (
	moveFrom = `select ` + issueFields + ` from issues i where i.project_id = @project and `
	moveTo   = ` order by i.id limit @limit for update skip locked`

	sqlRestlessIssues = moveFrom + `i.status = @status and i.substatus = any(@substatuses::smallint[]) and coalesce(i.status_at, i.first_seen) < @before` + moveTo
	sqlUnseenIssues   = moveFrom + `i.status = @status and i.last_seen < @before` + moveTo
	sqlYoungIssues    = moveFrom + `i.status = @status and i.substatus = @substatus and i.first_seen > @after and i.times_seen >= @count
		and i.times_seen > @threshold::float8 * greatest(1, extract(epoch from @now::timestamptz - i.first_seen) / 3600)` + moveTo
	sqlAffectedIssues = moveFrom + `i.status = @status and i.substatus = @substatus and (i.snooze->>'user_count')::bigint > 0
		and coalesce((i.snooze->>'user_window')::bigint, 0) = 0
		and i.user_count - coalesce((i.snooze->>'base_users')::bigint, 0) >= (i.snooze->>'user_count')::bigint` + moveTo
	sqlWaitingIssues = moveFrom + `i.status = @status and i.substatus = @substatus and i.last_seen >= @hour and i.first_seen <= @before
		and i.id > @after` + moveTo
)

func (st *Store) moveProject(ctx context.Context, p project.Project, now time.Time) error {
	settle := func(_ context.Context, _ pgx.Tx, _ *pgx.Batch, r *IssueRow) (issue.State, issue.Step, error) {
		s, acts := r.state().Settle(now)
		return s, issue.Step{Activities: acts}, nil
	}
	if err := st.move(ctx, p, now, sqlRestlessIssues, pgx.NamedArgs{"status": int16(issue.Unresolved), "before": now.Add(-issue.SettleAfter),
		"substatuses": []int16{int16(issue.New), int16(issue.Regressed), int16(issue.Escalating)}}, settle); err != nil {
		return err
	}
	if age := p.Settings.ResolveAge; age > 0 {
		expire := func(_ context.Context, _ pgx.Tx, _ *pgx.Batch, r *IssueRow) (issue.State, issue.Step, error) {
			s, acts := r.state().Expire(age, now)
			return s, issue.Step{Activities: acts}, nil
		}
		if err := st.move(ctx, p, now, sqlUnseenIssues, pgx.NamedArgs{"status": int16(issue.Unresolved), "before": now.Add(-time.Duration(age) * time.Hour)}, expire); err != nil {
			return err
		}
	}
	affected := func(ctx context.Context, tx pgx.Tx, _ *pgx.Batch, r *IssueRow) (issue.State, issue.Step, error) {
		id, err := latestEvent(ctx, tx, r.Project, r.ID)
		s, step := r.state().Affected(id, now)
		return s, step, err
	}
	if err := st.move(ctx, p, now, sqlAffectedIssues, pgx.NamedArgs{"status": int16(issue.Archived), "substatus": int16(issue.UntilCondition)}, affected); err != nil {
		return err
	}
	if err := st.escalateYoung(ctx, p, now); err != nil {
		return err
	}
	return st.escalateArchived(ctx, p, now)
}

// mover decides what becomes of one issue that is locked; it may queue writes of its own.
type mover func(ctx context.Context, tx pgx.Tx, b *pgx.Batch, r *IssueRow) (issue.State, issue.Step, error)

// move takes the issues of a project that a statement finds through a step, some hundred in a
// transaction, until it finds none that changes. A statement that names @after gets the last id.
func (st *Store) move(ctx context.Context, p project.Project, now time.Time, sql string, args pgx.NamedArgs, step mover) error {
	args["project"], args["limit"] = p.ID, moveRows
	for more := true; more; {
		err := retry(ctx, func() error {
			return pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
				rows, _ := tx.Query(ctx, sql, args)
				list, _, err := collectIssueRows(rows, []project.Project{p})
				if err != nil {
					return err
				}
				more = len(list) == moveRows
				w, b := issueWrites{now: now}, &pgx.Batch{}
				for i := range list {
					if err := list[i].moveOn(ctx, tx, &w, b, p, step); err != nil {
						return err
					}
				}
				w.queue(b)
				if _, walks := args["after"].(int64); walks && more {
					args["after"] = list[len(list)-1].ID
				}
				return tx.SendBatch(ctx, b).Close()
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *IssueRow) moveOn(ctx context.Context, tx pgx.Tx, w *issueWrites, b *pgx.Batch, p project.Project, step mover) error {
	before := r.state()
	after, done, err := step(ctx, tx, b, r)
	if err != nil {
		return err
	}
	if err := w.add(r, before, after, done.Activities, p.Organization); err != nil || done.Change == "" {
		return err
	}
	c := r.change(done.Change, p.Organization, 0, w.now)
	c.Flags = done.Flags
	if c.EventID, err = latestEvent(ctx, tx, r.Project, r.ID); err != nil {
		return err
	}
	return w.tell(c)
}

const sqlLatestEventID = `
	select event_id from events where project_id = @project and issue_id = @issue order by received_at desc, event_id desc limit 1`

// latestEvent is the id of an issue's newest event; empty when none is kept.
func latestEvent(ctx context.Context, tx pgx.Tx, project, id int64) (string, error) {
	var uuid pgtype.UUID
	err := tx.QueryRow(ctx, sqlLatestEventID, pgx.StrictNamedArgs{"project": project, "issue": id}).Scan(&uuid)
	if fault.KindOf(translate(err, "")) == fault.Unknown && err != nil {
		return "", nil
	}
	return event.ID(uuid.Bytes).String(), err
}

const (
	sqlThreshold = `select per_hour from escalation_thresholds where project_id = @project and computed_at > @since`

	// Of issues that were seen more than once in a week: how often per hour the busiest twentieth is.
	sqlComputeThreshold = `
		with busy as (
			select sum(h.times_seen)::float8 / least(168, greatest(1, extract(epoch from @now::timestamptz - i.first_seen) / 3600)) as per_hour
			from issues i join issue_hours h on h.project_id = i.project_id and h.issue_id = i.id and h.hour >= @since
			where i.project_id = @project and i.status = any(@statuses::smallint[]) and i.last_seen >= @since and i.first_seen < @now::timestamptz - interval '1 hour'
			group by i.id, i.first_seen having sum(h.times_seen) > 1)
		insert into escalation_thresholds (project_id, per_hour, computed_at)
		select @project, coalesce(percentile_disc(0.95) within group (order by per_hour), 0), @now from busy
		on conflict (project_id) do update set per_hour = excluded.per_hour, computed_at = excluded.computed_at
		returning per_hour`
)

// escalateYoung makes new issues escalate that are seen more often than nearly all others.
// Rule: getsentry/sentry src/sentry/issues/escalating/escalating_issue_alg.py, issue_velocity.py
func (st *Store) escalateYoung(ctx context.Context, p project.Project, now time.Time) error {
	var threshold float64
	err := st.db.QueryRow(ctx, sqlThreshold, pgx.StrictNamedArgs{"project": p.ID, "since": now.Add(-issue.ForecastAge)}).Scan(&threshold)
	if fault.KindOf(translate(err, "")) == fault.Unknown && err != nil {
		err = st.db.QueryRow(ctx, sqlComputeThreshold, pgx.StrictNamedArgs{"project": p.ID, "now": now, "since": now.Add(-issue.ForecastHours * time.Hour),
			"statuses": []int16{int16(issue.Unresolved), int16(issue.Resolved), int16(issue.Archived)}}).Scan(&threshold)
	}
	if err != nil || threshold <= 0 {
		return err
	}
	return st.move(ctx, p, now, sqlYoungIssues, pgx.NamedArgs{"status": int16(issue.Unresolved), "substatus": int16(issue.New), "now": now,
		"after": now.Add(-issue.EscalateAfter), "count": issue.EscalateCount, "threshold": threshold},
		func(ctx context.Context, tx pgx.Tx, _ *pgx.Batch, r *IssueRow) (issue.State, issue.Step, error) {
			s := r.state()
			if !s.Outgrows(threshold, now) {
				return s, issue.Step{}, nil
			}
			id, err := latestEvent(ctx, tx, r.Project, r.ID)
			s, step := s.Escalate(id, int64(threshold), now)
			return s, step, err
		})
}

const (
	sqlHours = `
		select hour, times_seen from issue_hours where project_id = @project and issue_id = @issue and hour >= @since and hour <= @hour`

	sqlSetSnooze = `update issues set snooze = @snooze::text::jsonb where project_id = @project and id = @id`
)

// escalateArchived makes issues escalate that are archived until they do and were seen more often
// in this hour than their forecast says; a forecast that is a day old is made anew.
func (st *Store) escalateArchived(ctx context.Context, p project.Project, now time.Time) error {
	hour := now.Truncate(time.Hour)
	return st.move(ctx, p, now, sqlWaitingIssues, pgx.NamedArgs{"status": int16(issue.Archived), "substatus": int16(issue.UntilEscalating), "hour": hour,
		"before": now.Add(-issue.EscalateAfter), "after": int64(0)},
		func(ctx context.Context, tx pgx.Tx, b *pgx.Batch, r *IssueRow) (issue.State, issue.Step, error) {
			s := r.state()
			if s.Snooze == nil {
				return s, issue.Step{}, nil
			}
			past, current, err := hourlyCounts(ctx, tx, r, hour)
			if err != nil {
				return s, issue.Step{}, err
			}
			if z := s.Snooze; z.ForecastAt == nil || now.Sub(*z.ForecastAt) >= issue.ForecastAge {
				z.Forecast, z.ForecastAt = issue.Forecast(past), &now
				text, err := optionalJSON(z)
				if err != nil {
					return s, issue.Step{}, err
				}
				b.Queue(sqlSetSnooze, pgx.StrictNamedArgs{"snooze": text, "project": r.Project, "id": r.ID})
			}
			if !s.Exceeds(current, now) {
				return s, issue.Step{}, nil
			}
			id, err := latestEvent(ctx, tx, r.Project, r.ID)
			s, step := s.Escalate(id, s.Snooze.Forecast, now)
			return s, step, err
		})
}

// hourlyCounts are the events of an issue in each hour of the week before this one, since it was
// first seen, and in this one.
func hourlyCounts(ctx context.Context, tx pgx.Tx, r *IssueRow, hour time.Time) (past []int64, current int64, err error) {
	since := hour.Add(-issue.ForecastHours * time.Hour)
	if first := r.FirstSeen.UTC().Truncate(time.Hour); first.After(since) {
		since = first
	}
	past = make([]int64, int(hour.Sub(since)/time.Hour))
	rows, _ := tx.Query(ctx, sqlHours, pgx.StrictNamedArgs{"project": r.Project, "issue": r.ID, "since": since, "hour": hour})
	var at time.Time
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&at, &n}, func() error {
		if i := int(at.Sub(since) / time.Hour); i < len(past) {
			past[i] = n
		} else {
			current = n
		}
		return nil
	})
	return past, current, err
}
