package ui_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestWhatIsSentWithoutALoginWaitsForIt: a comment of somebody whose login ended is shown once they
// have signed in, and is stored when they send it again, not before.
func TestWhatIsSentWithoutALoginWaitsForIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.report(boom, time.Now())
	b := s.browser()
	const words, issue = "Written before the login ended.", "/o/default/issues/DEFAULT-1"
	res, _ := b.post(issue+"/comments", url.Values{"do": {"comment"}, "text": {words}, "back": {issue}})
	if to := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || to != "/login?next=%2Fresume" {
		t.Fatalf("without a login: %d to %q", res.StatusCode, to)
	}
	res, _ = b.post("/login", url.Values{"email": {s.made.Email}, "password": {password}, "next": {"/resume"}})
	if to := res.Header.Get("Location"); to != "/resume" {
		t.Fatalf("signing in leads to %q", to)
	}
	page := b.page("/resume")
	if !strings.Contains(page, words) || !strings.Contains(page, `action="`+issue+`/comments"`) {
		t.Fatalf("the page does not show what was sent:\n%s", page)
	}
	if strings.Contains(b.page(issue), words) {
		t.Error("it was stored before it was sent again")
	}
	b.post(issue+"/comments", url.Values{"do": {"comment"}, "text": {field(t, page, "text")}, "back": {issue}})
	if !strings.Contains(b.page(issue), words) {
		t.Error("it was not stored")
	}
	if res, _ := b.get("/resume"); res.Header.Get("Location") != "/" {
		t.Error("it can be sent twice")
	}
}
