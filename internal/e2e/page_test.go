package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// page is a browser that is signed in to an instance, with words for what people do on pages.
type page struct {
	t       *testing.T
	in      *instance
	browser context.Context
}

func (in *instance) page(t *testing.T) *page {
	t.Helper()
	p := &page{t, in, newBrowser(t)}
	in.signIn(t, p.browser)
	return p
}

func (p *page) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	for i, a := range actions {
		ctx, cancel := context.WithTimeout(p.browser, time.Minute)
		err := chromedp.Do(ctx, a)
		cancel()
		if err != nil {
			p.t.Fatalf("step %d on %s: %v\n%.2000s", i+1, p.text("title"), err, p.text("main"))
		}
	}
}

// await waits until ready answers nil.
func (p *page) await(what string, limit time.Duration, ready func(context.Context) error) {
	p.t.Helper()
	if err := eventually(p.t.Context(), limit, ready, p.in.done); err != nil {
		p.t.Fatalf("%s on %s: %v", what, p.text("title"), err)
	}
}

func (p *page) open(path string) {
	p.t.Helper()
	p.do(chromedp.Navigate(p.in.URL + path))
}

// text is what an element says; empty when there is none.
func (p *page) text(selector string) string {
	p.t.Helper()
	got, err := chromedp.Run(p.browser, chromedp.Evaluate[string](fmt.Sprintf("document.querySelector(%q)?.textContent ?? ''", selector)))
	if err != nil {
		p.t.Fatal(err)
	}
	return got
}

// shows waits until an element says something.
func (p *page) shows(selector, want string) {
	p.t.Helper()
	p.await(selector+" to show "+want, 30*time.Second, func(context.Context) error {
		got, err := chromedp.Run(p.browser, chromedp.Evaluate[string](fmt.Sprintf("document.querySelector(%q)?.textContent ?? ''", selector)))
		if err == nil && !strings.Contains(strings.Join(strings.Fields(got), " "), want) {
			err = fmt.Errorf("it shows %q", got)
		}
		return err
	})
}

// is reports whether a condition of the page's scripts holds.
func (p *page) is(condition string) bool {
	p.t.Helper()
	ok, err := chromedp.Run(p.browser, chromedp.Evaluate[bool](condition))
	return err == nil && ok // a page that is being left answers nothing
}

// holds waits until a condition of the page's scripts holds.
func (p *page) holds(condition string) {
	p.t.Helper()
	p.await(condition, 30*time.Second, func(context.Context) error {
		if !p.is(condition) {
			return errors.New("it does not hold")
		}
		return nil
	})
}

// press types keys until a condition holds, since a page that is still loading hears none.
func (p *page) press(keys, until string) {
	p.t.Helper()
	p.await("what "+keys+" does: "+until, 30*time.Second, func(context.Context) error {
		if p.is(until) {
			return nil
		}
		for _, k := range keys {
			p.do(chromedp.KeyEvent(string(k)))
		}
		// What was typed may take effect late; typed twice, it would do something else.
		return eventually(p.t.Context(), 3*time.Second, func(context.Context) error {
			if !p.is(until) {
				return errors.New("it does not hold")
			}
			return nil
		}, p.in.done)
	})
}

// audited wants a row of the audit log for each change that a test made, by the beginning of its name.
func (in *instance) audited(t *testing.T, events ...string) {
	t.Helper()
	var log struct{ Rows []struct{ Event string } }
	if err := in.api(t.Context(), "organizations/"+in.Organization+"/audit-logs/?per_page=100", &log); err != nil {
		t.Fatal(err)
	}
	for _, want := range events {
		if !slices.ContainsFunc(log.Rows, func(r struct{ Event string }) bool { return strings.HasPrefix(r.Event, want) }) {
			t.Errorf("the audit log has no %s: %v", want, log.Rows)
		}
	}
}

// awaits opens a page again and again until an element says something.
func (p *page) awaits(path, selector, want string) {
	p.t.Helper()
	p.await(path+" to show "+want, 30*time.Second, func(context.Context) error {
		p.open(path)
		if got := p.text(selector); !strings.Contains(got, want) {
			return fmt.Errorf("it shows %q", got)
		}
		return nil
	})
}
