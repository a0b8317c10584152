package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tocsin-dev/tocsin/internal/testkit/fleet"
)

// options are the command line.
type options struct {
	tocsin      string
	out         string
	size        string
	seconds     int
	connections int
	groups      int
	pages       int
	events      int
	growth      string
	projects    int
	separate    bool
	repeat      int
	dataRoot    string
	only        string
	profile     string
}

func main() {
	if fleet.ServeBroker() {
		return
	}
	var o options
	flag.StringVar(&o.tocsin, "tocsin", "bin/tocsin", "program to measure")
	flag.StringVar(&o.out, "json", "", "also write the figures to this file")
	flag.StringVar(&o.size, "size", "typical", "small, typical (15 KB) or large events")
	flag.IntVar(&o.seconds, "seconds", 30, "length of the closed-loop load")
	flag.IntVar(&o.connections, "connections", 48, "connections of the closed loop")
	flag.IntVar(&o.groups, "issues", 100, "distinct issues")
	flag.IntVar(&o.pages, "pages", 1_000_000, "issues of the largest project in which pages are timed; 0 leaves that out")
	flag.IntVar(&o.events, "events", 20_000_000, "events of that project")
	flag.StringVar(&o.growth, "growth", "0.001,0.1,1", "sizes at which pages and load are measured, as shares of the largest")
	flag.IntVar(&o.projects, "projects", 1000, "projects that the load is spread over, beside one; 0 leaves that out")
	flag.BoolVar(&o.separate, "separate", true, "also load the separate programs, from the folder of the program")
	flag.IntVar(&o.repeat, "repeat", 1, "times the load is run, each on a fresh installation; medians are printed")
	flag.StringVar(&o.dataRoot, "data", os.TempDir(), "folder on the disk to measure")
	flag.StringVar(&o.only, "only", "", "ingest: load the ingest program alone, beside NATS and without a database; calls: time calls between services alone")
	flag.StringVar(&o.profile, "profile", "", "only write a profile of the program's processor time under the load to this file")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	bin, err := filepath.Abs(o.tocsin)
	if err != nil {
		return err
	}
	o.tocsin = bin
	if o.profile != "" {
		return profile(ctx, o)
	}
	var r report
	if r.Machine, err = limits(ctx, o); err != nil {
		return err
	}
	if o.only != "" {
		o.repeat, o.pages, o.projects, o.separate = 0, 0, 0, true
	}
	if o.separate && o.only != "calls" {
		fmt.Fprintln(os.Stderr, "ingest alone …")
		l, err := measureIngest(ctx, o)
		if err != nil {
			return fmt.Errorf("ingest alone: %w", err)
		}
		r.Ingest = &l
	}
	for n := range o.repeat {
		fmt.Fprintf(os.Stderr, "load %d of %d …\n", n+1, o.repeat)
		load, err := measureLoad(ctx, o)
		if err != nil {
			return err
		}
		r.Loads = append(r.Loads, load)
	}
	if o.separate && o.only != "ingest" {
		fmt.Fprintln(os.Stderr, "calls …")
		calls, err := measureRoundTrips(ctx, o)
		if err != nil {
			return fmt.Errorf("calls: %w", err)
		}
		r.Calls = &calls
	}
	if o.separate && o.only == "" {
		fmt.Fprintln(os.Stderr, "separate programs …")
		s, err := measureSeparate(ctx, o)
		if err != nil {
			return fmt.Errorf("separate programs: %w", err)
		}
		r.Separate = &s
	}
	if o.projects > 0 {
		for _, n := range []int{1, o.projects} {
			fmt.Fprintf(os.Stderr, "load over projects: %d …\n", n)
			s, err := measureSpread(ctx, o, n)
			if err != nil {
				return fmt.Errorf("load over %d projects: %w", n, err)
			}
			r.Spread = append(r.Spread, s)
		}
	}
	if o.pages > 0 {
		for share := range strings.SplitSeq(o.growth, ",") {
			part, err := strconv.ParseFloat(share, 64)
			if err != nil {
				return fmt.Errorf("-growth: %w", err)
			}
			fmt.Fprintf(os.Stderr, "a project at %s of its size …\n", share)
			g, err := measureGrown(ctx, o, part)
			if err != nil {
				return err
			}
			r.Growth = append(r.Growth, g)
		}
	}
	r.print(os.Stdout, o)
	if o.out == "" {
		return nil
	}
	body, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.out, append(body, '\n'), 0o600)
}

// profile runs the load without measuring it.
func profile(ctx context.Context, o options) error {
	in, err := start(ctx, o, "", "--cpu-profile", o.profile)
	if err != nil {
		return err
	}
	defer in.remove()
	res, err := in.target().run(ctx, bodies(o.size, o.groups, 4, 1), o.connections, time.Duration(o.seconds)*time.Second, 0)
	if err != nil {
		return err
	}
	if _, err := in.drained(ctx, int64(res.Accepted), time.Minute); err != nil {
		return err
	}
	return in.stop()
}

