package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/issue"
)

const (
	sqlForgetHours = `
		delete from issue_hours where ctid = any(array(select ctid from issue_hours where hour < @before limit 5000))`

	sqlForgetOutcomes = `
		delete from outcomes where ctid = any(array(select ctid from outcomes where minute < @before limit 5000))`
)

// ForgetCounts removes hourly counts and outcomes from before the given time, a few thousand in a
// transaction.
func (st *Store) ForgetCounts(ctx context.Context, before time.Time) error {
	for _, sql := range [...]string{sqlForgetHours, sqlForgetOutcomes} {
		for {
			tag, err := st.db.Exec(ctx, sql, pgx.StrictNamedArgs{"before": before})
			if err != nil {
				return translate(err, "forget old counts")
			}
			if tag.RowsAffected() == 0 {
				break
			}
		}
	}
	return nil
}

// sqlSettleIssues takes issues in the order in which RecordEvents locks them, and leaves those
// that are being recorded to the next call.
const sqlSettleIssues = `
	with due as (
		select project_id, id from issues
		where status = @unresolved and substatus = any(@restless::smallint[]) and coalesce(status_at, first_seen) < @before
		order by project_id, id limit 1000 for update skip locked)
	update issues i set substatus = @ongoing, status_at = @now, version = version + 1
	from due where i.project_id = due.project_id and i.id = due.id
	returning i.project_id, i.id`

// SettleIssues makes issues ongoing that have been new, regressed or escalating for a week, a
// thousand in a transaction.
func (st *Store) SettleIssues(ctx context.Context, now time.Time) error {
	for {
		var settled int
		err := retry(ctx, func() error {
			return pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) (err error) {
				settled, err = settle(ctx, tx, now)
				return err
			})
		})
		if err != nil || settled == 0 {
			return translate(err, "settle issues")
		}
	}
}

func settle(ctx context.Context, tx pgx.Tx, now time.Time) (int, error) {
	rows, _ := tx.Query(ctx, sqlSettleIssues, pgx.StrictNamedArgs{ // ForEachRow reports a failed Query
		"unresolved": int16(issue.Unresolved), "restless": []int16{int16(issue.New), int16(issue.Regressed), int16(issue.Escalating)},
		"ongoing": int16(issue.Ongoing), "before": now.Add(-issue.SettleAfter), "now": now})
	r := &recording{now: now}
	var ref issueRef
	_, err := pgx.ForEachRow(rows, []any{&ref.project, &ref.id}, func() error {
		r.acts = append(r.acts, activityRow{project: ref.project, id: NewID(), issue: ref.id,
			Activity: issue.Activity{Type: issue.ActivityOngoing, Data: map[string]any{"after_days": int(issue.SettleAfter.Hours() / 24)}}})
		return nil
	})
	if err != nil || len(r.acts) == 0 {
		return 0, err
	}
	b := &pgx.Batch{}
	if err := r.queueHistory(b); err != nil {
		return 0, err
	}
	return len(r.acts), tx.SendBatch(ctx, b).Close()
}
