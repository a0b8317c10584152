package ui_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/grouping"
)

const settingsPath = "/o/default/projects/default"

// TestProjectsAreMadeNamedAndDeleted walks a project from its form to its end.
func TestProjectsAreMadeNamedAndDeleted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn()
	if page := b.page("/o/default/projects"); !strings.Contains(page, "/o/default/projects/new") {
		t.Error("the projects lead to no form of a new one")
	}
	if page := b.page("/o/default/projects/new"); !strings.Contains(page, "Django") {
		t.Error("the form offers no platforms")
	}
	res, _ := b.post("/o/default/projects/new", url.Values{"name": {"Shop backend"}, "platform": {"python"}})
	if got := res.Header.Get("Location"); got != "/o/default/projects/shop-backend/start?sdk=python" {
		t.Fatalf("a new project leads to %q, %d", got, res.StatusCode)
	}
	if res, body := b.post("/o/default/projects/new", url.Values{"name": {"Other"}, "slug": {"shop-backend"}}); res.StatusCode != http.StatusConflict || !strings.Contains(body, "shop-backend already") {
		t.Errorf("a slug that is taken: %d", res.StatusCode)
	}
	if res, _ := b.post("/o/default/projects/shop-backend/settings", url.Values{"name": {"Shop"}, "slug": {"shop"}, "platform": {"go"}, "resolve_age": {"72"}}); res.Header.Get("Location") != "/o/default/projects/shop/settings" {
		t.Fatalf("rename: %d %s", res.StatusCode, res.Header.Get("Location"))
	}
	if page := b.page("/o/default/projects/shop/settings"); !strings.Contains(page, `value="72"`) || !strings.Contains(page, `value="Shop"`) {
		t.Error("what was saved does not show")
	}
	if res, body := b.post("/o/default/projects/shop/settings", url.Values{"do": {"delete"}, "confirm": {"shop!"}}); res.StatusCode != http.StatusBadRequest || !strings.Contains(body, "Type shop to confirm") {
		t.Errorf("deleted without its name: %d", res.StatusCode)
	}
	b.post("/o/default/projects/shop/settings", url.Values{"do": {"delete"}, "confirm": {"shop"}})
	if res, _ := b.get("/o/default/projects/shop"); res.StatusCode != http.StatusNotFound {
		t.Errorf("a deleted project answers %d", res.StatusCode)
	}
}

// TestGroupingRulesAreTriedBeforeTheyAreSaved shows an error at its place, what rules would do, and
// that trying changes nothing.
func TestGroupingRulesAreTriedBeforeTheyAreSaved(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn()
	for _, value := range []string{"first", "second"} {
		s.report(`{"exception":{"values":[{"type":"PaymentError","value":"`+value+`","stacktrace":{"frames":[{"function":"`+value+`","in_app":true}]}}]}}`, time.Now())
	}
	form := url.Values{"fingerprints": {"type:PaymentError -> payment\nlevel=error"}, "version": {grouping.Newest().ID}, "do": {"save"}}
	if res, body := b.post(settingsPath+"/grouping", form); res.StatusCode != http.StatusBadRequest || !strings.Contains(body, "<code>2: ") {
		t.Errorf("a broken rule: %d, its line is not shown", res.StatusCode)
	}
	form.Set("fingerprints", "type:PaymentError -> payment")
	form.Set("do", "preview")
	if res, body := b.post(settingsPath+"/grouping", form); res.StatusCode != http.StatusOK || !strings.Contains(body, "2 issues would be together") && !strings.Contains(body, "2 would flow together") {
		t.Errorf("a trial: %d, its result is not shown", res.StatusCode)
	}
	if page := b.page(settingsPath + "/grouping"); strings.Contains(page, "-&gt; payment</textarea>") {
		t.Error("trying saved the rules")
	}
	form.Set("do", "save")
	b.post(settingsPath+"/grouping", form)
	if page := b.page(settingsPath + "/grouping"); !strings.Contains(page, "-&gt; payment</textarea>") {
		t.Error("the rules were not saved")
	}
	form.Set("version", grouping.Newstyle2023)
	b.post(settingsPath+"/grouping", form)
	if page := b.page(settingsPath + "/grouping"); !strings.Contains(page, "End it now") {
		t.Error("the transition does not show")
	}
	b.post(settingsPath+"/grouping", url.Values{"do": {"end-transition"}})
	if page := b.page(settingsPath + "/grouping"); strings.Contains(page, "End it now") {
		t.Error("the transition did not end")
	}
}

// TestOwnershipRetentionAndJobsHaveForms saves each, and is told what is wrong.
func TestOwnershipRetentionAndJobsHaveForms(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn()
	s.report(`{"exception":{"values":[{"type":"E","stacktrace":{"frames":[{"filename":"src/cart/add.py","function":"add","in_app":true}]}}]}}`, time.Now())
	for _, c := range []struct {
		path string
		form url.Values
		code int
		want string
	}{
		{"/ownership", url.Values{"raw": {"nonsense"}}, 400, "Line 1"},
		{"/ownership", url.Values{"raw": {"path:src/* nobody@example.com"}, "assignment": {"owner"}}, 400, "nobody@example.com"},
		{"/ownership", url.Values{"raw": {"path:src/cart/* owner@example.com"}, "do": {"preview"}}, 200, "1 of the last 1 events would have an owner"},
		{"/retention", url.Values{"days": {"many"}}, 400, "whole numbers"},
		{"/retention", url.Values{"keep_one_in": {"10"}, "keep_first": {"5"}}, 400, "Keep the first"},
		{"/jobs", url.Values{"start": {"erase"}, "field": {"id"}, "value": {"7"}}, 400, "Type erase"},
		{"/jobs", url.Values{"start": {"merge"}}, 400, "no kind of job"},
	} {
		if res, body := b.post(settingsPath+c.path, c.form); res.StatusCode != c.code || !strings.Contains(body, c.want) {
			t.Errorf("%s with %v: %d, want %d and %q", c.path, c.form, res.StatusCode, c.code, c.want)
		}
	}
	b.post(settingsPath+"/ownership", url.Values{"raw": {"path:src/cart/* owner@example.com"}, "assignment": {"off"}})
	b.post(settingsPath+"/retention", url.Values{"days": {"30"}, "keep_first": {"500"}, "keep_one_in": {"20"}})
	b.post(settingsPath+"/jobs", url.Values{"start": {"regroup"}})
	for path, want := range map[string]string{"/ownership": "src/cart/* owner@example.com</textarea>", "/retention": `value="500"`, "/jobs": "Group stored events anew"} {
		if page := b.page(settingsPath + path); !strings.Contains(page, want) {
			t.Errorf("%s lacks %q", path, want)
		}
	}
	jobs := b.page(settingsPath + "/jobs")
	_, rest, _ := strings.Cut(jobs, `name="cancel" value="`)
	id, _, _ := strings.Cut(rest, `"`)
	b.post(settingsPath+"/jobs", url.Values{"cancel": {id}})
	if page := b.page(settingsPath + "/jobs"); !strings.Contains(page, "stopping") {
		t.Error("a cancelled job does not say that it stops")
	}
}
