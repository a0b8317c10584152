package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/alert"
)

// lanes steps through the lanes that have queued deliveries, one index probe each; heads takes the
// next few of each lane, those in hand included, so that a lane never has more in hand than that and
// a long queue of one costs the others nothing. A lane that is paused or whose breaker is open has no
// heads, one that failed often has one. A lane's turn comes by what it has in hand: destinations that
// answer are not kept waiting by older queues of those that hang. Heads are locked one by one by
// their key: a join would read the whole table once there is no telling how many they are.
const sqlClaimDeliveries = `
	with recursive lanes as (
		(select lane from deliveries where state = 0 order by lane limit 1)
		union all
		select (select d.lane from deliveries d where d.state = 0 and d.lane > l.lane order by d.lane limit 1)
		from lanes l where l.lane is not null
	), heads as (
		select h.project_id, h.id, h.next_attempt_at, h.leased_until, coalesce(a.failures, 0) as failures,
			row_number() over (partition by l.lane order by h.next_attempt_at, h.id) as turn
		from lanes l left join alert_lanes a on a.lane = l.lane
		cross join lateral (
			select d.project_id, d.id, d.next_attempt_at, d.leased_until
			from deliveries d
			where d.state = 0 and d.lane = l.lane and d.next_attempt_at <= now()
			order by d.next_attempt_at, d.id
			limit @per_lane::integer) h
		where l.lane is not null and not coalesce(a.is_paused or a.open_until > now(), false)
	), due as (
		select h.project_id, h.id
		from (
			select project_id, id from heads
			where (turn = 1 or failures < @break_after) and (leased_until is null or leased_until <= now())
			order by turn, next_attempt_at, id) h
		cross join lateral (
			select from deliveries d where d.project_id = h.project_id and d.id = h.id for update skip locked) d
		limit @limit
	), taken as (
		update deliveries d set leased_until = now() + @lease::interval, leased_by = @holder, attempts = d.attempts + 1
		from due
		where d.project_id = due.project_id and d.id = due.id
			and d.state = 0 and (d.leased_until is null or d.leased_until <= now())
		returning d.*
	)
	select d.project_id as project, d.id, d.rule_id as rule, d.change_id as change, d.action,
		coalesce(d.issue_id, 0) as issue, d.kind, d.lane, coalesce(d.destination_id, 0) as destination, coalesce(d.user_id, 0) as "user",
		coalesce(d.digest_id, 0) as digest, d.channel, d.target, d.state, d.reason, d.attempts as attempt_count,
		d.next_attempt_at, d.created_at, d.queued_at, d.finished_at, d.payload, coalesce(d.notice, 'null') as notice, d.first_attempt,
		coalesce(dest.settings, '') as settings, coalesce(dest.organization_id, 0) as organization, coalesce(u.email, '') as address, coalesce(t.thread, '') as thread
	from taken d left join alert_destinations dest on dest.id = d.destination_id
	left join users u on u.id = d.user_id and u.is_active
	left join alert_threads t on t.project_id = d.project_id and t.issue_id = d.issue_id and t.lane = d.lane`

const sqlReleaseClaims = `
	update deliveries set leased_until = null, leased_by = null where state = 0 and leased_by = @holder`

const sqlStartDelivery = `
	insert into deliveries (project_id, id, rule_id, change_id, action, channel, target, payload, kind, lane, destination_id, user_id,
		next_attempt_at, attempts, leased_until)
	values (@project, @id, @rule, @change, @action, @channel, @target, @payload, @kind, @lane, nullif(@destination::bigint, 0), nullif(@user::bigint, 0),
		now(), 1, now() + @lease::interval)
	returning queued_at`

const sqlKeepPayload = `
	update deliveries set payload = @payload where project_id = @project and id = @id and payload is null`

// The try is logged whatever became of the delivery meanwhile; the state changes only when nobody
// else took the delivery up, or when the try reached its destination.
const sqlFinishAttempt = `
	with noted as (
		insert into delivery_attempts (project_id, delivery_id, number, started_at, duration_ms, status, error, response)
		select project_id, id, @number, @started, @duration, @status, @error, @response
		from deliveries where project_id = @project and id = @id
		on conflict do nothing
	), threaded as (
		insert into alert_threads (project_id, issue_id, lane, thread)
		select @project, @issue, @lane, @thread where @thread::text <> '' and @issue::bigint <> 0
		on conflict do nothing
	)
	update deliveries set state = @state::smallint, reason = @reason, next_attempt_at = @next, leased_until = null, leased_by = null,
		finished_at = case when @state::smallint = 0 then null else now() end
	where project_id = @project and id = @id and state = 0 and (attempts = @number or @state::smallint = 1)`

// A lane that is well is only written when it was not, or now and then.
const sqlLaneSent = `
	insert into alert_lanes as l (lane, last_sent_at) values (@lane, now())
	on conflict (lane) do update set last_sent_at = now(), failures = 0, failing_since = null, open_until = null
	where l.failures > 0 or l.last_sent_at is null or l.last_sent_at < now() - interval '5 seconds'`

const sqlLaneFailed = `
	insert into alert_lanes as l (lane, last_failed_at, failures, failing_since, last_error) values (@lane, now(), 1, now(), @error)
	on conflict (lane) do update set last_failed_at = now(), failures = l.failures + 1, failing_since = coalesce(l.failing_since, now()),
		last_error = excluded.last_error
	returning l.failures, l.failing_since, l.disabled_at is not null`

const sqlOpenBreaker = `
	update alert_lanes set open_until = greatest(open_until, now() + @pause::interval) where lane = @lane`

