package ui

import (
	"crypto/rand"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/boombuler/barcode/qr"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/web/audit"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// How one-time codes are made, and how far a clock may be off.
// Rule: https://www.rfc-editor.org/rfc/rfc6238
const (
	codeStep      = 30 // seconds
	codeSkew      = 1  // steps, either way
	recoveryCount = 10
	pendingFor    = 10 * time.Minute // between the password and the code
)

var codeOptions = hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}

// codeStepOf returns the time step that a code belongs to; ok is false when it belongs to none
// about now.
func codeStepOf(secret, code string, now time.Time) (step int64, ok bool) {
	at := now.Unix() / codeStep
	for _, step := range []int64{at, at - codeSkew, at + codeSkew} {
		if good, err := hotp.ValidateCustom(code, uint64(step), secret, codeOptions); err == nil && good {
			return step, true
		}
	}
	return 0, false
}

// factorContext is what a user's secret is sealed for.
func factorContext(user int64) string { return "totp " + idText(user) }

// takeCode uses up a one-time or recovery code of a user; false: it is none, or was used before.
func (u *UI) takeCode(v *visit, user account.User, code string) (bool, error) {
	code = strings.ToLower(strings.Join(strings.Fields(code), ""))
	if user.TOTP != "" && len(code) == 6 {
		secret, err := u.Key.Open(user.TOTP, factorContext(user.ID))
		if err != nil {
			return false, err
		}
		step, good := codeStepOf(string(secret), code, time.Now())
		if !good {
			return false, nil
		}
		return u.Store.TakeTOTP(v.r.Context(), user.ID, step)
	}
	return u.Store.TakeRecoveryCode(v.r.Context(), user.ID, code)
}

// await leaves somebody whose password was right at the door until their second factor is, too.
func (u *UI) await(v *visit, user account.User, next string) error {
	ctx := v.r.Context()
	if err := u.logins.RenewToken(ctx); err != nil {
		return err
	}
	u.logins.Put(ctx, keyPending, user.ID)
	u.logins.Put(ctx, keyPendingUntil, time.Now().Add(pendingFor).Unix())
	u.logins.Put(ctx, keyPassword, fingerprint(user.PasswordHash))
	u.logins.Put(ctx, keyNext, next)
	return v.redirect("/login/second")
}

// pending is who gave the right password a moment ago. fault.Unauthenticated: nobody.
func (u *UI) pending(v *visit) (account.User, error) {
	ctx := v.r.Context()
	id := u.logins.GetInt64(ctx, keyPending)
	if id == 0 || time.Now().Unix() > u.logins.GetInt64(ctx, keyPendingUntil) {
		return account.User{}, fault.New(fault.Unauthenticated, "Sign in again.")
	}
	user, err := u.Store.User(ctx, id)
	if err == nil && (!user.Active || fingerprint(user.PasswordHash) != u.logins.GetString(ctx, keyPassword)) {
		err = fault.New(fault.Unauthenticated, "Sign in again.")
	}
	return user, err
}

func (u *UI) second(v *visit) error { return u.drawSecond(v, http.StatusOK, "") }

func (u *UI) drawSecond(v *visit, status int, problem string) error {
	user, err := u.pending(v)
	if fault.KindOf(err) == fault.Unauthenticated && err != nil {
		return v.redirect("/login")
	}
	if err != nil {
		return err
	}
	keys, err := u.Store.Passkeys(v.r.Context(), user.ID)
	if err != nil {
		return err
	}
	page := view.SecondPage{Problem: problem, TOTP: true, Passkey: len(keys) > 0, Next: localOr(u.logins.GetString(v.r.Context(), keyNext), "/")}
	return v.render(status, "Second factor", func(p view.Page) component { return view.Second(p, page) })
}

// checkSecond takes the code of the second factor, slowly for those who guess.
func (u *UI) checkSecond(v *visit) error {
	if err := v.parseForm(); err != nil {
		return err
	}
	user, err := u.pending(v)
	if fault.KindOf(err) == fault.Unauthenticated && err != nil {
		return v.redirect("/login")
	}
	if err != nil {
		return err
	}
	key, now, addr := "code:"+user.Email, time.Now(), clientAddr(v.r)
	if wait := u.throttle.Wait(key, addr, now); wait > 0 {
		return u.drawSecond(v, http.StatusTooManyRequests, "Too many attempts. Try again in "+waitWords(int(math.Ceil(wait.Seconds())))+".")
	}
	good, err := u.takeCode(v, user, v.r.PostFormValue("code"))
	if err != nil {
		return err
	}
	if !good {
		u.throttle.Failed(key, addr, now)
		return u.drawSecond(v, http.StatusUnauthorized, "This code is wrong or was used before.")
	}
	u.throttle.Succeeded(key)
	next := localOr(u.logins.GetString(v.r.Context(), keyNext), "/")
	if err := u.enter(v, user, account.LoginPassword, 0); err != nil {
		return err
	}
	return v.redirect(next)
}

func (u *UI) security(v *visit) error { return u.drawSecurity(v, http.StatusOK, view.SecurityPage{}) }

func (u *UI) drawSecurity(v *visit, status int, page view.SecurityPage) error {
	ctx, user := v.r.Context(), v.principal.User
	page.TOTP, page.HasPass, page.Restricted = user.TOTP != "", user.PasswordHash != "", u.restricted(v)
	keys, err := u.Store.Passkeys(ctx, user.ID)
	if err != nil {
		return err
	}
	for _, k := range keys {
		row := view.Passkey{ID: keyName(k.ID), Name: k.Name, Made: k.CreatedAt}
		if k.LastUsedAt != nil {
			row.Used = *k.LastUsedAt
		}
		page.Passkeys = append(page.Passkeys, row)
	}
	if page.CodesLeft, err = u.Store.RecoveryCodes(ctx, user.ID); err != nil {
		return err
	}
	v.base.Section = view.SectionAccount
	return v.render(status, "Security", func(p view.Page) component { return view.Security(p, page) })
}

