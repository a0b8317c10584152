package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/jackc/pgx/v5"
)

// desk is a browser before an instance whose answers can be held up, with what the tests that share
// it need.
type desk struct {
	in      *instance // asked directly
	gate    *gate
	behind  *instance // asked through the gate
	db      *pgx.Conn
	browser context.Context
	org     string // path
	hook    *receiver
}

// on is the browser in the hands of one part of the test, which what goes wrong belongs to.
func (d *desk) on(t *testing.T) *page {
	program := *d.in.program
	program.t = t
	d.in.program, d.behind.program = &program, &program
	return &page{t, d.behind, d.browser}
}

// TestPagesWhileTheyAreOpen is what happens to pages while somebody looks at them: events arrive, others
// change things, the connection, a part, the login or the database goes, and the reader searches, copies,
// follows tags, reads, acknowledges, and works a thousand issues off.
func TestPagesWhileTheyAreOpen(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	complaints := listen(t, d.browser)
	t.Run("suggests, takes what is pasted and points at mistakes", func(t *testing.T) { d.search(t) })
	t.Run("changes rows in place and lets new ones wait", func(t *testing.T) { d.live(t) })
	t.Run("misses nothing while the connection is away", func(t *testing.T) { d.reconnect(t) })
	t.Run("shares one connection between ten tabs", func(t *testing.T) { d.tabs(t) })
	t.Run("tells of changes by others", func(t *testing.T) { d.conflict(t) })
	t.Run("copies exactly", func(t *testing.T) { d.copies(t) })
	t.Run("leads from a tag to the search", func(t *testing.T) { d.tag(t) })
	t.Run("reads a deep stack by keys", func(t *testing.T) { d.deep(t) })
	t.Run("acknowledges in two presses on a phone", func(t *testing.T) { d.acknowledge(t) })
	t.Run("keeps its budgets on a slow processor", func(t *testing.T) { d.budgets(t) })
	for _, c := range complaints() {
		if !strings.Contains(c, "502") && !strings.Contains(c, "400") && !strings.Contains(c, "ERR_INCOMPLETE_CHUNKED_ENCODING") { // of the gate, and of a search that makes no sense
			t.Error(c)
		}
	}
	t.Run("tells of slow and failed parts", func(t *testing.T) { d.parts(t) })
	t.Run("keeps what was written when the login ends", func(t *testing.T) { d.loginEnds(t) })
	t.Run("changes more than a thousand as a job, and back", func(t *testing.T) { d.many(t) })
	t.Run("comes back alone when the database does", func(t *testing.T) { d.databaseAway(t) })
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{in: &instance{credentials: credentials{URL: "http://" + freeAddress(t)}}, hook: newReceiver(t)}
	d.db = d.in.prepare(t)
	d.in.start(t, "TOCSIN_ALLOW_PRIVATE_DESTINATIONS=127.0.0.0/8")
	d.org = "/o/" + d.in.Organization
	d.gate = newGate(t, d.in)
	behind := *d.in
	behind.URL = d.gate.URL
	d.behind = &behind
	d.in.report(t, 1, "CartError", "no cart", "total", "shop@1.0")
	d.in.report(t, 2, "CartError", "no cart", "total", "shop@1.1")
	d.in.report(t, 3, "PayError", "declined", "charge", "shop@1.1")
	d.browser = newBrowserFor(t, 10*time.Minute)
	focused := chromedp.Func(func(ctx context.Context, target *chromedp.Target) error { // other tabs take nothing from this one
		_, err := cdp.Call(ctx, target, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
		return err
	})
	if err := chromedp.Do(d.browser, focused); err != nil {
		t.Fatal(err)
	}
	d.behind.signIn(t, d.browser)
	return d
}

// numbers is a script for the first number of the row of an issue.
func numbers(kind string) string {
	return fmt.Sprintf("([...document.querySelectorAll('[data-row]')].find(r => r.textContent.includes(%q))?.querySelector('.c-num b').textContent ?? '')", kind)
}

const order = "[...document.querySelectorAll('[data-row] strong')].map(e => e.textContent).join()"

// live sees one row grow where it stands, a new one wait, and events of an open issue wait.
func (d *desk) live(t *testing.T) {
	p := d.on(t)
	p.open(d.org + "/issues")
	d.awaitListeners(t, 1)
	p.do(stay)
	before, err := chromedp.Run(d.browser, chromedp.Evaluate[string](order))
	if err != nil {
		t.Fatal(err)
	}
	d.in.report(t, 10, "CartError", "no cart", "total", "shop@1.1")
	p.holds(numbers("CartError") + " === '3'")
	d.in.report(t, 11, "StockError", "nothing left", "take", "shop@1.1")
	p.shows("#live-pill", "1 new")
	p.holds(fmt.Sprintf("window.stayed && %s === %q", order, before))
	p.press(".", "!window.stayed")
	p.holds(numbers("StockError") + " === '1'")

	p.do(chromedp.Click("[data-row] .title a"))
	p.shows("h1", "StockError")
	d.awaitListeners(t, 1)
	p.do(stay)
	d.in.report(t, 12, "StockError", "nothing left", "take", "shop@1.1")
	p.shows("#live-pill", "1 new event")
	p.press(".", "!window.stayed")
	p.shows(".event-nav", "of 2")
}

// stay marks the page, so that a test knows whether it is the same one later.
var stay = chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
	_, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("window.stayed = true"))
	return err
})

