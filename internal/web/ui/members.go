package ui

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/postgres"
	"github.com/tocsin-dev/tocsin/internal/web/audit"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

func (u *UI) members(v *visit) error { return u.drawMembers(v, http.StatusOK, view.Flash{}, "") }

func (u *UI) drawMembers(v *visit, status int, f view.Flash, email string) error {
	if err := v.principal.Require(account.MemberRead); err != nil {
		return err
	}
	ctx, org := v.r.Context(), v.principal.Organization.ID
	members, err := u.Store.MemberList(ctx, org)
	if err != nil {
		return err
	}
	invites, err := u.Store.Invites(ctx, org)
	if err != nil {
		return err
	}
	teams, err := u.Store.Teams(ctx, org, 0)
	if err != nil {
		return err
	}
	page := view.MembersPage{Flash: f, Email: email, Query: v.r.URL.Query().Get("query"), Mails: u.Mail != nil,
		MayInvite: v.principal.Scopes.Has(account.MemberInvite), MayManage: v.principal.Scopes.Has(account.MemberWrite), Roles: v.rolesUpTo(account.RoleMember)}
	for _, t := range teams {
		page.Teams = append(page.Teams, view.Choice{Value: t.Slug, Label: t.Name})
	}
	for _, m := range append(members, invites...) {
		row := u.memberRow(v, m, teams)
		if memberMatches(row, page.Query) {
			page.Members = append(page.Members, row)
		}
	}
	page.Count = len(page.Members)
	return v.settingsPage(status, "Members", func(p view.Page) component { return view.Members(p, page) })
}

func (u *UI) memberRow(v *visit, m account.Member, teams []account.Team) view.Member {
	row := view.Member{ID: idText(m.ID), Name: m.Email, Email: m.Email, Role: m.Role.Title(), Pending: m.Pending, Expired: m.Expired(time.Now()), Off: !m.Active,
		Factor: m.HasFactor, SSO: m.HasSSO, Managed: m.Provisioned, Self: m.ID == v.principal.UserID(), Since: m.CreatedAt, ExpiresAt: m.ExpiresAt, InvitedBy: m.InvitedBy}
	if m.User != nil {
		row.Name = m.User.DisplayName()
	}
	if m.LastUsedAt != nil {
		row.LastLogin = *m.LastUsedAt
	}
	row.Manage = v.principal.Scopes.Has(account.MemberWrite) && v.principal.MayGrant(m.Role) == nil
	if row.Manage {
		row.Roles = v.rolesUpTo(m.Role)
		for i := range row.Roles {
			row.Roles[i].Label, _, _ = strings.Cut(row.Roles[i].Label, ":")
		}
	}
	for _, p := range m.Teams {
		if i := slices.IndexFunc(teams, func(t account.Team) bool { return t.ID == p.Team }); i >= 0 {
			row.Teams = append(row.Teams, teams[i].Slug)
		}
	}
	return row
}

func memberMatches(m view.Member, query string) bool {
	for word := range strings.FieldsSeq(strings.ToLower(query)) {
		role, isRole := strings.CutPrefix(word, "role:")
		if isRole && !strings.EqualFold(m.Role, role) ||
			!isRole && !strings.Contains(strings.ToLower(m.Name+" "+m.Email+" "+strings.Join(m.Teams, " ")), word) {
			return false
		}
	}
	return true
}

func (u *UI) changeMembers(v *visit) error {
	if err := v.parseForm(); err != nil {
		return err
	}
	var err error
	f := view.Flash{}
	switch do := v.r.PostFormValue("do"); do {
	case "invite":
		f, err = u.invite(v)
	case "resend", "role", "enable", "disable", "remove":
		f, err = u.changeMember(v, do)
	default:
		err = fault.New(fault.Invalid, "The form asks for something unknown.")
	}
	if text, status, ok := turnedDown(err); ok && err != nil {
		return u.drawMembers(v, status, view.Flash{Problem: text}, v.r.PostFormValue("email"))
	}
	if err != nil {
		return err
	}
	u.changedRights()
	if f.Secret != "" {
		return u.drawMembers(v, http.StatusOK, f, "")
	}
	if v.note.Event == "member.leave" {
		return v.redirect("/")
	}
	v.notify(view.Notice{Text: f.What})
	return v.redirect(v.orgPath("/settings/members"))
}

