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

// projectOf finds the project that the path names, for readers with the scope.
func (u *UI) projectOf(v *visit, scope account.Scope) (project.Project, error) {
	if err := v.principal.Require(scope); err != nil {
		return project.Project{}, err
	}
	return u.Store.Project(v.r.Context(), v.principal.Organization.ID, v.param("project"))
}

// changedProject reads the form that a page of a project's settings sent, and finds the project. A
// form that only asks what would be needs no more than reading, and leaves no line in the audit log.
func (u *UI) changedProject(v *visit) (project.Project, error) {
	if err := v.parseFormUpTo(maxTexts); err != nil {
		return project.Project{}, err
	}
	scope := account.ProjectWrite
	if v.r.PostFormValue("do") == "preview" {
		scope, v.note.Event = account.ProjectRead, "-"
	}
	return u.projectOf(v, scope)
}

// projectHead is what pages of a project's settings begin with.
func (u *UI) projectHead(v *visit, p project.Project, tab string) view.SettingsHead {
	return view.SettingsHead{Project: u.projectView(v, p), Tab: tab, Action: v.orgPath("/projects/" + p.Slug + "/" + tab), MayWrite: v.principal.Scopes.Has(account.ProjectWrite)}
}

// projectSettings draws a page of a project's settings.
func (v *visit) projectSettings(status int, head *view.SettingsHead, title string, draw func(view.Page) component) error {
	v.base.Section = view.SectionProjects
	v.base.Crumbs = []view.Link{{Label: "Projects", Href: v.orgPath("/projects")}, {Label: head.Project.Name, Href: head.Project.Href}, {Label: title}}
	return v.render(status, title+" of "+head.Project.Name, draw)
}

// platforms are what a project can be of: those that there are instructions for, and none.
func platforms(chosen string) []view.Choice {
	list := []view.Choice{{Label: "Any platform", Current: chosen == ""}}
	known := chosen == ""
	for i := range snippets {
		s := &snippets[i]
		list = append(list, view.Choice{Value: s.ID, Label: s.Name, Current: s.ID == chosen})
		known = known || s.ID == chosen
	}
	if !known { // one that a client of the API named
		list = append(list, view.Choice{Value: chosen, Label: chosen, Current: true})
	}
	return list
}

func (u *UI) projectGeneral(v *visit) error {
	p, err := u.projectOf(v, account.ProjectRead)
	if err != nil {
		return err
	}
	return u.drawProjectGeneral(v, p, http.StatusOK, "")
}

func (u *UI) drawProjectGeneral(v *visit, p project.Project, status int, problem string) error {
	page := view.ProjectGeneralPage{SettingsHead: u.projectHead(v, p, "settings"), Problem: problem, Platforms: platforms(p.Platform), ResolveAge: p.Settings.ResolveAge,
		MayDelete: v.principal.Scopes.Has(account.ProjectAdmin)}
	for _, m := range v.memberships {
		if m.Organization.ID != p.OrganizationID && m.Role.Scopes().Has(account.OrgWrite) {
			page.Elsewhere = append(page.Elsewhere, view.Choice{Value: m.Organization.Slug, Label: m.Organization.Name})
		}
	}
	return v.projectSettings(status, &page.SettingsHead, "General", func(pg view.Page) component { return view.ProjectGeneral(pg, page) })
}

// maxResolveAge is the most hours without an event after which an issue is resolved: ten years.
const maxResolveAge = 10 * 365 * 24

