package bus

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

// EdgeStats is what one program has seen of one edge since it started.
type EdgeStats struct {
	Kind    string // publish, consume, call, serve, external
	Name    string
	Count   int64         // operations, failed ones included; for consume: messages
	Errors  int64         // of Count
	Dead    int64         // messages dead-lettered, for consume
	Mean    time.Duration // of all operations that ended
	Breaker string        // closed, half-open, open
}

// edge counts one edge. It is safe for concurrent use.
type edge struct {
	kind, name          string
	count, errors, dead atomic.Int64
	ended, spent        atomic.Int64 // operations, nanoseconds
	breaker             atomic.Int32
}

func (e *edge) observe(d time.Duration, err error) {
	e.count.Add(1)
	e.ended.Add(1)
	e.spent.Add(int64(d))
	if err != nil {
		e.errors.Add(1)
	}
}

// fail counts an operation that never ran and passes err on.
func (e *edge) fail(err error) error {
	e.count.Add(1)
	e.errors.Add(1)
	return err
}

// registry holds the edges a connection uses.
type registry struct {
	mu    sync.Mutex
	edges []*edge
}

func (r *registry) edge(kind, name string) *edge {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.edges {
		if e.kind == kind && e.name == name {
			return e
		}
	}
	e := &edge{kind: kind, name: name}
	r.edges = append(r.edges, e)
	return e
}

// Stats lists what this connection has seen of each edge it uses.
func (c *Conn) Stats() []EdgeStats {
	c.stats.mu.Lock()
	edges := slices.Clone(c.stats.edges)
	c.stats.mu.Unlock()
	out := make([]EdgeStats, 0, len(edges))
	for _, e := range edges {
		s := EdgeStats{Kind: e.kind, Name: e.name, Count: e.count.Load(), Errors: e.errors.Load(), Dead: e.dead.Load(),
			Breaker: gobreaker.State(e.breaker.Load()).String()}
		if n := e.ended.Load(); n > 0 {
			s.Mean = time.Duration(e.spent.Load() / n)
		}
		out = append(out, s)
	}
	return out
}
