package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/issue"
)

// Each of these writes a column-wise list of rows at once.
const (
	sqlChangeIssues = `
		update issues i set status = c.status, substatus = c.substatus, priority = c.priority, assignee = nullif(c.assignee, ''),
			priority_locked_at = case when c.locked then coalesce(i.priority_locked_at, @now::timestamptz) end,
			resolution = c.resolution::jsonb, snooze = c.snooze::jsonb, status_at = c.status_at, version = i.version + 1
		from unnest(@projects::bigint[], @ids::bigint[], @statuses::smallint[], @substatuses::smallint[], @priorities::smallint[], @assignees::text[],
			@locked::boolean[], @resolutions::text[], @snoozes::text[], @status_ats::timestamptz[])
			as c(project_id, id, status, substatus, priority, assignee, locked, resolution, snooze, status_at)
		where i.project_id = c.project_id and i.id = c.id`

	sqlNoteActivities = `
		insert into activities (project_id, id, issue_id, type, user_id, data, created_at)
		select a.project_id, a.id, a.issue_id, a.type, nullif(@user::bigint, 0), a.data::jsonb, @now
		from unnest(@projects::bigint[], @ids::bigint[], @issues::bigint[], @types::text[], @datas::text[]) as a(project_id, id, issue_id, type, data)`

	sqlInsertUndos = `
		insert into issue_undo (project_id, id, issue_id, user_id, version, state)
		select u.project_id, @id, u.issue_id, @user, u.version, u.state::jsonb
		from unnest(@projects::bigint[], @issues::bigint[], @versions::bigint[], @states::text[]) as u(project_id, issue_id, version, state)`

	// Who was asked and refused stays unsubscribed.
	sqlSubscribeAll = `
		insert into issue_people as p (project_id, issue_id, user_id, is_subscribed, reason)
		select s.project_id, s.issue_id, s.user_id, true, s.reason
		from unnest(@projects::bigint[], @issues::bigint[], @users::bigint[], @reasons::text[]) as s(project_id, issue_id, user_id, reason)
		on conflict (project_id, issue_id, user_id) do update set is_subscribed = true, reason = excluded.reason where p.is_subscribed is null`
)

// issueWrites collects what changes of issues write, so that any number of issues costs one statement
// for each table. An issue is added once.
type issueWrites struct {
	user int64
	now  time.Time

	issues struct {
		projects, ids         []int64
		statuses, substatuses []int16
		priorities            []int16
		assignees             []string
		locked                []bool
		resolutions, snoozes  []*string
		statusAts             []*time.Time
	}
	activities struct {
		projects, ids, issues []int64
		types, datas          []string
	}
	changes struct {
		projects, ids []int64
		changes       []string
	}
	undo struct {
		id                         int64 // of the change, by which it is taken back
		projects, issues, versions []int64
		states                     []string
	}
	people struct {
		projects, issues, users []int64
		reasons                 []string
	}
}

// apply does the action to an issue, org being the slug of its organization. fault.Invalid: the action
// does not fit the state that the issue is in.
func (w *issueWrites) apply(r *IssueRow, a issue.Action, org string) error {
	before := r.state()
	after, acts, err := issue.Apply(before, a, w.user, w.now)
	if err != nil {
		return err
	}
	if err := w.add(r, before, after, acts, org); err != nil {
		return err
	}
	w.subscribe(r, a, acts)
	return w.keep(r, before, acts)
}