// awaitListeners waits until so many connections tell browsers what changes.
func (d *desk) awaitListeners(t *testing.T, n int) {
	t.Helper()
	err := eventually(t.Context(), 30*time.Second, func(context.Context) error {
		if got := d.gate.listening(); got != n {
			return fmt.Errorf("%d connections, want %d", got, n)
		}
		return nil
	}, d.in.done)
	if err != nil {
		t.Fatal(err)
	}
}

// reconnect takes the connection away while events arrive.
func (d *desk) reconnect(t *testing.T) {
	p := d.on(t)
	p.open(d.org + "/issues")
	d.awaitListeners(t, 1)
	p.do(stay)
	d.gate.refuse("/live")
	d.gate.cut()
	p.shows("#link-state", "Reconnecting")
	d.in.report(t, 20, "CartError", "no cart", "total", "shop@1.1")
	d.in.report(t, 21, "PayError", "declined", "charge", "shop@1.1")
	if !p.is(numbers("CartError") + " === '3'") {
		t.Error("the row changed without a connection")
	}
	d.gate.pass()
	p.holds(numbers("CartError") + " === '4'")
	p.holds(numbers("PayError") + " === '2'")
	p.holds("window.stayed && document.querySelector('#link-state').hidden")
}

// tabs opens ten tabs: one has the connection, all hear, and when it goes another takes its place.
func (d *desk) tabs(t *testing.T) {
	p := d.on(t)
	p.open(d.org + "/issues")
	d.awaitListeners(t, 1)
	var others []*page
	for range 9 {
		tab, shut := chromedp.NewContext(d.browser)
		t.Cleanup(shut)
		if err := chromedp.Do(tab); err != nil {
			t.Fatal(err)
		}
		other := &page{t, d.behind, tab}
		other.do(chromedp.Navigate(d.gate.URL + d.org + "/issues"))
		others = append(others, other)
	}
	for _, other := range others {
		other.holds("customElements.get('x-list') && " + numbers("CartError") + " === '4'")
	}
	d.awaitListeners(t, 1)
	d.in.report(t, 30, "CartError", "no cart", "total", "shop@1.1")
	for _, tab := range append(others, p) {
		tab.holds(numbers("CartError") + " === '5'")
	}
	if n := d.gate.listening(); n != 1 {
		t.Errorf("ten tabs have %d connections", n)
	}
	p.do(chromedp.Navigate("about:blank")) // the one that had it
	d.awaitListeners(t, 1)
	d.in.report(t, 31, "CartError", "no cart", "total", "shop@1.1")
	for _, tab := range others {
		tab.holds(numbers("CartError") + " === '6'")
	}
}

// conflict presses a button of a page that is no longer true.
func (d *desk) conflict(t *testing.T) {
	p := d.on(t)
	p.open(d.org + "/issues?query=StockError")
	p.do(chromedp.Click("[data-row] .title a"))
	p.shows("h1", "StockError")
	d.change(t, "StockError", `{"status":"resolved"}`)
	p.do(chromedp.Click(`.actions button[value="archive-escalating"]`))
	p.shows(".toast", "resolved the issue just now, after you opened this page. Nothing was done")
	p.shows(".actions", "Reopen")
	p.do(chromedp.Click(`.actions button[value="reopen"]`))
	p.shows(".actions", "Resolve")
	p.shows(".toast", "Reopened")
}

// change changes issues that a search finds, as another person with another page would.
func (d *desk) change(t *testing.T, query, what string) {
	t.Helper()
	var found []struct{ ID string }
	if err := d.in.api(t.Context(), "organizations/"+d.in.Organization+"/issues/?query="+query, &found); err != nil || len(found) == 0 {
		t.Fatalf("%s: %d issues, %v", query, len(found), err)
	}
	status, answer, err := fetch(t.Context(), http.MethodPut, d.in.URL+"/api/0/organizations/"+d.in.Organization+"/issues/"+found[0].ID+"/", d.in.AuthToken, []byte(what), "Content-Type", "application/json")
	if err != nil || status != http.StatusOK {
		t.Fatalf("change %s: %d %s %v", query, status, answer, err)
	}
}
