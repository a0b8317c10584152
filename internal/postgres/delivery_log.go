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
		coalesce(d.issue_id, 0) as issue, d.kind, d.lane, coalesce(d.destination_id, 0) as destination, coalesce(d.user_id, 0) as "user",
		coalesce(d.digest_id, 0) as digest, d.channel, d.target, d.state, d.reason, d.attempts as attempt_count,
		d.next_attempt_at, d.created_at, d.queued_at, d.finished_at,
		coalesce(r.name, '') as rule_name, coalesce(dest.name, '') as destination_name, coalesce(i.title, '') as issue_title,
		coalesce(i.number, 0) as issue_number, coalesce(p.slug, '') as project_slug
	from deliveries d
	left join alert_rules r on r.project_id = d.project_id and r.id = d.rule_id
	left join alert_destinations dest on dest.id = d.destination_id
	left join issues i on i.project_id = d.project_id and i.id = d.issue_id
	left join projects p on p.id = d.project_id `

const deliveryFilter = `
	where d.project_id = any(@projects::bigint[]) and d.id < @before and (@rule::bigint = 0 or d.rule_id = @rule)
		and (@destination::bigint = 0 or d.destination_id = @destination) and (@digest::bigint = 0 or d.digest_id = @digest or d.id = @digest)
		and (@issue::bigint = 0 or d.issue_id = @issue)`

const sqlListDeliveries = deliveryColumns + deliveryFilter + `
	order by d.id desc
	limit @limit`

// The state is a separate statement so that the planner can use the index of failed ones.
const sqlListDeliveriesInState = deliveryColumns + deliveryFilter + ` and d.state = @state
	order by d.id desc
	limit @limit`

const sqlDelivery = deliveryColumns + `
	where d.project_id = @project and d.id = @id`

const sqlDeliveryMessage = `select coalesce(payload, '') from deliveries where project_id = @project and id = @id`

// DeliveryMessage returns the bytes of a delivery's message; empty while it was not rendered.
func (st *Store) DeliveryMessage(ctx context.Context, project, id int64) (payload []byte, err error) {
	err = st.db.QueryRow(ctx, sqlDeliveryMessage, pgx.StrictNamedArgs{"project": project, "id": id}).Scan(&payload)
	return payload, translate(err, "read the message of delivery %d", id)
}

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
	Project                    int64
	Projects                   []int64              // instead of Project, when there are several
	Rule                       int64                // zero: of every rule
	Destination, Digest, Issue int64                // likewise
	State                      *alert.DeliveryState // nil: in every state
	Cursor                     string               // DeliveryPage.Next of the page before; empty: from the newest
	Limit                      int                  // 1 to 100; 0 is 25
}

func (q *DeliveryQuery) projects() []int64 {
	if q.Projects != nil {
		return q.Projects
	}
	return []int64{q.Project}
}

// DeliveryRow is an entry of the delivery log with the names of what it is about.
type DeliveryRow struct {
	alert.Delivery
	DestinationName string // empty: a person, a draft, or it was deleted
	RuleName        string // empty: the rule was deleted, or the entry is a test of a draft
	IssueTitle      string // empty: a test, or the issue was deleted
	IssueNumber     int64
	ProjectSlug     string
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
	query, args := sqlListDeliveries, pgx.StrictNamedArgs{"projects": q.projects(), "before": before, "rule": q.Rule,
		"destination": q.Destination, "digest": q.Digest, "issue": q.Issue, "limit": limit + 1}
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

const (
	sqlRuleFirings = `
		select date_trunc('hour', created_at) as hour, count(distinct change_id) as count from deliveries
		where project_id = @project and rule_id = @rule and kind = 'alert' and state <> 3 and created_at >= @from and created_at < @to
		group by 1 order by 1 limit 2000`
	sqlRuleHistory = `
		select issue_id, count(distinct change_id) as count, max(created_at) as last_at,
			coalesce((array_agg(notice -> 'change' ->> 'event_id' order by created_at desc))[1], '') as event_id
		from deliveries
		where project_id = @project and rule_id = @rule and kind = 'alert' and state <> 3 and issue_id is not null and created_at >= @from
		group by issue_id order by last_at desc limit 100`
)

// RuleFiring is how often a rule fired in an hour.
type RuleFiring struct {
	Hour  time.Time
	Count int64
}

// RuleFirings counts by the hour how often a rule fired.
func (st *Store) RuleFirings(ctx context.Context, projectID, rule int64, from, to time.Time) ([]RuleFiring, error) {
	rows, _ := st.db.Query(ctx, sqlRuleFirings, pgx.StrictNamedArgs{"project": projectID, "rule": rule, "from": from, "to": to})
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[RuleFiring])
	return list, translate(err, "count the firings of rule %d", rule)
}

// RuleIssue is an issue that a rule fired about.
type RuleIssue struct {
	IssueID int64
	Count   int64
	LastAt  time.Time
	EventID string
}

// RuleHistory lists the issues that a rule fired about, latest first.
func (st *Store) RuleHistory(ctx context.Context, projectID, rule int64, from time.Time) ([]RuleIssue, error) {
	rows, _ := st.db.Query(ctx, sqlRuleHistory, pgx.StrictNamedArgs{"project": projectID, "rule": rule, "from": from})
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[RuleIssue])
	return list, translate(err, "read the history of rule %d", rule)
}

const sqlRuleFiringCounts = `
	select rule_id, count(distinct change_id) from deliveries
	where project_id = any(@projects::bigint[]) and kind = 'alert' and state <> 3 and created_at >= @from group by rule_id`

// RuleFiringCounts counts how often the rules of projects fired since a time.
func (st *Store) RuleFiringCounts(ctx context.Context, projects []int64, from time.Time) (map[int64]int64, error) {
	rows, _ := st.db.Query(ctx, sqlRuleFiringCounts, pgx.StrictNamedArgs{"projects": projects, "from": from}) // ForEachRow reports a failed Query
	found := map[int64]int64{}
	var rule, n int64
	_, err := pgx.ForEachRow(rows, []any{&rule, &n}, func() error {
		found[rule] = n
		return nil
	})
	return found, translate(err, "count firings")
}
