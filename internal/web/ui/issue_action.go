package ui

import (
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// changeIssue answers the forms of an issue's own pages.
func (u *UI) changeIssue(v *visit) error {
	if err := v.principal.Require(account.EventWrite); err != nil {
		return err
	}
	if err := v.parseForm(); err != nil {
		return err
	}
	row, err := u.findIssue(v)
	if err != nil {
		return err
	}
	back := localOr(v.r.PostFormValue("back"), v.orgPath("/issues/"+row.ShortID))
	switch do := v.r.PostFormValue("do"); do {
	case "delete", "discard":
		return u.decideFate(v, do, []postgres.IssueRow{row}, v.orgPath("/issues"))
	case "acknowledge":
		if err := u.Store.Acknowledge(v.r.Context(), row.Project, row.ID, v.principal.UserID(), v.principal.User.DisplayName()); err != nil {
			return err
		}
		v.notify(view.Notice{Text: "Acknowledged. Nobody else is told."})
		return v.redirect(back)
	}
	if done, ok, err := u.markIssues(v, []postgres.IssueRow{row}); ok || err != nil {
		if err == nil {
			v.notify(view.Notice{Text: done})
			err = v.redirect(back)
		}
		return err
	}
	action, done, err := v.issueAction(&row)
	if fault.KindOf(err) == fault.Invalid && err != nil {
		v.notify(view.Notice{Text: fault.Public(err), Bad: true})
		return v.redirect(back)
	}
	if err != nil {
		return err
	}
	action.Single = true
	if seen, err := strconv.ParseInt(v.r.PostFormValue("version"), 10, 64); err == nil {
		action.Unless = seen
	}
	changed, err := u.Store.ChangeIssues(v.r.Context(), v.principal.Organization.ID, []int64{row.ID}, action, v.principal.UserID())
	switch kind := fault.KindOf(err); {
	case err != nil && kind == fault.Conflict:
		v.notify(view.Notice{Text: u.changedMeanwhile(v, &row), Bad: true})
		return v.redirect(back)
	case err != nil && kind == fault.Invalid:
		v.notify(view.Notice{Text: fault.Public(err), Bad: true})
		return v.redirect(back)
	case err != nil:
		return err
	}
	n := view.Notice{Text: done, Undo: v.undoOf(changed, back)}
	v.notify(n)
	return v.redirect(back)
}

// changedMeanwhile tells who changed an issue after a reader had opened its page, and how.
func (u *UI) changedMeanwhile(v *visit, row *postgres.IssueRow) string {
	said := "The issue was changed"
	list, err := u.Store.Activities(v.r.Context(), row.Project, row.ID, changesLookedAt)
	if err == nil {
		for _, e := range activity(list, row) {
			if e.Comment == "" {
				said = e.Who + " " + e.What + " " + view.AgoWords(v.base.Now, e.At)
				break
			}
		}
	}
	return said + ", after you opened this page. Nothing was done: look again, and press once more if you still want it."
}

// changesLookedAt is how far back the last change is looked for, comments between.
const changesLookedAt = 20

// issueAction reads what the form asks for, and the words for it once it is done.
func (v *visit) issueAction(row *postgres.IssueRow) (a issue.Action, done string, err error) {
	form := v.r.PostForm
	switch do := form.Get("do"); {
	case form.Has("assignee"):
		who := form.Get("assignee")
		if who == "" {
			return issue.Action{Assignee: &who}, "Nobody has it now.", nil
		}
		return issue.Action{Assignee: &who}, "Assigned.", nil
	case form.Has("priority"):
		p, ok := issue.ParsePriority(form.Get("priority"))
		if !ok {
			return a, "", fault.New(fault.Invalid, "There is no such priority.")
		}
		return issue.Action{Priority: &p}, "The priority is " + p.String() + " now.", nil
	case do == "resolve-release":
		if row.LastRelease == "" {
			return a, "", fault.New(fault.Invalid, "The issue was not seen in any release.")
		}
		return issue.Action{Status: ptr(issue.Resolved), Resolution: &issue.Resolution{InRelease: row.LastRelease}}, "Resolved in " + row.LastRelease + ".", nil
	case strings.HasPrefix(do, "archive-"):
		return archiveAction(strings.TrimPrefix(do, "archive-"), form.Get("count"), form.Get("users"))
	default:
		deed, known := deeds[do]
		if !known {
			return a, "", fault.New(fault.Invalid, "The form asks for nothing that can be done.")
		}
		return deed.action, strings.TrimSuffix(deed.done, ":") + ".", nil
	}
}

// maxUntil bounds how many more events or users an archived issue waits for.
const maxUntil = 1_000_000_000

// archiveAction reads how long an issue is archived: escalating, forever, count, users, or a time
// such as 24h.
func archiveAction(until, count, users string) (a issue.Action, done string, err error) {
	archived := issue.Action{Status: ptr(issue.Archived)}
	switch until {
	case "forever":
		archived.Substatus = ptr(issue.Forever)
		return archived, "Muted for ever.", nil
	case "escalating":
		archived.Substatus, archived.Snooze = ptr(issue.UntilEscalating), &issue.Snooze{Escalating: true}
		return archived, "Muted until it escalates.", nil
	case "count", "users":
		text := count
		if until == "users" {
			text = users
		}
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil || n < 1 || n > maxUntil {
			return a, "", fault.New(fault.Invalid, "Say how many more %s, from 1 on.", map[string]string{"count": "events", "users": "users"}[until])
		}
		archived.Substatus = ptr(issue.UntilCondition)
		if until == "users" {
			archived.Snooze = &issue.Snooze{UserCount: n}
			return archived, "Muted until it affects " + view.Long(n) + " more users.", nil
		}
		archived.Snooze = &issue.Snooze{Count: n}
		return archived, "Muted until it is seen " + view.Long(n) + " more times.", nil
	}
	d, err := time.ParseDuration(until)
	if err != nil || d < time.Minute || d > 366*24*time.Hour {
		return a, "", fault.New(fault.Invalid, "The form names no time to mute for.")
	}
	at := time.Now().UTC().Add(d)
	archived.Substatus, archived.Snooze = ptr(issue.UntilCondition), &issue.Snooze{Until: &at}
	return archived, "Muted until " + at.Format("2 January, 15:04 UTC") + ".", nil
}

// stateWords says how far a resolution reaches, or when an archived issue comes back.
func stateWords(row *postgres.IssueRow, now time.Time) string {
	if row.Status != issue.Archived {
		return resolutionWords(row.Resolution)
	}
	s := row.Snooze
	switch {
	case s == nil:
		return "until somebody reopens it"
	case s.Until != nil:
		return "until " + s.Until.UTC().Format("2 January, 15:04 UTC")
	case s.Count > 0:
		return "until it is seen " + view.Long(max(0, s.Count-(row.TimesSeen-s.BaseCount))) + " more times"
	case s.UserCount > 0:
		return "until it affects " + view.Long(max(0, s.UserCount-(row.UserCount-s.BaseUsers))) + " more users"
	case s.Escalating:
		return "until it escalates"
	}
	return "until somebody reopens it"
}

// personName is what a person is called.
func personName(p postgres.Person) string {
	if p.Name != "" {
		return p.Name
	}
	name, _, _ := strings.Cut(p.Email, "@")
	return name
}
