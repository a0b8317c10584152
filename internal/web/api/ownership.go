package api

import (
	"net/http"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/ownership"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/release"
)

func ownershipShape(o ownership.Settings) object {
	created, updated := &o.CreatedAt, &o.UpdatedAt
	rules, _ := ownership.Parse(o.Raw) // it was checked when it was stored
	list := []object{}
	for i := range rules {
		owners := []object{}
		for _, name := range rules[i].Owners {
			kind, actorID, _ := strings.Cut(o.Actors[name], ":")
			owners = append(owners, object{"type": kind, "name": strings.TrimPrefix(name, "#"), "id": actorID})
		}
		kind := string(rules[i].Kind)
		if rules[i].Kind == ownership.Tag {
			kind += "." + rules[i].Tag
		}
		list = append(list, object{"matcher": object{"type": kind, "pattern": rules[i].Pattern}, "owners": owners})
	}
	return object{"raw": maybe(o.Raw), "fallthrough": o.Fallthrough, "dateCreated": maybeTime(created), "lastUpdated": maybeTime(updated), "isActive": true,
		"autoAssignment": o.AutoAssignment.Wire(), "codeownersAutoSync": false, "schema": object{"$version": 1, "rules": list}}
}

// ownership answers GET /api/0/projects/{org}/{project}/ownership/.
func (s *Service) ownership(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	o, err := s.Store.Ownership(r.Context(), p.ID)
	if err != nil {
		return err
	}
	return ok(w, ownershipShape(o))
}

// putOwnership answers PUT /api/0/projects/{org}/{project}/ownership/. Members that are absent stay.
func (s *Service) putOwnership(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	o, err := s.Store.Ownership(r.Context(), p.ID)
	if err != nil {
		return err
	}
	var b struct {
		Raw            *string `json:"raw"`
		Fallthrough    *bool   `json:"fallthrough"`
		AutoAssignment *string `json:"autoAssignment"`
		AutoSync       idle    `json:"codeownersAutoSync"` // a file of owners is put here rather than fetched
	}
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	set(&o.Raw, b.Raw)
	set(&o.Fallthrough, b.Fallthrough)
	if b.AutoAssignment != nil {
		if o.AutoAssignment, err = ownership.ParseAutoAssignment(*b.AutoAssignment); err != nil {
			return fieldError{"autoAssignment", fault.Public(err)}
		}
	}
	if _, err := s.Store.PutOwnership(r.Context(), r.org(), p.ID, &o); err != nil {
		if fault.KindOf(err) == fault.Invalid {
			return fieldError{"raw", fault.Public(err)}
		}
		return err
	}
	return ok(w, ownershipShape(o))
}

// codeOwnersShape lists the one file of a project, or none.
func codeOwnersShape(p int64, o ownership.Settings, missing []string) []object {
	if o.CodeOwners == "" {
		return []object{}
	}
	return []object{{"id": id(p), "raw": o.CodeOwners, "dateCreated": maybeTime(&o.CreatedAt), "dateUpdated": maybeTime(&o.UpdatedAt), "provider": "unknown",
		"errors": object{"missing_owners": append([]string{}, missing...)}}}
}

// codeOwners answers GET /api/0/projects/{org}/{project}/codeowners/.
func (s *Service) codeOwners(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	o, err := s.Store.Ownership(r.Context(), p.ID)
	if err != nil {
		return err
	}
	var missing []string
	rules, _ := ownership.ParseCodeOwners(o.CodeOwners) // it was checked when it was stored
	for _, name := range rules.Owners() {
		if o.Actors[name] == "" {
			missing = append(missing, name)
		}
	}
	return ok(w, codeOwnersShape(p.ID, o, missing))
}

// putCodeOwners answers PUT /api/0/projects/{org}/{project}/codeowners/ with the file and the names
// in it that are nobody here. An empty file removes it.
func (s *Service) putCodeOwners(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	o, err := s.Store.Ownership(r.Context(), p.ID)
	if err != nil {
		return err
	}
	var b struct {
		Raw *string `json:"raw"`
	}
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	if b.Raw == nil {
		return fieldError{"raw", "This field is required."}
	}
	o.CodeOwners = *b.Raw
	missing, err := s.Store.PutOwnership(r.Context(), r.org(), p.ID, &o)
	if fault.KindOf(err) == fault.Invalid && err != nil {
		return fieldError{"raw", fault.Public(err)}
	}
	if err != nil {
		return err
	}
	return ok(w, codeOwnersShape(p.ID, o, missing))
}

// eventOwners answers GET …/events/{event}/owners/: whom the rules name for an event.
func (s *Service) eventOwners(w http.ResponseWriter, r *request) error {
	e, p, err := s.namedEvent(r)
	if err != nil {
		return err
	}
	o, err := s.Store.Ownership(r.Context(), p)
	if err != nil {
		return err
	}
	raw, _ := ownership.Parse(o.Raw)
	file, _ := ownership.ParseCodeOwners(o.CodeOwners)
	actors, _, rule := o.Owner(raw, file, ownership.FactsOf(e))
	members, err := s.Store.Members(r.Context(), r.org())
	if err != nil {
		return err
	}
	sh := &shaper{people: map[int64]postgres.Person{}}
	for _, m := range members {
		sh.people[m.ID] = m
	}
	owners := []*actor{}
	for _, a := range actors {
		owners = append(owners, sh.assignee(a))
	}
	return ok(w, object{"owners": owners, "rule": maybe(rule)})
}

// namedEvent finds the event that a path names, and its project.
func (s *Service) namedEvent(r *request) (*event.Event, int64, error) {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return nil, 0, err
	}
	eventID, err := event.ParseID(r.PathValue("event"))
	if err != nil {
		return nil, 0, errNotFound()
	}
	owner, issueID, err := s.Store.FindEvent(r.Context(), r.org(), eventID)
	if err != nil || owner != p.ID {
		return nil, 0, errNotFound()
	}
	v, err := s.Store.IssueEvent(r.Context(), p.ID, issueID, postgres.EventSelector{Which: postgres.EventByID, ID: eventID})
	if err != nil {
		return nil, 0, err
	}
	return v.Event, p.ID, nil
}

// committers answers GET …/events/{event}/committers/: who wrote the commits that may have caused
// an event, the likeliest first.
func (s *Service) committers(w http.ResponseWriter, r *request) error {
	e, p, err := s.namedEvent(r)
	if err != nil {
		return err
	}
	_, issueID, err := s.Store.FindEvent(r.Context(), r.org(), e.ID)
	if err != nil {
		return err
	}
	row, err := s.Store.IssueByID(r.Context(), r.org(), issueID)
	if err != nil {
		return err
	}
	suspects, err := s.Store.SuspectCommits(r.Context(), r.org(), p, row.FirstRelease, postgres.SuspectFrames(e))
	if err != nil {
		return err
	}
	return ok(w, object{"committers": committerShapes(suspects)})
}

func committerShapes(suspects []release.Suspect) []object {
	out := []object{}
	for _, c := range suspects {
		commit := commitShape(c.Commit)
		commit["suspectCommitType"], commit["score"], commit["confidence"], commit["path"] = "via commit in release", int(c.Confidence*5+0.5), c.Confidence, c.Path
		out = append(out, object{"author": commit["author"], "commits": []object{commit}})
	}
	return out
}
