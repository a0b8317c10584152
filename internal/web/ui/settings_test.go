package ui_test

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/project"
)

var inviteLink = regexp.MustCompile(`/invite/[a-z0-9]{40,}`)

// wantPost posts a form and checks the status.
func (b *browser) wantPost(status int, path string, form url.Values) (*http.Response, string) {
	b.s.t.Helper()
	res, body := b.post(path, form)
	if res.StatusCode != status {
		b.s.t.Fatalf("POST %s %v: want %d, got %d\n%.2000s", path, form, status, res.StatusCode, body)
	}
	return res, body
}

// member makes a user with a role and returns a browser of theirs.
func (s *site) member(email string, role account.Role) *browser {
	s.t.Helper()
	u, err := s.store.CreateUser(context.Background(), email, "", password)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.store.SetMembership(context.Background(), 1, u.ID, role); err != nil {
		s.t.Fatal(err)
	}
	b := s.browser()
	b.wantPost(http.StatusSeeOther, "/login", url.Values{"email": {email}, "password": {password}})
	return b
}

func TestAnInviteByLinkMakesAMemberOfItsRole(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	owner := s.signedIn()
	_, page := owner.wantPost(http.StatusOK, "/o/default/settings/members", url.Values{"do": {"invite"}, "email": {"ann@example.com"}, "role": {"member"}})
	link := inviteLink.FindString(page)
	if link == "" {
		t.Fatalf("no link on the page:\n%.3000s", page)
	}
	if again := owner.page("/o/default/settings/members"); inviteLink.FindString(again) != "" || !strings.Contains(again, "ann@example.com") {
		t.Error("the link is told twice, or the invite is not listed")
	}
	ann := s.browser()
	if body := ann.page(link); !strings.Contains(body, "ann@example.com") {
		t.Errorf("the invite says: %.500s", body)
	}
	ann.wantPost(http.StatusBadRequest, link, url.Values{"do": {"accept"}, "password": {"short"}})
	ann.wantPost(http.StatusSeeOther, link, url.Values{"do": {"accept"}, "name": {"Ann"}, "password": {password}})
	ann.page("/o/default/issues")
	if res, _ := s.browser().get(link); res.StatusCode != http.StatusNotFound {
		t.Errorf("a used link answers %d", res.StatusCode)
	}
	// What her role does not allow.
	ann.wantPost(http.StatusForbidden, "/o/default/settings/members", url.Values{"do": {"invite"}, "email": {"x@example.com"}, "role": {"owner"}})
	ann.wantPost(http.StatusForbidden, "/o/default/settings", url.Values{"do": {"save"}, "name": {"Mine"}, "slug": {"default"}, "default_role": {"member"}})
	if res, _ := ann.get("/o/default/settings/audit"); res.StatusCode != http.StatusForbidden {
		t.Errorf("a member reads the audit log: %d", res.StatusCode)
	}
	log := owner.page("/o/default/settings/audit?check=1")
	for _, want := range []string{"member.invite", "member.accept-invite", "session.begin", "unbroken"} {
		if !strings.Contains(log, want) {
			t.Errorf("the audit log lacks %s", want)
		}
	}
	if strings.Contains(log, strings.TrimPrefix(link, "/invite/")) || strings.Contains(log, password) {
		t.Error("the audit log tells a secret")
	}
}

func TestAViewerReadsAndChangesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	viewer := s.member("vic@example.com", account.RoleViewer)
	viewer.page("/o/default/issues")
	viewer.page("/o/default/settings/members")
	for path, form := range map[string]url.Values{
		"/o/default/issues": {"do": {"resolve"}, "id": {"1"}}, "/o/default/projects/default/filters": {"do": {"save"}}, "/o/default/settings/members": {"do": {"invite"}, "email": {"x@example.com"}, "role": {"viewer"}},
		"/o/default/settings/teams": {"do": {"create"}, "name": {"x"}}, "/o/default/settings/tokens": {"do": {"create"}},
	} {
		viewer.wantPost(http.StatusForbidden, path, form)
	}
	me, err := s.store.UserByEmail(t.Context(), "vic@example.com")
	if err != nil {
		t.Fatal(err)
	}
	viewer.wantPost(http.StatusSeeOther, "/o/default/settings/members", url.Values{"do": {"remove"}, "member": {itoa(me.ID)}})
	if res, _ := viewer.get("/o/default/issues"); res.StatusCode != http.StatusNotFound {
		t.Errorf("after leaving: %d", res.StatusCode)
	}
}

