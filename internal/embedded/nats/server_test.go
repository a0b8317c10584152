package nats_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tocsin-dev/tocsin/internal/bus"
	"github.com/tocsin-dev/tocsin/internal/embedded/nats"
)

const graphText = `
version: 1
services:
  front: {replicas: 1, memory: 64Mi, cpu: 100m}
  back: {replicas: 1, memory: 64Mi, cpu: 100m}
queues:
  jobs:
    producers: [front]
    consumer: back
    max_concurrency: 1
    max_batch_size: 500
    max_retries: 2
    backoff: [1s]
    dead_letter_queue: dlq
    storage_percent: 80
`

var jobs = bus.Queue[string]{Name: "jobs"}

// childEnv makes the test binary a program that the tests kill or starve.
const childEnv = "NATS_TEST_CHILD"

func TestMain(m *testing.M) {
	switch role, dir, _ := strings.Cut(os.Getenv(childEnv), ":"); role {
	case "publish":
		publishForEver(dir)
	case "starve":
		starve(dir)
	default:
		goleak.VerifyTestMain(m)
	}
}

func start(dir string, log *slog.Logger) (*nats.Server, error) {
	g, err := bus.ParseGraph([]byte(graphText))
	if err != nil {
		return nil, err
	}
	return nats.Start(context.Background(), nats.Options{Dir: dir, Graph: g, MaxStoreBytes: 256 << 20, Log: log})
}

func running(t *testing.T, dir string) *nats.Server {
	t.Helper()
	srv, err := start(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := srv.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return srv
}

// consumed collects n distinct messages.
func consumed(t *testing.T, srv *nats.Server, enough func(map[string]bool) bool) map[string]bool {
	t.Helper()
	c, err := srv.Connect(t.Context(), "back")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = jobs.Consume(ctx, c, func(_ context.Context, batch []string) ([]bus.Reject, error) {
		for _, m := range batch {
			got[m] = true
		}
		if enough(got) {
			cancel()
		}
		return nil, nil
	})
	if err := errors.Join(err, c.Close(context.Background())); err != nil {
		t.Error(err)
	}
	return got
}

func TestStoppedServerKeepsMessages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv := running(t, dir)
	c, err := srv.Connect(t.Context(), "front")
	if err != nil {
		t.Fatal(err)
	}
	p, err := jobs.Publisher(c)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 10 {
		for p.Publish(t.Context(), fmt.Sprint(n)) != nil {
			t.Log("published again") // the disk took longer than the deadline
		}
	}
	if err := errors.Join(c.Close(t.Context()), srv.Stop(t.Context())); err != nil {
		t.Fatal(err)
	}
	if err := srv.Healthy(); err == nil {
		t.Error("want a stopped server to be unhealthy")
	}
	got := consumed(t, running(t, dir), func(got map[string]bool) bool { return len(got) >= 10 })
	if len(got) != 10 {
		t.Errorf("want 10 messages, got %d", len(got))
	}
}

// TestKilledProcessKeepsItsPromise kills a process with SIGKILL while it publishes: whatever it
// reported as acknowledged is there afterwards.
func TestKilledProcessKeepsItsPromise(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	promised := map[string]bool{}
	for round := range 2 {
		cmd := child("publish:" + dir)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			promised[lines.Text()] = true
			if n == 500*(round+1) {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}
	}
	missing := func(got map[string]bool) (n int) {
		for id := range promised {
			if !got[id] {
				n++
			}
		}
		return n
	}
	got := consumed(t, running(t, dir), func(got map[string]bool) bool { return missing(got) == 0 })
	if n := missing(got); n > 0 {
		t.Errorf("want all %d acknowledged messages, %d are lost", len(promised), n)
	}
}

func child(role string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+role)
	cmd.Stderr = os.Stderr
	return cmd
}

func publishForEver(dir string) {
	srv, err := start(dir, slog.New(slog.DiscardHandler))
	must(err)
	c, err := srv.Connect(context.Background(), "front")
	must(err)
	p, err := jobs.Publisher(c)
	must(err)
	var out sync.Mutex
	for w := range 16 {
		go func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("%d-%d-%d", os.Getpid(), w, n)
				if p.Publish(context.Background(), id) != nil {
					continue // not acknowledged, not promised
				}
				out.Lock()
				fmt.Println(id)
				out.Unlock()
			}
		}()
	}
	select {}
}

// TestAStoreThatFailedIsRestarted lets a process meet write errors, and then a disk that works
// again: the supervisor restarts the broker, and nothing acknowledged is lost.
func TestAStoreThatFailedIsRestarted(t *testing.T) {
	t.Parallel()
	out, err := child("starve:" + t.TempDir()).Output()
	if want := "ok\n"; err != nil || string(out) != want {
		t.Errorf("want %q, got %q, %v", want, out, err)
	}
}

// starve limits the size of files, which makes the store's writes fail.
func starve(dir string) {
	restarted := make(chan struct{}, 10)
	srv, err := start(dir, slog.New(logged{restarted}))
	must(err)
	c, err := srv.Connect(context.Background(), "front")
	must(err)
	p, err := jobs.Publisher(c)
	must(err)
	for p.Publish(context.Background(), "before") != nil {
		time.Sleep(10 * time.Millisecond) // the disk took longer than the deadline
	}
	var limit syscall.Rlimit
	must(syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	must(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 16 << 10, Max: limit.Max}))
	for acked := 0; ; acked++ {
		if acked > 3 {
			must(errors.New("want a store that cannot write to acknowledge nothing"))
		}
		if p.Publish(context.Background(), strings.Repeat("x", 10<<10)) != nil {
			break
		}
	}
	must(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	select {
	case <-restarted:
	case <-time.After(30 * time.Second):
		must(errors.New("want the broker restarted"))
	}
	for p.Publish(context.Background(), "after") != nil {
		time.Sleep(10 * time.Millisecond)
	}
	must(srv.Healthy())
	back, err := srv.Connect(context.Background(), "back")
	must(err)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	got := map[string]bool{}
	must(jobs.Consume(ctx, back, func(_ context.Context, batch []string) ([]bus.Reject, error) {
		for _, m := range batch {
			got[m] = true
		}
		if got["before"] && got["after"] {
			cancel()
		}
		return nil, nil
	}))
	if !got["before"] || !got["after"] {
		must(errors.New("want what was acknowledged before and after"))
	}
	fmt.Println("ok")
	os.Exit(0)
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// logged tells of the supervisor's report.
type logged struct{ restarted chan struct{} }

func (l logged) Enabled(context.Context, slog.Level) bool { return true }
func (l logged) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l logged) WithGroup(string) slog.Handler            { return l }
func (l logged) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "embedded broker restarted" {
		l.restarted <- struct{}{}
	}
	return nil
}
