package ui

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/go-chi/chi/v5"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/web/audit"
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
	filters     *filters           // on pages that read them
	here        account.Membership // of the organization that the page is about
	hasFactor   bool

	status int        // of the answer; 0: success
	note   audit.Note // what the handler knows of what it changed
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
				return v.redirect("/login?next=" + url.QueryEscape(v.hold()))
			}
			return v.redirect("/login?next=" + url.QueryEscape(v.r.URL.RequestURI()))
		}
		if away, err := v.detour(); away || err != nil {
			return err
		}
		if err := v.mayChange(); err != nil {
			return err
		}
		if err := h(v); err != nil {
			return err
		}
		v.record()
		return nil
	})
}

// detour leads readers elsewhere who have to do something before they may see an organization:
// sign in at its provider, or set up a second factor.
func (v *visit) detour() (away bool, err error) {
	if chi.URLParam(v.r, "org") == "" {
		return false, nil
	}
	vouched := v.ui.logins.GetInt64(v.r.Context(), keyOrg) != 0
	switch m := v.here; {
	case m.SSORequired && !vouched && m.Role != account.RoleOwner: // owners may mend a provider that broke
		return true, v.redirect("/sso/" + url.PathEscape(m.Organization.Slug) + "?next=" + url.QueryEscape(v.r.URL.RequestURI()))
	case m.NeedsFactor && !vouched && !v.hasFactor:
		v.notify(view.Notice{Text: m.Organization.Name + " asks for a second factor. Set one up to go on.", Bad: true})
		return true, v.redirect("/account/security")
	}
	return false, nil
}

// mayChange refuses every change to readers whose role only reads, whatever page it is asked of.
// What an account keeps for itself is not the organization's, and stays open to them.
func (v *visit) mayChange() error {
	if v.r.Method == http.MethodGet || v.r.Method == http.MethodHead || chi.URLParam(v.r, "org") == "" || v.principal.Role != account.RoleViewer {
		return nil
	}
	pattern := chi.RouteContext(v.r.Context()).RoutePattern()
	if ownChoices[pattern] || pattern == "/o/{org}/settings/members" && v.leaves() {
		return nil
	}
	return fault.New(fault.Denied, "Your role reads and changes nothing. Ask an owner or manager for another one.")
}

// ownChoices are the routes below an organization that change what is the reader's own.
var ownChoices = map[string]bool{"/o/{org}/filters": true, "/o/{org}/views": true, "/o/{org}/star": true}

// leaves reports whether a form takes its sender out of the organization.
func (v *visit) leaves() bool {
	return v.parseForm() == nil && v.r.PostFormValue("do") == "remove" && v.r.PostFormValue("member") == idText(v.principal.UserID())
}

// record writes what the reader changed into the audit log.
func (v *visit) record() {
	if v.r.Method == http.MethodGet || v.r.Method == http.MethodHead || v.status >= http.StatusBadRequest {
		return
	}
	pattern := chi.RouteContext(v.r.Context()).RoutePattern()
	n := v.note
	if ownChoices[pattern] || pattern == "/account/look" {
		return
	}
	if n.Event == "" {
		n.Event = audit.EventOf(v.r.Method, pattern, v.r.PostFormValue("do"))
	}
	if n.Target == "" {
		n.Target = audit.TargetOf(pattern, v.param)
	}
	if n.Data == nil && v.r.PostForm != nil {
		n.Data = make(map[string]any, len(v.r.PostForm))
		for name, values := range v.r.PostForm {
			n.Data[name] = strings.Join(values, ", ")
		}
	}
	v.ui.trail().Record(v.r.Context(), v.r, v.principal, n)
}

func (u *UI) trail() audit.Trail { return audit.Trail{Store: u.Store} }

// session finds out who is signed in with the request's cookie, and where they may go: a login that
// an organization's provider vouched for leads to that organization alone. known is false when
// there is no login, or it was ended.
func (u *UI) session(r *http.Request) (p person, known bool, err error) {
	ctx := r.Context()
	id := u.logins.GetInt64(ctx, keyUser)
	if id == 0 {
		return p, false, nil
	}
	p, err = u.people.find(ctx, u.Store, id)
	if fault.KindOf(err) == fault.Unknown && err != nil {
		return p, false, nil
	}
	if err != nil {
		return p, false, err
	}
	login := u.logins.GetInt64(ctx, keyLogin)
	at := slices.IndexFunc(p.logins, func(l account.Login) bool { return l.ID == login })
	if at < 0 || time.Since(p.logins[at].LastSeenAt) > loginIdle || !p.user.Active || fingerprint(p.user.PasswordHash) != u.logins.GetString(ctx, keyPassword) {
		return p, false, nil
	}
	if seen := p.logins[at].LastSeenAt; time.Since(seen) > seenEvery {
		if err := u.Store.SeenLogin(ctx, login, audit.Address(r)); err != nil {
			return p, false, err
		}
		u.people.forget(id)
	}
	if org := u.logins.GetInt64(ctx, keyOrg); org != 0 {
		p.memberships = slices.DeleteFunc(slices.Clone(p.memberships), func(m account.Membership) bool { return m.Organization.ID != org })
	}
	return p, true, nil
}

// seenEvery is how often the use of a login is noted.
const seenEvery = 5 * time.Minute

// identify finds out who is there. fault.Unknown: the path names an organization that they do not
// belong to.
func (v *visit) identify() (signedIn bool, err error) {
	ctx := v.r.Context()
	p, known, err := v.ui.session(v.r)
	if err != nil || !known {
		if err == nil && v.ui.logins.GetInt64(ctx, keyUser) != 0 {
			err = v.ui.logins.Destroy(ctx)
		}
		return false, err
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
			v.principal = &account.Principal{User: &p.user, Organization: m.Organization, Role: m.Role, Scopes: m.Role.Scopes(), Projects: m.Projects}
			v.base.Viewer.Org, v.base.Viewer.OrgName = m.Organization.Slug, m.Organization.Name
			// From here on the store shows no project that is out of the reader's reach.
			v.r = v.r.WithContext(account.WithPrincipal(ctx, v.principal))
			v.hasFactor, v.here = p.hasFactor, m
			return true, nil
		}
	}
	if name != "" {
		return true, fault.New(fault.Unknown, "There is no page at this address, or it is not for you.")
	}
	return true, nil
}

// param is a part of the path. The router takes it from the path as it was sent where that is
// written otherwise than usual.
func (v *visit) param(name string) string {
	sent := chi.URLParam(v.r, name)
	if v.r.URL.RawPath == "" {
		return sent
	}
	text, err := url.PathUnescape(sent)
	if err != nil {
		return sent
	}
	return text
}

func (v *visit) parseForm() error { return v.parseFormUpTo(maxForm) }

// maxTexts bounds a form with texts of rules or a comment, in bytes as they are sent.
const maxTexts = 1 << 20

// parseFormUpTo reads a form of at most so many bytes. fault.TooLarge: it is larger.
func (v *visit) parseFormUpTo(limit int64) error {
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, limit)
	if err := v.r.ParseForm(); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return fault.Wrap(err, fault.TooLarge, "The form is larger than %d KiB.", limit>>10)
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
	v.status = status
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

// awayRefresh is after how many seconds a page that could not be drawn is asked for again.
const awayRefresh = "15"

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
		page.Text = "Events are still being accepted and will show up once it is back. Nothing that you sent was done."
		if v.r.Method == http.MethodGet {
			page.Text = "Events are still being accepted and will show up once it is back. This page works again then, without any action here."
			page.Away = true
			v.w.Header().Set("Refresh", awayRefresh) // scripts look sooner
		}
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
