package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/alert"
)

// A delivery exists once for each rule, change and action. When the rule spoke about the issue
// less than its frequency ago, it is only logged.
const sqlInsertDelivery = `
	insert into deliveries (project_id, id, rule_id, change_id, action, issue_id, channel, target, payload, settings,
		state, reason, next_attempt_at, finished_at)
	select @project, @id, @rule, @change, @action, nullif(@issue::bigint, 0), @channel, @target, @payload, @settings,
		case when recent then 3 else 0 end,
		case when recent then 'the rule spoke about this issue less than its frequency ago' else '' end,
		case when recent then null else now() end,
		case when recent then now() end
	from (select @frequency::interval > interval '0' and exists (
		select from deliveries
		where project_id = @project and rule_id = @rule and issue_id = @issue and action = @action
			and created_at > now() - @frequency::interval and state <> 3 and change_id > 0 and change_id <> @change) as recent) as r
	on conflict (project_id, rule_id, change_id, action) do nothing
	returning state`

// Alerts of one rule that come at the same time take turns, so that they see each other.
const sqlLockRules = `
	select from alert_rules
	where project_id = any(@projects) and id = any(@ids)
	order by project_id, id
	for update`

const sqlTouchRules = `
	update alert_rules set last_fired_at = now()
	where project_id = any(@projects) and id = any(@ids)`

const sqlStartDelivery = `
	insert into deliveries (project_id, id, rule_id, change_id, action, channel, target, payload, settings,
		next_attempt_at, attempts, leased_until)
	values (@project, @id, @rule, @change, @action, @channel, @target, @payload, @settings,
		now(), 1, now() + @lease::interval)
	returning queued_at`

// lanes steps through the targets that have queued deliveries, one index probe each; heads takes
// the next few of each lane, those in hand included, so that a target never has more in hand than
// that and a long queue of one costs the others nothing. A lane's turn comes by what it has in
// hand: targets that answer are not kept waiting by older queues of those that hang.
const sqlClaimDeliveries = `
	with recursive lanes as (
		(select target from deliveries where state = 0 order by target limit 1)
		union all
		select (select d.target from deliveries d where d.state = 0 and d.target > l.target order by d.target limit 1)
		from lanes l where l.target is not null
	), heads as (
		select h.project_id, h.id, h.next_attempt_at, h.leased_until,
			row_number() over (partition by l.target order by h.next_attempt_at, h.id) as turn
		from lanes l cross join lateral (
			select d.project_id, d.id, d.next_attempt_at, d.leased_until
			from deliveries d
			where d.state = 0 and d.target = l.target and d.next_attempt_at <= now()
			order by d.next_attempt_at, d.id
			limit @per_target) h
	), due as (
		select d.project_id, d.id
		from deliveries d join heads h on d.project_id = h.project_id and d.id = h.id
		where h.leased_until is null or h.leased_until <= now()
		order by h.turn, h.next_attempt_at, h.id
		limit @limit
		for update of d skip locked
	)
	update deliveries d set leased_until = now() + @lease::interval, attempts = d.attempts + 1
	from due
	where d.project_id = due.project_id and d.id = due.id
		and d.state = 0 and (d.leased_until is null or d.leased_until <= now())
	returning d.project_id as project, d.id, d.rule_id as rule, d.change_id as change, d.action,
		coalesce(d.issue_id, 0) as issue, d.channel, d.target, d.state, d.reason, d.attempts as attempt_count,
		d.next_attempt_at, d.created_at, d.queued_at, d.finished_at, d.payload, d.settings, d.first_attempt`

// The try is logged whatever became of the delivery meanwhile; the state changes only when nobody
// else took the delivery up, or when the try reached its destination.
const sqlFinishAttempt = `
	with noted as (
		insert into delivery_attempts (project_id, delivery_id, number, started_at, duration_ms, status, error, response)
		select project_id, id, @number, @started, @duration, @status, @error, @response
		from deliveries where project_id = @project and id = @id
		on conflict do nothing
	)
	update deliveries set state = @state::smallint, reason = @reason, next_attempt_at = @next, leased_until = null,
		finished_at = case when @state::smallint = 0 then null else now() end
	where project_id = @project and id = @id and state = 0 and (attempts = @number or @state::smallint = 1)`

const sqlRequeue = `
	update deliveries set state = 0, reason = '', queued_at = now(), first_attempt = attempts,
		next_attempt_at = now(), leased_until = null, finished_at = null
	where project_id = @project and id = any(@ids) and state <> 0
	returning id`

// EnqueueDeliveries stores deliveries for sending, in one transaction, and returns how many of
// them are new and due. Those stored before are left alone, so the call may be repeated.
func (st *Store) EnqueueDeliveries(ctx context.Context, jobs []alert.Job) (queued int, err error) {
	if len(jobs) == 0 {
		return 0, nil
	}
	err = retry(ctx, func() error {
		return pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
			queued, err = enqueue(ctx, tx, jobs)
			return err
		})
	})
	return queued, translate(err, "queue %d deliveries", len(jobs))
}

