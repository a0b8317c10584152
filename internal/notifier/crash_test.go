package notifier_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/app"
	"github.com/tocsin-dev/tocsin/internal/bindings"
	embedded "github.com/tocsin-dev/tocsin/internal/embedded/nats"
	"github.com/tocsin-dev/tocsin/internal/notifier"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

const (
	childDatabase = "NOTIFIER_TEST_DATABASE"
	childData     = "NOTIFIER_TEST_DATA"
)

// child is a notifier in a process of its own, with its own broker; it runs until it is killed.
func child(url string) {
	ctx := context.Background()
	err := func() error {
		dir, err := os.MkdirTemp(os.Getenv(childData), "broker")
		if err != nil {
			return err
		}
		broker, err := embedded.Start(ctx, embedded.Options{Dir: dir, Graph: bindings.Graph(), MaxStoreBytes: 64 << 20, Log: slog.Default()})
		if err != nil {
			return err
		}
		k, err := app.New("notifier", app.Config{Data: os.Getenv(childData)}, nil)
		if err != nil {
			return err
		}
		k.Listen = "127.0.0.1:0"
		if k.Bus, err = broker.Connect(ctx, "notifier"); err != nil {
			return err
		}
		if k.Store, err = postgres.Open(ctx, url, postgres.Options{}); err != nil {
			return err
		}
		return notifier.Run(ctx, k, notifier.Config{AllowPrivate: "127.0.0.0/8"})
	}()
	fmt.Fprintln(os.Stderr, "the child ended:", err)
	os.Exit(1)
}

func TestKilledBetweenSendingAndRecording(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var victim atomic.Pointer[os.Process]
	killed := make(chan struct{})
	hook := newReceiver(t, func(rw http.ResponseWriter, _ *http.Request) {
		if p := victim.Swap(nil); p != nil { // the message is here, its sender has not heard so
			if err := p.Signal(syscall.SIGKILL); err != nil {
				t.Error(err)
			}
			close(killed)
		}
		rw.WriteHeader(http.StatusOK)
	})
	rule := w.rule("Tell us", w.action(hook.URL))
	cmd := w.child()
	victim.Store(cmd.Process)
	job := queued(&rule, 1)
	if _, err := w.store.EnqueueDeliveries(t.Context(), []alert.Job{job}); err != nil {
		t.Fatal(err)
	}
	<-killed
	_ = cmd.Wait() // it was killed, as it should be
	if d, tries := w.settled(rule.ID, inState(alert.DeliveryQueued)); len(tries) != 0 || d.AttemptCount != 1 {
		t.Fatalf("after the kill: got %+v, %+v", d.Delivery, tries)
	}
	w.run() // with the same folder: it need not wait for the lease of the dead
	d, tries := w.settled(rule.ID, inState(alert.DeliverySent))
	if len(tries) != 1 || tries[0].Number != 2 || d.AttemptCount != 2 {
		t.Errorf("want the second try alone in the log, got %+v", tries)
	}
	if got := hook.requests(); len(got) != 2 || got[0] != got[1] || got[0].id != fmt.Sprintf("msg_%d", job.ID) {
		t.Errorf("want one duplicate under the same id, got %+v", got)
	}
}

// child starts a notifier in a process of its own.
func (w *world) child() *exec.Cmd {
	w.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDatabase+"="+w.url, childData+"="+w.kit.Config.Data)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	return cmd
}

func queued(rule *alert.Rule, change int64) alert.Job {
	return alert.Job{
		Delivery: alert.Delivery{ID: postgres.NewID(), Project: 1, Rule: rule.ID, Change: change, Channel: alert.ChannelWebhook, Target: "hook",
			Destination: rule.Actions[0].Destination, Lane: alert.DestinationLane(rule.Actions[0].Destination)},
		Payload: fmt.Appendf(nil, `{"change":%d}`, change),
	}
}

// TestKilledAgainAndAgain is the small form of what "make chaos" does with 10,000 alerts and 20 kills.
func TestKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	const alerts, kills = 240, 6
	w := newWorld(t)
	hook := newReceiver(t, status(http.StatusOK))
	rule := w.rule("Tell us", w.action(hook.URL))
	var jobs []alert.Job
	for i := range int64(alerts) {
		jobs = append(jobs, queued(&rule, i+1))
	}
	if n, err := w.store.EnqueueDeliveries(t.Context(), jobs); err != nil || n != alerts {
		t.Fatalf("queued %d, %v", n, err)
	}
	for i := range kills {
		cmd := w.child()
		w.eventually("the next part is delivered", func() bool { return len(hook.requests()) >= (i+1)*alerts/(kills+1) })
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed, as it should be
	}
	w.run()
	w.eventually("everything is sent", func() bool {
		rest, err := w.store.DeliveryBacklog(t.Context())
		return err == nil && rest.Queued == 0
	})
	bodies := map[string]map[string]bool{} // by delivery
	for _, r := range hook.requests() {
		if bodies[r.id] == nil {
			bodies[r.id] = map[string]bool{}
		}
		bodies[r.id][r.body] = true
	}
	for id, of := range bodies {
		if len(of) != 1 {
			t.Errorf("%s came with %d contents", id, len(of))
		}
	}
	if doubles := len(hook.requests()) - len(bodies); len(bodies) != alerts || doubles > kills {
		t.Errorf("want %d deliveries and at most %d doubles, got %d and %d", alerts, kills, len(bodies), doubles)
	}
}

func TestAStopCutsOffWhatHangs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	arrived := make(chan struct{}, 1)
	hook := newReceiver(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	rule := w.rule("Tell us", w.action(hook.URL))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- notifier.Run(ctx, w.kit, notifier.Config{AllowPrivate: "127.0.0.0/8"}) }()
	w.tell(change(1))
	<-arrived
	stopped := time.Now()
	cancel()
	if err := <-done; err != nil || time.Since(stopped) > app.StopTimeout {
		t.Errorf("ended after %v with %v", time.Since(stopped), err)
	}
	d, tries := w.settled(rule.ID, tried(1))
	if d.State != alert.DeliveryQueued || d.NextAttemptAt.After(time.Now()) || tries[0].Error != "the request was cut off" {
		t.Errorf("want it due again at once, got %+v, %+v", d.Delivery, tries)
	}
}
