package ui

import (
	"fmt"
	"strconv"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/web/audit"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// fates are what ends an issue as it is, and goes on as a job.
var fates = map[string]func(*UI, *visit, []postgres.IssueRow) (view.Notice, error){
	"merge": (*UI).mergeIssues,
	"delete": func(u *UI, v *visit, rows []postgres.IssueRow) (view.Notice, error) {
		return u.deleteIssues(v, rows, false)
	},
	"discard": func(u *UI, v *visit, rows []postgres.IssueRow) (view.Notice, error) {
		return u.deleteIssues(v, rows, true)
	},
}

// decideFate merges or deletes issues. What cannot be is told on the page that asked.
func (u *UI) decideFate(v *visit, do string, rows []postgres.IssueRow, back string) error {
	if len(rows) == 0 {
		v.notify(view.Notice{Text: "They are no longer there.", Bad: true})
		return v.redirect(back)
	}
	said, err := fates[do](u, v, rows)
	if text, _, ok := turnedDown(err); ok && err != nil {
		said = view.Notice{Text: text, Bad: true}
	} else if err != nil {
		return err
	}
	v.notify(said)
	return v.redirect(back)
}

// mergeIssues makes one issue of several of a project.
func (u *UI) mergeIssues(v *visit, rows []postgres.IssueRow) (n view.Notice, err error) {
	ids := make([]int64, len(rows))
	for i := range rows {
		if rows[i].Project != rows[0].Project {
			return n, fault.New(fault.Invalid, "Issues of different projects cannot be merged.")
		}
		ids[i] = rows[i].ID
	}
	if len(ids) < 2 {
		return n, fault.New(fault.Invalid, "Choose at least two issues to merge.")
	}
	target, _, err := u.Store.MergeIssues(v.r.Context(), rows[0].Project, ids, v.principal.UserID())
	if err != nil {
		return n, err
	}
	into := ""
	for i := range rows {
		if rows[i].ID == target {
			into = rows[i].ShortID
		}
	}
	v.note = audit.Note{Event: "issue.merge", Target: into, Data: map[string]any{"issues": shortIDs(rows)}}
	return v.jobNotice(fmt.Sprintf("Merged %d issues into %s.", len(ids), into), &rows[0]), nil
}

// deleteIssues takes issues away with their events; with discard, events like theirs are dropped
// from now on.
func (u *UI) deleteIssues(v *visit, rows []postgres.IssueRow, discard bool) (n view.Notice, err error) {
	if err := v.principal.Require(account.EventAdmin); err != nil {
		return n, err
	}
	byProject := make(map[int64][]int64)
	for i := range rows {
		byProject[rows[i].Project] = append(byProject[rows[i].Project], rows[i].ID)
	}
	for p, ids := range byProject {
		if _, err := u.Store.DeleteIssues(v.r.Context(), p, ids, discard, v.principal.UserID()); err != nil {
			return n, err
		}
	}
	done := "Deleted " + strconv.Itoa(len(rows)) + " issues."
	if len(rows) == 1 {
		done = "Deleted " + rows[0].ShortID + "."
	}
	v.note = audit.Note{Event: "issue.remove", Target: rows[0].ShortID, Data: map[string]any{"issues": shortIDs(rows), "discard": discard}}
	if discard {
		done += " Events like theirs are dropped from now on."
	}
	return v.jobNotice(done, &rows[0]), nil
}

func shortIDs(rows []postgres.IssueRow) (list []string) {
	for i := range rows {
		list = append(list, rows[i].ShortID)
	}
	return list
}

// markIssues notes what the reader has to do with issues, or who may read them, when the form says
// so; ok is false when it says something else.
func (u *UI) markIssues(v *visit, rows []postgres.IssueRow) (done string, ok bool, err error) {
	form, ctx, org := v.r.PostForm, v.r.Context(), v.principal.Organization.ID
	ids := make([]int64, len(rows))
	for i := range rows {
		ids[i] = rows[i].ID
	}
	on := func(name string) *bool { return ptr(form.Get(name) != "0") }
	switch {
	case form.Has("bookmark"):
		mark := postgres.Mark{Bookmarked: on("bookmark")}
		return map[bool]string{true: "Bookmarked.", false: "The bookmark is gone."}[*mark.Bookmarked], true, u.Store.MarkIssues(ctx, org, v.principal.UserID(), ids, mark)
	case form.Has("subscribe"):
		mark := postgres.Mark{Subscribed: on("subscribe")}
		return map[bool]string{true: "You are told what happens to it.", false: "You are told of it no more."}[*mark.Subscribed], true, u.Store.MarkIssues(ctx, org, v.principal.UserID(), ids, mark)
	case form.Has("share"):
		return u.shareIssues(v, rows, *on("share"))
	}
	return "", false, nil
}

func (u *UI) shareIssues(v *visit, rows []postgres.IssueRow, on bool) (done string, ok bool, err error) {
	done = "The shared link works no more."
	for i := range rows {
		share := ""
		if on {
			share = postgres.NewShareID()
		}
		id, err := u.Store.ShareIssue(v.r.Context(), &rows[i], v.principal.UserID(), share)
		if err != nil {
			return "", true, err
		}
		if on {
			done = "Whoever has the link can read it: " + u.BaseURL + "/api/0/shared/issues/" + id + "/"
		}
	}
	return done, true, nil
}

// takeBack undoes the change that the form names.
func (u *UI) takeBack(v *visit, back string) error {
	id, err := v.formInt("undo")
	if err != nil {
		return err
	}
	rows, err := u.Store.UndoChange(v.r.Context(), v.principal.Organization.ID, id, v.principal.UserID())
	said := view.Notice{Text: "Taken back."}
	switch {
	case err != nil && fault.KindOf(err) == fault.Unknown:
		said = view.Notice{Text: fault.Public(err), Bad: true}
	case err != nil:
		return err
	case len(rows) >= postgres.MaxChanged:
		said.Text = "Taken back for " + view.Long(postgres.MaxChanged) + " issues or more."
	case len(rows) > 1:
		said.Text = "Taken back for " + strconv.Itoa(len(rows)) + " issues."
	}
	v.note = audit.Note{Event: "issue.undo", Data: map[string]any{"issues": shortIDs(rows)}}
	v.notify(said)
	return v.redirect(back)
}

// undoOf is the form that takes a change of issues back; nil when there is nothing to take back.
func (v *visit) undoOf(rows []postgres.IssueRow, back string) *view.Undo {
	for i := range rows {
		if rows[i].Undo != 0 {
			return &view.Undo{Action: v.orgPath("/issues"), ID: strconv.FormatInt(rows[i].Undo, 10), Back: back}
		}
	}
	return nil
}
