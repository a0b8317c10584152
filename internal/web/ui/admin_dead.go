package ui

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/web/operate"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// deadLetters lists the dead letters by their error.
func (u *UI) deadLetters(v *visit, head view.AdminHead) error {
	groups, whole, err := u.Desk.Groups(v.r.Context(), "")
	if err != nil {
		return err
	}
	page := view.DeadPage{AdminHead: head, Whole: whole}
	for _, g := range groups {
		page.Groups = append(page.Groups, view.DeadGroup{ID: g.ID, Queue: g.Queue, Service: g.Service, Error: g.Error, Count: g.Count, Bytes: g.Bytes, FirstAt: g.FirstAt, LastAt: g.LastAt,
			Href: "/admin/dlq/groups/" + g.ID})
		page.Total += g.Count
	}
	runs, err := u.Desk.Runs(v.r.Context())
	if err != nil {
		return err
	}
	for i := range runs[:min(len(runs), 10)] {
		page.Runs = append(page.Runs, runLine(&runs[i]))
	}
	return v.render(http.StatusOK, "Dead letters", func(p view.Page) component { return view.Dead(p, page) })
}

func runLine(r *postgres.LetterRun) view.RunLine {
	l := view.RunLine{ID: strconv.FormatInt(r.ID, 10), Kind: string(r.Kind), What: first(r.GroupID, r.Queue, "all"), Who: r.Actor, Reason: r.Reason, At: r.CreatedAt, Total: r.Total, Done: r.Done, Failed: r.Failed,
		Going: r.State == postgres.RunGoing, Error: r.LastError}
	if r.Letters != nil {
		l.What = view.Long(int64(len(r.Letters))) + " chosen"
	}
	return l
}

// lettersShown is how many letters of a group its page lists and tries.
const lettersShown = 50

// deadGroup lists the letters of one error; with ?try=1 it says what would become of each now.
func (u *UI) deadGroup(v *visit, head view.AdminHead) error {
	ctx, id := v.r.Context(), v.param("group")
	letters, next, err := u.Desk.Letters(ctx, bus.LetterQuery{Group: id}, lettersShown)
	if err != nil {
		return err
	}
	names, err := u.projectNames(v)
	if err != nil {
		return err
	}
	page := view.DeadGroupPage{AdminHead: head, ID: id, More: next != 0, Here: "/admin/dlq/groups/" + id}
	for i := range letters {
		l := &letters[i]
		line := view.DeadLine{ID: l.ID, Href: "/admin/dlq/" + l.ID, Attempts: l.Attempts, FirstAt: l.FirstAt, LastAt: l.LastAt, Bytes: int64(l.Bytes)}
		if raw, err := l.Event(); err == nil {
			line.Event, line.Project = raw.ID.String(), names(raw.Project)
		}
		if page.Error == "" {
			page.Error, page.Queue = l.Error, l.Queue
		}
		if v.r.URL.Query().Has("try") {
			if line.Verdict, line.Why, err = u.verdict(ctx, l); err != nil {
				return err
			}
			page.Tried++
			if line.Verdict == string(issue.WouldBeStored) {
				page.Pass++
			}
		}
		page.Letters = append(page.Letters, line)
	}
	return v.render(http.StatusOK, "Dead letters", func(p view.Page) component { return view.DeadOfGroup(p, page) })
}

func (u *UI) verdict(ctx context.Context, l *operate.Letter) (verdict, why string, err error) {
	r, err := u.Desk.Rehearse(ctx, l)
	if err != nil {
		return "", "", err
	}
	why = first(r.Reason, r.Title)
	if r.NewIssue {
		why += " (a new issue)"
	}
	return string(r.Verdict), why, nil
}

// projectNames tells what projects are called: by their numbers, those of other organizations.
func (u *UI) projectNames(v *visit) (func(id int64) string, error) {
	projects, err := u.Store.Projects(v.r.Context(), v.principal.Organization.ID)
	names := make(map[int64]string, len(projects))
	for _, p := range projects {
		names[p.ID] = p.Slug
	}
	return func(id int64) string { return first(names[id], strconv.FormatInt(id, 10)) }, err
}

