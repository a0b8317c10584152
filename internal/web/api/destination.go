package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/delivery"
	"github.com/tocsin-dev/tocsin/internal/delivery/channels"
	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/web/alertset"
)

// destinationShape is a destination; its settings are only ever written. A secret made here is
// answered once.
type destinationShape struct {
	ID          string      `json:"id"`
	Channel     string      `json:"channel"`
	Name        string      `json:"name"`
	Target      string      `json:"target"`
	Paused      bool        `json:"paused"`
	Budget      int         `json:"budget"`
	DigestMin   int64       `json:"digestMinSeconds"`
	DigestMax   int64       `json:"digestMaxSeconds"`
	Health      healthShape `json:"health"`
	Secret      *string     `json:"secret,omitempty"`
	DateCreated time.Time   `json:"dateCreated"`
	DateUpdated time.Time   `json:"dateUpdated"`
}

type healthShape struct {
	Status         string     `json:"status"` // ok, failing, paused, disabled, unused
	Failures       int        `json:"failures"`
	FailingSince   *time.Time `json:"failingSince"`
	WaitsUntil     *time.Time `json:"waitsUntil"`
	LastSent       *time.Time `json:"lastSent"`
	LastFailed     *time.Time `json:"lastFailed"`
	LastError      *string    `json:"lastError"`
	DateDisabled   *time.Time `json:"dateDisabled"`
	DisabledReason *string    `json:"disabledReason"`
}

func shapeDestination(d *alert.Destination) destinationShape {
	h := &d.Health
	return destinationShape{ID: id(d.ID), Channel: d.Channel, Name: d.Name, Target: d.Target, Paused: d.Paused, Budget: d.Noise.Budget,
		DigestMin: int64(d.Noise.DigestMin / time.Second), DigestMax: int64(d.Noise.DigestMax / time.Second), DateCreated: utc(d.CreatedAt), DateUpdated: utc(d.UpdatedAt),
		Health: healthShape{Status: d.Status(), Failures: h.Failures, FailingSince: maybeTime(h.FailingSince), WaitsUntil: maybeTime(h.OpenUntil),
			LastSent: maybeTime(h.LastSentAt), LastFailed: maybeTime(h.LastFailedAt), LastError: maybe(h.LastError), DateDisabled: maybeTime(h.DisabledAt),
			DisabledReason: maybe(h.DisabledReason)}}
}

// channelList answers GET …/channels/: what there is to choose from, with the settings of each.
func (s *Service) channelList(w http.ResponseWriter, _ *request) error {
	out := []object{}
	for _, sp := range channels.Specs() {
		fields := []object{}
		for _, f := range sp.Fields {
			fields = append(fields, object{"name": f.Name, "label": f.Label, "help": f.Help, "kind": f.Kind, "required": f.Required, "choices": append([]string{}, f.Choices...)})
		}
		out = append(out, object{"name": sp.Name, "label": sp.Label, "about": sp.About, "fields": fields, "resolves": sp.Resolves})
	}
	return ok(w, out)
}

// destinations answers GET …/destinations/.
func (s *Service) destinations(w http.ResponseWriter, r *request) error {
	list, err := s.Store.Destinations(r.Context(), r.org())
	if err != nil {
		return err
	}
	out := make([]destinationShape, len(list))
	for i := range list {
		out[i] = shapeDestination(&list[i])
	}
	return ok(w, out)
}

// destinationBody is what is written of a destination; what is missing stays as it is.
type destinationBody struct {
	Channel   string            `json:"channel"`
	Name      *string           `json:"name"`
	Settings  delivery.Settings `json:"settings"`
	Paused    *bool             `json:"paused"`
	Budget    *int              `json:"budget"`
	DigestMin *int64            `json:"digestMinSeconds"`
	DigestMax *int64            `json:"digestMaxSeconds"`
}

// createDestination answers POST …/destinations/.
func (s *Service) createDestination(w http.ResponseWriter, r *request) error {
	return s.putDestination(w, r, alert.Destination{Organization: r.org(), CreatedBy: r.who.UserID(), Noise: alert.DefaultNoise}, http.StatusCreated)
}

// updateDestination answers PUT …/destinations/{id}/: it starts the destination's health anew.
func (s *Service) updateDestination(w http.ResponseWriter, r *request) error {
	d, err := s.destinationOf(r)
	if err != nil {
		return err
	}
	return s.putDestination(w, r, d, http.StatusOK)
}

