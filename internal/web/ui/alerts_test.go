package ui_test

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/alert"
	"github.com/tocsin-dev/tocsin/internal/seal"
	"github.com/tocsin-dev/tocsin/internal/web/ui"
)

// TestARuleIsBuiltTestedAndItsSecretShownOnce makes a destination and a rule with forms alone.
func TestARuleIsBuiltTestedAndItsSecretShownOnce(t *testing.T) {
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
	})
	b := s.signedIn()
	const base = "/o/default/alerts"
	add := base + "/destinations/new?channel=webhook"
	if res, body := b.post(add, url.Values{"channel": {"webhook"}, "do": {"save"}, "s-url": {"ftp://example.com"}}); res.StatusCode != http.StatusBadRequest || !strings.Contains(body, `role="alert"`) {
		t.Errorf("an address that cannot be: %d", res.StatusCode)
	}
	res, body := b.post(add, url.Values{"channel": {"webhook"}, "do": {"save"}, "name": {"Pager"}, "s-url": {"https://hooks.example.com/T0/secret-path"}})
	if res.StatusCode != http.StatusOK || !strings.Contains(body, "whsec_") {
		t.Fatalf("save: %d\n%s", res.StatusCode, body)
	}
	list, err := s.store.Destinations(t.Context(), 1)
	if err != nil || len(list) != 1 || list[0].Name != "Pager" {
		t.Fatalf("stored: %+v, %v", list, err)
	}
	id := strconv.FormatInt(list[0].ID, 10)
	for _, path := range []string{base + "/destinations", base + "/destinations/" + id} {
		if page := b.page(path); strings.Contains(page, "whsec_") || strings.Contains(page, "secret-path") || !strings.Contains(page, "Pager") {
			t.Errorf("%s shows a secret, or not what may be shown", path)
		}
	}
	form := url.Values{"do": {"sentence"}, "of": {"default"}, "name": {"Spikes"}, "enabled": {"1"}, "match": {"any"}, "filter_match": {"all"}, "frequency": {"60"},
		"c1kind": {"events"}, "c1value": {"100"}, "c1interval": {"1h"}, "f1kind": {"level"}, "f1match": {"gte"}, "f1value": {"error"}, "a1to": {"destination:" + id}, "environment": {"production"}}
	if _, body := b.post(base+"/new", form); body != "An issue has more than 100 events in an hour, if the level is error or higher, in production; at most once every hour per issue" {
		t.Errorf("the sentence is %q", body)
	}
	form.Set("do", "preview")
	if _, body := b.post(base+"/new", form); !strings.Contains(body, "It would have fired 0 times in the last 14 days.") {
		t.Error("the preview does not count")
	}
	form.Set("do", "test")
	b.post(base+"/new", form)
	rules, err := s.store.Rules(t.Context(), s.made.ProjectID)
	if err != nil || len(rules) != 1 || !rules[0].AsksEvents() || rules[0].Frequency != time.Hour || rules[0].Actions[0].Destination != list[0].ID {
		t.Fatalf("stored: %+v, %v", rules, err)
	}
	if page := b.page(base + "/" + strconv.FormatInt(rules[0].ID, 10)); !strings.Contains(page, "The test arrived: 204 No Content after 12ms.") || asked.Rule != rules[0].ID {
		t.Errorf("asked %+v", asked)
	}
	form.Set("do", "save")
	form.Set("c1interval", "1y")
	if res, body := b.post(base+"/new", form); res.StatusCode != http.StatusBadRequest || !strings.Contains(body, "the interval of") || !strings.Contains(body, `value="Spikes"`) {
		t.Errorf("an impossible window: %d", res.StatusCode)
	}
	if page := b.page(base); !strings.Contains(page, "Spikes") || !strings.Contains(page, "Pager") {
		t.Error("the list does not show the rule")
	}
	if page := b.page(base + "/history?state=failed"); !strings.Contains(page, "No alert was sent yet") {
		t.Error("the log is not empty")
	}
	result = alert.TestResult{State: alert.DeliveryFailed, Attempt: alert.Attempt{Error: "connection refused"}}
	b.post(base+"/destinations", url.Values{"do": {"test"}, "id": {id}})
	if page := b.page(base + "/destinations"); !strings.Contains(page, "The test did not arrive: no answer. connection refused") || asked.Destination != list[0].ID {
		t.Error("a failed test is not told")
	}
}

func TestUnsubscribingNeedsNoLogin(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	key, err := seal.New(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	s.server.Config.Handler = ui.New(ui.Options{Store: s.store, BaseURL: s.server.URL, Key: key})
	token := key.Seal([]byte("5 "+strconv.FormatInt(s.made.ProjectID, 10)+" alerts"), alert.UnsubscribeUse)
	if res, _ := s.browser().post("/unsubscribe?token=forged", url.Values{"List-Unsubscribe": {"One-Click"}}); res.StatusCode != http.StatusBadRequest {
		t.Errorf("forged: %d", res.StatusCode)
	}
	if res, body := s.browser().get("/unsubscribe?token=" + url.QueryEscape(token)); res.StatusCode != http.StatusOK || !strings.Contains(body, "Stop mail") {
		t.Errorf("asked: %d", res.StatusCode)
	}
}
