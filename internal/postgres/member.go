package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

const sqlMemberListPart = `
	select u.id, u.email, u.name, u.is_active as user_active, u.created_at as user_created, u.last_login_at, m.role, m.is_active, m.is_provisioned,
		m.external_id, m.created_at, u.totp_secret <> '' or exists (select from passkeys k where k.user_id = u.id) as has_factor,
		exists (select from identities i where i.organization_id = m.organization_id and i.user_id = u.id) as has_sso,
		array(select tm.team_id from team_members tm join teams t on t.organization_id = tm.organization_id and t.id = tm.team_id
			where tm.organization_id = m.organization_id and tm.user_id = u.id order by t.slug) as team_ids,
		array(select t.slug from team_members tm join teams t on t.organization_id = tm.organization_id and t.id = tm.team_id
			where tm.organization_id = m.organization_id and tm.user_id = u.id order by t.slug) as team_slugs,
		array(select tm.role from team_members tm join teams t on t.organization_id = tm.organization_id and t.id = tm.team_id
			where tm.organization_id = m.organization_id and tm.user_id = u.id order by t.slug) as team_roles
	from memberships m join users u on u.id = m.user_id
	where m.organization_id = @org`

const (
	sqlMemberList = sqlMemberListPart + ` order by lower(u.email) limit 10000`
	sqlMember     = sqlMemberListPart + ` and u.id = @user`
)

type memberRow struct {
	ID            int64
	Email         string
	Name          string
	UserActive    bool
	UserCreated   time.Time
	LastLoginAt   *time.Time
	Role          string
	IsActive      bool
	IsProvisioned bool
	ExternalID    string
	CreatedAt     time.Time
	HasFactor     bool
	HasSSO        bool    `db:"has_sso"`
	TeamIDs       []int64 `db:"team_ids"`
	TeamSlugs     []string
	TeamRoles     []string
}

func rowToMember(row pgx.CollectableRow) (account.Member, error) {
	r, err := pgx.RowToStructByName[memberRow](row)
	if err != nil {
		return account.Member{}, err
	}
	m := account.Member{ID: r.ID, Email: r.Email, Role: account.Role(r.Role), Active: r.IsActive && r.UserActive, Provisioned: r.IsProvisioned,
		ExternalID: r.ExternalID, CreatedAt: r.CreatedAt, HasFactor: r.HasFactor, HasSSO: r.HasSSO, LastUsedAt: r.LastLoginAt,
		User: &account.User{ID: r.ID, Email: r.Email, Name: r.Name, Active: r.UserActive, CreatedAt: r.UserCreated, LastLoginAt: r.LastLoginAt}}
	for i, id := range r.TeamIDs {
		m.Teams = append(m.Teams, account.TeamPlace{Team: id, Slug: r.TeamSlugs[i], Role: account.TeamRole(r.TeamRoles[i])})
	}
	return m, nil
}

// MemberList lists an organization's members by address, those switched off included.
func (st *Store) MemberList(ctx context.Context, org int64) ([]account.Member, error) {
	rows, _ := st.db.Query(ctx, sqlMemberList, pgx.StrictNamedArgs{"org": org})
	list, err := pgx.CollectRows(rows, rowToMember)
	return list, translate(err, "list the members of organization %d", org)
}

// Member returns a member of an organization. fault.Unknown: the user is none.
func (st *Store) Member(ctx context.Context, org, user int64) (account.Member, error) {
	rows, _ := st.db.Query(ctx, sqlMember, pgx.StrictNamedArgs{"org": org, "user": user})
	m, err := pgx.CollectExactlyOneRow(rows, rowToMember)
	return m, translate(err, "The requested resource does not exist")
}

// MemberChange says what to change of a membership; nil leaves a part as it is.
type MemberChange struct {
	Role        *account.Role
	Active      *bool
	Provisioned *bool
	ExternalID  *string
}

