package ui

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// file is a file of an event; its bytes come from the API.
func (v *visit) file(project int64, f *postgres.AttachmentRow) view.File {
	file := view.NewFile(f.Name, f.ContentType, f.Size, fmt.Sprintf("/api/0/projects/%s/%d/events/%s/attachments/%d/?download=1",
		v.principal.Organization.Slug, project, f.Event, f.ID))
	file.At = f.ReceivedAt
	return file
}

// showBeside adds the files that came with an event, and what users wrote about it.
func (v *visit) showBeside(e *view.Event, d *issueData) {
	for i := range d.beside.Files {
		f := v.file(d.Issue.Project, &d.beside.Files[i])
		if f.Readable {
			f.View = fmt.Sprintf("%s/attachments/%d", v.eventHref(&d.Issue, d.beside.Files[i].Event), d.beside.Files[i].ID)
		}
		e.Files = append(e.Files, f)
	}
	for i := range d.beside.Feedback {
		w := &d.beside.Feedback[i]
		e.Feedback = append(e.Feedback, view.Words{Name: w.Name, Email: w.Email, Message: w.Message, At: w.ReceivedAt})
	}
}

// maxViewed is how much of a text file the page shows, in bytes.
const maxViewed = 256 << 10

// eventFile shows a file that came with an event as text. Whatever is in it stays text.
func (u *UI) eventFile(v *visit) error {
	row, e, err := u.storedEvent(v)
	if err != nil {
		return err
	}
	files, err := u.Store.EventAttachments(v.r.Context(), row.Project, e.Event.ID)
	if err != nil {
		return err
	}
	for i := range files {
		f := &files[i]
		if strconv.FormatInt(f.ID, 10) != v.param("file") {
			continue
		}
		page := view.FilePage{File: v.file(row.Project, f), Back: v.eventHref(&row, e.Event.ID)}
		if page.Text, page.Cut, err = u.textOf(v.r.Context(), f); err != nil {
			return err
		}
		v.base.Section = view.SectionIssues
		v.base.Crumbs = []view.Link{{Label: "Issues", Href: v.orgPath("/issues")}, {Label: row.ShortID, Href: v.orgPath("/issues/" + row.ShortID)}, {Label: f.Name}}
		return v.render(http.StatusOK, f.Name, func(p view.Page) component { return view.FileText(p, page) })
	}
	return fault.New(fault.Unknown, "The event has no such file.")
}

// textOf reads the beginning of a file; cut is whether there is more.
func (u *UI) textOf(ctx context.Context, f *postgres.AttachmentRow) (text string, cut bool, err error) {
	if f.Blob == "" {
		return "", false, nil
	}
	body, err := u.Blobs.Open(ctx, f.Blob)
	if err != nil {
		return "", false, err
	}
	defer body.Close()
	raw, err := io.ReadAll(io.LimitReader(body, maxViewed+1))
	if err != nil {
		return "", false, fault.Wrap(err, fault.Unavailable, "The file cannot be read now.")
	}
	return string(raw[:min(len(raw), maxViewed)]), len(raw) > maxViewed, nil
}
