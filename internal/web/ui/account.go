package ui

import (
	"net/http"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

func (u *UI) account(v *visit) error { return u.drawAccount(v, http.StatusOK, view.AccountPage{}) }

func (u *UI) drawAccount(v *visit, status int, page view.AccountPage) error {
	look := v.base.Look
	page.Name, page.Email = v.principal.User.DisplayName(), v.principal.User.Email
	page.Themes, page.Densities = chosen(view.Themes, look.Theme), chosen(view.Densities, look.Density)
	page.KeysOff = v.settings.KeysOff
	if page.Zone == "" && look.Zone != nil {
		page.Zone = look.Zone.String()
	}
	v.base.Section = view.SectionAccount
	return v.render(status, "Account", func(p view.Page) component { return view.Account(p, page) })
}

func chosen(choices []view.Choice, value string) []view.Choice {
	list := make([]view.Choice, len(choices))
	for i, c := range choices {
		c.Current = c.Value == value
		list[i] = c
	}
	return list
}

func (u *UI) saveAccount(v *visit) error {
	if err := v.parseForm(); err != nil {
		return err
	}
	if v.r.PostFormValue("do") == "password" {
		return u.changePassword(v)
	}
	zone, ok := parseZone(v.r.PostFormValue("zone"))
	if !ok {
		return u.drawAccount(v, http.StatusBadRequest, view.AccountPage{
			Zone: v.r.PostFormValue("zone"), Problem: "There is no time zone of this name. An example is Europe/Paris.",
		})
	}
	look := v.base.Look
	look.Theme, look.Density, look.Zone = known(v.r.PostFormValue("theme"), view.Themes), known(v.r.PostFormValue("density"), view.Densities), zone
	if err := u.keepLook(v, look); err != nil {
		return err
	}
	keysOff := v.r.PostFormValue("keys") == "off"
	if err := u.changeSettings(v, func(s *account.Settings) { s.KeysOff = keysOff }); err != nil {
		return err
	}
	v.notify(view.Notice{Text: "Saved."})
	return v.redirect("/account")
}

// changePassword replaces the reader's password and ends every other login of theirs.
func (u *UI) changePassword(v *visit) error {
	ctx, user := v.r.Context(), v.principal.User
	if _, err := u.signIn(v, user.Email, v.r.PostFormValue("old")); err != nil {
		switch fault.KindOf(err) {
		case fault.Unauthenticated:
			return u.drawAccount(v, http.StatusBadRequest, view.AccountPage{Password: "The present password is wrong."})
		case fault.Limited:
			return u.drawAccount(v, http.StatusTooManyRequests, view.AccountPage{Password: fault.Public(err)})
		}
		return err
	}
	hash, err := account.HashPassword(ctx, v.r.PostFormValue("new"))
	if fault.KindOf(err) == fault.Invalid {
		return u.drawAccount(v, http.StatusBadRequest, view.AccountPage{Password: fault.Public(err)})
	}
	if err != nil {
		return err
	}
	if err := u.Store.SetPasswordHash(ctx, user.ID, hash); err != nil {
		return err
	}
	u.people.forget(user.ID)
	if err := u.logins.RenewToken(ctx); err != nil {
		return err
	}
	u.logins.Put(ctx, keyPassword, fingerprint(hash))
	v.notify(view.Notice{Text: "The password is changed. Other browsers have to sign in again."})
	return v.redirect("/account")
}
