package ui

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// lookCookie holds how a browser's reader wants pages to look: theme, density and time zone. It is
// read before the first byte is drawn, so nothing flickers.
const lookCookie = "tocsin-look"

func lookOf(r *http.Request) (l view.Look) {
	c, err := r.Cookie(lookCookie)
	if err != nil || len(c.Value) > 256 {
		return l
	}
	values, err := url.ParseQuery(c.Value)
	if err != nil {
		return l
	}
	l.Theme, l.Density = known(values.Get("theme"), view.Themes), known(values.Get("density"), view.Densities)
	l.Rail = known(values.Get("rail"), view.Rails)
	l.Zone, _ = parseZone(values.Get("zone")) // an unknown zone is UTC
	return l
}

// known is value when it is one of the choices, else empty.
func known(value string, choices []view.Choice) string {
	for _, c := range choices {
		if c.Value == value {
			return value
		}
	}
	return ""
}

// parseZone reads the name of a time zone; empty is UTC. ok is false when there is none of that name.
func parseZone(name string) (zone *time.Location, ok bool) {
	if name == "" {
		return time.UTC, true
	}
	if len(name) > 64 || strings.EqualFold(name, "local") {
		return time.UTC, false
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC, false
	}
	return zone, true
}

// setLook stores a look in the reader's browser for a year.
func (u *UI) setLook(w http.ResponseWriter, l view.Look) {
	values := url.Values{"theme": {l.Theme}, "density": {l.Density}, "rail": {l.Rail}}
	if l.Zone != nil && l.Zone != time.UTC {
		values.Set("zone", l.Zone.String())
	}
	http.SetCookie(w, &http.Cookie{
		Name: lookCookie, Value: values.Encode(), Path: "/", MaxAge: 365 * 24 * 3600,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(u.BaseURL, "https://"),
	})
}
