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
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// How long a login lasts.
const (
	loginIdle     = 14 * 24 * time.Hour
	loginLifetime = 30 * 24 * time.Hour
)

// Keys of what a login holds.
const (
	keyUser     = "user"     // int64
	keyPassword = "password" // fingerprint of the password hash: a new password ends other logins
	keyNotice   = "notice"   // JSON of view.Notice, for the next page
)

// maxForm bounds the body of a form, in bytes.
const maxForm = 96 << 10

func (u *UI) newLogins() *scs.SessionManager {
	m := scs.New()
	m.Store = u.Store.Logins()
	m.HashTokenInStore = true
	m.IdleTimeout, m.Lifetime = loginIdle, loginLifetime
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
	ctx := v.r.Context()
	if err := u.logins.RenewToken(ctx); err != nil { // nobody can prepare a login for somebody else
		return err
	}
	u.logins.Put(ctx, keyUser, user.ID)
	u.logins.Put(ctx, keyPassword, fingerprint(user.PasswordHash))
	return v.redirect(next)
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
	if err := u.logins.Destroy(v.r.Context()); err != nil {
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
