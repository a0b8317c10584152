package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestAlertPages goes through flows B14 and B15 in Chromium: a destination, a rule whose sentence
// follows the form, a preview that counts what was seeded, a test with its result, a history with the
// tries and sending again; then a destination that fails, its schedule, and one that is switched off.
func TestAlertPages(t *testing.T) {
	t.Parallel()
	var answer, calls atomic.Int64
	answer.Store(http.StatusOK)
	hook := newReceiver(t)
	inner := hook.Config.Handler
	hook.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if status := int(answer.Load()); status != http.StatusOK {
			w.WriteHeader(status)
			_, _ = w.Write([]byte("the pager is ill"))
			return
		}
		inner.ServeHTTP(w, r)
	})
	in := &instance{credentials: credentials{URL: "http://" + freeAddress(t)}}
	db := in.prepare(t)
	in.start(t, "TOCSIN_ALLOW_PRIVATE_DESTINATIONS=127.0.0.0/8")
	const seeded = 7
	for i := range seeded {
		if status, err := in.send(t.Context(), eventID(100+i), fmt.Sprintf(`{"level":"error","message":"seeded %d","fingerprint":["seeded-%d"]}`, i, i)); err != nil || status != http.StatusOK {
			t.Fatalf("send: %d %v", status, err)
		}
	}
	in.await("the seeded issues", time.Minute, func(ctx context.Context) error {
		rows, err := in.issues(ctx, "")
		if err == nil && len(rows) != seeded {
			err = fmt.Errorf("%d issues", len(rows))
		}
		return err
	})
	browser := newBrowser(t)
	complaints := listen(t, browser)
	in.signIn(t, browser)
	alerts := in.URL + "/o/" + in.Organization + "/alerts"
	do := func(what string, steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(browser, steps...); err != nil {
			page, _ := chromedp.Run(browser, chromedp.Text("main"))
			t.Fatalf("%s: %v\n%s", what, err, page)
		}
	}
	until := func(what, script string) { // whatever page comes meanwhile
		t.Helper()
		in.await(what, time.Minute, func(context.Context) error {
			ok, err := chromedp.Run(browser, chromedp.Evaluate[bool](script))
			if err == nil && !ok {
				page, _ := chromedp.Run(browser, chromedp.Text("body"))
				err = fmt.Errorf("the page says:\n%s", page)
			}
			return err
		})
	}
	says := func(text string) string {
		return fmt.Sprintf("document.body.innerText.includes(%q)", text)
	}
	eventually := func(what, url, text string) { // a page that is read again until it says so
		t.Helper()
		in.await(what, time.Minute, func(context.Context) error {
			page, err := read(browser, url, "main")
			if err == nil && !strings.Contains(page, text) {
				err = fmt.Errorf("the page does not say %q:\n%s", text, page)
			}
			return err
		})
	}

	do("add a destination", chromedp.Navigate(alerts+"/destinations/new?channel=webhook"), chromedp.SendKeys("#name", "Pager"), chromedp.SendKeys("#s-url", hook.URL+"/hook"),
		chromedp.Click(`button[value="try"]`))
	until("the test's result is shown", says("200"))
	if hook.count() != 1 {
		t.Errorf("the receiver got %d tests", hook.count())
	}
	do("save it", chromedp.Navigate(alerts+"/destinations/new?channel=webhook"), chromedp.SendKeys("#name", "Pager"), chromedp.SendKeys("#s-url", hook.URL+"/hook"), chromedp.Click(`button[value="save"]`))
	until("it is listed with its secret", says("Pager"))

	do("begin a rule", chromedp.Navigate(alerts+"/new?project="+in.Project), chromedp.WaitVisible("[data-sentence]"))
	set := func(selector, value string) string {
		return fmt.Sprintf(`(() => { const e = document.querySelector(%q); const o = [...(e.options ?? [])].find(o => o.value == %q || o.text.includes(%q));
			e.value = o ? o.value : %q; e.dispatchEvent(new Event("change", {bubbles: true})); return true })()`, selector, value, value, value)
	}
	choose := func(selector, value string) {
		t.Helper()
		if _, err := chromedp.Run(browser, chromedp.Evaluate[bool](set(selector, value))); err != nil {
			t.Fatalf("%s = %s: %v", selector, value, err)
		}
	}
	choose("#name", "To the pager")
	choose(`[data-clause] [data-kind]`, "new")
	choose(`select[name="a1to"], select[name="a0to"]`, "Pager")
	until("the sentence follows", `document.querySelector("[data-sentence]").innerText.includes("new")`)
	choose(`select[name="frequency"]`, "0")
	do("preview", chromedp.Click(`button[value="preview"]`), chromedp.WaitVisible("#preview"))
	if text, err := chromedp.Run(browser, chromedp.Text("#preview p")); err != nil || !strings.Contains(text, fmt.Sprintf("%d times in the last 14 days", seeded)) {
		t.Errorf("the preview says %q, %v", text, err)
	}
	if n, err := chromedp.Run(browser, chromedp.Evaluate[int]("document.querySelectorAll('#preview tbody a').length")); err != nil || n != seeded {
		t.Errorf("%d firings are linked, %v", n, err)
	}
	pictures(t, browser, "rule")
	do("save the rule", chromedp.Click(`button[value="save"]`))
	until("it is stored", "!location.pathname.endsWith(\"/new\")")
	eventually("the list of rules", alerts, "To the pager")
	pictures(t, browser, "rules")
	do("open the rule", chromedp.Click("main tbody th a"), chromedp.WaitVisible(`button[value="test"]`), chromedp.Click(`button[value="test"]`))
	until("the test's result is shown", says("200"))

	news := func(n int) {
		t.Helper()
		if status, err := in.send(t.Context(), eventID(200+n), fmt.Sprintf(`{"level":"error","message":"fresh %d","fingerprint":["fresh-%d"]}`, n, n)); err != nil || status != http.StatusOK {
			t.Fatalf("send: %d %v", status, err)
		}
	}
	got := hook.count()
	news(1)
	eventually("the history", alerts+"/history?state=sent", "fresh 1")
	if hook.count() != got+1 {
		t.Errorf("the receiver got %d messages", hook.count()-got)
	}
	pictures(t, browser, "history")
	do("open the delivery", chromedp.Click("main tbody td:nth-child(2) a"), chromedp.WaitVisible("#delivery .attempt"))
	pictures(t, browser, "delivery")
	do("send it again", chromedp.Click(`button[value="redeliver"]`))
	in.await("the message comes again", time.Minute, func(context.Context) error {
		if n := hook.count(); n != got+2 {
			return fmt.Errorf("%d messages", n-got)
		}
		return nil
	})

	answer.Store(http.StatusInternalServerError)
	news(2)
	eventually("the schedule of tries", alerts+"/history", "again at")
	eventually("the destination fails", alerts+"/destinations", "failing")
	pictures(t, browser, "destinations")
	do("the failing delivery", chromedp.Navigate(alerts+"/history"), chromedp.Click("main tbody td:nth-child(2) a"), chromedp.WaitVisible("#delivery .attempt"))
	if text, err := chromedp.Run(browser, chromedp.Text("#delivery")); err != nil || !strings.Contains(text, "500") || !strings.Contains(text, "the pager is ill") || !strings.Contains(text, "Tried again at") {
		t.Errorf("the delivery says %q, %v", text, err)
	}
	answer.Store(http.StatusGone)
	if _, err := db.Exec(t.Context(), "update deliveries set next_attempt_at = now() where state = 0; update alert_lanes set open_until = null"); err != nil { // the pause is over
		t.Fatal(err)
	}
	eventually("it is switched off", alerts+"/destinations", "switched off")
	if text, err := chromedp.Run(browser, chromedp.Text("main")); err != nil || !strings.Contains(text, "gone for good (410)") {
		t.Errorf("the notice says %q, %v", text, err)
	}
	before := calls.Load()
	news(3)
	eventually("the next alert is only logged", alerts+"/history?state=suppressed", "the destination is switched off")
	if calls.Load() != before {
		t.Error("a destination that is switched off was asked")
	}
	pictures(t, browser, "destinations-off")
	in.audited(t, "alert.destination", "alert.")
	for _, c := range complaints() {
		t.Error(c)
	}
}

// pictures holds a page to three widths in both themes: nothing scrolls sideways. With
// TOCSIN_SCREENSHOTS set it leaves pictures in that folder.
func pictures(t *testing.T, browser context.Context, name string) {
	t.Helper()
	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int64{375, 768, 1440} {
			if err := chromedp.Do(browser, chromedp.EmulateViewport(width, 900)); err != nil {
				t.Fatal(err)
			}
			overflow, err := chromedp.Run(browser,
				chromedp.Evaluate[int](fmt.Sprintf("(document.documentElement.classList.toggle('dark', %v), document.documentElement.scrollWidth - window.innerWidth)", theme == "dark")))
			if err != nil || overflow > 0 {
				t.Errorf("%s at %d px scrolls sideways by %d px, %v", name, width, overflow, err)
			}
			dir := os.Getenv("TOCSIN_SCREENSHOTS")
			if dir == "" {
				continue
			}
			png, err := chromedp.Run(browser, chromedp.FullScreenshot(100))
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s-%d.png", name, theme, width)), png, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := chromedp.Do(browser, chromedp.EmulateViewport(1440, 900)); err != nil {
		t.Fatal(err)
	}
}
