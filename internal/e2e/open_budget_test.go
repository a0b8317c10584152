package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Budgets of pages on a processor that is slowed down four times.
const (
	slowdown     = 4
	largestPaint = 1000 // ms
	interaction  = 150  // ms
	shift        = 0.02
	requests     = 12
)

// watch keeps, from before a page is drawn, what its readers feel.
const watch = `window.felt = {paint: 0, shift: 0, slowest: 0};
	new PerformanceObserver((l) => { for (const e of l.getEntries()) felt.paint = e.startTime }).observe({type: "largest-contentful-paint", buffered: true});
	new PerformanceObserver((l) => { for (const e of l.getEntries()) if (!e.hadRecentInput) felt.shift += e.value }).observe({type: "layout-shift", buffered: true});
	new PerformanceObserver((l) => { for (const e of l.getEntries()) if (e.interactionId) felt.slowest = Math.max(felt.slowest, e.duration) }).observe({type: "event", durationThreshold: 16, buffered: true});`

// felt is what watch keeps, with the requests of the page and the bytes that came over the network.
type felt struct {
	Paint    float64
	Shift    float64
	Slowest  float64
	Requests int
	Bytes    int
}

const readFelt = `({Paint: felt.paint, Shift: felt.shift, Slowest: felt.slowest, ...(() => {
	const all = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource").filter((e) => e.initiatorType !== "link" || !e.name.includes("/issues/"))];
	return {Requests: all.length, Bytes: all.reduce((n, e) => n + e.transferSize, 0)} })()})`

// budgets measures the list as it feels on a slow machine. What the machine does beside
// makes a measurement worse, never better, so the best of several counts.
func (d *desk) budgets(t *testing.T) {
	throttle(t, d.browser, slowdown)
	defer throttle(t, d.browser, 1)
	p := d.on(t)
	for _, c := range []struct {
		name, path string
		keys       []string
	}{
		{"list", d.org + "/issues", []string{"j", "j", "x", "k", "x"}},
	} {
		var best felt
		err := eventually(t.Context(), 90*time.Second, func(context.Context) error {
			best = d.feel(p, c.path, c.keys)
			if best.Paint == 0 || best.Paint > largestPaint || best.Slowest > interaction {
				return fmt.Errorf("%+v", best)
			}
			return nil
		}, d.in.done)
		t.Logf("%s: LCP %.0f ms, INP %.0f ms, CLS %.3f, %d requests", c.name, best.Paint, best.Slowest, best.Shift, best.Requests)
		if err != nil {
			t.Errorf("%s: %v; at most %d and %d ms", c.name, err, largestPaint, interaction)
		}
		if best.Shift > shift || best.Requests > requests {
			t.Errorf("%s moves by %.3f and makes %d requests; at most %.2f and %d", c.name, best.Shift, best.Requests, shift, requests)
		}
	}
}

// feel opens a page, presses keys on it, and reads what that was like.
func (d *desk) feel(p *page, path string, keys []string) (f felt) {
	p.t.Helper()
	p.open(path)
	p.holds("!!customElements.get('x-list')")
	if _, err := chromedp.Run(d.browser, chromedp.Evaluate[bool](watch+"; true")); err != nil {
		p.t.Fatal(err)
	}
	for _, k := range keys {
		p.do(chromedp.KeyEvent(k))
	}
	// Two frames later everything that the keys did is drawn and noted.
	settled := "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(" + readFelt + "), 100))))"
	f, err := chromedp.Run(d.browser, chromedp.Evaluate[felt](settled, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatal(err)
	}
	return f
}

// throttle slows the processor of a tab down by a factor.
func throttle(t *testing.T, of context.Context, rate float64) {
	t.Helper()
	err := chromedp.Do(of, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: rate})
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
}
