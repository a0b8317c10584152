package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// errIncomplete tells that what ran was survived, and that not everything ran.
var errIncomplete = errors.New("not every fault was run")

// report is what a run found.
type report struct {
	Version    string     `json:"version"` // of the programs that were broken
	Seed       uint64     `json:"seed"`
	Set        string     `json:"set"`
	Rate       int64      `json:"events_per_second"`
	Hold       string     `json:"hold"`
	Kills      int        `json:"kills"`
	Processors int        `json:"processors"`
	Started    time.Time  `json:"started"`
	Seconds    float64    `json:"seconds"`
	Faults     []row      `json:"faults"`
	Invariants invariants `json:"invariants"`

	file string
	lost error // of the file
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
	P99        float64 `json:"accept_p99_ms"` // of the answers while it lasted
	Recovery   float64 `json:"recovery_seconds"`
	Took       float64 `json:"seconds"`
	tally
	Note    string `json:"note,omitempty"`
	Failure string `json:"failure,omitempty"`
	NotRun  string `json:"not_run,omitempty"` // why
}

// tally is alerts: those that were to come, those that did not, and repetitions under one delivery id.
type tally struct {
	Alerts   int `json:"alerts,omitempty"`
	Untold   int `json:"alerts_missing,omitempty"`
	Repeated int `json:"alerts_repeated,omitempty"`
}

// fail enters a failure, unless it comes of the run's being interrupted.
func (r *row) fail(ctx context.Context, err error) {
	if ctx.Err() != nil {
		r.NotRun = "interrupted"
		return
	}
	r.Failure = err.Error()
}

// describe begins the report of a run.
func describe(ctx context.Context, o options, began time.Time) report {
	version, err := exec.CommandContext(ctx, filepath.Join(o.bin, "tocsin"), "version").Output()
	if err != nil {
		version = []byte("tocsin of an unknown version")
	}
	return report{Version: strings.TrimSpace(string(version)), Seed: o.seed, Set: o.set, Rate: o.rate, Hold: o.hold.String(), Kills: o.kills,
		Processors: runtime.NumCPU(), Started: began.UTC().Truncate(time.Second), file: o.json}
}

func (r *report) sort() {
	slices.SortStableFunc(r.Faults, func(a, b row) int { return strings.Compare(a.Fault+" "+a.Name, b.Fault+" "+b.Name) })
}

// save writes the file again, so that what was found survives whatever ends the run.
func (r *report) save() {
	if r.file == "" {
		return
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = os.WriteFile(r.file, append(text, '\n'), 0o600)
	}
	r.lost = err
}

// err is nil when everything was run and survived.
func (r *report) err() error {
	var broken, left []string
	for _, f := range r.Faults {
		switch {
		case f.Failure != "":
			broken = append(broken, f.Fault+" "+f.Name+": "+f.Failure)
		case f.NotRun != "":
			left = append(left, f.Fault+" "+f.Name+": "+f.NotRun)
		}
	}
	for _, i := range r.Invariants {
		if i.Failure != "" {
			broken = append(broken, i.ID+" "+i.Says+": "+i.Failure)
		}
	}
	switch {
	case len(broken) > 0:
		return errors.Join(r.lost, fmt.Errorf("not survived:\n  %s", strings.Join(broken, "\n  ")))
	case r.lost != nil:
		return r.lost
	case len(left) > 0:
		return fmt.Errorf("%w:\n  %s", errIncomplete, strings.Join(left, "\n  "))
	}
	return nil
}

func (r *report) print(out io.Writer) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "FAULT\tWHAT\tSEED\tSENT\tACKED\tREFUSED\tCUT OFF\tLOST\tDUPLICATED\tACCEPT P99\tRECOVERY\t")
	var sum row
	for _, f := range r.Faults {
		verdict := "ok"
		switch {
		case f.NotRun != "":
			verdict = "not run: " + f.NotRun
		case f.Failure != "":
			verdict = "NOT SURVIVED"
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%.0f ms\t%.2f s\t%s\n", f.Fault, f.Name, f.Seed, f.Sent, f.Acked, f.Refused, f.Cut, f.Lost, f.Duplicated, f.P99, f.Recovery, verdict)
		sum.Sent, sum.Acked, sum.Lost, sum.Duplicated = sum.Sent+f.Sent, sum.Acked+f.Acked, sum.Lost+f.Lost, sum.Duplicated+f.Duplicated
	}
	fmt.Fprintf(t, "\t%d faults\t\t%d\t%d\t\t\t%d\t%d\t\t\t\n", len(r.Faults), sum.Sent, sum.Acked, sum.Lost, sum.Duplicated)
	_ = t.Flush()
	for _, f := range r.Faults {
		if f.Note != "" {
			fmt.Fprintln(out, f.Fault+": "+f.Note)
		}
	}
	for _, i := range r.Invariants {
		fmt.Fprintln(out, i)
	}
	fmt.Fprintf(out, "%s, seed %d, %d processors, %s\n", r.Version, r.Seed, r.Processors, time.Duration(r.Seconds*float64(time.Second)).Round(time.Second))
}
