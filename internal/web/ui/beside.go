package ui

import (
	"context"
	"fmt"

	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// readBeside reads what is kept beside the event of the page.
func (u *UI) readBeside(ctx context.Context, d *issueData) (err error) {
	if d.files, err = u.Store.EventAttachments(ctx, d.row.Project, d.event.Event.ID); err != nil {
		return err
	}
	d.words, err = u.Store.EventFeedback(ctx, d.row.Project, d.event.Event.ID)
	return err
}

// showBeside adds the files that came with an event, and what users wrote about it.
func (v *visit) showBeside(e *view.Event, d *issueData) {
	for i := range d.files {
		f := &d.files[i]
		e.Files = append(e.Files, view.NewFile(f.Name, f.ContentType, f.Size, fmt.Sprintf("/api/0/projects/%s/%d/events/%s/attachments/%d/?download=1",
			v.principal.Organization.Slug, d.row.Project, f.Event, f.ID)))
	}
	for i := range d.words {
		w := &d.words[i]
		e.Feedback = append(e.Feedback, view.Words{Name: w.Name, Email: w.Email, Message: w.Message, At: w.ReceivedAt})
	}
}
