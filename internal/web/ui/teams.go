package ui

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/project"
	"github.com/tocsin-dev/tocsin/internal/web/audit"
	"github.com/tocsin-dev/tocsin/internal/web/ui/view"
)

func idText(n int64) string { return strconv.FormatInt(n, 10) }

func (u *UI) teams(v *visit) error { return u.drawTeams(v, http.StatusOK, view.Flash{}) }

func (u *UI) drawTeams(v *visit, status int, f view.Flash) error {
	if err := v.principal.Require(account.TeamRead); err != nil {
		return err
	}
	ctx, org := v.r.Context(), v.principal.Organization.ID
	list, err := u.Store.Teams(ctx, org, v.principal.UserID())
	if err != nil {
		return err
	}
	_, settings, err := u.Store.Organization(ctx, org)
	if err != nil {
		return err
	}
	page := view.TeamsPage{Flash: f, MayMake: v.principal.Scopes.Has(account.TeamWrite), Open: !settings.ClosedMembership}
	for _, t := range list {
		page.Teams = append(page.Teams, view.TeamCard{Name: t.Name, Slug: t.Slug, Href: v.orgPath("/settings/teams/" + t.Slug), Members: t.MemberCount,
			Projects: len(t.Projects), Mine: t.Mine})
	}
	return v.settingsPage(status, "Teams", func(p view.Page) component { return view.Teams(p, page) })
}

func (u *UI) changeTeams(v *visit) error {
	if err := v.parseForm(); err != nil {
		return err
	}
	if err := v.principal.Require(account.TeamWrite); err != nil {
		return err
	}
	ctx, org := v.r.Context(), v.principal.Organization.ID
	name := strings.TrimSpace(v.r.PostFormValue("name"))
	t, err := u.Store.CreateTeam(ctx, org, account.Slugify(name), name, "")
	if text, status, ok := turnedDown(err); ok && err != nil {
		return u.drawTeams(v, status, view.Flash{Problem: text})
	}
	if err == nil {
		_, err = u.Store.PutTeamMember(ctx, org, t.ID, v.principal.UserID(), account.TeamAdminRole)
	}
	if err != nil {
		return err
	}
	u.changedRights()
	v.note = audit.Note{Event: "team.create", Target: t.Slug}
	return v.redirect(v.orgPath("/settings/teams/" + t.Slug))
}

func (u *UI) team(v *visit) error { return u.drawTeam(v, http.StatusOK, view.Flash{}) }

func (u *UI) drawTeam(v *visit, status int, f view.Flash) error {
	if err := v.principal.Require(account.TeamRead); err != nil {
		return err
	}
	ctx, org := v.r.Context(), v.principal.Organization.ID
	t, err := u.Store.Team(ctx, org, v.param("team"), v.principal.UserID())
	if err != nil {
		return err
	}
	members, err := u.Store.MemberList(ctx, org)
	if err != nil {
		return err
	}
	projects, err := u.Store.Projects(ctx, org)
	if err != nil {
		return err
	}
	_, settings, err := u.Store.Organization(ctx, org)
	if err != nil {
		return err
	}
	page := view.TeamPage{Flash: f, Name: t.Name, Slug: t.Slug, Mine: t.Mine, Provisioned: t.ExternalID != "", MayWrite: v.principal.Scopes.Has(account.TeamWrite),
		MayDelete: v.principal.Scopes.Has(account.TeamAdmin), MayJoin: !settings.ClosedMembership && v.principal.Scopes.Has(account.EventWrite)}
	for _, m := range members {
		i := slices.IndexFunc(m.Teams, func(p account.TeamPlace) bool { return p.Team == t.ID })
		if i >= 0 {
			page.Members = append(page.Members, view.TeamMember{ID: idText(m.ID), Name: m.User.DisplayName(), Email: m.Email, Admin: m.Teams[i].Role == account.TeamAdminRole})
		} else if m.Active {
			page.Others = append(page.Others, view.Choice{Value: idText(m.ID), Label: m.User.DisplayName() + " (" + m.Email + ")"})
		}
	}
	for _, p := range projects {
		if slices.Contains(t.Projects, p.ID) {
			page.Projects = append(page.Projects, view.Link{Label: p.Name, Href: v.orgPath("/projects/" + p.Slug), Count: idText(p.ID)})
		} else {
			page.Free = append(page.Free, view.Choice{Value: idText(p.ID), Label: p.Name})
		}
	}
	return v.settingsPage(status, t.Name, func(p view.Page) component { return view.TeamDetail(p, page) })
}

