package ui_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var issueLink = regexp.MustCompile(`href="/o/default/issues/(DEFAULT-[0-9A-Z]+)"`)

// names are the short ids that a list shows, in its order.
func names(body string) (list []string) {
	for _, m := range issueLink.FindAllStringSubmatch(body, -1) {
		list = append(list, m[1])
	}
	return list
}

func sample(n int, extra string) string {
	return fmt.Sprintf(`{"platform":"go","fingerprint":["%d"],"level":"error","exception":{"values":[{"type":"Kind%d","value":"value %d"}]}%s}`, n, n, n, extra)
}

func TestTheListShowsFiltersAndSorts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	now := time.Now()
	s.report(sample(1, `,"environment":"production"`), now.Add(-3*time.Hour))
	s.report(sample(2, `,"environment":"staging","release":"shop@2"`), now.Add(-2*time.Hour))
	s.report(sample(3, `,"tags":{"tenant":"north"}`), now.Add(-time.Hour))
	s.report(sample(1, `,"environment":"production"`), now.Add(-4*time.Hour))
	s.settle()
	b := s.signedIn()
	for _, c := range []struct {
		path string
		want []string
	}{
		{"/", []string{"DEFAULT-3", "DEFAULT-2", "DEFAULT-1"}},
		{"/?sort=freq", []string{"DEFAULT-1"}},
		{"/o/default/issues?environment=staging", []string{"DEFAULT-2"}},
		{"/o/default/issues?query=value+1", []string{"DEFAULT-1"}},
		{"/o/default/issues?query=tenant:north", []string{"DEFAULT-3"}},
		{"/o/default/issues?query=is:resolved", nil},
		{"/o/default/issues?status=resolved", nil},
		{"/o/default/issues?status=all&project=default", []string{"DEFAULT-3", "DEFAULT-2", "DEFAULT-1"}},
		{"/o/default/issues?project=other", nil},
		{"/o/default/issues?period=14d", []string{"DEFAULT-3", "DEFAULT-2", "DEFAULT-1"}},
	} {
		got := names(b.page(c.path))
		if c.path == "/?sort=freq" {
			got = got[:min(1, len(got))]
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: want %v, got %v", c.path, c.want, got)
		}
	}
	body := b.page("/")
	for _, want := range []string{"<strong>Kind3</strong>", "value 3", `name="environment" value="production"`, "<time datetime=", `aria-label="Select DEFAULT-3"`, "1 event in 24 hours"} {
		if !strings.Contains(body, want) {
			t.Errorf("the list lacks %q", want)
		}
	}
}

func TestASearchThatMakesNoSensePointsAtThePlace(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.report(boom, time.Now())
	res, body := s.signedIn().get("/?query=" + url.QueryEscape(`boom level:<b>`))
	if res.StatusCode != http.StatusBadRequest || !strings.Contains(body, "boom level:<mark>▸</mark>&lt;b&gt;") {
		t.Errorf("%d\n%s", res.StatusCode, body)
	}
	for _, path := range []string{"/?cursor=nonsense", "/?sort=nonsense"} {
		if res, _ := s.signedIn().get(path); res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: want 400, got %d", path, res.StatusCode)
		}
	}
}

func TestEmptyListsSayWhy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn()
	if body := b.page("/"); !strings.Contains(body, "No events yet") || !strings.Contains(body, s.made.PublicKey+"@") {
		t.Error("a new installation does not show its DSN")
	}
	s.report(boom, time.Now())
	if body := b.page("/?query=nothinglikeit"); !strings.Contains(body, "Nothing matches") {
		t.Error("a search without a match does not say so")
	}
	id := field(t, b.page("/o/default/issues/DEFAULT-1"), "id")
	b.post("/o/default/issues", url.Values{"do": {"resolve"}, "id": {id}})
	if body := b.page("/"); !strings.Contains(body, "No open issues") {
		t.Error("a list that was worked off does not say so")
	}
}

// field is the value of the first form field of a name.
func field(t testing.TB, body, name string) string {
	t.Helper()
	m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(body)
	if m == nil {
		t.Fatalf("no field %s", name)
	}
	return html.UnescapeString(m[1])
}

