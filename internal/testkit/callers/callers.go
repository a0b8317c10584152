// Package callers makes the people and tokens that tests of authorization call with.
package callers

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/postgres"
)

// Callers makes callers of an installation whose first organization has the id 1.
type Callers struct {
	t   testing.TB
	st  *postgres.Store
	url string // of its database
}

// New makes callers of the installation that a database is of.
func New(t testing.TB, st *postgres.Store, url string) Callers { return Callers{t, st, url} }

// Member makes a member in a role, and returns a token of all that the role may do.
func (c Callers) Member(email string, role account.Role) (user int64, token string) {
	c.t.Helper()
	u, err := c.st.CreateUser(c.t.Context(), email, "", "correct horse")
	if err == nil {
		err = c.st.SetMembership(c.t.Context(), 1, u.ID, role)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return u.ID, c.Token(account.Token{Organization: 1, User: u.ID, Scopes: role.Scopes()})
}

// Token makes a token.
func (c Callers) Token(t account.Token) string {
	c.t.Helper()
	_, secret, err := c.st.CreateToken(c.t.Context(), t)
	if err != nil {
		c.t.Fatal(err)
	}
	return secret
}

// Build makes a token of the organization's own, for its build machines.
func (c Callers) Build() string {
	c.t.Helper()
	_, secret, err := c.st.StoreToken(c.t.Context(), account.Token{Organization: 1, Kind: account.TokenOrganization, Name: "build", Scopes: account.NewScopes(account.OrgCI)}, account.NewUserToken())
	if err != nil {
		c.t.Fatal(err)
	}
	return secret
}

// Nobody makes a token of every kind that speaks for nobody, by what is wrong with it.
func (c Callers) Nobody() map[string]string {
	c.t.Helper()
	made := map[string]string{"no token": "", "a made up token": account.NewUserToken()}
	past := time.Now().Add(-time.Minute)
	owner, _ := c.Member("ended@example.org", account.RoleOwner)
	made["an expired token"] = c.Token(account.Token{Organization: 1, User: owner, Scopes: account.RoleOwner.Scopes(), ExpiresAt: &past})
	made["a revoked token"] = c.Token(account.Token{Organization: 1, User: owner, Name: "revoked by a test", Scopes: account.RoleOwner.Scopes()})
	c.exec("update api_tokens set revoked_at = now() where name = 'revoked by a test'")
	off, token := c.Member("off@example.org", account.RoleOwner)
	made["the token of a member who is switched off"] = token
	c.exec("update memberships set is_active = false where user_id = $1", off)
	gone, token := c.Member("gone@example.org", account.RoleOwner)
	made["the token of an account that is switched off"] = token
	c.exec("update users set is_active = false where id = $1", gone)
	left, token := c.Member("left@example.org", account.RoleOwner)
	made["the token of somebody who left"] = token
	c.exec("delete from memberships where user_id = $1", left)
	return made
}

// Stranger makes the owner of an organization other, and returns their token.
func (c Callers) Stranger() string {
	c.t.Helper()
	u, err := c.st.CreateUser(c.t.Context(), "them@example.org", "", "correct horse")
	if err != nil {
		c.t.Fatal(err)
	}
	o, err := c.st.CreateOrganization(c.t.Context(), "other", "Other", u.ID)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.Token(account.Token{Organization: o.ID, User: u.ID, Scopes: account.RoleOwner.Scopes()})
}

func (c Callers) exec(sql string, args ...any) {
	c.t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, c.url)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, sql, args...); err != nil {
		c.t.Fatalf("%s: %v", sql, err)
	}
}