func (u *UI) changeProjectGeneral(v *visit) error {
	p, err := u.changedProject(v)
	if err != nil {
		return err
	}
	switch v.r.PostFormValue("do") {
	case "delete":
		return u.deleteProject(v, p)
	case "transfer":
		return u.transferProject(v, p)
	}
	form, before := v.r.PostForm, p
	p.Slug, p.Name, p.Platform = strings.TrimSpace(form.Get("slug")), strings.TrimSpace(form.Get("name")), form.Get("platform")
	age, err := strconv.ParseInt(strings.TrimSpace("0"+form.Get("resolve_age")), 10, 64)
	if err != nil || age > maxResolveAge {
		return u.drawProjectGeneral(v, before, http.StatusBadRequest, "Issues are resolved after 1 to 87600 hours without an event; leave it empty for never.")
	}
	err = u.Store.ChangeProject(v.r.Context(), p.OrganizationID, p.ID, p.Slug, p.Name, p.Platform)
	if err == nil {
		_, err = u.Store.ChangeSettings(v.r.Context(), p.ID, func(s *project.Settings) error { s.ResolveAge = age; return nil })
	}
	if text, status, ok := turnedDown(err); ok && err != nil {
		before.Name, before.Platform = p.Name, p.Platform // as typed; the address stays
		return u.drawProjectGeneral(v, before, status, text)
	}
	if err != nil {
		return err
	}
	v.note = audit.Note{Event: "project.edit", Target: p.Slug}
	v.notify(view.Notice{Text: "Saved."})
	return v.redirect(v.orgPath("/projects/" + p.Slug + "/settings"))
}

// deleteProject takes a project away after its slug was typed.
func (u *UI) deleteProject(v *visit, p project.Project) error {
	if err := v.principal.Require(account.ProjectAdmin); err != nil {
		return err
	}
	if v.r.PostFormValue("confirm") != p.Slug {
		return u.drawProjectGeneral(v, p, http.StatusBadRequest, "Type "+p.Slug+" to confirm that the project goes.")
	}
	if err := u.Store.DeleteProject(v.r.Context(), p.OrganizationID, p.ID); err != nil {
		return err
	}
	u.rightsChanged()
	v.note = audit.Note{Event: "project.remove", Target: p.Slug}
	v.notify(view.Notice{Text: "Deleted the project " + p.Name + ". Its keys do not work any more."})
	return v.redirect(v.orgPath("/projects"))
}

// transferProject gives a project to another organization of the reader's.
func (u *UI) transferProject(v *visit, p project.Project) error {
	if err := v.principal.Require(account.ProjectAdmin); err != nil {
		return err
	}
	for _, m := range v.memberships {
		if m.Organization.Slug != v.r.PostFormValue("to") || m.Organization.ID == p.OrganizationID || !m.Role.Scopes().Has(account.OrgWrite) {
			continue
		}
		err := u.Store.TransferProject(v.r.Context(), p.OrganizationID, p.ID, m.Organization.ID)
		if text, status, ok := turnedDown(err); ok && err != nil {
			return u.drawProjectGeneral(v, p, status, text)
		}
		if err != nil {
			return err
		}
		u.rightsChanged()
		v.note = audit.Note{Event: "project.transfer", Target: p.Slug, Text: "to organization " + m.Organization.Slug}
		v.notify(view.Notice{Text: "The project belongs to " + m.Organization.Name + " now."})
		return v.redirect("/o/" + m.Organization.Slug + "/projects/" + p.Slug)
	}
	return u.drawProjectGeneral(v, p, http.StatusBadRequest, "Choose another organization that you manage.")
}

// rightsChanged makes readers and callers of the API be looked up again.
func (u *UI) rightsChanged() {
	u.Changed()
	if u.RightsChanged != nil {
		u.RightsChanged()
	}
}

// newProject is the form of a project to be, with a grid of platforms.
func (u *UI) newProject(v *visit) error {
	if err := v.principal.Require(account.ProjectWrite); err != nil {
		return err
	}
	return u.drawNewProject(v, view.NewProjectPage{Chosen: v.r.URL.Query().Get("platform")}, http.StatusOK)
}

func (u *UI) drawNewProject(v *visit, page view.NewProjectPage, status int) error {
	teams, err := u.Store.Teams(v.r.Context(), v.principal.Organization.ID, v.principal.UserID())
	if err != nil {
		return err
	}
	for _, t := range teams {
		page.Teams = append(page.Teams, view.Choice{Value: t.Slug, Label: t.Name, Current: t.Slug == page.Team})
	}
	page.Action, page.Platforms = v.orgPath("/projects/new"), platforms(page.Chosen)
	v.base.Section = view.SectionProjects
	v.base.Crumbs = []view.Link{{Label: "Projects", Href: v.orgPath("/projects")}, {Label: "New project"}}
	return v.render(status, "New project", func(pg view.Page) component { return view.NewProject(pg, page) })
}

