package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/testkit/fleet"
)

// bin is the folder of the built programs.
var bin string

func TestMain(m *testing.M) {
	if fleet.ServeBroker() {
		return
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "tocsin-chaos-bin-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		bin = filepath.Join(dir, "bin")
		_ = os.Setenv("TOCSIN_HEARTBEAT", "0s") // every event is counted: none but ours
		build := exec.CommandContext(context.Background(), "go", "build", "-o", bin+"/", "../../cmd/...")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "build the programs:", err)
			return 1
		}
		return m.Run()
	}())
}

// everyRun is the faults of "make test": every program and store killed or stopped, and the worst a
// network does between two of them.
const everyRun = "F01,F02,F02c,F03,F04,F06,F07,F11,F27"

// TestNothingIsLostWhateverBreaks is the short form of "make chaos". TOCSIN_CHAOS_SEED replays a run.
func TestNothingIsLostWhateverBreaks(t *testing.T) {
	t.Parallel()
	o := options{bin: bin, seed: uint64(time.Now().UnixNano() % 1_000_000), set: "short", only: everyRun,
		rate: 100, hold: 1500 * time.Millisecond, kills: 2, patience: 4, together: true, limit: time.Hour}
	if s := os.Getenv("TOCSIN_CHAOS_SEED"); s != "" {
		var err error
		if o.seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	found := run(t.Context(), o, &out)
	t.Log(out.String())
	if err := found.err(); err != nil {
		t.Error(err)
	}
	for _, r := range found.Faults {
		if r.Lost != 0 || r.Duplicated != 0 {
			t.Errorf("%s %s: %d lost, %d duplicated", r.Fault, r.Name, r.Lost, r.Duplicated)
		}
	}
	if len(found.Faults) < len(strings.Split(everyRun, ",")) {
		t.Errorf("%d faults were tried", len(found.Faults))
	}
}
