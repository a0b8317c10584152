package bus_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/testkit/natstest"
)

// testGraph has two services and one edge of each kind.
const testGraph = `
version: 1
services:
  front: {replicas: 1, memory: 64Mi, cpu: 100m}
  back: {replicas: 1, memory: 64Mi, cpu: 100m}
  eye: {replicas: 1, memory: 64Mi, cpu: 100m, observes: true}
calls:
  sum: {server: back, callers: [front], timeout: 2s, idempotent: true, max_retries: 2, fallback: caller}
  slow: {server: back, callers: [front], timeout: 300ms}
queues:
  jobs:
    producers: [front]
    consumer: back
    max_concurrency: 2
    max_batch_size: 100
    max_batch_timeout: 20ms
    max_retries: 2
    backoff: [1ms, 2ms]
    dead_letter_queue: dlq
    storage_percent: 50
buckets:
  settings: {writers: [front], watchers: [back]}
`

type job struct {
	N    int
	Text string
}

var jobs = bus.Queue[job]{Name: "jobs"}

func graph(t testing.TB) *bus.Graph {
	t.Helper()
	g, err := bus.ParseGraph([]byte(testGraph))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// consume runs a consumer until the test, or the returned function, ends it.
func consume(t testing.TB, c *bus.Conn, h bus.Handler[job]) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- jobs.Consume(ctx, c, h) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("consume: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func publishAll(t testing.TB, c *bus.Conn, from, to int) {
	t.Helper()
	p, err := jobs.Publisher(c)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for n := from; n < to; n++ {
		all.Go(func() {
			for {
				err := p.Publish(context.Background(), job{N: n, Text: fmt.Sprint("job ", n)})
				if err == nil {
					return
				}
				t.Logf("publish %d: %v", n, err)
			}
		})
	}
	all.Wait()
}

// until waits for a condition that other goroutines bring about.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

type tally struct {
	mu   sync.Mutex
	seen map[int]int
}

func (s *tally) add(batch []job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[int]int{}
	}
	for _, j := range batch {
		s.seen[j.N]++
	}
}

func (s *tally) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

func TestEveryPublishedMessageIsConsumedOnce(t *testing.T) {
	t.Parallel()
	srv := natstest.NewGraph(t, graph(t))
	var got tally
	consume(t, srv.Conn("back"), func(_ context.Context, batch []job) ([]bus.Reject, error) {
		got.add(batch)
		return nil, nil
	})
	const want = 1000
	publishAll(t, srv.Conn("front"), 0, want)
	until(t, "all consumed", func() bool { return got.count() == want })
	for n, times := range got.seen {
		if times != 1 {
			t.Errorf("message %d: want once, got %d times", n, times)
		}
	}
}
