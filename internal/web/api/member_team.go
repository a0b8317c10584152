package api

import (
	"net/http"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/httpx"
)

// memberTeam finds what …/members/{member}/teams/{team}/ names, and checks that the caller may
// change it: those who may write teams, and members for themselves.
func (s *Service) memberTeam(r *request) (m account.Member, t account.Team, err error) {
	if m, err = s.pathMember(r); err != nil {
		return m, t, err
	}
	if m.Pending {
		return m, t, errNotFound()
	}
	if t, err = s.pathTeam(r); err != nil {
		return m, t, err
	}
	if m.ID == r.who.UserID() && r.who.Scopes.Has(account.EventWrite) {
		_, settings, err := s.Store.Organization(r.Context(), r.org())
		if err != nil || !settings.ClosedMembership {
			return m, t, err
		}
	}
	return m, t, r.who.Require(account.MemberWrite, account.TeamWrite)
}

// joinTeam answers POST …/members/{member}/teams/{team}/ with 201, or 204 when they were in it.
func (s *Service) joinTeam(w http.ResponseWriter, r *request) error {
	m, t, err := s.memberTeam(r)
	if err != nil {
		return err
	}
	for _, p := range m.Teams {
		if p.Team == t.ID {
			return noContent(w)
		}
	}
	if _, err := s.Store.PutTeamMember(r.Context(), r.org(), t.ID, m.ID, account.TeamContributor); err != nil {
		return err
	}
	s.Forget()
	r.audit.Event, r.audit.Target = "team.member.add", t.Slug+" / "+m.Email
	if t, err = s.pathTeam(r); err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusCreated, s.teamShape(t, r.who))
}

// setTeamRole answers PUT …/members/{member}/teams/{team}/.
func (s *Service) setTeamRole(w http.ResponseWriter, r *request) error {
	m, t, err := s.memberTeam(r)
	if err != nil {
		return err
	}
	if err := r.who.Require(account.MemberWrite, account.TeamWrite); err != nil {
		return err
	}
	var b struct {
		TeamRole account.TeamRole `json:"teamRole"`
	}
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	if _, err := s.Store.PutTeamMember(r.Context(), r.org(), t.ID, m.ID, b.TeamRole); err != nil {
		return err
	}
	r.audit.Event, r.audit.Target = "team.member.role", t.Slug+" / "+m.Email
	return ok(w, object{"isActive": true, "teamRole": b.TeamRole})
}

// leaveTeam answers DELETE …/members/{member}/teams/{team}/ with the team.
func (s *Service) leaveTeam(w http.ResponseWriter, r *request) error {
	m, t, err := s.memberTeam(r)
	if err != nil {
		return err
	}
	if err := s.Store.DeleteTeamMember(r.Context(), r.org(), t.ID, m.ID); err != nil {
		return err
	}
	s.Forget()
	r.audit.Event, r.audit.Target = "team.member.remove", t.Slug+" / "+m.Email
	if t, err = s.pathTeam(r); err != nil {
		return err
	}
	return ok(w, s.teamShape(t, r.who))
}
