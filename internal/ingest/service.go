package ingest

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"sync"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tocsin-dev/tocsin/internal/blob"
	"github.com/tocsin-dev/tocsin/internal/dsn"
	"github.com/tocsin-dev/tocsin/internal/envelope"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/quota"
	"github.com/tocsin-dev/tocsin/internal/spool"
)

// Service accepts what clients send.
type Service struct {
	cfg      Config
	projects *directory
	events   publisher
	spool    *spool.Spool
	blobs    blob.Store
	clock    receiptClock
	guard    guard
	wake     chan struct{} // the spool has records
	counters *quota.Counters
	monitors *quota.Limiter // by monitor and environment
	tally    outcome.Tally  // what became of items that the processor does not get
	received outcome.Tally  // every item that came, those that the processor gets included
	budget   *budget
	decoders chan struct{} // one slot per body that may be decoded at once
	metrics  *metrics

	gate   sync.RWMutex // held for reading while an event is made durable
	closed bool
}

func newService(cfg Config, projects *directory, events publisher, sp *spool.Spool, blobs blob.Store, reg prometheus.Registerer) (*Service, error) {
	monitors, err := quota.NewLimiter(maxMonitors, nil)
	if err != nil {
		return nil, err
	}
	return &Service{
		cfg: cfg, projects: projects, events: events, spool: sp, blobs: blobs, wake: make(chan struct{}, 1),
		counters: quota.NewCounters(nil, nil), monitors: monitors,
		budget: newBudget(cfg.BodyMemoryBytes), decoders: make(chan struct{}, runtime.GOMAXPROCS(0)),
		metrics: newMetrics(reg, sp, projects),
	}, nil
}

// route is one thing clients can do, at one or more paths; a trailing slash makes no difference.
type route struct {
	name    string // in metrics
	methods string
	paths   []string
	handle  func(*Service, http.ResponseWriter, *http.Request) error
}

// routeTable is every route of the protocol that ingest answers.
// Rule: getsentry/relay relay-server/src/endpoints/mod.rs
var routeTable = []route{
	{"envelope", "POST", []string{"/api/{project}/envelope"}, (*Service).acceptEnvelope},
	{"store", "POST GET", []string{"/api/{project}/store", "/api/store"}, (*Service).acceptStore},
	{"security", "POST", []string{"/api/{project}/security", "/api/{project}/csp-report"}, (*Service).acceptSecurity},
	{"minidump", "POST", []string{"/api/{project}/minidump"}, (*Service).acceptMinidump},
	{"unreal", "POST", []string{"/api/{project}/unreal/{key}"}, (*Service).acceptUnreal},
	{"attachments", "POST", []string{"/api/{project}/events/{event_id}/attachments"}, (*Service).acceptAttachments},
	{"nel", "POST", []string{"/api/{project}/nel"}, (*Service).acceptNEL},
	{"cron", "POST GET", []string{"/api/{project}/cron/{monitor}", "/api/{project}/cron/{monitor}/{key}"}, (*Service).acceptCron},
	{"traces", "POST", []string{"/api/{project}/integration/otlp/v1/traces", "/api/{project}/otlp/v1/traces"}, (*Service).acceptTraces},
	{"logs", "POST", []string{"/api/{project}/integration/otlp/v1/logs"}, (*Service).acceptLogs},
	{"vercel", "POST", []string{"/api/{project}/integration/vercel/logs"}, (*Service).acceptVercel},
	{"heroku", "POST", []string{"/api/{project}/integration/heroku/logs"}, (*Service).acceptHeroku},
	{"tunnel", "POST", []string{"/tunnel"}, (*Service).acceptTunnel},
	{"dialog", "GET", []string{"/api/embed/error-page"}, (*Service).showDialog},
	{"report", "POST", []string{"/api/embed/error-page"}, (*Service).acceptDialog},
	{"loader", "GET", []string{"/js-sdk-loader/{script}"}, (*Service).answerLoader},
	{"health", "GET", []string{"/api/relay/healthcheck/live", "/api/relay/healthcheck/ready"}, (*Service).answerHealth},
}