// measureLoad runs the reference load on a fresh installation.
func measureLoad(ctx context.Context, o options) (l load, err error) {
	in, err := start(ctx, o, "")
	if err != nil {
		return l, err
	}
	defer in.remove()
	l.FirstStart = in.took.Seconds()
	time.Sleep(5 * time.Second) // long enough for start-up work to end
	l.IdleRSS = measure(in.pid()).rss

	list := bodies(o.size, o.groups, 4, 1)
	l.EventBytes = len(list[0].parts[0]) + len(list[0].parts[1]) + len(list[0].parts[2]) + 37
	warm, err := in.target().run(ctx, list, o.connections, 3*time.Second, 0)
	if err != nil {
		return l, fmt.Errorf("warm-up: %w", err)
	}
	if _, err := in.drained(ctx, int64(warm.Accepted), time.Minute); err != nil {
		return l, err
	}
	before, disk := measure(in.pid()), diskUsage(in.data)
	peak := watchRSS(in.pid())
	closed, err := in.target().run(ctx, list, o.connections, time.Duration(o.seconds)*time.Second, 0)
	if err != nil {
		return l, fmt.Errorf("closed loop: %w", err)
	}
	ended := time.Now()
	stored, err := in.drained(ctx, int64(warm.Accepted+closed.Accepted), 5*time.Minute)
	if err != nil {
		return l, err
	}
	behind := time.Since(ended)
	l.PeakRSS = peak()
	after := measure(in.pid())
	l.Accepted, l.Refused, l.Lost = closed.Accepted, closed.Refused, int64(warm.Accepted+closed.Accepted)-stored
	l.Drained = float64(closed.Accepted) / (closed.Seconds + behind.Seconds())
	l.Behind = behind.Seconds()
	l.P50, l.P99 = closed.quantile(0.5), closed.quantile(0.99)
	perThousand := 1000 / float64(closed.Accepted)
	l.CPUOwn, l.CPUPostgres = (after.own-before.own)*perThousand, (after.postgres-before.postgres)*perThousand
	time.Sleep(3 * time.Second) // what is folded and freed a moment later counts
	l.DiskPerEvent = float64(diskUsage(in.data)-disk) / float64(closed.Accepted)

	l.OpenRate = l.Drained / 2
	open, err := in.target().run(ctx, list, 4*o.connections, 15*time.Second, l.OpenRate)
	if err != nil {
		return l, fmt.Errorf("open loop: %w", err)
	}
	l.OpenP50, l.OpenP99, l.OpenRefused = open.quantile(0.5), open.quantile(0.99), open.Refused
	young, err := in.ages(ctx)
	if err != nil {
		return l, err
	}
	if _, err := in.target().run(ctx, list, 4*o.connections, 15*time.Second, l.Drained*0.8); err != nil {
		return l, fmt.Errorf("open loop at 80 %%: %w", err)
	}
	old, err := in.ages(ctx)
	if err != nil {
		return l, err
	}
	l.Age99, l.AgeWorst = old.since(young, 0.99), old.since(young, 1)
	if err := l.measureRefusals(ctx, in, list, o.connections); err != nil {
		return l, fmt.Errorf("refusals: %w", err)
	}
	if l.CopyPerSecond, err = in.copyLimit(ctx); err != nil {
		return l, err
	}
	if err := in.stop(); err != nil {
		return l, err
	}
	again, err := start(ctx, o, in.data)
	if err != nil {
		return l, err
	}
	l.SecondStart = again.took.Seconds()
	return l, again.stop()
}

// measureRefusals measures what events cost that are refused: those of an unknown key, and those of one
// whose limit is spent.
func (l *load) measureRefusals(ctx context.Context, in *installation, list []body, connections int) error {
	if err := in.limitKey(ctx); err != nil {
		return err
	}
	cost := func(key string) (float64, error) {
		to := in.target()
		to.senders[0].key = cmp.Or(key, to.senders[0].key)
		for { // until the limit holds, and what came before is processed
			res, err := to.run(ctx, list, connections, time.Second, 0)
			if err != nil || res.Accepted == 0 && res.Refused > 0 {
				break
			}
		}
		time.Sleep(5 * time.Second)
		before := measure(in.pid())
		res, err := to.run(ctx, list, connections, 3*time.Second, 0)
		if err != nil {
			return 0, err
		}
		after := measure(in.pid())
		return 1000 * (after.own + after.postgres - before.own - before.postgres) / float64(res.Refused), nil
	}
	var err error
	if l.CPULimited, err = cost(""); err == nil {
		l.CPUDenied, err = cost(noKey)
	}
	return err
}

// watchRSS samples the memory of a process until the returned function is called, which answers
// the largest value seen.
func watchRSS(pid int) func() int64 {
	done, answer := make(chan struct{}), make(chan int64)
	go func() {
		var peak int64
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			peak = max(peak, measure(pid).rss)
			select {
			case <-done:
				answer <- peak
				return
			case <-tick.C:
			}
		}
	}()
	return func() int64 { close(done); return <-answer }
}
