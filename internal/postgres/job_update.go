package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/job"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/search"
)

// updateRows is how many issues a chunk of an update changes at most.
const updateRows = 1000

// StartUpdates starts an update in each of an organization's projects where the query finds issues, all
// of them or none: for what ChangeIssues cannot do at once. The query's order, cursor and limit do not
// matter. fault.Invalid: the change names what there is not, or contradicts itself.
func (st *Store) StartUpdates(ctx context.Context, org int64, q IssueQuery, change job.Change, user int64) ([]job.Job, error) {
	projects, err := st.Projects(ctx, org)
	if err != nil {
		return nil, err
	}
	if err := st.checkAction(ctx, org, &change.Action); err != nil {
		return nil, err
	}
	c, err := st.conditions(ctx, org, q, projects)
	if err != nil {
		return nil, err
	}
	having, err := st.projectsHaving(ctx, c)
	if err != nil {
		return nil, err
	}
	if len(having) > 1 && change.Action.Resolution != nil {
		return nil, fault.New(fault.Invalid, "Cannot set resolved in release for multiple projects.")
	}
	change.Query, change.Environments, change.From, change.To, change.Me = q.Query.String(), q.Environments, q.From, q.To, q.Me
	var ids []int64
	undo, until := NewID(), time.Now().UTC().Truncate(time.Microsecond)
	err = retry(ctx, func() error {
		ids = make([]int64, len(having))
		return pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
			for i, p := range having {
				one := change
				if one.Action.Resolution != nil { // the newest release is that of now, however long it takes
					if one.Action.Resolution, err = knownRelease(ctx, tx, org, p, *one.Action.Resolution); err != nil {
						return err
					}
				}
				if ids[i], err = insertJob(ctx, tx, p, job.Update, job.Args{Update: &one}, jobState{Until: until, Undo: undo}, user); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return nil, translate(err, "start to update issues of organization %d", org)
	}
	jobs := make([]job.Job, len(ids))
	for i := range ids {
		if jobs[i], err = st.Job(ctx, having[i], ids[i]); err != nil {
			return nil, err
		}
	}
	return jobs, nil
}

// projectsHaving are the projects where the conditions hold for an issue.
func (st *Store) projectsHaving(ctx context.Context, c *conditions) (ids []int64, err error) {
	if len(c.projects) == 0 {
		return nil, nil
	}
	ids, err = c.ids(ctx, st, func() string {
		return "select distinct project_id from (" + fmt.Sprintf(selection, "1", c.conditionText(), "limit 1") + ") as w order by project_id"
	})
	return ids, translate(err, "find the projects of a list of organization %d", c.org)
}

// ownProject is the project of the job.
func (w *jobWork) ownProject(ctx context.Context) (project.Project, error) {
	rows, _ := w.st.db.Query(ctx, sqlProjectByID, pgx.StrictNamedArgs{"project": w.Project})
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[projectRow])
	if err != nil {
		return project.Project{}, translate(err, "The project is gone.")
	}
	return r.project()
}

// updateStep changes the next issues that the search finds, in the order of their ids, which the
// change does not touch. Those that came after the job began are left alone.
func (w *jobWork) updateStep(ctx context.Context) error {
	u := w.Args.Update
	if u == nil {
		return fault.New(fault.Internal, "job %d does not say what to change", w.ID)
	}
	p, err := w.ownProject(ctx)
	if err != nil {
		return err
	}
	c, err := w.updated(ctx, p, u)
	if err != nil {
		return err
	}
	if w.Total == 0 && w.state.After == 0 {
		w.Total = w.countUpdated(ctx, c)
	}
	return w.commit(ctx, func(tx pgx.Tx) error {
		ids, err := w.nextUpdated(ctx, tx, c)
		if err != nil {
			return err
		}
		if len(ids) > 0 {
			if err := w.update(ctx, tx, p, u, ids); err != nil {
				return err
			}
			w.state.After, w.Done = ids[len(ids)-1], w.Done+int64(len(ids))
		}
		result := map[string]any{"changed": w.state.Changed, "refused": w.state.Refused}
		if w.CreatedBy != 0 {
			result["undo"] = strconv.FormatInt(w.state.Undo, 10)
		}
		if w.Result, err = json.Marshal(result); err == nil && len(ids) == 0 {
			w.Status = job.Done
		}
		return err
	})
}

// updated is the search of an update as conditions over its project's issues.
func (w *jobWork) updated(ctx context.Context, p project.Project, u *job.Change) (*conditions, error) {
	query, err := search.Parse(u.Query)
	if err != nil {
		return nil, err
	}
	q := IssueQuery{Query: query, Environments: u.Environments, From: u.From, To: u.To, Me: u.Me}
	c, err := w.st.conditionsAt(ctx, p.OrganizationID, q, []project.Project{p}, w.state.Until)
	if err == nil && len(c.projects) > 0 {
		c.and("i.first_seen <= " + c.arg(w.state.Until) + "::timestamptz")
	}
	return c, err
}

// fromUpdated is where the issues of an update are found: along the primary key, of which each chunk
// reads on where the one before ended.
const fromUpdated = " from issues i where i.project_id = @own and i.status = any(@statuses::smallint[])"

// countUpdated counts the issues; one that takes too long is done without.
func (w *jobWork) countUpdated(ctx context.Context, c *conditions) (n int64) {
	c.args["own"] = w.Project
	_ = w.st.read(ctx, func(tx pgx.Tx) error {
		rows, err := c.run(ctx, tx, "select count(*)"+fromUpdated+c.conditionText())
		if err == nil {
			n, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[int64])
		}
		return err
	})
	return n
}

// nextUpdated finds the next issues; none at the end.
func (w *jobWork) nextUpdated(ctx context.Context, tx pgx.Tx, c *conditions) ([]int64, error) {
	if len(c.projects) == 0 { // the search is about others by now
		return nil, nil
	}
	c.args["own"], c.args["after"], c.args["limit"] = w.Project, w.state.After, w.chunk(updateRows)
	rows, err := c.run(ctx, tx, "select i.id"+fromUpdated+c.conditionText()+" and i.id > @after order by i.id limit @limit")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}

// update changes some issues of the project.
func (w *jobWork) update(ctx context.Context, tx pgx.Tx, p project.Project, u *job.Change, ids []int64) error {
	projects := []project.Project{p}
	rows, _ := tx.Query(ctx, sqlIssuesForChange, pgx.StrictNamedArgs{"projects": []int64{p.ID}, "ids": ids})
	list, _, err := collectIssueRows(rows, projects)
	if err != nil {
		return err
	}
	writes := issueWrites{user: w.CreatedBy, now: time.Now().UTC()}
	writes.undo.id = w.state.Undo
	for i := range list {
		version := list[i].Version
		if err := writes.apply(&list[i], u.Action, p.Organization); fault.KindOf(err) == fault.Invalid && err != nil {
			w.state.Refused++
			continue
		} else if err != nil {
			return err
		}
		if u.Reviewed {
			if err := writes.note(&list[i], issue.Activity{Type: issue.ActivityReviewed}); err != nil {
				return err
			}
		}
		if list[i].Version != version {
			w.state.Changed++
		}
	}
	if err := writes.write(ctx, tx); err != nil {
		return err
	}
	m := Mark{Seen: u.Seen, Bookmarked: u.Bookmarked, Subscribed: u.Subscribed}
	if m == (Mark{}) || w.CreatedBy == 0 {
		return nil
	}
	_, err = tx.Exec(ctx, sqlMarkIssues, m.args(w.CreatedBy, []int64{p.ID}, ids))
	return err
}
