// Package natstest gives a test its own broker: in process, on disk, gone at the end.
package natstest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tocsin-dev/tocsin/internal/bindings"
	"github.com/tocsin-dev/tocsin/internal/bus"
	embedded "github.com/tocsin-dev/tocsin/internal/embedded/nats"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

const storeBytes = 1 << 30

// Server is a running broker with the streams of one graph.
type Server struct {
	*embedded.Server
	t testing.TB
}

// New starts a broker for the bindings of this repository.
func New(t testing.TB) *Server { return NewGraph(t, bindings.Graph()) }

// NewGraph starts a broker for other bindings.
func NewGraph(t testing.TB, g *bus.Graph) *Server {
	t.Helper()
	return start(t, embedded.Options{Graph: g, RelaxedSync: true})
}

// NewSynced starts a broker that syncs each message before it acknowledges it, as the product
// does. Only what measures the cost of that needs it.
func NewSynced(t testing.TB, g *bus.Graph) *Server {
	t.Helper()
	return start(t, embedded.Options{Graph: g})
}

func start(t testing.TB, o embedded.Options) *Server {
	t.Helper()
	o.Dir, o.MaxStoreBytes, o.Log = t.TempDir(), storeBytes, slog.New(slog.DiscardHandler)
	srv, err := embedded.Start(t.Context(), o)
	if err != nil {
		t.Fatalf("start broker: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := srv.Stop(ctx); err != nil {
			t.Errorf("stop broker: %v", err)
		}
	})
	return &Server{Server: srv, t: t}
}

// Conn is a connection with a service's own rights; it is closed when the test ends.
func (s *Server) Conn(service string) *bus.Conn {
	s.t.Helper()
	c, err := s.Connect(s.t.Context(), service)
	if err != nil {
		s.t.Fatalf("connect %s: %v", service, err)
	}
	s.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = c.Close(ctx) // a test may have stopped the broker before
	})
	return c
}

// NC is a plain client with the rights of an identity, bus.Admin included, for looking behind the
// bus; it is closed when the test ends.
func (s *Server) NC(identity string) *nats.Conn {
	s.t.Helper()
	nc, err := s.Raw(identity)
	if err != nil {
		s.t.Fatalf("connect: %v", err)
	}
	s.t.Cleanup(nc.Close)
	return nc
}

// Restart stops the broker without warning and starts it again on the same data, as a crash and a
// supervisor would. Connections find the new one by themselves.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Halt()
	if err := s.Resume(t.Context()); err != nil {
		t.Fatalf("restart broker: %v", err)
	}
}

const (
	// publishFor is how long Publish tries: far above what a busy machine takes for a message.
	publishFor   = 30 * time.Second
	publishPause = 50 * time.Millisecond
)

// Publish puts messages into a queue and returns once they are durable. A try that the machine was
// too slow for is repeated, as a spool would: the queue may then hold a message twice.
func Publish[T any](t testing.TB, p *bus.Publisher[T], msgs ...T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), publishFor)
	defer cancel()
	for {
		err := p.PublishAll(ctx, msgs)
		switch {
		case err == nil:
			return
		case fault.KindOf(err) != fault.Unavailable || ctx.Err() != nil:
			t.Errorf("publish: %v", err)
			return
		}
		time.Sleep(publishPause)
	}
}