// restricted reports whether the reader was vouched for by an organization's provider: that is
// enough to work there, and not to change how the account signs in elsewhere.
func (u *UI) restricted(v *visit) bool { return u.logins.GetInt64(v.r.Context(), keyOrg) != 0 }

func (u *UI) changeSecurity(v *visit) error {
	if err := v.parseForm(); err != nil {
		return err
	}
	if u.restricted(v) {
		return fault.New(fault.Denied, "You signed in through your organization. To change how this account signs in, sign in with its password.")
	}
	do := v.r.PostFormValue("do")
	page, err := u.actOnSecurity(v, do)
	if text, status, ok := turnedDown(err); ok && err != nil {
		page.Problem = text
		return u.drawSecurity(v, status, page)
	}
	if err != nil {
		return err
	}
	if do != "setup" {
		u.people.forget(v.principal.UserID())
		u.recordFor(v, *v.principal.User, audit.Note{Event: "account.factor." + do, Target: v.principal.User.Email})
	}
	v.note.Event = "-" // written above, for every organization of theirs
	if page.Setup || len(page.Codes) > 0 {
		fresh, err := u.Store.User(v.r.Context(), v.principal.UserID())
		if err != nil {
			return err
		}
		v.principal.User = &fresh
		return u.drawSecurity(v, http.StatusOK, page)
	}
	return v.redirect("/account/security")
}

func (u *UI) actOnSecurity(v *visit, do string) (page view.SecurityPage, err error) {
	ctx, user := v.r.Context(), v.principal.User
	switch do {
	case "setup":
		return u.setupCodes(v)
	case "confirm":
		secret := u.logins.GetString(ctx, keySetup)
		step, good := codeStepOf(secret, strings.TrimSpace(v.r.PostFormValue("code")), time.Now())
		if secret == "" || !good {
			page = u.setupPage(v, secret)
			return page, fault.New(fault.Invalid, "This is not the code the app shows now. Check its clock and try again.")
		}
		if err := u.Store.SetTOTP(ctx, user.ID, u.Key.Seal([]byte(secret), factorContext(user.ID)), step); err != nil {
			return page, err
		}
		u.logins.Remove(ctx, keySetup)
		page.Codes, err = u.newRecoveryCodes(v)
		return page, err
	case "codes":
		if err := u.confirmPassword(v); err != nil {
			return page, err
		}
		page.Codes, err = u.newRecoveryCodes(v)
		return page, err
	case "off":
		if err := u.confirmPassword(v); err != nil {
			return page, err
		}
		if err := u.Store.SetTOTP(ctx, user.ID, "", 0); err != nil {
			return page, err
		}
		v.notify(view.Notice{Text: "One-time codes are off."})
		return page, nil
	case "forget":
		id, err := keyID(v.r.PostFormValue("passkey"))
		if err != nil {
			return page, err
		}
		v.notify(view.Notice{Text: "The passkey is removed."})
		return page, u.Store.DeletePasskey(ctx, user.ID, id)
	}
	return page, fault.New(fault.Invalid, "The form asks for something unknown.")
}

// confirmPassword asks for the password again, where there is one.
func (u *UI) confirmPassword(v *visit) error {
	if v.principal.User.PasswordHash == "" {
		return nil
	}
	_, err := u.signIn(v, v.principal.User.Email, v.r.PostFormValue("password"))
	if fault.KindOf(err) == fault.Unauthenticated && err != nil {
		return fault.New(fault.Invalid, "The password is wrong.")
	}
	return err
}

// setupCodes makes a secret, which counts once a first code of it was given.
func (u *UI) setupCodes(v *visit) (view.SecurityPage, error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: "Tocsin", AccountName: v.principal.User.Email, Period: codeStep})
	if err != nil {
		return view.SecurityPage{}, fault.Wrap(err, fault.Internal, "make a secret")
	}
	u.logins.Put(v.r.Context(), keySetup, key.Secret())
	return u.setupPage(v, key.Secret()), nil
}

func (u *UI) setupPage(v *visit, secret string) view.SecurityPage {
	page := view.SecurityPage{Setup: secret != "", Secret: secret}
	if secret == "" {
		return page
	}
	page.URI = "otpauth://totp/Tocsin:" + strings.ReplaceAll(v.principal.User.Email, ":", "%3A") + "?secret=" + secret + "&issuer=Tocsin"
	if code, err := qr.Encode(page.URI, qr.M, qr.Auto); err == nil { // without it the secret is typed
		size := code.Bounds().Dx()
		for y := range size {
			row := make([]bool, size)
			for x := range size {
				r, _, _, _ := code.At(x, y).RGBA()
				row[x] = r == 0
			}
			page.QR = append(page.QR, row)
		}
	}
	return page
}

// newRecoveryCodes replaces the reader's recovery codes.
func (u *UI) newRecoveryCodes(v *visit) ([]string, error) {
	codes := make([]string, recoveryCount)
	for i := range codes {
		text := strings.ToLower(rand.Text()[:16]) // 80 random bits
		codes[i] = text[:4] + "-" + text[4:8] + "-" + text[8:12] + "-" + text[12:]
	}
	return codes, u.Store.SetRecoveryCodes(v.r.Context(), v.principal.UserID(), codes)
}