func (s *Service) putDestination(w http.ResponseWriter, r *request, d alert.Destination, status int) error {
	var in destinationBody
	if err := readBody(w, r, &in); err != nil {
		return err
	}
	t := alertset.Typed{Channel: in.Channel, Name: d.Name, Settings: in.Settings, Paused: d.Paused, Noise: d.Noise}
	if in.Name != nil {
		t.Name = *in.Name
	}
	if in.Paused != nil {
		t.Paused = *in.Paused
	}
	if in.Budget != nil {
		t.Noise.Budget = *in.Budget
	}
	if in.DigestMin != nil {
		t.Noise.DigestMin = alertset.Seconds(*in.DigestMin)
	}
	if in.DigestMax != nil {
		t.Noise.DigestMax = alertset.Seconds(*in.DigestMax)
	}
	secret, err := alertset.Apply(&d, t, s.Key)
	if err != nil {
		return err
	}
	if err := s.Store.PutDestination(r.Context(), &d); err != nil {
		return orNotFound(err)
	}
	saved, err := s.Store.Destination(r.Context(), r.org(), d.ID)
	if err != nil {
		return err
	}
	out := shapeDestination(&saved)
	out.Secret = maybe(secret)
	return httpx.JSON(w, status, out)
}

func (s *Service) destinationOf(r *request) (alert.Destination, error) {
	n, err := pathID(r)
	if err != nil {
		return alert.Destination{}, err
	}
	d, err := s.Store.Destination(r.Context(), r.org(), n)
	return d, orNotFound(err)
}

// destination answers GET …/destinations/{id}/.
func (s *Service) destination(w http.ResponseWriter, r *request) error {
	d, err := s.destinationOf(r)
	if err != nil {
		return err
	}
	return ok(w, shapeDestination(&d))
}

// deleteDestination answers DELETE …/destinations/{id}/.
func (s *Service) deleteDestination(w http.ResponseWriter, r *request) error {
	n, err := pathID(r)
	if err != nil {
		return err
	}
	if err := s.Store.DeleteDestination(r.Context(), r.org(), n); err != nil {
		return orNotFound(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// testDestination answers POST …/destinations/{id}/test/. The sample is of the project that the body
// names, else of the organization's first.
func (s *Service) testDestination(w http.ResponseWriter, r *request) error {
	d, err := s.destinationOf(r)
	if err != nil {
		return err
	}
	var body struct {
		Project string `json:"project"`
	}
	if r.ContentLength != 0 {
		if err := readBody(w, r, &body); err != nil {
			return err
		}
	}
	list, err := s.Store.Projects(r.Context(), r.org())
	if err != nil {
		return err
	}
	for _, p := range list {
		if body.Project == "" || named(p.ID, p.Slug, body.Project) {
			return s.sample(w, r, alert.TestRequest{Project: p.ID, Organization: r.org(), Destination: d.ID, User: r.who.UserID()})
		}
	}
	return fieldError{"project", "There is no such project."}
}

// acknowledge answers POST …/issues/{issue}/acknowledge/: escalations of its alerts end.
func (s *Service) acknowledge(w http.ResponseWriter, r *request) error {
	row, err := s.issueRow(r)
	if err != nil {
		return err
	}
	name := "the API"
	if r.who.User != nil {
		name = r.who.User.DisplayName()
	}
	if err := s.Store.Acknowledge(r.Context(), row.Project, row.ID, r.who.UserID(), name); err != nil {
		return err
	}
	return ok(w, object{"issueId": id(row.ID), "acknowledgedBy": name})
}

// maxRedelivered is how many deliveries one call may send again.
const maxRedelivered = alert.MaxRedeliver

// redeliverMany answers POST …/deliveries/redeliver/.
func (s *Service) redeliverMany(w http.ResponseWriter, r *request) error {
	project, err := s.projectID(r)
	if err != nil {
		return err
	}
	var body struct {
		IDs []string `json:"ids"`
	}
	if err := readBody(w, r, &body); err != nil {
		return err
	}
	if len(body.IDs) == 0 || len(body.IDs) > maxRedelivered {
		return fieldError{"ids", "Name 1 to " + strconv.Itoa(maxRedelivered) + " deliveries."}
	}
	ids, err := numbers(body.IDs)
	if err != nil {
		return err
	}
	result, err := s.Redeliver(r.Context(), alert.RedeliverRequest{Project: project, Deliveries: ids})
	if err != nil {
		return err
	}
	queued := []string{}
	for _, n := range result.Queued {
		queued = append(queued, id(n))
	}
	return ok(w, object{"queued": queued})
}
