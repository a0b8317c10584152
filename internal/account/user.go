package account

import (
	"context"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/project"
)

// User is a person who can sign in.
type User struct {
	ID           int64
	Email        string
	Name         string // may be empty; see DisplayName
	PasswordHash string // PHC string
	Active       bool
	CreatedAt    time.Time
	LastLoginAt  *time.Time
	TOTP         string // sealed secret; empty: none
	TOTPStep     int64  // last time step that a code was taken for
}

// DisplayName is the name, or what stands before the @ of the address.
func (u *User) DisplayName() string {
	if u.Name != "" {
		return u.Name
	}
	name, _, _ := strings.Cut(u.Email, "@")
	return name
}

// Membership is a user's place in one organization.
type Membership struct {
	Organization project.Organization
	Role         Role
	Projects     []int64 // in reach; nil: every project
	SSORequired  bool    // who signed in otherwise is sent to the organization's provider
	NeedsFactor  bool    // who has no second factor sets one up first
}

// Principal is who makes a request and what they may do in one organization.
type Principal struct {
	User         *User // nil: a token of the organization's own
	Organization project.Organization
	Role         Role // empty for a token of the organization's own
	Scopes       Scopes
	Projects     []int64 // in reach; nil: every project of the organization
	Token        int64   // 0: a browser's login
	TokenName    string
	Kind         TokenKind // of the token
}

// Label names who it is, for the audit log: an address, or the token's name.
func (p *Principal) Label() string {
	if p.User != nil {
		return p.User.Email
	}
	return "token " + p.TokenName
}

// Require returns nil when the principal has any of the scopes, else fault.Denied, whose text
// names them: a client can tell its user what to ask for.
func (p *Principal) Require(any ...Scope) error {
	if p.Scopes.Has(any...) {
		return nil
	}
	names := Scopes(any).Strings()
	return fault.New(fault.Denied, "You do not have permission to perform this action. Needed: %s", strings.Join(names, " or "))
}

// MayGrant reports as fault.Denied when the principal would give away more than it has: nobody
// grants a role above their own, and nobody changes who stands above them.
func (p *Principal) MayGrant(role Role) error {
	if p.Role != "" && !p.Role.AtLeast(role) || len(role.Scopes().Within(p.Scopes)) < len(role.Scopes()) {
		return fault.New(fault.Denied, "You do not have permission to give or take the role %s.", role)
	}
	return nil
}

// UserID is the user's id, 0 for a token of the organization's own.
func (p *Principal) UserID() int64 {
	if p.User == nil {
		return 0
	}
	return p.User.ID
}

type principalKey struct{}

// WithPrincipal returns a context that says who makes the request.
func WithPrincipal(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalFrom returns who makes the request, nil when nobody signed in.
func PrincipalFrom(ctx context.Context) *Principal {
	p, _ := ctx.Value(principalKey{}).(*Principal)
	return p
}