const (
	sqlLockOwners = `
	select m.user_id from memberships m join users u on u.id = m.user_id
	where m.organization_id = @org and m.role = 'owner' and m.is_active and u.is_active order by m.user_id for update of m`

	sqlUpdateMember = `
	update memberships set role = coalesce(@role, role), is_active = coalesce(@active, is_active),
		is_provisioned = coalesce(@provisioned, is_provisioned), external_id = coalesce(@external, external_id)
	where organization_id = @org and user_id = @user`

	sqlDeleteMember = `delete from memberships where organization_id = @org and user_id = @user`

	// Tokens of someone who left or was switched off end at once, and so do logins that only their
	// organization vouched for.
	sqlEndMemberTokens = `
	update api_tokens set revoked_at = now() where organization_id = @org and user_id = @user and revoked_at is null`
	sqlEndMemberLogins = `delete from logins where organization_id = @org and user_id = @user`
)

// ErrLastOwner keeps an organization from losing everybody who may do everything.
var ErrLastOwner = fault.New(fault.Conflict, "An organization keeps at least one owner. Make somebody else an owner first.")

// UpdateMember changes a membership. ErrLastOwner: it is the last owner's. fault.Unknown: the
// user is no member.
func (st *Store) UpdateMember(ctx context.Context, org, user int64, c MemberChange) error {
	loses := c.Role != nil && *c.Role != account.RoleOwner || c.Active != nil && !*c.Active
	return st.changeMember(ctx, org, user, loses, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sqlUpdateMember, pgx.StrictNamedArgs{"org": org, "user": user, "role": c.Role, "active": c.Active,
			"provisioned": c.Provisioned, "external": c.ExternalID})
		if err != nil || tag.RowsAffected() == 0 {
			return changed(0, err, "change a member")
		}
		if c.Active != nil && !*c.Active {
			return endMember(ctx, tx, org, user)
		}
		return nil
	})
}

// RemoveMember takes a user out of an organization, with their places in teams and their tokens
// there. Kinds as of UpdateMember.
func (st *Store) RemoveMember(ctx context.Context, org, user int64) error {
	return st.changeMember(ctx, org, user, true, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sqlDeleteMember, pgx.StrictNamedArgs{"org": org, "user": user})
		if err != nil || tag.RowsAffected() == 0 {
			return changed(0, err, "remove a member")
		}
		return endMember(ctx, tx, org, user)
	})
}

func endMember(ctx context.Context, tx pgx.Tx, org, user int64) error {
	args := pgx.StrictNamedArgs{"org": org, "user": user}
	if _, err := tx.Exec(ctx, sqlEndMemberTokens, args); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, sqlEndMemberLogins, args)
	return err
}

// changeMember runs a change that may take an owner away, unless they are the last one.
func (st *Store) changeMember(ctx context.Context, org, user int64, loses bool, change func(pgx.Tx) error) error {
	err := retry(ctx, func() error {
		return pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
			if loses {
				rows, _ := tx.Query(ctx, sqlLockOwners, pgx.StrictNamedArgs{"org": org})
				owners, err := pgx.CollectRows(rows, pgx.RowTo[int64])
				if err != nil {
					return err
				}
				if len(owners) == 1 && owners[0] == user {
					return ErrLastOwner
				}
			}
			return change(tx)
		})
	})
	return translate(err, "change member %d of organization %d", user, org)
}

const (
	sqlFindMembership = `
	select u.id, exists (select from memberships m where m.organization_id = @org and m.user_id = u.id)
	from users u where lower(u.email) = lower(@email)`

	sqlProvision = `
	insert into memberships (organization_id, user_id, role, is_active, is_provisioned, external_id) values (@org, @user, @role, @active, true, @external)`
)

// ProvisionMember gives an address a place in an organization on behalf of its identity provider,
// making an account without a password when there is none. fault.Conflict: it has a place already.
func (st *Store) ProvisionMember(ctx context.Context, org int64, email, name, external string, role account.Role, active bool) (user int64, err error) {
	err = pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
		var member bool
		err := tx.QueryRow(ctx, sqlFindMembership, pgx.StrictNamedArgs{"org": org, "email": email}).Scan(&user, &member)
		switch {
		case err == nil && member:
			return fault.New(fault.Conflict, "The user %s is already a member", email)
		case err != nil && kindOf(err) != fault.Unknown:
			return err
		case err != nil:
			user = NewID()
			if _, err := tx.Exec(ctx, sqlInsertUser, pgx.StrictNamedArgs{"id": user, "email": email, "name": clean(name, 200), "hash": ""}); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, sqlProvision, pgx.StrictNamedArgs{"org": org, "user": user, "role": role, "active": active, "external": clean(external, 200)})
		return err
	})
	return user, translate(err, "provision a member")
}

