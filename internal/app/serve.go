package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/tocsin-dev/tocsin/internal/telemetry"
)

// Front is the one port of tocsin up: it sends what SDKs call to ingest and all else to web.
type Front struct {
	registry *prometheus.Registry
	url      string
	routes   map[string]*atomic.Pointer[http.Handler] // by service
	kits     []*Kit
}

// NewFront returns a front that is known to the world as url.
func NewFront(url string) *Front {
	f := &Front{registry: prometheus.NewRegistry(), url: url, routes: map[string]*atomic.Pointer[http.Handler]{}}
	for _, s := range []string{"ingest", "processor", "notifier", "web"} {
		f.routes[s] = new(atomic.Pointer[http.Handler])
	}
	registerProcess(f.registry)
	return f
}

// Use makes the front answer for the health of kits.
func (f *Front) Use(kits ...*Kit) { f.kits = append(f.kits, kits...) }

// Serve answers on ln until ctx ends and the requests in hand are done.
func (f *Front) Serve(ctx context.Context, ln net.Listener, metrics []netip.Prefix) error {
	mux := http.NewServeMux()
	mux.Handle("/_health/", health(func() []*Kit { return f.kits }, f.started))
	mux.Handle("/_health", health(func() []*Kit { return f.kits }, f.started))
	mux.Handle("/metrics", restricted(metrics, promhttp.HandlerFor(f.registry, promhttp.HandlerOpts{})))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		service := "web"
		if isIngest(r.URL.Path) {
			service = "ingest"
		}
		if h := f.routes[service].Load(); h != nil {
			(*h).ServeHTTP(w, r)
			return
		}
		w.Header().Set("Retry-After", "1")
		http.Error(w, service+" is starting", http.StatusServiceUnavailable)
	})
	return serve(ctx, ln, mux)
}

func (f *Front) started() error {
	for name, route := range f.routes {
		if route.Load() == nil {
			return fmt.Errorf("%s is starting", name)
		}
	}
	return nil
}

// isIngest reports whether an SDK calls path: /api/ followed by a project's number, the keyless
// store path, the crash dialog, the proxies' health checks, the tunnel, and the loader script.
func isIngest(path string) bool {
	if rest, ok := strings.CutPrefix(path, "/api/"); ok {
		head, tail, _ := strings.Cut(rest, "/")
		if head == "0" { // the management API has the number no project has
			return false
		}
		// Whatever is not a word of the web service's own is ingest's to refuse, so that
		// /api/foo/envelope/ gets the protocol's error.
		switch head {
		case "store", "relay", "embed":
			return true
		case "v1", "canonical", "":
			return false
		}
		return tail != "" || isDigits(head)
	}
	return path == "/tunnel" || path == "/tunnel/" || strings.HasPrefix(path, "/js-sdk-loader/")
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// Serve answers the service's routes, with /_health/ and /metrics beside them, until ctx ends and
// the requests in hand are done: at k.Listen, or under a front there.
func (k *Kit) Serve(ctx context.Context, h http.Handler) error {
	ctx = telemetry.With(ctx, k.Scope)
	h = k.wrap(ctx, h)
	if k.front != nil {
		k.front.routes[k.Service].Store(&h)
		<-ctx.Done()
		return nil
	}
	ln, err := net.Listen("tcp", k.Listen)
	if err != nil {
		return fmt.Errorf("%s cannot listen: %w", k.Service, err)
	}
	slog.InfoContext(ctx, "listening", "address", ln.Addr().String())
	mux := http.NewServeMux()
	own := func() []*Kit { return []*Kit{k} }
	started := func() error { return nil }
	mux.Handle("/_health/", health(own, started))
	mux.Handle("/_health", health(own, started))
	mux.Handle("/metrics", restricted(k.Config.MetricsAllow, promhttp.HandlerFor(k.metrics, promhttp.HandlerOpts{})))
	mux.Handle("/", h)
	return serve(ctx, ln, mux)
}

// wrap gives requests the service's scope and a span, and turns a panic into a 500.
func (k *Kit) wrap(ctx context.Context, h http.Handler) http.Handler {
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(telemetry.With(r.Context(), k.Scope))
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler {
				slog.ErrorContext(r.Context(), "handler panicked", "err", fmt.Errorf("panic: %v\n%s", p, debug.Stack()), "route", r.Pattern)
				http.Error(w, `{"detail":"internal error"}`, http.StatusInternalServerError)
			}
		}()
		h.ServeHTTP(w, r)
	})
	if k.Config.OTLPEndpoint == "" {
		return inner
	}
	return otelhttp.NewHandler(inner, k.Service)
}