// add notes what must be written when activities tell that the state of an issue changed, and takes
// the row along.
func (w *issueWrites) add(r *IssueRow, before, s issue.State, acts []issue.Activity, org string) error {
	if len(acts) == 0 {
		return nil
	}
	resolution, err1 := optionalJSON(s.Resolution)
	snooze, err2 := optionalJSON(s.Snooze)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	r.Status, r.Substatus, r.Priority, r.Assignee, r.Resolution, r.Snooze = s.Status, s.Substatus, s.Priority, s.Assignee, s.Resolution, s.Snooze
	r.Version++
	if !s.StatusAt.IsZero() {
		r.StatusAt = &s.StatusAt
	}
	if r.PriorityLockedAt = nil; s.Locked {
		r.PriorityLockedAt = &w.now
	}
	c := &w.issues
	c.projects, c.ids = append(c.projects, r.Project), append(c.ids, r.ID)
	c.statuses, c.substatuses, c.priorities = append(c.statuses, int16(r.Status)), append(c.substatuses, int16(r.Substatus)), append(c.priorities, int16(r.Priority))
	c.assignees, c.locked = append(c.assignees, r.Assignee), append(c.locked, s.Locked)
	c.resolutions, c.snoozes, c.statusAts = append(c.resolutions, resolution), append(c.snoozes, snooze), append(c.statusAts, r.StatusAt)
	for _, act := range acts {
		if err := w.note(r, act); err != nil {
			return err
		}
		if kind := act.Type.Change(); kind != "" {
			c := r.change(kind, org, w.user, w.now)
			c.BecameHigh = before.Priority != issue.High && r.Priority == issue.High
			if err := w.tell(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// note adds an entry to an issue's history.
func (w *issueWrites) note(r *IssueRow, act issue.Activity) error {
	data := []byte("{}")
	if act.Data != nil {
		var err error
		if data, err = json.Marshal(act.Data); err != nil {
			return err
		}
	}
	a := &w.activities
	a.projects, a.ids, a.issues = append(a.projects, r.Project), append(a.ids, NewID()), append(a.issues, r.ID)
	a.types, a.datas = append(a.types, string(act.Type)), append(a.datas, string(data))
	return nil
}

// tell lets rules know of a change.
func (w *issueWrites) tell(c issue.Change) error {
	text, err := json.Marshal(&c)
	if err == nil {
		w.changes.projects, w.changes.ids = append(w.changes.projects, c.Project), append(w.changes.ids, c.ID)
		w.changes.changes = append(w.changes.changes, string(text))
	}
	return err
}

// keep notes where an issue was before a change by a person, so that it can be taken back.
func (w *issueWrites) keep(r *IssueRow, before issue.State, acts []issue.Activity) error {
	if len(acts) == 0 || w.user == 0 {
		return nil
	}
	state, err := json.Marshal(before)
	if err == nil {
		u := &w.undo
		u.projects, u.issues, u.versions, u.states = append(u.projects, r.Project), append(u.issues, r.ID), append(u.versions, r.Version), append(u.states, string(state))
		r.Undo = u.id
	}
	return err
}

// subscribe subscribes who changed an issue, and the member it is assigned to.
func (w *issueWrites) subscribe(r *IssueRow, a issue.Action, acts []issue.Activity) {
	if len(acts) == 0 {
		return
	}
	if w.user != 0 && a.Status != nil {
		w.person(r, w.user, issue.ReasonStatus)
	}
	if number, isUser := strings.CutPrefix(r.Assignee, "user:"); a.Assignee != nil && isUser {
		if n, err := strconv.ParseInt(number, 10, 64); err == nil && (n != w.user || a.Status == nil) { // once each
			w.person(r, n, issue.ReasonAssigned)
		}
	}
}

func (w *issueWrites) person(r *IssueRow, user int64, reason string) {
	p := &w.people
	p.projects, p.issues, p.users, p.reasons = append(p.projects, r.Project), append(p.issues, r.ID), append(p.users, user), append(p.reasons, reason)
}

// write writes all that was collected.
func (w *issueWrites) write(ctx context.Context, tx pgx.Tx) error {
	b := &pgx.Batch{}
	w.queue(b)
	if b.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, b).Close()
}

func (w *issueWrites) queue(b *pgx.Batch) {
	if c := &w.issues; len(c.ids) > 0 {
		b.Queue(sqlChangeIssues, pgx.StrictNamedArgs{"now": w.now, "projects": c.projects, "ids": c.ids, "statuses": c.statuses, "substatuses": c.substatuses,
			"priorities": c.priorities, "assignees": c.assignees, "locked": c.locked, "resolutions": c.resolutions, "snoozes": c.snoozes, "status_ats": c.statusAts})
	}
	if a := &w.activities; len(a.ids) > 0 {
		b.Queue(sqlNoteActivities, pgx.StrictNamedArgs{"user": w.user, "now": w.now, "projects": a.projects, "ids": a.ids, "issues": a.issues, "types": a.types, "datas": a.datas})
	}
	if c := &w.changes; len(c.ids) > 0 {
		b.Queue(sqlInsertChanges, pgx.StrictNamedArgs{"projects": c.projects, "ids": c.ids, "changes": c.changes})
	}
	if u := &w.undo; len(u.issues) > 0 {
		b.Queue(sqlInsertUndos, pgx.StrictNamedArgs{"id": u.id, "user": w.user, "projects": u.projects, "issues": u.issues, "versions": u.versions, "states": u.states})
	}
	if p := &w.people; len(p.issues) > 0 {
		b.Queue(sqlSubscribeAll, pgx.StrictNamedArgs{"projects": p.projects, "issues": p.issues, "users": p.users, "reasons": p.reasons})
	}
}
