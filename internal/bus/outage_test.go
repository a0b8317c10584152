package bus_test

import (
	"context"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/testkit/natstest"
)

func breaker(c *bus.Conn, kind string) string {
	for _, s := range c.Stats() {
		if s.Kind == kind {
			return s.Breaker
		}
	}
	return ""
}

// TestPublishingFailsFastWhileTheBrokerIsAway: callers learn of it within the publish deadline,
// then at once, and what was accepted before and after is consumed.
func TestPublishingFailsFastWhileTheBrokerIsAway(t *testing.T) {
	t.Parallel()
	srv := natstest.NewGraph(t, graph(t))
	front := srv.Conn("front")
	p, err := jobs.Publisher(front)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "published", func() bool { return p.Publish(t.Context(), job{N: 1}) == nil })
	var got tally
	consume(t, srv.Conn("back"), func(_ context.Context, batch []job) ([]bus.Reject, error) {
		got.add(batch)
		return nil, nil
	})
	until(t, "the first", func() bool { return got.count() == 1 })
	srv.Halt()
	until(t, "an unhealthy connection", func() bool { return front.Healthy() != nil })
	for range 20 {
		start := time.Now()
		if err := p.Publish(t.Context(), job{N: 2}); fault.KindOf(err) != fault.Unavailable {
			t.Fatalf("want unavailable, got %v", err)
		}
		if took := time.Since(start); took > 10*time.Second { // 300 ms on a machine with time
			t.Errorf("want an answer within the deadline, it took %s", took)
		}
	}
	if got := breaker(front, "publish"); got != "open" {
		t.Errorf("want the breaker open, it is %s", got)
	}
	if err := srv.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "publishing again", func() bool { return p.Publish(t.Context(), job{N: 3}) == nil })
	until(t, "a closed breaker", func() bool { return breaker(front, "publish") == "closed" })
	until(t, "the last", func() bool { return got.count() == 2 })
	if err := front.Healthy(); err != nil {
		t.Errorf("want it healthy, got %v", err)
	}
}

// TestAConnectionMayComeBeforeTheBroker: services start in any order.
func TestAConnectionMayComeBeforeTheBroker(t *testing.T) {
	t.Parallel()
	srv := natstest.NewGraph(t, graph(t))
	srv.Halt()
	front, back := srv.Conn("front"), srv.Conn("back")
	p, err := jobs.Publisher(front)
	if err != nil {
		t.Fatal(err)
	}
	var got tally
	consume(t, back, func(_ context.Context, batch []job) ([]bus.Reject, error) {
		got.add(batch)
		return nil, nil
	})
	serve(t, back, sum, add)
	m := watching(t, back)
	x := client(t, front, sum)
	if err := p.Publish(t.Context(), job{}); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("want unavailable, got %v", err)
	}
	if err := srv.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "publishing", func() bool { return p.Publish(t.Context(), job{N: 5}) == nil })
	until(t, "consuming", func() bool { return got.count() > 0 })
	until(t, "answers", func() bool { n, err := x.Do(t.Context(), []int{2}); return err == nil && n == 2 })
	until(t, "a synced watch", m.is(map[string]string{}, 1))
}

func TestClosingSendsWhatIsWaiting(t *testing.T) {
	t.Parallel()
	srv := natstest.NewGraph(t, graph(t))
	c, err := srv.Connect(t.Context(), "front")
	if err != nil {
		t.Fatal(err)
	}
	p, err := jobs.Publisher(c)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 50)
	for n := range cap(done) {
		go func() { done <- p.Publish(context.Background(), job{N: n}) }()
	}
	acked := 0
	if <-done == nil { // some are under way
		acked++
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range cap(done) - 1 {
		if <-done == nil {
			acked++
		}
	}
	if err := p.Publish(t.Context(), job{}); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("after closing: want unavailable, got %v", err)
	}
	var got tally
	consume(t, srv.Conn("back"), func(_ context.Context, batch []job) ([]bus.Reject, error) {
		got.add(batch)
		return nil, nil
	})
	until(t, "every acknowledged message", func() bool { return got.count() >= acked })
}

func TestDepthsShowTheQueues(t *testing.T) {
	t.Parallel()
	srv := natstest.NewGraph(t, graph(t))
	publishAll(t, srv.Conn("front"), 0, 5)
	eye := srv.Conn("eye")
	until(t, "the queue and its dead letters", func() bool {
		depths, err := eye.Depths(t.Context())
		if err != nil || len(depths) != 2 {
			t.Fatalf("want two queues, got %+v, %v", depths, err)
		}
		jobs, letters := depths[0], depths[1]
		return jobs.Queue == "jobs" && jobs.Packs > 0 && jobs.Waiting == jobs.Packs && !jobs.OldestAt.IsZero() && letters.Dead
	})
}
