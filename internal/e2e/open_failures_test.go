package e2e

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// parts holds up and refuses what pages load after themselves.
func (d *desk) parts(t *testing.T) {
	p := d.on(t)
	d.frameParts(p)
	d.listParts(p)
}

func (d *desk) frameParts(p *page) {
	p.t.Helper()
	p.open(d.org + "/e/" + eventID(210))
	p.shows("h1", "DeepError")
	body := func(nth int) string { return fmt.Sprintf("#f-0-%d .frame-body", nth) }
	unfold := func(nth int) { p.do(chromedp.Click(fmt.Sprintf("#f-0-%d summary", nth))) }
	filled := func(nth int) { p.holds(fmt.Sprintf("!!document.querySelector('#f-0-%d .code')", nth)) }
	d.gate.hold("/frames/")
	unfold(3)
	p.shows(body(3), "Loading")
	p.holds(fmt.Sprintf("document.querySelector(%q).getBoundingClientRect().height > 200", body(3)+".waits")) // in the place of the source
	d.gate.pass()
	filled(3)
	d.gate.refuse("/frames/")
	unfold(4)
	p.shows(body(4), "could not be loaded. Try again")
	d.gate.pass()
	p.do(chromedp.Click(body(4) + " a"))
	filled(4)
}

func (d *desk) listParts(p *page) {
	p.t.Helper()
	d.gate.refuse("/histogram")
	p.open(d.org + "/issues")
	p.shows("x-histogram", "could not be read")
	d.gate.pass()
	p.do(chromedp.Click("x-histogram button"))
	p.holds("!!document.querySelector('x-histogram svg')")
	p.press("j", "!!document.querySelector('.row.at')")
	d.gate.hold("/peek")
	p.do(chromedp.KeyEvent(" "))
	p.shows("#peek", "Loading")
	p.shows("#peek", "The server takes long to answer")
	d.gate.pass()
	p.holds("!!document.querySelector('#peek h1')")
	p.do(chromedp.KeyEvent(" "))
	p.holds("!document.querySelector('#peek').open")
	d.gate.refuse("/peek")
	p.do(chromedp.KeyEvent("j"), chromedp.KeyEvent(" "))
	p.shows(".toast", "The issue could not be read")
	p.holds("document.activeElement.closest('.row')?.classList.contains('at')") // who reads stays where they were
	d.gate.pass()
	p.do(chromedp.Click(".toast .plain"))
	p.holds("document.querySelector('#peek').open")
}

// loginEnds ends the login under somebody who writes, once a little and once more than can be held for
// them outside of their browser.
func (d *desk) loginEnds(t *testing.T) {
	p := d.on(t)
	for _, text := range []string{"An hour of thoughts", "A day of thoughts. " + strings.Repeat("And more of them. ", 300)} {
		p.open(d.org + "/e/" + eventID(200))
		p.shows("h1", "CopyError")
		p.press("c", "document.activeElement.id === 'comment'")
		p.do(chromedp.SetValue("#comment", text[:len(text)-1]), chromedp.SendKeys("#comment", text[len(text)-1:]))
		if _, err := chromedp.Run(d.browser, chromedp.Evaluate[bool]("fetch('/logout', {method: 'POST'}).then(() => true)", chromedp.EvalAwaitPromise)); err != nil { // as in another tab
			t.Fatal(err)
		}
		p.do(chromedp.Click(`.comment-form button[value="comment"]`), chromedp.WaitVisible(`input[name="password"]`))
		p.do(chromedp.SendKeys(`input[name="email"]`, d.in.Email), chromedp.SendKeys(`input[name="password"]`, d.in.Password), chromedp.Submit(`input[name="password"]`))
		const there = "(document.querySelector('.resume') ? document.querySelector('pre.text').textContent : document.querySelector('#comment')?.value ?? '').trim()"
		p.holds(fmt.Sprintf("%s === %q", there, strings.TrimSpace(text)))
		p.do(chromedp.Click(`.resume .primary, .comment-form button[value="comment"]`))
		p.shows("#activity .activity li", strings.TrimSpace(text))
		p.holds("document.querySelector('#comment').value === ''")
	}
}

// databaseAway stops Postgres under an open browser and starts it again.
func (d *desk) databaseAway(t *testing.T) {
	p := d.on(t)
	p.awaits(d.org+"/issues?query=CartError", "[data-row]", "CartError")
	before, err := strconv.Atoi(p.text("[data-row] .c-num b"))
	if err != nil {
		t.Fatal(err)
	}
	d.in.stopDatabase(t)
	var took time.Duration
	p.await("the page to say so soon", 30*time.Second, func(context.Context) error {
		began := time.Now()
		p.open(d.org + "/issues?query=CartError")
		if took = time.Since(began); took > 2*time.Second {
			return fmt.Errorf("it took %s", took)
		}
		return nil
	})
	p.shows("h1", "The database cannot be reached")
	p.shows("main", "Events are still being accepted")
	t.Logf("the page says so after %s", took.Round(time.Millisecond))
	d.in.hand(t, 300, "CartError", "no cart", "total", "shop@1.1")
	d.in.startDatabase(t)
	began := time.Now()
	p.holds(numbers("CartError") + " !== ''")
	t.Logf("the page is back %s after the database", time.Since(began).Round(time.Millisecond))
	p.holds("location.search === '?query=CartError'")
	p.await("what was sent meanwhile", time.Minute, func(context.Context) error {
		p.open(d.org + "/issues?query=CartError")
		if got := p.text("[data-row] .c-num b"); got != strconv.Itoa(before+1) {
			return fmt.Errorf("%s events, before %d", got, before)
		}
		return nil
	})
}
