package api

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/issue"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// resetMember answers POST /api/v1/organizations/{org}/members/{member}/reset/ with a link by which
// the member chooses a new password. An account that belongs to other organizations too is not this
// one's to open.
func (s *Service) resetMember(w http.ResponseWriter, r *request) error {
	m, err := s.pathMember(r)
	if err != nil {
		return err
	}
	if m.Pending {
		return errNotFound()
	}
	if err := r.who.MayGrant(m.Role); err != nil {
		return err
	}
	places, err := s.Store.Memberships(r.Context(), m.ID)
	if err != nil {
		return err
	}
	if len(places) != 1 || !m.Active {
		return fault.New(fault.Denied, "This account belongs to other organizations too, or is switched off; its owner resets the password by mail.")
	}
	secret, err := s.Store.CreateReset(r.Context(), m.ID)
	if err != nil {
		return err
	}
	r.audit.Event, r.audit.Target = "member.reset-link", m.Email
	return httpx.JSON(w, http.StatusCreated, object{"link": s.BaseURL + "/reset/" + secret, "expiresAt": time.Now().Add(account.ResetFor).UTC()})
}

type importKey struct {
	Public string `json:"public"`
	Secret string `json:"secret"`
	Label  string `json:"label"`
	Active bool   `json:"active"`
}

// importProject answers POST /api/v1/organizations/{org}/import/project/: a project with the number
// and the client keys it had elsewhere, so that its DSNs go on working. Calling it again adds what
// is missing.
func (s *Service) importProject(w http.ResponseWriter, r *request) error {
	var b struct {
		ID       string      `json:"id"`
		Slug     string      `json:"slug"`
		Name     string      `json:"name"`
		Platform string      `json:"platform"`
		Keys     []importKey `json:"keys"`
	}
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	number, err := strconv.ParseInt(b.ID, 10, 64)
	if err != nil || number < 1 {
		number = 0
	}
	if strings.TrimSpace(b.Name) == "" {
		b.Name = b.Slug
	}
	problems, found := []string{}, []string{}
	p, err := s.Store.ImportProject(r.Context(), r.org(), number, b.Slug, b.Name, b.Platform)
	if err != nil {
		return err
	}
	if number != 0 && p.ID != number {
		problems = append(problems, "the number "+b.ID+" is taken here: DSNs of this project must say "+id(p.ID)+" in its place")
	}
	for _, k := range b.Keys[:min(len(b.Keys), 200)] {
		switch err := s.Store.ImportKey(r.Context(), p.ID, k.Public, k.Secret, k.Label, k.Active); {
		case err == nil && k.Active:
			found = append(found, k.Public)
		case err == nil:
		case fault.KindOf(err) == fault.Conflict || fault.KindOf(err) == fault.Invalid:
			problems = append(problems, "a key was left out: "+fault.Public(err))
		default:
			return err
		}
	}
	if len(found) == 0 {
		keys, err := s.Store.Keys(r.Context(), p.ID)
		if err != nil {
			return err
		}
		for _, k := range keys {
			if k.Active {
				found = append(found, k.PublicKey)
			}
		}
	}
	s.Forget()
	r.audit.Event, r.audit.Target = "project.import", p.Slug
	r.audit.Data = map[string]any{"number": b.ID, "keys": len(b.Keys)}
	return ok(w, object{"id": id(p.ID), "slug": p.Slug, "keys": found, "problems": problems})
}

// importIssues answers POST /api/v1/projects/{org}/{project}/import/issues/: the past of issues, each
// found by one of its events. What is told of whose event is not stored yet is left out.
func (s *Service) importIssues(w http.ResponseWriter, r *request) error {
	p, err := s.projectID(r)
	if err != nil {
		return err
	}
	var b struct {
		Issues []struct {
			Event      string    `json:"event"`
			Status     string    `json:"status"`
			FirstSeen  time.Time `json:"firstSeen"`
			LastSeen   time.Time `json:"lastSeen"`
			Count      int64     `json:"count"`
			UserCount  int64     `json:"userCount"`
			AssignedTo string    `json:"assignedTo"`
		} `json:"issues"`
	}
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	members, err := s.Store.Members(r.Context(), r.org())
	if err != nil {
		return err
	}
	told := map[string]string{}
	for _, row := range b.Issues[:min(len(b.Issues), 200)] {
		eventID, err := event.ParseID(row.Event)
		if err != nil {
			return fieldError{"event", "An event id has 32 hexadecimal digits."}
		}
		past := postgres.IssuePast{FirstSeen: row.FirstSeen, LastSeen: row.LastSeen, Count: max(1, row.Count), Users: max(0, row.UserCount)}
		switch row.Status {
		case "resolved":
			past.Status = issue.Resolved
		case "ignored":
			past.Status = issue.Archived
		case "unresolved", "":
		default:
			return fieldError{"status", "A status is unresolved, resolved or ignored."}
		}
		for _, m := range members {
			if row.AssignedTo != "" && strings.EqualFold(m.Email, row.AssignedTo) {
				past.Assignee = "user:" + id(m.ID)
			}
		}
		n, err := s.Store.ImportIssue(r.Context(), r.org(), p, eventID, past)
		if fault.KindOf(err) == fault.Unknown && err != nil {
			continue
		}
		if err != nil {
			return err
		}
		told[row.Event] = id(n)
	}
	r.audit.Event, r.audit.Data = "issue.import", map[string]any{"issues": len(told)}
	return ok(w, object{"issues": told})
}
