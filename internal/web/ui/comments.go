package ui

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/web/audit"
	"github.com/tocsin-dev/tocsin/internal/web/ui/safehtml"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// history is what happened to an issue, with a form to add to it.
func (u *UI) historyOf(v *visit, row *postgres.IssueRow, list []postgres.Activity, people []postgres.Person) view.IssueHistory {
	h := view.IssueHistory{Action: v.orgPath("/issues/" + row.ShortID + "/comments"), Back: v.r.URL.EscapedPath(), CanWrite: v.principal.Require(account.EventWrite) == nil && v.principal.UserID() != 0}
	for _, p := range people {
		h.Names = append(h.Names, "@"+mentionName(p))
	}
	editing := v.r.URL.Query().Get("edit")
	for _, e := range activity(list, row) {
		if e.Comment != "" {
			e.Body = safehtml.Markdown(e.Comment)
			e.Mine = h.CanWrite && e.Author == v.principal.UserID()
			e.MayDelete = e.Mine || v.principal.Scopes.Has(account.EventAdmin)
			e.Editing = e.Mine && e.ID == editing
			e.EditHref = v.r.URL.EscapedPath() + "?edit=" + e.ID + "#note-" + e.ID
		}
		h.Entries = append(h.Entries, e)
	}
	return h
}

// mentionName is what a member is called after an @: the part of the address before its own.
func mentionName(p postgres.Person) string {
	local, _, _ := strings.Cut(p.Email, "@")
	return local
}

// mentioned are the members whom a text names.
func mentioned(text string, people []postgres.Person) (ids []int64) {
	for _, name := range safehtml.Mentions(text) {
		for _, p := range people {
			if strings.EqualFold(mentionName(p), name) || strings.EqualFold(strings.ReplaceAll(p.Name, " ", ""), name) {
				ids = append(ids, p.ID)
				break
			}
		}
	}
	return ids
}

// changeComments answers the forms of comments: to write, change and remove one.
func (u *UI) changeComments(v *visit) error {
	if err := v.principal.Require(account.EventWrite); err != nil {
		return err
	}
	if err := v.parseFormUpTo(maxTexts); err != nil {
		return err
	}
	row, err := u.findIssue(v)
	if err != nil {
		return err
	}
	done, err := u.changeComment(v, &row)
	said := view.Notice{Text: done}
	if k := fault.KindOf(err); err != nil {
		if k != fault.Invalid && k != fault.Unknown {
			return err
		}
		said = view.Notice{Text: fault.Public(err), Bad: true}
	}
	v.notify(said)
	return v.redirect(localOr(v.r.PostFormValue("back"), v.orgPath("/issues/"+row.ShortID+"/activity")) + "#activity")
}

func (u *UI) changeComment(v *visit, row *postgres.IssueRow) (done string, err error) {
	ctx, form, user := v.r.Context(), v.r.PostForm, v.principal.UserID()
	v.note = audit.Note{Target: row.ShortID, Data: map[string]any{}} // what was written is in the history
	text := strings.TrimSpace(unix(form.Get("text")))
	do := form.Get("do")
	if do != "delete" && (text == "" || len(text) > postgres.MaxComment) {
		return "", fault.New(fault.Invalid, "A comment has 1 to %d bytes.", postgres.MaxComment)
	}
	if do == "comment" {
		people, err := u.Store.Members(ctx, v.principal.Organization.ID)
		if err != nil {
			return "", err
		}
		v.note.Event = "comment.create"
		_, err = u.Store.Comment(ctx, v.principal.Organization.ID, row, user, text, mentioned(text, people))
		return "Commented.", err
	}
	id, err := v.formInt("comment")
	if err != nil {
		return "", err
	}
	switch do {
	case "edit":
		v.note.Event = "comment.edit"
		return "Saved the comment.", u.Store.EditComment(ctx, row, id, user, text)
	case "delete":
		v.note.Event = "comment.remove"
		return "Deleted the comment.", u.Store.DeleteComment(ctx, row, id, user, v.principal.Scopes.Has(account.EventAdmin))
	}
	return "", fault.New(fault.Invalid, "The form asks for nothing that can be done.")
}

// activityWords tell what happened, after the name of who did it.
var activityWords = map[issue.ActivityType]string{
	issue.ActivityResolved:          "resolved the issue",
	issue.ActivityResolvedInRelease: "resolved the issue in a release",
	issue.ActivityUnresolved:        "reopened the issue",
	issue.ActivityArchived:          "muted the issue",
	issue.ActivityRegression:        "saw the issue come back",
	issue.ActivityEscalating:        "saw the issue escalate",
	issue.ActivityOngoing:           "marked the issue as ongoing",
	issue.ActivityAssigned:          "assigned the issue",
	issue.ActivityUnassigned:        "unassigned the issue",
	issue.ActivityPriority:          "changed the priority",
	issue.ActivityFirstSeen:         "first saw the issue",
	issue.ActivityNote:              "commented",
	issue.ActivityPublic:            "shared the issue by a link",
	issue.ActivityPrivate:           "took the shared link away",
	issue.ActivityReviewed:          "reviewed the issue",
}

func activity(list []postgres.Activity, row *postgres.IssueRow) []view.ActivityEntry {
	entries := make([]view.ActivityEntry, 0, len(list)+1)
	for _, a := range list {
		e := view.ActivityEntry{ID: strconv.FormatInt(a.ID, 10), Who: "Tocsin", What: activityWords[a.Type], At: a.CreatedAt}
		if a.User != nil {
			e.Who, e.Author = personName(*a.User), a.User.ID
		}
		if e.What == "" {
			e.What = strings.ReplaceAll(string(a.Type), "_", " ")
		}
		detail, text := activityDetail(a.Data)
		if a.Type == issue.ActivityNote {
			e.Comment = text
		} else if text != "" {
			detail = ": " + text
		}
		e.What += detail
		entries = append(entries, e)
	}
	return append(entries, view.ActivityEntry{Who: "Tocsin", What: activityWords[issue.ActivityFirstSeen], At: row.FirstSeen})
}

// activityDetail is what of an activity's data people want to read, and the text that was written.
func activityDetail(data []byte) (detail, text string) {
	var d struct {
		Version, Priority, Text string
		InNextRelease           bool
	}
	if json.Unmarshal(data, &d) != nil {
		return "", ""
	}
	switch {
	case d.InNextRelease:
		detail = " (the next one)"
	case d.Version != "":
		detail = " (" + d.Version + ")"
	case d.Priority != "":
		detail = " to " + d.Priority
	}
	return detail, d.Text
}
