package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestFromSetUpToTheEvent walks the way of a newcomer in a browser: a test event shows as it arrives,
// a refused one says why, frames unfold on demand, and traces turn around without a new page.
func TestFromSetUpToTheEvent(t *testing.T) {
	t.Parallel()
	in := up(t)
	browser := newBrowser(t)
	complaints := listen(t, browser)
	in.signIn(t, browser)
	do := func(what string, actions ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		for _, a := range actions {
			if err := chromedp.Do(browser, a); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
	}
	shows := func(selector, want string) {
		t.Helper()
		in.await(selector+" to show "+want, 30*time.Second, func(context.Context) error {
			got, err := chromedp.Run(browser, chromedp.Evaluate[string](fmt.Sprintf("document.querySelector(%q)?.textContent ?? ''", selector)))
			if err == nil && !strings.Contains(got, want) {
				err = fmt.Errorf("it shows %q", got)
			}
			return err
		})
	}
	start := in.URL + "/o/" + in.Organization + "/projects/" + in.Project + "/start"
	do("open the set-up page", chromedp.Navigate(start), chromedp.Click("x-wait button"))
	shows(".waiting.arrived", "A test event sent from the set-up page")

	status, _, err := fetch(t.Context(), http.MethodPost, in.ingestURL()+"/api/"+in.ProjectID+"/store/?sentry_key="+in.key(), "", []byte(`{"message":`))
	if err != nil || status != http.StatusBadRequest {
		t.Fatalf("a broken event: %d, %v", status, err)
	}
	shows(".refused", "the body is not JSON")

	var frames []string
	for i := range 40 {
		frames = append(frames, fmt.Sprintf(`{"function":"step_%d","filename":"walk.py","lineno":%d,"in_app":true,"context_line":"    call_%d()","vars":{"n":%d}}`, i, i+1, i, i))
	}
	id := eventID(7)
	if status, err := in.send(t.Context(), id, `{"event_id":"`+id+`","platform":"python","exception":{"values":[{"type":"WalkError","value":"too far","stacktrace":{"frames":[`+
		strings.Join(frames, ",")+`]}}]}}`); err != nil || status != http.StatusOK {
		t.Fatalf("send an event: %d, %v", status, err)
	}
	in.await("the event", 30*time.Second, func(ctx context.Context) error {
		return in.api(ctx, "organizations/"+in.Organization+"/eventids/"+id+"/", &struct{}{})
	})
	do("open the event", chromedp.Navigate(in.URL+"/o/"+in.Organization+"/e/"+id), chromedp.Click("#f-0-3 summary"))
	shows("#f-0-3 .code", "call_3()")
	shows(".frame .fn", "step_39")
	if _, err := chromedp.Run(browser, chromedp.Evaluate[int]("window.stayed = 1; document.querySelector('.seg[aria-label=Order] a:last-child').click(); 1")); err != nil {
		t.Fatal(err)
	}
	shows(".frame .fn", "step_0")
	if stayed, err := chromedp.Run(browser, chromedp.Evaluate[bool]("window.stayed === 1 && location.search.includes('order=oldest')")); err != nil || !stayed {
		t.Errorf("turning the trace around loaded a new page or is not in the address, %v", err)
	}

	for _, c := range complaints() {
		if !strings.Contains(c, "400") {
			t.Error(c)
		}
	}
}
