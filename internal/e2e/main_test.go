// Package e2e drives the built programs from outside: real SDKs, a real browser, real faults.
package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/testkit/fleet"
)

// bin is the folder of the built programs.
var bin string

// atOnce is how many tests run at a time: most of them wait, for a browser or for a program to start.
const atOnce = "3"

func TestMain(m *testing.M) {
	if fleet.ServeBroker() {
		return
	}
	if f := flag.Lookup("test.parallel"); f != nil && runtime.GOMAXPROCS(0) < 3 {
		flag.Parse()
		_ = flag.Set(f.Name, atOnce) // a number, which it takes
	}
	dir, err := os.MkdirTemp("", "tocsin-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// The tests of one package run in its folder; private clusters run as another user and must
	// be able to pass through.
	_ = os.Chmod(dir, 0o711)
	bin = filepath.Join(dir, "bin")
	_ = os.Setenv("TOCSIN_HEARTBEAT", "0s") // tests that count events want none but their own
	build := exec.CommandContext(context.Background(), "go", "build", "-o", bin+"/", "../../cmd/...")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	code := 1
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build the programs:", err)
	} else {
		code = m.Run()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}
