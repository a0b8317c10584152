package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/project"
)

// foldsAtOnce is how many digests one transaction makes.
const foldsAtOnce = 20

const (
	sqlDueFolds = `
		delete from alert_folds f using (
			select bucket from alert_folds where due_at <= now() order by due_at limit @limit for update skip locked) as due
		where f.bucket = due.bucket
		returning f.project_id, f.lane, f.digest_id`

	// What is not open any more, or whose rule is gone, need not be told.
	sqlDropStale = `
		update deliveries d set state = 3, reason = 'the issue was no longer open, or the rule was deleted, when the digest was made'
		where d.digest_id = @digest and d.state = 4 and (
			d.kind = 'alert' and not exists (select from issues i where i.project_id = d.project_id and i.id = d.issue_id and i.status = 0)
			or d.rule_id <> 0 and not exists (select from alert_rules r where r.project_id = d.project_id and r.id = d.rule_id))`

	sqlFoldedIssues = `
		select count(*) as alerts, count(distinct issue_id) as issues, max(id) as latest
		from deliveries where digest_id = @digest and state = 4`

	// A single issue gets its ordinary message.
	sqlUnfold = `
		update deliveries set state = 0, reason = '', digest_id = null, next_attempt_at = now(), queued_at = now(), finished_at = null
		where digest_id = @digest and id = @id and state = 4`

	sqlPointTo = `update deliveries set digest_id = @id where digest_id = @digest and state = 4`

	sqlInsertDigest = `
		insert into deliveries (project_id, id, rule_id, change_id, action, kind, lane, destination_id, user_id, channel, target, notice, state, next_attempt_at)
		select d.project_id, @digest, 0, -@digest::bigint, 0, 'digest', d.lane, d.destination_id, d.user_id, d.channel, d.target, d.notice, 0, now()
		from deliveries d where d.digest_id = @digest and d.id = @latest
		on conflict do nothing`

	sqlEmptyBudget = `update alert_lanes set tokens = 0, refilled_at = now() where lane = any(@lanes::text[])`
)

type dueFold struct {
	ProjectID int64
	Lane      string
	DigestID  int64
}

// FlushFolds turns what was held back long enough into digests, and returns how many messages it
// queued and whether more folds are due.
func (st *Store) FlushFolds(ctx context.Context) (queued int, more bool, err error) {
	err = retry(ctx, func() error {
		queued = 0
		return pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
			rows, _ := tx.Query(ctx, sqlDueFolds, pgx.StrictNamedArgs{"limit": foldsAtOnce}) // Collect reports a failed Query
			due, err := pgx.CollectRows(rows, pgx.RowToStructByName[dueFold])
			if err != nil || len(due) == 0 {
				return err
			}
			more = len(due) == foldsAtOnce
			var lanes []string
			for _, f := range due {
				made, err := flush(ctx, tx, f)
				if err != nil {
					return err
				}
				if made {
					queued++
					lanes = append(lanes, f.Lane)
				}
			}
			_, err = tx.Exec(ctx, sqlEmptyBudget, pgx.StrictNamedArgs{"lanes": lanes})
			return err
		})
	})
	return queued, more, translate(err, "make digests")
}

// flush makes the message of one fold; made is false when there is nothing left to tell.
func flush(ctx context.Context, tx pgx.Tx, f dueFold) (made bool, err error) {
	if _, err := tx.Exec(ctx, sqlDropStale, pgx.StrictNamedArgs{"digest": f.DigestID}); err != nil {
		return false, err
	}
	var alerts, issues int64
	var latest *int64
	if err := tx.QueryRow(ctx, sqlFoldedIssues, pgx.StrictNamedArgs{"digest": f.DigestID}).Scan(&alerts, &issues, &latest); err != nil {
		return false, err
	}
	switch {
	case latest == nil:
		return false, nil
	case issues == 1:
		if _, err := tx.Exec(ctx, sqlUnfold, pgx.StrictNamedArgs{"digest": f.DigestID, "id": *latest}); err != nil {
			return false, err
		}
		_, err := tx.Exec(ctx, sqlPointTo, pgx.StrictNamedArgs{"digest": f.DigestID, "id": *latest})
		return true, err
	}
	_, err = tx.Exec(ctx, sqlInsertDigest, pgx.StrictNamedArgs{"digest": f.DigestID, "latest": *latest})
	return true, err
}

