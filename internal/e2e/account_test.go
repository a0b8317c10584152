package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// do runs steps of a browser and says which part of a journey failed.
func do(t *testing.T, browser context.Context, what string, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	for _, step := range steps {
		if err := chromedp.Do(browser, step); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// TestAPasskeySignsIn makes a passkey in a browser with an authenticator and signs in with it.
func TestAPasskeySignsIn(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	_, port, _ := strings.Cut(address, ":")
	data, err := os.MkdirTemp("", "tocsin-data-")
	if err != nil {
		t.Fatal(err)
	}
	_ = os.Chmod(data, 0o711)
	t.Cleanup(func() { _ = os.RemoveAll(data) })
	in := upIn(t, data, address, "TOCSIN_URL=http://localhost:"+port)
	in.URL = "http://localhost:" + port // passkeys belong to a name, not to a number
	browser := newBrowser(t)
	complaints := listen(t, browser)
	in.signIn(t, browser)
	id := authenticator(t, browser)
	do(t, browser, "add a passkey", chromedp.Navigate(in.URL+"/account/security"), chromedp.SendKeys("#pkname", "Test key"), chromedp.Click("x-passkey button"))
	in.await("the passkey to be listed", 30*time.Second, func(context.Context) error {
		text, err := chromedp.Run(browser, chromedp.TextContent("main"))
		if err == nil && !strings.Contains(text, "Test key") {
			err = fmt.Errorf("the page says %.300q", text)
		}
		return err
	})
	do(t, browser, "sign out", chromedp.Navigate(in.URL+"/account"))
	if _, err := chromedp.Run(browser, chromedp.Evaluate[bool](`document.querySelector('form[action="/logout"]').requestSubmit(), true`)); err != nil {
		t.Fatal(err)
	}
	do(t, browser, "wait for the form", chromedp.WaitVisible("x-passkey button"), chromedp.WaitVisible(`input[name="password"]`))
	do(t, browser, "sign in with it", chromedp.Click("x-passkey button"), chromedp.WaitNotPresent(`input[name="password"]`), chromedp.WaitVisible("main h1"))
	// A signature that is not the key's opens nothing.
	if _, err := chromedp.Run(browser, chromedp.Evaluate[bool](`document.querySelector('form[action="/logout"]').requestSubmit(), true`)); err != nil {
		t.Fatal(err)
	}
	do(t, browser, "wait for the form again", chromedp.WaitVisible(`input[name="password"]`), chromedp.WaitVisible("x-passkey button"))
	bogus := true
	override(t, browser, webauthn.SetResponseOverrideBitsParams{AuthenticatorID: id, IsBogusSignature: &bogus})
	do(t, browser, "sign in with a wrong signature", chromedp.Click("x-passkey button"), chromedp.WaitVisible("x-passkey [role=alert]"))
	for _, c := range complaints() {
		if !strings.Contains(c, "401") { // the answer to the wrong signature
			t.Error(c)
		}
	}
}

// authenticator gives a browser a security key that knows its owner.
func authenticator(t *testing.T, browser context.Context) (id webauthn.AuthenticatorID) {
	t.Helper()
	err := chromedp.Do(browser, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		if _, err := cdp.Call(ctx, target, webauthn.Enable, webauthn.EnableParams{}); err != nil {
			return err
		}
		made, err := cdp.Call(ctx, target, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: "ctap2", Transport: "internal", HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true}})
		id = made.AuthenticatorID
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func override(t *testing.T, browser context.Context, p webauthn.SetResponseOverrideBitsParams) {
	t.Helper()
	if err := chromedp.Do(browser, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, webauthn.SetResponseOverrideBits, p)
		return err
	})); err != nil {
		t.Fatal(err)
	}
}

var mailedLink = regexp.MustCompile(`https?://\S+/(invite|reset)/\S+`)