func (u *UI) changeTeam(v *visit) error {
	if err := v.parseForm(); err != nil {
		return err
	}
	t, err := u.Store.Team(v.r.Context(), v.principal.Organization.ID, v.param("team"), v.principal.UserID())
	if err != nil {
		return err
	}
	next, err := u.actOnTeam(v, t, v.r.PostFormValue("do"))
	if text, status, ok := turnedDown(err); ok && err != nil {
		return u.drawTeam(v, status, view.Flash{Problem: text})
	}
	if err != nil {
		return err
	}
	u.changedRights()
	return v.redirect(v.orgPath("/settings/teams" + next))
}

// actOnTeam carries out one action on a team and returns where to go on below the list of teams.
func (u *UI) actOnTeam(v *visit, t account.Team, do string) (next string, err error) {
	ctx, org, form := v.r.Context(), v.principal.Organization.ID, v.r.PostForm
	v.note = audit.Note{Event: "team." + do, Target: t.Slug}
	next = "/" + t.Slug
	if do == "join" || do == "leave" {
		return next, u.joinOrLeave(v, t, do)
	}
	if err := v.principal.Require(account.TeamWrite); err != nil {
		return next, err
	}
	switch do {
	case "rename":
		t.Name, t.Slug = strings.TrimSpace(form.Get("name")), form.Get("slug")
		return "/" + t.Slug, u.Store.UpdateTeam(ctx, org, t)
	case "remove":
		if err := v.principal.Require(account.TeamAdmin); err != nil {
			return next, err
		}
		if form.Get("confirm") != t.Slug {
			return next, fault.New(fault.Invalid, "Type %s to confirm that the team is to be removed.", t.Slug)
		}
		return "", u.Store.DeleteTeam(ctx, org, t.ID)
	case "give", "release":
		p, err := u.formProject(v)
		if err != nil {
			return next, err
		}
		v.note.Data = map[string]any{"project": p.Slug}
		if do == "give" {
			return next, u.Store.PutTeamProject(ctx, org, t.ID, p.ID)
		}
		return next, u.Store.DeleteTeamProject(ctx, org, t.ID, p.ID)
	}
	member, err := v.formInt("member")
	if err != nil {
		return next, err
	}
	v.note.Data = map[string]any{"member": member}
	switch do {
	case "add", "contributor":
		_, err = u.Store.PutTeamMember(ctx, org, t.ID, member, account.TeamContributor)
	case "admin":
		_, err = u.Store.PutTeamMember(ctx, org, t.ID, member, account.TeamAdminRole)
	case "drop":
		err = u.Store.DeleteTeamMember(ctx, org, t.ID, member)
	default:
		err = fault.New(fault.Invalid, "The form asks for something unknown.")
	}
	return next, err
}

func (u *UI) formProject(v *visit) (project.Project, error) {
	return u.Store.Project(v.r.Context(), v.principal.Organization.ID, v.r.PostFormValue("project"))
}

// joinOrLeave is for members themselves, where the organization lets them.
func (u *UI) joinOrLeave(v *visit, t account.Team, do string) error {
	ctx, org, me := v.r.Context(), v.principal.Organization.ID, v.principal.UserID()
	_, settings, err := u.Store.Organization(ctx, org)
	if err != nil {
		return err
	}
	if settings.ClosedMembership || !v.principal.Scopes.Has(account.EventWrite) {
		return fault.New(fault.Denied, "Ask somebody who manages this team.")
	}
	if do == "leave" {
		return u.Store.DeleteTeamMember(ctx, org, t.ID, me)
	}
	_, err = u.Store.PutTeamMember(ctx, org, t.ID, me, account.TeamContributor)
	return err
}
