package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// deliveryShape is one entry of the delivery log; it shows of the destination what lists may.
type deliveryShape struct {
	ID            string         `json:"id"`
	RuleID        *string        `json:"ruleId"`
	RuleName      *string        `json:"ruleName"`
	IssueID       *string        `json:"issueId"`
	IssueShortID  *string        `json:"issueShortId"`
	IssueTitle    *string        `json:"issueTitle"`
	Kind          string         `json:"kind"`
	DestinationID *string        `json:"destinationId"`
	Destination   *string        `json:"destination"`
	DigestID      *string        `json:"digestId"`
	Channel       string         `json:"channel"`
	Target        string         `json:"target"`
	State         string         `json:"state"`
	Reason        *string        `json:"reason"`
	IsTest        bool           `json:"isTest"`
	AttemptCount  int            `json:"attemptCount"`
	NextAttemptAt *time.Time     `json:"nextAttemptAt"`
	DateCreated   time.Time      `json:"dateCreated"`
	DateQueued    time.Time      `json:"dateQueued"`
	DateFinished  *time.Time     `json:"dateFinished"`
	Attempts      []attemptShape `json:"attempts,omitzero"`
}

type attemptShape struct {
	Number      int       `json:"number"`
	DateStarted time.Time `json:"dateStarted"`
	DurationMS  int64     `json:"durationMs"`
	Status      *int      `json:"status"` // null: there was no answer
	Error       *string   `json:"error"`
	Response    string    `json:"response"`
}

func shapeDelivery(d *postgres.DeliveryRow) deliveryShape {
	return deliveryShape{ID: id(d.ID), RuleID: maybeID(d.Rule), RuleName: maybe(d.RuleName), IssueID: maybeID(d.Issue),
		IssueShortID: maybe(d.ShortID()), IssueTitle: maybe(d.IssueTitle), Kind: string(d.Kind), DestinationID: maybeID(d.Destination), Destination: maybe(d.DestinationName), DigestID: maybeID(d.Digest),
		Channel: d.Channel, Target: d.Target, State: d.State.String(),
		Reason: maybe(d.Reason), IsTest: d.IsTest(), AttemptCount: d.AttemptCount, NextAttemptAt: maybeTime(d.NextAttemptAt),
		DateCreated: utc(d.CreatedAt), DateQueued: utc(d.QueuedAt), DateFinished: maybeTime(d.FinishedAt)}
}

func maybeID(n int64) *string {
	if n == 0 {
		return nil
	}
	return new(id(n))
}

func shapeAttempt(a *alert.Attempt) attemptShape {
	return attemptShape{Number: a.Number, DateStarted: utc(a.StartedAt), DurationMS: a.Duration.Milliseconds(), Status: maybe(a.Status),
		Error: maybe(a.Error), Response: a.Response}
}

// projectID is the id of the project that the path names within the caller's organization.
func (s *Service) projectID(r *request) (int64, error) {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	return p.ID, err
}

// pathID is the number that ends the path.
func pathID(r *request) (int64, error) {
	n, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return 0, errNotFound()
	}
	return n, nil
}

// deliveries answers GET …/deliveries/, newest first.
func (s *Service) deliveries(w http.ResponseWriter, r *request) error {
	project, err := s.projectID(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	dq := postgres.DeliveryQuery{Project: project, Cursor: q.Get("cursor")}
	if dq.Limit, err = perPage(r); err != nil {
		return err
	}
	if text := q.Get("state"); text != "" {
		state, known := alert.ParseDeliveryState(text)
		if !known {
			return fault.New(fault.Invalid, "Invalid state: %.40q", text)
		}
		dq.State = &state
	}
	if text := q.Get("rule"); text != "" {
		if dq.Rule, err = strconv.ParseInt(text, 10, 64); err != nil {
			return fault.New(fault.Invalid, "Invalid rule: it is a decimal number")
		}
	}
	page, err := s.Store.ListDeliveries(r.Context(), dq)
	if err != nil {
		return err
	}
	next := page.Next
	if next == "" {
		next = "1" // before which nothing is
	}
	s.setLink(w, r, links{prev: strconv.FormatInt(1<<63-1, 10), next: next, hasPrev: false, hasNext: page.Next != ""})
	out := make([]deliveryShape, len(page.Rows))
	for i := range page.Rows {
		out[i] = shapeDelivery(&page.Rows[i])
	}
	return ok(w, out)
}

// delivery answers GET …/deliveries/{id}/ with every attempt.
func (s *Service) delivery(w http.ResponseWriter, r *request) error {
	project, err := s.projectID(r)
	if err != nil {
		return err
	}
	n, err := pathID(r)
	if err != nil {
		return err
	}
	row, tries, err := s.Store.DeliveryWithAttempts(r.Context(), project, n)
	if err != nil {
		return orNotFound(err)
	}
	shape := shapeDelivery(&row)
	shape.Attempts = []attemptShape{}
	for i := range tries {
		shape.Attempts = append(shape.Attempts, shapeAttempt(&tries[i]))
	}
	return ok(w, shape)
}

// orNotFound gives everything that is missing the same words.
func orNotFound(err error) error {
	if fault.KindOf(err) == fault.Unknown {
		return errNotFound()
	}
	return err
}

// redeliver answers POST …/deliveries/{id}/redeliver/: the same bytes go out again.
func (s *Service) redeliver(w http.ResponseWriter, r *request) error {
	project, err := s.projectID(r)
	if err != nil {
		return err
	}
	n, err := pathID(r)
	if err != nil {
		return err
	}
	if _, _, err := s.Store.DeliveryWithAttempts(r.Context(), project, n); err != nil {
		return orNotFound(err)
	}
	result, err := s.Redeliver(r.Context(), alert.RedeliverRequest{Project: project, Deliveries: []int64{n}})
	if err != nil {
		return err
	}
	if len(result.Queued) == 0 {
		return fault.New(fault.Conflict, "This delivery is still queued.")
	}
	return ok(w, object{"queued": []string{id(n)}})
}
