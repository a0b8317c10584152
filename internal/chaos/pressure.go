package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	mostGrowth = 1.2      // of a program's memory while its consumer is slow
	someMemory = 32 << 20 // that a collector may owe, in bytes
)

// resident is the memory of a program, in bytes.
func (w *world) resident(name string) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.Program(name).PID()))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("the kernel does not tell of memory")
}

// throttled lets the processor run a tenth of the time: what comes meanwhile waits in the queue and in no
// program's memory, and the gauge that an alert looks at tells how old it is.
func throttled(ctx context.Context, w *world, _ *rand.Rand) error {
	programs := []string{"ingest", "processor", "nats"}
	before := map[string]int64{}
	for _, p := range programs {
		var err error
		if before[p], err = w.resident(p); err != nil {
			return err
		}
	}
	ended := make(chan struct{})
	go func() { // the processor rests and runs in turns
		defer close(ended)
		for end := time.Now().Add(3 * w.o.hold); time.Now().Before(end) && ctx.Err() == nil; {
			w.signal("processor", syscall.SIGSTOP)
			time.Sleep(180 * time.Millisecond)
			w.signal("processor", syscall.SIGCONT)
			time.Sleep(20 * time.Millisecond)
		}
	}()
	w.hold(ctx, 3)
	<-ended
	var parts []string
	var grown error
	for _, p := range programs {
		now, err := w.resident(p)
		if err != nil {
			return err
		}
		parts = append(parts, fmt.Sprintf("%s %d to %d MiB", p, before[p]>>20, now>>20))
		if float64(now) > mostGrowth*float64(before[p])+someMemory {
			grown = errors.Join(grown, fmt.Errorf("%s grew", p))
		}
	}
	oldest, err := w.metric(ctx, "web", "tocsin_queue_oldest_seconds")
	w.note = "memory " + strings.Join(parts, ", ")
	if oldest > 0 { // it is measured every ten seconds
		w.note += fmt.Sprintf("; the oldest message waited %.0f s by the gauge that the alert looks at", oldest)
	}
	if grown != nil {
		grown = fmt.Errorf("%w: %s", grown, w.note)
	}
	return errors.Join(grown, err)
}

const (
	drainedEvents = 3000
	leastHot      = 0.8 // of the rate of a spread load
)

// hot compares how fast events of one issue are stored with how fast those of many are, of a queue that is
// full of either.
func hot(ctx context.Context, w *world, _ *rand.Rand) error {
	rate := w.load.rate.Load()
	defer w.load.rate.Store(rate)
	defer w.load.hot.Store(false)
	var rates [2]float64
	for range 2 { // the better of two: a machine that others use has bad moments
		for i, one := range []bool{false, true} {
			got, err := w.drained(ctx, one)
			if err != nil {
				return err
			}
			rates[i] = max(rates[i], got)
		}
	}
	w.note = fmt.Sprintf("a full queue is stored at %.0f events/s of one issue, %.0f events/s of many: %.0f %%", rates[1], rates[0], 100*rates[1]/rates[0])
	if rates[1] < leastHot*rates[0] {
		return errors.New(w.note)
	}
	return nil
}

// drained is how many events a second are stored of a queue that was filled before.
func (w *world) drained(ctx context.Context, one bool) (float64, error) {
	if _, err := w.cli(ctx, "queue", "pause", "events", "--reason", "chaos fills the queue"); err != nil {
		return 0, err
	}
	before := w.load.ledger.count()
	w.load.hot.Store(one)
	w.load.rate.Store(10 * drainedEvents)
	err := w.await(ctx, 2*time.Minute, func() error {
		if n := w.load.ledger.count() - before; n < drainedEvents {
			return fmt.Errorf("%d of %d events were taken", n, drainedEvents)
		}
		return nil
	})
	w.load.rate.Store(1)
	if err != nil {
		return 0, err
	}
	time.Sleep(time.Second) // those on their way
	ids := w.load.ledger.all()[before:]
	if _, err := w.cli(ctx, "queue", "resume", "events"); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := w.await(ctx, 2*time.Minute, func() error { return w.missingAre(ctx, ids, 0) }); err != nil {
		return 0, err
	}
	return float64(len(ids)) / time.Since(began).Seconds(), nil
}

// repeated sends every event several times at once, and a few new issues a hundred times: each is stored
// and told once.
func repeated(ctx context.Context, w *world, rng *rand.Rand) error {
	const issues, times = 5, 100
	s := newSink(false)
	defer s.end()
	if err := w.tellNew(ctx, 1, func(int) string { return s.URL + "/repeated" }); err != nil {
		return err
	}
	defer w.forgetRules(ctx)
	w.load.repeat.Store(8)
	defer w.load.repeat.Store(1)
	w.hold(ctx, 0.5)
	for range issues {
		id := fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64())
		event := fmt.Sprintf(`{"event_id":%q,"message":"chaos repeated","fingerprint":["chaos",%q]}`, id, id)
		body := fmt.Appendf(nil, "{\"event_id\":%q}\n{\"type\":\"event\",\"length\":%d}\n%s\n", id, len(event), event)
		var sending errgroup.Group
		for range times {
			sending.Go(func() error {
				status, err := w.load.post(ctx, body)
				if err == nil && status != 200 {
					err = fmt.Errorf("a repetition was answered %d", status)
				}
				return err
			})
		}
		if err := sending.Wait(); err != nil {
			return err
		}
		w.load.ledger.add(id)
	}
	w.hold(ctx, 0.5)
	err := w.toldAll(ctx, s, issues)
	n, again, twice := s.told()
	w.tell(tally{Alerts: n, Repeated: again})
	w.note = fmt.Sprintf("%d new issues, each sent %d times at once, were told %d times", issues, times, n+again+twice)
	if err == nil && (n != issues || twice > 0 || again > 0) {
		err = errors.New(w.note)
	}
	return err
}
