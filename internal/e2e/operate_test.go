package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestOperatorsLookAfterDeadLettersInTheBrowser finds letters by their error, asks what would become
// of them, replays and discards them, and reads afterwards who did what.
func TestOperatorsLookAfterDeadLettersInTheBrowser(t *testing.T) {
	t.Parallel()
	in := up(t)
	const broken = 3
	for n := range broken {
		if status, err := in.send(t.Context(), eventID(900+n), `{"message":`); err != nil || status != 200 {
			t.Fatalf("send: %d %v", status, err)
		}
	}
	p := in.page(t)
	p.awaits("/admin/dlq", "main table", fmt.Sprintf("%d", broken))
	p.do(chromedp.Click(`main table tbody a`), chromedp.WaitVisible(`main pre.text`), chromedp.Click(`a[href$="?try=1"]`))
	p.shows("main p[role=status]", fmt.Sprintf("0 of %d would be stored now", broken))
	p.do(chromedp.Click(`button[value=replay]`))
	p.shows("#toasts", fmt.Sprintf("Replayed %d", broken))
	p.awaits("/admin/dlq", "main table", fmt.Sprintf("%d", broken)) // they fail again, and none is lost
	p.do(chromedp.Click(`main table tbody a`), chromedp.SendKeys(`input[name=reason]`, "cut off by a proxy"), chromedp.Click(`button[value=discard]`))
	p.shows("#toasts", fmt.Sprintf("Discarded %d", broken))
	p.shows("main", "There are none")
	p.shows("#runs", "cut off by a proxy")
	p.shows("#runs", in.Email)
}

// TestAPausedQueueShowsAtOnce pauses the queue of events, sees them wait, and lets them go on.
func TestAPausedQueueShowsAtOnce(t *testing.T) {
	t.Parallel()
	in := up(t)
	p := in.page(t)
	p.open("/admin/queues")
	p.do(chromedp.SendKeys(`#queue-events input[name=reason]`, "the disk is exchanged"), chromedp.Click(`#queue-events button[value=pause]`))
	p.shows("#queue-events", "the disk is exchanged")
	if status, err := in.send(t.Context(), eventID(1), `{"event_id":"`+eventID(1)+`","message":"waits"}`); err != nil || status != 200 {
		t.Fatalf("send: %d %v", status, err)
	}
	p.awaits("/admin/health", ".verdict", "queue events is paused")
	if rows, err := in.issues(t.Context(), ""); err != nil || len(rows) != 0 {
		t.Errorf("a paused queue was worked on: %v, %v", rows, err)
	}
	p.open("/admin/queues")
	p.do(chromedp.Click(`#queue-events button[value=resume]`))
	p.shows("#toasts", "goes on")
	p.shows("#actions", "queue.resume")
	in.await("the event that waited", 30*time.Second, func(ctx context.Context) error {
		rows, err := in.issues(ctx, "")
		if err == nil && len(rows) != 1 {
			err = fmt.Errorf("%d issues", len(rows))
		}
		return err
	})
}
