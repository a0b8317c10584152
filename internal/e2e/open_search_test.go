package e2e

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// edit does what a key of the system would to the field at hand: paste, undo, redo.
func edit(command string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		for _, kind := range []input.DispatchKeyEventType{"rawKeyDown", "keyUp"} {
			p := input.DispatchKeyEventParams{Type: kind, Modifiers: 2, Key: "F13", Code: "F13"}
			if kind == "rawKeyDown" {
				p.Commands = []string{command}
			}
			if _, err := cdp.Call(ctx, target, input.DispatchKeyEvent, p); err != nil {
				return err
			}
		}
		return nil
	})
}

// bar is the search of the list in the hands of somebody with a keyboard.
type bar struct {
	*page
	list string
}

// begin goes to an empty field. What is typed to get there is no part of the search.
func (b bar) begin() {
	b.t.Helper()
	b.open(b.list)
	b.press("/", "document.activeElement.id === 'query'")
	b.do(edit("selectAll"), edit("deleteBackward"))
	b.says("")
}

// says waits until the field says something.
func (b bar) says(query string) {
	b.t.Helper()
	b.holds(fmt.Sprintf("document.querySelector('#query').value === %q", query))
}

// finds waits until so many conditions find so many issues.
func (b bar) finds(terms, rows int) {
	b.t.Helper()
	b.holds(fmt.Sprintf("document.querySelectorAll('.terms li').length === %d && document.querySelectorAll('[data-row]').length === %d", terms, rows))
}

// pick takes a suggestion with the arrow keys.
func (b bar) pick(want string) {
	b.t.Helper()
	b.holds(fmt.Sprintf("[...document.querySelectorAll('#query-list code')].some(c => c.textContent === %q)", want))
	for range 12 {
		if b.is(fmt.Sprintf("document.querySelector('#query-list [aria-selected=true] code')?.textContent === %q", want)) {
			break
		}
		b.do(chromedp.KeyEvent(kb.ArrowDown))
	}
	b.holds("document.querySelector('#query').getAttribute('aria-activedescendant') === document.querySelector('#query-list [aria-selected=true]')?.id")
	b.do(chromedp.KeyEvent(kb.Enter))
}

// search uses the query bar: words completed by keys, a text from the clipboard, a search that is kept,
// and a mistake.
func (d *desk) search(t *testing.T) {
	b := bar{d.on(t), d.org + "/issues"}
	allowClipboard(t, d.browser)
	b.await("the counts of releases", time.Minute, func(context.Context) error { // they are summed up now and then
		found, err := chromedp.Run(d.browser, chromedp.Evaluate[string](fmt.Sprintf("fetch('%s/suggest?word=release:').then(r => r.text())", d.org), chromedp.EvalAwaitPromise))
		if err == nil && !regexp.MustCompile(`shop@1\.1"[^}]*"count":[1-9]`).MatchString(found) {
			err = errors.New(found)
		}
		return err
	})
	b.completes()
	b.pastes()
	b.do(chromedp.Click("details.save summary"), chromedp.SendKeys("#view-name", "Payments"), chromedp.Click(`button[value="save"]`))
	b.shows(".tabs [aria-current]", "Payments")
	b.open(b.list)
	b.do(chromedp.Click(".tabs a.kept"))
	b.finds(2, 1)

	b.begin()
	b.do(chromedp.KeyEvent("level:(error"), chromedp.KeyEvent(kb.Enter))
	b.shows("#query-problem", "▸")
	b.holds("document.querySelector('#query').getAttribute('aria-invalid') === 'true' && document.querySelector('#query-problem mark').previousSibling.data.startsWith('level:')")
	b.says("level:(error")
}

// completes types the beginnings of words, and finds the search in the address.
func (b bar) completes() {
	b.t.Helper()
	b.begin()
	b.do(chromedp.KeyEvent("rel"))
	b.pick("release:")
	b.says("release:")
	b.holds(`[...document.querySelectorAll('#query-list li')].some(li => li.textContent.includes('shop@1.1') && /\d seen/.test(li.textContent))`)
	b.pick("release:shop@1.1")
	b.says("release:shop@1.1 ")
	b.do(chromedp.KeyEvent("CartError"), chromedp.KeyEvent(kb.Enter))
	b.finds(2, 1)
	address, err := chromedp.Run(b.browser, chromedp.Evaluate[string]("location.pathname + location.search"))
	if err != nil {
		b.t.Fatal(err)
	}
	b.open(address)
	b.finds(2, 1)
	b.do(chromedp.Click(".terms li:last-child a"))
	b.finds(1, 2)
}

// pastes puts a text from the clipboard into the field, takes that back, and takes that back too.
func (b bar) pastes() {
	b.t.Helper()
	b.begin()
	const query = "error.type:PayError !is:resolved"
	if _, err := chromedp.Run(b.browser, chromedp.Evaluate[bool](fmt.Sprintf("navigator.clipboard.writeText(%q).then(() => true)", query), chromedp.EvalAwaitPromise)); err != nil {
		b.t.Fatal(err)
	}
	b.do(edit("paste"))
	b.says(query)
	b.do(edit("undo"))
	b.says("")
	b.do(edit("redo"))
	b.says(query)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.finds(2, 1)
}
