package api

import (
	"io"
	"net/http"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/delivery/slack"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
)

// pressed answers POST /api/v1/slack/{id}/: somebody pressed a button of a message. The signature
// with the destination's secret is what admits the request; the issue must be one of the
// destination's organization.
func (s *Service) pressed(w http.ResponseWriter, r *request) error {
	n, err := pathID(r)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return fault.New(fault.TooLarge, "the body is larger than %d bytes", maxBody)
	}
	d, err := s.Store.DestinationOf(r.Context(), n)
	if err != nil || d.Channel != alert.ChannelSlack || s.Key == nil {
		return errNotFound()
	}
	settings, err := delivery.Open(d.Organization, d.Settings, s.Key)
	if err != nil {
		return errNotFound()
	}
	if err := slack.Verify(settings["signing_secret"], r.Header.Get("X-Slack-Request-Timestamp"), r.Header.Get("X-Slack-Signature"), body, time.Now()); err != nil {
		return err
	}
	p, asks, err := slack.ParsePress(body)
	if err != nil || !asks {
		if err == nil {
			w.WriteHeader(http.StatusOK)
		}
		return err
	}
	text, err := s.press(r, d.Organization, &p)
	if err != nil {
		if fault.KindOf(err) != fault.Invalid && fault.KindOf(err) != fault.Unknown {
			return err
		}
		text = "That did not work: " + fault.Public(err)
	}
	return ok(w, object{"response_type": "in_channel", "replace_original": false, "text": slack.Escape(text)})
}

// press does what the button says and tells it in a sentence.
func (s *Service) press(r *request, organization int64, p *slack.Press) (string, error) {
	who := delivery.Line(p.Who, 80)
	if who == "" {
		who = "somebody"
	}
	rows, err := s.Store.IssuesByID(r.Context(), organization, []int64{p.Issue})
	if err != nil {
		return "", err
	}
	if len(rows) != 1 {
		return "", fault.New(fault.Unknown, "The issue does not exist any more.")
	}
	var a issue.Action
	var done string
	switch p.Action {
	case "resolve":
		a.Status, done = new(issue.Resolved), " resolved "
	case "archive":
		a.Status, done = new(issue.Archived), " archived "
	case "assign":
		a.Assignee, done = &p.Value, " assigned "
	case "acknowledge":
		done = " looks after "
	default:
		return "", fault.New(fault.Invalid, "There is no such button.")
	}
	if p.Action != "acknowledge" {
		a.Single = true
		if _, err := s.Store.ChangeIssues(r.Context(), organization, []int64{p.Issue}, a, 0); err != nil {
			return "", err
		}
	}
	if err := s.Store.Acknowledge(r.Context(), rows[0].Project, p.Issue, 0, who+" in Slack"); err != nil {
		return "", err
	}
	return who + done + rows[0].ShortID + ".", nil
}
