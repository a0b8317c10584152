package ingest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/minidump"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// The parts of a form that a crash reporter sends.
// Rule: getsentry/relay relay-server/src/endpoints/minidump.rs
const (
	partMinidump    = "upload_file_minidump"
	partEvent       = "__sentry-event"
	partBreadcrumb1 = "__sentry-breadcrumb1"
	partBreadcrumb2 = "__sentry-breadcrumb2"
	viewHierarchy   = "view-hierarchy.json"
)

// typeMinidump is the attachment type of crash reports.
const typeMinidump = "event.minidump"

var (
	errNoMinidump  = fault.New(fault.Invalid, "missing minidump")
	errNotMinidump = fault.New(fault.Invalid, "invalid minidump")
)

// acceptMinidump answers POST /api/{project}/minidump/ with the id of the event that the crash
// becomes, as text. Crash reporters send once, so that limits are not answered.
// fault.Invalid: no crash report in it. fault.TooLarge.
func (s *Service) acceptMinidump(w http.ResponseWriter, r *http.Request) error {
	q, err := s.newRequest(r, outcome.Error)
	if err != nil {
		return err
	}
	body, err := s.readBody(w, r, s.cfg.MaxEnvelopeBytes)
	if err != nil {
		return s.unreadable(q, err)
	}
	defer body.free()
	f := &form{}
	switch contentType := r.Header.Get("Content-Type"); mediaType(contentType) {
	case "application/octet-stream", "application/x-dmp":
		f.parts = []part{{name: partMinidump, file: true, filename: "Minidump", buffer: body, borrowed: true}}
	default:
		if f, err = s.readForm(r.Context(), contentType, body.b); err != nil {
			return s.refuseCrash(q, err, formReason(err))
		}
	}
	defer func() { f.free() }()
	dump, err := s.findDump(r.Context(), f)
	if err != nil {
		return s.refuseCrash(q, err, crashReason(err))
	}
	env := crashEnvelope(f, dump)
	return s.answerCrash(r.Context(), w, q, env)
}

// answerCrash takes a crash and answers the id of its event as text, in the form of a UUID.
// fault.Limited: there is no room for it.
func (s *Service) answerCrash(ctx context.Context, w http.ResponseWriter, q *request, env *envelope.Envelope) error {
	if env.Header.EventID == (envelope.ID{}) {
		env.Header.EventID = newEventID()
	}
	if rec, err := s.accept(ctx, q, env); err != nil && !overQuota(rec, err) {
		return s.failed(w, rec, err)
	}
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(http.StatusOK)
	id := env.Header.EventID
	_, _ = fmt.Fprintf(w, "%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:]) // the client may have gone; what it sent is kept
	return nil
}

// refuseCrash counts a crash that cannot be read in every category it would have had.
func (s *Service) refuseCrash(q *request, err error, reason string) error {
	for _, c := range []outcome.Category{outcome.Error, outcome.Attachment, outcome.AttachmentItem} {
		s.drop(q, c, outcome.Invalid, reason, 1)
	}
	return err
}

func crashReason(err error) string {
	switch {
	case err == errNoMinidump:
		return outcome.ReasonMissingMinidump
	case err == errNotMinidump:
		return outcome.ReasonInvalidMinidump
	case fault.KindOf(err) == fault.TooLarge:
		return outcome.ReasonTooLarge + ":attachment"
	case err == errForm:
		return outcome.ReasonInvalidMultipart
	}
	return outcome.ReasonInvalidCompression
}

// findDump returns the part of a form that is the crash report, out of the form and the container
// that it may be wrapped in.
func (s *Service) findDump(ctx context.Context, f *form) (*part, error) {
	p := f.named(partMinidump)
	if p == nil {
		return nil, errNoMinidump
	}
	if bytes.HasPrefix(p.buffer.b, []byte("--")) { // some clients nest their form in a form
		line, _, _ := bytes.Cut(p.buffer.b, []byte("\n"))
		inner, err := s.readParts(ctx, strings.TrimRight(string(line[2:min(len(line), 80)]), "\r "), p.buffer.b)
		if err != nil {
			return nil, err
		}
		place := f.index(p)
		f.parts = append(f.parts, inner.parts...) // freed with the rest
		f.parts[place].name = ""
		nested := inner.named(partMinidump)
		if nested == nil {
			return nil, errNoMinidump
		}
		p = &f.parts[len(f.parts)-len(inner.parts)+inner.index(nested)]
	}
	if err := s.unpack(ctx, p); err != nil {
		return nil, err
	}
	if !minidump.Has(p.buffer.b) {
		return nil, errNotMinidump
	}
	return p, nil
}

func (f *form) named(name string) *part {
	for i := range f.parts {
		if f.parts[i].name == name {
			return &f.parts[i]
		}
	}
	return nil
}

func (f *form) index(p *part) int {
	for i := range f.parts {
		if &f.parts[i] == p {
			return i
		}
	}
	return -1
}

// crashEnvelope makes an envelope of a form: the event that the client says something of, the crash
// report, and the other files.
func crashEnvelope(f *form, dump *part) *envelope.Envelope {
	env := &envelope.Envelope{}
	doc := clientEvent(f, &env.Header)
	if len(doc) > 0 {
		env.Items = append(env.Items, envelope.Item{Type: "event", Count: -1, Payload: encodeDoc(doc)})
	}
	for i := range f.parts {
		p := &f.parts[i]
		switch {
		case p == dump:
			it := p.item()
			it.AttachmentType = typeMinidump
			env.Items = append(env.Items, it)
		case !p.file || p.name == partEvent || p.name == partBreadcrumb1 || p.name == partBreadcrumb2 || p.name == "" || p.name == partMinidump:
		default:
			it := p.item()
			if p.filename == viewHierarchy || p.name == viewHierarchy {
				it.AttachmentType = "event.view_hierarchy"
			}
			env.Items = append(env.Items, it)
		}
	}
	return env
}
