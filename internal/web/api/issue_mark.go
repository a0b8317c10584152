package api

import (
	"net/http"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// marks are the members of a change that note what the caller has to do with an issue, or who may
// read it. Those of the caller are left out where a token of the organization calls.
type marks struct {
	HasSeen      *bool `json:"hasSeen"`
	IsBookmarked *bool `json:"isBookmarked"`
	IsSubscribed *bool `json:"isSubscribed"`
	IsPublic     *bool `json:"isPublic"`
	Inbox        *bool `json:"inbox"` // false: it was reviewed
}

// mark does what the members say to issues, which are as they are now.
func (m *marks) mark(r *request, s *Service, rows []postgres.IssueRow) error {
	ids := make([]int64, len(rows))
	for i := range rows {
		ids[i] = rows[i].ID
	}
	user := r.who.UserID()
	if user != 0 && (m.HasSeen != nil || m.IsBookmarked != nil || m.IsSubscribed != nil) {
		if err := s.Store.MarkIssues(r.Context(), r.org(), user, ids, postgres.Mark{Seen: m.HasSeen, Bookmarked: m.IsBookmarked, Subscribed: m.IsSubscribed}); err != nil {
			return err
		}
	}
	if m.Inbox != nil && !*m.Inbox {
		if err := s.Store.Note(r.Context(), rows, issue.Activity{Type: issue.ActivityReviewed}, user); err != nil {
			return err
		}
	}
	for i := range rows {
		if m.IsPublic == nil {
			break
		}
		share := ""
		if *m.IsPublic {
			share = postgres.NewShareID()
		}
		if _, err := s.Store.ShareIssue(r.Context(), &rows[i], user, share); err != nil {
			return err
		}
	}
	return nil
}

// echo adds what was marked to the answer of a bulk change.
func (m *marks) echo(row *postgres.IssueRow, out object) {
	for field, v := range map[string]*bool{"hasSeen": m.HasSeen, "isBookmarked": m.IsBookmarked, "isSubscribed": m.IsSubscribed, "isPublic": m.IsPublic, "inbox": m.Inbox} {
		if v != nil {
			out[field] = *v
		}
	}
	if m.IsPublic != nil {
		out["shareId"] = maybe(row.ShareID)
	}
}

// setUndo names the change, so that it can be taken back.
func setUndo(w http.ResponseWriter, rows []postgres.IssueRow) {
	for i := range rows {
		if rows[i].Undo != 0 {
			w.Header().Set("X-Tocsin-Undo", id(rows[i].Undo))
			return
		}
	}
}

// undo answers POST /api/v1/organizations/{org}/issues/undo/ with the issues as they are then.
func (s *Service) undo(w http.ResponseWriter, r *request) error {
	var b struct {
		Undo string `json:"undo"`
	}
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	ids, err := numbers([]string{b.Undo})
	if err != nil {
		return fieldError{"undo", "Give the number that the change answered as X-Tocsin-Undo."}
	}
	if r.who.UserID() == 0 {
		return fault.New(fault.Denied, "A token of an organization takes nothing back: it speaks for nobody.")
	}
	rows, err := s.Store.UndoChange(r.Context(), r.org(), ids[0], r.who.UserID())
	if err != nil {
		return err
	}
	sh, err := s.newShaper(r, rows...)
	if err != nil {
		return err
	}
	out := make([]issueShape, len(rows))
	for i := range rows {
		out[i] = sh.issue(&rows[i])
	}
	return ok(w, out)
}

// sharedIssue answers GET /api/0/shared/issues/{share}/ to anybody who knows the id. Who reported it
// and who works on it is not told.
func (s *Service) sharedIssue(w http.ResponseWriter, r *request) error {
	org, row, err := s.Store.SharedIssue(r.Context(), r.PathValue("share"))
	if err != nil {
		return err
	}
	e, err := s.Store.IssueEvent(r.Context(), row.Project, row.ID, postgres.EventSelector{Which: postgres.EventLatest})
	if err != nil {
		return err
	}
	sh := &shaper{baseURL: s.BaseURL, org: org}
	shape, latest := sh.issue(&row), viewShape(&e)
	shape.AssignedTo, shape.StatusDetails, latest.User = nil, object{}, nil
	return ok(w, struct {
		issueShape
		GroupID     string     `json:"groupID"`
		LatestEvent eventShape `json:"latestEvent"`
	}{shape, id(row.ID), latest})
}
