package api

import (
	"net/http"
	"slices"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

type memberBody struct {
	Email      *string      `json:"email"`
	Role       *string      `json:"role"`
	OrgRole    *string      `json:"orgRole"`
	Teams      *[]string    `json:"teams"`
	TeamRoles  *[]teamPlace `json:"teamRoles"`
	SendInvite *bool        `json:"sendInvite"`
	Reinvite   *bool        `json:"reinvite"`
	Regenerate *bool        `json:"regenerate"`
	Active     *bool        `json:"isActive"`
}

type teamPlace struct {
	TeamSlug string `json:"teamSlug"`
	Role     string `json:"role"`
}

func (b *memberBody) role() (account.Role, error) {
	text := deref(b.OrgRole)
	if text == "" {
		text = deref(b.Role)
	}
	if text == "" {
		return "", nil
	}
	role := account.Role(text)
	if !role.Valid() {
		return "", fieldError{"orgRole", `"` + text + `" is not a valid choice.`}
	}
	return role, nil
}

// places are the teams that the body names; nil: it does not speak of teams.
func (s *Service) places(r *request, b *memberBody) ([]account.TeamPlace, error) {
	var named []teamPlace
	switch {
	case b.TeamRoles != nil:
		named = *b.TeamRoles
	case b.Teams != nil:
		for _, slug := range *b.Teams {
			named = append(named, teamPlace{TeamSlug: slug})
		}
	default:
		return nil, nil
	}
	out := []account.TeamPlace{}
	for _, n := range named {
		t, err := s.Store.Team(r.Context(), r.org(), n.TeamSlug, 0)
		if err != nil {
			if fault.KindOf(err) == fault.Unknown {
				return nil, fieldError{"teams", "Invalid team"}
			}
			return nil, err
		}
		role := account.TeamRole(n.Role)
		if role == "" {
			role = account.TeamContributor
		}
		if !role.Valid() {
			return nil, fieldError{"teamRoles", "A role in a team is contributor or admin."}
		}
		out = append(out, account.TeamPlace{Team: t.ID, Slug: t.Slug, Role: role})
	}
	return out, nil
}

func teamIDs(places []account.TeamPlace) []int64 {
	ids := make([]int64, len(places))
	for i, p := range places {
		ids[i] = p.Team
	}
	return ids
}

// inviteMember answers POST …/members/ with the invite; its link is told once, here.
func (s *Service) inviteMember(w http.ResponseWriter, r *request) error {
	var b memberBody
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	if deref(b.Email) == "" {
		return fieldError{"email", "This field is required."}
	}
	if _, err := account.CheckEmail(*b.Email); err != nil {
		return fieldError{"email", fault.Public(err)}
	}
	role, err := b.role()
	if err != nil {
		return err
	}
	if role == "" {
		_, settings, err := s.Store.Organization(r.Context(), r.org())
		if err != nil {
			return err
		}
		if role = account.Role(settings.DefaultRole); role == "" {
			role = account.RoleMember
		}
	}
	if err := r.who.MayGrant(role); err != nil {
		return err
	}
	places, err := s.places(r, &b)
	if err != nil {
		return err
	}
	m, secret, err := s.Store.PutInvite(r.Context(), r.org(), *b.Email, role, teamIDs(places), r.who.UserID())
	if err != nil {
		return err
	}
	link := s.BaseURL + "/invite/" + secret
	if s.Invite != nil && (b.SendInvite == nil || *b.SendInvite) {
		s.Invite(r.Context(), m.Email, r.who.Organization.Name, r.who.Label(), link)
	}
	r.audit.Event, r.audit.Target = "member.invite", m.Email
	m.Teams = places
	o := s.memberDetail(m, 0)
	o["invite_link"] = link
	return httpx.JSON(w, http.StatusCreated, o)
}

// updateMember answers PUT …/members/{member}/: another role, other teams, or switched off. For an
// invite, reinvite makes a new link.
func (s *Service) updateMember(w http.ResponseWriter, r *request) error {
	m, err := s.pathMember(r)
	if err != nil {
		return err
	}
	var b memberBody
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	role, err := b.role()
	if err != nil {
		return err
	}
	for _, x := range []account.Role{m.Role, role} {
		if x != "" {
			if err := r.who.MayGrant(x); err != nil {
				return err
			}
		}
	}
	places, err := s.places(r, &b)
	if err != nil {
		return err
	}
	r.audit.Target = m.Email
	if m.Pending {
		return s.updateInvite(w, r, m, &b, role, places)
	}
	c := postgres.MemberChange{Active: b.Active}
	if role != "" {
		c.Role = &role
	}
	if c.Role != nil || c.Active != nil {
		if err := s.Store.UpdateMember(r.Context(), r.org(), m.ID, c); err != nil {
			return err
		}
	}
	if places != nil {
		if err := s.putPlaces(r, m, places); err != nil {
			return err
		}
	}
	s.Forget()
	if role != "" && role != m.Role {
		r.audit.Text = "role " + string(m.Role) + " → " + string(role)
	}
	return s.member(w, r)
}

func (s *Service) updateInvite(w http.ResponseWriter, r *request, m account.Member, b *memberBody, role account.Role, places []account.TeamPlace) error {
	if role == "" {
		role = m.Role
	}
	if places == nil {
		places = m.Teams
	}
	link := ""
	if deref(b.Reinvite) || deref(b.Regenerate) {
		again, secret, err := s.Store.PutInvite(r.Context(), r.org(), m.Email, role, teamIDs(places), r.who.UserID())
		if err != nil {
			return err
		}
		m, link = again, s.BaseURL+"/invite/"+secret
		if s.Invite != nil && (b.SendInvite == nil || *b.SendInvite) {
			s.Invite(r.Context(), m.Email, r.who.Organization.Name, r.who.Label(), link)
		}
	} else if err := s.Store.UpdateInvite(r.Context(), r.org(), m.ID, role, teamIDs(places)); err != nil {
		return err
	}
	m.Role, m.Teams = role, places
	o := s.memberDetail(m, 0)
	o["invite_link"] = maybe(link)
	return ok(w, o)
}

// putPlaces makes a member's teams those given.
func (s *Service) putPlaces(r *request, m account.Member, places []account.TeamPlace) error {
	for _, p := range places {
		if _, err := s.Store.PutTeamMember(r.Context(), r.org(), p.Team, m.ID, p.Role); err != nil {
			return err
		}
	}
	for _, old := range m.Teams {
		if !slices.ContainsFunc(places, func(p account.TeamPlace) bool { return p.Team == old.Team }) {
			if err := s.Store.DeleteTeamMember(r.Context(), r.org(), old.Team, m.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// deleteMember answers DELETE …/members/{member}/ with 204. Everybody may leave by themselves.
func (s *Service) deleteMember(w http.ResponseWriter, r *request) error {
	m, err := s.pathMember(r)
	if err != nil {
		return err
	}
	if m.Pending || m.ID != r.who.UserID() {
		if err := r.who.Require(account.MemberAdmin); err != nil {
			return err
		}
		if err := r.who.MayGrant(m.Role); err != nil {
			return err
		}
	}
	if m.Pending {
		err = s.Store.DeleteInvite(r.Context(), r.org(), m.ID)
	} else {
		err = s.Store.RemoveMember(r.Context(), r.org(), m.ID)
	}
	if err != nil {
		return err
	}
	s.Forget()
	r.audit.Target = m.Email
	return noContent(w)
}

// createUser answers POST /api/v1/organizations/{org}/users/: an account with a password, and its
// place in the organization, for installations without mail.
func (s *Service) createUser(w http.ResponseWriter, r *request) error {
	var b struct {
		Email    string  `json:"email"`
		Name     string  `json:"name"`
		Password string  `json:"password"`
		Role     *string `json:"role"`
	}
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	role := account.RoleMember
	if b.Role != nil {
		if role = account.Role(*b.Role); !role.Valid() {
			return fieldError{"role", "A role is viewer, member, admin, manager or owner."}
		}
	}
	if err := r.who.MayGrant(role); err != nil {
		return err
	}
	if _, err := account.CheckEmail(b.Email); err != nil {
		return fieldError{"email", fault.Public(err)}
	}
	if err := account.ValidatePassword(b.Password); err != nil {
		return fieldError{"password", fault.Public(err)}
	}
	u, err := s.Store.CreateUser(r.Context(), b.Email, b.Name, b.Password)
	if fault.KindOf(err) == fault.Conflict && err != nil {
		return fault.New(fault.Conflict, "Somebody has this address already. Invite them instead.")
	}
	if err != nil {
		return err
	}
	if err := s.Store.SetMembership(r.Context(), r.org(), u.ID, role); err != nil {
		return err
	}
	r.audit.Event, r.audit.Target = "user.create", u.Email
	m, err := s.Store.Member(r.Context(), r.org(), u.ID)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusCreated, s.memberDetail(m, 0))
}
