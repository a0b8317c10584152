package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/project"
)

// undoWithin is for how long a change by hand can be taken back.
const undoWithin = 24 * time.Hour

// undoRows is how many issues are put back in one transaction.
const undoRows = 500

const (
	// What was changed since is left as it is.
	sqlUndo = `
		select u.issue_id, u.state from issue_undo u join issues i on i.project_id = u.project_id and i.id = u.issue_id
		where u.project_id = any(@projects::bigint[]) and u.id = @id and u.user_id = @user and i.version = u.version and u.created_at > @since
		order by u.project_id, u.issue_id limit @limit`

	sqlUndoable = `
		select c.id from unnest(@ids::bigint[]) c(id) where exists (
			select from issue_undo u where u.project_id = any(@projects::bigint[]) and u.id = c.id and u.user_id = @user and u.created_at > @since)`

	sqlForgetUndone = `delete from issue_undo where project_id = any(@projects::bigint[]) and id = @id and issue_id = any(@ids::bigint[])`

	sqlForgetUndo = `delete from issue_undo where created_at < @before`
)

// UndoChange puts issues back to where they were before the change that IssueRow.Undo names, made
// by the user within a day, and returns them, at most MaxChanged. Issues that were changed since stay
// as they are. fault.Unknown: there is nothing to take back.
func (st *Store) UndoChange(ctx context.Context, org, id, user int64) ([]IssueRow, error) {
	projects, err := st.Projects(ctx, org)
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	var list []IssueRow
	for { // what was put back is not found again
		var part []IssueRow
		err = retry(ctx, func() error {
			return pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
				part, err = undoSome(ctx, tx, projects, id, user, now)
				return err
			})
		})
		if err == nil && len(part) == 0 && len(list) == 0 {
			err = fault.New(fault.Unknown, "There is nothing to take back: it was done already, or the issues were changed since.")
		}
		if err != nil || len(part) == 0 {
			return list, translate(err, "take back a change of issues")
		}
		list = append(list, part[:min(len(part), MaxChanged-len(list))]...)
	}
}

// Undoable are those of some changes to issues of projects, as IssueRow.Undo names them, of which UndoChange
// may still find something that the user made.
func (st *Store) Undoable(ctx context.Context, projects, ids []int64, user int64) ([]int64, error) {
	since := time.Now().UTC().Add(-undoWithin)
	rows, _ := st.db.Query(ctx, sqlUndoable, pgx.StrictNamedArgs{"projects": projects, "ids": ids, "user": user, "since": since})
	left, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	return left, translate(err, "find what can be taken back")
}

// undoSome puts some of the issues back.
func undoSome(ctx context.Context, tx pgx.Tx, projects []project.Project, id, user int64, now time.Time) ([]IssueRow, error) {
	c := conditions{projects: projects}
	rows, _ := tx.Query(ctx, sqlUndo, pgx.StrictNamedArgs{"projects": c.projectIDs(), "id": id, "user": user, "since": now.Add(-undoWithin), "limit": undoRows})
	before := map[int64]issue.State{}
	var ids []int64
	var one int64
	var state issue.State
	if _, err := pgx.ForEachRow(rows, []any{&one, &state}, func() error {
		before[one], ids = state, append(ids, one)
		state = issue.State{}
		return nil
	}); err != nil || len(ids) == 0 {
		return nil, err
	}
	rows, _ = tx.Query(ctx, sqlIssuesForChange, pgx.StrictNamedArgs{"projects": c.projectIDs(), "ids": ids})
	list, _, err := collectIssueRows(rows, projects)
	if err != nil {
		return nil, err
	}
	w := issueWrites{user: user, now: now}
	for i := range list {
		was := list[i].state()
		after, acts := was.Restore(before[list[i].ID], now)
		if err := w.add(&list[i], was, after, acts, c.organization(list[i].Project)); err != nil {
			return nil, err
		}
	}
	if _, err := tx.Exec(ctx, sqlForgetUndone, pgx.StrictNamedArgs{"projects": c.projectIDs(), "id": id, "ids": ids}); err != nil {
		return nil, err
	}
	return list, w.write(ctx, tx)
}
