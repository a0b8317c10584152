package ui_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/testkit/pgtest"
	"github.com/tocsin-dev/tocsin/internal/web/ui"
)

func request(method, path, form string) *http.Request {
	req := httptest.NewRequest(method, path, strings.NewReader(form))
	if form != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return req
}

func answer(h http.Handler, req *http.Request) *httptest.ResponseRecorder {
	res := httptest.NewRecorder()
	h.ServeHTTP(res, req)
	return res
}

func cookie(t testing.TB, res *http.Response, suffix string) *http.Cookie {
	t.Helper()
	for _, c := range res.Cookies() {
		if strings.HasSuffix(c.Name, suffix) {
			return c
		}
	}
	t.Fatalf("no cookie %s in %v", suffix, res.Header)
	return nil
}

func TestSignInLeadsWhereOneWanted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.browser()
	res, _ := b.get("/o/default/projects?x=1")
	login := res.Header.Get("Location")
	if res.StatusCode != http.StatusSeeOther || login != "/login?next=%2Fo%2Fdefault%2Fprojects%3Fx%3D1" {
		t.Fatalf("nobody is sent to %q with %d", login, res.StatusCode)
	}
	_, form := b.get(login)
	for _, field := range []string{`name="email"`, `name="password"`, `name="next" value="/o/default/projects?x=1"`, `action="/login"`} {
		if !strings.Contains(form, field) {
			t.Errorf("the form lacks %s", field)
		}
	}
	res, _ = b.post("/login", url.Values{"email": {" OWNER@example.com "}, "password": {password}, "next": {"/o/default/projects?x=1"}})
	if got := res.Header.Get("Location"); got != "/o/default/projects?x=1" {
		t.Errorf("after the sign-in: %q", got)
	}
	c := cookie(t, res, "tocsin-login")
	if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.MaxAge < 29*24*3600 || c.MaxAge > 31*24*3600 || len(c.Value) < 40 {
		t.Errorf("cookie %v", c)
	}
	if res, _ := b.get("/login"); res.Header.Get("Location") != "/" {
		t.Errorf("the form is shown to somebody who is signed in: %d", res.StatusCode)
	}
	if res, _ := b.post("/logout", nil); res.Header.Get("Location") != "/login" {
		t.Errorf("sign out: %d", res.StatusCode)
	}
	if res, _ := b.get("/"); res.StatusCode != http.StatusSeeOther {
		t.Errorf("after the sign-out: %d", res.StatusCode)
	}
}

func TestNextStaysHere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, next := range []string{
		"//evil.example", "///evil.example", `/\evil.example`, `\\evil.example`, "https://evil.example", "javascript:alert(1)", "/%2f%2fevil.example", "/%2Fevil.example",
		"/%5cevil.example", "evil.example", "", "/\tevil", "/\r\nSet-Cookie: a=b", "http:/evil", "/ok\\evil", "//", "/" + strings.Repeat("a", 3000),
	} {
		b := s.browser()
		res, _ := b.post("/login", url.Values{"email": {s.made.Email}, "password": {password}, "next": {next}})
		if got := res.Header.Get("Location"); got != "/" {
			t.Errorf("next %q leads to %q", next, got)
		}
	}
}

// TestALoginCannotBePrepared: a token that somebody else planted is worth nothing after the sign-in,
// and the database holds no token that could be used.
func TestALoginCannotBePrepared(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	planted := s.browser()
	planted.post("/login", url.Values{"email": {s.made.Email}, "password": {password}})
	res, _ := planted.post("/login", url.Values{"email": {s.made.Email}, "password": {password}})
	second := cookie(t, res, "tocsin-login").Value
	victim := s.signedIn()
	res, _ = victim.post("/login", url.Values{"email": {s.made.Email}, "password": {password}})
	if third := cookie(t, res, "tocsin-login").Value; third == second {
		t.Error("two sign-ins have one token")
	}
	for _, old := range []string{second} {
		if _, found, err := s.store.Logins().FindCtx(t.Context(), old); found || err != nil {
			t.Errorf("the database holds the token itself: %v", err)
		}
	}
}

func TestGuessingIsSlowedDown(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.browser()
	wrong := url.Values{"email": {s.made.Email}, "password": {"wrong"}}
	nobody := url.Values{"email": {"nobody@example.com"}, "password": {"wrong"}}
	res, known := b.post("/login", wrong)
	_, unknown := b.post("/login", nobody)
	if res.StatusCode != http.StatusUnauthorized || strings.ReplaceAll(known, s.made.Email, "") != strings.ReplaceAll(unknown, "nobody@example.com", "") {
		t.Errorf("wrong password %d and unknown address can be told apart", res.StatusCode)
	}
	limited := false
	for range 10 {
		res, body := b.post("/login", wrong)
		if limited = res.StatusCode == http.StatusTooManyRequests; limited {
			if !strings.Contains(body, "Too many attempts") || res.StatusCode != http.StatusTooManyRequests {
				t.Errorf("%d %s", res.StatusCode, body)
			}
			break
		}
	}
	if !limited {
		t.Error("ten wrong passwords were all tried")
	}
	if res, _ := b.post("/login", url.Values{"email": {s.made.Email}, "password": {password}}); res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("the right password at once after the wrong ones: %d", res.StatusCode)
	}
}