func TestPagesFollowEachOther(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	now := time.Now()
	const total = 120
	for n := range total {
		s.report(sample(n, ""), now.Add(-time.Duration(n)*time.Minute))
	}
	b := s.signedIn()
	link := func(body, rel string) string {
		m := regexp.MustCompile(`rel="` + rel + `" href="([^"]*)"`).FindStringSubmatch(body)
		if m == nil {
			return ""
		}
		return html.UnescapeString(m[1])
	}
	var seen []string
	pages := 0
	for path := "/?sort=new"; path != ""; pages++ {
		body := b.page(path)
		seen = append(seen, names(body)...)
		if path = link(body, "next"); path == "" {
			if before := link(body, "prev"); before == "" || len(names(b.page(before))) != 50 {
				t.Errorf("the way back from the last page: %q", before)
			}
		}
	}
	slices.Sort(seen)
	if n := len(slices.Compact(seen)); pages != 3 || n != total {
		t.Errorf("%d pages with %d issues, want 3 with %d", pages, n, total)
	}
	body := b.page("/")
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	_, _ = w.Write([]byte(body))
	_ = w.Close()
	if buf.Len() > 25<<10 {
		t.Errorf("a list of 50 has %d bytes packed, at most %d", buf.Len(), 25<<10)
	}
	t.Logf("list of 50: %d bytes, %d packed", len(body), buf.Len())
}

func TestSelectedIssuesAreChangedAndChangedBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for n := range 3 {
		s.report(sample(n, ""), time.Now())
	}
	b := s.signedIn()
	var ids []string
	for _, m := range regexp.MustCompile(`name="id" value="([0-9]+)"`).FindAllStringSubmatch(b.page("/"), -1) {
		ids = append(ids, m[1])
	}
	form := url.Values{"do": {"resolve"}, "id": ids[:2], "back": {"/?sort=new"}}
	if res, _ := b.post("/o/default/issues", form); res.Header.Get("Location") != "/?sort=new" {
		t.Fatalf("after the change: %d %s", res.StatusCode, res.Header.Get("Location"))
	}
	body := b.page("/")
	if !strings.Contains(body, "Resolved 2 issues.") || !strings.Contains(body, `class="plain" data-undo`) || len(names(body)) != 1 {
		t.Errorf("after the change: %v", names(body))
	}
	if body := b.page("/?status=resolved"); strings.Contains(body, "Resolved 2 issues.") || len(names(body)) != 2 {
		t.Errorf("resolved: %v", names(body))
	}
	undo := regexp.MustCompile(`name="undo" value="([0-9]+)"`).FindStringSubmatch(body)
	b.post("/o/default/issues", form)
	if strings.Contains(b.page("/"), "data-undo") {
		t.Error("what was resolved already can be taken back")
	}
	b.post("/o/default/issues", url.Values{"undo": {undo[1]}})
	if body := b.page("/"); len(names(body)) != 3 || strings.Count(body, `st-new">new<`) != 3 {
		t.Errorf("after the undo: %v", names(body))
	}
	b.post("/o/default/issues", url.Values{"do": {"archive"}, "id": ids[2:]})
	if got := names(b.page("/?status=archived")); len(got) != 1 {
		t.Errorf("archived: %v", got)
	}
	for name, c := range map[string]struct {
		form url.Values
		want int
	}{
		"nothing to do": {url.Values{"id": ids}, http.StatusBadRequest}, "no number": {url.Values{"do": {"resolve"}, "id": {"x"}}, http.StatusBadRequest},
		"nothing selected": {url.Values{"do": {"resolve"}}, http.StatusSeeOther}, "unknown": {url.Values{"do": {"resolve"}, "id": {"1"}}, http.StatusSeeOther},
		"too many":   {url.Values{"do": {"resolve"}, "id": make([]string, 1001)}, http.StatusRequestEntityTooLarge},
		"too large":  {url.Values{"do": {strings.Repeat("a", 100<<10)}}, http.StatusRequestEntityTooLarge},
		"led astray": {url.Values{"do": {"resolve"}, "back": {"//evil.example"}}, http.StatusSeeOther},
	} {
		res, _ := b.post("/o/default/issues", c.form)
		if res.StatusCode != c.want || strings.Contains(res.Header.Get("Location"), "evil") {
			t.Errorf("%s: want %d, got %d %s", name, c.want, res.StatusCode, res.Header.Get("Location"))
		}
	}
}