const sqlInvitesPart = `
	select i.id, i.email, i.role, i.team_ids, i.created_at, i.expires_at, coalesce(u.email, '') as invited_by
	from invites i left join users u on u.id = i.invited_by where i.organization_id = @org`

const (
	sqlInvites = sqlInvitesPart + ` order by lower(i.email) limit 1000`
	sqlInvite  = sqlInvitesPart + ` and i.id = @id`
)

func rowToInvite(row pgx.CollectableRow) (m account.Member, err error) {
	var teams []int64
	err = row.Scan(&m.ID, &m.Email, &m.Role, &teams, &m.CreatedAt, &m.ExpiresAt, &m.InvitedBy)
	m.Pending, m.Active = true, true
	for _, id := range teams {
		m.Teams = append(m.Teams, account.TeamPlace{Team: id, Role: account.TeamContributor})
	}
	return m, err
}

// Invites lists an organization's invites that nobody accepted yet, by address.
func (st *Store) Invites(ctx context.Context, org int64) ([]account.Member, error) {
	rows, _ := st.db.Query(ctx, sqlInvites, pgx.StrictNamedArgs{"org": org})
	list, err := pgx.CollectRows(rows, rowToInvite)
	return list, translate(err, "list the invites of organization %d", org)
}

// Invite returns one invite of an organization. fault.Unknown: it has none of that id.
func (st *Store) Invite(ctx context.Context, org, id int64) (account.Member, error) {
	rows, _ := st.db.Query(ctx, sqlInvite, pgx.StrictNamedArgs{"org": org, "id": id})
	m, err := pgx.CollectExactlyOneRow(rows, rowToInvite)
	return m, translate(err, "The requested resource does not exist")
}

const (
	sqlHasMember = `
	select exists (select from memberships m join users u on u.id = m.user_id where m.organization_id = @org and lower(u.email) = lower(@email))`

	sqlPutInvite = `
	insert into invites (organization_id, id, email, role, team_ids, token_hash, invited_by, expires_at)
	select @org, @id, @email, @role, array(select t.id from teams t where t.organization_id = @org and t.id = any(@teams::bigint[])),
		@hash, nullif(@by::bigint, 0), @expires
	on conflict (organization_id, lower(email)) do update set role = excluded.role, team_ids = excluded.team_ids,
		token_hash = excluded.token_hash, invited_by = excluded.invited_by, created_at = now(), expires_at = excluded.expires_at
	returning id`
)

// PutInvite invites an address to an organization, or anew with a new link: the old one ends.
// fault.Conflict: it is a member's.
func (st *Store) PutInvite(ctx context.Context, org int64, email string, role account.Role, teams []int64, by int64) (account.Member, string, error) {
	email, err := account.CheckEmail(email)
	if err != nil {
		return account.Member{}, "", err
	}
	var member bool
	if err := st.db.QueryRow(ctx, sqlHasMember, pgx.StrictNamedArgs{"org": org, "email": email}).Scan(&member); err != nil {
		return account.Member{}, "", translate(err, "invite somebody")
	}
	if member {
		return account.Member{}, "", fault.New(fault.Conflict, "The user %s is already a member", email)
	}
	if teams == nil {
		teams = []int64{}
	}
	secret := account.NewLinkToken()
	hash := account.HashToken(secret)
	var id int64
	err = st.db.QueryRow(ctx, sqlPutInvite, pgx.StrictNamedArgs{"org": org, "id": NewID(), "email": email, "role": role, "teams": teams,
		"hash": hash[:], "by": by, "expires": time.Now().Add(account.InviteFor)}).Scan(&id)
	if err != nil {
		return account.Member{}, "", translate(err, "invite somebody")
	}
	m, err := st.Invite(ctx, org, id)
	return m, secret, err
}

const sqlUpdateInvite = `
	update invites set role = @role, team_ids = array(select t.id from teams t where t.organization_id = @org and t.id = any(@teams::bigint[]))
	where organization_id = @org and id = @id`

