package ui

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/web/audit"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

// settingsPage draws a page of the organization's settings.
func (v *visit) settingsPage(status int, title string, draw func(view.Page) component) error {
	v.base.Section = view.SectionSettings
	v.base.Crumbs = []view.Link{{Label: "Settings", Href: v.orgPath("/settings")}, {Label: title}}
	return v.render(status, title, draw)
}

// turnedDown is the text of a failure that a form shows beside its fields; ok is false for failures
// that are no matter of what was typed.
func turnedDown(err error) (text string, status int, ok bool) {
	switch kind := fault.KindOf(err); kind {
	case fault.Invalid, fault.Conflict, fault.Denied, fault.Limited:
		return fault.Public(err), kind.Status(), true
	}
	return "", 0, false
}

// formInt reads a field that holds an id.
func (v *visit) formInt(name string) (int64, error) {
	n, err := strconv.ParseInt(v.r.PostFormValue(name), 10, 64)
	if err != nil {
		return 0, fault.New(fault.Unknown, "The form names something that is not there any more.")
	}
	return n, nil
}

// rolesUpTo are the roles that the reader may give, with the chosen one marked.
func (v *visit) rolesUpTo(chosen account.Role) []view.Choice {
	var list []view.Choice
	for _, role := range account.Roles {
		if v.principal.MayGrant(role) == nil {
			list = append(list, view.Choice{Value: string(role), Label: role.Title() + ": " + role.Description(), Current: role == chosen})
		}
	}
	return list
}

func (u *UI) general(v *visit) error { return u.drawGeneral(v, http.StatusOK, view.Flash{}) }

func (u *UI) drawGeneral(v *visit, status int, f view.Flash) error {
	if err := v.principal.Require(account.OrgRead); err != nil {
		return err
	}
	o, s, err := u.Store.Organization(v.r.Context(), v.principal.Organization.ID)
	if err != nil {
		return err
	}
	if s.DefaultRole == "" {
		s.DefaultRole = string(account.RoleMember)
	}
	page := view.GeneralPage{Flash: f, Name: o.Name, Slug: o.Slug, Open: !s.ClosedMembership, SecondFactor: s.RequireSecondFactor,
		MayWrite: v.principal.Scopes.Has(account.OrgWrite), Roles: v.rolesUpTo(account.Role(s.DefaultRole))}
	return v.settingsPage(status, "General", func(p view.Page) component { return view.General(p, page) })
}

func (u *UI) changeGeneral(v *visit) error {
	if err := v.parseForm(); err != nil {
		return err
	}
	if err := v.principal.Require(account.OrgWrite); err != nil {
		return err
	}
	form := v.r.PostForm
	role := account.Role(form.Get("default_role"))
	if err := v.principal.MayGrant(role); err != nil || !role.Valid() {
		return u.drawGeneral(v, http.StatusBadRequest, view.Flash{Problem: "Choose one of the roles."})
	}
	slug := form.Get("slug")
	err := u.Store.ChangeOrganization(v.r.Context(), v.principal.Organization.ID, func(o *project.Organization, s *project.OrganizationSettings) error {
		o.Name, o.Slug = strings.TrimSpace(form.Get("name")), slug
		s.ClosedMembership, s.RequireSecondFactor, s.DefaultRole = form.Get("open") == "", form.Get("factor") != "", string(role)
		return nil
	})
	if text, status, ok := turnedDown(err); ok && err != nil {
		return u.drawGeneral(v, status, view.Flash{Problem: text})
	}
	if err != nil {
		return err
	}
	u.Changed()
	v.note = audit.Note{Event: "organization.edit", Target: slug, Data: map[string]any{"name": form.Get("name"), "openMembership": form.Get("open") != "",
		"require2FA": form.Get("factor") != "", "defaultRole": string(role)}}
	v.notify(view.Notice{Text: "Saved."})
	return v.redirect("/o/" + slug + "/settings")
}

// Changed makes every reader be looked up again, after a change of rights.
func (u *UI) Changed() { u.people.forgetAll() }
