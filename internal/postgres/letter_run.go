package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// RunKind is what a run does to dead letters.
type RunKind string

// The kinds of runs.
const (
	RunReplay  RunKind = "replay"
	RunDiscard RunKind = "discard"
)

// RunState is how far a run is.
type RunState int16

// The states of a run.
const (
	RunGoing    RunState = 0
	RunDone     RunState = 1
	RunCanceled RunState = 2
)

// String names the state in lower case.
func (s RunState) String() string {
	switch s {
	case RunDone:
		return "done"
	case RunCanceled:
		return "canceled"
	}
	return "running"
}

// LetterRun is dead letters being replayed or discarded.
type LetterRun struct {
	ID         int64
	Kind       RunKind
	DLQ        string
	Queue      string   // empty: all
	GroupID    string   // bus.DeadLetter.Group; empty: all
	Letters    []uint64 // nil: every one that Queue and GroupID select
	Reason     string
	ActorID    int64 // user; 0 for a token of the organization's own
	Actor      string
	State      RunState
	UntilSeq   uint64 // letters that came later are none of its
	NextSeq    uint64 // what is below is done
	Total      int64  // letters when it began, as far as that is known
	Done       int64
	Failed     int64 // letters that stay where they are
	LastError  string
	CreatedAt  time.Time
	FinishedAt *time.Time
}

const letterRunColumns = `id, kind, dlq, queue, group_id, letters, reason, coalesce(actor_id, 0) as actor_id, actor, state, until_seq, next_seq,
	total, done, failed, last_error, created_at, finished_at`

const sqlInsertLetterRun = `
	insert into dead_letter_runs (id, kind, dlq, queue, group_id, letters, reason, actor_id, actor, until_seq, total)
	values (@id, @kind, @dlq, @queue, @group, @letters, @reason, nullif(@actor_id::bigint, 0), @actor, @until, @total)`

// StartLetterRun stores a new run, which whoever works off runs picks up. It sets ID.
func (st *Store) StartLetterRun(ctx context.Context, r *LetterRun) error {
	r.ID = NewID()
	_, err := st.db.Exec(ctx, sqlInsertLetterRun, pgx.StrictNamedArgs{"id": r.ID, "kind": r.Kind, "dlq": r.DLQ, "queue": r.Queue, "group": r.GroupID,
		"letters": r.Letters, "reason": r.Reason, "actor_id": r.ActorID, "actor": r.Actor, "until": r.UntilSeq, "total": r.Total})
	return translate(err, "start a run over dead letters")
}

const sqlLetterRun = `select ` + letterRunColumns + ` from dead_letter_runs where id = @id`

// LetterRun returns one run. fault.Unknown: there is none of this id.
func (st *Store) LetterRun(ctx context.Context, id int64) (LetterRun, error) {
	rows, _ := st.db.Query(ctx, sqlLetterRun, pgx.StrictNamedArgs{"id": id}) // Collect reports a failed Query
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[LetterRun])
	return r, translate(err, "there is no run %d", id)
}

const sqlLetterRuns = `select ` + letterRunColumns + ` from dead_letter_runs order by created_at desc, id desc limit 100`

// LetterRuns lists the latest hundred runs, newest first.
func (st *Store) LetterRuns(ctx context.Context) ([]LetterRun, error) {
	rows, _ := st.db.Query(ctx, sqlLetterRuns)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[LetterRun])
	return list, translate(err, "list runs over dead letters")
}

const sqlOpenLetterRun = `select ` + letterRunColumns + ` from dead_letter_runs where state = 0 order by id limit 1`

// OpenLetterRun returns the oldest run that is not finished; ok is false when there is none.
func (st *Store) OpenLetterRun(ctx context.Context) (r LetterRun, ok bool, err error) {
	rows, _ := st.db.Query(ctx, sqlOpenLetterRun)
	r, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[LetterRun])
	if errors.Is(err, pgx.ErrNoRows) {
		return r, false, nil
	}
	return r, err == nil, translate(err, "look for a run over dead letters")
}

const sqlSaveLetterRun = `
	update dead_letter_runs set next_seq = @next, done = @done, failed = @failed, last_error = @error, total = greatest(total, @done::bigint + @failed::bigint),
		state = case when state = 0 then @state else state end, finished_at = case when @state <> 0 then now() end
	where id = @id returning state`

// SaveLetterRun stores how far a run is. It sets State: somebody may have canceled the run.
func (st *Store) SaveLetterRun(ctx context.Context, r *LetterRun) error {
	err := st.db.QueryRow(ctx, sqlSaveLetterRun, pgx.StrictNamedArgs{"id": r.ID, "next": r.NextSeq, "done": r.Done, "failed": r.Failed,
		"error": clean(r.LastError, 1000), "state": r.State}).Scan(&r.State)
	return translate(err, "save run %d", r.ID)
}

const sqlCancelLetterRun = `update dead_letter_runs set state = 2, finished_at = now() where id = @id and state = 0`

// CancelLetterRun ends a run after the step in hand. fault.Conflict: it has ended already.
func (st *Store) CancelLetterRun(ctx context.Context, id int64) error {
	tag, err := st.db.Exec(ctx, sqlCancelLetterRun, pgx.StrictNamedArgs{"id": id})
	if err == nil && tag.RowsAffected() == 0 {
		return fault.New(fault.Conflict, "the run has ended already")
	}
	return translate(err, "cancel run %d", id)
}

// OperatorAction is what somebody did to the installation as a whole.
type OperatorAction struct {
	ID        int64
	ActorID   int64
	Actor     string
	Action    string // such as "queue.pause"
	Target    string
	Reason    string
	CreatedAt time.Time
}

const sqlInsertOperatorAction = `
	insert into operator_actions (id, actor_id, actor, action, target, reason)
	values (@id, nullif(@actor_id::bigint, 0), @actor, @action, @target, @reason)`

// AddOperatorAction writes an action down.
func (st *Store) AddOperatorAction(ctx context.Context, a OperatorAction) error {
	_, err := st.db.Exec(ctx, sqlInsertOperatorAction, pgx.StrictNamedArgs{"id": NewID(), "actor_id": a.ActorID, "actor": clean(a.Actor, 200),
		"action": a.Action, "target": a.Target, "reason": clean(a.Reason, 1000)})
	return translate(err, "record an operator's action")
}

const sqlOperatorActions = `
	select id, coalesce(actor_id, 0) as actor_id, actor, action, target, reason, created_at from operator_actions
	order by created_at desc, id desc limit 100`

// OperatorActions lists the latest hundred, newest first.
func (st *Store) OperatorActions(ctx context.Context) ([]OperatorAction, error) {
	rows, _ := st.db.Query(ctx, sqlOperatorActions)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[OperatorAction])
	return list, translate(err, "list what operators did")
}
