package bus_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/testkit/natstest"
)

// dead lists the dead letters of jobs.
func dead(t testing.TB, nc *nats.Conn) []bus.DeadLetter {
	t.Helper()
	list, _, err := letters(t, nc).List(t.Context(), bus.LetterQuery{Queue: "jobs"}, 100)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// letters opens the dead letters with the administrator's rights.
func letters(t testing.TB, nc *nats.Conn) *bus.Letters {
	t.Helper()
	l, err := bus.OpenLetters(nc, "dlq")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// empty reports whether the queue holds nothing, acknowledged to the last.
func empty(t testing.TB, nc *nats.Conn) func() bool {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return func() bool {
		s, err := js.Stream(t.Context(), "JOBS")
		return err == nil && s.CachedInfo().State.Msgs == 0
	}
}

func TestOnlyThePoisonousMessageIsBuried(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() error{
		"error": func() error { return errors.New("constraint violated") },
		"panic": func() error { panic("constraint violated") },
		"fault": func() error { return fault.New(fault.Invalid, "constraint violated") },
	} {
		srv := natstest.NewGraph(t, graph(t))
		admin := srv.NC(bus.Admin)
		const want, poison = 300, 77
		publishAll(t, srv.Conn("front"), 0, want)
		var got tally
		stop := consume(t, srv.Conn("back"), func(_ context.Context, batch []job) ([]bus.Reject, error) {
			if slices.ContainsFunc(batch, func(j job) bool { return j.N == poison }) {
				return nil, fail()
			}
			got.add(batch)
			return nil, nil
		})
		until(t, "queue empty", empty(t, admin))
		stop()
		if got.count() != want-1 {
			t.Errorf("%s: want %d handled, got %d", name, want-1, got.count())
		}
		letters := dead(t, admin)
		if len(letters) != 1 {
			t.Fatalf("%s: want one dead letter, got %d", name, len(letters))
		}
		d := letters[0]
		wantAttempts := 3
		if name == "fault" {
			wantAttempts = 1 // repeating it would be pointless
		}
		if d.Queue != "jobs" || d.Service != "back" || d.Attempts != wantAttempts || string(d.Body) != `{"N":77,"Text":"job 77"}` ||
			!strings.Contains(d.Error, "constraint violated") || d.FirstAt.IsZero() || d.LastAt.Before(d.FirstAt) || len(d.Pack) != 32 {
			t.Errorf("%s: want all that is known, %d attempts, got %+v %s", name, wantAttempts, d, d.Body)
		}
		if hasStack := strings.Contains(d.Stack, "failure_test.go"); hasStack != (name == "panic") {
			t.Errorf("%s: stack: got %q", name, d.Stack)
		}
	}
}

func TestRejectsAreBuriedAndTheRestIsDone(t *testing.T) {
	t.Parallel()
	srv := natstest.NewGraph(t, graph(t))
	admin := srv.NC(bus.Admin)
	publishAll(t, srv.Conn("front"), 0, 100)
	var got tally
	stop := consume(t, srv.Conn("back"), func(_ context.Context, batch []job) (rejects []bus.Reject, _ error) {
		for i, j := range batch {
			if j.N%10 == 0 {
				rejects = append(rejects, bus.Reject{Index: i, Err: errors.New("round number")})
			}
		}
		got.add(batch)
		return rejects, nil
	})
	until(t, "queue empty", empty(t, admin))
	stop()
	if letters := dead(t, admin); len(letters) != 10 || letters[0].Error != "round number" || letters[0].Attempts != 1 {
		t.Errorf("want 10 dead letters after one attempt, got %+v", letters)
	}
	if got.count() != 100 {
		t.Errorf("want all 100 seen, got %d", got.count())
	}
}

func TestAnOutageIsNotHeldAgainstMessages(t *testing.T) {
	t.Parallel()
	srv := natstest.NewGraph(t, graph(t))
	admin := srv.NC(bus.Admin)
	publishAll(t, srv.Conn("front"), 0, 50)
	var got tally
	var calls atomic.Int32
	stop := consume(t, srv.Conn("back"), func(_ context.Context, batch []job) ([]bus.Reject, error) {
		if calls.Add(1) <= 5 { // more often than the binding allows retries
			return nil, fault.New(fault.Unavailable, "the database is away")
		}
		got.add(batch)
		return nil, nil
	})
	until(t, "queue empty", empty(t, admin))
	stop()
	if letters := dead(t, admin); len(letters) != 0 || got.count() != 50 {
		t.Errorf("want all handled and none buried, got %d handled, %d buried", got.count(), len(letters))
	}
}

func TestUnreadableBytesAreBuried(t *testing.T) {
	t.Parallel()
	srv := natstest.NewGraph(t, graph(t))
	admin := srv.NC(bus.Admin)
	if _, err := admin.Request("q.jobs", []byte("no pack at all"), 5*time.Second); err != nil {
		t.Fatal(err)
	}
	texts := bus.Queue[string]{Name: "jobs"} // other than what the consumer reads
	p, err := texts.Publisher(srv.Conn("front"))
	if err != nil {
		t.Fatal(err)
	}
	until(t, "published", func() bool { return p.Publish(t.Context(), "not a job") == nil })
	stop := consume(t, srv.Conn("back"), func(context.Context, []job) ([]bus.Reject, error) {
		t.Error("want the handler left alone")
		return nil, nil
	})
	until(t, "queue empty", empty(t, admin))
	stop()
	letters := dead(t, admin)
	if len(letters) != 2 || letters[0].Index != -1 || string(letters[0].Body) != "no pack at all" || string(letters[1].Body) != `"not a job"` {
		t.Errorf("want both as dead letters, got %+v", letters)
	}
}

func TestDeadLettersAreReplayedAndDropped(t *testing.T) {
	t.Parallel()
	srv := natstest.NewGraph(t, graph(t))
	admin := srv.NC(bus.Admin)
	publishAll(t, srv.Conn("front"), 0, 3)
	var cured atomic.Bool
	var got tally
	consume(t, srv.Conn("back"), func(_ context.Context, batch []job) (rejects []bus.Reject, _ error) {
		if cured.Load() {
			got.add(batch)
			return nil, nil
		}
		for i := range batch {
			rejects = append(rejects, bus.Reject{Index: i, Err: errors.New("not yet")})
		}
		return rejects, nil
	})
	until(t, "three dead letters", func() bool { return len(dead(t, admin)) == 3 })
	cured.Store(true)
	door := letters(t, admin)
	letters := dead(t, admin)
	for _, d := range letters[:2] {
		if err := door.Replay(t.Context(), d.Seq); err != nil {
			t.Fatal(err)
		}
	}
	if err := door.Discard(t.Context(), letters[2].Seq); err != nil {
		t.Fatal(err)
	}
	until(t, "two handled", func() bool { return got.count() == 2 })
	if rest := dead(t, admin); len(rest) != 0 {
		t.Errorf("want none left, got %+v", rest)
	}
	for what, err := range map[string]error{
		"replay": door.Replay(t.Context(), letters[0].Seq),
		"drop":   door.Discard(t.Context(), letters[0].Seq),
	} {
		if fault.KindOf(err) != fault.Unknown {
			t.Errorf("%s again: want unknown, got %v", what, err)
		}
	}
}

func TestAStoppedConsumerFinishesItsBatchAndGivesBackTheRest(t *testing.T) {
	t.Parallel()
	srv := natstest.NewGraph(t, graph(t))
	admin := srv.NC(bus.Admin)
	front := srv.Conn("front")
	for n := range 40 { // one by one: many packs
		publishAll(t, front, n, n+1)
	}
	entered, leave := make(chan struct{}, 2), make(chan struct{})
	var first, second tally
	stop := consume(t, srv.Conn("back"), func(ctx context.Context, batch []job) ([]bus.Reject, error) {
		entered <- struct{}{}
		<-leave
		if ctx.Err() != nil {
			t.Error("want the batch in hand to keep its context")
		}
		first.add(batch)
		return nil, nil
	})
	<-entered
	var stopped sync.WaitGroup
	stopped.Go(stop)
	close(leave)
	stopped.Wait()
	if first.count() == 0 {
		t.Fatal("want the batch in hand finished")
	}
	start := time.Now()
	consume(t, srv.Conn("back"), func(_ context.Context, batch []job) ([]bus.Reject, error) {
		second.add(batch)
		return nil, nil
	})
	until(t, "queue empty", empty(t, admin))
	if first.count()+second.count() != 40 {
		t.Errorf("want 40 handled once, got %d and %d", first.count(), second.count())
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("want what was fetched given back at once, it took %s", took)
	}
}

func TestOnlyBoundServicesUseAnEdge(t *testing.T) {
	t.Parallel()
	srv := natstest.NewGraph(t, graph(t))
	front, back := srv.Conn("front"), srv.Conn("back")
	handle := func(context.Context, []job) ([]bus.Reject, error) { return nil, nil }
	_, publish := jobs.Publisher(back)
	_, other := bus.Queue[job]{Name: "nope"}.Publisher(front)
	_, call := sum.Client(back)
	for what, err := range map[string]error{
		"publish": publish, "publish to nothing": other, "call": call,
		"consume": jobs.Consume(t.Context(), front, handle),
		"serve":   sum.Serve(t.Context(), front, add),
		"watch":   settings.Watch(t.Context(), front, func(string, *setting) {}, func() {}),
		"put":     settings.Put(t.Context(), back, "k", setting{}),
		"delete":  settings.Delete(t.Context(), back, "k"),
	} {
		if fault.KindOf(err) != fault.Denied {
			t.Errorf("%s: want denied, got %v", what, err)
		}
	}
	if _, err := bus.Connect(t.Context(), bus.Options{Service: "stranger", Graph: graph(t)}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("stranger: want invalid, got %v", err)
	}
}

func TestMessagesAboveTheBoundAreRefused(t *testing.T) {
	t.Parallel()
	srv := natstest.NewGraph(t, graph(t))
	p, err := jobs.Publisher(srv.Conn("front"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Publish(t.Context(), job{Text: strings.Repeat("x", 5<<20)}); fault.KindOf(err) != fault.TooLarge {
		t.Errorf("want too large, got %v", err)
	}
	large := job{Text: strings.Repeat("x", 3<<20)}
	until(t, "3 MiB published", func() bool { return p.Publish(t.Context(), large) == nil })
}

func TestAFullQueueIsUnavailable(t *testing.T) {
	t.Parallel()
	srv := natstest.NewGraph(t, graph(t))
	admin := srv.NC(bus.Admin)
	js, err := jetstream.New(admin)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), "JOBS")
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.CachedInfo().Config
	cfg.MaxBytes = 64 << 10
	if _, err := js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	p, err := jobs.Publisher(srv.Conn("front"))
	if err != nil {
		t.Fatal(err)
	}
	until(t, "refused because of the size", func() bool {
		err := p.Publish(t.Context(), job{Text: strings.Repeat("x", 10<<10)})
		if err != nil && fault.KindOf(err) != fault.Unavailable {
			t.Fatalf("want unavailable, got %v", err)
		}
		return err != nil && strings.Contains(err.Error(), "maximum bytes")
	})
}

// TestNeighboursOfABadMessageDoNotWaitForItsRetries: while the pack that holds it waits, the others of
// the pack are done, after few calls.
func TestNeighboursOfABadMessageDoNotWaitForItsRetries(t *testing.T) {
	t.Parallel()
	text := strings.Replace(testGraph, "backoff: [1ms, 2ms]", "backoff: [10m]", 1)
	g, err := bus.ParseGraph([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	srv := natstest.NewGraph(t, g)
	const want, poison = 100, 41
	p, err := jobs.Publisher(srv.Conn("front"))
	if err != nil {
		t.Fatal(err)
	}
	all := make([]job, want) // one pack
	for n := range all {
		all[n].N = n
	}
	until(t, "published", func() bool { return p.PublishAll(t.Context(), all) == nil })
	var got tally
	var calls atomic.Int32
	consume(t, srv.Conn("back"), func(_ context.Context, batch []job) ([]bus.Reject, error) {
		calls.Add(1)
		if slices.ContainsFunc(batch, func(j job) bool { return j.N == poison }) {
			return nil, errors.New("constraint violated")
		}
		got.add(batch)
		return nil, nil
	})
	until(t, "the neighbours are done", func() bool { return got.count() == want-1 })
	if most := int32(1 + 2*7*2); calls.Load() > most { // two packs at most, each halved seven times
		t.Errorf("want %d calls at most, got %d", most, calls.Load())
	}
	if letters := dead(t, srv.NC(bus.Admin)); len(letters) != 0 {
		t.Errorf("the bad one was given up before its retries: %+v", letters)
	}
}
