package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

// IdentityProvider is the OpenID provider that vouches for an organization's members.
type IdentityProvider struct {
	Organization int64
	Slug         string // of the organization
	Issuer       string
	ClientID     string
	ClientSecret string // sealed
	Domains      []string
	DefaultRole  account.Role
	Required     bool
}

const (
	sqlProvider = `
	select i.organization_id, o.slug, i.issuer, i.client_id, i.client_secret, i.domains, i.default_role, i.is_required
	from identity_providers i join organizations o on o.id = i.organization_id where o.slug = @org`

	sqlPutProvider = `
	insert into identity_providers as p (organization_id, issuer, client_id, client_secret, domains, default_role, is_required)
	values (@org, @issuer, @client, @secret, @domains, @role, @required)
	on conflict (organization_id) do update set issuer = excluded.issuer, client_id = excluded.client_id,
		client_secret = case when excluded.client_secret = '' then p.client_secret else excluded.client_secret end,
		domains = excluded.domains, default_role = excluded.default_role, is_required = excluded.is_required`

	sqlDeleteProvider = `delete from identity_providers where organization_id = @org`
)

// IdentityProvider returns the provider of the organization with a slug. fault.Unknown: it has none.
func (st *Store) IdentityProvider(ctx context.Context, org string) (p IdentityProvider, err error) {
	err = st.db.QueryRow(ctx, sqlProvider, pgx.StrictNamedArgs{"org": org}).Scan(&p.Organization, &p.Slug, &p.Issuer, &p.ClientID, &p.ClientSecret,
		&p.Domains, &p.DefaultRole, &p.Required)
	return p, translate(err, "Single sign-on is not set up for this organization.")
}

// PutIdentityProvider stores an organization's provider; an empty secret keeps the one there is.
func (st *Store) PutIdentityProvider(ctx context.Context, p IdentityProvider) error {
	if p.Domains == nil {
		p.Domains = []string{}
	}
	_, err := st.db.Exec(ctx, sqlPutProvider, pgx.StrictNamedArgs{"org": p.Organization, "issuer": p.Issuer, "client": p.ClientID,
		"secret": p.ClientSecret, "domains": p.Domains, "role": p.DefaultRole, "required": p.Required})
	return translate(err, "store the identity provider of organization %d", p.Organization)
}

// DeleteIdentityProvider switches single sign-on off; whom it vouched for keep their accounts.
func (st *Store) DeleteIdentityProvider(ctx context.Context, org int64) error {
	tag, err := st.db.Exec(ctx, sqlDeleteProvider, pgx.StrictNamedArgs{"org": org})
	return changed(tag.RowsAffected(), err, "remove the identity provider")
}

// Vouched is what an organization's provider says of somebody who signed in with it.
type Vouched struct {
	Organization int64
	Issuer       string
	Subject      string
	Email        string
	Name         string
	// MayJoin: the address is verified and of a domain the provider may vouch for.
	MayJoin bool
	Role    account.Role // of a new member
}

const (
	sqlIdentityUser = `
	select u.id, u.email, u.name, u.password_hash, u.is_active, u.created_at, u.last_login_at, u.totp_secret, u.totp_step
	from identities i join users u on u.id = i.user_id
	where i.organization_id = @org and i.issuer = @issuer and i.subject = @subject`

	sqlInsertIdentity = `
	insert into identities (organization_id, issuer, subject, user_id) values (@org, @issuer, @subject, @user)`

	sqlMembershipState = `select is_active from memberships where organization_id = @org and user_id = @user`
)

// SignInVouched returns the member that an identity belongs to. An identity nobody has yet is
// given to the member with its address, or to a new user who becomes a member, provided that the
// provider may vouch for the address. An account that belongs to other organizations alone is
// never taken over: its owner accepts an invite first. fault.Denied says why not.
func (st *Store) SignInVouched(ctx context.Context, v Vouched) (u account.User, made bool, err error) {
	err = pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
		args := pgx.StrictNamedArgs{"org": v.Organization, "issuer": v.Issuer, "subject": v.Subject}
		rows, _ := tx.Query(ctx, sqlIdentityUser, args)
		row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[userRow])
		if err == nil {
			u = row.user()
			return vouchedMember(ctx, tx, v, u)
		}
		if kindOf(err) != fault.Unknown {
			return err
		}
		if !v.MayJoin {
			return fault.New(fault.Denied, "Nobody here has this identity yet, and the provider may not vouch for its address. Ask for an invite.")
		}
		rows, _ = tx.Query(ctx, sqlUserByEmail, pgx.StrictNamedArgs{"email": v.Email})
		row, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[userRow])
		switch {
		case err == nil:
			u = row.user()
			if err := vouchedMember(ctx, tx, v, u); err != nil {
				return err
			}
		case kindOf(err) == fault.Unknown:
			made = true
			u = account.User{ID: NewID(), Email: v.Email, Name: v.Name, Active: true}
			if _, err := tx.Exec(ctx, sqlInsertUser, pgx.StrictNamedArgs{"id": u.ID, "email": u.Email, "name": u.Name, "hash": ""}); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, sqlJoin, pgx.StrictNamedArgs{"org": v.Organization, "user": u.ID, "role": v.Role}); err != nil {
				return err
			}
		default:
			return err
		}
		args["user"] = u.ID
		if _, err = tx.Exec(ctx, sqlInsertIdentity, args); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, sqlTouchLogin, pgx.StrictNamedArgs{"id": u.ID})
		return err
	})
	return u, made, translate(err, "sign in with an identity provider")
}

func vouchedMember(ctx context.Context, tx pgx.Tx, v Vouched, u account.User) error {
	var active bool
	err := tx.QueryRow(ctx, sqlMembershipState, pgx.StrictNamedArgs{"org": v.Organization, "user": u.ID}).Scan(&active)
	if err != nil && kindOf(err) != fault.Unknown {
		return err
	}
	if err != nil || !active || !u.Active {
		return fault.New(fault.Denied, "This account is not a member of the organization, or was switched off there. Ask for an invite.")
	}
	return nil
}
