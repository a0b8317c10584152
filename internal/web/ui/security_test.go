package ui_test

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
	"github.com/tocsin-dev/tocsin/internal/web/ui"
	"github.com/tocsin-dev/tocsin/internal/web/ui/assets"
)

const boom = `{"platform":"python","release":"shop@1.0","environment":"production","exception":{"values":[{"type":"ValueError","value":"boom","stacktrace":{"frames":[{"function":"pay","filename":"pay.py","lineno":7,"in_app":true,"context_line":"raise ValueError()"}]}}]},"tags":{"tenant":"north"},"user":{"id":"7"}}`

func routes(s *site, id string) []string {
	return []string{
		"/", "/login", "/account", "/o/default/issues", "/o/default/issues?query=%28", "/o/default/issues/DEFAULT-1",
		"/o/default/issues/DEFAULT-1/events/latest", "/o/default/issues/DEFAULT-1/events/" + id, "/o/default/issues/DEFAULT-1/events/" + id + "/json",
		"/o/default/issues/NOPE-1", "/o/default/projects", "/o/default/projects/default", "/o/default/projects/default/waiting",
		"/o/default/projects/default/alerts", "/o/default/alerts", "/o/default/alerts/new", "/o/default/alerts/history", "/o/default/alerts/destinations", "/account/notifications", "/o/default/e/" + id, "/e/" + id, "/jump?q=DEFAULT-1", "/jump?q=" + id,
		"/o/other/issues", "/nowhere", "/organizations/default/issues/1/", "/default/default/issues/1/", "/_static/none.js", assets.Path("app.js"),
	}
}

// TestEveryAnswerCarriesThePolicy asks every route, signed in and not.
func TestEveryAnswerCarriesThePolicy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.report(boom, time.Now()).String()
	for name, b := range map[string]*browser{"nobody": s.browser(), "owner": s.signedIn()} {
		for _, path := range routes(s, id) {
			res, _ := b.get(path)
			h := res.Header
			policy := h.Get("Content-Security-Policy")
			if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
				t.Errorf("%s %s: policy %q", name, path, policy)
			}
			if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") == "" || h.Get("Cross-Origin-Opener-Policy") != "same-origin" {
				t.Errorf("%s %s: headers %v", name, path, h)
			}
			if static := strings.HasPrefix(path, assets.Prefix) && res.StatusCode == 200; !static && h.Get("Cache-Control") != "private, no-store" {
				t.Errorf("%s %s: may be cached: %q", name, path, h.Get("Cache-Control"))
			}
			if res.StatusCode >= 500 {
				t.Errorf("%s %s: %d", name, path, res.StatusCode)
			}
			if name == "nobody" && strings.HasPrefix(path, "/o/") && !strings.HasPrefix(res.Header.Get("Location"), "/login") {
				t.Errorf("%s is open to anybody: %d", path, res.StatusCode)
			}
		}
	}
}

func TestPagesOfOthersAreNotFound(t *testing.T) {
	t.Parallel()
	st := pgtest.New(t)
	s := newSiteOn(t, st)
	id := s.report(boom, time.Now())
	if _, err := st.CreateUser(t.Context(), "stranger@example.com", "", password); err != nil {
		t.Fatal(err)
	}
	b := s.browser()
	b.post("/login", url.Values{"email": {"stranger@example.com"}, "password": {password}})
	for _, path := range []string{"/o/default/issues", "/o/default/issues/DEFAULT-1", "/o/default/projects/default", "/o/default/alerts", "/o/default/alerts/history", "/e/" + id.String(), "/o/default/e/" + id.String()} {
		if res, _ := b.get(path); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: want 404, got %d", path, res.StatusCode)
		}
	}
	for _, path := range []string{"/o/default/issues", "/o/default/alerts/new"} {
		if res, _ := b.post(path, url.Values{"do": {"resolve"}, "id": {"1"}}); res.StatusCode != http.StatusNotFound {
			t.Errorf("POST %s: want 404, got %d", path, res.StatusCode)
		}
	}
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.report(boom, time.Now())
	b := s.signedIn()
	for name, header := range map[string][2]string{
		"fetch metadata": {"Sec-Fetch-Site", "cross-site"}, "sibling": {"Sec-Fetch-Site", "same-site"}, "origin": {"Origin", "https://evil.example"}, "null": {"Origin", "null"},
	} {
		for _, path := range []string{"/login", "/logout", "/account", "/o/default/issues", "/o/default/alerts/new"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.server.URL+path, strings.NewReader("do=resolve&id=1"))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header.Set(header[0], header[1])
			if res, _ := b.do(req); res.StatusCode != http.StatusForbidden {
				t.Errorf("%s on %s: want 403, got %d", name, path, res.StatusCode)
			}
		}
	}
	if res, _ := b.get("/"); res.StatusCode != http.StatusOK {
		t.Errorf("the refused requests changed something: %d", res.StatusCode)
	}
}

// TestTheDatabaseIsAway: pages say so within two seconds, be it gone or silent.
func TestTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for name, address := range map[string]string{"gone": "127.0.0.1:1", "silent": ln.Addr().String()} {
		st, err := postgres.Open(context.Background(), "postgres://nobody:x@"+address+"/none?sslmode=disable", postgres.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(st.Close)
		pages := ui.New(ui.Options{Store: st, BaseURL: "http://tocsin.example"})
		for _, req := range []*http.Request{request("GET", "/", ""), request("GET", "/o/default/issues", "")} {
			req.AddCookie(&http.Cookie{Name: "tocsin-login", Value: "a-token-from-before"})
			started := time.Now()
			res := answer(pages, req)
			if took := time.Since(started); took > 20*time.Second { // a page waits half a second
				t.Errorf("%s: took %s", name, took)
			}
			if res.Code != http.StatusServiceUnavailable || !strings.Contains(res.Body.String(), "Events are still being accepted") {
				t.Errorf("%s: %d\n%s", name, res.Code, res.Body)
			}
			if res.Header().Get("Refresh") == "" || !strings.Contains(res.Body.String(), "data-away") {
				t.Errorf("%s: nothing asks for the page again", name)
			}
		}
		if res := answer(pages, request("GET", "/login", "")); res.Code != http.StatusOK {
			t.Errorf("%s: the sign-in form: %d", name, res.Code)
		}
	}
}
