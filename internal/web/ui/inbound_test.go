package ui_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestFiltersAreSavedAndForeseen(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn()
	const path = "/o/default/projects/default/filters"
	if page := b.page(path); !strings.Contains(page, `name="crawlers" value="1" checked`) || strings.Contains(page, `name="localhost" value="1" checked`) {
		t.Error("the form does not show the filters of a new project")
	}
	s.report(boom, time.Now())
	form := url.Values{"do": {"preview"}, "crawlers": {"1"}, "messages": {"*\r\n\r\n"}}
	if res, body := b.post(path, form); res.StatusCode != http.StatusOK || !strings.Contains(body, "would have dropped 1 of the last 1 events") || !strings.Contains(body, "error-message") {
		t.Errorf("preview: %d\n%s", res.StatusCode, body)
	}
	if page := b.page(path); strings.Contains(page, ">*</textarea>") {
		t.Error("a preview was saved")
	}
	form.Set("do", "save")
	form.Set("addresses", "10.0.0.0/8\nnonsense")
	if res, body := b.post(path, form); res.StatusCode != http.StatusBadRequest || !strings.Contains(body, `id="addresses-problem"`) || !strings.Contains(body, "nonsense</textarea>") {
		t.Errorf("what cannot be: %d\n%s", res.StatusCode, body)
	}
	form.Set("addresses", "10.0.0.0/8")
	b.post(path, form)
	page := b.page(path)
	for _, want := range []string{">10.0.0.0/8</textarea>", ">*</textarea>", `name="crawlers" value="1" checked`} {
		if !strings.Contains(page, want) {
			t.Errorf("saved, and the page lacks %s", want)
		}
	}
	if strings.Contains(page, `name="extensions" value="1" checked`) {
		t.Error("a filter that was switched off is on")
	}
}

func TestScrubbingIsSavedAndTried(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn()
	const path = "/o/default/projects/default/privacy"
	form := url.Values{"do": {"preview"}, "scrub": {"1"}, "defaults": {"1"}, "sensitive": {"pin"}}
	if _, body := b.post(path, form); !strings.Contains(body, "There are no events yet") {
		t.Error("a preview without events does not say so")
	}
	s.report(`{"message":"hello","extra":{"pin":"zq7canary"}}`, time.Now())
	if res, body := b.post(path, form); res.StatusCode != http.StatusOK || !strings.Contains(body, "extra.pin") || !strings.Contains(body, "strip-fields") || strings.Contains(body, "zq7canary") {
		t.Errorf("preview: %d\n%s", res.StatusCode, body)
	}
	for _, rules := range []string{"{", `{"applications":{"$$":["@email"]}}`} {
		form.Set("do", "save")
		form.Set("rules", rules)
		if res, body := b.post(path, form); res.StatusCode != http.StatusBadRequest || !strings.Contains(body, `id="rules-problem"`) {
			t.Errorf("what cannot be: %d\n%s", res.StatusCode, body)
		}
	}
	form.Set("rules", `{"applications":{"$string":["@email"]}}`)
	b.post(path, form)
	page := b.page(path)
	for _, want := range []string{">pin</textarea>", "@email", `name="defaults" value="1" checked`} {
		if !strings.Contains(page, want) {
			t.Errorf("saved, and the page lacks %s", want)
		}
	}
}
