package bus_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/testkit/natstest"
)

type setting struct{ Value string }

var (
	sum      = bus.Call[[]int, int]{Name: "sum"}
	slow     = bus.Call[string, string]{Name: "slow"}
	settings = bus.Bucket[setting]{Name: "settings"}
)

func add(_ context.Context, ns []int) (total int, _ error) {
	for _, n := range ns {
		total += n
	}
	return total, nil
}

// serve runs a server until the test, or the returned function, ends it, and waits until it
// answers.
func serve[Req, Resp any](t testing.TB, c *bus.Conn, k bus.Call[Req, Resp], h func(context.Context, Req) (Resp, error)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Serve(ctx, c, h) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func client[Req, Resp any](t testing.TB, c *bus.Conn, k bus.Call[Req, Resp]) *bus.Client[Req, Resp] {
	t.Helper()
	x, err := k.Client(c)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestCallsAreAnswered(t *testing.T) {
	t.Parallel()
	srv := natstest.NewGraph(t, graph(t))
	x := client(t, srv.Conn("front"), sum)
	if _, err := x.Do(t.Context(), []int{1}); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("nobody serves: want unavailable, got %v", err)
	}
	stop := serve(t, srv.Conn("back"), sum, add)
	until(t, "an answer", func() bool { got, err := x.Do(t.Context(), []int{1, 2, 3}); return err == nil && got == 6 })
	stop()
	if _, err := x.Do(t.Context(), []int{1}); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("stopped: want unavailable, got %v", err)
	}
}

func TestFailuresKeepTheirKind(t *testing.T) {
	t.Parallel()
	srv := natstest.NewGraph(t, graph(t))
	var mu sync.Mutex
	var fail func() error
	set := func(f func() error) {
		mu.Lock()
		defer mu.Unlock()
		fail = f
	}
	set(func() error { return nil })
	serve(t, srv.Conn("back"), slow, func(context.Context, string) (string, error) {
		mu.Lock()
		f := fail
		mu.Unlock()
		return "", f()
	})
	x := client(t, srv.Conn("front"), slow)
	until(t, "an answer", func() bool { _, err := x.Do(t.Context(), ""); return err == nil })
	for _, c := range []struct {
		name string
		fail func() error
		kind fault.Kind
		text string
	}{
		{"fault", func() error { return fault.New(fault.Conflict, "changed meanwhile") }, fault.Conflict, "changed meanwhile"},
		{"secret", func() error { return errors.New("password is hunter2") }, fault.Internal, "internal error"},
		{"wrapped", func() error { return fault.Wrap(errors.New("hunter2"), fault.Denied, "not yours") }, fault.Denied, "not yours"},
		{"panic", func() error { panic("hunter2") }, fault.Internal, "internal error"},
	} {
		set(c.fail)
		_, err := x.Do(t.Context(), "")
		if fault.KindOf(err) != c.kind || fault.Public(err) != c.text || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: want %s %q, got %v", c.name, c.kind, c.text, err)
		}
	}
	set(func() error { return fault.New(fault.Limited, "slower").RetryAfter(1500 * time.Millisecond) })
	_, err := x.Do(t.Context(), "")
	var e *fault.Error
	if !errors.As(err, &e) || e.Kind != fault.Limited || e.After != 1500*time.Millisecond {
		t.Errorf("want limited with 1.5 s, got %v", err)
	}
	if _, err := x.Do(t.Context(), strings.Repeat("x", 600<<10)); fault.KindOf(err) != fault.TooLarge {
		t.Errorf("big request: want too large, got %v", err)
	}
}

func TestACallEndsAtItsDeadline(t *testing.T) {
	t.Parallel()
	srv := natstest.NewGraph(t, graph(t))
	var answered atomic.Bool
	serve(t, srv.Conn("back"), slow, func(ctx context.Context, req string) (string, error) {
		if req == "wait" {
			<-ctx.Done() // the server works under the caller's deadline
			answered.Store(true)
		}
		return "", ctx.Err()
	})
	x := client(t, srv.Conn("front"), slow)
	until(t, "an answer", func() bool { _, err := x.Do(t.Context(), ""); return err == nil })
	start := time.Now()
	_, err := x.Do(t.Context(), "wait")
	if took := time.Since(start); fault.KindOf(err) != fault.Unavailable || took > 20*time.Second {
		t.Errorf("want unavailable after 300 ms, got %v after %s", err, took)
	}
	until(t, "the server gave up too", answered.Load)
}