func TestATokenIsShownOnceAndRevoked(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn()
	_, body := b.wantPost(http.StatusOK, "/account/tokens", url.Values{"do": {"create"}, "name": {"laptop"}, "scope": {"event:read"}, "days": {"30"}})
	secret := regexp.MustCompile(`sntryu_[0-9a-f]{64}`).FindString(body)
	if secret == "" {
		t.Fatalf("no token on the page:\n%.2000s", body)
	}
	if again := b.page("/account/tokens"); strings.Contains(again, secret) || !strings.Contains(again, "laptop") {
		t.Error("the token is told twice or not listed")
	}
	h, err := s.store.TokenByHash(t.Context(), account.HashToken(secret))
	if err != nil || !h.Principal.Scopes.Has(account.EventRead) || h.ExpiresAt == nil {
		t.Fatalf("holder %+v, %v", h, err)
	}
	_, body = b.wantPost(http.StatusOK, "/o/default/settings/tokens", url.Values{"do": {"create"}, "name": {"build"}, "scope": {"org:ci"}, "kind": {"organization"}})
	if !strings.Contains(body, "sntrys_") {
		t.Error("no organization token on the page")
	}
	b.wantPost(http.StatusBadRequest, "/o/default/settings/tokens", url.Values{"do": {"create"}, "name": {"x"}, "scope": {"org:ci"}, "kind": {"project"}})
	b.wantPost(http.StatusSeeOther, "/account/tokens", url.Values{"do": {"revoke"}, "token": {"1/" + itoa(h.Token)}})
	if _, err := s.store.TokenByHash(t.Context(), account.HashToken(secret)); err == nil {
		t.Error("a revoked token works")
	}
}

func TestTheSecondFactorIsAskedAndCodesWorkOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn()
	_, body := b.wantPost(http.StatusOK, "/account/security", url.Values{"do": {"setup"}})
	secret := regexp.MustCompile(`<code>([A-Z2-7]{16,})</code>`).FindStringSubmatch(body)
	if secret == nil || !strings.Contains(body, `class="qr"`) {
		t.Fatalf("no secret on the page:\n%.2000s", body)
	}
	b.wantPost(http.StatusBadRequest, "/account/security", url.Values{"do": {"confirm"}, "code": {"000000"}})
	now := time.Now()
	code := func(at time.Time) string {
		text, err := totp.GenerateCode(secret[1], at)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	_, body = b.wantPost(http.StatusOK, "/account/security", url.Values{"do": {"confirm"}, "code": {code(now)}})
	recovery := regexp.MustCompile(`[a-z2-7]{4}(-[a-z2-7]{4}){3}`).FindAllString(body, -1)
	if len(recovery) < 10 {
		t.Fatalf("recovery codes %v", recovery)
	}
	u, err := s.store.UserByEmail(t.Context(), s.made.Email)
	if err != nil || u.TOTP == "" || strings.Contains(u.TOTP, secret[1]) {
		t.Errorf("the secret is stored as %q, %v", u.TOTP, err)
	}
	enter := func() *browser {
		other := s.browser()
		res, _ := other.wantPost(http.StatusSeeOther, "/login", url.Values{"email": {s.made.Email}, "password": {password}, "next": {"/o/default/projects"}})
		if to := res.Header.Get("Location"); to != "/login/second" {
			t.Fatalf("the password alone leads to %s", to)
		}
		if res, _ := other.get("/o/default/issues"); res.StatusCode != http.StatusSeeOther {
			t.Fatalf("the password alone opens pages: %d", res.StatusCode)
		}
		return other
	}
	one := enter()
	one.wantPost(http.StatusUnauthorized, "/login/second", url.Values{"code": {code(now)}}) // it was used to switch on
	res, _ := one.wantPost(http.StatusSeeOther, "/login/second", url.Values{"code": {code(now.Add(30 * time.Second))}})
	if to := res.Header.Get("Location"); to != "/o/default/projects" {
		t.Errorf("after the code: %s", to)
	}
	two := enter()
	two.wantPost(http.StatusSeeOther, "/login/second", url.Values{"code": {recovery[0]}})
	three := enter()
	three.wantPost(http.StatusUnauthorized, "/login/second", url.Values{"code": {recovery[0]}})
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	one, two := s.signedIn(), s.signedIn()
	body := one.page("/account/sessions")
	other := regexp.MustCompile(`name="session" value="([0-9]+)"`).FindStringSubmatch(body)
	if other == nil || !strings.Contains(body, "this one") {
		t.Fatalf("sessions:\n%.2000s", body)
	}
	two.page("/o/default/issues")
	one.wantPost(http.StatusSeeOther, "/account/sessions", url.Values{"do": {"end"}, "session": other[1:]})
	if res, _ := two.get("/o/default/issues"); res.StatusCode != http.StatusSeeOther {
		t.Errorf("an ended session opens pages: %d", res.StatusCode)
	}
	one.page("/account/sessions")
}

