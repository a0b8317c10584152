package ui

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/web/audit"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// How long a login lasts: unused, and at most.
const (
	loginIdle     = 14 * 24 * time.Hour
	LoginLifetime = 30 * 24 * time.Hour
)

// Keys of what a login holds.
const (
	keyUser     = "user"     // int64
	keyPassword = "password" // fingerprint of the password hash: a new password ends other logins
	keyNotice   = "notice"   // JSON of view.Notice, for the next page
	keyLogin    = "login"    // int64: the row of account.Login that ends with it
	keyOrg      = "org"      // int64: the one organization that the login is for, whose provider vouched
	keySSO      = "sso"      // what a sign-in at a provider was begun with
	keyNext     = "next"     // where to go once signed in
	keySetup    = "setup"    // a secret for one-time codes that waits for its first one
	keyCeremony = "ceremony" // state of a passkey between two calls

	keyPending      = "pending"       // int64: whose password was right, and whose second factor is awaited
	keyPendingUntil = "pending-until" // int64, Unix seconds
)

// maxForm bounds the body of a form, in bytes.
const maxForm = 96 << 10

func (u *UI) newLogins() *scs.SessionManager {
	m := scs.New()
	m.Store = u.Store.Logins()
	m.HashTokenInStore = true
	m.Lifetime = LoginLifetime // session() ends what is idle: the library would write with every page
	m.Cookie.Name = "tocsin-login"
	m.Cookie.HttpOnly = true
	m.Cookie.SameSite = http.SameSiteLaxMode
	if strings.HasPrefix(u.BaseURL, "https://") {
		m.Cookie.Name, m.Cookie.Secure = "__Host-tocsin-login", true
	}
	m.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) {
		v := u.visit(w, r)
		v.problem(fault.Wrap(err, fault.KindOf(err), "%s", fault.Public(err)))
	}
	return m
}

func (u *UI) loginForm(v *visit) error {
	next := localOr(v.r.FormValue("next"), "/")
	if u.logins.GetInt64(v.r.Context(), keyUser) != 0 {
		return v.redirect(next)
	}
	return v.render(http.StatusOK, "Sign in", func(p view.Page) component { return view.Login(p, view.LoginPage{Next: next}) })
}

func (u *UI) login(v *visit) error {
	if err := v.parseForm(); err != nil {
		return err
	}
	email, password := strings.TrimSpace(v.r.PostFormValue("email")), v.r.PostFormValue("password")
	next := localOr(v.r.PostFormValue("next"), "/")
	user, err := u.signIn(v, email, password)
	switch fault.KindOf(err) {
	case fault.Unauthenticated, fault.Limited:
		if err == nil {
			break
		}
		form := view.LoginPage{Email: email, Next: next, Problem: fault.Public(err)}
		return v.render(fault.KindOf(err).Status(), "Sign in", func(p view.Page) component { return view.Login(p, form) })
	}
	if err != nil {
		return err
	}
	keys, err := u.Store.Passkeys(v.r.Context(), user.ID)
	if err != nil {
		return err
	}
	if user.TOTP != "" || len(keys) > 0 {
		return u.await(v, user, next)
	}
	if err := u.enter(v, user, account.LoginPassword, 0); err != nil {
		return err
	}
	return v.redirect(next)
}

// enter signs a user in. When org is not 0, the login is for that organization alone.
func (u *UI) enter(v *visit, user account.User, method account.LoginMethod, org int64) error {
	ctx := v.r.Context()
	if err := u.logins.RenewToken(ctx); err != nil { // nobody can prepare a login for somebody else
		return err
	}
	for _, key := range []string{keyPending, keyPendingUntil, keyNext, keySSO, keySetup, keyCeremony, keyOrg} {
		u.logins.Remove(ctx, key)
	}
	id, err := u.Store.RecordLogin(ctx, account.Login{User: user.ID, Method: method, Organization: org, Address: audit.Address(v.r), UserAgent: v.r.UserAgent()})
	if err != nil {
		return err
	}
	u.people.forget(user.ID)
	u.logins.Put(ctx, keyUser, user.ID)
	u.logins.Put(ctx, keyLogin, id)
	u.logins.Put(ctx, keyPassword, fingerprint(user.PasswordHash))
	if org != 0 {
		u.logins.Put(ctx, keyOrg, org)
	}
	u.recordFor(v, user, audit.Note{Event: "session.begin", Target: user.Email, Text: "by " + methodWords(method)})
	return nil
}

// signIn checks a password, slowly for those who guess.
func (u *UI) signIn(v *visit, email, password string) (account.User, error) {
	now, addr := time.Now(), clientAddr(v.r)
	if wait := u.throttle.Wait(email, addr, now); wait > 0 {
		seconds := int(math.Ceil(wait.Seconds()))
		return account.User{}, fault.New(fault.Limited, "Too many attempts. Try again in %s.", waitWords(seconds)).RetryAfter(wait)
	}
	user, err := u.Store.SignIn(v.r.Context(), email, password)
	switch {
	case err == nil:
		u.throttle.Succeeded(email)
	case fault.KindOf(err) == fault.Unauthenticated:
		u.throttle.Failed(email, addr, now)
	}
	return user, err
}

func waitWords(seconds int) string {
	if seconds < 120 {
		return fmt.Sprintf("%d s", seconds)
	}
	return fmt.Sprintf("%d min", (seconds+59)/60)
}

func (u *UI) logout(v *visit) error {
	ctx := v.r.Context()
	if id := u.logins.GetInt64(ctx, keyLogin); id != 0 {
		user := u.logins.GetInt64(ctx, keyUser)
		if err := u.Store.EndLogin(ctx, user, id); err != nil && fault.KindOf(err) != fault.Unknown {
			return err
		}
		u.people.forget(user)
	}
	if err := u.logins.Destroy(ctx); err != nil {
		return err
	}
	v.w.Header().Set("Clear-Site-Data", `"cache"`)
	return v.redirect("/login")
}

// fingerprint tells password hashes apart without giving them away.
func fingerprint(hash string) string {
	sum := sha256.Sum256([]byte(hash))
	return hex.EncodeToString(sum[:8])
}

// clientAddr is the address of the peer; invalid when it is none.
func clientAddr(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap()
}
