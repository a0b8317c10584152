package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/zstd"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/job"
)

const (
	jobLease    = 20 * time.Second       // a worker that says nothing for this long is taken for dead
	jobBeat     = jobLease / 4           // how often a worker says that it is alive, however long a chunk takes
	jobWait     = 200 * time.Millisecond // before a job that waits for others looks again
	jobPauseMax = 500 * time.Millisecond // between two chunks
	jobFailures = 20                     // chunks that may fail in a row, over about an hour
)

// JobTools are what jobs need besides the database.
type JobTools struct {
	// Put stores a blob of a project and returns its key; Delete removes one.
	Put    func(ctx context.Context, project int64, at time.Time, data []byte) (string, error)
	Delete func(ctx context.Context, key string) error
	// Symbolicate maps the frames of a stored event anew and returns it as it is to be stored; nil
	// when nothing changed.
	Symbolicate func(ctx context.Context, project int64, ev *event.Event) (*event.Event, error)
}

// jobWork is a job in the hands of a worker.
type jobWork struct {
	st    *Store
	tools *JobTools
	job.Job
	state    jobState
	fence    int64
	failures int
	wait     bool // it waits for others, and lets other jobs go ahead

	encoders map[int64]*zstd.Encoder // for writing blocks anew, by dictionary
}

var errLostJob = errors.New("another worker has the job")

// steps do one chunk of a job: they call commit at least once, or set wait.
var steps = map[job.Kind]func(*jobWork, context.Context) error{
	job.Delete: (*jobWork).deleteStep, job.Merge: (*jobWork).mergeStep, job.Unmerge: (*jobWork).unmergeStep,
	job.Regroup: (*jobWork).regroupStep, job.Export: (*jobWork).exportStep, job.Erase: (*jobWork).eraseStep,
	job.Symbolicate: (*jobWork).symbolicateStep, job.Update: (*jobWork).updateStep,
}

const (
	sqlClaimJob = `
		update jobs j set status = 1, started_at = coalesce(j.started_at, now()), fence = j.fence + 1, leased_until = now() + @lease::interval
		from (select project_id, id from jobs where status in (0, 1) and leased_until <= now() order by turn_at limit 1 for update skip locked) as d
		where j.project_id = d.project_id and j.id = d.id
		returning j.project_id, j.id, j.kind, j.args, j.state, j.done, j.total, j.result, j.cancel, j.fence, j.failures, coalesce(j.created_by, 0)`

	sqlSaveJob = `
		update jobs set state = @state, done = @done, total = @total, result = @result, status = @status::smallint, problem = @problem, failures = 0,
			finished_at = case when @status::smallint >= 2 then now() end, leased_until = now() + @lease::interval
		where project_id = @project and id = @id and fence = @fence and status = 1 returning cancel`

	sqlHoldJob = `
		update jobs set leased_until = now() + @lease::interval where project_id = @project and id = @id and fence = @fence and status = 1`

	sqlSlowJob = `
		update jobs set state = jsonb_set(state, '{cut}', to_jsonb(@cut::int)), turn_at = now(), leased_until = now()
		where project_id = @project and id = @id and fence = @fence and status = 1`

	sqlReleaseJob = `
		update jobs set turn_at = now(), leased_until = now() + @wait::interval
		where project_id = @project and id = @id and fence = @fence and status = 1`

	sqlFailJob = `
		update jobs set turn_at = now(), leased_until = now() + @wait::interval, failures = failures + 1, problem = @problem,
			status = case when failures + 1 >= @most then 3 else status end, finished_at = case when failures + 1 >= @most then now() end
		where project_id = @project and id = @id and fence = @fence and status = 1`
)

// WorkJob takes the job whose turn it is and does chunks of it, for about the given time or until
// it is over. worked is false when no job had anything to do. Any number of workers may call it.
func (st *Store) WorkJob(ctx context.Context, tools *JobTools, budget time.Duration) (worked bool, err error) {
	w, err := st.claimJob(ctx, tools)
	if err != nil || w == nil {
		return false, err
	}
	stop, until := w.hold(ctx), time.Now().Add(budget)
	for w.Status == job.Running && !w.wait {
		began := time.Now()
		if err = w.step(ctx); err != nil || time.Now().After(until) {
			break
		}
		sleep(ctx, w.pause(time.Since(began)))
	}
	stop() // before the job is given back, which a late beat would take again
	return !w.wait, w.release(ctx, err)
}

