package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const plainEvent = `{"message":"the lights went out","level":"warning","platform":"other","fingerprint":["lights"]}`

func eventID(n int) string { return fmt.Sprintf("%032x", n) }

type issueRow struct {
	ID, ShortID, Title, Count, Status, Level, Culprit string
	UserCount                                         int
}

func (in *instance) issues(ctx context.Context, query string) (rows []issueRow, err error) {
	return rows, in.api(ctx, "organizations/"+in.Organization+"/issues/?query="+query, &rows)
}

// wantOneIssue waits until there is exactly one issue, seen count times.
func (in *instance) wantOneIssue(t *testing.T, count int) issueRow {
	t.Helper()
	var rows []issueRow
	in.await("one issue", 20*time.Second, func(ctx context.Context) (err error) {
		rows, err = in.issues(ctx, "")
		if err == nil && (len(rows) != 1 || rows[0].Count != strconv.Itoa(count)) {
			err = fmt.Errorf("want one issue seen %d times, got %+v", count, rows)
		}
		return err
	})
	return rows[0]
}

func TestASecondStartKeepsEverything(t *testing.T) {
	t.Parallel()
	in := up(t)
	if status, err := in.send(t.Context(), eventID(1), plainEvent); err != nil || status != http.StatusOK {
		t.Fatalf("send: %d %v", status, err)
	}
	before := in.wantOneIssue(t, 1)
	info, err := os.Stat(filepath.Join(in.data, "bootstrap.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("bootstrap.json: mode %v, %v", info.Mode(), err)
	}
	if !strings.Contains(in.log.String(), in.DSN) || !strings.Contains(in.log.String(), in.Password) {
		t.Error("the first start does not print the DSN and the password")
	}

	other := launch(t, nil, "tocsin", "up", "--listen", freeAddress(t), "--data", in.data)
	<-other.done
	if code := other.cmd.ProcessState.ExitCode(); code == 0 || !strings.Contains(other.log.String(), "in use by another tocsin") {
		t.Errorf("a second tocsin on one folder: exit %d, printed %q", code, other.log.String())
	}

	in.stop()
	if code := in.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code after SIGTERM: want 0, got %d", code)
	}
	again := upIn(t, in.data, freeAddress(t))
	if again.credentials != in.credentials {
		t.Errorf("bootstrap.json changed: %+v, was %+v", again.credentials, in.credentials)
	}
	again.URL = "http://" + strings.Split(again.cmd.Args[3], " ")[0]
	if after := again.wantOneIssue(t, 1); after != before {
		t.Errorf("the issue changed: %+v, was %+v", after, before)
	}
	if strings.Contains(again.log.String(), again.Password) {
		t.Error("a later start prints the password")
	}
}

// A kill leaves a stale pid file, an orphaned database and unflushed state; the next start copes.
func TestStartsAgainAfterKill(t *testing.T) {
	t.Parallel()
	in := up(t)
	for n := range 3 {
		if status, err := in.send(t.Context(), eventID(n+1), plainEvent); err != nil || status != http.StatusOK {
			t.Fatalf("send: %d %v", status, err)
		}
		in.kill()
		in = upIn(t, in.data, strings.TrimPrefix(in.URL, "http://"))
	}
	in.wantOneIssue(t, 3)
}

func TestASecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	in := up(t)
	_ = in.cmd.Process.Signal(syscall.SIGINT)
	_ = in.cmd.Process.Signal(syscall.SIGTERM) // another one: two alike may arrive as one
	select {
	case <-in.done:
	case <-time.After(20 * time.Second):
		t.Fatal("still running 20 s after the second signal")
	}
	if code := in.cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("want status 1 of what was not stopped in order, got %d", code)
	}
}

// TestTheSameEventCountsOnce posts one event a hundred times at once: one row, count 1, one alert.
func TestTheSameEventCountsOnce(t *testing.T) {
	t.Parallel()
	in := up(t, "TOCSIN_ALLOW_PRIVATE_DESTINATIONS=127.0.0.0/8")
	hook := newReceiver(t)
	in.alertTo(t, hook.URL)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if status, err := in.send(t.Context(), eventID(7), plainEvent); err != nil || status != http.StatusOK {
				t.Errorf("send: %d %v", status, err)
			}
		})
	}
	wg.Wait()
	// An event of another issue goes through the same queues behind the hundred: once its alert
	// is there, whatever the hundred caused is there too.
	if _, err := in.send(t.Context(), eventID(8), strings.Replace(plainEvent, `["lights"]`, `["marker"]`, 1)); err != nil {
		t.Fatal(err)
	}
	in.await("two issues", 20*time.Second, func(ctx context.Context) error {
		rows, err := in.issues(ctx, "")
		if err == nil && len(rows) != 2 {
			err = fmt.Errorf("got %+v", rows)
		}
		for _, r := range rows {
			if r.Count != "1" {
				err = fmt.Errorf("%s counted %s times", r.ShortID, r.Count)
			}
		}
		return err
	})
	in.await("two alerts", 20*time.Second, func(context.Context) error {
		if n := hook.count(); n != 2 {
			return fmt.Errorf("%d alerts", n)
		}
		return nil
	})
	var events []struct{ EventID string }
	if err := in.api(t.Context(), "projects/"+in.Organization+"/"+in.Project+"/events/", &events); err != nil || len(events) != 2 {
		t.Errorf("want 2 events, got %+v, %v", events, err)
	}
}

func TestRegressionAlertsAgain(t *testing.T) {
	t.Parallel()
	in := up(t, "TOCSIN_ALLOW_PRIVATE_DESTINATIONS=127.0.0.0/8")
	hook := newReceiver(t)
	in.workflowTo(t, hook.URL)
	alerts := func(want int) {
		t.Helper()
		in.await(fmt.Sprintf("%d alerts", want), 20*time.Second, func(context.Context) error {
			if n := hook.count(); n != want {
				return fmt.Errorf("%d alerts", n)
			}
			return nil
		})
	}
	_, _ = in.send(t.Context(), eventID(1), plainEvent)
	alerts(1)
	issue := in.wantOneIssue(t, 1)
	status, body, err := fetch(t.Context(), http.MethodPut, in.URL+"/api/0/organizations/"+in.Organization+"/issues/"+issue.ID+"/",
		in.AuthToken, []byte(`{"status":"resolved"}`), "Content-Type", "application/json")
	if err != nil || status != http.StatusOK {
		t.Fatalf("resolve: %d %s %v", status, body, err)
	}
	_, _ = in.send(t.Context(), eventID(2), plainEvent)
	alerts(2)
	_, _ = in.send(t.Context(), eventID(3), plainEvent)
	if after := in.wantOneIssue(t, 3); after.Status != "unresolved" {
		t.Errorf("status after regression: %s", after.Status)
	}
	var last struct {
		Data struct {
			TriggeredRule string `json:"triggered_rule"`
		} `json:"data"`
	}
	if err := json.Unmarshal(hook.last(), &last); err != nil || last.Data.TriggeredRule == "" {
		t.Errorf("payload %s: %v", hook.last(), err)
	}
	if hook.count() != 2 {
		t.Errorf("want 2 alerts in all, got %d", hook.count())
	}
}