func TestANewPasswordEndsOtherLogins(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	here, there := s.signedIn(), s.signedIn()
	there.page("/account")
	res, body := here.post("/account", url.Values{"do": {"password"}, "old": {"not it"}, "new": {"another good one"}})
	if res.StatusCode != http.StatusBadRequest || !strings.Contains(body, "present password is wrong") {
		t.Errorf("wrong present password: %d", res.StatusCode)
	}
	if res, _ := here.post("/account", url.Values{"do": {"password"}, "old": {password}, "new": {"short"}}); res.StatusCode != http.StatusBadRequest {
		t.Errorf("short password: %d", res.StatusCode)
	}
	if res, _ := here.post("/account", url.Values{"do": {"password"}, "old": {password}, "new": {"another good one"}}); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("change: %d", res.StatusCode)
	}
	if body := here.page("/account"); !strings.Contains(body, "password is changed") {
		t.Error("the page does not say that it was changed")
	}
	if res, _ := there.get("/account"); !strings.HasPrefix(res.Header.Get("Location"), "/login") {
		t.Errorf("the other login still works: %d", res.StatusCode)
	}
}

func TestCookiesAreSecureBehindHTTPS(t *testing.T) {
	t.Parallel()
	s := newSiteOn(t, pgtest.New(t))
	pages := ui.New(ui.Options{Store: s.store, BaseURL: "https://tocsin.example"})
	res := answer(pages, request("POST", "/login", url.Values{"email": {s.made.Email}, "password": {password}}.Encode()))
	c := cookie(t, res.Result(), "tocsin-login")
	if c.Name != "__Host-tocsin-login" || !c.Secure || c.Domain != "" || c.Path != "/" {
		t.Errorf("cookie %v", c)
	}
	if res.Header().Get("Strict-Transport-Security") == "" {
		t.Error("no Strict-Transport-Security")
	}
}

func TestTheLookIsRemembered(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	s.report(boom, at)
	b := s.signedIn()
	if body := b.page("/account"); !strings.Contains(body, `<html lang="en" class="compact">`) {
		t.Error("the first look is not compact and the system's")
	}
	b.post("/account", url.Values{"do": {"look"}, "theme": {"dark"}, "density": {"roomy"}, "zone": {"Asia/Tokyo"}})
	if body := b.page("/account"); !strings.Contains(body, `class="roomy dark"`) || !strings.Contains(body, `value="Asia/Tokyo"`) {
		t.Error("the look is not kept")
	}
	if body := b.page("/o/default/issues/DEFAULT-1"); !strings.Contains(body, "2026-05-01 21:00:00 JST") {
		t.Error("times are not in the chosen zone")
	}
	if res, body := b.post("/account", url.Values{"do": {"look"}, "zone": {"Mars/Olympus"}}); res.StatusCode != http.StatusBadRequest || !strings.Contains(body, "no time zone") {
		t.Errorf("unknown zone: %d", res.StatusCode)
	}
	for _, value := range []string{"theme=%22%3E%3Cscript%3E", "theme=dark%0d%0a", strings.Repeat("a", 4000), "zone=../../etc/passwd", "%zz"} {
		req, _ := http.NewRequest(http.MethodGet, s.server.URL+"/login", nil)
		req.AddCookie(&http.Cookie{Name: "tocsin-look", Value: value})
		if res, body := s.browser().do(req); res.StatusCode != http.StatusOK || !strings.Contains(body, `class="compact"`) {
			t.Errorf("cookie %.40q: %d", value, res.StatusCode)
		}
	}
}

// TestAnIdleLoginEnds: what nobody used for two weeks asks to sign in again.
func TestAnIdleLoginEnds(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	s := newSiteOn(t, pgtest.Open(t, address))
	db, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(context.WithoutCancel(t.Context()))
	b := s.signedIn()
	for _, idle := range []struct {
		days, status int
	}{{13, http.StatusOK}, {15, http.StatusSeeOther}} {
		if _, err := db.Exec(t.Context(), "update logins set last_seen_at = now() - make_interval(days => $1)", idle.days); err != nil {
			t.Fatal(err)
		}
		s.ui.Changed()
		if res, _ := b.get("/account"); res.StatusCode != idle.status {
			t.Errorf("idle for %d days: want %d, got %d", idle.days, idle.status, res.StatusCode)
		}
	}
}
