package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

const sqlInsertUser = `
	insert into users (id, email, name, password_hash) values (@id, @email, @name, @hash)`

// CreateUser makes a user with an address nobody else has. fault.Conflict: somebody has it.
func (st *Store) CreateUser(ctx context.Context, email, name, password string) (account.User, error) {
	hash, err := account.HashPassword(ctx, password)
	if err != nil {
		return account.User{}, err
	}
	u := account.User{ID: NewID(), Email: strings.TrimSpace(email), Name: name, PasswordHash: hash, Active: true}
	if !strings.Contains(u.Email, "@") || len(u.Email) > 254 {
		return account.User{}, fault.New(fault.Invalid, "an e-mail address has an @ and at most 254 bytes")
	}
	_, err = st.db.Exec(ctx, sqlInsertUser, pgx.StrictNamedArgs{"id": u.ID, "email": u.Email, "name": name, "hash": hash})
	return u, translate(err, "create a user")
}

type userRow struct {
	ID           int64
	Email        string
	Name         string
	PasswordHash string
	IsActive     bool
	CreatedAt    time.Time
	LastLoginAt  *time.Time
	TOTPSecret   string `db:"totp_secret"`
	TOTPStep     int64  `db:"totp_step"`
}

func (r userRow) user() account.User {
	return account.User{ID: r.ID, Email: r.Email, Name: r.Name, PasswordHash: r.PasswordHash, Active: r.IsActive,
		CreatedAt: r.CreatedAt, LastLoginAt: r.LastLoginAt, TOTP: r.TOTPSecret, TOTPStep: r.TOTPStep}
}

const sqlUserByEmail = `
	select id, email, name, password_hash, is_active, created_at, last_login_at, totp_secret, totp_step
	from users where lower(email) = lower(@email)`

// UserByEmail returns the user with an address, in any case. fault.Unknown: there is none.
func (st *Store) UserByEmail(ctx context.Context, email string) (account.User, error) {
	rows, _ := st.db.Query(ctx, sqlUserByEmail, pgx.StrictNamedArgs{"email": strings.TrimSpace(email)})
	row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[userRow])
	return row.user(), translate(err, "find a user by address")
}

const sqlUserByID = `
	select id, email, name, password_hash, is_active, created_at, last_login_at, totp_secret, totp_step from users where id = @id`

// User returns a user. fault.Unknown: there is none.
func (st *Store) User(ctx context.Context, id int64) (account.User, error) {
	rows, _ := st.db.Query(ctx, sqlUserByID, pgx.StrictNamedArgs{"id": id})
	row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[userRow])
	return row.user(), translate(err, "find user %d", id)
}

const sqlSetPassword = `update users set password_hash = @hash where id = @id`

// SetPasswordHash replaces a user's password hash.
func (st *Store) SetPasswordHash(ctx context.Context, id int64, hash string) error {
	_, err := st.db.Exec(ctx, sqlSetPassword, pgx.StrictNamedArgs{"id": id, "hash": hash})
	return translate(err, "set the password of user %d", id)
}

const sqlTouchLogin = `update users set last_login_at = now() where id = @id`

// SignIn returns the active user with this address and password, and notes the moment. Unknown
// addresses take as long as wrong passwords and look the same: fault.Unauthenticated.
func (st *Store) SignIn(ctx context.Context, email, password string) (account.User, error) {
	u, err := st.UserByEmail(ctx, email)
	if err != nil && fault.KindOf(err) != fault.Unknown {
		return account.User{}, err
	}
	ok, stale, err := account.VerifyPassword(ctx, u.PasswordHash, password)
	if err != nil {
		return account.User{}, err
	}
	if !ok || !u.Active {
		return account.User{}, fault.New(fault.Unauthenticated, "The e-mail address or the password is wrong.")
	}
	if stale {
		if u.PasswordHash, err = account.HashPassword(ctx, password); err != nil {
			return account.User{}, err
		}
		if err := st.SetPasswordHash(ctx, u.ID, u.PasswordHash); err != nil {
			return account.User{}, err
		}
	}
	_, err = st.db.Exec(ctx, sqlTouchLogin, pgx.StrictNamedArgs{"id": u.ID})
	return u, translate(err, "note the sign-in of user %d", u.ID)
}

const sqlInsertMembership = `
	insert into memberships (organization_id, user_id, role) values (@org, @user, @role)
	on conflict (organization_id, user_id) do update set role = excluded.role`

// SetMembership makes a user a member of an organization, or changes the role of one.
func (st *Store) SetMembership(ctx context.Context, org, user int64, role account.Role) error {
	_, err := st.db.Exec(ctx, sqlInsertMembership, pgx.StrictNamedArgs{"org": org, "user": user, "role": role})
	return translate(err, "make user %d a member of organization %d", user, org)
}

// sqlReachPart is the projects of a membership m in organization o: null is every project.
const sqlReachPart = `
	case when m.role is null or m.role in ('owner', 'manager') or not coalesce((o.settings->>'closed_membership')::boolean, false) then null
		else array(select distinct tp.project_id from team_members tm
			join team_projects tp on tp.organization_id = tm.organization_id and tp.team_id = tm.team_id
			where tm.organization_id = o.id and tm.user_id = m.user_id) end`

const sqlMemberships = `
	select o.id, o.slug, o.name, o.created_at, m.role, coalesce(i.is_required, false) as sso_required,
		coalesce((o.settings->>'require_second_factor')::boolean, false) as needs_factor, ` + sqlReachPart + ` as projects
	from memberships m join organizations o on o.id = m.organization_id
	left join identity_providers i on i.organization_id = o.id
	where m.user_id = @user and m.is_active order by o.slug limit 1000`

// Memberships lists a user's organizations by slug, without those they were switched off in.
func (st *Store) Memberships(ctx context.Context, user int64) ([]account.Membership, error) {
	rows, _ := st.db.Query(ctx, sqlMemberships, pgx.StrictNamedArgs{"user": user})
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m account.Membership, err error) {
		o := &m.Organization
		return m, row.Scan(&o.ID, &o.Slug, &o.Name, &o.CreatedAt, &m.Role, &m.SSORequired, &m.NeedsFactor, &m.Projects)
	})
	return list, translate(err, "list the organizations of user %d", user)
}

// Principal returns what a signed-in user may do in an organization, named by id or slug.
// fault.Unknown: the user is inactive or no member of it.
func (st *Store) Principal(ctx context.Context, user int64, organization string) (*account.Principal, error) {
	u, err := st.User(ctx, user)
	if err != nil {
		return nil, err
	}
	members, err := st.Memberships(ctx, user)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		if u.Active && isNamed(m.Organization.ID, m.Organization.Slug, organization) {
			return &account.Principal{User: &u, Organization: m.Organization, Role: m.Role, Scopes: m.Role.Scopes(), Projects: m.Projects}, nil
		}
	}
	return nil, fault.New(fault.Unknown, "The requested resource does not exist")
}

const sqlMembers = `
	select u.id, u.name, u.email from memberships m join users u on u.id = m.user_id
	where m.organization_id = @org and u.is_active and m.is_active order by lower(u.email) limit 1000`

// Members lists the active members of an organization by address.
func (st *Store) Members(ctx context.Context, org int64) ([]Person, error) {
	rows, _ := st.db.Query(ctx, sqlMembers, pgx.StrictNamedArgs{"org": org})
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Person])
	return list, translate(err, "list the members of organization %d", org)
}
