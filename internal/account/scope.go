package account

import (
	"slices"
	"strings"
)

// Scope is one right that a token or a role grants, such as "event:read".
type Scope string

// The scopes that routes ask for.
const (
	OrgRead         Scope = "org:read"
	OrgWrite        Scope = "org:write"
	OrgAdmin        Scope = "org:admin"
	OrgCI           Scope = "org:ci"
	OrgIntegrations Scope = "org:integrations"
	MemberInvite    Scope = "member:invite"
	MemberRead      Scope = "member:read"
	MemberWrite     Scope = "member:write"
	MemberAdmin     Scope = "member:admin"
	TeamRead        Scope = "team:read"
	TeamWrite       Scope = "team:write"
	TeamAdmin       Scope = "team:admin"
	ProjectRead     Scope = "project:read"
	ProjectWrite    Scope = "project:write"
	ProjectAdmin    Scope = "project:admin"
	ProjectReleases Scope = "project:releases"
	EventRead       Scope = "event:read"
	EventWrite      Scope = "event:write"
	EventAdmin      Scope = "event:admin"
	AlertsRead      Scope = "alerts:read"
	AlertsWrite     Scope = "alerts:write"
)

// Scopes is a set of scopes, implied ones included, in order and without repetition.
type Scopes []Scope

// implied lists what a scope grants beside itself.
// Rule: getsentry/sentry src/sentry/conf/server.py (SENTRY_SCOPE_HIERARCHY_MAPPING)
var implied = map[Scope][]Scope{
	OrgWrite:     {OrgRead},
	OrgAdmin:     {OrgRead, OrgWrite, OrgIntegrations},
	MemberInvite: {MemberRead},
	MemberWrite:  {MemberRead, MemberInvite},
	MemberAdmin:  {MemberRead, MemberInvite, MemberWrite},
	TeamWrite:    {TeamRead},
	TeamAdmin:    {TeamRead, TeamWrite},
	ProjectWrite: {ProjectRead},
	ProjectAdmin: {ProjectRead, ProjectWrite},
	EventWrite:   {EventRead},
	EventAdmin:   {EventRead, EventWrite},
	AlertsWrite:  {AlertsRead},
}

// AllScopes lists every scope a token may be given, in the order people read them.
var AllScopes = []Scope{OrgRead, OrgWrite, OrgAdmin, OrgCI, OrgIntegrations, MemberInvite, MemberRead, MemberWrite, MemberAdmin, TeamRead, TeamWrite,
	TeamAdmin, ProjectRead, ProjectWrite, ProjectAdmin, ProjectReleases, EventRead, EventWrite, EventAdmin, AlertsRead, AlertsWrite}

// NewScopes returns the set that grants names and all they imply. Names nobody knows stay in the
// set, where no route asks for them.
func NewScopes(names ...Scope) Scopes {
	var set Scopes
	for _, n := range names {
		set = append(append(set, n), implied[n]...)
	}
	slices.Sort(set)
	return slices.Compact(set)
}

// Has reports whether the set holds any of the scopes.
func (s Scopes) Has(any ...Scope) bool {
	for _, want := range any {
		if slices.Contains(s, want) {
			return true
		}
	}
	return false
}

// Within returns the scopes of s that limit holds too: a token never outlasts its owner's rights.
func (s Scopes) Within(limit Scopes) Scopes {
	return slices.DeleteFunc(slices.Clone(s), func(x Scope) bool { return !limit.Has(x) })
}

// Strings is the set as the wire and the database write it.
func (s Scopes) Strings() []string {
	out := make([]string, len(s))
	for i, x := range s {
		out[i] = string(x)
	}
	return out
}

// Role is what a member may do in an organization.
type Role string

// The roles, least powerful first.
const (
	RoleViewer  Role = "viewer" // reads and changes nothing
	RoleMember  Role = "member"
	RoleAdmin   Role = "admin"
	RoleManager Role = "manager"
	RoleOwner   Role = "owner"
)

// Roles lists them, least powerful first.
var Roles = []Role{RoleViewer, RoleMember, RoleAdmin, RoleManager, RoleOwner}

// Valid reports whether the role is one we know.
func (r Role) Valid() bool { return slices.Contains(Roles, r) }

// AtLeast reports whether the role has all that other has; a role nobody knows has nothing.
func (r Role) AtLeast(other Role) bool {
	mine, theirs := slices.Index(Roles, r), slices.Index(Roles, other)
	return mine >= 0 && theirs >= 0 && mine >= theirs
}

// Global reports whether the role reaches every project, whatever its teams are.
func (r Role) Global() bool { return r == RoleOwner || r == RoleManager }

// Description tells people what the role is for.
func (r Role) Description() string {
	switch r {
	case RoleViewer:
		return "Reads issues, events and settings, and changes nothing."
	case RoleMember:
		return "Works on issues and alerts, and invites people."
	case RoleAdmin:
		return "Also makes projects and teams, and changes their settings."
	case RoleManager:
		return "Also manages members and the organization, and reaches every project."
	case RoleOwner:
		return "May do everything, single sign-on and deletion included."
	}
	return ""
}

var (
	viewerScopes  = []Scope{EventRead, ProjectRead, OrgRead, MemberRead, TeamRead, AlertsRead}
	memberScopes  = []Scope{EventAdmin, ProjectReleases, ProjectRead, OrgRead, MemberInvite, TeamRead, AlertsWrite}
	adminScopes   = append(slices.Clone(memberScopes), ProjectAdmin, TeamAdmin, OrgIntegrations)
	managerScopes = append(slices.Clone(adminScopes), MemberAdmin, OrgWrite)
	ownerScopes   = append(slices.Clone(managerScopes), OrgAdmin)
)

// Scopes is what the role grants; a role nobody knows grants nothing.
// Rule: getsentry/sentry src/sentry/conf/server.py (SENTRY_ROLES)
func (r Role) Scopes() Scopes {
	switch r {
	case RoleViewer:
		return NewScopes(viewerScopes...)
	case RoleMember:
		return NewScopes(memberScopes...)
	case RoleAdmin:
		return NewScopes(adminScopes...)
	case RoleManager:
		return NewScopes(managerScopes...)
	case RoleOwner:
		return NewScopes(ownerScopes...)
	}
	return nil
}

// Title is the role as people read it.
func (r Role) Title() string {
	if r == "" {
		return ""
	}
	return strings.ToUpper(string(r[:1])) + string(r[1:])
}
