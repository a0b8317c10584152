package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

const sqlInsertToken = `
	insert into api_tokens (id, organization_id, user_id, name, token_hash, last_characters, scopes, expires_at)
	values (@id, @org, nullif(@user::bigint, 0), @name, @hash, @last, @scopes, @expires)`

// CreateToken stores a token by its hash and returns the secret, which nobody can read again.
// ID, LastCharacters and the times of t are filled in here.
func (st *Store) CreateToken(ctx context.Context, t account.Token) (account.Token, string, error) {
	secret := account.NewUserToken()
	t.ID, t.LastCharacters = NewID(), account.LastCharacters(secret)
	_, err := st.db.Exec(ctx, sqlInsertToken, tokenArgs(t, secret))
	return t, secret, translate(err, "create a token")
}

func tokenArgs(t account.Token, secret string) pgx.StrictNamedArgs {
	hash := account.HashToken(secret)
	return pgx.StrictNamedArgs{"id": t.ID, "org": t.Organization, "user": t.User, "name": t.Name, "hash": hash[:],
		"last": t.LastCharacters, "scopes": t.Scopes.Strings(), "expires": t.ExpiresAt}
}

const sqlTokenByHash = `
	select t.id, t.user_id, t.scopes, t.expires_at, o.id, o.slug, o.name, o.created_at,
		coalesce(m.role, ''), coalesce(u.is_active, false), coalesce(u.email, ''), coalesce(u.name, ''), u.created_at, u.last_login_at
	from api_tokens t join organizations o on o.id = t.organization_id
	left join users u on u.id = t.user_id
	left join memberships m on m.organization_id = t.organization_id and m.user_id = t.user_id
	where t.token_hash = @hash and t.revoked_at is null`

// TokenHolder is who a token speaks for, and until when the answer holds.
type TokenHolder struct {
	Token     int64
	Principal account.Principal
	ExpiresAt *time.Time
}

// TokenByHash returns who a token speaks for: its scopes, as far as its owner has them still.
// fault.Unauthenticated: unknown, revoked, expired, or its owner is inactive or has left.
func (st *Store) TokenByHash(ctx context.Context, hash [32]byte) (TokenHolder, error) {
	var h TokenHolder
	var userID *int64
	var scopes []string
	var active bool
	var u account.User
	var userCreated *time.Time
	o := &h.Principal.Organization
	err := st.db.QueryRow(ctx, sqlTokenByHash, pgx.StrictNamedArgs{"hash": hash[:]}).Scan(&h.Token, &userID, &scopes, &h.ExpiresAt,
		&o.ID, &o.Slug, &o.Name, &o.CreatedAt, &h.Principal.Role, &active, &u.Email, &u.Name, &userCreated, &u.LastLoginAt)
	if err != nil {
		if err = translate(err, "Invalid token"); fault.KindOf(err) == fault.Unknown {
			err = fault.New(fault.Unauthenticated, "Invalid token")
		}
		return TokenHolder{}, err
	}
	if h.ExpiresAt != nil && !h.ExpiresAt.After(time.Now()) {
		return TokenHolder{}, fault.New(fault.Unauthenticated, "Token expired")
	}
	names := make([]account.Scope, len(scopes))
	for i, s := range scopes {
		names[i] = account.Scope(s)
	}
	h.Principal.Scopes = account.NewScopes(names...)
	if userID == nil {
		return h, nil
	}
	if !active || h.Principal.Role == "" {
		return TokenHolder{}, fault.New(fault.Unauthenticated, "Invalid token")
	}
	u.ID, u.Active, u.CreatedAt = *userID, true, *userCreated
	h.Principal.User = &u
	h.Principal.Scopes = h.Principal.Scopes.Within(h.Principal.Role.Scopes())
	return h, nil
}

const sqlTouchToken = `
	update api_tokens set last_used_at = now()
	where id = @id and (last_used_at is null or last_used_at < now() - interval '1 minute')`

// TouchToken notes that a token is in use, at most once a minute.
func (st *Store) TouchToken(ctx context.Context, id int64) error {
	_, err := st.db.Exec(ctx, sqlTouchToken, pgx.StrictNamedArgs{"id": id})
	return translate(err, "note the use of token %d", id)
}

const sqlRevokeToken = `
	update api_tokens set revoked_at = now() where organization_id = @org and id = @id and revoked_at is null`

// RevokeToken ends a token of an organization. fault.Unknown: it has no such token.
func (st *Store) RevokeToken(ctx context.Context, org, id int64) error {
	tag, err := st.db.Exec(ctx, sqlRevokeToken, pgx.StrictNamedArgs{"org": org, "id": id})
	if err == nil && tag.RowsAffected() == 0 {
		return fault.New(fault.Unknown, "The requested resource does not exist")
	}
	return translate(err, "revoke token %d", id)
}
