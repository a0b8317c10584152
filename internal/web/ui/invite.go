package ui

import (
	"net/http"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/web/audit"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// invitePage shows the holder of an invite's link what it promises.
func (u *UI) invitePage(v *visit) error { return u.drawInvite(v, http.StatusOK, view.InvitePage{}) }

func (u *UI) drawInvite(v *visit, status int, page view.InvitePage) error {
	page.Token = v.param("token")
	inv, err := u.Store.InvitationByToken(v.r.Context(), page.Token)
	if fault.KindOf(err) == fault.Unknown && err != nil {
		page.Problem = fault.Public(err)
		return v.render(http.StatusNotFound, "Invite", func(p view.Page) component { return view.Invite(p, page) })
	}
	if err != nil {
		return err
	}
	page.Org, page.Email, page.Role, page.Exists = inv.Membership.Organization.Name, inv.Email, string(inv.Membership.Role), inv.ExistingUser != 0
	if signedIn, err := v.identify(); err == nil && signedIn {
		page.Reader = v.principal.User.Email
		page.Match = strings.EqualFold(page.Reader, inv.Email)
	}
	return v.render(status, "Invite", func(p view.Page) component { return view.Invite(p, page) })
}

// acceptInvite makes whom the invite is for a member; a new account is signed in at once.
func (u *UI) acceptInvite(v *visit) error {
	if err := v.parseForm(); err != nil {
		return err
	}
	ctx, token := v.r.Context(), v.param("token")
	inv, err := u.Store.InvitationByToken(ctx, token)
	if err != nil {
		return u.drawInvite(v, http.StatusNotFound, view.InvitePage{})
	}
	user, hash := int64(0), ""
	if signedIn, err := v.identify(); err != nil {
		return err
	} else if signedIn {
		user = v.principal.UserID()
	}
	name := strings.TrimSpace(v.r.PostFormValue("name"))
	if inv.ExistingUser == 0 {
		if hash, err = account.HashPassword(ctx, v.r.PostFormValue("password")); err != nil {
			if text, status, ok := turnedDown(err); ok {
				return u.drawInvite(v, status, view.InvitePage{Problem: text, Name: name})
			}
			return err
		}
	}
	made, _, err := u.Store.AcceptInvite(ctx, token, user, name, hash)
	if text, status, ok := turnedDown(err); ok && err != nil {
		return u.drawInvite(v, status, view.InvitePage{Problem: text, Name: name})
	}
	if err != nil {
		return err
	}
	u.changedRights()
	org := inv.Membership.Organization
	u.trail().Record(ctx, v.r, &account.Principal{User: &made, Organization: org}, audit.Note{Event: "member.accept-invite", Target: made.Email,
		Data: map[string]any{"role": string(inv.Membership.Role)}})
	if made.ID != user {
		if err := u.enter(v, made, account.LoginInvite, 0); err != nil {
			return err
		}
	}
	return v.redirect("/o/" + org.Slug + "/issues")
}
