package bus_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
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

// publishAll publishes jobs from ≤ n < to, all at once, each until it is acknowledged. It returns
// how often each was repeated: what timed out may be stored all the same.
func publishAll(t testing.TB, c *bus.Conn, from, to int) (repeats map[int]int) {
	t.Helper()
	p, err := jobs.Publisher(c)
	if err != nil {
		t.Fatal(err)
	}
	repeats = map[int]int{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for n := from; n < to; n++ {
		all.Go(func() {
			for p.Publish(context.Background(), job{N: n, Text: fmt.Sprint("job ", n)}) != nil {
				mu.Lock()
				repeats[n]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return repeats
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
	stop := consume(t, srv.Conn("back"), func(_ context.Context, batch []job) ([]bus.Reject, error) {
		got.add(batch)
		return nil, nil
	})
	const want = 1000
	repeats := publishAll(t, srv.Conn("front"), 0, want)
	until(t, "all consumed", func() bool { return got.count() == want })
	stop()
	for n, times := range got.seen {
		if times > 1+repeats[n] {
			t.Errorf("message %d: want it once, repeated %d times, got it %d times", n, repeats[n], times)
		}
	}
}

func TestManyMessagesArePublishedTogether(t *testing.T) {
	t.Parallel()
	srv := natstest.NewGraph(t, graph(t))
	p, err := jobs.Publisher(srv.Conn("front"))
	if err != nil {
		t.Fatal(err)
	}
	all := make([]job, 1000) // several packs
	for n := range all {
		all[n].N = n
	}
	if err := p.PublishAll(t.Context(), nil); err != nil {
		t.Errorf("nothing: %v", err)
	}
	for p.PublishAll(t.Context(), all) != nil {
		t.Log("published again") // the broker took longer than the deadline
	}
	var got tally
	consume(t, srv.Conn("back"), func(_ context.Context, batch []job) ([]bus.Reject, error) {
		got.add(batch)
		return nil, nil
	})
	until(t, "all consumed", func() bool { return got.count() == len(all) })
}

func benchmarkQueue(b *testing.B, publishers int, consume bool) {
	srv := natstest.NewSynced(b, graph(b))
	blobs := bus.Queue[blob]{Name: "jobs"}
	p, err := blobs.Publisher(srv.Conn("front"))
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var consumed atomic.Int64
	var ends sync.WaitGroup
	defer ends.Wait()
	defer cancel()
	back := srv.Conn("back")
	if consume {
		ends.Go(func() {
			err := blobs.Consume(ctx, back, func(_ context.Context, batch []blob) ([]bus.Reject, error) {
				consumed.Add(int64(len(batch)))
				return nil, nil
			})
			if err != nil {
				b.Error(err)
			}
		})
	}
	work := make(chan struct{}, publishers)
	msg := make(blob, 12<<10)
	var left sync.WaitGroup
	for range publishers {
		left.Go(func() {
			for range work {
				for p.Publish(ctx, msg) != nil {
					b.Log("published again") // the broker took longer than the deadline
				}
			}
		})
	}
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		work <- struct{}{}
	}
	close(work)
	left.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	if consume {
		until(b, "all consumed", func() bool { return consumed.Load() >= int64(b.N) })
	}
}

// blob is a message of plain bytes.
type blob []byte

func (m *blob) AppendBinary(b []byte) ([]byte, error) { return append(b, *m...), nil }
func (m *blob) UnmarshalBinary(b []byte) error        { *m = b; return nil }

// BenchmarkQueue publishes 12 KiB messages, synced, alone and with a consumer beside it.
func BenchmarkQueue(b *testing.B) {
	for _, n := range []int{1, 8, 64, 256} {
		b.Run(fmt.Sprintf("publishers=%d", n), func(b *testing.B) { benchmarkQueue(b, n, false) })
		b.Run(fmt.Sprintf("publishers=%d/consumed", n), func(b *testing.B) { benchmarkQueue(b, n, true) })
	}
}
