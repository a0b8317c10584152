package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/project"
)

func (s *Service) teamShape(t account.Team, who *account.Principal) object {
	return object{
		"id": id(t.ID), "slug": t.Slug, "name": t.Name, "dateCreated": utc(t.CreatedAt), "isMember": t.Mine, "teamRole": maybe(string(t.MyRole)),
		"flags": object{"idp:provisioned": t.ExternalID != ""}, "access": who.Scopes.Strings(), "hasAccess": true, "isPending": false,
		"memberCount": t.MemberCount, "avatar": avatar(),
	}
}

func teamRefs(teams []account.Team, project int64) []object {
	out := []object{}
	for _, t := range teams {
		if slices.Contains(t.Projects, project) {
			out = append(out, object{"id": id(t.ID), "slug": t.Slug, "name": t.Name})
		}
	}
	return out
}

// teamList is the organization's teams, with their projects unless the caller asks for less.
func (s *Service) teamList(w http.ResponseWriter, r *request, keep func(account.Team) bool) error {
	teams, err := s.Store.Teams(r.Context(), r.org(), r.who.UserID())
	if err != nil {
		return err
	}
	q := r.URL.Query()
	for word := range strings.FieldsSeq(strings.ToLower(q.Get("query"))) {
		word = strings.TrimPrefix(word, "slug:")
		teams = slices.DeleteFunc(teams, func(t account.Team) bool {
			return !strings.Contains(t.Slug, word) && !strings.Contains(strings.ToLower(t.Name), word)
		})
	}
	teams = slices.DeleteFunc(teams, func(t account.Team) bool { return !keep(t) })
	if teams, err = window(s, w, r, teams); err != nil {
		return err
	}
	var projects []project.Project
	if q.Get("detailed") != "0" {
		if projects, err = s.Store.Projects(r.Context(), r.org()); err != nil {
			return err
		}
	}
	out := make([]object, len(teams))
	for i, t := range teams {
		out[i] = s.teamShape(t, r.who)
		out[i]["externalTeams"] = []any{}
		if q.Get("detailed") != "0" {
			out[i]["projects"] = s.projectSummaries(slices.DeleteFunc(slices.Clone(projects), func(p project.Project) bool {
				return !slices.Contains(t.Projects, p.ID)
			}), r.who)
		}
	}
	return ok(w, out)
}

// teams answers GET …/teams/.
func (s *Service) teams(w http.ResponseWriter, r *request) error {
	return s.teamList(w, r, func(account.Team) bool { return true })
}

// userTeams answers GET …/user-teams/ with the teams the caller belongs to.
func (s *Service) userTeams(w http.ResponseWriter, r *request) error {
	return s.teamList(w, r, func(t account.Team) bool { return t.Mine })
}

type teamBody struct {
	Name       *string `json:"name"`
	Slug       *string `json:"slug"`
	IDP        *bool   `json:"idp_provisioned"` // sent back by clients; the identity provider alone sets it
	ExternalID *string `json:"externalId"`
}

// createTeam answers POST …/teams/; the caller becomes its first member.
func (s *Service) createTeam(w http.ResponseWriter, r *request) error {
	var b teamBody
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	if b.Name == nil && b.Slug == nil {
		return fieldError{"nonFieldErrors", "Name or slug is required"}
	}
	name, slug := deref(b.Name), deref(b.Slug)
	if slug == "" {
		slug = account.Slugify(name)
	}
	if strings.TrimSpace(name) == "" {
		name = slug
	}
	t, err := s.Store.CreateTeam(r.Context(), r.org(), slug, name, deref(b.ExternalID))
	if err != nil {
		return err
	}
	if user := r.who.UserID(); user != 0 {
		if _, err := s.Store.PutTeamMember(r.Context(), r.org(), t.ID, user, account.TeamAdminRole); err != nil {
			return err
		}
		t.Mine, t.MyRole, t.MemberCount = true, account.TeamAdminRole, 1
	}
	s.Forget()
	r.audit.Target = t.Slug
	return httpx.JSON(w, http.StatusCreated, s.teamShape(t, r.who))
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func (s *Service) pathTeam(r *request) (account.Team, error) {
	return s.Store.Team(r.Context(), r.org(), r.PathValue("team"), r.who.UserID())
}

// team answers GET /api/0/teams/{org}/{team}/.
func (s *Service) team(w http.ResponseWriter, r *request) error {
	t, err := s.pathTeam(r)
	if err != nil {
		return err
	}
	o := s.teamShape(t, r.who)
	o["organization"] = s.orgSummary(r.who.Organization)
	return ok(w, o)
}

// updateTeam answers PUT /api/0/teams/{org}/{team}/.
func (s *Service) updateTeam(w http.ResponseWriter, r *request) error {
	t, err := s.pathTeam(r)
	if err != nil {
		return err
	}
	var b teamBody
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	if b.Name != nil {
		t.Name = *b.Name
	}
	if b.Slug != nil {
		t.Slug = *b.Slug
	}
	if b.ExternalID != nil {
		t.ExternalID = *b.ExternalID
	}
	if err := s.Store.UpdateTeam(r.Context(), r.org(), t); err != nil {
		return err
	}
	o := s.teamShape(t, r.who)
	o["organization"] = s.orgSummary(r.who.Organization)
	return ok(w, o)
}

// deleteTeam answers DELETE /api/0/teams/{org}/{team}/ with 204.
func (s *Service) deleteTeam(w http.ResponseWriter, r *request) error {
	t, err := s.pathTeam(r)
	if err != nil {
		return err
	}
	if err := s.Store.DeleteTeam(r.Context(), r.org(), t.ID); err != nil {
		return err
	}
	s.Forget()
	return noContent(w)
}

func noContent(w http.ResponseWriter) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// teamProjects answers GET /api/0/teams/{org}/{team}/projects/.
func (s *Service) teamProjects(w http.ResponseWriter, r *request) error {
	t, err := s.pathTeam(r)
	if err != nil {
		return err
	}
	list, err := s.Store.Projects(r.Context(), r.org())
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(p project.Project) bool { return !slices.Contains(t.Projects, p.ID) })
	if list, err = window(s, w, r, list); err != nil {
		return err
	}
	return ok(w, s.projectSummaries(list, r.who))
}

