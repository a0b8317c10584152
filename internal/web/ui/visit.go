package ui

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/a-h/templ"
	"github.com/go-chi/chi/v5"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/web/ui/assets"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

type component = templ.Component

// visit is one request of a browser.
type visit struct {
	ui   *UI
	w    http.ResponseWriter
	r    *http.Request
	base view.Page

	// Set on pages for people who signed in.
	principal   *account.Principal
	memberships []account.Membership
	settings    account.Settings
	filters     *filters // on pages that read them
}

// handler answers a visit or returns why it could not; then it has written nothing.
type handler func(*visit) error

func (u *UI) visit(w http.ResponseWriter, r *http.Request) *visit {
	return &visit{ui: u, w: w, r: r, base: view.Page{
		Look: lookOf(r), Now: time.Now(),
		Assets: view.Assets{Script: assets.Path("app.js"), Style: assets.Path("app.css"), Icon: assets.Path("icon.svg")},
	}}
}

// open answers requests of anybody.
func (u *UI) open(h handler) http.HandlerFunc { return u.openHandler(h).ServeHTTP }

func (u *UI) openHandler(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := u.visit(w, r)
		if err := h(v); err != nil {
			v.problem(err)
		}
	})
}

// page answers requests of people who signed in; others are asked to. A path that names an
// organization is for its members.
func (u *UI) page(h handler) http.HandlerFunc {
	return u.open(func(v *visit) error {
		signedIn, err := v.identify()
		if err != nil {
			return err
		}
		if !signedIn {
			if v.r.Method != http.MethodGet && v.r.Method != http.MethodHead {
				return v.redirect("/login")
			}
			return v.redirect("/login?next=" + url.QueryEscape(v.r.URL.RequestURI()))
		}
		return h(v)
	})
}

// identify finds out who is there. fault.Unknown: the path names an organization that they do not
// belong to.
func (v *visit) identify() (signedIn bool, err error) {
	ctx := v.r.Context()
	id := v.ui.logins.GetInt64(ctx, keyUser)
	if id == 0 {
		return false, nil
	}
	p, err := v.ui.people.find(ctx, v.ui.Store, id)
	if fault.KindOf(err) == fault.Unknown && err != nil {
		return false, v.ui.logins.Destroy(ctx)
	}
	if err != nil {
		return false, err
	}
	if !p.user.Active || fingerprint(p.user.PasswordHash) != v.ui.logins.GetString(ctx, keyPassword) {
		return false, v.ui.logins.Destroy(ctx)
	}
	v.memberships, v.settings = p.memberships, p.settings
	if _, err := v.r.Cookie(lookCookie); err != nil {
		v.base.Look = lookFrom(p.settings)
	}
	name := chi.URLParam(v.r, "org")
	v.principal = &account.Principal{User: &p.user}
	v.base.Viewer = &view.Viewer{Name: p.user.DisplayName(), Email: p.user.Email, KeysOff: p.settings.KeysOff}
	for _, m := range p.memberships {
		v.base.Viewer.Orgs = append(v.base.Viewer.Orgs, view.Link{Label: m.Organization.Name, Href: "/o/" + m.Organization.Slug + "/issues",
			Current: m.Organization.Slug == name || name == "" && len(v.base.Viewer.Orgs) == 0})
	}
	for _, m := range p.memberships {
		if name == "" || m.Organization.Slug == name {
			v.principal = &account.Principal{User: &p.user, Organization: m.Organization, Role: m.Role, Scopes: m.Role.Scopes()}
			v.base.Viewer.Org, v.base.Viewer.OrgName = m.Organization.Slug, m.Organization.Name
			return true, nil
		}
	}
	if name != "" {
		return true, fault.New(fault.Unknown, "There is no page at this address, or it is not for you.")
	}
	return true, nil
}

// param is a part of the path.
func (v *visit) param(name string) string {
	text, err := url.PathUnescape(chi.URLParam(v.r, name))
	if err != nil {
		return chi.URLParam(v.r, name)
	}
	return text
}

func (v *visit) parseForm() error {
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxForm)
	if err := v.r.ParseForm(); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return fault.Wrap(err, fault.TooLarge, "The form is larger than %d KiB.", maxForm>>10)
		}
		return fault.Wrap(err, fault.Invalid, "The form could not be read.")
	}
	return nil
}

// render writes a page with the title, after adding what the frame shows.
func (v *visit) render(status int, title string, draw func(view.Page) component) error {
	p := v.base
	p.Title = title
	p.Notice = v.takeNotice()
	p.Nav, p.Here = v.nav(), v.r.URL.RequestURI()
	var buf bytes.Buffer
	if err := view.Render(v.r.Context(), &buf, draw(p)); err != nil {
		return fault.Wrap(err, fault.Internal, "draw the page")
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = v.w.Write(buf.Bytes()) // the reader may have gone
	return nil
}

func (v *visit) redirect(target string) error {
	http.Redirect(v.w, v.r, target, http.StatusSeeOther)
	return nil
}

// notify leaves a notice for the next page.
func (v *visit) notify(n view.Notice) {
	if text, err := json.Marshal(n); err == nil {
		v.ui.logins.Put(v.r.Context(), keyNotice, string(text))
	}
}

func (v *visit) takeNotice() *view.Notice {
	if v.principal == nil {
		return nil
	}
	text := v.ui.logins.PopString(v.r.Context(), keyNotice)
	if text == "" {
		return nil
	}
	var n view.Notice
	if json.Unmarshal([]byte(text), &n) != nil {
		return nil
	}
	return &n
}

// problem answers a failure with a page that says what is the matter.
func (v *visit) problem(err error) {
	httpx.Log(v.r.Context(), v.r, err)
	httpx.SetRetryAfter(v.w.Header(), err)
	kind := fault.KindOf(err)
	page := view.ProblemPage{Status: kind.Status(), Title: "Something went wrong", Text: "The failure was recorded. Trying again may help.", Search: v.principal != nil}
	switch kind {
	case fault.Internal:
	case fault.Unavailable:
		page.Title = "The database cannot be reached"
		page.Text = "Events are still being accepted and will show up once it is back. This page works again then, without any action here."
		page.Search = false
	case fault.Unknown:
		page.Title, page.Text = "Not found", fault.Public(err)
	default:
		page.Title, page.Text, page.Causes = "That did not work", fault.Public(err), fault.Causes(err)
	}
	if kind == fault.Unavailable {
		v.base.Viewer = nil
	}
	p := v.base
	p.Title = page.Title
	p.Nav, p.Here = v.nav(), v.r.URL.RequestURI()
	var buf bytes.Buffer
	if drawErr := view.Render(v.r.Context(), &buf, view.Problem(p, page)); drawErr != nil {
		http.Error(v.w, page.Title, page.Status)
		return
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(page.Status)
	_, _ = v.w.Write(buf.Bytes()) // the reader may have gone
}