// routes is the handler of all of them.
func (s *Service) routes() http.Handler {
	r := chi.NewRouter()
	for _, rt := range routeTable {
		h := s.measured(rt)
		for _, path := range rt.paths {
			for method := range strings.FieldsSeq(rt.methods) {
				r.Method(method, path, h)
				r.Method(method, path+"/", h)
			}
		}
	}
	r.NotFound(func(w http.ResponseWriter, r *http.Request) {
		fail(w, r, fault.New(fault.Unknown, "there is nothing at this path"))
	})
	r.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		const text = "method not allowed"
		w.Header()["Content-Type"] = jsonType
		w.Header().Set("X-Sentry-Error", text)
		w.WriteHeader(http.StatusMethodNotAllowed)
		_, _ = w.Write([]byte(`{"detail":"` + text + `"}`)) // the client may have gone
	})
	return cors(r)
}

// acceptEnvelope answers POST /api/{project}/envelope/ with {"id": event id}.
// fault.Unauthenticated, fault.Denied: no key, or not one that may send here. fault.TooLarge: over
// a limit of size or count. fault.Limited: over the key's rate, or no room.
// Rule: https://develop.sentry.dev/sdk/foundations/transport/envelopes/
func (s *Service) acceptEnvelope(w http.ResponseWriter, r *http.Request) error {
	q, err := s.newRequest(r, outcome.Error)
	if err != nil && !errors.Is(err, dsn.ErrMissing) {
		return err
	}
	return s.envelopeBody(w, r, q)
}

// acceptTunnel answers POST /tunnel as the envelope route does, for pages whose requests to a
// project's own path are blocked. Nothing but the envelope's header says whose it is: other
// credentials may be those of the site that the tunnel is part of.
// fault.Denied: the header's DSN is none of ours.
// Rule: https://docs.sentry.io/platforms/javascript/troubleshooting/#using-the-tunnel-option
func (s *Service) acceptTunnel(w http.ResponseWriter, r *http.Request) error {
	q, err := s.describe(r, outcome.Error)
	if err != nil {
		return err
	}
	return s.envelopeBody(w, r, q)
}

// envelopeBody accepts the envelope in a request's body, whose header authenticates the request
// when nothing else did.
func (s *Service) envelopeBody(w http.ResponseWriter, r *http.Request, q *request) error {
	body, encoding, err := s.readWire(w, r, s.cfg.MaxEnvelopeBytes)
	if err == nil && encoding != "" {
		wire := body
		defer wire.free()
		var rec receipt
		if q.client != nil {
			if err := s.refuseEarly(r.Context(), q, encoding, wire.b, &rec); err != nil {
				return s.failed(w, rec, err)
			}
		}
		body, err = s.decode(r.Context(), encoding, wire.b, s.cfg.MaxEnvelopeBytes)
	}
	if err != nil {
		return s.unreadable(q, err)
	}
	defer body.free()
	if q.client == nil {
		if err := s.admitByHeader(q, body.b); err != nil {
			return err
		}
	}
	env, err := envelope.Parse(body.b)
	if err != nil {
		reason := outcome.ReasonInvalidEnvelope
		if fault.KindOf(err) == fault.TooLarge {
			reason = outcome.ReasonTooLarge + ":envelope"
		}
		s.drop(q, q.category, outcome.Invalid, reason, 1)
		return err
	}
	rec, err := s.accept(r.Context(), q, &env)
	if err != nil {
		return s.failed(w, rec, err)
	}
	answerID(w, rec)
	return nil
}

// answerHealth answers the health checks of proxies and clients: live as long as we answer, ready
// when events can be kept.
func (s *Service) answerHealth(w http.ResponseWriter, r *http.Request) error {
	if strings.Contains(r.URL.Path, "/ready") {
		if err := s.ready(r.Context()); err != nil {
			return err
		}
	}
	w.Header()["Content-Type"] = jsonType
	_, _ = w.Write([]byte(`{"is_healthy":true}`)) // the client may have gone
	return nil
}

// ready reports whether an event that comes now can be kept even if the queue is away.
func (s *Service) ready(context.Context) error {
	if s.spool.Bytes() >= s.cfg.SpoolBytes-int64(2*s.cfg.MaxEventBytes) {
		return fault.New(fault.Unavailable, "the spool is full")
	}
	if s.guard.check() != nil {
		return fault.New(fault.Unavailable, "the disk is nearly full")
	}
	return nil
}
