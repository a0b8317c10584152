package main

import (
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

var testSeed = flag.Uint64("chaos.seed", 0, "run the short set with this seed")

// TestMain lets the test be a NATS server for itself.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == natsRole {
		serveNATS(os.Args[2])
		return
	}
	os.Exit(m.Run())
}

// TestTheShortSetOfFaultsIsSurvived breaks the built programs for about a minute. A failing run
// prints its seed; -chaos.seed replays it.
func TestTheShortSetOfFaultsIsSurvived(t *testing.T) {
	bin, err := os.MkdirTemp("", "tocsin-chaos-bin-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(bin) })
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin+"/", "../../cmd/...").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	seed := *testSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano() % 1_000_000)
	}
	var table strings.Builder
	_, err = run(t.Context(), options{bin: bin, seed: seed, set: "short", rate: 60, hold: 2 * time.Second, kills: 2}, &table)
	t.Log("\n" + table.String())
	if err != nil {
		t.Error(err)
	}
}
