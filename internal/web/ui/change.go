package ui

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/job"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/web/audit"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// deeds are what the forms of the list and the issue page can do, and the word for it afterwards.
var deeds = map[string]struct {
	action issue.Action
	done   string
}{
	"resolve":      {issue.Action{Status: ptr(issue.Resolved)}, "Resolved"},
	"resolve-next": {issue.Action{Status: ptr(issue.Resolved), Resolution: &issue.Resolution{InNextRelease: true}}, "Resolved in the next release:"},
	"archive":      {issue.Action{Status: ptr(issue.Archived)}, "Muted"},
	"reopen":       {issue.Action{Status: ptr(issue.Unresolved)}, "Reopened"},
}

func ptr[T any](v T) *T { return &v }

// maxSelected is how many issues one form may name.
const maxSelected = postgres.MaxChanged

// changeIssues answers the forms that change issues, and leads back to where they were sent from.
func (u *UI) changeIssues(v *visit) error {
	if err := v.principal.Require(account.EventWrite); err != nil {
		return err
	}
	if err := v.parseForm(); err != nil {
		return err
	}
	back := localOr(v.r.PostFormValue("back"), v.orgPath("/issues"))
	if v.r.PostForm.Has("undo") {
		return u.takeBack(v, back)
	}
	ids, of, err := u.chosenIssues(v)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		v.notify(view.Notice{Text: "Select issues first.", Bad: true})
		return v.redirect(back)
	}
	before, err := u.Store.IssuesByID(v.r.Context(), v.principal.Organization.ID, ids)
	if err != nil {
		return err
	}
	if do := v.r.PostFormValue("do"); fates[do] != nil {
		if of != nil {
			v.notify(view.Notice{Text: fmt.Sprintf("At most %s issues can be merged or deleted at once. Narrow the search.", view.Long(postgres.MaxChanged)), Bad: true})
			return v.redirect(back)
		}
		return u.decideFate(v, do, before, back)
	}
	if of != nil && v.r.PostForm.Has("bookmark") {
		on := v.r.PostForm.Get("bookmark") != "0"
		return u.changeMany(v, *of, job.Change{Bookmarked: &on}, map[bool]string{true: "Bookmarked", false: "Took the bookmarks away"}[on], back)
	}
	if done, ok, err := u.markIssues(v, before); ok || err != nil {
		if err == nil {
			v.notify(view.Notice{Text: done})
			err = v.redirect(back)
		}
		return err
	}
	row := postgres.IssueRow{}
	if len(before) == 1 {
		row = before[0]
	}
	action, done, err := v.issueAction(&row)
	if err != nil {
		return err
	}
	if deed, known := deeds[v.r.PostFormValue("do")]; known {
		done = deed.done
	}
	if of != nil {
		return u.changeMany(v, *of, job.Change{Action: action}, done, back)
	}
	action.Single = len(ids) == 1
	changed, err := u.Store.ChangeIssues(v.r.Context(), v.principal.Organization.ID, ids, action, v.principal.UserID())
	if fault.KindOf(err) == fault.Invalid && err != nil {
		v.notify(view.Notice{Text: fault.Public(err), Bad: true})
		return v.redirect(back)
	}
	if err != nil {
		return err
	}
	n := u.told(v, len(ids), len(changed), alreadySo(before, changed), strings.TrimSuffix(done, "."))
	n.Undo = v.undoOf(changed, back)
	v.notify(n)
	return v.redirect(back)
}

// changeMany changes all issues that a search finds by jobs, since they are more than one request
// changes, and leads to where their progress is.
func (u *UI) changeMany(v *visit, of postgres.IssueQuery, change job.Change, done, back string) error {
	org := v.principal.Organization
	jobs, err := u.Store.StartUpdates(v.r.Context(), org.ID, of, change, v.principal.UserID())
	if text, _, ok := turnedDown(err); ok && err != nil {
		v.notify(view.Notice{Text: text, Bad: true})
		return v.redirect(back)
	}
	if err != nil {
		return err
	}
	n := view.Notice{Text: strings.TrimRight(done, ".:") + ": more than " + view.Long(postgres.MaxChanged) + " issues, which goes on in the background.", More: &view.Link{Label: "Progress", Href: v.orgPath("/settings/jobs")}}
	if len(jobs) == 0 {
		n = view.Notice{Text: "They are no longer there.", Bad: true}
	}
	v.note = audit.Note{Event: "issue.update", Data: map[string]any{"query": of.Query.String(), "jobs": len(jobs)}}
	v.notify(n)
	return v.redirect(back)
}

// chosenIssues are the issues that a form names: by id, or all that its search finds. They are the
// first postgres.MaxChanged of those of the search in of when there are more.
func (u *UI) chosenIssues(v *visit) (ids []int64, of *postgres.IssueQuery, err error) {
	if v.r.PostFormValue("all") != "1" {
		ids, err = selected(v.r.PostForm["id"])
		return ids, nil, err
	}
	back, err := url.Parse(localOr(v.r.PostFormValue("back"), ""))
	if err != nil {
		return nil, nil, fault.New(fault.Invalid, "The form does not say which list it means.")
	}
	there := *v
	r := *v.r
	r.URL, there.r = back, &r
	if there.filters, err = u.readFilters(v, back.Query()); err != nil {
		return nil, nil, err
	}
	_, iq, err := there.listQuery()
	if err != nil {
		return nil, nil, err
	}
	ids, more, err := u.Store.IssueIDs(v.r.Context(), v.principal.Organization.ID, iq)
	if more {
		of = &iq
	}
	return ids, of, err
}

// alreadySo counts the issues that the change left as they were.
func alreadySo(before, changed []postgres.IssueRow) (n int) {
	versions := make(map[int64]int64, len(before))
	for i := range before {
		versions[before[i].ID] = before[i].Version
	}
	for i := range changed {
		if versions[changed[i].ID] == changed[i].Version {
			n++
		}
	}
	return n
}

// told says what became of a selection: what changed, what was so already, what is gone.
func (u *UI) told(v *visit, asked, found, already int, done string) view.Notice {
	changed := found - already
	n := view.Notice{Text: fmt.Sprintf("%s %d issues.", done, changed)}
	if changed == 1 {
		n.Text = done + " 1 issue."
	}
	if already > 0 {
		n.Text = strings.TrimSuffix(n.Text, ".") + fmt.Sprintf(", %d already %s.", already, map[bool]string{true: "was so", false: "were so"}[already == 1])
	}
	if missing := asked - found; missing > 0 {
		n.Text += fmt.Sprintf(" %d of the selected %s no longer there.", missing, map[bool]string{true: "is", false: "are"}[missing == 1])
		n.Bad = found == 0
	}
	return n
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
