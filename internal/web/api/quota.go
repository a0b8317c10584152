package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/quota"
)

// quotaShape is a quota, in both directions.
type quotaShape struct {
	ID         string   `json:"id"`
	Categories []string `json:"categories"` // empty: all
	Scope      string   `json:"scope"`
	ScopeID    *string  `json:"scopeId"`
	Limit      int64    `json:"limit"`
	Window     *int64   `json:"window"` // seconds
	ReasonCode string   `json:"reasonCode"`
}

func shapeQuotas(list []quota.Quota) []quotaShape {
	out := make([]quotaShape, len(list))
	for i, q := range list {
		out[i] = quotaShape{ID: q.ID, Categories: []string{}, Scope: string(q.Scope), Limit: q.Limit, ReasonCode: q.Reason}
		for _, c := range q.Categories {
			out[i].Categories = append(out[i].Categories, c.String())
		}
		if q.ScopeID != 0 {
			out[i].ScopeID = new(id(q.ScopeID))
		}
		if q.Window > 0 {
			out[i].Window = new(int64(q.Window / time.Second))
		}
	}
	return out
}

// readQuotas reads a list of quotas; the store holds them to their rules.
func readQuotas(w http.ResponseWriter, r *request) ([]quota.Quota, error) {
	var in []quotaShape
	if err := readBody(w, r, &in); err != nil {
		return nil, err
	}
	list := make([]quota.Quota, len(in))
	for i, s := range in {
		q := quota.Quota{ID: s.ID, Scope: quota.Scope(s.Scope), Limit: s.Limit, Reason: s.ReasonCode}
		for _, name := range s.Categories {
			c, known := outcome.ParseCategory(name)
			if !known {
				return nil, fieldError{"categories", "There is no such category."}
			}
			q.Categories = append(q.Categories, c)
		}
		if s.ScopeID != nil {
			n, err := strconv.ParseInt(*s.ScopeID, 10, 64)
			if err != nil || n < 1 {
				return nil, fieldError{"scopeId", "Not a valid id."}
			}
			q.ScopeID = n
		}
		if s.Window != nil {
			if *s.Window < 0 || *s.Window > maxWindow {
				return nil, fieldError{"window", "Not a valid number of seconds."}
			}
			q.Window = time.Duration(*s.Window) * time.Second
		}
		list[i] = q
	}
	return list, nil
}

// projectQuotas answers GET /api/v1/projects/{org}/{project}/quotas/.
func (s *Service) projectQuotas(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	return ok(w, shapeQuotas(p.Settings.Quotas))
}

// putProjectQuotas answers PUT …/quotas/, which replaces all.
func (s *Service) putProjectQuotas(w http.ResponseWriter, r *request) error {
	p, err := s.projectID(r)
	if err != nil {
		return err
	}
	list, err := readQuotas(w, r)
	if err != nil {
		return err
	}
	if err := s.Store.PutProjectQuotas(r.Context(), p, list); err != nil {
		return err
	}
	return ok(w, shapeQuotas(list))
}

// organizationQuotas answers GET /api/v1/organizations/{org}/quotas/.
func (s *Service) organizationQuotas(w http.ResponseWriter, r *request) error {
	list, err := s.Store.OrganizationQuotas(r.Context(), r.org())
	if err != nil {
		return err
	}
	return ok(w, shapeQuotas(list))
}

// putOrganizationQuotas answers PUT …/quotas/, which replaces all.
func (s *Service) putOrganizationQuotas(w http.ResponseWriter, r *request) error {
	list, err := readQuotas(w, r)
	if err != nil {
		return err
	}
	if err := s.Store.PutOrganizationQuotas(r.Context(), r.org(), list); err != nil {
		return err
	}
	return ok(w, shapeQuotas(list))
}