const (
	sqlDigestTotals = `
		select count(*) as alerts, count(distinct issue_id) as total, coalesce(min(created_at), now()) as from, coalesce(max(created_at), now()) as to
		from deliveries where digest_id = @digest and state = 4`
	sqlDigestIssues = `
		select d.issue_id, d.alerts, d.kind, coalesce(d.rule, '') as rule, i.number, i.title, i.culprit, i.level, i.times_seen, i.user_count, i.first_seen,
			coalesce(i.last_release, '') as release, p.slug
		from (
			select e.project_id, e.issue_id, count(*) as alerts, min(array_position(@kinds::text[], e.notice -> 'change' ->> 'kind')) as kind, max(r.name) as rule
			from deliveries e left join alert_rules r on r.project_id = e.project_id and r.id = e.rule_id
			where e.digest_id = @digest and e.state = 4 and e.issue_id is not null group by e.project_id, e.issue_id) as d
		join issues i on i.project_id = d.project_id and i.id = d.issue_id
		join projects p on p.id = d.project_id
		order by i.times_seen desc, i.user_count desc, i.id limit @limit`
	sqlDigestChanges = `
		select kind, count(*) from (
			select min(array_position(@kinds::text[], notice -> 'change' ->> 'kind')) as kind
			from deliveries where digest_id = @digest and state = 4 and issue_id is not null group by project_id, issue_id) as d
		where kind is not null group by kind order by kind`
)

// Digest reads what a digest tells.
func (st *Store) Digest(ctx context.Context, id int64) (*alert.Digest, error) {
	d := &alert.Digest{}
	kinds := make([]string, len(alert.DigestChanges))
	for i, k := range alert.DigestChanges {
		kinds[i] = string(k)
	}
	err := st.read(ctx, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, sqlDigestTotals, pgx.StrictNamedArgs{"digest": id}).Scan(&d.Alerts, &d.Total, &d.From, &d.To); err != nil {
			return err
		}
		rows, _ := tx.Query(ctx, sqlDigestChanges, pgx.StrictNamedArgs{"digest": id, "kinds": kinds}) // ForEachRow reports a failed Query
		var at, issues int
		if _, err := pgx.ForEachRow(rows, []any{&at, &issues}, func() error {
			d.Changes = append(d.Changes, alert.DigestChange{Kind: alert.DigestChanges[at-1], Issues: issues})
			return nil
		}); err != nil {
			return err
		}
		rows, _ = tx.Query(ctx, sqlDigestIssues, pgx.StrictNamedArgs{"digest": id, "limit": alert.MaxDigestIssues, "kinds": kinds})
		list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (i alert.DigestIssue, err error) {
			var number int64
			var level int16
			var kind *int
			var slug string
			err = row.Scan(&i.ID, &i.Alerts, &kind, &i.Rule, &number, &i.Title, &i.Culprit, &level, &i.TimesSeen, &i.UserCount, &i.FirstSeen, &i.Release, &slug)
			i.ShortID, i.Level = project.ShortID(slug, number), event.Level(level).String()
			if kind != nil {
				i.Change = alert.DigestChanges[*kind-1]
			}
			return i, err
		})
		d.Issues = list
		return err
	})
	return d, translate(err, "read digest %d", id)
}

