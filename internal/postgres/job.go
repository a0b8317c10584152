package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/job"
)

// jobState is where a job stands: its continuation token. Which fields matter depends on the kind.
type jobState struct {
	Phase int `json:"phase,omitempty"`

	// Transactions up to Xid, and facts up to Fold, are from before the job: it waits for both.
	Xid     int64 `json:"xid,omitempty"`
	Fold    int64 `json:"fold,omitempty"`
	Settled bool  `json:"settled,omitempty"`

	Index int       `json:"index,omitempty"` // in Args.Issues, or among tables
	At    time.Time `json:"at,omitzero"`     // events before it, and those of the time up to Event, are done
	Event event.ID  `json:"event,omitzero"`
	Until time.Time `json:"until,omitzero"` // events after it are not touched
	Block int64     `json:"block,omitempty"`
	Cut   int       `json:"cut,omitempty"` // chunks are one in so many of their most, so that locks are short; 0: not measured yet

	Saved  []savedIssue `json:"saved,omitempty"`  // what a delete took away at once
	Source int64        `json:"source,omitempty"` // of an unmerge
	Parts  []string     `json:"parts,omitempty"`  // blobs of an export
	Bytes  int64        `json:"bytes,omitempty"`
	Old    []int64      `json:"old,omitempty"` // dictionaries that are to go

	After   int64 `json:"after,omitempty"` // an update is done with issues up to this id
	Undo    int64 `json:"undo,omitempty"`  // by which an update is taken back
	Changed int64 `json:"changed,omitempty"`
	Refused int64 `json:"refused,omitempty"` // issues whose state does not allow the update
}

// savedIssue is an issue that can be put back.
type savedIssue struct {
	ID     int64           `json:"id"`
	Row    json.RawMessage `json:"row"`
	Hashes []string        `json:"hashes"`
}

// maxOpenJobs bounds the jobs of a project that are not over.
const maxOpenJobs = 200

const (
	sqlInsertJob = `
		insert into jobs (project_id, id, kind, args, state, created_by)
		select @project, @id, @kind, @args, @state, nullif(@user::bigint, 0)
		where (select count(*) from jobs where project_id = @project and status in (0, 1)) < @most`

	jobColumns = `project_id, id, kind, args, status, done, total, result, problem, cancel, coalesce(created_by, 0) as created_by, created_at, started_at, finished_at`

	sqlJob = `select ` + jobColumns + ` from jobs where project_id = @project and id = @id`

	sqlJobs = `
		select ` + jobColumns + ` from jobs where project_id = any(@projects::bigint[]) and (@before::bigint = 0 or id < @before)
		order by id desc limit @limit`

	sqlCancelJob = `
		update jobs set cancel = true, turn_at = least(turn_at, now()) where project_id = @project and id = @id and status in (0, 1)`
)

// insertJob starts a job in the transaction that begins its work.
func insertJob(ctx context.Context, tx pgx.Tx, project int64, kind job.Kind, args job.Args, state jobState, user int64) (int64, error) {
	a, err := json.Marshal(args)
	if err != nil {
		return 0, err
	}
	if state.Xid == 0 {
		if err := tx.QueryRow(ctx, sqlCurrentXid).Scan(&state.Xid); err != nil {
			return 0, err
		}
	}
	s, err := json.Marshal(state)
	if err != nil {
		return 0, err
	}
	id := NewID()
	tag, err := tx.Exec(ctx, sqlInsertJob, pgx.StrictNamedArgs{"project": project, "id": id, "kind": string(kind), "args": a, "state": s, "user": user, "most": maxOpenJobs})
	if err == nil && tag.RowsAffected() == 0 {
		err = fault.New(fault.Limited, "the project has %d jobs that are not over; wait for some of them", maxOpenJobs).RetryAfter(time.Minute)
	}
	return id, err
}

const sqlCurrentXid = `select pg_current_xact_id()::text::bigint`

