package ingest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// acceptAttachments answers POST /api/{project}/events/{event_id}/attachments/ with 201: each file of
// a form becomes an attachment of the event, whether that is there or not.
// fault.Invalid: no event id, or no form.
// Rule: getsentry/relay relay-server/src/endpoints/attachments.rs
func (s *Service) acceptAttachments(w http.ResponseWriter, r *http.Request) error {
	q, err := s.newRequest(r, outcome.Attachment)
	if err != nil {
		return err
	}
	id, err := event.ParseID(chi.URLParam(r, "event_id"))
	if err != nil {
		return fault.New(fault.Invalid, "bad event id path parameter")
	}
	body, err := s.readBody(w, r, s.cfg.MaxEnvelopeBytes)
	if err != nil {
		return s.unreadable(q, err)
	}
	defer body.free()
	form, err := s.readForm(r.Context(), r.Header.Get("Content-Type"), body.b)
	if err != nil {
		s.drop(q, outcome.Attachment, outcome.Invalid, formReason(err), 1)
		return err
	}
	defer form.free()
	env := envelope.Envelope{Header: envelope.Header{EventID: id}}
	for i := range form.parts {
		if p := &form.parts[i]; p.file {
			env.Items = append(env.Items, p.item())
		}
	}
	rec, err := s.accept(r.Context(), q, &env)
	if err != nil {
		return s.failed(w, rec, err)
	}
	setLimits(w, rec)
	w.WriteHeader(http.StatusCreated)
	return nil
}

// maxParts is how many parts a form may have; no form within the limits by type has more files.
const maxParts = 300

// errForm answers a body that is no form.
// Rule: getsentry/relay relay-server/src/endpoints/common.rs (BadStoreRequest::InvalidMultipart)
var errForm = fault.New(fault.Invalid, "invalid multipart data")

// formReason is how a form that cannot be read is counted.
func formReason(err error) string {
	if fault.KindOf(err) == fault.TooLarge {
		return outcome.ReasonTooLarge + ":attachment"
	}
	return outcome.ReasonInvalidMultipart
}

// part is one part of a form.
type part struct {
	name        string
	file        bool
	filename    string
	contentType string
	buffer      *buffer
	borrowed    bool // the bytes are those of the request's body
}

func (p *part) free() {
	if !p.borrowed {
		p.buffer.free()
	}
}

func (p *part) item() envelope.Item {
	return envelope.Item{Type: event.ItemAttachment, Filename: p.filename, ContentType: p.contentType, Count: -1, Payload: p.buffer.b}
}

// form is a multipart document, its parts paid for from the budget.
type form struct{ parts []part }

func (f *form) free() {
	for i := range f.parts {
		f.parts[i].free()
	}
}

// readForm reads a multipart document, whose boundary is in the content type. What it returns must
// be freed. fault.Invalid: it is none. fault.TooLarge: too many parts.
func (s *Service) readForm(ctx context.Context, contentType string, body []byte) (*form, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return nil, errForm
	}
	return s.readParts(ctx, params["boundary"], body)
}

func (s *Service) readParts(ctx context.Context, boundary string, body []byte) (_ *form, err error) {
	if !bytes.Contains(body, []byte("--"+boundary)) {
		return nil, errForm // to the reader it would be an empty form
	}
	f := &form{}
	defer func() {
		if err != nil {
			f.free()
		}
	}()
	for r := multipart.NewReader(bytes.NewReader(body), boundary); ; {
		p, err := r.NextRawPart()
		switch {
		case errors.Is(err, io.EOF):
			return f, nil
		case err != nil:
			return nil, errForm
		case len(f.parts) == maxParts:
			return nil, fault.New(fault.TooLarge, "a form has at most %d parts", maxParts)
		}
		buf, err := newBuffer(ctx, s.budget)
		if err != nil {
			return nil, err
		}
		_, named, _ := mime.ParseMediaType(p.Header.Get("Content-Disposition")) // a part without is a field without a name
		_, file := named["filename"]
		f.parts = append(f.parts, part{name: p.FormName(), file: file, filename: p.FileName(), contentType: mediaType(p.Header.Get("Content-Type")), buffer: buf})
		if err := buf.fill(ctx, p, int64(len(body)), nil); err != nil {
			if fault.KindOf(err) == fault.Unavailable {
				return nil, err
			}
			return nil, errForm
		}
	}
}
