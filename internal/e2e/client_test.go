package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// script runs a reporter of an installed interpreter, which prints the id of its event.
func script(interpreter, name string) func(t *testing.T, in *instance) string {
	return func(t *testing.T, in *instance) string {
		cmd := exec.CommandContext(t.Context(), interpreter, filepath.Join("testdata/sdk", name))
		cmd.Env = append(os.Environ(), "SENTRY_DSN="+in.DSN)
		var said strings.Builder
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s%s", interpreter, err, out, said.String())
		}
		return strings.TrimSpace(string(out))
	}
}

// bundled makes a script of the SDKs one file in a new folder.
func bundled(t *testing.T, sdks, name string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	build := exec.CommandContext(t.Context(), filepath.Join(sdks, "node_modules/.bin/esbuild"), copyIn(t, sdks, name), "--bundle", "--outfile="+filepath.Join(dir, "app.js"))
	build.Dir = sdks
	if msg, err := build.CombinedOutput(); err != nil {
		t.Fatalf("esbuild: %v\n%s", err, msg)
	}
	return dir
}

// TestTheBrowserClientIsServedWhole: what pages send besides errors arrives, each kind in its place.
func TestTheBrowserClientIsServedWhole(t *testing.T) {
	t.Parallel()
	in := up(t)
	dir := bundled(t, installSDKs(t), "extras.js")
	page := `<!doctype html><title>Shop</title><button id="tell">Tell us</button><img src="/blocked.png" alt=""><script src="app.js"></script>`
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	reports := in.ingestURL() + "/api/" + in.ProjectID + "/security/?sentry_key=" + in.key() + "&sentry_release=shop-web%407.1.0"
	files := http.FileServer(http.Dir(dir))
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy-Report-Only", "img-src 'none'; report-uri "+reports)
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(shop.Close)
	tab := newBrowser(t)
	if err := chromedp.Do(tab, chromedp.Navigate(shop.URL+"/#"+url.QueryEscape(in.DSN+"|"+in.URL+"/tunnel"))); err != nil {
		t.Fatal(err)
	}
	text, err := chromedp.Run(tab, chromedp.Poll[string]("window.sent"))
	if err != nil {
		t.Fatal(err)
	}
	var sent struct{ EventID, FeedbackID string }
	if err := json.Unmarshal([]byte(text), &sent); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(tab, chromedp.Click("#tell"), chromedp.WaitVisible(".sentry-error-embed textarea"),
		chromedp.SendKeys(".sentry-error-embed textarea", "I clicked and it broke"), chromedp.Click(`.sentry-error-embed button[type="submit"]`),
		chromedp.WaitNotPresent(".sentry-error-embed textarea"), chromedp.Click(".sentry-error-embed button")); err != nil {
		t.Fatal(err)
	}
	if closed, err := chromedp.Run(tab, chromedp.Poll[string]("window.dialogClosed")); err != nil || closed != "yes" {
		t.Errorf("the page is not told that the dialog is closed: %q %v", closed, err)
	}
	project := "projects/" + in.Organization + "/" + in.Project + "/"
	in.await("the error, its file, the words and the policy report", time.Minute, func(ctx context.Context) error {
		var attached []struct{ Name string }
		if err := in.api(ctx, project+"events/"+sent.EventID+"/attachments/", &attached); err != nil || len(attached) != 1 || attached[0].Name != "cart.txt" {
			return fmt.Errorf("attachments %+v, %w", attached, err)
		}
		var words []struct{ Comments, EventID string }
		if err := in.api(ctx, project+"user-feedback/", &words); err != nil {
			return err
		}
		heard := map[string]bool{}
		for _, w := range words {
			heard[w.Comments] = w.EventID == sent.EventID
		}
		if !heard["The button does nothing"] || !heard["I clicked and it broke"] {
			return fmt.Errorf("words %+v", words)
		}
		var issues []struct{ Title, Type string }
		if err := in.api(ctx, project+"issues/?query=", &issues); err != nil {
			return err
		}
		for _, i := range issues {
			if strings.HasPrefix(i.Title, "Blocked 'image'") {
				return nil
			}
		}
		return fmt.Errorf("no report of the policy among %+v", issues)
	})
}

// TestAClientBacksOff: a client that is told of a limit holds back and reports what it dropped, and
// the ledger has both sides.
func TestAClientBacksOff(t *testing.T) {
	t.Parallel()
	in := &instance{}
	in.URL = "http://" + freeAddress(t)
	db := in.prepare(t)
	in.start(t)
	sdks := installSDKs(t)
	keys := in.URL + "/api/0/projects/" + in.Organization + "/" + in.Project + "/keys/"
	status, body, err := fetch(t.Context(), http.MethodPost, keys, in.AuthToken, []byte(`{"name":"limited","rateLimit":{"count":2,"window":3600}}`), "Content-Type", "application/json")
	var made struct{ DSN struct{ Public string } }
	if err = errors.Join(err, json.Unmarshal(body, &made)); err != nil || status != http.StatusCreated {
		t.Fatalf("make a key: %d %s %v", status, body, err)
	}
	if err := eventually(t.Context(), 30*time.Second, func(ctx context.Context) error { // ingest hears of the key within two seconds
		status, _, err := fetch(ctx, http.MethodPost, in.URL+"/api/"+in.ProjectID+"/envelope/", "", []byte("{\"dsn\":\""+made.DSN.Public+"\"}\n"))
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d", status)
		}
		return err
	}, in.done); err != nil {
		t.Fatal(err)
	}
	node := exec.CommandContext(t.Context(), "node", copyIn(t, sdks, "backoff.mjs"))
	node.Dir, node.Env = sdks, append(os.Environ(), "SENTRY_DSN="+made.DSN.Public)
	if out, err := node.CombinedOutput(); err != nil {
		t.Fatalf("node: %v\n%s", err, out)
	}
	in.await("both sides of the limit in the ledger", time.Minute, func(ctx context.Context) error {
		var limited, dropped int64
		err := db.QueryRow(ctx, `select coalesce(sum(quantity) filter (where outcome = 2 and reason = 'key_quota'), 0)::bigint,
			coalesce(sum(quantity) filter (where outcome = 5 and reason = 'ratelimit_backoff'), 0)::bigint from outcomes where category = 1`).Scan(&limited, &dropped)
		if err == nil && (limited < 1 || dropped < 1 || limited+dropped < 4) {
			err = fmt.Errorf("limited %d, dropped by the client %d, want 4 together", limited, dropped)
		}
		return err
	})
}
