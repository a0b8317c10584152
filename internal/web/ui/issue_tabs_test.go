package ui_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestTabsOfAnIssue(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	now := time.Now()
	var last string
	for n := range 60 {
		last = s.report(boom, now.Add(time.Duration(n-60)*time.Minute)).String()
	}
	for n := range 30 {
		s.report(fmt.Sprintf(`{"message":"other %d","tags":{"browser":"Safari"},"level":"warning"}`, n), now)
	}
	s.settle()
	b := s.signedIn()
	const issue = "/o/default/issues/DEFAULT-1"
	first := b.page(issue + "/events")
	if n := strings.Count(first, `<td><a href="`+issue+`/events/`); n != 50 || !strings.Contains(first, last[:8]) {
		t.Errorf("the first page of events has %d", n)
	}
	_, rest, _ := strings.Cut(first, `href="`+issue+`/events?at=`)
	place, _, _ := strings.Cut(rest, `"`)
	if second := b.page(issue + "/events?at=" + place); strings.Count(second, `<td><a href="`) != 10 || !strings.Contains(second, ">Newer") {
		t.Error("the second page of events is not the rest")
	}
	if res, _ := b.get(issue + "/events?at=nonsense"); res.StatusCode != http.StatusBadRequest {
		t.Errorf("a place that is none: %d", res.StatusCode)
	}
	if page := b.page(issue + "/tags"); !strings.Contains(page, "What is special here") || !strings.Contains(page, "points") {
		t.Error("the tags are not compared with the project's")
	}
	if page := b.page(issue); !strings.Contains(page, "event 60 of 60") {
		t.Error("the page does not say which of the events it shows")
	}
	for _, tab := range []string{"/activity", "/attachments"} {
		if page := b.page(issue + tab); !strings.Contains(page, `aria-current="page"`) {
			t.Errorf("%s has no current tab", tab)
		}
	}
}

func TestTheActionsOfAnIssue(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.report(boom, time.Now())
	s.settle()
	b := s.signedIn()
	const issue = "/o/default/issues/DEFAULT-1"
	me := field(t, b.page(issue), "assignee")
	for _, step := range []struct {
		form url.Values
		want []string // on the page afterwards
	}{
		{url.Values{"assignee": {me}}, []string{"Assigned.", "assigned the issue"}},
		{url.Values{"assignee": {""}}, []string{"Nobody has it now."}},
		{url.Values{"assignee": {"user:99"}}, []string{"Cannot assign"}},
		{url.Values{"priority": {"low"}}, []string{"The priority is low now.", "low priority"}},
		{url.Values{"priority": {"urgent"}}, []string{"There is no such priority."}},
		{url.Values{"do": {"archive-count"}, "count": {"none"}}, []string{"Say how many more events"}},
		{url.Values{"do": {"archive-count"}, "count": {"100"}}, []string{"Muted until it is seen 100 more times.", "until it is seen 100 more times", "Reopen"}},
		{url.Values{"do": {"reopen"}}, []string{"Reopened", "Resolve"}},
		{url.Values{"do": {"archive-24h"}}, []string{"Muted until "}},
		{url.Values{"do": {"reopen"}}, []string{"Resolve"}},
		{url.Values{"do": {"archive-escalating"}}, []string{"until it escalates"}},
		{url.Values{"do": {"reopen"}}, []string{"Resolve"}},
		{url.Values{"do": {"resolve-release"}}, []string{"Resolved in shop@1.0.", "fixed in release shop@1.0"}},
		{url.Values{"do": {"nonsense"}}, []string{"nothing that can be done"}},
	} {
		res, _ := b.post(issue, step.form)
		if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != issue {
			t.Fatalf("%v: %d to %s", step.form, res.StatusCode, res.Header.Get("Location"))
		}
		page := b.page(issue)
		for _, want := range step.want {
			if !strings.Contains(page, want) {
				t.Errorf("after %v the page lacks %q", step.form, want)
			}
		}
	}
}

func TestPartsOfAnEvent(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.report(chained(t), time.Now())
	s.settle()
	b := s.signedIn()
	const event = "/o/default/issues/DEFAULT-1/events/latest"
	for path, want := range map[string]string{
		"/trace": "Caused by RangeError", "/markdown": "## PaymentError: could not charge order A-1001", "/raw": `data-path=".exception.values[0].type"`,
	} {
		if _, body := b.get(event + path); !strings.Contains(body, want) {
			t.Errorf("%s lacks %q", path, want)
		}
	}
	if page := b.page("/o/default/issues/DEFAULT-1?order=oldest&frames=all"); !strings.Contains(page, `aria-current="true">Oldest first`) {
		t.Error("the order that the address asks for is not in effect")
	}
	if page := b.page("/o/default/issues/DEFAULT-1"); !strings.Contains(page, `aria-current="true">Oldest first`) {
		t.Error("the order is not remembered")
	}
	for _, frame := range []string{"9-9", "x", "0-", "rq0-1", "t0-0"} {
		if res, _ := b.get(event + "/frames/" + frame); res.StatusCode != http.StatusNotFound {
			t.Errorf("frame %s: %d", frame, res.StatusCode)
		}
	}
	if page := b.page(event + "/frames/1-0"); !strings.Contains(page, "Back to the event") {
		t.Error("a frame has no page of its own")
	}
	for frames, want := range map[string]int{"1-0,0-0": 2, "1-0,9-9": 0, "0-0" + strings.Repeat(",0-0", 50): 0} { // scripts ask for several
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.server.URL+event+"/frames/"+frames, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Part", "1")
		if res, body := b.do(req); strings.Count(body, `class="frame-body"`) != want || (res.StatusCode == http.StatusOK) != (want > 0) {
			t.Errorf("frames %.20s: %d\n%.2000s", frames, res.StatusCode, body)
		}
	}
}