// deadLetter shows one letter with all that is known of it.
func (u *UI) deadLetter(v *visit, head view.AdminHead) error {
	l, err := u.Desk.Letter(v.r.Context(), v.param("letter"))
	if err != nil {
		return err
	}
	names, err := u.projectNames(v)
	if err != nil {
		return err
	}
	page := view.DeadLetterPage{AdminHead: head, ID: l.ID, Queue: l.Queue, Service: l.Service, Error: l.Error, Stack: l.Stack, Attempts: l.Attempts, FirstAt: l.FirstAt, LastAt: l.LastAt,
		Bytes: int64(l.Bytes), Group: "/admin/dlq/groups/" + l.Group(), Here: "/admin/dlq/" + l.ID}
	if raw, err := l.Event(); err == nil {
		page.Event, page.Project, page.Client, page.ReceivedAt = raw.ID.String(), names(raw.Project), raw.Client, raw.ReceivedAt
		if json.Valid(raw.Payload) {
			page.Payload = view.NewRaw(event.Value(raw.Payload))
		}
	}
	if page.Verdict, page.Why, err = u.verdict(v.r.Context(), &l); err != nil {
		page.Verdict, page.Why = "", "The dry run could not be made: "+fault.Public(err)
	}
	return v.render(http.StatusOK, "Dead letter "+l.ID, func(p view.Page) component { return view.DeadOne(p, page) })
}

// runWait is how long a form waits for its run, so that short ones are done when the page is back.
const runWait = 2 * time.Second

// changeDead replays or discards letters: one, a group or all.
func (u *UI) changeDead(v *visit, _ view.AdminHead) error {
	if err := v.parseForm(); err != nil {
		return err
	}
	ctx, form := v.r.Context(), v.r.PostForm
	if form.Has("cancel") {
		return u.cancelRun(v, form.Get("cancel"))
	}
	s := operate.Selection{Kind: postgres.RunReplay, Letters: form["letter"], Group: form.Get("group"), All: form.Get("all") != "", Reason: form.Get("reason")}
	if form.Get("do") == "discard" {
		s.Kind = postgres.RunDiscard
	}
	run, err := u.Desk.Start(ctx, v.principal, s)
	if err == nil {
		run, err = u.Desk.Await(ctx, run.ID, runWait)
	}
	switch k := fault.KindOf(err); {
	case err != nil && (k == fault.Invalid || k == fault.Unknown || k == fault.Conflict):
		v.notify(view.Notice{Text: fault.Public(err), Bad: true})
		return v.redirect(localOr(form.Get("back"), "/admin/dlq"))
	case err != nil:
		return err
	}
	l := runLine(&run)
	v.notify(view.Notice{Text: l.Words() + ".", Bad: run.Failed > 0})
	return v.redirect("/admin/dlq")
}

// cancelRun ends a replay or discard after the step in hand.
func (u *UI) cancelRun(v *visit, id string) error {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return fault.New(fault.Unknown, "There is no such run.")
	}
	said := view.Notice{Text: "The run ends after the step in hand."}
	switch err := u.Desk.Cancel(v.r.Context(), v.principal, n); {
	case err != nil && fault.KindOf(err) == fault.Conflict:
		said = view.Notice{Text: "The run has ended already.", Bad: true}
	case err != nil:
		return err
	}
	v.notify(said)
	return v.redirect("/admin/dlq")
}

// deadBytes answers with a letter as it was on the bus, unread.
func (u *UI) deadBytes(v *visit, _ view.AdminHead) error {
	l, err := u.Desk.Letter(v.r.Context(), v.param("letter"))
	if err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", `attachment; filename="`+fileName(l.ID)+`.bin"`)
	v.w.WriteHeader(http.StatusOK)
	_, _ = v.w.Write(l.Body) // the reader may have gone
	return nil
}

// fileName keeps of a name what is safe in a header.
func fileName(name string) string {
	safe := []byte(name)
	for i, c := range safe {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			safe[i] = '_'
		}
	}
	return string(safe)
}