// UpdateInvite changes what an invite promises.
func (st *Store) UpdateInvite(ctx context.Context, org, id int64, role account.Role, teams []int64) error {
	if teams == nil {
		teams = []int64{}
	}
	tag, err := st.db.Exec(ctx, sqlUpdateInvite, pgx.StrictNamedArgs{"org": org, "id": id, "role": role, "teams": teams})
	return changed(tag.RowsAffected(), err, "change an invite")
}

const sqlDeleteInvite = `delete from invites where organization_id = @org and id = @id`

// DeleteInvite takes an invite back.
func (st *Store) DeleteInvite(ctx context.Context, org, id int64) error {
	tag, err := st.db.Exec(ctx, sqlDeleteInvite, pgx.StrictNamedArgs{"org": org, "id": id})
	return changed(tag.RowsAffected(), err, "take an invite back")
}

const sqlInviteByToken = `
	select i.id, i.email, i.role, o.id, o.slug, o.name, o.created_at, u.id
	from invites i join organizations o on o.id = i.organization_id left join users u on lower(u.email) = lower(i.email)
	where i.token_hash = @hash and i.expires_at > now()`

// Invitation is what the holder of an invite's link learns.
type Invitation struct {
	ID           int64
	Membership   account.Membership
	Email        string
	ExistingUser int64 // whose address it is; 0: nobody's yet
}

// InvitationByToken returns the invite that a link belongs to. fault.Unknown: none, any more.
func (st *Store) InvitationByToken(ctx context.Context, secret string) (v Invitation, err error) {
	hash := account.HashToken(secret)
	o := &v.Membership.Organization
	var user *int64
	err = st.db.QueryRow(ctx, sqlInviteByToken, pgx.StrictNamedArgs{"hash": hash[:]}).Scan(&v.ID, &v.Email, &v.Membership.Role, &o.ID, &o.Slug, &o.Name, &o.CreatedAt, &user)
	if user != nil {
		v.ExistingUser = *user
	}
	return v, translate(err, "This invite is no longer good. Ask for a new one.")
}

const (
	sqlTakeInvite = `
	delete from invites where token_hash = @hash and expires_at > now() returning organization_id, email, role, team_ids`

	sqlJoin = `
	insert into memberships (organization_id, user_id, role) values (@org, @user, @role) on conflict (organization_id, user_id) do nothing`

	sqlJoinTeams = `
	insert into team_members (organization_id, team_id, user_id)
	select @org, t.id, @user from teams t where t.organization_id = @org and t.id = any(@teams::bigint[]) on conflict do nothing`
)

// AcceptInvite makes the user with the invited address a member, or a new user when passwordHash
// is not empty; the link is used up. fault.Unknown: the link is no good any more. fault.Denied:
// the user has another address than the one that was invited.
func (st *Store) AcceptInvite(ctx context.Context, secret string, user int64, name, passwordHash string) (account.User, int64, error) {
	hash := account.HashToken(secret)
	var u account.User
	var org int64
	err := pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
		var email string
		var role account.Role
		var teams []int64
		if err := tx.QueryRow(ctx, sqlTakeInvite, pgx.StrictNamedArgs{"hash": hash[:]}).Scan(&org, &email, &role, &teams); err != nil {
			return translate(err, "This invite is no longer good. Ask for a new one.")
		}
		rows, _ := tx.Query(ctx, sqlUserByEmail, pgx.StrictNamedArgs{"email": email})
		row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[userRow])
		switch {
		case err == nil && row.ID != user:
			return fault.New(fault.Denied, "This invite is for %s. Sign in with that address to accept it.", email)
		case err == nil:
			u = row.user()
		case passwordHash == "":
			return translate(err, "There is no account for %s yet.", email)
		default:
			u = account.User{ID: NewID(), Email: email, Name: name, PasswordHash: passwordHash, Active: true}
			if _, err := tx.Exec(ctx, sqlInsertUser, pgx.StrictNamedArgs{"id": u.ID, "email": email, "name": name, "hash": passwordHash}); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, sqlJoin, pgx.StrictNamedArgs{"org": org, "user": u.ID, "role": role}); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, sqlJoinTeams, pgx.StrictNamedArgs{"org": org, "user": u.ID, "teams": teams})
		return err
	})
	return u, org, translate(err, "accept an invite")
}
