package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tocsin-dev/tocsin/internal/testkit/fleet"
)

// fault is one way to break the world. Run returns when it is healed again.
type fault struct {
	id, name string
	run      func(ctx context.Context, w *world, rng *rand.Rand) error
	// refuses tells that clients may get other answers than 2xx: their events are not acknowledged,
	// so they are not lost, but only these faults excuse it.
	refuses bool
	long    bool // left out of the short set
	// alone asks for a world of its own, made so.
	alone func(*fleet.Options)
}

// hold is how long a fault lasts: a part of the time, and on a machine that is too busy to send in it
// until some of the events of that time were answered.
func (w *world) hold(ctx context.Context, part float64) {
	sent := w.load.sent.Load() + int64(part*w.o.hold.Seconds()*float64(w.load.rate.Load())/4)
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(part * float64(w.o.hold))):
	}
	_ = fleet.Await(ctx, time.Minute, func() error { // the check tells what it means when nothing is sent
		if n := w.load.sent.Load(); n < sent {
			return fmt.Errorf("%d of %d events are sent", n, sent)
		}
		return nil
	})
}

func faults() []fault {
	list := []fault{
		{id: "F01", name: "kill -9 ingest", run: killed("ingest"), refuses: true},
		{id: "F02", name: "kill -9 processor", run: killed("processor")},
		{id: "F02c", name: "answer to a commit cut off", run: cutCommits},
		{id: "F03", name: "kill -9 notifier", run: killed("notifier")},
		{id: "F03a", name: "kill -9 notifier while alerts go out", run: killedAlerting, long: true},
		{id: "F04", name: "kill -9 web", run: killed("web")},
		{id: "F04b", name: "kill -9 web while it resolves 1,000 issues", run: killedResolving, long: true},
		{id: "F05", name: "kill -9 tocsin up", run: killed("tocsin"), refuses: true, long: true, alone: one},
		{id: "F24", name: "1 of 10 destinations hangs", run: hanging, long: true},
		{id: "F24b", name: "eight kinds of bad destinations", run: badDestinations, long: true},
		{id: "L01", name: "1,000 rules under load", run: manyRuled, long: true},
		stormy(),
		{id: "F06", name: "kill -9 NATS", run: killed("nats")},
		{id: "F07", name: "NATS hangs (SIGSTOP)", run: stopped("nats")},
		{id: "F09", name: "leader of three NATS servers killed", run: leadersKilled, long: true, alone: clustered},
		{id: "F11", name: "kill -9 Postgres", run: killedPostgres},
		{id: "F12", name: "Postgres away", run: away("-postgres")},
		{id: "F14", name: "Postgres 50 ms slower each way", run: slow("-postgres", 50*time.Millisecond, 0)},
		{id: "F19", name: "processor at a tenth of its speed", run: throttled, long: true},
		{id: "F20", name: "unparsable event, 1 in 20", run: poisoned},
		{id: "F21", name: "clocks of SDKs a day off", run: skewedClocks, long: true},
		{id: "F22", name: "every event 8 times at once", run: repeated},
		{id: "F23", name: "1 of 100 breaks a constraint", run: oneBad, long: true},
		{id: "F28", name: "links of 20 KB/s and 20 ms", run: slow("processor-", 20*time.Millisecond, 20_000), long: true},
		{id: "F29", name: "schema changed under load", run: migrated, long: true},
		{id: "F31", name: "200 bodies of 100 MB, ingest held to 256 MiB", run: bombed, refuses: true, long: true, alone: func(*fleet.Options) {}},
		{id: "F32", name: "10,000 idle and slow connections", run: crowded, long: true},
		{id: "F33", name: "ten times the load", run: surge, refuses: true},
		{id: "F34", name: "one hot issue", run: hot, long: true},
		{id: "F35", name: "every event a new issue", run: allNew, long: true},
		{id: "F38", name: "queue's folder lost", run: queueLost, refuses: true, long: true, alone: one},
		{id: "F39", name: "release that fails at every event", run: badRelease, long: true},
		{id: "F08", name: "power cut (5 crash images of the disk)", run: powerCut, refuses: true, long: true, alone: onDisk},
		{id: "F15", name: "Postgres' disk full", run: full("postgres", nothingDead), long: true, alone: small("postgres", 512)},
		{id: "F16", name: "NATS' disk full", run: full("nats", restartNATS), long: true, alone: small("nats", 96)},
		{id: "F17", name: "spool full while NATS is away", run: spoolFull, refuses: true, long: true, alone: func(o *fleet.Options) {
			o.Args = map[string][]string{"ingest": {"--spool-bytes", fmt.Sprint(4 << 20)}}
		}},
		{id: "F18", name: "fsync of the spool fails (EIO)", run: syncFails, refuses: true, long: true, alone: func(*fleet.Options) {}},
		{id: "F18", name: "fsync of NATS fails (EIO)", run: syncFailsInNATS, long: true, alone: func(*fleet.Options) {}},
		{id: "F18", name: "fsync of Postgres fails (EIO)", run: syncFailsInPostgres, long: true, alone: func(*fleet.Options) {}},
		{id: "S01", name: "own errors, reported to ourselves", run: ownErrors, refuses: true, long: true, alone: func(*fleet.Options) {}},
		{id: "F36", name: "rolling restart (SIGTERM)", run: rolling, refuses: true},
	}
	for _, pair := range []string{"ingest-nats", "processor-nats", "processor-postgres", "notifier-nats", "web-postgres"} {
		list = append(list, fault{id: "F27", name: "partition " + strings.Replace(pair, "-", " ↔ ", 1), run: partition(pair), long: pair[0] == 'n' || pair[0] == 'w'})
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
				if err := w.Ready(ctx, name); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// killedPostgres kills the whole cluster, which its supervisor starts again.
func killedPostgres(ctx context.Context, w *world, _ *rand.Rand) error {
	err := w.KillPostgres()
	w.hold(ctx, 1)
	return err
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

func (w *world) each(part string, f func(*fleet.Proxy)) {
	for name, l := range w.Links {
		if strings.Contains(name, part) {
			f(l)
		}
	}
}

// away cuts every link of a kind and lets none be made.
func away(part string) action {
	return func(ctx context.Context, w *world, _ *rand.Rand) error {
		w.each(part, func(l *fleet.Proxy) { l.Silent.Store(true); l.Reset() })
		w.hold(ctx, 1)
		w.each(part, (*fleet.Proxy).Heal)
		return nil
	}
}

// partition makes one link silent without closing it, as a firewall that forgot a connection does.
func partition(pair string) action {
	return func(ctx context.Context, w *world, _ *rand.Rand) error {
		w.Links[pair].Silent.Store(true)
		w.hold(ctx, 1.5)
		w.Links[pair].Heal()
		return nil
	}
}

func slow(part string, latency time.Duration, rate int64) action {
	return func(ctx context.Context, w *world, _ *rand.Rand) error {
		w.each(part, func(l *fleet.Proxy) { l.Latency.Store(int64(latency)); l.Rate.Store(rate) })
		w.hold(ctx, 1)
		w.each(part, (*fleet.Proxy).Heal)
		return nil
	}
}

// cutCommits cuts the processor's connection when a commit is answered, several times: it does not
// learn that it committed, and must not count anything twice.
func cutCommits(ctx context.Context, w *world, rng *rand.Rand) error {
	link := w.Links["processor-postgres"]
	for range 3 * w.o.kills {
		link.CutAt.Store(1 + rng.Int64N(5))
		w.hold(ctx, 0.15)
	}
	link.Heal()
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
	return w.await(ctx, 30*time.Second, func() error {
		out, err := w.Tocsin(ctx, "dlq", "list", "--url", w.URL, "--token", w.AuthToken)
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
	for _, s := range fleet.Services {
		w.signal(s, syscall.SIGTERM)
		select {
		case <-w.Programs[s].Done():
		case <-time.After(12 * time.Second):
			return fmt.Errorf("%s did not end within 12 s of SIGTERM", s)
		}
		if err := w.start(s); err != nil {
			return err
		}
		if err := w.Ready(ctx, s); err != nil {
			return err
		}
	}
	return nil
}