// TestIdempotentCallsAreRepeated: sum may be repeated, slow may not.
func TestIdempotentCallsAreRepeated(t *testing.T) {
	t.Parallel()
	srv := natstest.NewGraph(t, graph(t))
	var sums, slows atomic.Int32
	away := fault.New(fault.Unavailable, "the database is away")
	back := srv.Conn("back")
	serve(t, back, sum, func(_ context.Context, ns []int) (int, error) {
		if sums.Add(1) < 3 {
			return 0, away
		}
		return len(ns), nil
	})
	serve(t, back, slow, func(context.Context, string) (string, error) { slows.Add(1); return "", away })
	front := srv.Conn("front")
	x, y := client(t, front, sum), client(t, front, slow)
	until(t, "slow is served", func() bool { _, _ = y.Do(t.Context(), ""); return slows.Load() > 0 })
	until(t, "sum is served", func() bool {
		got, err := x.Do(t.Context(), []int{1, 1})
		return err == nil && got == 2
	})
	before := slows.Load()
	fresh := client(t, front, slow) // its breaker is closed
	if _, err := fresh.Do(t.Context(), ""); fault.KindOf(err) != fault.Unavailable || slows.Load() != before+1 {
		t.Errorf("want one attempt and unavailable, got %d attempts, %v", slows.Load()-before, err)
	}
}

func TestTheFallbackAnswersWhileTheServerIsAway(t *testing.T) {
	t.Parallel()
	srv := natstest.NewGraph(t, graph(t))
	front := srv.Conn("front")
	x := client(t, front, sum)
	err := x.Fallback(func(_ context.Context, _ []int, cause error) (int, error) {
		if fault.KindOf(cause) != fault.Unavailable {
			t.Errorf("want unavailable as the cause, got %v", cause)
		}
		return -1, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := x.Do(t.Context(), []int{1}); err != nil || got != -1 {
		t.Errorf("want -1, got %d, %v", got, err)
	}
	refuse := client(t, front, slow).Fallback(func(context.Context, string, error) (string, error) { return "", nil })
	if fault.KindOf(refuse) != fault.Invalid {
		t.Errorf("want invalid where the binding says error, got %v", refuse)
	}
}

// TestTraceContextCrossesTheBus installs a propagator and a tracer, which are global; it does not
// run beside other tests.
func TestTraceContextCrossesTheBus(t *testing.T) {
	provider := sdktrace.NewTracerProvider()
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	srv := natstest.NewGraph(t, graph(t))
	front, back := srv.Conn("front"), srv.Conn("back")
	ctx, span := provider.Tracer("test").Start(t.Context(), "request")
	defer span.End()
	want := span.SpanContext().TraceID()

	called := make(chan trace.TraceID, 100)
	serve(t, back, sum, func(ctx context.Context, _ []int) (int, error) {
		called <- trace.SpanContextFromContext(ctx).TraceID()
		return 1, nil
	})
	x := client(t, front, sum)
	until(t, "an answer", func() bool { _, err := x.Do(ctx, nil); return err == nil })
	if got := <-called; got != want {
		t.Errorf("call: want trace %s, got %s", want, got)
	}

	p, err := jobs.Publisher(front)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "published", func() bool { return p.Publish(ctx, job{}) == nil })
	consumed := make(chan trace.TraceID, 1)
	consume(t, back, func(ctx context.Context, _ []job) ([]bus.Reject, error) {
		consumed <- trace.SpanContextFromContext(ctx).TraceID()
		return nil, nil
	})
	if got := <-consumed; got != want {
		t.Errorf("queue: want trace %s, got %s", want, got)
	}
}

func BenchmarkCall(b *testing.B) {
	srv := natstest.NewGraph(b, graph(b))
	serve(b, srv.Conn("back"), sum, add)
	x := client(b, srv.Conn("front"), sum)
	until(b, "an answer", func() bool { _, err := x.Do(b.Context(), nil); return err == nil })
	b.ReportAllocs()
	for b.Loop() {
		if _, err := x.Do(b.Context(), []int{1, 2}); err != nil {
			b.Fatal(err)
		}
	}
}
