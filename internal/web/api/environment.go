package api

import (
	"net/http"
	"slices"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// environments answers GET …/environments/ of an organization or a project: those that are shown;
// with visibility=hidden the others, with all both.
func (s *Service) environments(w http.ResponseWriter, r *request) error {
	list, err := s.selectedProjects(r)
	if err != nil {
		return err
	}
	found, err := s.Store.Environments(r.Context(), projectIDs(list))
	if err != nil {
		return err
	}
	visibility := r.URL.Query().Get("visibility")
	if !slices.Contains([]string{"", "visible", "hidden", "all"}, visibility) {
		return fault.New(fault.Invalid, "Invalid value for 'visibility', valid values are: 'all', 'hidden', 'visible'")
	}
	out := []object{}
	for _, e := range found {
		if visibility == "all" || e.Hidden == (visibility == "hidden") {
			out = append(out, environmentShape(e))
		}
	}
	return ok(w, out)
}

func environmentShape(e postgres.Environment) object {
	return object{"id": e.Name, "name": e.Name, "isHidden": e.Hidden}
}

// environment answers GET …/environments/{environment}/ of a project.
func (s *Service) environment(w http.ResponseWriter, r *request) error {
	list, err := s.selectedProjects(r)
	if err != nil {
		return err
	}
	found, err := s.Store.Environments(r.Context(), projectIDs(list))
	if err != nil {
		return err
	}
	for _, e := range found {
		if e.Name == r.PathValue("environment") {
			return ok(w, environmentShape(e))
		}
	}
	return errNotFound()
}

// hideEnvironment answers PUT …/environments/{environment}/ with {"isHidden": …}.
func (s *Service) hideEnvironment(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	var b struct {
		Name     *string `json:"name"` // clients send back what they were given
		ID       *string `json:"id"`
		IsHidden *bool   `json:"isHidden"`
	}
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	if b.IsHidden == nil {
		return fieldError{"isHidden", "This field is required."}
	}
	e, err := s.Store.HideEnvironment(r.Context(), p.ID, r.PathValue("environment"), *b.IsHidden)
	if err != nil {
		return err
	}
	return ok(w, environmentShape(e))
}
