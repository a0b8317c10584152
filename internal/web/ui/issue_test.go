package ui_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// chained is an event with a chain of exceptions.
func chained(t *testing.T) string {
	t.Helper()
	body, err := os.ReadFile("view/testdata/chained.json")
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestTheIssuePageShowsTheEvent(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.report(chained(t), time.Now())
	s.settle()
	page := s.signedIn().page("/o/default/issues/DEFAULT-1")
	for _, want := range []string{
		"PaymentError", "could not charge order A-1001", "caused by", "RangeError", "chargeCard", "/srv/app/charge.js:32:28", "raised here",
		"2 frames of libraries", "<details open>", "Local variables", "[Filtered]", "Breadcrumbs", "button#buy", "/api/cart", "ada@example.com",
		"curl -X &#39;POST&#39;", "coupon", "tenant", "north", "v20.1.0", "drawer", "koa", "sentry.javascript.node 10.1.0", "production", "shop@2.4.1",
		"first saw the issue", "unhandled", id.String(), "In the next release", "/o/default/issues?query=tenant%3A%22north%22&amp;status=all",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Count(page, "<h1") != 1 || !strings.Contains(page, `<main id="content"`) || !strings.Contains(page, `href="#content"`) {
		t.Error("the page lacks its one heading, its main part or the link that skips to it")
	}
}

func TestEventsLeadToEachOther(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	now := time.Now()
	var ids []string
	for n := range 3 {
		ids = append(ids, s.report(boom, now.Add(time.Duration(n-3)*time.Minute)).String())
	}
	b := s.signedIn()
	at := func(id string) string { return "/o/default/issues/DEFAULT-1/events/" + id }
	middle := b.page(at(ids[1]))
	for _, want := range []string{`older="` + at(ids[0]) + `"`, `newer="` + at(ids[2]) + `"`, at(ids[1]) + "/json"} {
		if !strings.Contains(middle, want) {
			t.Errorf("the event in the middle lacks %q", want)
		}
	}
	if page := b.page(at("oldest")); !strings.Contains(page, `older=""`) || !strings.Contains(page, `newer="`+at(ids[1])+`"`) {
		t.Error("the oldest event has an older one, or no newer one")
	}
	if page := b.page(at("latest")); !strings.Contains(page, `newer=""`) {
		t.Error("the latest event has a newer one")
	}
	for _, path := range []string{at(strings.Repeat("f", 32)), at("nonsense"), "/o/default/issues/DEFAULT-9"} {
		if res, _ := b.get(path); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: want 404, got %d", path, res.StatusCode)
		}
	}
	res, body := b.get(at(ids[1]) + "/json")
	var stored struct {
		EventID string `json:"event_id"`
	}
	if err := json.Unmarshal([]byte(body), &stored); err != nil || stored.EventID != ids[1] || res.Header.Get("Content-Type") != "application/json" ||
		!strings.Contains(res.Header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("the stored event: %v %v %s", res.Header, err, body)
	}
}

func TestAddressesThatPeopleHaveLeadToTheIssue(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.report(boom, time.Now()).String()
	b := s.signedIn()
	number := field(t, b.page("/o/default/issues/DEFAULT-1"), "id")
	const issue = "/o/default/issues/DEFAULT-1"
	for path, want := range map[string]string{
		"/o/default/issues/default-1":                         issue,
		"/o/default/issues/" + number:                         issue,
		"/o/default/issues/DEFAULT-1/":                        issue,
		"/organizations/default/issues/" + number:             "/o/default/issues/" + number,
		"/default/default/issues/" + number:                   "/o/default/issues/" + number,
		"/e/" + id:                                            issue + "/events/" + id,
		"/o/default/e/" + strings.ToUpper(id):                 issue + "/events/" + id,
		"/jump?q=" + id:                                       issue + "/events/" + id,
		"/jump?q=default-1":                                   issue,
		"/jump?q=some+words":                                  "/o/default/issues?query=some+words",
		"/o/default":                                          "/o/default/issues",
		"/default/default/issues/" + number + "/events/" + id: "/o/default/issues/" + number + "/events/" + id,
	} {
		if res, _ := b.get(path); res.Header.Get("Location") != want {
			t.Errorf("%s leads to %q with %d, want %q", path, res.Header.Get("Location"), res.StatusCode, want)
		}
	}
	if res, _ := b.get("/jump?q=" + strings.Repeat("0", 32)); res.StatusCode != http.StatusNotFound {
		t.Errorf("unknown event: %d", res.StatusCode)
	}
}

func TestResolvingShowsWhoAndOffersToReopen(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.report(boom, time.Now())
	s.settle()
	b := s.signedIn()
	page := b.page("/o/default/issues/DEFAULT-1")
	res, body := b.post("/o/default/issues", url.Values{"do": {"resolve-next"}, "id": {field(t, page, "id")}, "back": {field(t, page, "back")}})
	if res.Header.Get("Location") != "/o/default/issues/DEFAULT-1" {
		t.Fatalf("resolve: %d\n%s", res.StatusCode, body)
	}
	page = b.page("/o/default/issues/DEFAULT-1")
	for _, want := range []string{"fixed in the next release", "<strong>owner</strong> resolved the issue in a release", `value="reopen"`, ">resolved</span>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	s.report(strings.Replace(boom, "shop@1.0", "shop@2.0", 1), time.Now())
	if page = b.page("/o/default/issues/DEFAULT-1"); !strings.Contains(page, "regressed") {
		t.Error("an event of a later release does not show as a regression")
	}
}
