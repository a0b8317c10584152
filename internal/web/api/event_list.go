package api

import (
	"net/http"
	"time"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// issueEvents answers GET …/issues/{issue}/events/, newest first.
func (s *Service) issueEvents(w http.ResponseWriter, r *request) error {
	row, err := s.issueRow(r)
	if err != nil {
		return err
	}
	return s.listEvents(w, r, postgres.EventQuery{Project: row.Project, Issue: row.ID})
}

// projectEvents answers GET …/projects/{org}/{project}/events/, newest first.
func (s *Service) projectEvents(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	return s.listEvents(w, r, postgres.EventQuery{Project: p.ID})
}

func (s *Service) listEvents(w http.ResponseWriter, r *request, q postgres.EventQuery) error {
	params := r.URL.Query()
	if params.Get("query") != "" {
		return s.searchEvents(w, r, q)
	}
	at, err := timeSpan(r, time.Now())
	if err != nil {
		return err
	}
	if q.Limit, err = perPage(r); err != nil {
		return err
	}
	q.Environments, q.From, q.To, q.Cursor = environments(r), at.from, at.to, params.Get("cursor")
	page, err := s.Store.Events(r.Context(), q)
	if err != nil {
		return err
	}
	s.setLink(w, r, links{page.Prev, page.Next, page.HasPrev, page.HasNext})
	return answerEvents(w, r, page.Rows)
}

func answerEvents(w http.ResponseWriter, r *request, rows []postgres.EventRow) error {
	if full := r.URL.Query().Get("full"); full == "1" || full == "true" {
		out := make([]eventShape, len(rows))
		for i := range rows {
			out[i] = fullEvent(rows[i].Event, rows[i].Issue, len(rows[i].Payload))
		}
		return ok(w, out)
	}
	out := make([]summaryShape, len(rows))
	for i := range rows {
		out[i] = summary(&rows[i])
	}
	return ok(w, out)
}

// searchEvents answers a list of those events of a project or an issue that a search finds.
func (s *Service) searchEvents(w http.ResponseWriter, r *request, q postgres.EventQuery) error {
	d, err := s.discover(r, nil, time.Now())
	if err != nil {
		return err
	}
	d.Projects, d.Issue = []int64{q.Project}, q.Issue
	limit, err := perPage(r)
	if err != nil {
		return err
	}
	skip, err := offset(r.URL.Query().Get("cursor"))
	if err != nil {
		return err
	}
	list, more, _, err := s.Store.SearchEvents(r.Context(), r.org(), postgres.EventFind{EventSearch: d.EventSearch, Sort: "timestamp", Skip: skip, Limit: limit, Decoded: true})
	if err != nil {
		return err
	}
	rows := make([]postgres.EventRow, 0, len(list))
	for i := range list {
		if row, ok := list[i].Row(); ok {
			rows = append(rows, row)
		}
	}
	s.setOffsets(w, r, skip, limit, more)
	return answerEvents(w, r, rows)
}

// issueEvent answers GET …/issues/{issue}/events/{event}/, where event is an id, latest, oldest or
// recommended.
func (s *Service) issueEvent(w http.ResponseWriter, r *request) error {
	row, err := s.issueRow(r)
	if err != nil {
		return err
	}
	which := postgres.EventSelector{Environments: environments(r)}
	switch name := r.PathValue("event"); name {
	case "latest":
	case "oldest":
		which.Which = postgres.EventOldest
	case "recommended":
		which.Which = postgres.EventRecommended
	default:
		which.Which = postgres.EventByID
		if which.ID, err = event.ParseID(name); err != nil {
			return fault.New(fault.Unknown, "No matching event")
		}
	}
	view, err := s.readable(r, row.Project, row.ID, which)
	if err != nil {
		return err
	}
	return ok(w, viewShape(&view))
}

// readable returns an event with what was uploaded for its frames since it came.
func (s *Service) readable(r *request, project, issue int64, which postgres.EventSelector) (postgres.EventView, error) {
	view, err := s.Store.IssueEvent(r.Context(), project, issue, which)
	if err == nil {
		s.Symbols.Refresh(r.Context(), view.Event)
	}
	return view, err
}

// storedEvent returns the event that the path names within its project.
func (s *Service) storedEvent(r *request) (postgres.StoredEvent, int64, error) {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return postgres.StoredEvent{}, 0, err
	}
	e, err := event.ParseID(r.PathValue("event"))
	if err != nil {
		return postgres.StoredEvent{}, 0, errNotFound()
	}
	stored, err := s.Store.Event(r.Context(), p.ID, e)
	if err != nil && fault.KindOf(err) == fault.Unknown {
		err = errNotFound()
	}
	return stored, p.ID, err
}

// projectEvent answers GET …/projects/{org}/{project}/events/{event}/.
func (s *Service) projectEvent(w http.ResponseWriter, r *request) error {
	stored, project, err := s.storedEvent(r)
	if err != nil {
		return err
	}
	view, err := s.readable(r, project, stored.IssueID, postgres.EventSelector{Which: postgres.EventByID, ID: stored.ID})
	if err != nil {
		return err
	}
	return ok(w, viewShape(&view))
}

// projectEventJSON answers GET …/events/{event}/json/ with the event as it is stored.
func (s *Service) projectEventJSON(w http.ResponseWriter, r *request) error {
	stored, _, err := s.storedEvent(r)
	if err != nil {
		return err
	}
	return ok(w, raw(stored.Payload))
}

// eventID answers GET …/eventids/{event}/: where an event is.
func (s *Service) eventID(w http.ResponseWriter, r *request) error {
	e, err := event.ParseID(r.PathValue("event"))
	if err != nil {
		return fault.New(fault.Invalid, "Invalid event_id specified")
	}
	project, issueID, err := s.Store.FindEvent(r.Context(), r.org(), e)
	if err != nil {
		return err
	}
	p, err := s.Store.Project(r.Context(), r.org(), id(project))
	if err != nil {
		return err
	}
	view, err := s.readable(r, project, issueID, postgres.EventSelector{Which: postgres.EventByID, ID: e})
	if err != nil {
		return err
	}
	return ok(w, object{"organizationSlug": r.who.Organization.Slug, "projectSlug": p.Slug, "groupId": id(issueID), "eventId": e.String(),
		"event": viewShape(&view)})
}
