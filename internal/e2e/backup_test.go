package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestABackupComesBackWithEveryEvent saves a running instance, rehearses the restore, restores it
// into another folder, and asks the instance that then runs there for every event.
func TestABackupComesBackWithEveryEvent(t *testing.T) {
	t.Parallel()
	in := up(t)
	const events = 30
	for n := range events {
		if status, err := in.send(t.Context(), eventID(4000+n), plainEvent); err != nil || status != 200 {
			t.Fatalf("send: %d %v", status, err)
		}
	}
	in.wantOneIssue(t, events)
	in.await("the doctor's judgement", 30*time.Second, func(ctx context.Context) error { // partitions are made beside the first events
		doctor, err := exec.CommandContext(ctx, filepath.Join(bin, "tocsin"), "doctor", "--data", in.data).CombinedOutput()
		for _, want := range []string{"✓  service", "✓  database durability", "✓  partitions", "✓  ledger", "!  backup", "!  alert rules"} {
			if !strings.Contains(string(doctor), want) {
				return fmt.Errorf("doctor (%v) does not say %q:\n%s", err, want, doctor)
			}
		}
		return nil
	})
	if out := run(t, "upgrade", "--check", "--data", in.data); !strings.Contains(out, "this release's") {
		t.Errorf("upgrade --check prints:\n%s", out)
	}
	dir := t.TempDir()
	saved := filepath.Join(dir, "backup")
	if out := run(t, "backup", saved, "--data", in.data); !strings.Contains(out, fmt.Sprintf("saved %d events", events)) {
		t.Errorf("backup prints:\n%s", out)
	}
	if out := run(t, "verify", saved); !strings.Contains(out, fmt.Sprintf("can be restored: %d events", events)) {
		t.Errorf("verify prints:\n%s", out)
	}
	in.stop()
	doctor, err := exec.CommandContext(t.Context(), filepath.Join(bin, "tocsin"), "doctor", "--data", in.data).CombinedOutput()
	for _, want := range []string{"✗  service", "nobody answers at " + in.URL + ": connection refused", "does not run; start it with tocsin up"} {
		if err == nil || !strings.Contains(string(doctor), want) || strings.Contains(string(doctor), "postmaster.pid") {
			t.Errorf("doctor of an installation that is stopped (%v) does not say %q:\n%s", err, want, doctor)
		}
	}
	data, err := os.MkdirTemp("", "tocsin-restored-")
	if err != nil {
		t.Fatal(err)
	}
	_ = os.Chmod(data, 0o711)
	t.Cleanup(func() { _ = os.RemoveAll(data) })
	run(t, "restore", saved, "--data", data)
	again := upIn(t, data, strings.TrimPrefix(in.URL, "http://"))
	if again.AuthToken != in.AuthToken {
		t.Error("the restored instance has another token")
	}
	for n := range events {
		var ev struct{ EventID string }
		again.await("event", 10*time.Second, func(ctx context.Context) error {
			return again.api(ctx, "projects/"+in.Organization+"/"+in.Project+"/events/"+eventID(4000+n)+"/", &ev)
		})
	}
	if _, err := again.send(t.Context(), eventID(4999), plainEvent); err != nil {
		t.Error(err)
	}
	again.wantOneIssue(t, events+1)

	damaged := filepath.Join(saved, "database.dump")
	if err := os.WriteFile(damaged, []byte("no dump"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(bin, "tocsin"), "verify", saved).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "damaged") {
		t.Errorf("verify of a damaged backup: %v\n%s", err, out)
	}
}
