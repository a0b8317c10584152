package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/tocsin-dev/tocsin/internal/testkit/fleet"
)

type options struct {
	bin   string
	seed  uint64
	set   string
	only  string
	rate  int64
	hold  time.Duration
	kills int
	// Of the faults that count alerts.
	alerts     int
	alertKills int
	json       string
	previous   string
	keep       bool
	// patience multiplies every deadline; together leaves what one fault did to be checked after all.
	patience int
	together bool
}

// row is what one fault did.
type row struct {
	Fault      string  `json:"fault"`
	Name       string  `json:"name"`
	Seed       uint64  `json:"seed"`
	Sent       int64   `json:"sent"`
	Acked      int     `json:"acknowledged"`
	Refused    int64   `json:"refused"`
	Cut        int64   `json:"cut_off"`
	Lost       int     `json:"lost"`
	Duplicated int     `json:"duplicated"`
	Recovery   float64 `json:"recovery_seconds"`
	Note       string  `json:"note,omitempty"`
	Failure    string  `json:"failure,omitempty"`
}

func main() {
	if fleet.ServeBroker() {
		return
	}
	o := options{patience: 1}
	flag.StringVar(&o.bin, "bin", "bin", "folder of the built programs")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()%1_000_000), "decides the order, the moments and the traffic")
	flag.StringVar(&o.set, "set", "long", "short or long")
	flag.StringVar(&o.only, "only", "", "faults to run, such as F02,F27")
	flag.Int64Var(&o.rate, "rate", 200, "events a second")
	flag.DurationVar(&o.hold, "hold", 10*time.Second, "how long a fault lasts")
	flag.IntVar(&o.kills, "kills", 5, "how often a program is killed")
	flag.IntVar(&o.alerts, "alerts", 10_000, "alerts that F03a and F24 cause")
	flag.IntVar(&o.alertKills, "alert-kills", 20, "how often F03a kills the notifier")
	flag.StringVar(&o.previous, "previous", "", "folder of the programs of the previous release: F30 replaces ours by them and back")
	flag.StringVar(&o.json, "json", "", "file for the report as JSON")
	flag.BoolVar(&o.keep, "keep", false, "leave the folder with data and logs")
	flag.Parse()
	_ = os.Setenv("TOCSIN_HEARTBEAT", "0s") // every event is counted: none but ours
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	rows, err := run(ctx, o, os.Stdout)
	if o.json != "" {
		text, failed := json.MarshalIndent(rows, "", "  ")
		if failed == nil {
			failed = os.WriteFile(o.json, text, 0o600)
		}
		err = errors.Join(err, failed)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		cancel()
		os.Exit(1)
	}
}

// run breaks a world by every fault of the set and prints the table. An error tells that something
// was lost, counted twice, or did not come back.
func run(ctx context.Context, o options, out io.Writer) ([]row, error) {
	fmt.Fprintf(out, "chaos: seed %d, set %s, %d events/s of recorded SDK traffic, faults of %s, %d kills\n", o.seed, o.set, o.rate, o.hold, o.kills)
	rng := rand.New(rand.NewPCG(o.seed, 1))
	list := chosen(o)
	rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	rows, err := sufferAll(ctx, o, list, rng, out)
	slices.SortStableFunc(rows, func(a, b row) int { return strings.Compare(a.Fault+a.Name, b.Fault+b.Name) })
	return rows, errors.Join(err, report(out, rows))
}

// chosen is the faults of the set, or those named.
func chosen(o options) []fault {
	list := faults()
	if o.previous != "" {
		list = append(list, skew(o))
	}
	return slices.DeleteFunc(list, func(f fault) bool {
		if o.only != "" {
			return !slices.Contains(strings.Split(o.only, ","), f.id)
		}
		return o.set == "short" && f.long
	})
}

