package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/getsentry/sentry-go"
)

// visibleWithin is how soon after an SDK's report the issue must be on the page, on a machine that is
// busy with other tests: make bench tells how soon it is on a quiet one.
const visibleWithin = 30 * time.Second

// TestRealSDKsReachThePage runs unmodified SDKs against a running Tocsin and looks at the pages a
// person would look at.
func TestRealSDKsReachThePage(t *testing.T) {
	t.Parallel()
	in := up(t)
	browser := newBrowser(t)
	in.signIn(t, browser)
	sdks := installSDKs(t)
	for _, c := range []struct {
		name   string
		report func(t *testing.T, in *instance) (eventID string)
		title  string
		texts  []string // on the issue's page
	}{
		{"node", func(t *testing.T, in *instance) string { return reportFromNode(t, in, sdks) }, "TypeError",
			[]string{"Cannot read properties of undefined", "applyDiscount", "node.mjs", "order.customer.discount.rate", "item added", "shop@2.4.1", "staging", "tenant", "north", "ada@example.com"}},
		{"browser", func(t *testing.T, in *instance) string { return reportFromBrowser(t, in, sdks) }, "TypeError",
			[]string{"Cannot read properties of null", "renderCart", "shop-web@7.1.0", "browser-7", "Chrome"}},
		{"go", reportFromGo, "*errors.errorString",
			[]string{"the till is empty", "reportFromGo", "till@1.0.0", "drawer"}},
		{"python", script("/usr/bin/python3", "report.py"), "ZeroDivisionError", []string{"division by zero", "charge", "report.py", "billing@3.0.1", "region"}},
		{"ruby", script("ruby", "report.rb"), "ArgumentError", []string{"invalid value for Integer", "balance", "report.rb", "ledger@0.9", "branch"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := c.report(t, in)
			var page string
			link := ""
			err := eventually(t.Context(), visibleWithin, func(ctx context.Context) (err error) {
				var where struct {
					GroupID string `json:"groupId"`
					Group   struct{ ShortID string }
				}
				if err := in.api(ctx, "organizations/"+in.Organization+"/eventids/"+id+"/", &where); err != nil {
					return err
				}
				var issue struct {
					ShortID   string `json:"shortId"`
					Permalink string `json:"permalink"`
				}
				if err := in.api(ctx, "organizations/"+in.Organization+"/issues/"+where.GroupID+"/", &issue); err != nil {
					return err
				}
				link = issue.Permalink
				if page, err = read(browser, in.URL+"/", "html"); err != nil {
					return err
				}
				if !strings.Contains(page, issue.ShortID) || !strings.Contains(page, c.title) {
					return fmt.Errorf("issue %s (%s) is not on the list", issue.ShortID, c.title)
				}
				return nil
			}, in.done)
			if err != nil {
				t.Fatal(err)
			}
			if page, err = read(browser, link, "main"); err != nil {
				t.Fatal(err)
			}
			for _, want := range c.texts {
				if !strings.Contains(page, want) {
					t.Errorf("the issue's page lacks %q", want)
				}
			}
			if dir := os.Getenv("TOCSIN_SCREENSHOTS"); dir != "" {
				screenshot(t, browser, filepath.Join(dir, c.name+".png"))
			}
		})
	}
	if dir := os.Getenv("TOCSIN_SCREENSHOTS"); dir != "" {
		if err := chromedp.Do(browser, chromedp.Navigate(in.URL+"/")); err != nil {
			t.Fatal(err)
		}
		screenshot(t, browser, filepath.Join(dir, "list.png"))
	}
}

func screenshot(t *testing.T, browser context.Context, name string) {
	t.Helper()
	png, err := chromedp.Run(browser, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, png, 0o600); err != nil {
		t.Fatal(err)
	}
}

// read opens an address and returns all text of an element, folded parts included.
func read(browser context.Context, url, element string) (string, error) {
	if err := chromedp.Do(browser, chromedp.Navigate(url)); err != nil {
		return "", err
	}
	return chromedp.Run(browser, chromedp.TextContent(element))
}

// newBrowser starts a headless Chromium with a fresh profile.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	return newBrowserFor(t, 4*time.Minute)
}

// newBrowserFor is newBrowser for a test that takes up to so long.
func newBrowserFor(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1440, 900))
	allocator, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancelTab := chromedp.NewContext(allocator)
	t.Cleanup(cancelTab)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	ctx, cancelTime := context.WithTimeout(ctx, limit)
	t.Cleanup(cancelTime)
	return ctx
}

// signIn goes through the sign-in form as a person does.
func (in *instance) signIn(t *testing.T, browser context.Context) {
	t.Helper()
	err := chromedp.Do(browser,
		chromedp.Navigate(in.URL+"/login"),
		chromedp.SendKeys(`input[name="email"]`, in.Email),
		chromedp.SendKeys(`input[name="password"]`, in.Password),
		chromedp.Submit(`input[name="password"]`),
		chromedp.WaitNotPresent(`input[name="password"]`),
		chromedp.WaitVisible("main h1"))
	if err != nil {
		t.Fatalf("sign in: %v", err)
	}
	if title, err := chromedp.Run(browser, chromedp.Text("main h1")); err != nil || !strings.Contains(title, "Issues") {
		t.Fatalf("sign in: page titled %q, %v", title, err)
	}
}

// installSDKs installs the pinned SDKs from npm into a folder kept between runs.
func installSDKs(t *testing.T) string {
	t.Helper()
	return installClients(t, "sdk")
}

// copyIn puts a script beside the installed SDKs, where its imports are found.
func copyIn(t *testing.T, sdks, name string) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata/sdk", name))
	if err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(sdks, name)
	if err := os.WriteFile(target, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return target
}

func reportFromNode(t *testing.T, in *instance, sdks string) string {
	node := exec.CommandContext(t.Context(), "node", copyIn(t, sdks, "node.mjs"))
	node.Dir, node.Env = sdks, append(os.Environ(), "SENTRY_DSN="+in.DSN)
	out, err := node.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

func reportFromBrowser(t *testing.T, in *instance, sdks string) string {
	out := bundled(t, sdks, "browser.js")
	page := `<!doctype html><title>Shop</title><button id="buy">Buy</button><script src="app.js"></script>`
	if err := os.WriteFile(filepath.Join(out, "index.html"), []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	shop := httptest.NewServer(http.FileServer(http.Dir(out)))
	t.Cleanup(shop.Close)
	tab := newBrowser(t)
	if err := chromedp.Do(tab, chromedp.Navigate(shop.URL+"/#"+in.DSN), chromedp.Click("#buy")); err != nil {
		t.Fatal(err)
	}
	id, err := chromedp.Run(tab, chromedp.Poll[string]("window.reported"))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func reportFromGo(t *testing.T, in *instance) string {
	c, err := sentry.NewClient(sentry.ClientOptions{Dsn: in.DSN, Release: "till@1.0.0", Environment: "staging", AttachStacktrace: true})
	if err != nil {
		t.Fatal(err)
	}
	hub := sentry.NewHub(c, sentry.NewScope())
	hub.Scope().SetTag("drawer", "3")
	id := hub.CaptureException(errors.New("the till is empty"))
	if id == nil || !hub.Flush(5*time.Second) {
		t.Fatal("sentry-go did not deliver")
	}
	return string(*id)
}