// StartJob starts a job of a kind that is started by itself. fault.Invalid: the kind is not, or the
// arguments do not suit it. fault.Limited: the project has too many jobs.
func (st *Store) StartJob(ctx context.Context, project int64, kind job.Kind, args job.Args, user int64) (job.Job, error) {
	if !kind.Startable() {
		return job.Job{}, fault.New(fault.Invalid, "%.40q is no kind of job that can be started; regroup, export, erase and symbolicate are", kind)
	}
	if args.Regroup && kind != job.Symbolicate {
		return job.Job{}, fault.New(fault.Invalid, "only symbolicate regroups afterwards")
	}
	if args.User != "" || kind == job.Erase {
		if _, _, err := job.ParseUser(args.User); err != nil {
			return job.Job{}, err
		}
	}
	var id int64
	err := retry(ctx, func() error {
		return pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) (err error) {
			id, err = insertJob(ctx, tx, project, kind, args, jobState{Until: time.Now().UTC().Truncate(time.Microsecond)}, user)
			return err
		})
	})
	if err != nil {
		return job.Job{}, translate(err, "start a job of project %d", project)
	}
	return st.Job(ctx, project, id)
}

func scanJob(row pgx.CollectableRow) (j job.Job, err error) {
	var args []byte
	err = row.Scan(&j.Project, &j.ID, &j.Kind, &args, &j.Status, &j.Done, &j.Total, &j.Result, &j.Problem, &j.Cancel, &j.CreatedBy, &j.CreatedAt, &j.StartedAt, &j.FinishedAt)
	if err != nil {
		return j, err
	}
	return j, json.Unmarshal(args, &j.Args)
}

// Job returns one job of a project. fault.Unknown: it has none of that id.
func (st *Store) Job(ctx context.Context, project, id int64) (job.Job, error) {
	rows, _ := st.db.Query(ctx, sqlJob, pgx.StrictNamedArgs{"project": project, "id": id})
	j, err := pgx.CollectExactlyOneRow(rows, scanJob)
	return j, translate(err, "The requested resource does not exist")
}

// Jobs lists the jobs of projects, newest first: those with ids below before, or all when it is 0.
func (st *Store) Jobs(ctx context.Context, projects []int64, before int64, limit int) ([]job.Job, error) {
	rows, _ := st.db.Query(ctx, sqlJobs, pgx.StrictNamedArgs{"projects": projects, "before": before, "limit": limit})
	list, err := pgx.CollectRows(rows, scanJob)
	return list, translate(err, "list jobs")
}

// CancelJob asks for a job to be stopped at its next chunk. What it did stays done; a delete puts
// the issues back with the events that are left. fault.Conflict: the job is over, or is of a kind
// that cannot be stopped half-way. fault.Unknown: there is no such job.
func (st *Store) CancelJob(ctx context.Context, project, id int64) (job.Job, error) {
	j, err := st.Job(ctx, project, id)
	switch {
	case err != nil:
		return j, err
	case j.Status.Over():
		return j, fault.New(fault.Conflict, "The job is %s already.", j.Status)
	case !j.Kind.Cancellable():
		return j, fault.New(fault.Conflict, "A %s cannot be stopped half-way. Wait for its end and undo it.", j.Kind)
	}
	if _, err := st.db.Exec(ctx, sqlCancelJob, pgx.StrictNamedArgs{"project": project, "id": id}); err != nil {
		return j, translate(err, "cancel job %d", id)
	}
	return st.Job(ctx, project, id)
}

const sqlForgetJobs = `
	delete from jobs where ctid = any(array(select ctid from jobs where status >= 2 and finished_at < @before limit 1000))`

// ForgetJobs removes jobs that were over before the given time.
func (st *Store) ForgetJobs(ctx context.Context, before time.Time) error {
	_, err := st.db.Exec(ctx, sqlForgetJobs, pgx.StrictNamedArgs{"before": before})
	return translate(err, "forget old jobs")
}

const sqlExportParts = `select state from jobs where project_id = @project and id = @id and kind = 'export' and status = 2`

// ExportParts names the blobs that together are what an export made, a gzip file of lines of JSON.
// fault.Unknown: the project has no such export that is done.
func (st *Store) ExportParts(ctx context.Context, project, id int64) ([]string, error) {
	var stored []byte
	if err := st.db.QueryRow(ctx, sqlExportParts, pgx.StrictNamedArgs{"project": project, "id": id}).Scan(&stored); err != nil {
		return nil, translate(err, "The requested resource does not exist")
	}
	var s jobState
	if err := json.Unmarshal(stored, &s); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "read the state of job %d", id)
	}
	return s.Parts, nil
}
