package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// scriptless is a page whose scripts do not run. What the test looks at is evaluated past the page.
type scriptless struct{ *page }

// click presses the mouse on the first visible element that has the words.
func (p scriptless) click(selector, words string) {
	p.t.Helper()
	at := fmt.Sprintf(`(() => {
		const e = [...document.querySelectorAll(%q)].find(e => e.textContent.includes(%q) && e.checkVisibility())
		if (!e) return []
		e.scrollIntoView({block: "center"})
		const b = e.getBoundingClientRect()
		return [b.x + b.width / 2, b.y + b.height / 2]
	})()`, selector, words)
	var place []float64
	err := eventually(p.t.Context(), 30*time.Second, func(context.Context) (err error) { // the page may still be arriving
		if place, err = chromedp.Run(p.browser, chromedp.Evaluate[[]float64](at)); err == nil && len(place) != 2 {
			err = fmt.Errorf("nothing to press: %s %q on %s", selector, words, p.text("title"))
		}
		return err
	}, p.in.done)
	if err != nil {
		p.t.Fatal(err)
	}
	p.do(chromedp.MouseClickXY(place[0], place[1]))
}

// write types into a field.
func (p scriptless) write(selector, text string) {
	p.t.Helper()
	p.click(selector, "")
	p.holds(fmt.Sprintf("document.activeElement.matches(%q)", selector))
	p.do(chromedp.KeyEvent(text))
}

// TestReadingAndTriageNeedNoScripts signs in, searches, reads every tab of an issue, comments, resolves
// and assigns in a browser that runs no scripts.
func TestReadingAndTriageNeedNoScripts(t *testing.T) {
	t.Parallel()
	in := up(t)
	in.report(t, 1, "CartError", "no such coupon", "redeem", "shop@1.0")
	in.report(t, 2, "CartError", "no such coupon", "redeem", "shop@1.1")
	in.report(t, 3, "PayError", "declined", "charge", "shop@1.1")
	p := scriptless{&page{t, in, newBrowser(t)}}
	p.do(func(ctx context.Context, target *chromedp.Target) (none chromedp.Void, err error) {
		_, err = cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return none, err
	})

	p.open("/login")
	p.write(`input[name="email"]`, in.Email)
	p.write(`input[name="password"]`, in.Password)
	p.click("button", "Sign in")
	p.shows("main", "PayError")

	p.write("#query", "CartError")
	p.click(".filters button", "Search")
	p.holds(`location.search.includes("query=CartError") && document.querySelectorAll("[data-row]").length === 1`)
	p.click("[data-row] a", "CartError")
	p.shows("h1", "CartError")
	p.shows("main", "no such coupon")
	p.shows("main", "redeem")
	p.shows("main", "shop/cart.py")

	tabs, err := chromedp.Run(p.browser, chromedp.Evaluate[[]string](`[...document.querySelectorAll(".tabs a")].map(a => new URL(a.href).pathname + new URL(a.href).search)`))
	if err != nil || len(tabs) < 4 {
		t.Fatalf("tabs: %v %v", tabs, err)
	}
	for _, tab := range tabs {
		p.open(tab)
		if p.text("h1") != "CartError" || len(strings.Fields(p.text("main"))) < 20 {
			t.Errorf("%s says %q", tab, p.text("main"))
		}
	}

	p.open(tabs[0])
	p.click(`a[href*="activity"]`, "")
	p.shows("#activity", "Comment")
	p.write("#comment", "Seen at the till")
	p.click(".comment-form button", "Comment")
	p.shows("#activity", "Seen at the till")

	p.click(`.actions button[value="resolve"]`, "Resolve")
	p.shows(".actions", "Reopen")
	p.click(`.actions button[value="reopen"]`, "Reopen")
	p.shows(".actions", "Resolve")

	p.open("/o/" + in.Organization + "/issues")
	p.click(`[data-row] input[type="checkbox"]`, "")
	p.click(`.bulk button[value="archive-escalating"]`, "Mute")
	p.holds(`document.querySelectorAll("[data-row]").length === 1`)
	p.click("button", "Undo")
	p.holds(`document.querySelectorAll("[data-row]").length === 2`)
}