// teamMembers answers GET /api/0/teams/{org}/{team}/members/.
func (s *Service) teamMembers(w http.ResponseWriter, r *request) error {
	t, err := s.pathTeam(r)
	if err != nil {
		return err
	}
	return s.membersOf(w, r, func(m account.Member) (object, bool) {
		i := slices.IndexFunc(m.Teams, func(p account.TeamPlace) bool { return p.Team == t.ID })
		if i < 0 {
			return nil, false
		}
		o := s.memberShape(m)
		o["teamRole"], o["teamSlug"] = m.Teams[i].Role, t.Slug
		return o, true
	})
}

// projectTeams answers GET …/teams/ of a project.
func (s *Service) projectTeams(w http.ResponseWriter, r *request) error {
	p, err := s.projectID(r)
	if err != nil {
		return err
	}
	return s.teamList(w, r, func(t account.Team) bool { return slices.Contains(t.Projects, p) })
}

// projectMembers answers GET …/members/ of a project: those who reach it.
func (s *Service) projectMembers(w http.ResponseWriter, r *request) error {
	p, err := s.projectID(r)
	if err != nil {
		return err
	}
	_, settings, err := s.Store.Organization(r.Context(), r.org())
	if err != nil {
		return err
	}
	teams, err := s.Store.Teams(r.Context(), r.org(), 0)
	if err != nil {
		return err
	}
	return s.membersOf(w, r, func(m account.Member) (object, bool) {
		if !m.Active || m.Pending || settings.ClosedMembership && !m.Role.Global() && !inTeamOf(m, teams, p) {
			return nil, false
		}
		return s.memberShape(m), true
	})
}

func inTeamOf(m account.Member, teams []account.Team, project int64) bool {
	return slices.ContainsFunc(teams, func(t account.Team) bool {
		return slices.Contains(t.Projects, project) && slices.ContainsFunc(m.Teams, func(p account.TeamPlace) bool { return p.Team == t.ID })
	})
}

// addProjectTeam answers POST …/teams/{team}/ of a project with the project.
func (s *Service) addProjectTeam(w http.ResponseWriter, r *request) error {
	return s.changeProjectTeam(w, r, http.StatusCreated, func(t account.Team, p int64) error {
		return s.Store.PutTeamProject(r.Context(), r.org(), t.ID, p)
	})
}

// removeProjectTeam answers DELETE …/teams/{team}/ of a project with the project.
func (s *Service) removeProjectTeam(w http.ResponseWriter, r *request) error {
	return s.changeProjectTeam(w, r, http.StatusOK, func(t account.Team, p int64) error {
		return s.Store.DeleteTeamProject(r.Context(), r.org(), t.ID, p)
	})
}

func (s *Service) changeProjectTeam(w http.ResponseWriter, r *request, status int, change func(account.Team, int64) error) error {
	p, err := s.Store.Project(r.Context(), r.org(), r.PathValue("project"))
	if err != nil {
		return err
	}
	t, err := s.pathTeam(r)
	if err != nil {
		return err
	}
	if err := change(t, p.ID); err != nil {
		return err
	}
	s.Forget()
	r.audit.Event = map[int]string{http.StatusCreated: "project.team.add", http.StatusOK: "project.team.remove"}[status]
	o := s.projectSummary(p, r.who)
	teams, err := s.Store.Teams(r.Context(), r.org(), r.who.UserID())
	if err != nil {
		return err
	}
	o["teams"] = teamRefs(teams, p.ID)
	o["organization"] = s.orgSummary(r.who.Organization)
	return httpx.JSON(w, status, o)
}
