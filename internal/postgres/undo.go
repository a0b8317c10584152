package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
)

// undoWithin is for how long a change by hand can be taken back.
const undoWithin = 24 * time.Hour

const (
	sqlInsertUndo = `
		insert into issue_undo (project_id, id, issue_id, user_id, version, state) values (@project, @id, @issue, @user, @version, @state::text::jsonb)`

	// What was changed since is left as it is.
	sqlUndo = `
		select u.issue_id, u.state from issue_undo u join issues i on i.project_id = u.project_id and i.id = u.issue_id
		where u.project_id = any(@projects::bigint[]) and u.id = @id and u.user_id = @user and i.version = u.version and u.created_at > @since`

	sqlForgetUndo = `delete from issue_undo where created_at < @before`
)

// queueUndo keeps where an issue was before a change by a person.
func (r *IssueRow) queueUndo(b *pgx.Batch, id int64, before issue.State, acts []issue.Activity, user int64) error {
	if len(acts) == 0 || user == 0 {
		return nil
	}
	state, err := json.Marshal(before)
	if err == nil {
		b.Queue(sqlInsertUndo, pgx.StrictNamedArgs{"project": r.Project, "id": id, "issue": r.ID, "user": user, "version": r.Version, "state": string(state)})
		r.Undo = id
	}
	return err
}

// UndoChange puts issues back to where they were before the change that IssueRow.Undo names, made
// by the user within a day. Issues that were changed since stay as they are. fault.Unknown: there
// is nothing to take back.
func (st *Store) UndoChange(ctx context.Context, org, id, user int64) ([]IssueRow, error) {
	projects, err := st.Projects(ctx, org)
	if err != nil {
		return nil, err
	}
	c := conditions{projects: projects}
	now := time.Now().UTC()
	var list []IssueRow
	err = pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, sqlUndo, pgx.StrictNamedArgs{"projects": c.projectIDs(), "id": id, "user": user, "since": now.Add(-undoWithin)})
		before := map[int64]issue.State{}
		var ids []int64
		var one int64
		var state issue.State
		if _, err := pgx.ForEachRow(rows, []any{&one, &state}, func() error {
			before[one], ids = state, append(ids, one)
			state = issue.State{}
			return nil
		}); err != nil {
			return err
		}
		if len(ids) == 0 {
			return fault.New(fault.Unknown, "There is nothing to take back: it was done already, or the issues were changed since.")
		}
		rows, _ = tx.Query(ctx, sqlIssuesForChange, pgx.StrictNamedArgs{"projects": c.projectIDs(), "ids": ids})
		if list, _, err = collectIssueRows(rows, projects); err != nil {
			return err
		}
		b := &pgx.Batch{}
		for i := range list {
			was := list[i].state()
			after, acts := was.Restore(before[list[i].ID], now)
			if err := list[i].queueState(b, was, after, acts, user, now, c.organization(list[i].Project)); err != nil {
				return err
			}
		}
		return tx.SendBatch(ctx, b).Close()
	})
	return list, translate(err, "take back a change of issues")
}
