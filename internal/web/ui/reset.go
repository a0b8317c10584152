package ui

import (
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/web/audit"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

func (u *UI) forgot(v *visit) error {
	return v.render(http.StatusOK, "Forgotten password", func(p view.Page) component { return view.Forgot(p, view.ForgotPage{Mails: u.Mail != nil}) })
}

// sendReset mails a link to whoever has the address; the answer is the same when nobody has.
func (u *UI) sendReset(v *visit) error {
	if err := v.parseForm(); err != nil {
		return err
	}
	ctx, email, now := v.r.Context(), strings.TrimSpace(v.r.PostFormValue("email")), time.Now()
	page, status := view.ForgotPage{Mails: u.Mail != nil, Sent: true}, http.StatusOK
	key := "reset:" + email // asking counts as guessing, so that nobody's letter box is filled
	if wait := u.throttle.Wait(key, clientAddr(v.r), now); wait > 0 {
		page = view.ForgotPage{Mails: true, Problem: "Too many attempts. Try again in " + waitWords(int(math.Ceil(wait.Seconds()))) + "."}
		status = http.StatusTooManyRequests
	} else if u.Mail != nil {
		u.throttle.Failed(key, clientAddr(v.r), now)
		user, err := u.Store.UserByEmail(ctx, email)
		if err == nil && user.Active {
			secret, err := u.Store.CreateReset(ctx, user.ID)
			if err != nil {
				return err
			}
			u.mail(ctx, user.Email, "Choose a new password for Tocsin", fmt.Sprintf(
				"Somebody, probably you, asked for a new password for %s.\n\nChoose it here within an hour:\n%s/reset/%s\n\nIf it was not you, nothing has changed.\n",
				user.Email, u.BaseURL, secret))
		} else if err != nil && fault.KindOf(err) != fault.Unknown {
			return err
		}
	} else {
		page.Sent = false
	}
	return v.render(status, "Forgotten password", func(p view.Page) component { return view.Forgot(p, page) })
}

func (u *UI) resetPage(v *visit) error { return u.drawReset(v, http.StatusOK, "") }

func (u *UI) drawReset(v *visit, status int, problem string) error {
	page := view.ResetPage{Token: v.param("token"), Problem: problem}
	user, err := u.Store.ResetUser(v.r.Context(), page.Token)
	switch {
	case err == nil:
		page.Email = user.Email
	case fault.KindOf(err) == fault.Unknown:
		page.Problem, status = fault.Public(err), http.StatusNotFound
	default:
		return err
	}
	return v.render(status, "New password", func(p view.Page) component { return view.Reset(p, page) })
}

// resetPassword sets the password of whom the link belongs to, and signs every browser of theirs out.
func (u *UI) resetPassword(v *visit) error {
	if err := v.parseForm(); err != nil {
		return err
	}
	ctx := v.r.Context()
	hash, err := account.HashPassword(ctx, v.r.PostFormValue("password"))
	if text, status, ok := turnedDown(err); ok && err != nil {
		return u.drawReset(v, status, text)
	}
	if err != nil {
		return err
	}
	user, err := u.Store.ResetPassword(ctx, v.param("token"), hash)
	if fault.KindOf(err) == fault.Unknown && err != nil {
		return u.drawReset(v, http.StatusNotFound, "")
	}
	if err != nil {
		return err
	}
	u.throttle.Succeeded(user.Email)
	u.changedRights()
	u.recordFor(v, user, audit.Note{Event: "account.reset-password", Target: user.Email})
	slog.InfoContext(ctx, "a password was reset", "user", user.ID)
	return v.render(http.StatusOK, "Sign in", func(p view.Page) component {
		return view.Login(p, view.LoginPage{Email: user.Email, Next: "/", Problem: "The password is set. Sign in with it."})
	})
}

// recordFor writes what a user did to their account into the log of every organization of theirs.
func (u *UI) recordFor(v *visit, user account.User, n audit.Note) {
	list, err := u.Store.Memberships(v.r.Context(), user.ID)
	if err != nil {
		slog.ErrorContext(v.r.Context(), "the audit log was not written", "err", err, "event", n.Event)
	}
	for _, m := range list[:min(len(list), 20)] {
		u.trail().Record(v.r.Context(), v.r, &account.Principal{User: &user, Organization: m.Organization}, n)
	}
}