const sqlRequeue = `
	update deliveries set state = 0, reason = '', queued_at = now(), first_attempt = attempts,
		next_attempt_at = now(), leased_until = null, finished_at = null
	where project_id = @project and id = any(@ids) and state <> 0
	returning id`

// StartDelivery stores a delivery that the caller sends at once, as its first try, and fills in
// its times. When the caller dies before FinishAttempt, it is claimed by others after lease.
func (st *Store) StartDelivery(ctx context.Context, j *alert.Job, lease time.Duration) error {
	err := st.db.QueryRow(ctx, sqlStartDelivery, pgx.StrictNamedArgs{
		"project": j.Project, "id": j.ID, "rule": j.Rule, "change": j.Change, "action": j.Action,
		"channel": j.Channel, "target": j.Target, "payload": j.Payload, "kind": j.Kind, "lane": j.Lane, "destination": j.Destination, "user": j.User,
		"lease": lease,
	}).Scan(&j.QueuedAt)
	j.CreatedAt, j.AttemptCount = j.QueuedAt, 1
	return translate(err, "start delivery %d of project %d", j.ID, j.Project)
}

// ClaimDeliveries takes up to limit due deliveries in hand, at most perLane of one lane counting
// those in hand already: first of lanes with fewest in hand, then longest due. Nobody else gets them
// until lease has passed, or holder releases its claims; AttemptCount is the number of the try to make.
func (st *Store) ClaimDeliveries(ctx context.Context, holder string, limit, perLane int, lease time.Duration) ([]alert.Job, error) {
	rows, _ := st.db.Query(ctx, sqlClaimDeliveries, pgx.StrictNamedArgs{ // Collect reports a failed Query
		"limit": limit, "per_lane": perLane, "lease": lease, "holder": holder, "break_after": alert.BreakAfter})
	jobs, err := pgx.CollectRows(rows, pgx.RowToStructByNameLax[alert.Job])
	slices.SortFunc(jobs, func(a, b alert.Job) int { return cmp.Compare(a.ID, b.ID) })
	return jobs, translate(err, "claim deliveries")
}

// ReleaseClaims gives back what a holder had in hand when it died, and returns how many those were.
func (st *Store) ReleaseClaims(ctx context.Context, holder string) (int64, error) {
	tag, err := st.db.Exec(ctx, sqlReleaseClaims, pgx.StrictNamedArgs{"holder": holder})
	return tag.RowsAffected(), translate(err, "release the claims of a notifier")
}

// KeepPayload stores what was rendered for j, before it is sent for the first time.
func (st *Store) KeepPayload(ctx context.Context, j *alert.Job) error {
	_, err := st.db.Exec(ctx, sqlKeepPayload, pgx.StrictNamedArgs{"payload": j.Payload, "project": j.Project, "id": j.ID})
	return translate(err, "keep the message of delivery %d of project %d", j.ID, j.Project)
}

// LaneFailure is how a lane stands after a failure.
type LaneFailure struct {
	Failures int // in a row
	Since    time.Time
	Disabled bool
}

// FinishAttempt logs a try of j, what becomes of j, and how its lane fares; thread is what the
// channel called the message. It may be repeated. failed is nil when the try says nothing bad of the
// destination.
func (st *Store) FinishAttempt(ctx context.Context, j *alert.Job, a alert.Attempt, v alert.Verdict, answer alert.Answer) (failed *LaneFailure, err error) {
	var next *time.Time
	if v.State == alert.DeliveryQueued {
		next = &v.NextAttemptAt
	}
	b := &pgx.Batch{}
	b.Queue(sqlFinishAttempt, pgx.StrictNamedArgs{
		"project": j.Project, "id": j.ID, "number": a.Number, "started": a.StartedAt, "duration": a.Duration.Milliseconds(),
		"status": a.Status, "error": a.Error, "response": a.Response, "state": v.State, "reason": v.Reason, "next": next,
		"thread": answer.Thread, "issue": j.Issue, "lane": j.Lane})
	switch {
	case answer.Error == "":
		b.Queue(sqlLaneSent, pgx.StrictNamedArgs{"lane": j.Lane})
	case !answer.Cut && j.Kind != alert.NoticeTest:
		failed = &LaneFailure{}
		b.Queue(sqlLaneFailed, pgx.StrictNamedArgs{"lane": j.Lane, "error": answer.Error}).QueryRow(func(row pgx.Row) error {
			return row.Scan(&failed.Failures, &failed.Since, &failed.Disabled)
		})
	}
	if failed == nil {
		err = st.db.SendBatch(ctx, b).Close()
	} else { // nobody may see the lane free before its breaker is open
		err = pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
			if err := tx.SendBatch(ctx, b).Close(); err != nil {
				return err
			}
			pause := max(alert.BreakFor(failed.Failures), min(answer.RetryAfter, time.Hour))
			if pause <= 0 {
				return nil
			}
			_, err := tx.Exec(ctx, sqlOpenBreaker, pgx.StrictNamedArgs{"lane": j.Lane, "pause": pause})
			return err
		})
	}
	return failed, translate(err, "finish try %d of delivery %d of project %d", a.Number, j.ID, j.Project)
}

// Requeue makes finished deliveries of a project due again and returns the ids of those it found
// finished.
func (st *Store) Requeue(ctx context.Context, project int64, ids []int64) ([]int64, error) {
	rows, _ := st.db.Query(ctx, sqlRequeue, pgx.StrictNamedArgs{"project": project, "ids": ids}) // Collect reports a failed Query
	queued, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	slices.Sort(queued)
	return queued, translate(err, "queue deliveries of project %d again", project)
}
