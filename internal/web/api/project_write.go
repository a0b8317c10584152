package api

import (
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/project"
)

type newProject struct {
	Name         string  `json:"name"`
	Slug         string  `json:"slug"`
	Platform     *string `json:"platform"`
	DefaultRules *bool   `json:"default_rules"` // no rule is made for a new project, whatever it says
	Origin       *string `json:"origin"`        // where a client's user came from
}

// makeProject makes the project that the body describes, for a team when it is not 0.
func (s *Service) makeProject(w http.ResponseWriter, r *request, team int64) (project.Project, error) {
	var b newProject
	if err := readBody(w, r, &b); err != nil {
		return project.Project{}, err
	}
	b.Name = strings.TrimSpace(b.Name)
	switch n := utf8.RuneCountInString(b.Name); {
	case n == 0:
		return project.Project{}, fieldError{"name", "This field is required."}
	case n > 50:
		return project.Project{}, fieldError{"name", "Ensure this field has no more than 50 characters."}
	}
	if b.Slug == "" {
		b.Slug = account.Slugify(b.Name)
	}
	if err := account.CheckSlug(b.Slug); err != nil && len(b.Slug) <= 50 {
		return project.Project{}, fieldError{"slug", fault.Public(err)}
	}
	p, err := s.Store.CreateProject(r.Context(), r.org(), b.Slug, b.Name, deref(b.Platform))
	if fault.KindOf(err) == fault.Conflict && err != nil {
		return p, fault.New(fault.Conflict, "A project with this slug already exists.")
	}
	if err != nil {
		return p, err
	}
	if team != 0 {
		if err := s.Store.PutTeamProject(r.Context(), r.org(), team, p.ID); err != nil {
			return p, err
		}
	}
	s.Forget()
	r.audit.Event, r.audit.Target = "project.create", p.Slug
	return p, nil
}

// createTeamProject answers POST /api/0/teams/{org}/{team}/projects/.
func (s *Service) createTeamProject(w http.ResponseWriter, r *request) error {
	t, err := s.pathTeam(r)
	if err != nil {
		return err
	}
	p, err := s.makeProject(w, r, t.ID)
	if err != nil {
		return err
	}
	o := s.projectSummary(p, r.who)
	o["teams"] = []object{{"id": id(t.ID), "slug": t.Slug, "name": t.Name}}
	o["team"] = object{"id": id(t.ID), "slug": t.Slug, "name": t.Name}
	return httpx.JSON(w, http.StatusCreated, o)
}

// createProject answers POST /api/0/organizations/{org}/projects/: a project that no team has yet.
func (s *Service) createProject(w http.ResponseWriter, r *request) error {
	p, err := s.makeProject(w, r, 0)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusCreated, s.projectSummary(p, r.who))
}

// deleteProject answers DELETE /api/0/projects/{org}/{project}/ with 204.
func (s *Service) deleteProject(w http.ResponseWriter, r *request) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	if err := s.Store.DeleteProject(r.Context(), r.org(), p.ID); err != nil {
		return err
	}
	r.audit.Target = p.Slug
	return noContent(w)
}

// transferProject answers POST /api/v1/projects/{org}/{project}/transfer/: the project moves to
// another organization, which the caller owns too.
func (s *Service) transferProject(w http.ResponseWriter, r *request) error {
	u, err := r.person()
	if err != nil {
		return err
	}
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	var b struct {
		Organization string `json:"organization"`
	}
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	to, err := s.Store.Principal(r.Context(), u.ID, b.Organization)
	if err != nil || !to.Scopes.Has(account.OrgWrite) || to.Organization.ID == r.org() {
		return fieldError{"organization", "Name another organization that you manage."}
	}
	if err := s.Store.TransferProject(r.Context(), r.org(), p.ID, to.Organization.ID); err != nil {
		return err
	}
	r.audit.Target, r.audit.Text = p.Slug, "to organization "+to.Organization.Slug
	return ok(w, object{"id": id(p.ID), "slug": p.Slug, "organization": s.orgSummary(to.Organization)})
}

// createOrganization answers POST /api/0/organizations/: an organization that the caller owns.
func (s *Service) createOrganization(w http.ResponseWriter, r *request) error {
	u, err := r.person()
	if err != nil {
		return err
	}
	var b struct {
		Name       string `json:"name"`
		Slug       string `json:"slug"`
		AgreeTerms *bool  `json:"agreeTerms"`
		Aggregated *bool  `json:"aggregatedDataConsent"`
	}
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	if strings.TrimSpace(b.Name) == "" {
		return fieldError{"name", "This field is required."}
	}
	if b.Slug == "" {
		b.Slug = account.Slugify(b.Name)
	}
	o, err := s.Store.CreateOrganization(r.Context(), b.Slug, b.Name, u.ID)
	if err != nil {
		return err
	}
	r.audit.Target = o.Slug
	return httpx.JSON(w, http.StatusCreated, s.orgSummary(o))
}

// organizationBody is what may be changed of an organization.
type organizationBody struct {
	Name           *string `json:"name"`
	Slug           *string `json:"slug"`
	OpenMembership *bool   `json:"openMembership"`
	Require2FA     *bool   `json:"require2FA"`
	DefaultRole    *string `json:"defaultRole"`
}

// updateOrganization answers PUT /api/0/organizations/{org}/.
func (s *Service) updateOrganization(w http.ResponseWriter, r *request) error {
	var b organizationBody
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	if b.DefaultRole != nil && !account.Role(*b.DefaultRole).Valid() {
		return fieldError{"defaultRole", "A role is viewer, member, admin, manager or owner."}
	}
	if b.DefaultRole != nil {
		if err := r.who.MayGrant(account.Role(*b.DefaultRole)); err != nil {
			return err
		}
	}
	who := *r.who
	err := s.Store.ChangeOrganization(r.Context(), r.org(), func(o *project.Organization, set *project.OrganizationSettings) error {
		for from, to := range map[*string]*string{b.Name: &o.Name, b.Slug: &o.Slug, b.DefaultRole: &set.DefaultRole} {
			if from != nil {
				*to = *from
			}
		}
		if b.OpenMembership != nil {
			set.ClosedMembership = !*b.OpenMembership
		}
		if b.Require2FA != nil {
			set.RequireSecondFactor = *b.Require2FA
		}
		who.Organization = *o
		return nil
	})
	if err != nil {
		return err
	}
	s.Forget()
	r.who = &who
	return s.organization(w, r)
}

// organizationKeys answers GET …/project-keys/: the client keys of every project in reach.
func (s *Service) organizationKeys(w http.ResponseWriter, r *request) error {
	list, err := s.selectedProjects(r)
	if err != nil {
		return err
	}
	status := r.URL.Query().Get("status")
	var keys []project.Key
	for _, p := range list {
		of, err := s.Store.Keys(r.Context(), p.ID)
		if err != nil {
			return err
		}
		for _, k := range of {
			if status == "" || k.Active == (status == "active") {
				keys = append(keys, k)
			}
		}
	}
	if keys, err = window(s, w, r, keys); err != nil {
		return err
	}
	out := make([]object, len(keys))
	for i, k := range keys {
		out[i] = s.clientKey(k)
	}
	return ok(w, out)
}
