package ui_test

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSearchesAreKeptSharedAndOpenedFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.report(sample(1, `,"tags":{"tenant":"north"}`), time.Now())
	s.report(sample(2, ""), time.Now())
	s.settle()
	b := s.signedIn()
	for name, form := range map[string]url.Values{
		"no name": {"do": {"save"}, "name": {" "}, "query": {"x"}}, "no search": {"do": {"save"}, "name": {"a"}, "query": {"level:<b>"}},
		"not there": {"do": {"delete"}, "view": {"7"}}, "nothing": {"do": {"dance"}},
	} {
		if res, _ := b.post("/o/default/views", form); res.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
		if body := b.page("/o/default/issues"); !strings.Contains(body, "toast bad") {
			t.Errorf("%s: nothing is said", name)
		}
	}
	res, _ := b.post("/o/default/views", url.Values{"do": {"save"}, "name": {"Northern"}, "query": {"is:unresolved tenant:north"}, "sort": {"new"}, "shared": {"1"}})
	kept := res.Header.Get("Location")
	body := b.page(kept)
	if got := names(body); !slices.Equal(got, []string{"DEFAULT-1"}) || !strings.Contains(body, "Northern") || !strings.Contains(body, "Delete view") {
		t.Errorf("%s shows %v", kept, got)
	}
	b.post("/o/default/views", url.Values{"do": {"save"}, "name": {"northern"}, "query": {"x"}})
	if body := b.page("/o/default/issues"); !strings.Contains(body, "You have a view of this name already.") {
		t.Error("two views have one name")
	}
	id := regexp.MustCompile(`view=([0-9]+)`).FindStringSubmatch(kept)[1]
	b.post("/o/default/views", url.Values{"do": {"first"}, "view": {id}})
	if res, _ := s.signedIn().get("/o/default/issues"); !strings.Contains(res.Header.Get("Location"), "view="+id) {
		t.Errorf("what opens first: %d %s", res.StatusCode, res.Header.Get("Location"))
	}
	b.post("/o/default/views", url.Values{"do": {"delete"}, "view": {id}})
	if body := b.page("/o/default/issues"); strings.Contains(body, "Northern") {
		t.Error("a deleted view is still there")
	}
}

func TestSuggestionsKnowKeysWordsAndValues(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.report(sample(1, `,"tags":{"tenant":"north pole"},"environment":"production","release":"shop@2"`), time.Now())
	s.settle()
	b := s.signedIn()
	for word, want := range map[string]string{
		"lev": `"text":"level:"`, "ten": `"text":"tenant:"`, "!is:unr": `"text":"is:unresolved"`, "level:": `"text":"level:fatal"`, "tenant:no": `{"text":"tenant:\"north pole\"","hint":"seen","count":1}`,
		"environment:": `environment:production`, "release:": `release:shop@2`, "assigned:": `"assigned:me"`, "stack.function:": "[]", "project:": "project:default",
	} {
		if body := b.page("/o/default/suggest?word=" + url.QueryEscape(word)); !strings.Contains(body, want) {
			t.Errorf("%s: %s lacks %s", word, body, want)
		}
	}
}

func TestPartsOfTheListShowTheSameIssues(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.report(sample(1, `,"tags":{"tenant":"north"}`), time.Now())
	for range 3 {
		s.report(`{"platform":"go","fingerprint":["f"],"exception":{"values":[{"type":"=cmd()","value":"formula","stacktrace":{"frames":[{"function":"pay","filename":"pay.go","lineno":7,"in_app":true,"context_line":"panic(err)"}]}}]}}`, time.Now())
	}
	s.settle()
	b := s.signedIn()
	if body := b.page("/o/default/issues/histogram?query=formula"); !strings.Contains(body, `<x-histogram id="histogram" starts="20`) || !strings.Contains(body, "3 events") {
		t.Errorf("the histogram of 3 events: %s", body)
	}
	if body := b.page("/o/default/issues/histogram?query=formula&from=2001-01-01&to=2001-01-02"); !strings.Contains(body, "0 events") {
		t.Error("the histogram of another time has events")
	}
	rows, err := csv.NewReader(strings.NewReader(b.page("/o/default/issues/csv?sort=freq"))).ReadAll()
	if err != nil || len(rows) != 3 || rows[1][6] != "'=cmd(): formula" || rows[1][8] != "3" {
		t.Errorf("export: %v %v", rows, err)
	}
	if body := b.page("/o/default/issues/DEFAULT-2/peek"); !strings.Contains(body, "<code>pay</code>") || !strings.Contains(body, "panic(err)") {
		t.Errorf("peek: %s", body)
	}
	if body := b.page("/o/default/issues?query=formula+tenant:north"); !strings.Contains(body, "Nearest:") || !strings.Contains(body, `aria-label="Search without &#34;formula&#34;"`) && !strings.Contains(body, "Search without") {
		t.Error("a search without a match offers nothing wider")
	}
	if got := names(b.page("/o/default/issues?limit=25&sort=priority")); len(got) != 2 {
		t.Errorf("by priority: %v", got)
	}
}

