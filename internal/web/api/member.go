package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/httpx"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

func (s *Service) memberShape(m account.Member) object {
	name := m.Email
	o := object{
		"id": id(m.ID), "email": m.Email, "user": nil, "role": m.Role, "roleName": m.Role.Title(), "orgRole": m.Role, "pending": m.Pending,
		"expired": m.Expired(time.Now()), "dateCreated": utc(m.CreatedAt), "inviteStatus": "approved", "inviterName": maybe(m.InvitedBy), "externalUsers": []any{},
		"flags": object{"idp:provisioned": m.Provisioned, "idp:role-restricted": false, "sso:linked": m.HasSSO, "sso:invalid": false,
			"member-limit:restricted": !m.Active, "partnership:restricted": false},
	}
	if m.User != nil {
		name = m.User.DisplayName()
		u := s.user(m.User)
		u["has2fa"] = m.HasFactor
		u["isActive"] = m.Active
		o["user"] = u
	}
	o["name"] = name
	return o
}

func (s *Service) memberDetail(m account.Member, owners int) object {
	o := s.memberShape(m)
	slugs, roles := []string{}, []object{}
	for _, t := range m.Teams {
		slugs = append(slugs, t.Slug)
		roles = append(roles, object{"teamSlug": t.Slug, "role": t.Role})
	}
	o["teams"], o["teamRoles"], o["invite_link"] = slugs, roles, nil
	o["isOnlyOwner"] = m.Role == account.RoleOwner && owners == 1 && !m.Pending
	o["orgRoleList"], o["teamRoleList"] = roleList(), teamRoleList()
	return o
}

func roleList() []object {
	roles := []object{}
	for _, role := range account.Roles {
		roles = append(roles, object{"id": role, "name": role.Title(), "desc": role.Description(), "scopes": role.Scopes().Strings(), "allowed": true,
			"isAllowed": true, "isRetired": false, "isTeamRolesAllowed": true, "is_global": role.Global(), "isGlobal": role.Global(),
			"minimumTeamRole": account.TeamContributor})
	}
	return roles
}

func teamRoleList() []object {
	list := []object{}
	for _, role := range []account.TeamRole{account.TeamContributor, account.TeamAdminRole} {
		list = append(list, object{"id": role, "name": strings.ToUpper(string(role[:1])) + string(role[1:]), "desc": "", "scopes": []string{},
			"allowed": true, "isAllowed": true, "isRetired": false, "isTeamRolesAllowed": true, "isMinimumRoleFor": nil})
	}
	return list
}

// membersOf answers a list of members and pending invites, each as shape has it.
func (s *Service) membersOf(w http.ResponseWriter, r *request, shape func(account.Member) (object, bool)) error {
	list, err := s.Store.MemberList(r.Context(), r.org())
	if err != nil {
		return err
	}
	invites, err := s.Store.Invites(r.Context(), r.org())
	if err != nil {
		return err
	}
	out := []object{}
	for _, m := range append(list, invites...) {
		if o, keep := shape(m); keep && matchesMember(m, r.URL.Query().Get("query")) {
			out = append(out, o)
		}
	}
	if out, err = window(s, w, r, out); err != nil {
		return err
	}
	return ok(w, out)
}

// matchesMember reports whether every word of a query is in a member's address or name, or is a
// filter that holds: role:owner, email:x, isInvited:true, has2fa:true, ssoLinked:true.
func matchesMember(m account.Member, query string) bool {
	for word := range strings.FieldsSeq(strings.ToLower(query)) {
		key, value, filter := strings.Cut(word, ":")
		yes := value != "false" && value != "0"
		holds := strings.Contains(strings.ToLower(m.Email), word) || m.User != nil && strings.Contains(strings.ToLower(m.User.Name), word)
		if filter {
			switch key {
			case "role", "orgrole":
				holds = string(m.Role) == value
			case "email", "user.email", "user":
				holds = strings.EqualFold(m.Email, value)
			case "id", "user.id":
				holds = id(m.ID) == value
			case "isinvited":
				holds = m.Pending == yes
			case "has2fa":
				holds = m.HasFactor == yes
			case "ssolinked":
				holds = m.HasSSO == yes
			default:
				holds = false
			}
		}
		if !holds {
			return false
		}
	}
	return true
}

// members answers GET …/members/.
func (s *Service) members(w http.ResponseWriter, r *request) error {
	return s.membersOf(w, r, func(m account.Member) (object, bool) { return s.memberShape(m), true })
}

// organizationUsers answers GET …/users/: who can be assigned.
func (s *Service) organizationUsers(w http.ResponseWriter, r *request) error {
	list, err := s.selectedProjects(r)
	if err != nil {
		return err
	}
	slugs := make([]string, len(list))
	for i, p := range list {
		slugs[i] = p.Slug
	}
	members, err := s.Store.MemberList(r.Context(), r.org())
	if err != nil {
		return err
	}
	out := []object{}
	for _, m := range members {
		if m.Active {
			o := s.memberShape(m)
			o["projects"] = slugs
			out = append(out, o)
		}
	}
	return ok(w, out)
}

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

// pathMember is the member or invite that a path names; me is the caller.
func (s *Service) pathMember(r *request) (account.Member, error) {
	name := r.PathValue("member")
	if name == "me" {
		name = id(r.who.UserID())
	}
	n, err := strconv.ParseInt(name, 10, 64)
	if err != nil {
		return account.Member{}, errNotFound()
	}
	m, err := s.Store.Member(r.Context(), r.org(), n)
	if fault.KindOf(err) == fault.Unknown && err != nil {
		if m, err = s.Store.Invite(r.Context(), r.org(), n); err != nil {
			return m, err
		}
		return m, s.nameTeams(r, m.Teams)
	}
	return m, err
}

// nameTeams fills in the slugs of an invite's teams.
func (s *Service) nameTeams(r *request, places []account.TeamPlace) error {
	teams, err := s.Store.Teams(r.Context(), r.org(), 0)
	for i := range places {
		if at := slices.IndexFunc(teams, func(t account.Team) bool { return t.ID == places[i].Team }); at >= 0 {
			places[i].Slug = teams[at].Slug
		}
	}
	return err
}

func (s *Service) owners(r *request) (n int, err error) {
	list, err := s.Store.MemberList(r.Context(), r.org())
	for _, m := range list {
		if m.Role == account.RoleOwner && m.Active {
			n++
		}
	}
	return n, err
}

// member answers GET …/members/{member}/.
func (s *Service) member(w http.ResponseWriter, r *request) error {
	m, err := s.pathMember(r)
	if err != nil {
		return err
	}
	owners, err := s.owners(r)
	if err != nil {
		return err
	}
	return ok(w, s.memberDetail(m, owners))
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
