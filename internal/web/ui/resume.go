package ui

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// What somebody sends after their login ended is kept by their own browser, sealed, until they have
// signed in again: then it is shown and can be sent as it was.
const (
	heldCookie = "tocsin-held"
	heldFor    = 15 * time.Minute
	heldUse    = "form held until its sender signs in"
	maxHeld    = 2 << 10 // bytes of the form; browsers keep cookies of 4 KiB
)

// held is a form that was not acted on.
type held struct {
	Path string
	Form url.Values
	At   time.Time
}

// hold keeps the form of a request for later and returns where its sender goes once signed in: to
// the form, or to the page it was on when it cannot be kept. Forms of accounts hold secrets and are
// not.
func (v *visit) hold() string {
	back := "/"
	if page, err := url.Parse(v.r.Referer()); err == nil && page.Host == v.r.Host {
		back = localOr(page.RequestURI(), back)
	}
	if v.ui.Key == nil || !strings.HasPrefix(v.r.URL.Path, "/o/") || v.r.ContentLength > maxHeld || v.parseFormUpTo(maxHeld) != nil {
		return back
	}
	text, err := json.Marshal(held{v.r.URL.EscapedPath(), v.r.PostForm, v.base.Now})
	if err != nil {
		return back
	}
	sealed := v.ui.Key.Seal(text, heldUse)
	if len(v.r.PostForm) == 0 || len(sealed) > 3800 {
		return back
	}
	http.SetCookie(v.w, v.heldCookie(sealed, int(heldFor/time.Second)))
	return "/resume"
}

func (v *visit) heldCookie(value string, seconds int) *http.Cookie {
	return &http.Cookie{Name: heldCookie, Value: value, Path: "/", MaxAge: seconds, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(v.ui.BaseURL, "https://")}
}

// resume shows what was sent without a login, for its sender to send again. Nothing is done before
// that: whoever signed in may be somebody else.
func (u *UI) resume(v *visit) error {
	c, err := v.r.Cookie(heldCookie)
	if err != nil {
		return v.redirect("/")
	}
	http.SetCookie(v.w, v.heldCookie("", -1))
	if u.Key == nil {
		return v.redirect("/")
	}
	var h held
	text, err := u.Key.Open(c.Value, heldUse)
	if err != nil || json.Unmarshal(text, &h) != nil || !isLocal(h.Path) || v.base.Now.Sub(h.At) > heldFor {
		return fault.New(fault.Invalid, "What you sent is no longer kept. Go back to its page and send it again.")
	}
	page := view.ResumePage{Action: h.Path, Back: localOr(h.Form.Get("back"), "/"), Text: h.Form.Get("text")}
	for name, values := range h.Form {
		for _, value := range values {
			page.Fields = append(page.Fields, view.Choice{Label: name, Value: value})
		}
	}
	return v.render(http.StatusOK, "Go on", func(p view.Page) component { return view.Resume(p, page) })
}