// changedRights lets every reader and every token be looked up again.
func (u *UI) changedRights() {
	u.people.forgetAll()
	if u.RightsChanged != nil {
		u.RightsChanged()
	}
}

func (u *UI) invite(v *visit) (view.Flash, error) {
	form, ctx, org := v.r.PostForm, v.r.Context(), v.principal.Organization
	if err := v.principal.Require(account.MemberInvite); err != nil {
		return view.Flash{}, err
	}
	role := account.Role(form.Get("role"))
	if !role.Valid() {
		return view.Flash{}, fault.New(fault.Invalid, "Choose one of the roles.")
	}
	if err := v.principal.MayGrant(role); err != nil {
		return view.Flash{}, err
	}
	var teams []int64
	if slug := form.Get("team"); slug != "" {
		t, err := u.Store.Team(ctx, org.ID, slug, 0)
		if err != nil {
			return view.Flash{}, err
		}
		teams = append(teams, t.ID)
	}
	m, secret, err := u.Store.PutInvite(ctx, org.ID, form.Get("email"), role, teams, v.principal.UserID())
	if err != nil {
		return view.Flash{}, err
	}
	v.note = audit.Note{Event: "member.invite", Target: m.Email, Data: map[string]any{"role": string(role)}}
	return u.inviteLink(v, m, secret), nil
}

// inviteLink mails an invite when there is mail, and shows its link once.
func (u *UI) inviteLink(v *visit, m account.Member, secret string) view.Flash {
	link := u.BaseURL + "/invite/" + secret
	if u.Mail != nil {
		u.MailInvite(v.r.Context(), m.Email, v.principal.Organization.Name, v.principal.Label(), link)
	}
	return view.Flash{Secret: link, What: "Invite for " + m.Email + "."}
}

func (u *UI) changeMember(v *visit, do string) (f view.Flash, err error) {
	ctx, org := v.r.Context(), v.principal.Organization.ID
	id, err := v.formInt("member")
	if err != nil {
		return f, err
	}
	m, err := u.Store.Member(ctx, org, id)
	if fault.KindOf(err) == fault.Unknown && err != nil {
		m, err = u.Store.Invite(ctx, org, id)
	}
	if err != nil {
		return f, err
	}
	leaving := do == "remove" && m.ID == v.principal.UserID()
	if !leaving {
		if err := v.principal.Require(account.MemberWrite); err != nil {
			return f, err
		}
		if err := v.principal.MayGrant(m.Role); err != nil {
			return f, err
		}
	}
	v.note = audit.Note{Event: "member." + do, Target: m.Email}
	switch {
	case do == "resend" && m.Pending:
		ids := make([]int64, len(m.Teams))
		for i, t := range m.Teams {
			ids[i] = t.Team
		}
		again, secret, err := u.Store.PutInvite(ctx, org, m.Email, m.Role, ids, v.principal.UserID())
		return u.inviteLink(v, again, secret), err
	case do == "remove" && m.Pending:
		return view.Flash{What: "The invite is taken back."}, u.Store.DeleteInvite(ctx, org, m.ID)
	case leaving:
		v.note.Event = "member.leave"
		return view.Flash{What: "You left."}, u.Store.RemoveMember(ctx, org, m.ID)
	case do == "remove":
		return view.Flash{What: m.Email + " is no longer a member."}, u.Store.RemoveMember(ctx, org, m.ID)
	case do == "role":
		role := account.Role(v.r.PostFormValue("role"))
		if !role.Valid() {
			return f, fault.New(fault.Invalid, "Choose one of the roles.")
		}
		if err := v.principal.MayGrant(role); err != nil {
			return f, err
		}
		v.note.Text = string(m.Role) + " → " + string(role)
		return view.Flash{What: m.Email + " is " + string(role) + " now."}, u.Store.UpdateMember(ctx, org, m.ID, postgres.MemberChange{Role: &role})
	}
	on := do == "enable"
	words := map[bool]string{true: " is switched on.", false: " is switched off and signed out of this organization."}[on]
	return view.Flash{What: m.Email + words}, u.Store.UpdateMember(ctx, org, m.ID, postgres.MemberChange{Active: &on})
}
