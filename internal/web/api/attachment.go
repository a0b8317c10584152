package api

import (
	"encoding/hex"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// attachmentShape is a file that came with an event.
// Rule: getsentry/sentry src/sentry/api/serializers/models/eventattachment.py
type attachmentShape struct {
	ID          string            `json:"id"`
	EventID     string            `json:"event_id"`
	Type        string            `json:"type"`
	Name        string            `json:"name"`
	MIMEType    string            `json:"mimetype"`
	DateCreated time.Time         `json:"dateCreated"`
	Size        int64             `json:"size"`
	Headers     map[string]string `json:"headers"`
	SHA1        string            `json:"sha1"`
}

func shapeAttachment(a *postgres.AttachmentRow) attachmentShape {
	kind := a.ContentType
	if kind == "" {
		kind = octets
	}
	return attachmentShape{ID: id(a.ID), EventID: a.Event.String(), Type: a.Type, Name: a.Name, MIMEType: kind, DateCreated: utc(a.ReceivedAt), Size: a.Size,
		Headers: map[string]string{"Content-Type": kind}, SHA1: hex.EncodeToString(a.SHA1)}
}

// octets is the type of bytes that nothing is known of.
const octets = "application/octet-stream"

// feedbackShape is what a user wrote about an event.
// Rule: getsentry/sentry src/sentry/api/serializers/models/userreport.py
type feedbackShape struct {
	ID          string    `json:"id"`
	EventID     string    `json:"eventID"`
	Name        *string   `json:"name"`
	Email       *string   `json:"email"`
	Comments    string    `json:"comments"`
	DateCreated time.Time `json:"dateCreated"`
	User        *object   `json:"user"`
	Event       object    `json:"event"`
	Issue       *object   `json:"issue"`
}

func shapeFeedback(f *postgres.FeedbackRow) feedbackShape {
	about := f.About
	if about.IsZero() {
		about = f.ID
	}
	return feedbackShape{ID: f.ID.String(), EventID: about.String(), Name: maybe(f.Name), Email: maybe(f.Email), Comments: f.Message, DateCreated: utc(f.ReceivedAt),
		Event: object{"id": about.String(), "eventID": about.String()}}
}

// pageOf answers a list that is held whole, a page of it, in its shape.
func pageOf[T, S any](s *Service, w http.ResponseWriter, r *request, list []T, shape func(*T) S) error {
	list, err := window(s, w, r, list)
	if err != nil {
		return err
	}
	out := make([]S, len(list))
	for i := range list {
		out[i] = shape(&list[i])
	}
	return ok(w, out)
}

// eventFiles are the files of the event a path names. They may be there without it; fault.Unknown
// when there is neither.
func (s *Service) eventFiles(r *request) ([]postgres.AttachmentRow, error) {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return nil, err
	}
	e, err := event.ParseID(r.PathValue("event"))
	if err != nil {
		return nil, errNotFound()
	}
	list, err := s.Store.EventAttachments(r.Context(), p.ID, e)
	if err == nil && len(list) == 0 {
		_, _, err = s.storedEvent(r)
	}
	return list, err
}

// eventAttachments answers GET …/events/{event}/attachments/.
func (s *Service) eventAttachments(w http.ResponseWriter, r *request) error {
	list, err := s.eventFiles(r)
	if err != nil {
		return err
	}
	return pageOf(s, w, r, list, shapeAttachment)
}

// eventAttachment answers GET …/events/{event}/attachments/{id}/: what is known of a file, or with
// ?download=1 the file.
func (s *Service) eventAttachment(w http.ResponseWriter, r *request) error {
	list, err := s.eventFiles(r)
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return errNotFound()
	}
	for i := range list {
		switch {
		case list[i].ID != n:
		case r.URL.Query().Has("download"):
			return s.download(w, r, &list[i])
		default:
			return ok(w, shapeAttachment(&list[i]))
		}
	}
	return errNotFound()
}

// shown are the types of pictures that browsers may show: none of them can hold a program.
var shown = map[string]bool{"image/png": true, "image/jpeg": true, "image/gif": true, "image/webp": true}

// download sends the bytes of a file so that no browser runs them: as a download, of a type that
// their beginning proves, whatever the client called it.
func (s *Service) download(w http.ResponseWriter, r *request, a *postgres.AttachmentRow) error {
	head := make([]byte, 512)
	var body io.ReadCloser = http.NoBody
	if a.Blob != "" {
		var err error
		if body, err = s.Blobs.Open(r.Context(), a.Blob); err != nil {
			return err
		}
	}
	defer body.Close()
	n, err := io.ReadFull(body, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return fault.Wrap(err, fault.Unavailable, "The file cannot be read now.")
	}
	kind := http.DetectContentType(head[:n])
	if !shown[kind] {
		kind = octets
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", disposition(a.Name))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Content-Length", id(a.Size))
	w.WriteHeader(http.StatusOK)
	if _, err = w.Write(head[:n]); err == nil {
		_, _ = io.Copy(w, body) // the client sees by the length that something is missing
	}
	return nil
}

// disposition makes a browser save a file under its name.
func disposition(name string) string {
	if v := mime.FormatMediaType("attachment", map[string]string{"filename": name}); v != "" {
		return v
	}
	return "attachment"
}

// issueAttachments answers GET …/issues/{issue}/attachments/, newest first.
func (s *Service) issueAttachments(w http.ResponseWriter, r *request) error {
	row, err := s.issueRow(r)
	if err != nil {
		return err
	}
	list, err := s.Store.IssueAttachments(r.Context(), row.Project, row.ID)
	if err != nil {
		return err
	}
	return pageOf(s, w, r, list, shapeAttachment)
}

// issueFeedback answers GET …/issues/{issue}/user-reports/, newest first.
func (s *Service) issueFeedback(w http.ResponseWriter, r *request) error {
	row, err := s.issueRow(r)
	if err != nil {
		return err
	}
	list, err := s.Store.IssueFeedback(r.Context(), row.Project, row.ID)
	if err != nil {
		return err
	}
	return pageOf(s, w, r, list, shapeFeedback)
}

// projectFeedback answers GET …/projects/{org}/{project}/user-feedback/, newest first.
func (s *Service) projectFeedback(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	list, err := s.Store.ProjectFeedback(r.Context(), p.ID)
	if err != nil {
		return err
	}
	return pageOf(s, w, r, list, shapeFeedback)
}
