package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// allowClipboard lets pages read what was copied, as a person does by pasting.
func allowClipboard(t *testing.T, of context.Context) {
	t.Helper()
	err := chromedp.Do(of, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		for _, name := range []string{"clipboard-read", "clipboard-write"} {
			p := browser.SetPermissionParams{Permission: &browser.PermissionDescriptor{Name: name}, Setting: browser.PermissionSettingGranted}
			if _, err := cdp.Call(ctx, target, browser.SetPermission, p); err != nil {
				return err
			}
		}
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
}

// attribute is an attribute of an element; empty when there is none.
func (p *page) attribute(selector, name string) string {
	p.t.Helper()
	got, err := chromedp.Run(p.browser, chromedp.Evaluate[string](fmt.Sprintf("document.querySelector(%q)?.getAttribute(%q) ?? ''", selector, name)))
	if err != nil {
		p.t.Fatal(err)
	}
	return got
}

// sendEvent sends an event and waits until it is stored.
func (d *desk) sendEvent(t *testing.T, id, event string) {
	t.Helper()
	if status, err := d.in.send(t.Context(), id, event); err != nil || status != http.StatusOK {
		t.Fatalf("send: %d %v", status, err)
	}
	d.in.await("the event", 30*time.Second, func(ctx context.Context) error {
		return d.in.api(ctx, "organizations/"+d.in.Organization+"/eventids/"+id+"/", &struct{}{})
	})
}

// copies presses what copies, and what keys copy, and compares the clipboard with what it must hold.
func (d *desk) copies(t *testing.T) {
	p := d.on(t)
	allowClipboard(t, d.browser)
	id := eventID(200)
	d.sendEvent(t, id, `{"event_id":"`+id+`","platform":"python","tags":{"shop":"<b>Zürich</b>"},"request":{"url":"https://shop.example.org/pay","method":"POST","data":"note=it's \"quoted\" $HOME","headers":{"X-Shop":"a'b"}},`+
		`"exception":{"values":[{"type":"CopyError","value":"as it is","stacktrace":{"frames":[{"filename":"shop/copy.py","function":"duplicate","lineno":7,"in_app":true}]}}]}}`)
	p.open(d.org + "/e/" + id)
	p.shows("h1", "CopyError")
	event, err := chromedp.Run(d.browser, chromedp.Evaluate[string]("location.pathname"))
	if err != nil {
		t.Fatal(err)
	}
	served := func(part string) string {
		text, err := chromedp.Run(d.browser, chromedp.Evaluate[string](fmt.Sprintf("fetch(%q).then(r => r.ok ? r.text() : 'status ' + r.status)", event+part), chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	curl := p.attribute(`x-copy[label="Copy as curl"]`, "text")
	if !strings.Contains(curl, "curl") || !strings.Contains(curl, "https://shop.example.org/pay") {
		t.Errorf("the request as curl is %q", curl)
	}
	short := p.text(".meta .short")
	markdown, trace := served("/markdown"), served("/trace")
	if !strings.Contains(markdown, "CopyError") || !strings.Contains(trace, "shop/copy.py") {
		t.Errorf("the server says %q, %q", markdown, trace)
	}
	for _, c := range []struct{ what, key, selector, want string }{
		{"the short id", "", `x-copy[label="Copy issue id"] button`, short},
		{"the event id", "", `x-copy[label="Copy event id"] button`, id},
		{"the link", "y", `x-copy[label="Copy link"] button`, d.in.URL + event},
		{"the trace", "", `x-copy[label="Copy trace"] button`, trace},
		{"the Markdown", "Y", `x-copy[label="Copy as Markdown"] button`, markdown},
		{"curl", "C", `x-copy[label="Copy as curl"] button`, curl},
	} {
		for _, byKey := range []bool{false, true} {
			if byKey && c.key == "" {
				continue
			}
			if _, err := chromedp.Run(d.browser, chromedp.Evaluate[bool]("navigator.clipboard.writeText('nothing').then(() => true)", chromedp.EvalAwaitPromise)); err != nil {
				t.Fatal(err)
			}
			if byKey {
				p.do(chromedp.KeyEvent(c.key))
			} else {
				p.do(chromedp.Click(c.selector))
			}
			var got string
			err := eventually(t.Context(), 20*time.Second, func(context.Context) (err error) {
				got, err = chromedp.Run(d.browser, chromedp.Evaluate[string]("navigator.clipboard.readText()", chromedp.EvalAwaitPromise))
				if err == nil && got == "nothing" {
					err = fmt.Errorf("nothing was copied")
				}
				return err
			}, d.in.done)
			if err != nil || got != c.want {
				t.Errorf("%s, by a key: %t: want\n%s\ngot\n%s\n%v", c.what, byKey, c.want, got, err)
			}
		}
	}
}

// tag presses a tag of an event, plainly and with Alt.
func (d *desk) tag(t *testing.T) {
	p := d.on(t)
	tag := `#tags a[data-exclude]`
	for _, modifier := range []chromedp.Modifier{0, chromedp.ModifierAlt} {
		want := "shop:"
		if modifier != 0 {
			want = "!shop:"
		}
		p.open(d.org + "/e/" + eventID(200))
		p.shows("h1", "CopyError")
		at := fmt.Sprintf(`(() => { const e = [...document.querySelectorAll(%q)].find(a => a.textContent.includes("Zürich")); e.scrollIntoView({block: "center"}); const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2] })()`, tag)
		place, err := chromedp.Run(d.browser, chromedp.Evaluate[[]float64](at))
		if err != nil {
			t.Fatal(err)
		}
		p.do(chromedp.MouseClickXY(place[0], place[1], chromedp.ButtonModifiers(modifier)))
		p.holds(fmt.Sprintf("location.pathname.endsWith('/issues') && [...document.querySelectorAll('.terms code')].some(c => c.textContent.startsWith(%q))", want))
		if modifier == 0 { // tags are summed up now and then
			address, err := chromedp.Run(d.browser, chromedp.Evaluate[string]("location.pathname + location.search"))
			if err != nil {
				t.Fatal(err)
			}
			p.awaits(address, "main", "CopyError")
		} else if p.is("[...document.querySelectorAll('[data-row]')].some(r => r.textContent.includes('CopyError'))") {
			t.Error("what is excluded is listed")
		}
	}
}

// deep opens an event of 250 frames with keys alone: all unfold at once, each is reached, and its source
// is there as it unfolds. How long readers wait is told, not judged: it is the machine's as much as ours.
func (d *desk) deep(t *testing.T) {
	p := d.on(t)
	const depth = 250
	frames := make([]map[string]any, depth)
	for i := range frames {
		frames[i] = map[string]any{"filename": fmt.Sprintf("shop/step_%d.py", i), "function": fmt.Sprintf("step_%d", i), "lineno": i + 1, "in_app": i%10 != 5,
			"pre_context": []string{"    a = 1", "    b = 2"}, "context_line": fmt.Sprintf("    call_%d(a, b)", i), "vars": map[string]int{"depth": i}}
	}
	id := eventID(210)
	event, err := json.Marshal(map[string]any{"event_id": id, "platform": "python", "exception": map[string]any{"values": []any{
		map[string]any{"type": "DeepError", "value": "too far down", "stacktrace": map[string]any{"frames": frames}}}}})
	if err != nil {
		t.Fatal(err)
	}
	d.sendEvent(t, id, string(event))
	p.open(d.org + "/e/" + id)
	p.shows("h1", "DeepError")
	p.holds(fmt.Sprintf("document.querySelectorAll('.frame').length === %d", depth))
	const far = "step_100"
	at := fmt.Sprintf("document.activeElement.matches('.frame summary') && document.activeElement.textContent.includes(%q)", far)
	p.press("X", "[...document.querySelectorAll('.frame details')].every(d => d.open)")
	p.holds(fmt.Sprintf("document.querySelectorAll('.frame .code').length === %d", depth))
	p.do(chromedp.Navigate(d.gate.URL + d.org + "/e/" + id))
	p.shows("h1", "DeepError")
	for range depth + 60 { // what stands before the stack has the keys first
		if p.is(at) {
			break
		}
		p.do(chromedp.KeyEvent(kb.Tab))
	}
	p.holds(at)
	p.holds("(() => { const b = document.activeElement.getBoundingClientRect(); return b.top >= 48 && b.bottom <= innerHeight })()") // no bar lies over it
	moves, sources := d.readOn(p, 20)
	t.Logf("an event of %d frames: from the key to what is painted: the next frame after %s, its source after %s", depth, spread(moves), spread(sources))
}

// timeKeys notes how long after a press of Tab the focus is painted, and after one of Enter the source
// of the frame at hand.
const timeKeys = `window.painted = {Tab: [], Enter: []};
	document.addEventListener("keydown", (e) => {
		const note = () => setTimeout(() => painted[e.key].push(performance.now() - e.timeStamp));
		const frame = e.target.closest("details");
		const look = () => e.key === "Tab" || frame.querySelector(".code") ? note() : requestAnimationFrame(look);
		if (painted[e.key]) requestAnimationFrame(look);
	}, true)`

// readOn unfolds so many of the frames that follow, and returns the milliseconds that the moves and the
// sources took.
func (d *desk) readOn(p *page, n int) (moves, sources []float64) {
	p.t.Helper()
	if _, err := chromedp.Run(d.browser, chromedp.Evaluate[bool](timeKeys+"; true")); err != nil {
		p.t.Fatal(err)
	}
	const folded = "document.activeElement.matches('.frame > details:not([open]) > summary')"
	for i := range n {
		for range 20 { // what is in the frame before has the keys first
			if p.is(folded) {
				break
			}
			p.do(chromedp.KeyEvent(kb.Tab))
		}
		p.holds(folded)
		p.do(chromedp.KeyEvent(kb.Enter))
		p.holds(fmt.Sprintf("painted.Enter.length === %d", i+1))
	}
	times, err := chromedp.Run(d.browser, chromedp.Evaluate[map[string][]float64]("painted"))
	if err != nil {
		p.t.Fatal(err)
	}
	return times["Tab"], times["Enter"]
}

// spread says what half and nearly all of some times are at most.
func spread(ms []float64) string {
	slices.Sort(ms)
	at := func(part float64) float64 { return ms[min(int(part*float64(len(ms))), len(ms)-1)] }
	return fmt.Sprintf("%.0f ms (p50), %.0f ms (p95) of %d", at(.5), at(.95), len(ms))
}

// alertLink is the page of an issue in what a receiver is sent.
var alertLink = regexp.MustCompile(`https?://[^/"]+/(o|organizations)/[^"]+`)

// acknowledge follows the link of an alert on a phone: the first press opens it, the second says that
// somebody looks after it.
func (d *desk) acknowledge(t *testing.T) {
	p := d.on(t)
	var made struct{ ID string }
	call := func(method, path string, body any, into any) {
		t.Helper()
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		status, answer, err := fetch(t.Context(), method, d.in.URL+path, d.in.AuthToken, text, "Content-Type", "application/json")
		if err == nil && into != nil {
			err = json.Unmarshal(answer, into)
		}
		if err != nil || status/100 != 2 {
			t.Fatalf("%s: %d %s %v", path, status, answer, err)
		}
	}
	call(http.MethodPost, "/api/v1/organizations/default/destinations/", map[string]any{"channel": "webhook", "name": "Pager", "settings": map[string]string{"url": d.hook.URL}}, &made)
	call(http.MethodPut, "/api/v1/projects/default/default/alert-rules/", map[string]any{"name": "At night", "enabled": true, "match": "any", "filterMatch": "all", "filters": []any{},
		"conditions": []any{map[string]string{"kind": "new"}}, "actions": []any{map[string]string{"kind": "destination", "destination": made.ID}},
		"escalation": map[string]any{"afterMinutes": 30, "destination": made.ID}}, nil)
	d.in.report(t, 220, "NightError", "out of memory", "load", "shop@1.1")
	d.in.await("the alert", time.Minute, func(context.Context) error {
		if d.hook.count() == 0 {
			return fmt.Errorf("none came")
		}
		return nil
	})
	link, err := url.Parse(string(alertLink.Find(d.hook.last())))
	if err != nil || link.Path == "" {
		t.Fatalf("the alert has no link: %s %v", d.hook.last(), err)
	}
	p.do(chromedp.EmulateViewport(375, 812))
	p.open(link.RequestURI())
	p.shows("h1", "NightError")
	const button = `.actions button[value="acknowledge"]`
	p.holds(fmt.Sprintf(`(() => { const b = document.querySelector(%q).getBoundingClientRect(); return b.top >= 0 && b.bottom <= innerHeight - 56 && b.height >= 44 && b.width >= 44 })()`, button))
	p.do(chromedp.Click(button))
	p.shows(".toast", "Acknowledged. Nobody else is told.")
	p.holds(fmt.Sprintf("!document.querySelector(%q)", button))
	p.do(chromedp.EmulateViewport(1440, 900))
}
