package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// faultLimit is how long one fault may take, until all of it is healed and checked.
const faultLimit = 4 * time.Minute

// ofFaults tells the chances of faults from those of the load, whose workers are counted from zero: no two
// events may have one id.
const ofFaults = 1 << 32

// runner breaks one world after the other.
type runner struct {
	o      options
	out    io.Writer
	rng    *rand.Rand
	began  time.Time
	world  *world   // that the last fault left; nil before the first, and after one that broke it
	place  string   // what that world is for
	later  []func() // checks, when they are left to the end
	report report
}

// run breaks worlds by every fault of the set and prints what came of it.
func run(ctx context.Context, o options, out io.Writer) *report {
	r := &runner{o: o, out: out, rng: rand.New(rand.NewPCG(o.seed, ofFaults)), began: time.Now()}
	r.report = describe(ctx, o, r.began)
	fmt.Fprintf(out, "chaos: %s, seed %d, set %s, %d events/s of recorded SDK traffic, faults of %s, %d kills\n", r.report.Version, o.seed, o.set, o.rate, o.hold, o.kills)
	list := chosen(o)
	r.rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	// One world after the other, the common one first: when the next begins, its disk and memory are free.
	slices.SortStableFunc(list, func(a, b fault) int { return strings.Compare(a.place, b.place) })
	for i, f := range list {
		fmt.Fprintf(out, "%s  %d of %d: %s %s\n", time.Now().Format(time.TimeOnly), i+1, len(list), f.id, f.name)
		r.one(ctx, f)
		r.report.Seconds = time.Since(r.began).Seconds()
		r.report.save()
	}
	r.leave(ctx)
	r.report.Seconds = time.Since(r.began).Seconds()
	r.report.sort()
	r.report.save()
	r.report.print(out)
	return &r.report
}

// chosen is the faults of the set, or those named.
func chosen(o options) []fault {
	list := faults()
	if o.previous != "" {
		list = append(list, skew(o))
	}
	return slices.DeleteFunc(list, func(f fault) bool {
		named := slices.Contains(strings.Split(o.only, ","), f.id)
		return o.only != "" && !named || f.id[0] == 'L' && !named || o.set == "short" && f.long
	})
}

// one runs a fault, in the shared world or in one of its own, and enters what came of it.
func (r *runner) one(ctx context.Context, f fault) {
	row := row{Fault: f.id, Name: f.name, Seed: r.o.seed}
	if row.NotRun = r.cannot(ctx, f); row.NotRun != "" {
		r.report.Faults = append(r.report.Faults, row)
		return
	}
	began := time.Now()
	if err := r.enter(ctx, f); err != nil {
		row.fail(ctx, err)
		r.report.Faults = append(r.report.Faults, row)
		return
	}
	limited, cancel := context.WithTimeout(ctx, time.Duration(r.o.patience)*faultLimit)
	row, settle := r.world.suffer(limited, f, r.rng)
	r.report.Faults = append(r.report.Faults, row)
	at := len(r.report.Faults) - 1
	check := func() {
		defer cancel()
		now := &r.report.Faults[at]
		settle(now)
		if ctx.Err() != nil {
			now.Failure, now.NotRun = "", "interrupted"
		}
		now.Took = time.Since(began).Seconds()
		r.world.broken = r.world.broken || now.Failure != ""
	}
	if r.o.together {
		r.later = append(r.later, check)
		return
	}
	check()
	if r.world.broken { // the faults to come get one that is whole
		r.leave(ctx)
	}
}

// cannot says why a fault is not run; empty: it is.
func (r *runner) cannot(ctx context.Context, f fault) string {
	switch {
	case ctx.Err() != nil:
		return "interrupted"
	case time.Since(r.began) > r.o.limit:
		return fmt.Sprintf("out of time: the limit is %s", r.o.limit)
	case f.needs == "root" && os.Geteuid() != 0:
		return "needs root"
	case f.needs == "strace":
		if _, err := exec.LookPath("strace"); err != nil {
			return "needs strace"
		}
	}
	return ""
}