func TestAResetLinkWorksOnceAndEndsEverySession(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn()
	u, err := s.store.UserByEmail(t.Context(), s.made.Email)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := s.store.CreateReset(t.Context(), u.ID)
	if err != nil {
		t.Fatal(err)
	}
	if body := s.browser().page("/reset/" + secret); !strings.Contains(body, s.made.Email) {
		t.Error("the page does not say whose password it is")
	}
	s.browser().wantPost(http.StatusBadRequest, "/reset/"+secret, url.Values{"password": {"short"}})
	s.browser().wantPost(http.StatusOK, "/reset/"+secret, url.Values{"password": {"another good one"}})
	s.browser().wantPost(http.StatusNotFound, "/reset/"+secret, url.Values{"password": {"another good two"}})
	if res, _ := b.get("/o/default/issues"); res.StatusCode != http.StatusSeeOther {
		t.Errorf("an old session opens pages: %d", res.StatusCode)
	}
	s.browser().wantPost(http.StatusSeeOther, "/login", url.Values{"email": {s.made.Email}, "password": {"another good one"}})
}

func TestTeamsAreMadeFilledAndRemovedWithConfirmation(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn()
	res, _ := b.wantPost(http.StatusSeeOther, "/o/default/settings/teams", url.Values{"do": {"create"}, "name": {"Back End"}})
	team := res.Header.Get("Location")
	if team != "/o/default/settings/teams/back-end" {
		t.Fatalf("the team is at %s", team)
	}
	b.wantPost(http.StatusSeeOther, team, url.Values{"do": {"give"}, "project": {itoa(s.made.ProjectID)}})
	if body := b.page(team); !strings.Contains(body, "/o/default/projects/default") || !strings.Contains(body, s.made.Email) {
		t.Errorf("team page:\n%.2000s", body)
	}
	b.wantPost(http.StatusBadRequest, team, url.Values{"do": {"remove"}, "confirm": {"backend"}})
	b.wantPost(http.StatusSeeOther, team, url.Values{"do": {"remove"}, "confirm": {"back-end"}})
	if res, _ := b.get(team); res.StatusCode != http.StatusNotFound {
		t.Errorf("a removed team answers %d", res.StatusCode)
	}
}

func TestAnOrganizationMayAskForASecondFactor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn()
	b.wantPost(http.StatusSeeOther, "/o/default/settings", url.Values{"do": {"save"}, "name": {"Acme"}, "slug": {"default"}, "default_role": {"viewer"}, "factor": {"1"}})
	res, _ := b.get("/o/default/issues")
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/account/security" {
		t.Errorf("without a second factor: %d %s", res.StatusCode, res.Header.Get("Location"))
	}
	o, set, err := s.store.Organization(t.Context(), 1)
	want := project.OrganizationSettings{ClosedMembership: true, RequireSecondFactor: true, DefaultRole: "viewer"}
	if err != nil || o.Name != "Acme" || set.ClosedMembership != want.ClosedMembership || set.RequireSecondFactor != want.RequireSecondFactor || set.DefaultRole != want.DefaultRole {
		t.Errorf("settings %+v %+v, %v", o, set, err)
	}
}

func TestTheAPIReferenceShowsEveryRoute(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	body := s.signedIn().page("/docs/api")
	for _, want := range []string{"/api/0/organizations/{org}/issues/", "/api/0/teams/{org}/{team}/", "openapi.yaml"} {
		if !strings.Contains(body, want) {
			t.Errorf("the reference lacks %s", want)
		}
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
