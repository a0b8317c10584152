package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"
)

// fault is one way to break the world. Run returns when it is healed again.
type fault struct {
	id, name string
	run      func(ctx context.Context, w *world, rng *rand.Rand) error
	// refuses tells that clients may get other answers than 2xx: their events are not acknowledged,
	// so they are not lost, but only these faults excuse it.
	refuses bool
	long    bool // left out of the short set
}

// hold is how long a fault lasts.
func (w *world) hold(ctx context.Context, part float64) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(part * float64(w.o.hold))):
	}
}

func faults() []fault {
	list := []fault{
		{"F01", "kill -9 ingest", killed("ingest"), true, false},
		{"F02", "kill -9 processor", killed("processor"), false, false},
		{"F02c", "answer to a commit cut off", cutCommits, false, false},
		{"F03", "kill -9 notifier", killed("notifier"), false, false},
		{"F03a", "kill -9 notifier while alerts go out", killedAlerting, false, true},
		{"F05", "1 of 10 destinations hangs", hanging, false, true},
		{"L01", "1,000 rules under load", manyRuled, false, true},
		{"F04", "kill -9 web", killed("web"), false, true},
		{"F06", "kill -9 NATS", killed("nats"), false, false},
		{"F07", "NATS hangs (SIGSTOP)", stopped("nats"), false, false},
		{"F11", "Postgres killed", func(ctx context.Context, w *world, _ *rand.Rand) error {
			err := w.killPostgres()
			w.hold(ctx, 1)
			return err
		}, false, false},
		{"F12", "Postgres away", away("-postgres"), false, false},
		{"F14", "Postgres 50 ms slower each way", slow("-postgres", 50*time.Millisecond, 0), false, false},
		{"F19", "processor at a tenth of its speed", throttled, false, true},
		{"F20", "unparsable event, 1 in 20", poisoned, false, false},
		{"F22", "every event 8 times at once", repeated, false, false},
		{"F28", "links of 20 KB/s and 20 ms", slow("processor-", 20*time.Millisecond, 20_000), false, true},
		{"F33", "ten times the load", surge, true, false},
		{"F34", "one hot issue", hot, false, true},
		{"F36", "rolling restart (SIGTERM)", rolling, true, false},
	}
	for _, pair := range []string{"ingest-nats", "processor-nats", "processor-postgres", "notifier-nats", "web-postgres"} {
		list = append(list, fault{"F27", "partition " + strings.Replace(pair, "-", " ↔ ", 1), partition(pair), false, pair[0] == 'n' || pair[0] == 'w'})
	}
	return list
}

type action = func(ctx context.Context, w *world, rng *rand.Rand) error

// killed kills a program at a random moment and starts it again, several times.
func killed(name string) action {
	return func(ctx context.Context, w *world, rng *rand.Rand) error {
		for range w.o.kills {
			w.hold(ctx, rng.Float64()/2)
			w.kill(name)
			if name != "ingest" {
				w.hold(ctx, rng.Float64()/4)
			}
			if err := w.start(name); err != nil {
				return err
			}
			if name != "nats" {
				if err := w.ready(ctx, name); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

func stopped(name string) action {
	return func(ctx context.Context, w *world, _ *rand.Rand) error {
		w.signal(name, syscall.SIGSTOP)
		w.hold(ctx, 1)
		w.signal(name, syscall.SIGCONT)
		return nil
	}
}

// throttled lets the processor run a tenth of the time.
func throttled(ctx context.Context, w *world, _ *rand.Rand) error {
	for end := time.Now().Add(2 * w.o.hold); time.Now().Before(end) && ctx.Err() == nil; {
		w.signal("processor", syscall.SIGSTOP)
		time.Sleep(180 * time.Millisecond)
		w.signal("processor", syscall.SIGCONT)
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

func (w *world) each(part string, f func(*proxy)) {
	for name, l := range w.links {
		if strings.Contains(name, part) {
			f(l)
		}
	}
}

// away cuts every link of a kind and lets none be made.
func away(part string) action {
	return func(ctx context.Context, w *world, _ *rand.Rand) error {
		w.each(part, func(l *proxy) { l.silent.Store(true); l.reset() })
		w.hold(ctx, 1)
		w.each(part, (*proxy).heal)
		return nil
	}
}

// partition makes one link silent without closing it, as a firewall that forgot a connection does.
func partition(pair string) action {
	return func(ctx context.Context, w *world, _ *rand.Rand) error {
		w.links[pair].silent.Store(true)
		w.hold(ctx, 1.5)
		w.links[pair].heal()
		return nil
	}
}

func slow(part string, latency time.Duration, rate int64) action {
	return func(ctx context.Context, w *world, _ *rand.Rand) error {
		w.each(part, func(l *proxy) { l.latency.Store(int64(latency)); l.rate.Store(rate) })
		w.hold(ctx, 1)
		w.each(part, (*proxy).heal)
		return nil
	}
}

// cutCommits cuts the processor's connection when a commit is answered, several times: it does not
// learn that it committed, and must not count anything twice.
func cutCommits(ctx context.Context, w *world, rng *rand.Rand) error {
	link := w.links["processor-postgres"]
	for range 3 * w.o.kills {
		link.cutAt.Store(1 + rng.Int64N(5))
		w.hold(ctx, 0.15)
	}
	link.heal()
	return nil
}

// poisoned sends events among the others that nobody can parse; they end as dead letters.
func poisoned(ctx context.Context, w *world, rng *rand.Rand) error {
	const poison = 10
	for range poison {
		id := fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64())
		body := fmt.Sprintf("{\"event_id\":%q}\n{\"type\":\"event\",\"length\":11}\n{\"message\":\n", id)
		if status, err := w.load.post(ctx, []byte(body)); err != nil || status != 200 {
			return fmt.Errorf("poison: %d %w", status, err)
		}
		w.hold(ctx, 0.05)
	}
	return await(ctx, 30*time.Second, func() error {
		out, err := w.run(ctx, "dlq", "list", "--url", w.URL, "--token", w.AuthToken)
		if err == nil && !slices.Contains(strings.Fields(string(out)), fmt.Sprint(poison)) {
			err = fmt.Errorf("dlq list prints %s", out)
		}
		return err
	})
}

func repeated(ctx context.Context, w *world, _ *rand.Rand) error {
	w.load.repeat.Store(8)
	w.hold(ctx, 1)
	w.load.repeat.Store(1)
	return nil
}

func surge(ctx context.Context, w *world, _ *rand.Rand) error {
	rate := w.load.rate.Load()
	w.load.rate.Store(10 * rate)
	w.hold(ctx, 1)
	w.load.rate.Store(rate)
	return nil
}

func hot(ctx context.Context, w *world, _ *rand.Rand) error {
	w.load.hot.Store(true)
	w.hold(ctx, 1)
	w.load.hot.Store(false)
	return nil
}

// rolling ends every program in order and starts it again, one after the other.
func rolling(ctx context.Context, w *world, _ *rand.Rand) error {
	for _, s := range services {
		w.signal(s, syscall.SIGTERM)
		select {
		case <-w.programs[s].done:
		case <-time.After(12 * time.Second):
			return fmt.Errorf("%s did not end within 12 s of SIGTERM", s)
		}
		if err := w.start(s); err != nil {
			return err
		}
		if err := w.ready(ctx, s); err != nil {
			return err
		}
	}
	return nil
}
