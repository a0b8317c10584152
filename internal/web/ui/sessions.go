package ui

import (
	"net/http"
	"regexp"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/web/audit"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// sessions lists the browsers the reader is signed in with.
func (u *UI) sessions(v *visit) error {
	list, err := u.Store.UserLogins(v.r.Context(), v.principal.UserID())
	if err != nil {
		return err
	}
	var page view.SessionsPage
	here := u.logins.GetInt64(v.r.Context(), keyLogin)
	for _, l := range list {
		page.Sessions = append(page.Sessions, view.Session{ID: idText(l.ID), Agent: agentWords(l.UserAgent), Address: l.Address, Method: methodWords(l.Method),
			Current: l.ID == here, Since: l.CreatedAt, Seen: l.LastSeenAt})
	}
	v.base.Section = view.SectionAccount
	return v.render(http.StatusOK, "Sessions", func(p view.Page) component { return view.Sessions(p, page) })
}

func methodWords(m account.LoginMethod) string {
	switch m {
	case account.LoginSSO:
		return "single sign-on"
	case account.LoginInvite:
		return "an invite"
	}
	return string(m)
}

var (
	browserForm = regexp.MustCompile(`(Edg|OPR|Firefox|Chrome|Version)/([0-9]+)`)
	systemForm  = regexp.MustCompile(`Windows|Android|iPhone|iPad|Mac OS X|Linux`)
)

// agentWords names a browser and its system in a few words; an agent it does not know stays as it is.
func agentWords(agent string) string {
	m := browserForm.FindAllStringSubmatch(agent, -1)
	if len(m) == 0 {
		if agent == "" {
			return "Unknown browser"
		}
		return agent[:min(len(agent), 60)]
	}
	name, version := m[len(m)-1][1], m[len(m)-1][2] // the most telling one comes last
	switch name {
	case "Edg":
		name = "Edge"
	case "OPR":
		name = "Opera"
	case "Version":
		name = "Safari"
	}
	words := name + " " + version
	if system := systemForm.FindString(agent); system != "" {
		words += " on " + system
	}
	return words
}

func (u *UI) changeSessions(v *visit) error {
	if err := v.parseForm(); err != nil {
		return err
	}
	ctx, me, here := v.r.Context(), v.principal.UserID(), u.logins.GetInt64(v.r.Context(), keyLogin)
	switch v.r.PostFormValue("do") {
	case "end":
		id, err := v.formInt("session")
		if err != nil {
			return err
		}
		if err := u.Store.EndLogin(ctx, me, id); err != nil {
			return err
		}
		v.notify(view.Notice{Text: "That browser is signed out."})
	case "end-all":
		if err := u.Store.EndLogins(ctx, me, here); err != nil {
			return err
		}
		v.notify(view.Notice{Text: "All other browsers are signed out."})
	default:
		return fault.New(fault.Invalid, "The form asks for something unknown.")
	}
	u.people.forget(me)
	v.note = audit.Note{Event: "session.end", Target: v.principal.User.Email}
	return v.redirect("/account/sessions")
}
