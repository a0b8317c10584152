package api

import (
	"net/http"
	"time"

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
	settings, err := s.Store.ChangeSettings(r.Context(), p, func(set *project.Settings) error {
		switch {
		case !*body.Enabled:
			set.Spikes = nil
		case set.Spikes == nil:
			set.Spikes = &project.SpikeProtection{}
		}
		return nil
	})
	if err == nil && *body.Enabled {
		settings, err = s.Store.MeasureSpikes(r.Context(), p, time.Now())
	}
	if err != nil {
		return err
	}
	return ok(w, shapeSpikes(settings.Spikes))
}
