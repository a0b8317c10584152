package api

import (
	"net/http"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/project"
)

// index answers GET /api/0/: the versions of the API and of this program, and who the caller is.
func (s *Service) index(w http.ResponseWriter, r *request) error {
	answer := object{"version": "0", "release": s.Release, "auth": nil, "user": nil}
	if r.who != nil {
		answer["auth"] = object{"scopes": r.who.Scopes.Strings()}
		if r.who.User != nil {
			answer["user"] = s.user(r.who.User)
		}
	}
	return ok(w, answer)
}

// internalHealth answers GET /api/0/internal/health/, which clients ask before anything else.
func (s *Service) internalHealth(w http.ResponseWriter, r *request) error {
	problems := []string{}
	err := s.Store.Ping(r.Context())
	if err != nil {
		problems = append(problems, "the database does not answer")
	}
	return ok(w, object{"problems": problems, "healthy": map[string]bool{"database": err == nil}})
}

// whoAmI answers GET /api/0/auth/ and users/me/ with the caller's user.
func (s *Service) whoAmI(w http.ResponseWriter, r *request) error {
	if r.who.User == nil {
		return errNotFound()
	}
	u := s.user(r.who.User)
	u["identities"], u["permissions"], u["authenticators"], u["canReset2fa"] = []any{}, []any{}, []any{}, false
	u["flags"] = object{"newsletter_consent_prompt": false}
	u["options"] = object{"language": "en", "timezone": "UTC", "stacktraceOrder": -1, "theme": "system", "clock24Hours": true}
	return ok(w, u)
}

// regions answers GET /api/0/users/me/regions/: there is one region, which clients read from 404.
func (s *Service) regions(http.ResponseWriter, *request) error { return errNotFound() }

func (s *Service) user(u *account.User) object {
	return object{
		"id": id(u.ID), "name": u.DisplayName(), "username": u.Email, "email": u.Email, "avatarUrl": "", "avatar": avatar(),
		"isActive": u.Active, "isSuspended": false, "hasPasswordAuth": true, "isManaged": false,
		"dateJoined": utc(u.CreatedAt), "lastLogin": maybeTime(u.LastLoginAt), "lastActive": maybeTime(u.LastLoginAt),
		"has2fa": false, "isSuperuser": false, "isStaff": false, "experiments": object{},
		"emails": []object{{"id": id(u.ID), "email": u.Email, "is_verified": false}},
	}
}

func avatar() object {
	return object{"avatarType": "letter_avatar", "avatarUuid": nil, "avatarUrl": nil}
}

// organizations answers GET /api/0/organizations/: the one the caller speaks for.
func (s *Service) organizations(w http.ResponseWriter, r *request) error {
	list, err := window(s, w, r, []object{s.orgSummary(r.who.Organization)})
	if err != nil {
		return err
	}
	return ok(w, list)
}

func (s *Service) orgSummary(o project.Organization) object {
	return object{
		"id": id(o.ID), "slug": o.Slug, "name": o.Name, "status": object{"id": "active", "name": "active"},
		"dateCreated": utc(o.CreatedAt), "isEarlyAdopter": false, "require2FA": false, "requireEmailVerification": false,
		"avatar": avatar(), "features": []string{}, "hasAuthProvider": false, "allowMemberInvite": true,
		"allowMemberProjectCreation": false, "allowSuperuserAccess": false, "onboardingTasks": []any{},
		"links": object{"organizationUrl": s.BaseURL + "/o/" + o.Slug, "regionUrl": s.BaseURL},
	}
}

// organization answers GET /api/0/organizations/{org}/; detailed=0 leaves out its projects.
func (s *Service) organization(w http.ResponseWriter, r *request) error {
	o := s.orgSummary(r.who.Organization)
	_, settings, err := s.Store.Organization(r.Context(), r.org())
	if err != nil {
		return err
	}
	roles, defaultRole := roleList(), settings.DefaultRole
	if defaultRole == "" {
		defaultRole = string(account.RoleMember)
	}
	for k, v := range (object{
		"role": maybe(string(r.who.Role)), "orgRole": maybe(string(r.who.Role)), "access": r.who.Scopes.Strings(), "experiments": object{},
		"isDefault": r.org() == 1, "defaultRole": defaultRole, "orgRoleList": roles, "availableRoles": roles, "teamRoleList": teamRoleList(),
		"openMembership": !settings.ClosedMembership, "require2FA": settings.RequireSecondFactor, "allowSharedIssues": false, "enhancedPrivacy": false, "dataScrubber": false, "dataScrubberDefaults": false,
		"sensitiveFields": []string{}, "safeFields": []string{}, "storeCrashReports": 0, "attachmentsRole": account.RoleMember,
		"debugFilesRole": account.RoleAdmin, "eventsMemberAdmin": true, "alertsMemberWrite": true, "scrubIPAddresses": false,
		"scrapeJavaScript": false, "allowJoinRequests": false, "relayPiiConfig": nil, "trustedRelays": []any{}, "pendingAccessRequests": 0,
		"requiresSso": false, "isDynamicallySampled": false,
		"quota": object{"maxRate": nil, "maxRateInterval": 60, "accountLimit": 0, "projectLimit": 100},
	}) {
		o[k] = v
	}
	if r.URL.Query().Get("detailed") != "0" {
		list, err := s.Store.Projects(r.Context(), r.org())
		if err != nil {
			return err
		}
		teams, err := s.Store.Teams(r.Context(), r.org(), r.who.UserID())
		if err != nil {
			return err
		}
		shapes := make([]object, len(teams))
		for i, t := range teams {
			shapes[i] = s.teamShape(t, r.who)
		}
		o["teams"], o["projects"] = shapes, s.projectSummaries(list, r.who)
	}
	return ok(w, o)
}
