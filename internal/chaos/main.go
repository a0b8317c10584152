package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
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
	cuts  int // of the power
	limit time.Duration
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

// The codes that the program ends with, beside 0: every fault was survived.
const (
	exitBroken     = 1 // something was lost, counted twice, or did not come back
	exitIncomplete = 2 // what ran was survived, and not everything ran
)

func main() {
	if fleet.ServeBroker() {
		return
	}
	o := options{}
	flag.StringVar(&o.bin, "bin", "bin", "folder of the built programs")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()%1_000_000), "decides the order, the moments and the traffic")
	flag.StringVar(&o.set, "set", "long", "short or long")
	flag.StringVar(&o.only, "only", "", "faults to run, such as F02,F27; those of loads, L01 and L02, run only so")
	flag.Int64Var(&o.rate, "rate", 200, "events a second")
	flag.DurationVar(&o.hold, "hold", 5*time.Second, "how long a fault lasts")
	flag.IntVar(&o.kills, "kills", 4, "how often a program is killed")
	flag.IntVar(&o.cuts, "cuts", 5, "how often F08 cuts the power")
	flag.DurationVar(&o.limit, "limit", 40*time.Minute, "no fault begins later than this")
	flag.IntVar(&o.patience, "patience", 2, "how many times as long as on an idle machine to wait before something counts as not coming back")
	flag.IntVar(&o.alerts, "alerts", 3000, "alerts that F03a and F24 cause")
	flag.IntVar(&o.alertKills, "alert-kills", 10, "how often F03a kills the notifier")
	flag.StringVar(&o.previous, "previous", "", "folder of the programs of the previous release: F30 replaces ours by them and back")
	flag.StringVar(&o.json, "json", "", "file for the report as JSON, written anew after each fault")
	flag.BoolVar(&o.keep, "keep", false, "leave the folder with data and logs")
	flag.Parse()
	_ = os.Setenv("TOCSIN_HEARTBEAT", "0s") // every event is counted: none but ours
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, cancel) // a second signal ends it at once
	err := run(ctx, o, os.Stdout).err()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
	}
	switch {
	case errors.Is(err, errIncomplete):
		os.Exit(exitIncomplete)
	case err != nil:
		os.Exit(exitBroken)
	}
}
