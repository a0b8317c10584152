package ui

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// selector reads which event a path names; none is the recommended one.
func selector(word string) (postgres.EventSelector, error) {
	switch word {
	case "", "recommended":
		return postgres.EventSelector{Which: postgres.EventRecommended}, nil
	case "latest":
		return postgres.EventSelector{Which: postgres.EventLatest}, nil
	case "oldest":
		return postgres.EventSelector{Which: postgres.EventOldest}, nil
	}
	id, err := event.ParseID(word)
	if err != nil {
		return postgres.EventSelector{}, fault.New(fault.Unknown, "There is no such event.")
	}
	return postgres.EventSelector{Which: postgres.EventByID, ID: id}, nil
}

// storedEvent finds the event that the path names, for answers that show it alone.
func (u *UI) storedEvent(v *visit) (postgres.IssueRow, postgres.EventView, error) {
	var none postgres.EventView
	if err := v.principal.Require(account.EventRead); err != nil {
		return postgres.IssueRow{}, none, err
	}
	which, err := selector(v.param("event"))
	if err != nil {
		return postgres.IssueRow{}, none, err
	}
	row, err := u.findIssue(v)
	if err != nil {
		return row, none, err
	}
	e, err := u.Store.ChosenEvent(v.r.Context(), row.Project, row.ID, which)
	return row, e, err
}

// eventHref is the address of an event of an issue.
func (v *visit) eventHref(row *postgres.IssueRow, id event.ID) string {
	return v.orgPath("/issues/" + row.ShortID + "/events/" + id.String())
}

// sandboxed is the policy of answers that are no pages of ours.
const sandboxed = "default-src 'none'; sandbox; frame-ancestors 'none'"

// eventJSON answers with the stored event, for programs and for reading in full.
func (u *UI) eventJSON(v *visit) error {
	_, e, err := u.storedEvent(v)
	if err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Disposition", mime.FormatMediaType("inline", map[string]string{"filename": e.Event.ID.String() + ".json"}))
	h.Set("Content-Security-Policy", sandboxed)
	_, _ = v.w.Write(e.Payload) // the reader may have gone
	return nil
}

// plain answers with text, deceptive characters made visible.
func (v *visit) plain(text string) error {
	h := v.w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Security-Policy", sandboxed)
	_, _ = v.w.Write(view.Visible([]byte(text))) // the reader may have gone
	return nil
}

// eventTrace answers with the stack trace as text.
func (u *UI) eventTrace(v *visit) error {
	row, e, err := u.storedEvent(v)
	if err != nil {
		return err
	}
	return v.plain(view.TraceText(u.drawEvent(v, &row, &e)))
}

// eventMarkdown answers with the event as Markdown, for tickets and chats.
func (u *UI) eventMarkdown(v *visit) error {
	row, e, err := u.storedEvent(v)
	if err != nil {
		return err
	}
	kind, value := titleParts(&row)
	return v.plain(view.Markdown(view.MarkdownFacts{
		Type: kind, Value: value, Culprit: row.Culprit, ShortID: row.ShortID, Project: row.ProjectName,
		Link: u.BaseURL + v.eventHref(&row, e.Event.ID), Events: row.TimesSeen, Users: row.UserCount,
		FirstSeen: row.FirstSeen, LastSeen: row.LastSeen, FirstRelease: row.FirstRelease, LastRelease: row.LastRelease,
	}, u.drawEvent(v, &row, &e)))
}

// drawEvent prepares an event with every frame newest first and nothing left out.
func (u *UI) drawEvent(v *visit, row *postgres.IssueRow, e *postgres.EventView) *view.Event {
	return view.NewEvent(e.Event, view.EventOptions{ReceivedAt: e.ReceivedAt, TagHref: v.tagHref})
}

// eventRaw shows the stored event as a tree to search.
func (u *UI) eventRaw(v *visit) error {
	row, e, err := u.storedEvent(v)
	if err != nil {
		return err
	}
	href := v.eventHref(&row, e.Event.ID)
	page := view.RawPage{ID: e.Event.ID.String(), Back: href, Download: href + "/json", Bytes: len(e.Payload), Tree: view.NewRaw(e.Payload)}
	v.base.Section = view.SectionIssues
	v.base.Crumbs = []view.Link{{Label: "Issues", Href: v.orgPath("/issues")}, {Label: row.ShortID, Href: v.orgPath("/issues/" + row.ShortID)}, {Label: "Raw event"}}
	return v.render(http.StatusOK, "Raw event of "+row.ShortID, func(p view.Page) component { return view.Raw(p, page) })
}

// eventFrame answers with the source and variables of one frame, or of several that a script names with
// commas between them.
func (u *UI) eventFrame(v *visit) error {
	row, e, err := u.storedEvent(v)
	if err != nil {
		return err
	}
	part := v.r.Header.Get("X-Part") != ""
	names := []string{v.param("frame")}
	if part {
		names = strings.Split(names[0], ",")
	}
	if len(names) > mostFrames {
		return fault.New(fault.Invalid, "At most %d frames can be asked for at once.", mostFrames)
	}
	frames := make([]view.Frame, len(names))
	for i, name := range names {
		if frames[i], err = frameOf(e.Event, name); err != nil {
			return err
		}
	}
	f := &frames[0]
	v.base.Section = view.SectionIssues
	v.base.Crumbs = []view.Link{{Label: "Issues", Href: v.orgPath("/issues")}, {Label: row.ShortID, Href: v.orgPath("/issues/" + row.ShortID)}, {Label: "Frame"}}
	return v.render(http.StatusOK, f.Function+" of "+row.ShortID, func(p view.Page) component {
		if part {
			return view.FrameDetails(frames)
		}
		return view.FramePage(p, *f, v.eventHref(&row, e.Event.ID))
	})
}

// mostFrames is how many frames one request may ask for.
const mostFrames = 50

// frameOf is the frame of an event that an address names: "0-17" is frame 17 of exception 0, "t2-5" is
// of thread 2, "r" and "q" are the same as they arrived, "s0-3" is of the event itself.
func frameOf(ev *event.Event, name string) (view.Frame, error) {
	rest := strings.TrimLeft(name, "rqst")
	prefix := strings.TrimSuffix(name, rest)
	first, second, _ := strings.Cut(rest, "-")
	of, err1 := strconv.Atoi(first)
	at, err2 := strconv.Atoi(second)
	if len(prefix) <= 1 && err1 == nil && err2 == nil {
		if f, ok := view.FrameBody(ev, prefix == "t" || prefix == "q", of, at, prefix == "r" || prefix == "q"); ok {
			return f, nil
		}
	}
	return view.Frame{}, fault.New(fault.Unknown, "There is no such frame.")
}

// tagHref is the address of the search for issues with a tag.
func (v *visit) tagHref(key, value string) string { return v.searchHref(searchTerm(key, value)) }

func (v *visit) searchHref(query string) string {
	s := listState{path: v.orgPath("/issues"), query: query, status: "all"}
	return s.href(func(*listState) {})
}

// searchTerm is the search for a tag, quoted as the language wants it.
func searchTerm(key, value string) string {
	if strings.ContainsAny(key, " \":()") {
		key = strconv.Quote(key)
	}
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`, `*`, `\*`).Replace(value)
	return key + `:"` + quoted + `"`
}