// enter makes the world that a fault needs, unless it is there, and starts the load on it.
func (r *runner) enter(ctx context.Context, f fault) error {
	if r.world != nil && r.place == f.place {
		return nil
	}
	r.leave(ctx)
	w, err := build(ctx, r.o, f.alone)
	if err != nil {
		return err
	}
	if err := w.begin(ctx); err != nil {
		err = fmt.Errorf("%w\n%s", err, w.Log(4000))
		w.close()
		return err
	}
	r.world, r.place = w, f.place
	return nil
}

// leave makes the checks that were left, holds all that the world was through against the invariants,
// unless it is broken, and ends it.
func (r *runner) leave(ctx context.Context) {
	for _, check := range r.later {
		check()
	}
	r.later = nil
	if r.world == nil {
		return
	}
	if !r.world.broken && ctx.Err() == nil {
		r.report.Invariants.hold(ctx, r.world)
	}
	r.world.close()
	r.world = nil
}

// suffer runs one fault. What it returns checks what became of everything that was acknowledged
// meanwhile.
func (w *world) suffer(ctx context.Context, f fault, rng *rand.Rand) (row, func(*row)) {
	r := row{Fault: f.id, Name: f.name, Seed: w.o.seed}
	sent, refused, cut := w.load.sent.Load(), w.load.refused.Load(), w.load.cut.Load()
	before := w.load.ledger.count()
	w.note, w.alerts, w.loses = "", tally{}, w.loses || f.loses
	w.load.lap()
	failure := f.run(ctx, w, rng)
	r.Note, r.tally = w.note, w.alerts
	r.P99 = float64(w.load.lap().Microseconds()) / 1000
	healed := time.Now()
	ids := w.load.ledger.fresh()
	r.Sent, r.Acked, r.Refused, r.Cut = w.load.sent.Load()-sent, w.load.ledger.count()-before, w.load.refused.Load()-refused, w.load.cut.Load()-cut
	w.db.Reset() // its connections may be of a Postgres that is gone
	return r, func(r *row) {
		settled := w.settle(ctx, r, ids, healed)
		switch {
		case failure != nil:
			r.Failure = failure.Error()
		case settled != nil:
			r.Failure = settled.Error()
		case !f.refuses && r.Refused+r.Cut > 0:
			r.Failure = fmt.Sprintf("%d answers were not 2xx and %d cut off", r.Refused, r.Cut)
		case r.Acked == 0:
			r.Failure = "nothing was acknowledged"
		}
		if r.Failure != "" && ctx.Err() != nil {
			r.Failure = fmt.Sprintf("not over within %s: %s", time.Duration(w.o.patience)*faultLimit, r.Failure)
		}
	}
}

// settle waits until everything acknowledged is stored, and counted once.
func (w *world) settle(ctx context.Context, r *row, ids []string, healed time.Time) error {
	err := w.await(ctx, 90*time.Second, func() (err error) {
		if r.Lost, err = w.missing(ctx, ids); err == nil && r.Lost > 0 {
			err = fmt.Errorf("%d acknowledged events are not stored", r.Lost)
		}
		return err
	})
	r.Recovery = time.Since(healed).Seconds()
	if err != nil {
		return err
	}
	if strings.Contains(w.Log(64<<20), "permission denied") {
		return errors.New("a service lacks a right that it needs; see the log")
	}
	return w.await(ctx, time.Minute, func() (err error) {
		if r.Duplicated, err = w.doubled(ctx); err == nil && r.Duplicated != 0 {
			err = fmt.Errorf("%d events more counted than stored", r.Duplicated)
		}
		return err
	})
}

// missing is how many of ids are not stored.
func (w *world) missing(ctx context.Context, ids []string) (n int, err error) {
	err = w.db.QueryRow(ctx, `select count(*) from unnest($1::uuid[]) a(id)
		where not exists (select from events e join event_seen s on s.project_id = e.project_id and s.event_id = e.event_id where e.event_id = a.id and e.project_id = $2::bigint)`, ids, w.ProjectID).Scan(&n)
	return n, err
}

// doubled is how many events are stored or counted more than once. One statement sees one moment,
// facts that wait to be folded included in neither side, so it comes to zero when those are folded.
func (w *world) doubled(ctx context.Context) (n int, err error) {
	err = w.db.QueryRow(ctx, `select greatest((select count(*) from events) - (select count(*) from event_seen),
		(select coalesce(sum(times_seen), 0) from issues) - (select count(*) from event_seen))::int`).Scan(&n)
	return max(n, 0), err
}