// sufferAll breaks one world by every fault, and those that need a world of their own in one each.
func sufferAll(ctx context.Context, o options, list []fault, rng *rand.Rand, out io.Writer) ([]row, error) {
	var rows []row
	shared, done, err := enter(ctx, o, nil)
	if err != nil {
		return nil, err
	}
	defer done()
	var later []func()
	for i, f := range list {
		fmt.Fprintf(out, "%s  %d of %d: %s %s\n", time.Now().Format(time.TimeOnly), i+1, len(list), f.id, f.name)
		w, leave := shared, func() {}
		if f.alone != nil {
			rate := shared.load.rate.Swap(1) // the machine is for the other world
			own, end, err := enter(ctx, o, f.alone)
			if err != nil {
				shared.load.rate.Store(rate)
				rows = append(rows, row{Fault: f.id, Name: f.name, Seed: o.seed, Failure: err.Error()})
				continue
			}
			w, leave = own, func() { end(); shared.load.rate.Store(rate) }
		}
		r, settle := w.suffer(ctx, f, rng)
		rows = append(rows, r)
		at := len(rows) - 1
		check := func() { settle(&rows[at]) }
		if o.together && f.alone == nil {
			later = append(later, check)
		} else {
			check()
		}
		leave()
		if ctx.Err() != nil {
			return rows, ctx.Err()
		}
	}
	for _, check := range later {
		check()
	}
	return rows, nil
}

// enter builds a world and starts the load on it.
func enter(ctx context.Context, o options, change func(*fleet.Options)) (*world, func(), error) {
	w, err := build(ctx, o, change)
	if err != nil {
		return nil, nil, err
	}
	if err := w.begin(ctx); err != nil {
		err = fmt.Errorf("%w\n%s", err, w.Log(4000))
		w.close()
		return nil, nil, err
	}
	return w, w.close, nil
}

// begin finds out which recorded requests make a stored event, and starts the load of those.
func (w *world) begin(ctx context.Context) error {
	list, err := templates(w.Key())
	if err != nil {
		return err
	}
	file, err := w.ledgerFile()
	if err != nil {
		return err
	}
	w.load = &generator{target: func() string { return "http://" + w.Address["ingest"] + "/api/" + w.ProjectID + "/envelope/" }, key: w.Key(),
		ledger: &ledger{file: file}, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, MaxConnsPerHost: 256}}}
	w.load.rate.Store(w.o.rate)
	w.load.stop = func() {}
	ids := make([]string, len(list))
	for i := range list {
		ids[i] = fmt.Sprintf("%032x", i+1)
		if status, err := w.load.post(ctx, list[i].fill(ids[i])); err != nil || status != http.StatusOK {
			return fmt.Errorf("recorded request %s: %d %w", list[i].name, status, err)
		}
	}
	var stored []string
	settle := time.Now().Add(2 * time.Second)
	if err := w.await(ctx, 30*time.Second, func() error {
		rows, err := w.db.Query(ctx, "select replace(event_id::text, '-', '') from event_seen")
		if err != nil {
			return err
		}
		stored = stored[:0]
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			stored = append(stored, id)
		}
		if len(stored) == len(list) || time.Now().After(settle) && len(stored) > 10 {
			return rows.Err()
		}
		return fmt.Errorf("%d of %d recorded requests are stored", len(stored), len(list))
	}); err != nil {
		return err
	}
	for i := range list {
		if slices.Contains(stored, ids[i]) {
			w.load.list = append(w.load.list, list[i])
		}
	}
	w.load.start(ctx, w.o.seed)
	return nil
}

// suffer runs one fault. What it returns checks what became of everything that was acknowledged
// meanwhile.
func (w *world) suffer(ctx context.Context, f fault, rng *rand.Rand) (row, func(*row)) {
	r := row{Fault: f.id, Name: f.name, Seed: w.o.seed}
	sent, refused, cut := w.load.sent.Load(), w.load.refused.Load(), w.load.cut.Load()
	before := w.load.ledger.count()
	w.note = ""
	failure := f.run(ctx, w, rng)
	r.Note = w.note
	healed := time.Now()
	ids := w.load.ledger.fresh()
	r.Sent, r.Acked, r.Refused, r.Cut = w.load.sent.Load()-sent, w.load.ledger.count()-before, w.load.refused.Load()-refused, w.load.cut.Load()-cut
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

func report(out io.Writer, rows []row) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "FAULT\tWHAT\tSEED\tSENT\tACKED\tREFUSED\tCUT OFF\tLOST\tDUPLICATED\tRECOVERY")
	var failed []string
	for _, r := range rows {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%.2f s\n", r.Fault, r.Name, r.Seed, r.Sent, r.Acked, r.Refused, r.Cut, r.Lost, r.Duplicated, r.Recovery)
		if r.Failure != "" {
			failed = append(failed, r.Fault+" "+r.Name+": "+r.Failure)
		}
	}
	t.Flush()
	for _, r := range rows {
		if r.Note != "" {
			fmt.Fprintln(out, r.Fault+": "+r.Note)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("%d faults are not survived:\n  %s", len(failed), strings.Join(failed, "\n  "))
	}
	return nil
}
