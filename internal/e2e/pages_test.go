package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/tocsin-dev/tocsin/internal/testkit/sdk"
)

// shown is the pages of one instance with recorded events, by name.
type shown struct{ name, url string }

// TestPagesOfRecordedEventsFitAndBehave opens the pages that recorded events make, wide and on a
// phone: nothing scrolls sideways and the browser has no complaint about scripts or policies.
// With TOCSIN_SCREENSHOTS set it leaves pictures of them in that folder.
func TestPagesOfRecordedEventsFitAndBehave(t *testing.T) {
	t.Parallel()
	in := upForRecordings(t)
	for _, r := range sdk.Requests(t, sdk.KindEnvelope, sdk.KindStore) {
		switch family(r) {
		case "python-2.x", "node-10.x", "go-0.50", "browser-11.x", "ruby-6.6", "raven-js-3.27":
			in.replay(t, r)
		}
	}
	pages := in.pages(t)
	browser := newBrowser(t)
	complaints := listen(t, browser)
	in.signIn(t, browser)
	// What listens must hear, or silence would prove nothing.
	if _, err := chromedp.Run(browser, chromedp.Evaluate[int]("setTimeout(() => { throw new Error('probe') })")); err != nil {
		t.Fatal(err)
	}
	in.await("the probe to be heard", 10*time.Second, func(context.Context) error {
		if heard := complaints(); len(heard) != 1 {
			return fmt.Errorf("heard %q", heard)
		}
		return nil
	})
	for _, width := range []int64{1440, 375} {
		for _, p := range pages {
			if err := chromedp.Do(browser, chromedp.EmulateViewport(width, 900), chromedp.Navigate(p.url)); err != nil {
				t.Fatalf("%s: %v", p.name, err)
			}
			overflow, err := chromedp.Run(browser, chromedp.Evaluate[int]("document.documentElement.scrollWidth - window.innerWidth"))
			if err != nil || overflow > 0 {
				t.Errorf("%s at %d px scrolls sideways by %d px, %v", p.name, width, overflow, err)
			}
			if dir := os.Getenv("TOCSIN_SCREENSHOTS"); dir != "" {
				png, err := chromedp.Run(browser, chromedp.CaptureScreenshot())
				if err == nil {
					err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d.png", p.name, width)), png, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, c := range complaints() {
		t.Error(c)
	}
}

// pages waits for the issues and lists what to open.
func (in *instance) pages(t *testing.T) []shown {
	t.Helper()
	org := in.URL + "/o/" + in.Organization
	list := []shown{{"list", in.URL + "/"}, {"projects", org + "/projects"}, {"project", org + "/projects/" + in.Project},
		{"alerts", org + "/projects/" + in.Project + "/alerts"}, {"account", in.URL + "/account"}, {"nowhere", in.URL + "/nowhere"}}
	for _, want := range []struct{ name, query string }{
		{"issue", "platform:python+charge"}, {"python-group", "platform:python+ExceptionGroup"}, {"python-recursion", "platform:python+RecursionError"},
		{"node", "platform:node+PaymentError"}, {"go", "platform:go+PaymentError"}, {"browser", "platform:javascript+Error"},
		{"ruby", "platform:ruby+Error"}, {"unicode", "platform:python+Ошибка"},
	} {
		var issues []struct{ Permalink string }
		in.await("an issue for "+want.query, 30*time.Second, func(ctx context.Context) error {
			err := in.api(ctx, "organizations/"+in.Organization+"/issues/?limit=1&query="+want.query, &issues)
			if err == nil && len(issues) == 0 {
				err = errors.New("there is none")
			}
			return err
		})
		list = append(list, shown{want.name, issues[0].Permalink})
	}
	return list
}

// listen collects what the browser complains about: errors of scripts, and policy reports.
func listen(t *testing.T, browser context.Context) func() []string {
	t.Helper()
	texts := make(chan string, 1000)
	err := chromedp.Listen(browser, func(ev any) {
		text := ""
		switch ev := ev.(type) {
		case *log.EventEntryAdded:
			if ev.Entry.Level == log.EntryLevelError && !strings.Contains(ev.Entry.Text, "404") { // the page that is nowhere
				text = ev.Entry.Text
			}
		case *runtime.EventExceptionThrown:
			text = ev.ExceptionDetails.Text
		}
		if text != "" {
			select {
			case texts <- text:
			default:
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return func() (all []string) {
		for {
			select {
			case text := <-texts:
				all = append(all, text)
			default:
				return all
			}
		}
	}
}
