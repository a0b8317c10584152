package api

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/dsn"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/scrub"
)

// schemeDSN is how the Authorization header begins when a DSN speaks for its project.
// Rule: getsentry/sentry src/sentry/api/authentication.py (DSNAuthentication)
const schemeDSN = "DSN "

// maxReportComments is how many characters of what happened are kept.
const maxReportComments = 4096

// newReport is the body of POST …/user-feedback/.
type newReport struct {
	EventID  string `json:"event_id"`
	Name     string `json:"name"`
	Email    string `json:"email"`
	Comments string `json:"comments"`
}

// postFeedback answers POST …/projects/{org}/{project}/user-feedback/, the oldest way to tell what a
// user wrote about an event, with the report. The caller holds a token, or the project's DSN.
// fault.Unauthenticated, fault.Unknown, fault.Invalid.
// Rule: getsentry/sentry src/sentry/api/endpoints/project_user_reports.py
func (s *Service) postFeedback(w http.ResponseWriter, r *request) error {
	p, keyID, err := s.feedbackProject(r)
	if err != nil {
		return err
	}
	var body newReport
	if err := readBody(w, r, &body); err != nil {
		return err
	}
	id, err := event.ParseID(body.EventID)
	switch {
	case err != nil:
		return fault.New(fault.Invalid, "event_id: must be 32 hexadecimal digits")
	case strings.TrimSpace(body.Comments) == "":
		return fault.New(fault.Invalid, "comments: This field is required.")
	case len([]rune(body.Comments)) > maxReportComments:
		return fault.New(fault.Invalid, "comments: at most %d characters are kept", maxReportComments)
	}
	words, err := scrubbed(p, body.Comments)
	if err != nil {
		return err
	}
	f := postgres.FeedbackRow{ID: id, ReceivedAt: time.Now().UTC().Truncate(time.Microsecond),
		Feedback: event.Feedback{Kind: event.UserReport, About: id, Name: body.Name, Email: body.Email, Message: words}}
	if err := s.keepReport(r.Context(), p.ID, keyID, &f); err != nil {
		return err
	}
	return ok(w, shapeFeedback(&f))
}

// keepReport stores a report with both sides of the ledger.
func (s *Service) keepReport(ctx context.Context, p, keyID int64, f *postgres.FeedbackRow) error {
	received := outcome.Batch{Counts: []outcome.Count{{Quantity: 1, Key: outcome.Key{Project: p, KeyID: keyID, Category: outcome.Feedback,
		Kind: outcome.Received, Minute: f.ReceivedAt.Truncate(time.Minute)}}}}
	_, _ = rand.Read(received.ID[:]) // never fails
	if err := s.Store.ApplyOutcomes(ctx, []outcome.Batch{received}); err != nil {
		return err
	}
	return s.Store.RecordCompanions(ctx, []postgres.Companion{{Project: p, KeyID: keyID, Event: f.ID, ReceivedAt: f.ReceivedAt, Feedback: &f.Feedback}})
}

// scrubbed is what users wrote without what their project does not want kept.
func scrubbed(p project.Project, words string) (string, error) {
	settings, err := scrub.Read(p.Settings.Scrubbing)
	if err != nil {
		return "", err
	}
	c, err := scrub.Compile(settings)
	if err != nil {
		return "", err
	}
	return c.Words(words), nil
}

// feedbackProject is the project that the path names and the caller may tell of, and the client key
// that the caller holds, 0 for a token.
func (s *Service) feedbackProject(r *request) (p project.Project, keyID int64, err error) {
	name := r.PathValue("project")
	text, byDSN := strings.CutPrefix(r.Header.Get("Authorization"), schemeDSN)
	if !byDSN {
		switch {
		case r.who == nil:
			return p, 0, fault.New(fault.Unauthenticated, "Authentication credentials were not provided.")
		case !named(r.who.Organization.ID, r.who.Organization.Slug, r.PathValue("org")):
			return p, 0, errNotFound()
		}
		if err := r.who.Require(account.ProjectWrite); err != nil {
			return p, 0, err
		}
		p, err = s.Store.Project(r.Context(), r.org(), name)
		return p, 0, err
	}
	d, err := dsn.Parse(text)
	if err != nil {
		return p, 0, fault.New(fault.Unauthenticated, "Invalid dsn")
	}
	p, key, err := s.Store.ProjectOfKey(r.Context(), d.Key.String())
	switch {
	case fault.KindOf(err) == fault.Unknown, err == nil && (!key.Active || d.Project != p.ID):
		return p, 0, fault.New(fault.Unauthenticated, "Invalid api key")
	case err != nil:
		return p, 0, err
	case !named(p.OrganizationID, p.Organization, r.PathValue("org")) || !named(p.ID, p.Slug, name):
		return p, 0, errNotFound()
	}
	return p, key.ID, nil
}
