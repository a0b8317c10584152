package e2e

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// gate is a proxy between browsers and an instance. What it is told to hold waits, and what it is told
// to refuse is answered as by a proxy whose server is away.
type gate struct {
	*httptest.Server
	mu      sync.Mutex
	held    map[string]chan struct{} // by a part of the path
	refused string                   // a part of the path; empty: nothing is
	live    map[int]context.CancelFunc
	next    int
}

func newGate(t *testing.T, in *instance) *gate {
	t.Helper()
	to, err := url.Parse(in.URL)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{held: map[string]chan struct{}{}, live: map[int]context.CancelFunc{}}
	pass := &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, leave := g.enter(r)
		defer leave()
		if ctx == nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		pass.ServeHTTP(w, r.WithContext(ctx))
	}))
	t.Cleanup(func() { g.pass(); g.cut(); g.Close() })
	return g
}

// enter waits as long as a request is held; the context is nil when it is refused.
func (g *gate) enter(r *http.Request) (context.Context, func()) {
	g.mu.Lock()
	var wait chan struct{}
	for part, held := range g.held {
		if strings.Contains(r.URL.Path, part) {
			wait = held
		}
	}
	refused := g.refused != "" && strings.Contains(r.URL.Path, g.refused)
	g.mu.Unlock()
	if wait != nil {
		select {
		case <-wait:
		case <-r.Context().Done():
		}
	}
	if refused {
		return nil, func() {}
	}
	ctx, cancel := context.WithCancel(r.Context())
	if !strings.HasSuffix(r.URL.Path, "/live") {
		return ctx, cancel
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next++
	n := g.next
	g.live[n] = cancel
	return ctx, func() {
		cancel()
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.live, n)
	}
}

// hold lets requests wait whose path has the part, until pass.
func (g *gate) hold(part string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held[part] = make(chan struct{})
}

// refuse answers requests whose path has the part with 502, until pass.
func (g *gate) refuse(part string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused = part
}

// pass lets everything through, what is held too.
func (g *gate) pass() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for part, held := range g.held {
		close(held)
		delete(g.held, part)
	}
	g.refused = ""
}

// cut ends the connections by which pages hear what changes.
func (g *gate) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, cancel := range g.live {
		cancel()
	}
}

// listening is how many of them there are.
func (g *gate) listening() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.live)
}
