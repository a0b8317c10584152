package ui

import (
	"net/http"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// changeSettings changes what the reader chose, for this page and later ones.
func (u *UI) changeSettings(v *visit, change func(*account.Settings)) error {
	if err := u.Store.ChangeUserSettings(v.r.Context(), v.principal.UserID(), change); err != nil {
		return err
	}
	u.people.forget(v.principal.UserID())
	change(&v.settings)
	return nil
}

// changeLook changes what one button names of how pages look: theme, density or rail.
func (u *UI) changeLook(v *visit) error {
	if err := v.parseForm(); err != nil {
		return err
	}
	look := v.base.Look
	for name, part := range map[string]struct {
		field   *string
		choices []view.Choice
	}{"theme": {&look.Theme, view.Themes}, "density": {&look.Density, view.Densities}, "rail": {&look.Rail, view.Rails}} {
		if v.r.PostForm.Has(name) {
			*part.field = known(v.r.PostFormValue(name), part.choices)
		}
	}
	if err := u.keepLook(v, look); err != nil {
		return err
	}
	if v.r.Header.Get("Sec-Fetch-Mode") == "cors" || v.r.PostFormValue("back") == "" { // a script, which has drawn it already
		v.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return v.redirect(localOr(v.r.PostFormValue("back"), "/"))
}

// keepLook stores a look in the reader's browser, which knows it before signing in, and with the
// reader, for their other browsers.
func (u *UI) keepLook(v *visit, l view.Look) error {
	u.setLook(v.w, l)
	return u.changeSettings(v, func(s *account.Settings) {
		s.Theme, s.Density, s.Rail, s.Zone = l.Theme, l.Density, l.Rail, ""
		if l.Zone != nil {
			s.Zone = l.Zone.String()
		}
	})
}

// lookFrom is the look of a reader whose browser knows none yet.
func lookFrom(s account.Settings) view.Look {
	zone, _ := parseZone(s.Zone) // an unknown zone is UTC
	return view.Look{Theme: known(s.Theme, view.Themes), Density: known(s.Density, view.Densities), Rail: known(s.Rail, view.Rails), Zone: zone}
}