// serve runs an HTTP server with the time limits that keep slow clients from holding connections.
func serve(ctx context.Context, ln net.Listener, h http.Handler) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       60 * time.Second,
		IdleTimeout:       90 * time.Second,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	select {
	case err := <-failed:
		return fmt.Errorf("http server: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), StopTimeout/3)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil { // long polls and streams do not end by themselves
		_ = srv.Close()
	}
	return nil
}

func restricted(allow []netip.Prefix, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err == nil {
			addr := peer.Addr().Unmap()
			for _, p := range allow {
				if p.Contains(addr) {
					h.ServeHTTP(w, r)
					return
				}
			}
		}
		http.NotFound(w, r)
	})
}

func registerProcess(r *prometheus.Registry) {
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
}

type check struct {
	name     string
	required bool
	probe    func(context.Context) error
}

// Ready names a dependency without which the service cannot do its work: while probe fails,
// /_health/ answers 503. A probe is given one second.
func (k *Kit) Ready(name string, probe func(context.Context) error) {
	k.addCheck(check{name, true, probe})
}

// Depends names a dependency whose absence the service survives: it only shows in ?full.
func (k *Kit) Depends(name string, probe func(context.Context) error) {
	k.addCheck(check{name, false, probe})
}

func (k *Kit) addCheck(c check) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.checks = append(k.checks, c)
}

type healthReport struct {
	Problems []string        `json:"problems"`
	Healthy  map[string]bool `json:"healthy"`
}

// health answers 200 "ok" when every required dependency is there. With ?full it lists them all
// and answers 503 when any is down.
func health(kits func() []*Kit, started func() error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rep, required := probe(r.Context(), kits(), started)
		w.Header().Set("Cache-Control", "no-store")
		if r.URL.Query().Has("full") {
			w.Header().Set("Content-Type", "application/json")
			if len(rep.Problems) > 0 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			_ = json.NewEncoder(w).Encode(rep)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if required != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = fmt.Fprintln(w, required.Error())
			return
		}
		_, _ = w.Write([]byte("ok"))
	})
}

// probe runs every check at once; required joins the failures of those the services need.
func probe(ctx context.Context, kits []*Kit, started func() error) (rep healthReport, required error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	rep = healthReport{Problems: []string{}, Healthy: map[string]bool{}}
	if err := started(); err != nil {
		rep.Problems = append(rep.Problems, err.Error())
		required = err
	}
	type result struct {
		name     string
		required bool
		err      error
	}
	results := make(chan result)
	n := 0
	for _, k := range kits {
		k.mu.Lock()
		for _, c := range k.checks {
			n++
			go func() {
				err := guarded(ctx, c.probe)
				results <- result{k.Service + " " + c.name, c.required, err}
			}()
		}
		k.mu.Unlock()
	}
	for range n {
		res := <-results
		rep.Healthy[res.name] = res.err == nil
		if res.err != nil {
			err := fmt.Errorf("%s: %w", res.name, res.err)
			rep.Problems = append(rep.Problems, err.Error())
			if res.required {
				required = errors.Join(required, err)
			}
		}
	}
	return rep, required
}

// Healthy reports whether every service answers and has what it needs.
func (f *Front) Healthy(ctx context.Context) bool {
	_, required := probe(ctx, f.kits, f.started)
	return required == nil
}
