package api

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/project"
)

// spikeShape is the spike protection of a project.
type spikeShape struct {
	Enabled     bool       `json:"enabled"`
	HourlyLimit *int64     `json:"hourlyLimit"` // null: not enough is known yet, or off
	MeasuredAt  *time.Time `json:"measuredAt"`
}

func shapeSpikes(s *project.SpikeProtection) spikeShape {
	if s == nil {
		return spikeShape{}
	}
	out := spikeShape{Enabled: true}
	if s.HourlyLimit > 0 {
		out.HourlyLimit, out.MeasuredAt = &s.HourlyLimit, &s.MeasuredAt
	}
	return out
}

// spikeProtection answers GET /api/v1/projects/{org}/{project}/spike-protection/.
func (s *Service) spikeProtection(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	return ok(w, shapeSpikes(p.Settings.Spikes))
}

// putSpikeProtection answers PUT …/spike-protection/ with what is in force from now on.
func (s *Service) putSpikeProtection(w http.ResponseWriter, r *request) error {
	p, err := s.projectID(r)
	if err != nil {
		return err
	}
	var body struct {
		Enabled *bool `json:"enabled"`
	}
	if err := readBody(w, r, &body); err != nil {
		return err
	}
	if body.Enabled == nil {
		return fieldError{"enabled", "This field is required."}
	}
	settings, err := s.switchSpikes(r, p, *body.Enabled)
	if err != nil {
		return err
	}
	return ok(w, shapeSpikes(settings.Spikes))
}

// switchSpikes switches the spike protection of a project on or off.
func (s *Service) switchSpikes(r *request, p int64, on bool) (project.Settings, error) {
	settings, err := s.Store.ChangeSettings(r.Context(), p, func(set *project.Settings) error {
		switch {
		case !on:
			set.Spikes = nil
		case set.Spikes == nil:
			set.Spikes = &project.SpikeProtection{}
		}
		return nil
	})
	if err == nil && on {
		settings, err = s.Store.MeasureSpikes(r.Context(), p, time.Now())
	}
	return settings, err
}

// maxSwitched is how many projects one call switches.
const maxSwitched = 1000

// spikeProtections answers POST and DELETE /api/0/organizations/{org}/spike-protections/: it switches
// the spike protection of the projects that the body names on or off. $all is all of them.
func (s *Service) spikeProtections(w http.ResponseWriter, r *request) error {
	var body struct {
		Projects []string `json:"projects"`
	}
	if err := readBody(w, r, &body); err != nil {
		return err
	}
	if len(body.Projects) == 0 || len(body.Projects) > maxSwitched {
		return fieldError{"projects", "Name 1 to 1000 projects by their slugs."}
	}
	all, err := s.Store.Projects(r.Context(), r.org())
	if err != nil {
		return err
	}
	chosen := all
	if !slices.Contains(body.Projects, "$all") {
		chosen = nil
		for _, name := range body.Projects {
			i := slices.IndexFunc(all, func(p project.Project) bool { return named(p.ID, p.Slug, name) })
			if i < 0 {
				return fieldError{"projects", "There is no project " + cut(name) + "."}
			}
			chosen = append(chosen, all[i])
		}
	}
	for _, p := range chosen {
		if _, err := s.switchSpikes(r, p.ID, r.Method == http.MethodPost); err != nil {
			return err
		}
	}
	r.audit.Target = strings.Join(body.Projects[:min(len(body.Projects), 10)], ", ")
	status := http.StatusOK
	if r.Method == http.MethodPost {
		status = http.StatusCreated
	}
	return httpx.JSON(w, status, object{"projects": body.Projects})
}
