package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

const sqlInsertToken = `
	insert into api_tokens (id, organization_id, user_id, name, token_hash, last_characters, scopes, expires_at, kind, project_ids, created_by)
	values (@id, @org, nullif(@user::bigint, 0), @name, @hash, @last, @scopes, @expires, @kind, @projects, nullif(@by::bigint, 0))`

// CreateToken stores a user's token by its hash and returns the secret, which nobody can read
// again. ID, LastCharacters and the times of t are filled in here.
func (st *Store) CreateToken(ctx context.Context, t account.Token) (account.Token, string, error) {
	return st.StoreToken(ctx, t, account.NewUserToken())
}

// StoreToken stores a token of any kind, whose secret the caller made.
func (st *Store) StoreToken(ctx context.Context, t account.Token, secret string) (account.Token, string, error) {
	t.ID, t.LastCharacters, t.CreatedAt = NewID(), account.LastCharacters(secret), time.Now().UTC()
	if t.Kind == "" {
		t.Kind = account.TokenUser
	}
	t.Name = clean(t.Name, 255)
	_, err := st.db.Exec(ctx, sqlInsertToken, tokenArgs(t, secret))
	return t, secret, translate(err, "create a token")
}

func tokenArgs(t account.Token, secret string) pgx.StrictNamedArgs {
	hash := account.HashToken(secret)
	return pgx.StrictNamedArgs{"id": t.ID, "org": t.Organization, "user": t.User, "name": t.Name, "hash": hash[:],
		"last": t.LastCharacters, "scopes": t.Scopes.Strings(), "expires": t.ExpiresAt, "kind": t.Kind, "projects": t.Projects, "by": t.CreatedBy}
}

// Looking a token up notes its use too, so that a token costs one statement a minute.
const sqlTokenByHash = `
	with used as (
		update api_tokens set last_used_at = now()
		where token_hash = @hash and revoked_at is null and (last_used_at is null or last_used_at < now() - interval '1 minute'))
	select t.id, t.user_id, t.name, t.kind, t.scopes, t.project_ids, t.expires_at, o.id, o.slug, o.name, o.created_at,
		coalesce(m.role, ''), coalesce(u.is_active and m.is_active, false), coalesce(u.email, ''), coalesce(u.name, ''), u.created_at, u.last_login_at,
		` + sqlReachPart + `
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
	var tokenProjects, reach []int64
	err := st.db.QueryRow(ctx, sqlTokenByHash, pgx.StrictNamedArgs{"hash": hash[:]}).Scan(&h.Token, &userID, &h.Principal.TokenName, &h.Principal.Kind,
		&scopes, &tokenProjects, &h.ExpiresAt, &o.ID, &o.Slug, &o.Name, &o.CreatedAt, &h.Principal.Role, &active, &u.Email, &u.Name, &userCreated,
		&u.LastLoginAt, &reach)
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
	h.Principal.Token, h.Principal.Projects = h.Token, account.Narrow(reach, tokenProjects)
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

const sqlTokensPart = `
	select t.id, t.organization_id, coalesce(t.user_id, 0) as user_id, t.kind, t.name, t.last_characters, t.scopes, t.project_ids, t.created_at,
		t.expires_at, t.last_used_at, coalesce(t.created_by, 0) as created_by, coalesce(u.email, '') as creator
	from api_tokens t left join users u on u.id = coalesce(t.created_by, t.user_id)
	where t.organization_id = @org and t.revoked_at is null`

const (
	sqlUserTokens = sqlTokensPart + ` and t.user_id = @user order by t.created_at desc, t.id desc limit 1000`
	sqlOrgTokens  = sqlTokensPart + ` and t.user_id is null order by t.last_used_at desc nulls last, t.id desc limit 1000`
)

type tokenRow struct {
	ID             int64
	OrganizationID int64
	UserID         int64
	Kind           string
	Name           string
	LastCharacters string
	Scopes         []string
	ProjectIDs     []int64 `db:"project_ids"`
	CreatedAt      time.Time
	ExpiresAt      *time.Time
	LastUsedAt     *time.Time
	CreatedBy      int64
	Creator        string
}

func rowToToken(row pgx.CollectableRow) (account.Token, error) {
	r, err := pgx.RowToStructByName[tokenRow](row)
	t := account.Token{ID: r.ID, Organization: r.OrganizationID, User: r.UserID, Kind: account.TokenKind(r.Kind), Name: r.Name,
		LastCharacters: r.LastCharacters, Projects: r.ProjectIDs, CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, LastUsedAt: r.LastUsedAt,
		CreatedBy: r.CreatedBy, Creator: r.Creator}
	for _, s := range r.Scopes {
		t.Scopes = append(t.Scopes, account.Scope(s))
	}
	return t, err
}

// Tokens lists the tokens of a user in an organization, newest first; those of the organization's
// own, last used first, when user is 0. Revoked ones are left out.
func (st *Store) Tokens(ctx context.Context, org, user int64) ([]account.Token, error) {
	var rows pgx.Rows
	if user == 0 {
		rows, _ = st.db.Query(ctx, sqlOrgTokens, pgx.StrictNamedArgs{"org": org})
	} else {
		rows, _ = st.db.Query(ctx, sqlUserTokens, pgx.StrictNamedArgs{"org": org, "user": user})
	}
	list, err := pgx.CollectRows(rows, rowToToken)
	return list, translate(err, "list the tokens of organization %d", org)
}

const sqlRenameToken = `
	update api_tokens set name = @name
	where organization_id = @org and id = @id and coalesce(user_id, 0) = @user and revoked_at is null`

// RenameToken gives a token another name; user is its owner, 0 for one of the organization's own.
func (st *Store) RenameToken(ctx context.Context, org, user, id int64, name string) error {
	tag, err := st.db.Exec(ctx, sqlRenameToken, pgx.StrictNamedArgs{"org": org, "user": user, "id": id, "name": clean(name, 255)})
	return changed(tag.RowsAffected(), err, "rename a token")
}

const sqlRevokeOwnToken = `
	update api_tokens set revoked_at = now()
	where organization_id = @org and id = @id and coalesce(user_id, 0) = @user and revoked_at is null returning token_hash, name`

// RevokeOwnToken ends a token of a user, or of the organization's own when user is 0, and returns
// its hash and name. fault.Unknown: they have no such token.
func (st *Store) RevokeOwnToken(ctx context.Context, org, user, id int64) (hash [32]byte, name string, err error) {
	var raw []byte
	err = st.db.QueryRow(ctx, sqlRevokeOwnToken, pgx.StrictNamedArgs{"org": org, "user": user, "id": id}).Scan(&raw, &name)
	copy(hash[:], raw)
	return hash, name, translate(err, "The requested resource does not exist")
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
