package api

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

func shapeActivity(a postgres.Activity) activityShape {
	shape := activityShape{ID: id(a.ID), Type: string(a.Type), Data: a.Data, DateCreated: utc(a.CreatedAt)}
	if a.User != nil {
		shape.User = personActor(*a.User)
	}
	return shape
}

// notes answers GET …/issues/{issue}/notes/ and comments/, the newest first.
func (s *Service) notes(w http.ResponseWriter, r *request) error {
	row, err := s.issueRow(r)
	if err != nil {
		return err
	}
	list, err := s.Store.Comments(r.Context(), row.Project, row.ID)
	if err != nil {
		return err
	}
	out := make([]activityShape, len(list))
	for i, a := range list {
		out[i] = shapeActivity(a)
	}
	if out, err = window(s, w, r, out); err != nil {
		return err
	}
	return ok(w, out)
}

type noteBody struct {
	Text       string   `json:"text"`
	Mentions   []string `json:"mentions"` // "user:1", "team:2", or a user's id
	ExternalID *string  `json:"external_id"`
}

func readNote(w http.ResponseWriter, r *request) (b noteBody, err error) {
	if r.who.UserID() == 0 {
		return b, fault.New(fault.Denied, "A token of an organization cannot comment: it speaks for nobody.")
	}
	if err := readBody(w, r, &b); err != nil {
		return b, err
	}
	b.Text = strings.TrimSpace(orEmpty(&b.Text))
	switch {
	case b.Text == "":
		return b, fieldError{"text", "This field may not be blank."}
	case len(b.Text) > postgres.MaxComment:
		return b, fieldError{"text", "A comment has at most 65536 bytes."}
	case len(b.Mentions) > 100:
		return b, fieldError{"mentions", "A comment mentions at most 100."}
	}
	return b, nil
}

// createNote answers POST …/notes/ with the comment.
func (s *Service) createNote(w http.ResponseWriter, r *request) error {
	row, err := s.issueRow(r)
	if err != nil {
		return err
	}
	b, err := readNote(w, r)
	if err != nil {
		return err
	}
	mentioned, err := s.mentioned(r, b.Mentions)
	if err != nil {
		return err
	}
	a, err := s.Store.Comment(r.Context(), r.org(), &row, r.who.UserID(), b.Text, mentioned)
	if err != nil {
		return err
	}
	return s.answerNote(w, r, row, a.ID, http.StatusCreated)
}

// mentioned are the members whom a comment names.
func (s *Service) mentioned(r *request, names []string) (ids []int64, err error) {
	if len(names) == 0 {
		return nil, nil
	}
	members, err := s.Store.Members(r.Context(), r.org())
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		n, err := strconv.ParseInt(strings.TrimPrefix(name, "user:"), 10, 64)
		if err != nil {
			continue // a team
		}
		for _, m := range members {
			if m.ID == n {
				ids = append(ids, n)
			}
		}
	}
	return ids, nil
}

func (s *Service) answerNote(w http.ResponseWriter, r *request, row postgres.IssueRow, noteID int64, status int) error {
	a, err := s.Store.ActivityByID(r.Context(), row.Project, row.ID, noteID)
	if err != nil {
		return err
	}
	return httpx.JSON(w, status, shapeActivity(a))
}

// noteID reads which comment a path names.
func noteID(r *request) (int64, error) {
	n, err := strconv.ParseInt(r.PathValue("note"), 10, 64)
	if err != nil {
		return 0, errNotFound()
	}
	return n, nil
}

// editNote answers PUT …/notes/{note}/ of the caller's own comment.
func (s *Service) editNote(w http.ResponseWriter, r *request) error {
	row, err := s.issueRow(r)
	if err != nil {
		return err
	}
	n, err := noteID(r)
	if err != nil {
		return err
	}
	b, err := readNote(w, r)
	if err != nil {
		return err
	}
	if err := s.Store.EditComment(r.Context(), &row, n, r.who.UserID(), b.Text); err != nil {
		return err
	}
	return s.answerNote(w, r, row, n, http.StatusOK)
}

// deleteNote answers DELETE …/notes/{note}/ of the caller's own comment; who administers events
// deletes anybody's.
func (s *Service) deleteNote(w http.ResponseWriter, r *request) error {
	row, err := s.issueRow(r)
	if err != nil {
		return err
	}
	n, err := noteID(r)
	if err != nil {
		return err
	}
	if err := s.Store.DeleteComment(r.Context(), &row, n, r.who.UserID(), r.who.Require(account.EventAdmin) == nil); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// addPeople adds who looked at an issue and who follows it.
func (s *Service) addPeople(r *request, row postgres.IssueRow, d *detailShape) error {
	list, err := s.Store.IssuePeople(r.Context(), row.Project, row.ID)
	if err != nil {
		return err
	}
	for _, p := range list {
		who := personActor(p.Person)
		shape := object{"id": who.ID, "name": who.Name, "email": who.Email, "username": who.Email, "type": "user"}
		if p.Subscribed != nil && *p.Subscribed {
			d.Participants = append(d.Participants, shape)
		}
		if p.SeenAt != nil {
			seen := object{"lastSeen": utc(*p.SeenAt)}
			for k, v := range shape {
				seen[k] = v
			}
			d.SeenBy = append(d.SeenBy, seen)
		}
	}
	return nil
}

// organizationActivity answers GET /api/0/organizations/{org}/activity/, newest first; the cursor
// is the last entry of the page before.
func (s *Service) organizationActivity(w http.ResponseWriter, r *request) error {
	list, err := s.selectedProjects(r)
	if err != nil {
		return err
	}
	limit, err := perPage(r)
	if err != nil {
		return err
	}
	before := int64(0)
	if cursor := r.URL.Query().Get("cursor"); cursor != "" {
		first, _, _ := strings.Cut(cursor, ":")
		if before, err = strconv.ParseInt(first, 10, 64); err != nil {
			return fault.New(fault.Invalid, "Invalid cursor parameter.")
		}
	}
	found, err := s.Store.OrganizationActivity(r.Context(), projectIDs(list), before, limit+1)
	if err != nil {
		return err
	}
	more := len(found) > limit
	if more {
		found = found[:limit]
	}
	ids := make([]int64, len(found))
	last := before
	for i, a := range found {
		ids[i], last = a.Issue, a.ID
	}
	rows, err := s.Store.IssuesByID(r.Context(), r.org(), ids)
	if err != nil {
		return err
	}
	sh, err := s.newShaper(r, rows...)
	if err != nil {
		return err
	}
	issues := map[int64]issueShape{}
	for i := range rows {
		issues[rows[i].ID] = sh.issue(&rows[i])
	}
	out := []object{}
	for _, a := range found {
		shape := shapeActivity(a.Activity)
		o := object{"id": shape.ID, "type": shape.Type, "user": shape.User, "data": shape.Data, "dateCreated": shape.DateCreated, "issue": nil, "project": nil}
		if i, known := issues[a.Issue]; known {
			o["issue"], o["project"] = i, i.Project
		}
		out = append(out, o)
	}
	s.setLink(w, r, links{prev: id(before) + ":0:1", next: id(last) + ":0:0", hasPrev: before > 0, hasNext: more})
	return ok(w, out)
}
