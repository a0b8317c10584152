package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
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
