package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/account"
)

const sqlInsertLogin = `
	insert into logins (id, user_id, method, organization_id, address, user_agent)
	values (@id, @user, @method, nullif(@org::bigint, 0), @address, @agent)`

// RecordLogin notes that a browser signed in and returns the number its session is to carry.
func (st *Store) RecordLogin(ctx context.Context, l account.Login) (int64, error) {
	l.ID = NewID()
	_, err := st.db.Exec(ctx, sqlInsertLogin, pgx.StrictNamedArgs{"id": l.ID, "user": l.User, "method": l.Method, "org": l.Organization,
		"address": clean(l.Address, 64), "agent": clean(l.UserAgent, 400)})
	return l.ID, translate(err, "note a login")
}

const sqlUserLogins = `
	select id, user_id, method, coalesce(organization_id, 0) as organization_id, address, user_agent, created_at, last_seen_at
	from logins where user_id = @user order by last_seen_at desc, id desc limit 200`

// UserLogins lists the browsers that a user is signed in with, last seen first.
func (st *Store) UserLogins(ctx context.Context, user int64) ([]account.Login, error) {
	rows, _ := st.db.Query(ctx, sqlUserLogins, pgx.StrictNamedArgs{"user": user})
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l account.Login, err error) {
		return l, row.Scan(&l.ID, &l.User, &l.Method, &l.Organization, &l.Address, &l.UserAgent, &l.CreatedAt, &l.LastSeenAt)
	})
	return list, translate(err, "list the logins of user %d", user)
}

const (
	sqlEndLogin  = `delete from logins where user_id = @user and id = @id`
	sqlEndLogins = `delete from logins where user_id = @user and id <> @except`
	sqlSeenLogin = `update logins set last_seen_at = now(), address = @address where id = @id and last_seen_at < now() - interval '5 minutes'`
	// No session outlasts its absolute deadline, so what is older belongs to none.
	sqlExpireLoginRows = `delete from logins where created_at < now() - @lifetime::interval`
)

// EndLogin signs one of a user's browsers out. fault.Unknown: there is none of that number.
func (st *Store) EndLogin(ctx context.Context, user, id int64) error {
	tag, err := st.db.Exec(ctx, sqlEndLogin, pgx.StrictNamedArgs{"user": user, "id": id})
	return changed(tag.RowsAffected(), err, "end a login")
}

// EndLogins signs all of a user's browsers out but one; except 0: every one.
func (st *Store) EndLogins(ctx context.Context, user, except int64) error {
	_, err := st.db.Exec(ctx, sqlEndLogins, pgx.StrictNamedArgs{"user": user, "except": except})
	return translate(err, "end the logins of user %d", user)
}

// SeenLogin notes that a login is in use, at most every five minutes.
func (st *Store) SeenLogin(ctx context.Context, id int64, address string) error {
	_, err := st.db.Exec(ctx, sqlSeenLogin, pgx.StrictNamedArgs{"id": id, "address": clean(address, 64)})
	return translate(err, "note the use of a login")
}

// ExpireLoginRows forgets logins whose sessions cannot be alive any more.
func (st *Store) ExpireLoginRows(ctx context.Context, lifetime time.Duration) error {
	_, err := st.db.Exec(ctx, sqlExpireLoginRows, pgx.StrictNamedArgs{"lifetime": lifetime})
	return translate(err, "forget ended logins")
}

const (
	sqlInsertReset = `
	insert into password_resets (token_hash, user_id, expires_at) values (@hash, @user, @expires)`
	sqlDropResets = `delete from password_resets where user_id = @user or expires_at < now()`
	sqlResetUser  = `
	select u.id, u.email, u.name, u.password_hash, u.is_active, u.created_at, u.last_login_at, u.totp_secret, u.totp_step
	from password_resets r join users u on u.id = r.user_id where r.token_hash = @hash and r.expires_at > now() and u.is_active`
)

// CreateReset returns the secret of a link that lets a user choose a new password; older links of
// theirs end.
func (st *Store) CreateReset(ctx context.Context, user int64) (string, error) {
	secret := account.NewLinkToken()
	hash := account.HashToken(secret)
	b := &pgx.Batch{}
	b.Queue(sqlDropResets, pgx.StrictNamedArgs{"user": user})
	b.Queue(sqlInsertReset, pgx.StrictNamedArgs{"hash": hash[:], "user": user, "expires": time.Now().Add(account.ResetFor)})
	return secret, translate(st.db.SendBatch(ctx, b).Close(), "make a link to reset a password")
}

// ResetUser returns whose password a link resets. fault.Unknown: nobody's, any more.
func (st *Store) ResetUser(ctx context.Context, secret string) (account.User, error) {
	hash := account.HashToken(secret)
	rows, _ := st.db.Query(ctx, sqlResetUser, pgx.StrictNamedArgs{"hash": hash[:]})
	row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[userRow])
	return row.user(), translate(err, "This link is no longer good. Ask for a new one.")
}

// ResetPassword replaces the password of the user a link belongs to, uses the link up and ends
// their logins.
func (st *Store) ResetPassword(ctx context.Context, secret, passwordHash string) (account.User, error) {
	u, err := st.ResetUser(ctx, secret)
	if err != nil {
		return u, err
	}
	b := &pgx.Batch{}
	b.Queue(sqlDropResets, pgx.StrictNamedArgs{"user": u.ID})
	b.Queue(sqlSetPassword, pgx.StrictNamedArgs{"id": u.ID, "hash": passwordHash})
	b.Queue(sqlEndLogins, pgx.StrictNamedArgs{"user": u.ID, "except": 0})
	u.PasswordHash = passwordHash
	return u, translate(st.db.SendBatch(ctx, b).Close(), "reset a password")
}

const sqlSetUser = `update users set name = @name, email = @email where id = @id`

// SetUser changes a user's name and address. fault.Conflict: somebody else has the address.
func (st *Store) SetUser(ctx context.Context, id int64, name, email string) error {
	email, err := account.CheckEmail(email)
	if err != nil {
		return err
	}
	tag, err := st.db.Exec(ctx, sqlSetUser, pgx.StrictNamedArgs{"id": id, "name": clean(name, 200), "email": email})
	return changed(tag.RowsAffected(), err, "Somebody else has this address.")
}
