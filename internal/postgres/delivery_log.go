package postgres

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/project"
)

// maxDeliveries is how many entries of the delivery log one page shows at most.
const maxDeliveries = 100

// maxAttempts is how many tries of a delivery are shown; redelivery by hand can make more.
const maxAttempts = 500

const deliveryColumns = `
	select d.project_id as project, d.id, d.rule_id as rule, d.change_id as change, d.action,
		coalesce(d.issue_id, 0) as issue, d.channel, d.target, d.state, d.reason, d.attempts as attempt_count,
		d.next_attempt_at, d.created_at, d.queued_at, d.finished_at,
		coalesce(r.name, '') as rule_name, coalesce(i.title, '') as issue_title,
		coalesce(i.number, 0) as issue_number, coalesce(p.slug, '') as project_slug
	from deliveries d
	left join alert_rules r on r.project_id = d.project_id and r.id = d.rule_id
	left join issues i on i.project_id = d.project_id and i.id = d.issue_id
	left join projects p on p.id = d.project_id `

const sqlListDeliveries = deliveryColumns + `
	where d.project_id = @project and d.id < @before and (@rule::bigint = 0 or d.rule_id = @rule)
	order by d.id desc
	limit @limit`

// The state is a separate statement so that the planner can use the index of failed ones.
const sqlListDeliveriesInState = deliveryColumns + `
	where d.project_id = @project and d.id < @before and (@rule::bigint = 0 or d.rule_id = @rule) and d.state = @state
	order by d.id desc
	limit @limit`

const sqlDelivery = deliveryColumns + `
	where d.project_id = @project and d.id = @id`

const sqlAttempts = `
	select number, started_at, duration_ms, status, error, response
	from delivery_attempts
	where project_id = @project and delivery_id = @id
	order by number
	limit @limit`

const sqlDeliveryBacklog = `
	select count(*) as queued, min(next_attempt_at) as next
	from deliveries
	where state = 0`

const sqlDropDeliveries = `
	with old as (
		delete from deliveries d using (
			select project_id, id from deliveries
			where created_at < @before and finished_at < @before
			limit @limit) as o
		where d.project_id = o.project_id and d.id = o.id
		returning d.project_id, d.id
	), tries as (
		delete from delivery_attempts a using old
		where a.project_id = old.project_id and a.delivery_id = old.id
	)
	select count(*) from old`

// DeliveryQuery chooses entries of a project's delivery log.
type DeliveryQuery struct {
	Project int64
	Rule    int64                // zero: of every rule
	State   *alert.DeliveryState // nil: in every state
	Cursor  string               // DeliveryPage.Next of the page before; empty: from the newest
	Limit   int                  // 1 to 100; 0 is 25
}

// DeliveryRow is an entry of the delivery log with the names of what it is about.
type DeliveryRow struct {
	alert.Delivery
	RuleName    string // empty: the rule was deleted, or the entry is a test of a draft
	IssueTitle  string // empty: a test, or the issue was deleted
	IssueNumber int64
	ProjectSlug string
}

// ShortID names the issue for people; empty when there is none.
func (r *DeliveryRow) ShortID() string {
	if r.IssueNumber == 0 {
		return ""
	}
	return project.ShortID(r.ProjectSlug, r.IssueNumber)
}

// DeliveryPage is a part of the delivery log, newest first. Next is the cursor of the page after
// it, empty on the last.
type DeliveryPage struct {
	Rows []DeliveryRow
	Next string
}

// ListDeliveries reads a project's delivery log, newest first. fault.Invalid: the cursor is not one.
func (st *Store) ListDeliveries(ctx context.Context, q DeliveryQuery) (DeliveryPage, error) {
	before := int64(1<<63 - 1)
	if q.Cursor != "" {
		var err error
		if before, err = strconv.ParseInt(q.Cursor, 10, 64); err != nil || before <= 0 {
			return DeliveryPage{}, fault.New(fault.Invalid, "the cursor is not one of ours")
		}
	}
	if q.Limit == 0 {
		q.Limit = 25
	}
	limit := min(max(q.Limit, 1), maxDeliveries)
	query, args := sqlListDeliveries, pgx.StrictNamedArgs{"project": q.Project, "before": before, "rule": q.Rule, "limit": limit + 1}
	if q.State != nil {
		query, args["state"] = sqlListDeliveriesInState, *q.State
	}
	rows, _ := st.db.Query(ctx, query, args) // Collect reports a failed Query
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[DeliveryRow])
	if err != nil {
		return DeliveryPage{}, translate(err, "list deliveries of project %d", q.Project)
	}
	page := DeliveryPage{Rows: found}
	if len(found) > limit {
		page.Rows = found[:limit]
		page.Next = strconv.FormatInt(found[limit-1].ID, 10)
	}
	return page, nil
}

// DeliveryWithAttempts reads one entry of the delivery log and its tries, oldest first, as they
// stood at one moment. fault.Unknown: the project has no such delivery.
func (st *Store) DeliveryWithAttempts(ctx context.Context, project, id int64) (row DeliveryRow, tries []alert.Attempt, err error) {
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, st.db, snapshot, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, sqlDelivery, pgx.StrictNamedArgs{"project": project, "id": id}) // Collect reports a failed Query
		row, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[DeliveryRow])
		if err != nil {
			return err
		}
		rows, _ = tx.Query(ctx, sqlAttempts, pgx.StrictNamedArgs{"project": project, "id": id, "limit": maxAttempts})
		tries, err = pgx.CollectRows(rows, scanAttempt)
		return err
	})
	return row, tries, translate(err, "read delivery %d of project %d", id, project)
}

func scanAttempt(r pgx.CollectableRow) (a alert.Attempt, err error) {
	var ms int64
	err = r.Scan(&a.Number, &a.StartedAt, &ms, &a.Status, &a.Error, &a.Response)
	a.Duration = time.Duration(ms) * time.Millisecond
	return a, err
}

// Backlog is what waits to be delivered, in all projects.
type Backlog struct {
	Queued int64
	Next   *time.Time // when the one longest due is or was due; nil when nothing waits
}

// DeliveryBacklog counts what waits to be delivered.
func (st *Store) DeliveryBacklog(ctx context.Context) (Backlog, error) {
	rows, _ := st.db.Query(ctx, sqlDeliveryBacklog) // Collect reports a failed Query
	b, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Backlog])
	return b, translate(err, "count queued deliveries")
}

// DropDeliveries removes up to limit entries of the delivery log that were finished before a time,
// with their tries, and returns how many it removed.
func (st *Store) DropDeliveries(ctx context.Context, before time.Time, limit int) (int, error) {
	var n int
	err := st.db.QueryRow(ctx, sqlDropDeliveries, pgx.StrictNamedArgs{"before": before, "limit": limit}).Scan(&n)
	return n, translate(err, "drop old deliveries")
}