// TestAllThatMatchIsChangedAtOnce changes what a search finds beyond the page.
func TestAllThatMatchIsChangedAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for n := range 30 {
		s.report(sample(n, ""), time.Now().Add(-time.Duration(n)*time.Second))
	}
	s.report(`{"message":"other"}`, time.Now())
	b := s.signedIn()
	list := "/o/default/issues?query=value&limit=25"
	b.post("/o/default/issues", url.Values{"do": {"resolve"}, "all": {"1"}, "back": {list}})
	body := b.page("/o/default/issues")
	if got := names(body); len(got) != 1 || !strings.Contains(body, "Resolved 30 issues.") || !strings.Contains(body, `name="undo" value=`) {
		t.Errorf("after resolving: %v", got)
	}
	b.post("/o/default/issues", url.Values{"do": {"resolve"}, "all": {"1"}, "back": {"/o/default/issues?query=value&status=all"}})
	if body := b.page("/o/default/issues"); !strings.Contains(body, "Resolved 0 issues, 30 already were so.") {
		t.Error("doing it again does not tell that it was done")
	}
	id := field(t, b.page("/o/default/issues"), "id")
	b.post("/o/default/issues", url.Values{"bookmark": {"1"}, "id": {id}})
	if got := names(b.page("/o/default/issues?query=is:bookmarked")); len(got) != 1 {
		t.Errorf("bookmarked: %v", got)
	}
	b.post("/o/default/issues", url.Values{"priority": {"low"}, "id": {id}})
	b.post("/o/default/issues", url.Values{"assignee": {"nobody"}, "id": {id}})
	if body := b.page("/o/default/issues?query=priority:low"); len(names(body)) != 1 || !strings.Contains(body, "toast bad") {
		t.Errorf("priority and a wrong assignee: %v", names(body))
	}
}

func TestListenersAreToldOnceAndFromWhereTheyLeft(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	listen := func(after string) *bufio.Scanner {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server.URL+"/o/default/live", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Last-Event-ID", after)
		res, err := b.client.Do(req)
		if err != nil || res.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatal(res, err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		return bufio.NewScanner(res.Body)
	}
	hear := func(in *bufio.Scanner) (id string, hints []struct {
		Events int64
		First  bool
	}) {
		for in.Scan() {
			line := in.Text()
			if rest, ok := strings.CutPrefix(line, "id: "); ok {
				id = rest
			}
			if rest, ok := strings.CutPrefix(line, "data: "); ok {
				if err := json.Unmarshal([]byte(rest), &hints); err != nil {
					t.Fatal(err)
				}
				return id, hints
			}
		}
		t.Fatal("nothing is told", in.Err())
		return id, nil
	}
	first := listen("")
	first.Scan()
	s.report(sample(1, ""), time.Now().Add(time.Second))
	id, hints := hear(first)
	if len(hints) != 1 || hints[0].Events != 1 || !hints[0].First {
		t.Errorf("told %v", hints)
	}
	s.report(sample(1, ""), time.Now().Add(2*time.Second))
	if _, hints = hear(listen(id)); len(hints) != 1 || hints[0].Events != 2 || hints[0].First {
		t.Errorf("told to one that comes back: %v", hints)
	}
	if res, body := b.get("/o/default/live?once=1&after=" + id); res.StatusCode != http.StatusOK || !strings.Contains(body, `"events":2`) {
		t.Errorf("asked once: %d %s", res.StatusCode, body)
	}
}
