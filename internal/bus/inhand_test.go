package bus_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/testkit/natstest"
)

// TestMain lets a test start this program again as a consumer that dies of job 77.
func TestMain(m *testing.M) {
	if url := os.Getenv("BUS_TEST_VICTIM"); url != "" {
		os.Exit(beVictim(url, os.Getenv("BUS_TEST_DIR")))
	}
	goleak.VerifyTestMain(m)
}

const poison = 77

func beVictim(url, dir string) int {
	g, err := bus.ParseGraph([]byte(testGraph))
	if err != nil {
		return 3
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, err := bus.Connect(ctx, bus.Options{Service: "back", Graph: g, URL: url, Dir: dir})
	if err != nil {
		return 3
	}
	go func() { // the parent closes standard input when it has seen enough
		_, _ = os.Stdin.Read(make([]byte, 1))
		cancel()
	}()
	err = jobs.Consume(ctx, c, func(_ context.Context, batch []job) ([]bus.Reject, error) {
		if slices.ContainsFunc(batch, func(j job) bool { return j.N == poison }) {
			os.Exit(9) // as the kernel would: nothing is recovered, nothing is deferred
		}
		return nil, nil
	})
	if err != nil {
		return 4
	}
	return 0
}

// TestAMessageThatKillsTheProcessIsFoundOut starts a consumer as a process of its own, again and
// again as a supervisor would, until the message that kills it is a dead letter.
func TestAMessageThatKillsTheProcessIsFoundOut(t *testing.T) {
	t.Parallel()
	opts := &natsserver.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true, MaxPayload: bus.MaxPayload}
	srv, err := natsserver.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(10 * time.Second) {
		t.Fatal("nats-server did not start")
	}
	admin, err := bus.ConnectAdmin(srv.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	if err := bus.Ensure(t.Context(), admin, graph(t), bus.Limits{StoreBytes: 64 << 20}); err != nil {
		t.Fatal(err)
	}
	front, err := bus.Connect(t.Context(), bus.Options{Service: "front", Graph: graph(t), URL: srv.ClientURL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = front.Close(context.Background()) })
	publishAll(t, front, 0, 200)
	dir, deaths := t.TempDir(), 0
	for {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "BUS_TEST_VICTIM="+srv.ClientURL(), "BUS_TEST_DIR="+dir)
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		done := empty(t, admin)
		var exit error
	wait:
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			select {
			case exit = <-ended:
				break wait
			default:
			}
			if done() || time.Now().After(deadline) {
				stdin.Close()
				exit = <-ended
				break wait
			}
		}
		if exit == nil {
			break
		}
		var code *exec.ExitError
		if !errors.As(exit, &code) || code.ExitCode() != 9 {
			t.Fatalf("the consumer ended with %v", exit)
		}
		if deaths++; deaths > 4 {
			t.Fatal("the message goes on to kill")
		}
	}
	found := dead(t, admin)
	if len(found) != 1 || !strings.Contains(string(found[0].Body), `"N":77`) || !strings.Contains(found[0].Error, "the process died") {
		t.Errorf("after %d deaths the dead letters are %+v", deaths, found)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "in-hand-jobs")); err != nil || string(text) != "\nended\n" {
		t.Errorf("something is held against somebody in the end: %q %v", text, err)
	}
	t.Logf("found out after %d deaths", deaths)
}

func TestAStormPausesTheQueueUntilItIsResumed(t *testing.T) {
	t.Parallel()
	srv := natstest.NewGraph(t, graph(t))
	admin := srv.NC(bus.Admin)
	publishAll(t, srv.Conn("front"), 0, 100)
	var mended atomic.Bool
	var got tally
	consume(t, srv.Conn("back"), func(_ context.Context, batch []job) (rejects []bus.Reject, _ error) {
		if !mended.Load() {
			for i := range batch {
				rejects = append(rejects, bus.Reject{Index: i, Err: errors.New("a defect of ours")})
			}
			return rejects, nil
		}
		got.add(batch)
		return nil, nil
	})
	js, err := jetstream.New(admin)
	if err != nil {
		t.Fatal(err)
	}
	paused := func() bool {
		c, err := js.Consumer(t.Context(), "JOBS", "jobs-back")
		return err == nil && c.CachedInfo().Paused
	}
	until(t, "the queue is paused", paused)
	srv.Restart(t) // the pause is the broker's
	until(t, "the queue is still paused", paused)
	publishAll(t, srv.Conn("front"), 100, 150)
	mended.Store(true)
	if got.count() != 0 {
		t.Errorf("a paused queue was worked on")
	}
	if _, err := js.ResumeConsumer(t.Context(), "JOBS", "jobs-back"); err != nil {
		t.Fatal(err)
	}
	until(t, "what waited is handled", func() bool { return got.count() >= 50 })
}
