package ui_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/seal"
	"github.com/tocsin-dev/tocsin/internal/web/ui"
	"github.com/tocsin-dev/tocsin/internal/web/ui/assets"
)

func TestAProjectWaitsForItsFirstEvent(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn()
	page := b.page("/o/default/projects/default")
	dsn := strings.Replace(s.server.URL, "://", "://"+s.made.PublicKey+"@", 1) + "/1"
	for _, want := range []string{dsn, "Waiting for the first event", "sentry_sdk.init(dsn=&#34;" + dsn, "sentry_key=" + s.made.PublicKey, "Nothing has arrived", "@sentry/node", "getsentry/sentry-go"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	next := func() (answer struct{ Next string }) {
		if err := json.Unmarshal([]byte(b.page("/o/default/projects/default/waiting")), &answer); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	if got := next(); got.Next != "" {
		t.Errorf("before the first event: %+v", got)
	}
	s.report(boom, time.Now())
	if got := next(); got.Next != "/o/default/issues?project=default" {
		t.Errorf("after the first event: %+v", got)
	}
	if page := b.page("/o/default/projects/default"); strings.Contains(page, "Waiting for") || !strings.Contains(page, "accepted") {
		t.Error("the page still waits, or does not count the event")
	}
	if page := b.page("/o/default/projects"); !strings.Contains(page, "<b>1</b> stored") {
		t.Error("the list of projects does not count the event")
	}
}

func TestTheRuleIsSavedTestedAndItsSecretShownOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn()
	const path = "/o/default/projects/default/alerts"
	if res, body := b.post(path, url.Values{"do": {"save"}, "url": {"ftp://example.com"}, "enabled": {"1"}}); res.StatusCode != http.StatusBadRequest || !strings.Contains(body, `role="alert"`) {
		t.Errorf("an address that cannot be: %d", res.StatusCode)
	}
	res, body := b.post(path, url.Values{"do": {"save"}, "url": {"https://hooks.example.com/T0/secret-path"}, "enabled": {"1"}, "environment": {"production"}})
	if res.StatusCode != http.StatusOK || !strings.Contains(body, "whsec_") {
		t.Fatalf("save: %d\n%s", res.StatusCode, body)
	}
	page := b.page(path)
	if strings.Contains(page, "whsec_") || strings.Contains(page, "secret-path") || !strings.Contains(page, "https://hooks.example.com") || !strings.Contains(page, `value="production"`) {
		t.Error("the stored rule shows its secrets, or not what may be shown")
	}
	rules, err := s.store.Rules(t.Context(), s.made.ProjectID)
	if err != nil || len(rules) != 1 || !rules[0].Enabled || len(rules[0].Conditions) != 2 || len(rules[0].Filters) != 1 {
		t.Fatalf("stored: %+v, %v", rules, err)
	}
	b.post(path, url.Values{"do": {"save"}})
	again, err := s.store.Rules(t.Context(), s.made.ProjectID)
	if err != nil || len(again) != 1 || again[0].Enabled || len(again[0].Filters) != 0 || again[0].Actions[0] != rules[0].Actions[0] {
		t.Errorf("switched off: %+v, %v", again, err)
	}
	b.post(path, url.Values{"do": {"test"}})
	if page := b.page(path); !strings.Contains(page, "The test was not sent") {
		t.Error("a test that could not be sent is not told")
	}
	if page := b.page(path + "?state=failed"); !strings.Contains(page, "No alert was sent yet") {
		t.Error("the log is not empty")
	}
}

func TestATestTellsHowItFared(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	key, err := seal.New(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	var asked alert.TestRequest
	result := alert.TestResult{State: alert.DeliverySent, Attempt: alert.Attempt{Status: 204, Duration: 12 * time.Millisecond}}
	s.server.Config.Handler = ui.New(ui.Options{Store: s.store, BaseURL: s.server.URL, Key: key,
		Test: func(_ context.Context, r alert.TestRequest) (alert.TestResult, error) { asked = r; return result, nil },
		Redeliver: func(context.Context, alert.RedeliverRequest) (alert.RedeliverResult, error) {
			return alert.RedeliverResult{Queued: []int64{7}}, nil
		},
	})
	b := s.signedIn()
	const path = "/o/default/projects/default/alerts"
	b.post(path, url.Values{"do": {"save"}, "url": {"https://hooks.example.com/"}, "enabled": {"1"}})
	b.post(path, url.Values{"do": {"test"}})
	if page := b.page(path); !strings.Contains(page, "The test arrived: 204 No Content after 12ms.") || asked.Rule == 0 || asked.Project != s.made.ProjectID {
		t.Errorf("asked %+v", asked)
	}
	result = alert.TestResult{State: alert.DeliveryFailed, Attempt: alert.Attempt{Error: "connection refused"}}
	b.post(path, url.Values{"do": {"test"}})
	if page := b.page(path); !strings.Contains(page, "The test did not arrive: no answer. connection refused") {
		t.Error("a failed test is not told")
	}
	b.post(path, url.Values{"do": {"redeliver"}, "delivery": {"7"}})
	if page := b.page(path); !strings.Contains(page, "It is queued again.") {
		t.Error("a redelivery is not told")
	}
}

func TestAssetsAreSmallAndCached(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	limits := map[string]int{"app.js": 60 << 10, "app.css": 20 << 10, "icon.svg": 4 << 10}
	for _, f := range assets.All() {
		if limit, known := limits[f.Name]; !known || len(f.Packed) > limit {
			t.Errorf("%s has %d bytes packed, at most %d", f.Name, len(f.Packed), limit)
		}
		res, body := s.browser().get(f.Path)
		if res.StatusCode != http.StatusOK || body != string(f.Plain) || res.Header.Get("Content-Type") != f.Type || f.Type == "" ||
			!strings.Contains(res.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", f.Path, res.StatusCode, res.Header)
		}
		for _, sink := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "http://", "https://", "@import"} {
			if f.Name != "icon.svg" && strings.Contains(body, sink) {
				t.Errorf("%s contains %s", f.Name, sink)
			}
		}
	}
}
