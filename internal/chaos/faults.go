package main

import (
	"context"
	"fmt"
	"math/rand/v2"
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
	// loses tells that what waits in the queue goes with it: the fault itself counts how much.
	loses bool
	needs string // what the machine must have or be: "root", "strace"
	// alone asks for a world of another kind than most, or of its own, made so; place names it, for those
	// that share one.
	alone func(*fleet.Options)
	place string
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
		{id: "F09", name: "leader of three NATS servers killed", run: leadersKilled, long: true, alone: clustered, place: "three NATS servers"},
		{id: "F11", name: "kill -9 Postgres", run: killedPostgres},
		{id: "F12", name: "Postgres away", run: postgresAway},
		{id: "F14", name: "Postgres half a second slower at each exchange", run: slow("-postgres", link{latency: 250 * time.Millisecond})},
		{id: "F14", name: "each sync of Postgres 200 ms late", run: slowSyncs, long: true, needs: "strace"},
		{id: "F19", name: "processor at a tenth of its speed", run: throttled, long: true},
		{id: "F20", name: "unparsable event, 1 in 20", run: poisoned},
		{id: "F21", name: "clocks of SDKs a day off", run: skewedClocks, long: true},
		{id: "F22", name: "every event 8 times at once, some 100 times", run: repeated},
		{id: "F23", name: "1 of 100 breaks a constraint", run: oneBad, long: true},
		{id: "F28", name: "links of 10 KB/s and 20 ms that lose 1 in 20", run: slow("processor-", link{latency: 20 * time.Millisecond, rate: 10_000, loss: 5}), long: true},
		{id: "F29", name: "schema changed under load", run: migrated, long: true},
		{id: "F31", name: "200 bodies of 100 MB, ingest held to 256 MiB", run: bombed, refuses: true, long: true, needs: "root", alone: func(*fleet.Options) {}},
		{id: "F32", name: "10,000 idle and slow connections", run: crowded, long: true},
		{id: "F33", name: "ten times the load", run: surge, refuses: true},
		{id: "F34", name: "one hot issue", run: hot, long: true},
		{id: "F35", name: "every event a new issue", run: allNew, long: true},
		{id: "F38", name: "queue's folder lost", run: queueLost, refuses: true, long: true, loses: true, alone: one},
		{id: "F39", name: "release that fails at every event", run: badRelease, long: true},
		{id: "F08", name: "power cut (crash images of the disk)", run: powerCut, refuses: true, long: true, needs: "root", alone: onDisk},
		{id: "F15", name: "Postgres' disk full", run: full("postgres", nothingDead), long: true, needs: "root", alone: small("postgres", 1024)},
		{id: "F16", name: "NATS' disk full", run: full("nats", restartNATS), long: true, needs: "root", alone: small("nats", 128)},
		{id: "F16", name: "NATS' stream full (max_bytes)", run: streamFull, long: true},
		{id: "F17", name: "spool full while NATS is away", run: spoolFull, refuses: true, long: true, alone: func(o *fleet.Options) {
			o.Args = map[string][]string{"ingest": {"--spool-bytes", fmt.Sprint(4 << 20)}}
		}},
		{id: "F18", name: "fsync of the spool fails (EIO)", run: syncFails, needs: "strace", refuses: true, long: true},
		{id: "F18", name: "fsync of NATS fails (EIO)", run: syncFailsInNATS, needs: "strace", long: true},
		{id: "F18", name: "fsync of Postgres fails (EIO)", run: syncFailsInPostgres, needs: "strace", long: true},
		{id: "S01", name: "own errors, reported to ourselves", run: ownErrors, refuses: true, long: true, alone: func(*fleet.Options) {}},
		{id: "F36", name: "rolling restart (SIGTERM), two ingests", run: rolling},
	}
	list = append(list,
		fault{id: "F10", name: "bit rot on one of three NATS servers", run: rotted, long: true, alone: clustered, place: "three NATS servers"},
		fault{id: "F13", name: "Postgres lost, its standby promoted", run: failedOver, long: true, alone: followed},
		mailed(),
		fault{id: "F26", name: "chat answers 429", run: chatLimits, long: true},
		fault{id: "F40", name: "two of each program, the first hang and come back", run: twoOfEach, long: true},
		fault{id: "F27", name: "partition notifier ↔ world", run: worldAway, long: true},
		fault{id: "F27", name: "NATS leader cut off from its peers", run: leaderCutOff, long: true, alone: clustered, place: "three NATS servers"})
	for _, pair := range []string{"ingest-nats", "processor-nats", "processor-postgres", "notifier-nats", "web-postgres"} {
		list = append(list, fault{id: "F27", name: "partition " + strings.Replace(pair, "-", " ↔ ", 1), run: partition(pair), long: pair[0] == 'n' || pair[0] == 'w'})
	}
	for i := range list {
		if f := &list[i]; f.alone != nil && f.place == "" {
			f.place = f.id + " " + f.name
		}
	}
	return list
}

type action = func(ctx context.Context, w *world, rng *rand.Rand) error

// killed kills a program at a random moment and starts it again, several times.
func killed(name string) action {
	return func(ctx context.Context, w *world, rng *rand.Rand) error {
		var longest time.Duration
		for range w.o.kills {
			w.hold(ctx, rng.Float64()/2)
			w.kill(name)
			if name != "ingest" {
				w.hold(ctx, rng.Float64()/4)
			}
			began := time.Now()
			if err := w.start(name); err != nil {
				return err
			}
			if name != "nats" {
				if err := w.Ready(ctx, name); err != nil {
					return err
				}
				longest = max(longest, time.Since(began))
			}
		}
		if longest > 0 {
			w.note = fmt.Sprintf("%s was ready again within %.1f s of each of %d kills", name, longest.Seconds(), w.o.kills)
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

func (w *world) each(part string, f func(*fleet.Proxy)) {
	for name, l := range w.Links {
		if strings.Contains(name, part) {
			f(l)
		}
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

// link is how bad a link is made.
type link struct {
	latency time.Duration // of each piece
	rate    int64         // bytes a second; zero: as fast as it goes
	loss    int64         // of 100 pieces, those that come a retransmission late
}

func slow(part string, bad link) action {
	return func(ctx context.Context, w *world, _ *rand.Rand) error {
		w.each(part, func(l *fleet.Proxy) {
			l.Latency.Store(int64(bad.latency))
			l.Rate.Store(bad.rate)
			l.Loss.Store(bad.loss)
		})
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
	before, err := w.deadLetters(ctx)
	if err != nil {
		return err
	}
	for range poison {
		id := fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64())
		body := fmt.Sprintf("{\"event_id\":%q}\n{\"type\":\"event\",\"length\":11}\n{\"message\":\n", id)
		if status, err := w.load.post(ctx, []byte(body)); err != nil || status != 200 {
			return fmt.Errorf("poison: %d %w", status, err)
		}
		w.hold(ctx, 0.05)
	}
	return w.await(ctx, 30*time.Second, func() error {
		n, err := w.deadLetters(ctx)
		if err == nil && n-before != poison {
			err = fmt.Errorf("%d of %d events that nobody can read are dead letters", n-before, poison)
		}
		return err
	})
}

func surge(ctx context.Context, w *world, _ *rand.Rand) error {
	rate := w.load.rate.Load()
	w.load.rate.Store(10 * rate)
	w.hold(ctx, 1)
	w.load.rate.Store(rate)
	return nil
}
