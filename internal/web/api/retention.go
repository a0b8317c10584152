package api

import (
	"net/http"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/project"
)

// retentionBody is which events of a project are kept.
type retentionBody struct {
	Days      int   `json:"days"`
	KeepFirst int64 `json:"keepFirst"`
	KeepOneIn int64 `json:"keepOneIn"`
}

// retention answers GET …/retention/.
func (s *Service) retention(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	return ok(w, retentionBody(p.Settings.Retention))
}

// putRetention answers PUT …/retention/.
func (s *Service) putRetention(w http.ResponseWriter, r *request) error {
	p, err := s.projectID(r)
	if err != nil {
		return err
	}
	var b retentionBody
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	wanted := project.Retention(b)
	if err := wanted.Validate(); err != nil {
		field, _, _ := strings.Cut(fault.Public(err), " ")
		return asField(field, err)
	}
	if _, err := s.Store.ChangeSettings(r.Context(), p, func(settings *project.Settings) error { settings.Retention = wanted; return nil }); err != nil {
		return err
	}
	return ok(w, b)
}
