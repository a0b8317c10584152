package ui_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestChosenFiltersStayInAddressesAndWithTheReader chooses filters in the frame, and comes back.
func TestChosenFiltersStayInAddressesAndWithTheReader(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.report(sample(1, `,"environment":"production"`), time.Now().Add(-3*time.Hour))
	s.report(sample(2, `,"environment":"staging"`), time.Now())
	s.settle()
	b := s.signedIn()
	res, _ := b.post("/o/default/filters", url.Values{"back": {"/o/default/issues?query=value&cursor=1:1:0"}, "environment": {"staging"}, "period": {"24h"}})
	if got, want := res.Header.Get("Location"), "/o/default/issues?environment=staging&period=24h&query=value"; got != want {
		t.Fatalf("want %s, got %s", want, got)
	}
	if got := names(b.page(res.Header.Get("Location"))); !slices.Equal(got, []string{"DEFAULT-2"}) {
		t.Errorf("filtered list: %v", got)
	}
	res, _ = s.signedIn().get("/o/default/issues?status=all")
	if got, want := res.Header.Get("Location"), "/o/default/issues?status=all&environment=staging&period=24h"; got != want {
		t.Errorf("coming back: want %s, got %s", want, got)
	}
	if body := b.page("/o/default/projects"); !strings.Contains(body, `href="/o/default/issues?environment=staging&amp;period=24h"`) {
		t.Error("the rail forgot the filters")
	}
	if got := names(b.page("/o/default/issues?from=2000-01-01&to=2001-01-01")); len(got) != 0 {
		t.Errorf("a time before everything shows %v", got)
	}
	b.post("/o/default/filters", url.Values{"back": {"/o/default/issues"}})
	if got := names(b.page("/o/default/issues")); len(got) != 2 {
		t.Errorf("without filters: %v", got)
	}
	if res, _ := b.post("/o/default/filters", url.Values{"back": {"//evil.example"}}); strings.Contains(res.Header.Get("Location"), "evil") {
		t.Errorf("led astray to %s", res.Header.Get("Location"))
	}
}

func TestTheLookIsKeptInTheBrowserAndWithTheReader(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn()
	if res, _ := b.post("/account/look", url.Values{"theme": {"dark"}}); res.StatusCode != http.StatusNoContent {
		t.Fatalf("%d", res.StatusCode)
	}
	if res, _ := b.post("/account/look", url.Values{"rail": {"small"}, "back": {"/account"}}); res.Header.Get("Location") != "/account" {
		t.Errorf("after folding: %d", res.StatusCode)
	}
	for name, other := range map[string]*browser{"same": b, "another": s.signedIn()} {
		if body := other.page("/account"); !strings.Contains(body, `class="compact dark small-rail"`) {
			t.Errorf("%s browser: %.200s", name, body)
		}
	}
	b.post("/account", url.Values{"do": {"look"}, "theme": {"light"}, "keys": {"off"}, "zone": {"Asia/Kathmandu"}})
	if body := b.page("/account"); !strings.Contains(body, `data-keys="off"`) || !strings.Contains(body, `value="Asia/Kathmandu"`) {
		t.Error("the account page forgets what was saved")
	}
}

func TestTheRailShowsThePagesThatExist(t *testing.T) {
	t.Parallel()
	body := newSite(t).signedIn().page("/o/default/projects")
	for label, want := range map[string]bool{"/o/default/issues": true, "/o/default/projects": true, "/o/default/alerts": true, "/o/default/crons": false} {
		if got := strings.Contains(body, `class="to to-`+label[len("/o/default/"):]); got != want {
			t.Errorf("%s: want shown %t", label, want)
		}
	}
	if !strings.Contains(body, `href="/o/default/projects" aria-current="page"`) && strings.Count(body, `aria-current="page"`) == 0 {
		t.Error("the rail does not mark where the reader is")
	}
}

func TestThePaletteFindsPagesIssuesAndEvents(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.report(sample(1, ""), time.Now()).String()
	b := s.signedIn()
	for q, want := range map[string]string{
		"defa": `"href":"/o/default/projects/default"`, "DEFAULT-1": `"href":"/o/default/issues/DEFAULT-1"`, "Kind1": `"hint":"DEFAULT-1"`,
		id: `/o/default/e/` + id, "level:": `Search issues`,
	} {
		if body := b.page("/o/default/palette?q=" + url.QueryEscape(q)); !strings.Contains(body, want) {
			t.Errorf("%s: %s lacks %s", q, body, want)
		}
	}
}
