package ingest

import (
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/tocsin-dev/tocsin/internal/dsn"
	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// request is what is known of one request besides its body.
type request struct {
	client     *client // nil until authenticated
	auth       dsn.Auth
	project    int64 // named in the path; 0 on the route without one
	query      url.Values
	receivedAt time.Time
	ip         netip.Addr
	userAgent  string
	origin     string
	category   outcome.Category // of what the route is for, before items are known
}

// maxUserAgent is how many bytes of the User-Agent header are kept.
const maxUserAgent = 1024

// describe notes what a request says besides its credentials. fault.Invalid: no number of a project.
func (s *Service) describe(r *http.Request, category outcome.Category) (*request, error) {
	q := &request{
		receivedAt: s.clock.now(),
		ip:         clientAddr(r, s.cfg.TrustedProxies),
		userAgent:  clip(r.UserAgent(), maxUserAgent),
		origin:     requestOrigin(r.Header),
		category:   category,
	}
	if text := chi.URLParam(r, "project"); text != "" {
		id, err := dsn.ParseProject(text)
		if err != nil {
			return nil, err
		}
		q.project = id
	}
	if r.URL.RawQuery != "" {
		q.query = r.URL.Query()
	}
	return q, nil
}

// newRequest authenticates a request by its headers and query. dsn.ErrMissing, with everything
// else filled in, when they carry no key.
func (s *Service) newRequest(r *http.Request, category outcome.Category) (*request, error) {
	q, err := s.describe(r, category)
	if err != nil {
		return nil, err
	}
	auth, err := dsn.FromRequest(r.Header, q.query)
	if err != nil {
		return q, err
	}
	return q, s.admit(q, auth)
}

// admit finds the client of a key and asks whether it may send from the request's origin.
// fault.Denied when not, which is counted; fault.Unavailable before projects are known; fault.Limited
// while there is no room on the disk.
func (s *Service) admit(q *request, auth dsn.Auth) error {
	c, err := s.projects.lookup(auth.Key, q.project)
	if err == errUntold {
		return err
	}
	if err != nil {
		// What names no project of ours is counted under none, so that nobody can invent rows.
		k := outcome.Key{Category: q.category, Kind: outcome.Invalid, Reason: outcome.ReasonProjectID, Minute: q.receivedAt}
		if s.projects.knows(q.project) {
			k.Project = q.project
		}
		s.tally.Add(k, 1)
		k.Kind, k.Reason = outcome.Received, ""
		s.received.Add(k, 1)
		return err
	}
	q.client, q.auth, q.project = c, auth, c.project
	if !originAllowed(q.origin, c.origins) {
		s.drop(q, q.category, outcome.Invalid, outcome.ReasonCORS, 1)
		return errOrigin
	}
	if err := s.guard.check(); err != nil {
		s.drop(q, q.category, outcome.RateLimited, outcome.ReasonBackpressure, 1)
		return err
	}
	return nil
}

// admitByHeader authenticates a request by the DSN in its envelope's header.
func (s *Service) admitByHeader(q *request, body []byte) error {
	head, err := envelope.ParseHeader(body)
	if err != nil {
		return dsn.ErrBadEnvelope
	}
	d, err := dsn.Parse(head.DSN)
	if err != nil {
		return dsn.ErrBadEnvelope
	}
	if q.project != 0 && d.Project != q.project {
		return mismatch("project id")
	}
	return s.admit(q, dsn.Auth{Key: d.Key, Version: dsn.Version})
}

// drop counts what is not kept, or not kept yet.
func (s *Service) drop(q *request, c outcome.Category, kind outcome.Kind, reason string, quantity int64) {
	k := outcome.Key{Project: q.client.project, KeyID: q.client.keyID, Category: c, Kind: kind, Reason: reason, Minute: q.receivedAt}
	s.tally.Add(k, quantity)
	if kind != outcome.ClientDiscard { // what the client dropped never came
		k.Kind, k.Reason = outcome.Received, ""
		s.received.Add(k, quantity)
	}
}

// raw starts the queue form of an event that came with the request.
func (q *request) raw(itemType string, id event.ID, payload []byte) event.Raw {
	return event.Raw{
		Project: q.client.project, KeyID: q.client.keyID, ID: id, ReceivedAt: q.receivedAt,
		ClientIP: q.ip, UserAgent: q.userAgent, Client: q.auth.Client, Origin: q.origin,
		ItemType: itemType, Payload: payload,
	}
}

// clip cuts s to at most n bytes.
func clip(s string, n int) string { return s[:min(len(s), n)] }