const (
	sqlInsertEscalation = `
		insert into alert_escalations (project_id, id, rule_id, issue_id, destination_id, notice, due_at)
		values (@project, @change, @rule, @issue, @destination, @notice::text::jsonb, now() + @after::interval)
		on conflict do nothing`
	sqlDueEscalations = `
		select e.project_id, e.id, e.rule_id, e.issue_id, e.destination_id, e.notice, e.fired_at,
			coalesce((select 'acknowledged by ' || coalesce(nullif(a.name, ''), 'somebody') from alert_acknowledgements a
				where a.project_id = e.project_id and a.issue_id = e.issue_id and a.created_at >= e.fired_at order by a.id limit 1),
			(select 'somebody acted on the issue' from activities a
				where a.project_id = e.project_id and a.issue_id = e.issue_id and a.user_id is not null and a.created_at >= e.fired_at limit 1),
			(select 'the issue is no longer open' from issues i where i.project_id = e.project_id and i.id = e.issue_id and i.status <> 0), '') as handled
		from alert_escalations e
		where e.ended_at is null and e.due_at <= now() order by e.due_at limit @limit`
	sqlEndEscalation = `
		update alert_escalations set ended_at = now(), outcome = @outcome
		where project_id = @project and id = @id and rule_id = @rule and ended_at is null`
	sqlAcknowledge = `
		insert into alert_acknowledgements (project_id, issue_id, id, user_id, name)
		values (@project, @issue, @id, nullif(@user::bigint, 0), @name)`
	sqlAcknowledgements = `
		select user_id, name, created_at from alert_acknowledgements
		where project_id = @project and issue_id = @issue order by id desc limit 20`
)

// queueEscalations starts the clock of alerts that somebody must acknowledge.
func queueEscalations(b *pgx.Batch, jobs []alert.Job, silenced []int64, now time.Time) {
	quiet := make(map[int64]bool, len(silenced))
	for _, id := range silenced {
		quiet[id] = true
	}
	for i := range jobs {
		j := &jobs[i]
		if j.Escalation == nil || quiet[j.ID] {
			continue
		}
		after := j.Escalation.After
		if !j.QuietUntil.IsZero() {
			after += j.QuietUntil.Sub(now) // nobody can acknowledge what waits
		}
		b.Queue(sqlInsertEscalation, pgx.StrictNamedArgs{"project": j.Project, "change": j.Change, "rule": j.Rule, "issue": j.Issue,
			"destination": j.Escalation.Destination, "notice": string(j.Notice), "after": after})
	}
}

// DueEscalation is an alert whose time to be acknowledged is over. Handled says who did or why it
// does not matter any more; empty: nobody.
type DueEscalation struct {
	ProjectID     int64
	ID            int64 // issue.Change.ID
	RuleID        int64
	IssueID       int64
	DestinationID int64
	Notice        []byte
	FiredAt       time.Time
	Handled       string
}

// DueEscalations lists alerts whose time is over. What is done about one must bear repetition, until
// EndEscalation.
func (st *Store) DueEscalations(ctx context.Context, limit int) ([]DueEscalation, error) {
	rows, _ := st.db.Query(ctx, sqlDueEscalations, pgx.StrictNamedArgs{"limit": limit}) // Collect reports a failed Query
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[DueEscalation])
	return list, translate(err, "list due escalations")
}

// EndEscalation notes what became of an escalation.
func (st *Store) EndEscalation(ctx context.Context, e *DueEscalation, outcome string) error {
	_, err := st.db.Exec(ctx, sqlEndEscalation, pgx.StrictNamedArgs{"project": e.ProjectID, "id": e.ID, "rule": e.RuleID, "outcome": outcome})
	return translate(err, "end escalation %d of project %d", e.ID, e.ProjectID)
}

// Acknowledge notes that somebody looks after an issue: a user, or a person of a chat by name.
func (st *Store) Acknowledge(ctx context.Context, projectID, issueID, user int64, name string) error {
	_, err := st.db.Exec(ctx, sqlAcknowledge, pgx.StrictNamedArgs{"project": projectID, "issue": issueID, "id": NewID(), "user": user, "name": name})
	return translate(err, "acknowledge issue %d of project %d", issueID, projectID)
}

// Acknowledgement is one of an issue.
type Acknowledgement struct {
	UserID    *int64
	Name      string
	CreatedAt time.Time
}

// Acknowledgements lists who said that they look after an issue, latest first.
func (st *Store) Acknowledgements(ctx context.Context, projectID, issueID int64) ([]Acknowledgement, error) {
	rows, _ := st.db.Query(ctx, sqlAcknowledgements, pgx.StrictNamedArgs{"project": projectID, "issue": issueID}) // Collect reports a failed Query
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Acknowledgement])
	return list, translate(err, "list acknowledgements of issue %d", issueID)
}