// hold keeps the job in this worker's hands for as long as it lives, until the function that it returns
// is called.
func (w *jobWork) hold(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	named, ended := pgx.StrictNamedArgs{"project": w.Project, "id": w.ID, "fence": w.fence, "lease": jobLease}, make(chan struct{})
	go func() {
		defer close(ended)
		for tick := time.NewTicker(jobBeat); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
				_, _ = w.st.db.Exec(ctx, sqlHoldJob, named) // the next beat, or the next chunk, says it again
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

// pause is how long others go ahead after a chunk: most of the time is theirs, but for an update,
// which somebody waits for.
func (w *jobWork) pause(took time.Duration) time.Duration {
	if w.Kind == job.Update {
		return min(took/4, jobPauseMax)
	}
	return min(2*took, jobPauseMax)
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

func (st *Store) claimJob(ctx context.Context, tools *JobTools) (*jobWork, error) {
	w := &jobWork{st: st, tools: tools, encoders: make(map[int64]*zstd.Encoder)}
	w.Status = job.Running
	var args, state []byte
	err := st.db.QueryRow(ctx, sqlClaimJob, pgx.StrictNamedArgs{"lease": jobLease}).Scan(&w.Project, &w.ID, &w.Kind, &args, &state, &w.Done, &w.Total,
		&w.Result, &w.Cancel, &w.fence, &w.failures, &w.CreatedBy)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err == nil {
		err = errors.Join(json.Unmarshal(args, &w.Args), json.Unmarshal(state, &w.state))
	}
	return w, translate(err, "take a job")
}

// step does one chunk. A panic, which is a defect of ours, is a failure of the job and not of the worker.
func (w *jobWork) step(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			slog.ErrorContext(ctx, "a chunk of a job panicked", "err", fmt.Errorf("panic: %v\n%s", p, debug.Stack()), "project", w.Project, "job", w.ID, "kind", string(w.Kind))
			err = fault.New(fault.Internal, "a defect kept a part of the job from being done")
		}
	}()
	if w.Cancel && w.Kind.Cancellable() {
		return w.cancelled(ctx)
	}
	do := steps[w.Kind]
	if do == nil {
		return fault.New(fault.Internal, "job %d is of the unknown kind %.40q", w.ID, w.Kind)
	}
	for attempt := 1; ; attempt++ {
		err := do(w, ctx)
		if !errors.Is(err, errRace) || attempt == attempts { // what was read before has changed
			return err
		}
	}
}

// release gives the job to whoever comes next: at once, or later after a failure.
func (w *jobWork) release(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	args := pgx.StrictNamedArgs{"project": w.Project, "id": w.ID, "fence": w.fence, "wait": time.Duration(0)}
	switch {
	case errors.Is(err, errLostJob) || w.Status != job.Running:
		return nil
	case errors.Is(err, errSlow): // whoever takes it next reads how far it is, and takes less at once
		_, err := w.st.db.Exec(ctx, sqlSlowJob, pgx.StrictNamedArgs{"project": w.Project, "id": w.ID, "fence": w.fence, "cut": min(2*cmp.Or(w.state.Cut, firstCut), maxCut)})
		return translate(err, "release job %d", w.ID)
	case err == nil || errors.Is(err, context.Canceled):
		if w.wait {
			args["wait"] = jobWait
		}
		_, err = w.st.db.Exec(ctx, sqlReleaseJob, args)
		return translate(err, "release job %d", w.ID)
	}
	args["wait"], args["problem"], args["most"] = min(time.Second<<min(w.failures, 9), 5*time.Minute), clean(fault.Public(err), maxProblem), jobFailures
	if _, failed := w.st.db.Exec(ctx, sqlFailJob, args); failed != nil {
		return errors.Join(err, failed)
	}
	return fault.Wrap(err, fault.KindOf(err), "a chunk of job %d (%s) of project %d failed", w.ID, w.Kind, w.Project)
}

const maxProblem = 500

// errSlow ends a chunk undone that held its locks for too long.
var errSlow = errors.New("the chunk took too long")

// commit runs the work of a chunk and saves where the job stands then, in one transaction. The work
// may run again, with the job as it was before. errSlow: it took too long, and can be smaller.
func (w *jobWork) commit(ctx context.Context, work func(tx pgx.Tx) error) error {
	before, held := *w, time.Duration(0)
	err := retry(ctx, func() error {
		*w = before
		began := time.Now()
		defer func() { held = time.Since(began) }()
		err := pgx.BeginFunc(ctx, w.st.db, func(tx pgx.Tx) error {
			if err := w.limit(ctx, tx); err != nil {
				return err
			}
			if work != nil {
				if err := work(tx); err != nil {
					return err
				}
			}
			if time.Since(began) > chunkMost && w.state.Cut < maxCut {
				return errSlow
			}
			return w.save(ctx, tx)
		})
		switch {
		case codeOf(err) == queryCanceled && ctx.Err() == nil:
			return errSlow
		case errors.Is(err, errRace):
			return errReread
		}
		return err
	})
	if err != nil {
		*w = before
	} else {
		w.state.Cut = nextCut(w.state.Cut, held)
	}
	switch {
	case errors.Is(err, errReread):
		return errRace
	case errors.Is(err, errSlow):
		return err
	}
	return translate(err, "do a chunk of job %d", w.ID)
}

const (
	firstCut  = 4 // chunks begin at this part of their most, and grow
	maxCut    = 64
	chunkHeld = 250 * time.Millisecond // that a chunk should hold its locks
	chunkMost = 800 * time.Millisecond // after which it gives them back, to be done in smaller ones
	stepMost  = 500 * time.Millisecond // likewise one statement of it
)

// queryCanceled is Postgres' code for a statement that took longer than it may.
const queryCanceled = "57014"

const sqlLimitStatements = `select set_config('statement_timeout', @most::text, true)`

// limit bounds the statements of a chunk, unless that cannot be smaller and takes what it takes.
func (w *jobWork) limit(ctx context.Context, tx pgx.Tx) error {
	if w.state.Cut >= maxCut {
		return nil
	}
	_, err := tx.Exec(ctx, sqlLimitStatements, pgx.StrictNamedArgs{"most": strconv.FormatInt(stepMost.Milliseconds(), 10)})
	return err
}

// chunk is how many rows a chunk takes that may take most.
func (w *jobWork) chunk(most int) int { return max(most/cmp.Or(w.state.Cut, firstCut), 1) }

// nextCut makes the next chunks smaller when one held its locks for too long, and larger when it was
// done soon.
func nextCut(cut int, held time.Duration) int {
	cut = cmp.Or(cut, firstCut)
	switch {
	case held > chunkHeld:
		return min(2*cut, maxCut)
	case held < chunkHeld/2:
		return max(cut/2, 1)
	}
	return cut
}

// errReread keeps retry from running work again on what was read too early.
var errReread = errors.New("rows have changed since they were read")

func (w *jobWork) save(ctx context.Context, tx pgx.Tx) error {
	state, err := json.Marshal(w.state)
	if err != nil {
		return err
	}
	err = tx.QueryRow(ctx, sqlSaveJob, pgx.StrictNamedArgs{"project": w.Project, "id": w.ID, "fence": w.fence, "state": state, "done": w.Done, "total": w.Total,
		"result": []byte(w.Result), "status": int16(w.Status), "problem": w.Problem, "lease": jobLease}).Scan(&w.Cancel)
	if errors.Is(err, pgx.ErrNoRows) {
		return errLostJob
	}
	return err
}

// finish ends the job in the next commit with a result.
func (w *jobWork) finish(result map[string]any) error {
	b, err := json.Marshal(result)
	if err == nil {
		w.Status, w.Result = job.Done, b
	}
	return err
}

// cancelled stops the job half-way.
func (w *jobWork) cancelled(ctx context.Context) error {
	return w.commit(ctx, func(tx pgx.Tx) error {
		w.Status = job.Cancelled
		if w.Kind == job.Delete {
			return w.putBack(ctx, tx)
		}
		return nil
	})
}

const (
	sqlOlderEnded = `select pg_snapshot_xmin(pg_current_snapshot())::text::bigint > @xid, coalesce((select max(id) from pending_facts where project_id = @project), 0)`

	sqlFactsWaiting = `select exists (select from pending_facts where project_id = @project and id <= @last)`
)

// settle waits until nothing is written any more by transactions that began before the job did, and
// the facts they left are folded. It returns true when that is so.
func (w *jobWork) settle(ctx context.Context) (bool, error) {
	if w.state.Settled {
		return true, nil
	}
	if w.state.Fold == 0 {
		var ended bool
		err := w.st.db.QueryRow(ctx, sqlOlderEnded, pgx.StrictNamedArgs{"project": w.Project, "xid": w.state.Xid}).Scan(&ended, &w.state.Fold)
		if err != nil || !ended {
			w.wait, w.state.Fold = true, 0
			return false, translate(err, "wait for older transactions")
		}
	}
	waiting := w.state.Fold > 0
	for range 20 { // others fold too, and hold what they fold
		if !waiting {
			break
		}
		if _, err := w.st.FoldFacts(ctx); err != nil {
			return false, err
		}
		if err := w.st.db.QueryRow(ctx, sqlFactsWaiting, pgx.StrictNamedArgs{"project": w.Project, "last": w.state.Fold}).Scan(&waiting); err != nil {
			return false, translate(err, "wait for facts")
		}
	}
	if waiting {
		w.wait = true
		return false, w.commit(ctx, nil)
	}
	w.state.Settled = true
	return true, w.commit(ctx, nil)
}
