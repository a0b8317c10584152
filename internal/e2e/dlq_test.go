package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTheCommandLineLooksAfterDeadLetters drives tocsin dlq and tocsin queue against a running
// instance, as an operator with a shell on the machine would.
func TestTheCommandLineLooksAfterDeadLetters(t *testing.T) {
	t.Parallel()
	in := up(t)
	const broken = 3
	for n := range broken {
		if status, err := in.send(t.Context(), eventID(900+n), `{"message":`); err != nil || status != 200 {
			t.Fatalf("send: %d %v", status, err)
		}
	}
	in.await("dead letters", 30*time.Second, func(context.Context) error {
		if out := run(t, "dlq", "list", "--data", in.data); !strings.Contains(out, fmt.Sprintf("  %d  ", broken)) {
			return fmt.Errorf("dlq list prints:\n%s", out)
		}
		return nil
	})
	all := run(t, "dlq", "list", "--all", "--data", in.data)
	if !strings.Contains(all, eventID(901)) {
		t.Errorf("dlq list --all prints:\n%s", all)
	}
	first, _, _ := strings.Cut(strings.Split(all, "\n")[1], " ")
	if out := run(t, "dlq", "show", first, "--data", in.data); !strings.Contains(out, `"eventId": "`+eventID(900)[:29]) {
		t.Errorf("dlq show prints:\n%s", out)
	}
	if out := run(t, "dlq", "dry-run", "--all", "--data", in.data); !strings.Contains(out, fmt.Sprintf("stored 0, filtered 0, fail again %d", broken)) {
		t.Errorf("dlq dry-run prints:\n%s", out)
	}
	if out := run(t, "queue", "pause", "events", "--reason", "maintenance", "--data", in.data); !strings.Contains(out, "paused by owner@localhost: maintenance") {
		t.Errorf("queue pause prints:\n%s", out)
	}
	if out := run(t, "dlq", "replay", first, "--data", in.data); !strings.Contains(out, "replay done: 1 done, 0 failed") {
		t.Errorf("dlq replay prints:\n%s", out)
	}
	if out := run(t, "dlq", "discard", "--queue", "events", "--reason", "garbage", "--data", in.data); !strings.Contains(out, fmt.Sprintf("discard done: %d done", broken-1)) {
		t.Errorf("dlq discard prints:\n%s", out)
	}
	if out := run(t, "queue", "resume", "events", "--data", in.data); strings.Contains(out, "paused") {
		t.Errorf("queue resume prints:\n%s", out)
	}
	in.await("the replayed letter is back", 30*time.Second, func(context.Context) error {
		if out := run(t, "dlq", "list", "--data", in.data); !strings.Contains(out, "  1  ") {
			return fmt.Errorf("dlq list prints:\n%s", out)
		}
		return nil
	})
	out, err := exec.CommandContext(t.Context(), filepath.Join(bin, "tocsin"), "dlq", "discard", "--all", "--data", in.data).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "--reason") {
		t.Errorf("a discard without a reason: %v\n%s", err, out)
	}
	if out := run(t, "dlq", "runs", "--data", in.data); !strings.Contains(out, "garbage") {
		t.Errorf("dlq runs prints:\n%s", out)
	}
}
