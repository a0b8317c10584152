package ui

import (
	"fmt"
	"strconv"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// deeds are what the forms of the list and the issue page can do, and the word for it afterwards.
var deeds = map[string]struct {
	action issue.Action
	done   string
	undo   bool // can be taken back
}{
	"resolve":      {issue.Action{Status: ptr(issue.Resolved)}, "Resolved", true},
	"resolve-next": {issue.Action{Status: ptr(issue.Resolved), Resolution: &issue.Resolution{InNextRelease: true}}, "Resolved in the next release:", true},
	"archive":      {issue.Action{Status: ptr(issue.Archived)}, "Archived", true},
	"reopen":       {issue.Action{Status: ptr(issue.Unresolved)}, "Reopened", false},
	// Taking back a resolution puts an issue where it was.
	"back-to-new":        {issue.Action{Status: ptr(issue.Unresolved), Substatus: ptr(issue.New)}, "Reopened", false},
	"back-to-ongoing":    {issue.Action{Status: ptr(issue.Unresolved), Substatus: ptr(issue.Ongoing)}, "Reopened", false},
	"back-to-regressed":  {issue.Action{Status: ptr(issue.Unresolved), Substatus: ptr(issue.Regressed)}, "Reopened", false},
	"back-to-escalating": {issue.Action{Status: ptr(issue.Unresolved), Substatus: ptr(issue.Escalating)}, "Reopened", false},
}

// wayBack is the deed that puts issues back to where they all are; empty when there is none.
func wayBack(rows []postgres.IssueRow) string {
	if len(rows) == 0 {
		return ""
	}
	for i := range rows {
		if rows[i].Status != issue.Unresolved || rows[i].Substatus != rows[0].Substatus {
			return ""
		}
	}
	deed := "back-to-" + rows[0].Substatus.String()
	if _, known := deeds[deed]; !known {
		return ""
	}
	return deed
}

func ptr[T any](v T) *T { return &v }

// maxSelected is how many issues one form may name.
const maxSelected = 100

// changeIssues answers the forms that change issues, and leads back to where they were sent from.
func (u *UI) changeIssues(v *visit) error {
	if err := v.principal.Require(account.EventWrite); err != nil {
		return err
	}
	if err := v.parseForm(); err != nil {
		return err
	}
	back := localOr(v.r.PostFormValue("back"), v.orgPath("/issues"))
	deed, known := deeds[v.r.PostFormValue("do")]
	if !known {
		return fault.New(fault.Invalid, "The form asks for nothing that can be done.")
	}
	ids, err := selected(v.r.PostForm["id"])
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		v.notify(view.Notice{Text: "Select issues first.", Bad: true})
		return v.redirect(back)
	}
	action := deed.action
	action.Single = len(ids) == 1
	before, err := u.Store.IssuesByID(v.r.Context(), v.principal.Organization.ID, ids)
	if err != nil {
		return err
	}
	changed, err := u.Store.ChangeIssues(v.r.Context(), v.principal.Organization.ID, ids, action, v.principal.UserID())
	if err != nil {
		return err
	}
	undo := ""
	if deed.undo {
		undo = wayBack(before)
	}
	v.notify(u.told(v, len(ids), len(changed), deed.done, undo, back))
	return v.redirect(back)
}

// told says what became of a selection, and offers to take it back.
func (u *UI) told(v *visit, asked, changed int, done, undo, back string) view.Notice {
	n := view.Notice{Text: fmt.Sprintf("%s %d issue%s.", done, changed, plural(changed))}
	if changed == 1 {
		n.Text = done + " 1 issue."
	}
	if missing := asked - changed; missing > 0 {
		n.Text += fmt.Sprintf(" %d of the selected %s no longer there.", missing, map[bool]string{true: "is", false: "are"}[missing == 1])
		n.Bad = changed == 0
	}
	if undo != "" && changed > 0 {
		n.Undo = &view.Undo{Action: v.orgPath("/issues"), Do: undo, Back: back, IDs: v.r.PostForm["id"]}
	}
	return n
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// selected reads the ids of a form.
func selected(texts []string) ([]int64, error) {
	if len(texts) > maxSelected {
		return nil, fault.New(fault.TooLarge, "At most %d issues can be changed at once.", maxSelected)
	}
	ids := make([]int64, 0, len(texts))
	for _, t := range texts {
		id, err := strconv.ParseInt(t, 10, 64)
		if err != nil || id <= 0 {
			return nil, fault.New(fault.Invalid, "The form names an issue that cannot exist.")
		}
		ids = append(ids, id)
	}
	return ids, nil
}