func enqueue(ctx context.Context, tx pgx.Tx, jobs []alert.Job) (queued int, err error) {
	if limited := keepJobs(jobs, func(j *alert.Job) bool { return j.Frequency > 0 }); len(limited) > 0 {
		if _, err := tx.Exec(ctx, sqlLockRules, ruleArgs(limited)); err != nil {
			return 0, err
		}
	}
	batch := &pgx.Batch{} // one statement each: a delivery sees the ones before it
	for i := range jobs {
		j := &jobs[i]
		batch.Queue(sqlInsertDelivery, pgx.StrictNamedArgs{
			"project": j.Project, "id": j.ID, "rule": j.Rule, "change": j.Change, "action": j.Action, "issue": j.Issue,
			"channel": j.Channel, "target": j.Target, "payload": j.Payload, "settings": j.Settings, "frequency": j.Frequency})
	}
	results := tx.SendBatch(ctx, batch)
	fired := make([]alert.Job, 0, len(jobs))
	for i := range jobs {
		var state alert.DeliveryState
		switch err := results.QueryRow().Scan(&state); {
		case err == nil && state == alert.DeliveryQueued:
			fired = append(fired, jobs[i])
		case err != nil && err != pgx.ErrNoRows:
			_ = results.Close() // the statement's failure is the one to report
			return 0, err
		}
	}
	if err := results.Close(); err != nil || len(fired) == 0 {
		return 0, err
	}
	_, err = tx.Exec(ctx, sqlTouchRules, ruleArgs(fired))
	return len(fired), err
}

func keepJobs(jobs []alert.Job, keep func(*alert.Job) bool) []alert.Job {
	var kept []alert.Job
	for i := range jobs {
		if keep(&jobs[i]) {
			kept = append(kept, jobs[i])
		}
	}
	return kept
}

// ruleArgs names the rules of jobs. Ids of rules are unique across projects in practice; the
// project beside them is what the tables are distributed by.
func ruleArgs(jobs []alert.Job) pgx.StrictNamedArgs {
	projects, ids := make([]int64, len(jobs)), make([]int64, len(jobs))
	for i := range jobs {
		projects[i], ids[i] = jobs[i].Project, jobs[i].Rule
	}
	slices.Sort(projects)
	slices.Sort(ids)
	return pgx.StrictNamedArgs{"projects": slices.Compact(projects), "ids": slices.Compact(ids)}
}

// StartDelivery stores a delivery that the caller sends at once, as its first try, and fills in
// its times. When the caller dies before FinishAttempt, it is claimed by others after lease.
func (st *Store) StartDelivery(ctx context.Context, j *alert.Job, lease time.Duration) error {
	err := st.db.QueryRow(ctx, sqlStartDelivery, pgx.StrictNamedArgs{
		"project": j.Project, "id": j.ID, "rule": j.Rule, "change": j.Change, "action": j.Action,
		"channel": j.Channel, "target": j.Target, "payload": j.Payload, "settings": j.Settings, "lease": lease,
	}).Scan(&j.QueuedAt)
	j.CreatedAt, j.AttemptCount = j.QueuedAt, 1
	return translate(err, "start delivery %d of project %d", j.ID, j.Project)
}

// ClaimDeliveries takes up to limit due deliveries in hand, at most perTarget of one target
// counting those in hand already: first of targets with fewest in hand, then longest due. Nobody else gets them until lease has passed;
// AttemptCount is the number of the try to make.
func (st *Store) ClaimDeliveries(ctx context.Context, limit, perTarget int, lease time.Duration) ([]alert.Job, error) {
	rows, _ := st.db.Query(ctx, sqlClaimDeliveries, pgx.StrictNamedArgs{ // Collect reports a failed Query
		"limit": limit, "per_target": perTarget, "lease": lease})
	jobs, err := pgx.CollectRows(rows, pgx.RowToStructByNameLax[alert.Job])
	slices.SortFunc(jobs, func(a, b alert.Job) int { return cmp.Compare(a.ID, b.ID) })
	return jobs, translate(err, "claim deliveries")
}

// FinishAttempt logs a try of j and what becomes of j, in one statement. It may be repeated.
func (st *Store) FinishAttempt(ctx context.Context, j *alert.Job, a alert.Attempt, v alert.Verdict) error {
	var next *time.Time
	if v.State == alert.DeliveryQueued {
		next = &v.NextAttemptAt
	}
	_, err := st.db.Exec(ctx, sqlFinishAttempt, pgx.StrictNamedArgs{
		"project": j.Project, "id": j.ID, "number": a.Number, "started": a.StartedAt, "duration": a.Duration.Milliseconds(),
		"status": a.Status, "error": a.Error, "response": a.Response, "state": v.State, "reason": v.Reason, "next": next})
	return translate(err, "finish try %d of delivery %d of project %d", a.Number, j.ID, j.Project)
}

// Requeue makes finished deliveries of a project due again and returns the ids of those it found
// finished.
func (st *Store) Requeue(ctx context.Context, project int64, ids []int64) ([]int64, error) {
	rows, _ := st.db.Query(ctx, sqlRequeue, pgx.StrictNamedArgs{"project": project, "ids": ids}) // Collect reports a failed Query
	queued, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	slices.Sort(queued)
	return queued, translate(err, "queue deliveries of project %d again", project)
}