// createProject makes a project and leads to its set-up page.
func (u *UI) createProject(v *visit) error {
	if err := v.principal.Require(account.ProjectWrite); err != nil {
		return err
	}
	if err := v.parseForm(); err != nil {
		return err
	}
	form := v.r.PostForm
	page := view.NewProjectPage{Name: strings.TrimSpace(form.Get("name")), Slug: strings.TrimSpace(form.Get("slug")), Chosen: form.Get("platform"), Team: form.Get("team")}
	p, err := u.makeProject(v, page)
	if text, status, ok := turnedDown(err); ok && err != nil {
		page.Problem = text
		return u.drawNewProject(v, page, status)
	}
	if err != nil {
		return err
	}
	u.rightsChanged()
	v.note = audit.Note{Event: "project.create", Target: p.Slug}
	return v.redirect(v.orgPath("/projects/"+p.Slug+"/start") + "?sdk=" + page.Chosen)
}

func (u *UI) makeProject(v *visit, in view.NewProjectPage) (p project.Project, err error) {
	ctx, org := v.r.Context(), v.principal.Organization.ID
	if in.Slug == "" {
		in.Slug = account.Slugify(in.Name)
	}
	if err := account.CheckName(in.Name); err != nil {
		return p, err
	}
	if err := account.CheckSlug(in.Slug); err != nil {
		return p, err
	}
	team := int64(0)
	if in.Team != "" {
		t, err := u.Store.Team(ctx, org, in.Team, v.principal.UserID())
		if err != nil {
			return p, fault.New(fault.Invalid, "There is no such team any more.")
		}
		team = t.ID
	}
	p, err = u.Store.CreateProject(ctx, org, in.Slug, in.Name, in.Chosen)
	if fault.KindOf(err) == fault.Conflict && err != nil {
		return p, fault.New(fault.Conflict, "There is a project with the slug %s already.", in.Slug)
	}
	if err == nil && team != 0 {
		err = u.Store.PutTeamProject(ctx, org, team, p.ID)
	}
	return p, err
}

func (u *UI) retention(v *visit) error {
	p, err := u.projectOf(v, account.ProjectRead)
	if err != nil {
		return err
	}
	return u.drawRetention(v, p, http.StatusOK, "")
}

func (u *UI) drawRetention(v *visit, p project.Project, status int, problem string) error {
	r := p.Settings.Retention
	page := view.RetentionPage{SettingsHead: u.projectHead(v, p, "retention"), Problem: problem, Days: digits(int64(r.Days)), KeepFirst: digits(r.KeepFirst), KeepOneIn: digits(r.KeepOneIn)}
	return v.projectSettings(status, &page.SettingsHead, "Retention", func(pg view.Page) component { return view.Retention(pg, page) })
}

// digits is n as a field shows it; 0 is an empty one.
func digits(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func (u *UI) changeRetention(v *visit) error {
	p, err := u.changedProject(v)
	if err != nil {
		return err
	}
	var numbers [3]int64
	for i, name := range [...]string{"days", "keep_first", "keep_one_in"} {
		if numbers[i], err = strconv.ParseInt("0"+strings.TrimSpace(v.r.PostFormValue(name)), 10, 32); err != nil {
			return u.drawRetention(v, p, http.StatusBadRequest, "Fill in whole numbers, or leave a field empty.")
		}
	}
	p.Settings.Retention = project.Retention{Days: int(numbers[0]), KeepFirst: numbers[1], KeepOneIn: numbers[2]}
	err = p.Settings.Retention.Validate()
	if err == nil {
		_, err = u.Store.ChangeSettings(v.r.Context(), p.ID, func(s *project.Settings) error { s.Retention = p.Settings.Retention; return nil })
	}
	if fault.KindOf(err) == fault.Invalid && err != nil {
		return u.drawRetention(v, p, http.StatusBadRequest, retentionWords.Replace(fault.Public(err)))
	}
	if err != nil {
		return err
	}
	v.notify(view.Notice{Text: "Saved."})
	return v.redirect(v.orgPath("/projects/" + p.Slug + "/retention"))
}

// retentionWords turn the API's names of the fields into those of the form.
var retentionWords = strings.NewReplacer("days must", "The days must", "keepOneIn must", "“One in” must", "keepFirst must", "“Keep the first” must")
