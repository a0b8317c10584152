package ui_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/outcome"
	"github.com/tocsin-dev/tocsin/internal/web/ui/assets"
)

func TestAProjectWaitsForItsFirstEvent(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn()
	page := b.page("/o/default/projects/default/start")
	dsn := strings.Replace(s.server.URL, "://", "://"+s.made.PublicKey+"@", 1) + "/1"
	for _, want := range []string{dsn, "Waiting for the first event", "Sentry.init({ dsn: &#34;" + dsn, "sourcemaps upload", "Next.js", "Flutter"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for sdk, want := range map[string]string{"python": "sentry_sdk.init(dsn=&#34;" + dsn, "curl": "sentry_key=" + s.made.PublicKey, "go": "getsentry/sentry-go"} {
		if page := b.page("/o/default/projects/default/start?sdk=" + sdk); !strings.Contains(page, want) {
			t.Errorf("the snippet for %s lacks %q", sdk, want)
		}
	}
	type answer struct {
		Next    string
		Refused []struct {
			Words string
			Count int64
		}
	}
	ask := func() (a answer) {
		if err := json.Unmarshal([]byte(b.page("/o/default/projects/default/waiting")), &a); err != nil {
			t.Fatal(err)
		}
		return a
	}
	if got := ask(); got.Next != "" || len(got.Refused) > 0 {
		t.Errorf("before the first event: %+v", got)
	}
	err := s.store.ApplyOutcomes(t.Context(), []outcome.Batch{{ID: [16]byte{1}, Counts: []outcome.Count{{Quantity: 2, Key: outcome.Key{
		Project: s.made.ProjectID, Category: outcome.Error, Kind: outcome.Invalid, Reason: outcome.ReasonProjectID, Minute: time.Now()}}}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(); len(got.Refused) != 1 || got.Refused[0].Count != 2 || !strings.Contains(got.Refused[0].Words, "copy the DSN again") {
		t.Errorf("after a refused event: %+v", got)
	}
	id := s.report(boom, time.Now())
	if got := ask(); got.Next != "/o/default/issues/DEFAULT-1/events/"+id.String() {
		t.Errorf("after the first event: %+v", got)
	}
	if page := b.page("/o/default/projects/default"); strings.Contains(page, "No event has come") || !strings.Contains(page, "accepted") || !strings.Contains(page, "Most users affected") {
		t.Error("the page still waits, or does not count the event")
	}
	if page := b.page("/o/default/projects"); !strings.Contains(page, "<b>1</b> stored") {
		t.Error("the list of projects does not count the event")
	}
}

func TestKeysOriginsAndQuotasAreEdited(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn()
	const path = "/o/default/projects/default/keys"
	key := s.made.PublicKey
	for _, step := range []struct {
		form   url.Values
		status int
		want   string
	}{
		{url.Values{"do": {"create"}, "label": {"mobile"}}, 303, "mobile"},
		{url.Values{"do": {"create"}, "label": {""}}, 400, "1 to 64 characters"},
		{url.Values{"do": {"save"}, "key": {key}, "label": {"web"}, "count": {"500"}, "window": {"60"}}, 303, `value="500"`},
		{url.Values{"do": {"save"}, "key": {key}, "label": {"web"}, "count": {"-5"}, "window": {"60"}}, 400, "whole number of events"},
		{url.Values{"do": {"off"}, "key": {key}}, 303, "switched off"},
		{url.Values{"do": {"on"}, "key": {key}}, 303, "Switch off"},
		{url.Values{"do": {"origins"}, "origins": {"https://shop.example\n*.example.com"}}, 303, "*.example.com"},
		{url.Values{"do": {"quota"}, "limit": {"1000"}, "category": {"error"}, "window": {"3600"}}, 303, "error_quota"},
		{url.Values{"do": {"quota"}, "limit": {"many"}, "category": {"error"}, "window": {"3600"}}, 400, "whole number"},
		{url.Values{"do": {"drop-quota"}, "key": {"error_3600"}}, 303, "None: everything"},
		{url.Values{"do": {"delete"}, "key": {key}, "confirm": {"yes"}}, 400, "Type delete to confirm"},
		{url.Values{"do": {"rotate"}, "key": {key}}, 303, "the old one is refused"},
	} {
		res, body := b.post(path, step.form)
		if res.StatusCode == http.StatusSeeOther {
			body = b.page(path)
		}
		if res.StatusCode != step.status || !strings.Contains(body, step.want) {
			t.Errorf("%v: %d, lacks %q: %t", step.form, res.StatusCode, step.want, !strings.Contains(body, step.want))
		}
	}
	if page := b.page(path); strings.Contains(page, key) {
		t.Error("the key that was replaced is still there")
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
