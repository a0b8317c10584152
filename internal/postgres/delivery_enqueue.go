package postgres

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/alert"
)

// A delivery exists once for each rule, change, action, lane and kind. When the rule spoke about the
// issue less than its frequency ago, it is only logged.
const sqlInsertDelivery = `
	insert into deliveries (project_id, id, rule_id, change_id, action, issue_id, kind, lane, destination_id, user_id, channel, target,
		notice, payload, state, reason, next_attempt_at, finished_at)
	select @project, @id, @rule, @change, @action, nullif(@issue::bigint, 0), @kind, @lane, nullif(@destination::bigint, 0),
		nullif(@user::bigint, 0), @channel, @target, @notice::text::jsonb, @payload,
		case when recent or @silent::text <> '' then 3 else 0 end,
		case when @silent <> '' then @silent when recent then 'the rule spoke about this issue less than its frequency ago' else '' end,
		case when recent or @silent <> '' then null else now() end,
		case when recent or @silent <> '' then now() end
	from (select @frequency::interval > interval '0' and exists (
		select from deliveries
		where project_id = @project and rule_id = @rule and issue_id = @issue and action = @action and lane = @lane and kind = @kind
			and created_at > now() - @frequency::interval and state <> 3 and change_id > 0 and change_id <> @change) as recent) as r
	on conflict (project_id, rule_id, change_id, action, lane, kind) do nothing
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

const (
	sqlMakeLanes = `insert into alert_lanes (lane) select unnest(@lanes::text[]) on conflict do nothing`
	sqlLockLanes = `
		select lane, tokens, refilled_at, disabled_at is not null as disabled, is_paused
		from alert_lanes where lane = any(@lanes::text[]) order by lane for update`
	sqlSpendTokens = `
		update alert_lanes l set tokens = v.tokens, refilled_at = v.at
		from unnest(@lanes::text[], @tokens::float8[], @ats::timestamptz[]) as v(lane, tokens, at)
		where l.lane = v.lane`
	sqlFolds   = `select bucket, digest_id, opened_at, due_at from alert_folds where bucket = any(@buckets::text[]) order by bucket for update`
	sqlPutFold = `
		insert into alert_folds (bucket, project_id, lane, digest_id, opened_at, due_at)
		values (@bucket, @project, @lane, @digest, @opened, @due)
		on conflict (bucket) do update set due_at = excluded.due_at`
	sqlHoldDeliveries = `
		update deliveries d set state = 4, reason = 'told together with others', digest_id = v.digest, next_attempt_at = null, finished_at = now()
		from unnest(@projects::bigint[], @ids::bigint[], @digests::bigint[]) as v(project_id, id, digest)
		where d.project_id = v.project_id and d.id = v.id`
	sqlSilenceDeliveries = `
		update deliveries d set state = 3, reason = v.reason, next_attempt_at = null, finished_at = now()
		from unnest(@projects::bigint[], @ids::bigint[], @reasons::text[]) as v(project_id, id, reason)
		where d.project_id = v.project_id and d.id = v.id`
)

// EnqueueDeliveries stores deliveries for sending, in one transaction, and returns how many of
// them are new and due. Those stored before are left alone, so the call may be repeated. Beyond its
// lane's budget, and in quiet hours, a delivery is folded: a digest will tell of it.
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
	fired, err := insertDeliveries(ctx, tx, jobs)
	if err != nil || len(fired) == 0 {
		return 0, err
	}
	queued, err = hold(ctx, tx, fired)
	if err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, sqlTouchRules, ruleArgs(fired))
	return queued, err
}

// insertDeliveries stores the jobs and returns those that are new and due.
func insertDeliveries(ctx context.Context, tx pgx.Tx, jobs []alert.Job) ([]alert.Job, error) {
	batch := &pgx.Batch{} // one statement each: a delivery sees the ones before it
	for i := range jobs {
		j := &jobs[i]
		var notice *string
		if len(j.Notice) > 0 {
			notice = new(strings.ReplaceAll(string(j.Notice), `\u0000`, `\ufffd`)) // Postgres keeps no NUL
		}
		if j.Kind == "" {
			j.Kind = alert.NoticeAlert
		}
		batch.Queue(sqlInsertDelivery, pgx.StrictNamedArgs{
			"project": j.Project, "id": j.ID, "rule": j.Rule, "change": j.Change, "action": j.Action, "issue": j.Issue, "kind": j.Kind,
			"lane": j.Lane, "destination": j.Destination, "user": j.User, "channel": j.Channel, "target": j.Target, "notice": notice,
			"payload": j.Payload, "frequency": j.Frequency, "silent": j.Silent})
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
			return nil, err
		}
	}
	return fired, results.Close()
}

// holding is the lanes and folds that a batch touches.
type holding struct {
	now   time.Time
	lanes map[string]*lane
	folds map[string]*alert.Fold
}

type lane struct {
	disabled, paused bool
	budget           alert.Tokens
	spent            bool
}

// hold spends the budgets of the lanes and folds what is beyond them; it returns how many of the
// jobs go out.
func hold(ctx context.Context, tx pgx.Tx, jobs []alert.Job) (queued int, err error) {
	h := &holding{now: time.Now(), lanes: map[string]*lane{}, folds: map[string]*alert.Fold{}}
	if err := h.lock(ctx, tx, jobs); err != nil {
		return 0, err
	}
	var held, silenced struct {
		projects, ids, digests []int64
		reasons                []string
	}
	b := &pgx.Batch{}
	touched := map[string]alert.Job{}
	for i := range jobs {
		j := &jobs[i]
		lane := h.lanes[j.Lane]
		if reason := lane.closed(); reason != "" {
			silenced.projects, silenced.ids = append(silenced.projects, j.Project), append(silenced.ids, j.ID)
			silenced.reasons = append(silenced.reasons, reason)
			continue
		}
		bucket, fold := h.place(j, lane)
		if fold == nil {
			queued++
			continue
		}
		touched[bucket] = *j
		held.projects, held.ids, held.digests = append(held.projects, j.Project), append(held.ids, j.ID), append(held.digests, fold.Digest)
	}
	for _, bucket := range slices.Sorted(maps.Keys(touched)) {
		j, f := touched[bucket], h.folds[bucket]
		if j.QuietUntil.IsZero() {
			f.Extend(j.Noise, h.now)
		} else {
			f.OpenedAt, f.DueAt = h.now, j.QuietUntil
		}
		b.Queue(sqlPutFold, pgx.StrictNamedArgs{"bucket": bucket, "project": j.Project, "lane": j.Lane, "digest": f.Digest, "opened": f.OpenedAt, "due": f.DueAt})
	}
	if len(held.ids) > 0 {
		b.Queue(sqlHoldDeliveries, pgx.StrictNamedArgs{"projects": held.projects, "ids": held.ids, "digests": held.digests})
	}
	if len(silenced.ids) > 0 {
		b.Queue(sqlSilenceDeliveries, pgx.StrictNamedArgs{"projects": silenced.projects, "ids": silenced.ids, "reasons": silenced.reasons})
	}
	h.queueTokens(b)
	queueEscalations(b, jobs, silenced.ids, h.now)
	return queued, tx.SendBatch(ctx, b).Close()
}

// closed says why nothing may be put into the lane; empty: it may.
func (l *lane) closed() string {
	switch {
	case l.disabled:
		return "the destination is switched off"
	case l.paused:
		return "the destination is paused"
	}
	return ""
}

// place decides where j goes: out, when fold is nil, or into a fold.
func (h *holding) place(j *alert.Job, lane *lane) (bucket string, fold *alert.Fold) {
	if !foldable(j.Kind) {
		return "", nil
	}
	if !j.QuietUntil.IsZero() {
		bucket = alert.Bucket(j.Lane, j.Project, j.Rule)
	} else {
		bucket = alert.Bucket(j.Lane, j.Project, 0)
		if f := h.folds[bucket]; f == nil || f.Digest == 0 || f.OpenedAt.IsZero() {
			lane.spent = lane.spent || j.Noise.Budget > 0
			if lane.budget.Take(j.Noise, h.now) {
				return "", nil
			}
		}
	}
	f := h.folds[bucket]
	if f == nil {
		f = &alert.Fold{}
		h.folds[bucket] = f
	}
	if f.Digest == 0 {
		f.Digest = NewID()
	}
	return bucket, f
}

// foldable reports whether messages of the kind may be told together.
func foldable(k alert.NoticeKind) bool { return k == alert.NoticeAlert || k == alert.NoticePersonal }

func (h *holding) lock(ctx context.Context, tx pgx.Tx, jobs []alert.Job) error {
	var lanes, buckets []string
	for i := range jobs {
		lanes = append(lanes, jobs[i].Lane)
		buckets = append(buckets, alert.Bucket(jobs[i].Lane, jobs[i].Project, 0))
		if !jobs[i].QuietUntil.IsZero() {
			buckets = append(buckets, alert.Bucket(jobs[i].Lane, jobs[i].Project, jobs[i].Rule))
		}
	}
	slices.Sort(lanes)
	slices.Sort(buckets)
	lanes, buckets = slices.Compact(lanes), slices.Compact(buckets)
	b := &pgx.Batch{}
	b.Queue(sqlMakeLanes, pgx.StrictNamedArgs{"lanes": lanes})
	b.Queue(sqlLockLanes, pgx.StrictNamedArgs{"lanes": lanes}).Query(func(rows pgx.Rows) error {
		var name string
		var l lane
		var refilled *time.Time // null: never
		_, err := pgx.ForEachRow(rows, []any{&name, &l.budget.Left, &refilled, &l.disabled, &l.paused}, func() error {
			made := l
			if refilled != nil {
				made.budget.RefilledAt = *refilled
			}
			h.lanes[name] = &made
			return nil
		})
		return err
	})
	b.Queue(sqlFolds, pgx.StrictNamedArgs{"buckets": buckets}).Query(func(rows pgx.Rows) error {
		var bucket string
		var f alert.Fold
		_, err := pgx.ForEachRow(rows, []any{&bucket, &f.Digest, &f.OpenedAt, &f.DueAt}, func() error {
			h.folds[bucket] = new(f)
			return nil
		})
		return err
	})
	return tx.SendBatch(ctx, b).Close()
}

// queueTokens writes the budgets that were spent.
func (h *holding) queueTokens(b *pgx.Batch) {
	var lanes []string
	var tokens []float64
	var ats []time.Time
	for _, name := range slices.Sorted(maps.Keys(h.lanes)) {
		if l := h.lanes[name]; l.spent {
			lanes, tokens, ats = append(lanes, name), append(tokens, l.budget.Left), append(ats, l.budget.RefilledAt)
		}
	}
	if len(lanes) > 0 {
		b.Queue(sqlSpendTokens, pgx.StrictNamedArgs{"lanes": lanes, "tokens": tokens, "ats": ats})
	}
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
