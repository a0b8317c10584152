package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestTwentyIssuesAreTriagedByKeyboard works a list off without a pointer: the keyboard always has
// a row, what was done shows, and it can be taken back. Chromium is driven with chromedp, which
// speaks its protocol from Go: one toolchain, and no driver to keep in step with the browser.
func TestTwentyIssuesAreTriagedByKeyboard(t *testing.T) {
	t.Parallel()
	in := up(t)
	const issues = 22
	for n := range issues {
		body := envelope(fmt.Sprintf(`{"event_id":"%s","fingerprint":["t%d"],"exception":{"values":[{"type":"Kind%d","value":"triage"}]}}`, eventID(500+n), n, n))
		status, answer, err := fetch(t.Context(), http.MethodPost, in.URL+"/api/"+in.ProjectID+"/envelope/?sentry_key="+in.key(), "", []byte(body))
		if err != nil || status != http.StatusOK {
			t.Fatalf("event %d: %d %s %v", n, status, answer, err)
		}
	}
	browser := newBrowser(t)
	complaints := listen(t, browser)
	in.signIn(t, browser)
	list := in.URL + "/o/" + in.Organization + "/issues?query=triage"
	count := func() (n int) {
		n, err := chromedp.Run(browser, chromedp.Evaluate[int](`document.querySelectorAll("[data-row]").length`))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	in.await("all issues on the list", 30*time.Second, func(context.Context) error {
		if err := chromedp.Do(browser, chromedp.Navigate(list)); err != nil {
			return err
		}
		if n := count(); n != issues {
			return fmt.Errorf("%d issues", n)
		}
		return nil
	})
	press := func(keys string) {
		if err := chromedp.Do(browser, chromedp.KeyEvent(keys)); err != nil {
			t.Fatalf("press %q: %v", keys, err)
		}
	}
	press("j")
	for left := issues; left > 2; left -= 2 {
		press("J") // this one and the next
		press(map[bool]string{true: "e", false: "m"}[left%4 == 0])
		in.await("two fewer", 30*time.Second, func(context.Context) error {
			if n := count(); n != left-2 {
				return fmt.Errorf("%d issues, want %d", n, left-2)
			}
			focused, err := chromedp.Run(browser, chromedp.Evaluate[bool](`!!document.activeElement.closest("[data-row]")`))
			if err == nil && !focused {
				err = fmt.Errorf("the keyboard has lost its row")
			}
			return err
		})
	}
	press("z")
	in.await("the last two back", 30*time.Second, func(context.Context) error {
		if n := count(); n != 4 {
			return fmt.Errorf("%d issues, want 4", n)
		}
		return nil
	})
	in.await("the sheet of keys", 30*time.Second, func(context.Context) error { // the page may still be loading
		press("?")
		open, err := chromedp.Run(browser, chromedp.Evaluate[bool](`document.querySelector("#keys").open`))
		if err == nil && !open {
			err = errors.New("it is shut")
		}
		return err
	})
	press(kb.Escape)
	in.audited(t, "issue.resolve", "issue.archive", "issue.undo")
	for _, c := range complaints() {
		if !strings.Contains(c, "favicon") {
			t.Error(c)
		}
	}
}

// key is the public key of the DSN.
func (in *instance) key() string {
	_, rest, _ := strings.Cut(in.DSN, "://")
	key, _, _ := strings.Cut(rest, "@")
	return key
}
