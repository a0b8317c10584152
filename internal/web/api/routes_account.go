package api

import (
	"net/http"

	"github.com/tocsin-dev/tocsin/internal/account"
)

// accountRoutes are those about who may do what.
func (s *Service) accountRoutes() []route {
	const get, put, post, del = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete
	const org, ourOrg = "/api/0/organizations/{org}/", "/api/v1/organizations/{org}/"
	const proj, team, ourProject = "/api/0/projects/{org}/{project}/", "/api/0/teams/{org}/{team}/", "/api/v1/projects/{org}/{project}/"
	scope := func(s ...account.Scope) []account.Scope { return s }
	readMembers, readTeams := scope(account.MemberRead), scope(account.TeamRead, account.OrgRead)
	writeOrg, adminOrg := scope(account.OrgWrite), scope(account.OrgAdmin)
	// Members join and leave teams by themselves; the handlers ask for more when it is about others.
	placeInTeam := scope(account.MemberWrite, account.TeamWrite, account.EventWrite)
	writeTeam := scope(account.TeamWrite)
	return []route{
		{post, "/api/0/organizations/", adminOrg, false, s.createOrganization},
		{put, org, writeOrg, false, s.updateOrganization},
		{get, org + "members/", readMembers, false, s.members},
		{post, org + "members/", scope(account.MemberInvite), false, s.inviteMember},
		{get, org + "members/{member}/", readMembers, false, s.member},
		{put, org + "members/{member}/", scope(account.MemberWrite), false, s.updateMember},
		{del, org + "members/{member}/", scope(account.MemberAdmin, account.EventWrite), false, s.deleteMember},
		{post, org + "members/{member}/teams/{team}/", placeInTeam, false, s.joinTeam},
		{put, org + "members/{member}/teams/{team}/", placeInTeam, false, s.setTeamRole},
		{del, org + "members/{member}/teams/{team}/", placeInTeam, false, s.leaveTeam},
		{get, org + "users/", readMembers, false, s.organizationUsers},
		{post, ourOrg + "users/", scope(account.MemberAdmin), false, s.createUser},
		{get, org + "teams/", readTeams, false, s.teams},
		{post, org + "teams/", scope(account.TeamWrite, account.OrgWrite), false, s.createTeam},
		{get, org + "user-teams/", readTeams, false, s.userTeams},
		{get, team, readTeams, false, s.team},
		{put, team, writeTeam, false, s.updateTeam},
		{del, team, scope(account.TeamAdmin), false, s.deleteTeam},
		{get, team + "members/", readTeams, false, s.teamMembers},
		{get, team + "projects/", readProject, false, s.teamProjects},
		{post, team + "projects/", writeProject, false, s.createTeamProject},
		{post, org + "projects/", writeProject, false, s.createProject},
		{del, proj, adminProject, false, s.deleteProject},
		{post, ourProject + "transfer/", adminProject, false, s.transferProject},
		{get, proj + "teams/", readProject, false, s.projectTeams},
		{get, proj + "members/", readProject, false, s.projectMembers},
		{post, proj + "teams/{team}/", writeProject, false, s.addProjectTeam},
		{del, proj + "teams/{team}/", writeProject, false, s.removeProjectTeam},
		{post, ourOrg + "members/{member}/reset/", scope(account.MemberAdmin), false, s.resetMember},
		{post, ourOrg + "import/project/", scope(account.ProjectAdmin), false, s.importProject},
		{post, ourProject + "import/issues/", adminProject, false, s.importIssues},
		{get, org + "project-keys/", readOrg, false, s.organizationKeys},
		{get, "/api/0/api-tokens/", nil, false, s.apiTokens},
		{post, "/api/0/api-tokens/", nil, false, s.createAPIToken},
		{del, "/api/0/api-tokens/", nil, false, s.deleteAPIToken},
		{get, org + "org-auth-tokens/", readOrg, false, s.orgTokens},
		{post, org + "org-auth-tokens/", writeOrg, false, s.createOrgToken},
		{get, org + "org-auth-tokens/{id}/", readOrg, false, s.orgToken},
		{put, org + "org-auth-tokens/{id}/", writeOrg, false, s.renameOrgToken},
		{del, org + "org-auth-tokens/{id}/", writeOrg, false, s.deleteOrgToken},
		{post, ourOrg + "tokens/", writeOrg, false, s.createToken},
		{get, org + "audit-logs/", writeOrg, false, s.auditLog},
		{get, ourOrg + "audit-log/export/", writeOrg, false, s.exportAudit},
		{get, ourOrg + "audit-log/verify/", writeOrg, false, s.verifyAudit},
	}
}