// TestInvitesAndLinksToNewPasswordsAreMailed: what is mailed leads to a membership and to a new
// password, by the address that is configured, whatever name a request came by.
func TestInvitesAndLinksToNewPasswordsAreMailed(t *testing.T) {
	t.Parallel()
	box := newMailbox(t)
	in := up(t, "TOCSIN_SMTP_URL=smtp://"+box.address+"?tls=off")
	status, body, err := fetch(t.Context(), http.MethodPost, in.URL+"/api/0/organizations/default/members/", in.AuthToken, []byte(`{"email":"ann@example.org","orgRole":"admin"}`), "Host", "evil.example")
	if err != nil || status != http.StatusCreated {
		t.Fatalf("invite: %d %s %v", status, body, err)
	}
	link := func(to, kind string) (path string) {
		t.Helper()
		in.await("a mail to "+to, 30*time.Second, func(context.Context) error {
			m, err := box.find(to)
			if err != nil {
				return err
			}
			found := mailedLink.FindStringSubmatch(m.text)
			if found == nil || found[1] != kind || !strings.HasPrefix(found[0], in.URL+"/") {
				return fmt.Errorf("the mail %q says %s", m.subject, m.text)
			}
			path = found[0]
			return nil
		})
		return path
	}
	browser := newBrowser(t)
	do(t, browser, "accept the invite", chromedp.Navigate(link("ann@example.org", "invite")), chromedp.SendKeys(`input[name="name"]`, "Ann"), chromedp.SendKeys(`input[name="password"]`, "correct horse"),
		chromedp.Submit(`input[name="password"]`), chromedp.WaitNotPresent(`input[name="password"]`), chromedp.WaitVisible("main h1"))
	other := newBrowser(t)
	do(t, other, "ask for a new password", chromedp.Navigate(in.URL+"/forgot"), chromedp.SendKeys(`input[name="email"]`, "ann@example.org"), chromedp.Submit(`input[name="email"]`), chromedp.WaitVisible("[role=status], .notice"))
	do(t, other, "choose it", chromedp.Navigate(link("ann@example.org", "reset")), chromedp.SendKeys(`input[name="password"]`, "another horse"), chromedp.Submit(`input[name="password"]`), chromedp.WaitVisible(`input[name="email"]`))
	in.audited(t, "member.", "member.accept")
	in.Email, in.Password = "ann@example.org", "another horse"
	in.signIn(t, other)
	// The browser that was signed in before is not any more.
	do(t, browser, "open a page with the old login", chromedp.Navigate(in.URL+"/"), chromedp.WaitVisible(`input[name="password"]`))
}

// TestSettingsPagesFitAndAskBeforeDanger opens every page of accounts and settings in three widths:
// nothing scrolls sideways, no policy is broken, and nothing dangerous happens at one click.
func TestSettingsPagesFitAndAskBeforeDanger(t *testing.T) {
	t.Parallel()
	in := up(t)
	post := func(path, body string) {
		t.Helper()
		if status, answer, err := fetch(t.Context(), http.MethodPost, in.URL+path, in.AuthToken, []byte(body)); err != nil || status/100 != 2 {
			t.Fatalf("%s: %d %s %v", path, status, answer, err)
		}
	}
	post("/api/0/organizations/default/teams/", `{"name":"Back End"}`)
	post("/api/0/organizations/default/members/", `{"email":"a-rather-long-address-of-somebody@department.example.org","orgRole":"admin"}`)
	post("/api/v1/organizations/default/users/", `{"email":"bo@example.org","password":"correct horse","role":"viewer"}`)
	post("/api/0/organizations/default/org-auth-tokens/", `{"name":"build machine of the web shop"}`)
	post("/api/0/api-tokens/", `{"name":"laptop","scopes":["event:read","org:read","project:read","member:read"]}`)
	browser := newBrowser(t)
	complaints := listen(t, browser)
	in.signIn(t, browser)
	const org = "/o/default/settings"
	pages := map[string]string{"general": org, "members": org + "/members", "teams": org + "/teams", "team": org + "/teams/back-end", "tokens": org + "/tokens", "sso": org + "/sso", "audit": org + "/audit?check=1",
		"security": "/account/security", "sessions": "/account/sessions", "own-tokens": "/account/tokens", "api": "/docs/api"}
	for _, width := range []int64{1440, 768, 375} {
		for name, path := range pages {
			do(t, browser, name, chromedp.EmulateViewport(width, 900), chromedp.Navigate(in.URL+path))
			over, err := chromedp.Run(browser, chromedp.Evaluate[int]("document.documentElement.scrollWidth - window.innerWidth"))
			if err != nil || over > 0 {
				t.Errorf("%s at %d px scrolls sideways by %d px, %v", name, width, over, err)
			}
			// What removes, revokes or ends is folded away behind a question, or asks to type a name.
			bare, err := chromedp.Run(browser, chromedp.Evaluate[int](`[...document.querySelectorAll("button.danger")].filter(b => !b.closest("details.sure") && !b.form?.querySelector("input[name=confirm]")).length`))
			if err != nil || bare > 0 {
				t.Errorf("%s: %d dangerous buttons ask nothing, %v", name, bare, err)
			}
			if dir := os.Getenv("TOCSIN_SCREENSHOTS"); dir != "" {
				screenshot(t, browser, filepath.Join(dir, fmt.Sprintf("account-%s-%d.png", name, width)))
			}
		}
	}
	do(t, browser, "open members", chromedp.EmulateViewport(1440, 900), chromedp.Navigate(in.URL+org+"/members"))
	dangers, err := chromedp.Run(browser, chromedp.Evaluate[int](`document.querySelectorAll("details.sure button.danger").length`))
	if err != nil || dangers < 2 {
		t.Errorf("members: %d questions, %v", dangers, err)
	}
	for _, c := range complaints() {
		t.Error(c)
	}
}
