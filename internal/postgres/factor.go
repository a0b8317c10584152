package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

const (
	sqlSetTOTP = `update users set totp_secret = @secret, totp_step = @step where id = @id`
	// A code is good once: its time step must be later than the last one that was taken.
	sqlTakeTOTP = `update users set totp_step = @step where id = @id and totp_step < @step`

	sqlDropRecovery   = `delete from recovery_codes where user_id = @user`
	sqlInsertRecovery = `insert into recovery_codes (user_id, code_hash) select @user, unnest(@hashes::bytea[])`
	sqlTakeRecovery   = `delete from recovery_codes where user_id = @user and code_hash = @hash`
	sqlCountRecovery  = `select count(*) from recovery_codes where user_id = @user`
)

// SetTOTP stores a user's sealed secret for one-time codes; empty takes it away.
func (st *Store) SetTOTP(ctx context.Context, user int64, sealed string, step int64) error {
	_, err := st.db.Exec(ctx, sqlSetTOTP, pgx.StrictNamedArgs{"id": user, "secret": sealed, "step": step})
	return translate(err, "store the second factor of user %d", user)
}

// TakeTOTP uses up a time step; false: a code of it or of a later one was taken before.
func (st *Store) TakeTOTP(ctx context.Context, user, step int64) (bool, error) {
	tag, err := st.db.Exec(ctx, sqlTakeTOTP, pgx.StrictNamedArgs{"id": user, "step": step})
	return tag.RowsAffected() == 1, translate(err, "take a code of user %d", user)
}

// SetRecoveryCodes replaces a user's recovery codes; none: they have none any more.
func (st *Store) SetRecoveryCodes(ctx context.Context, user int64, codes []string) error {
	hashes := make([][]byte, len(codes))
	for i, c := range codes {
		h := account.HashToken(c)
		hashes[i] = h[:]
	}
	b := &pgx.Batch{}
	b.Queue(sqlDropRecovery, pgx.StrictNamedArgs{"user": user})
	b.Queue(sqlInsertRecovery, pgx.StrictNamedArgs{"user": user, "hashes": hashes})
	return translate(st.db.SendBatch(ctx, b).Close(), "store recovery codes")
}

// TakeRecoveryCode uses a recovery code up; false: the user has no such code.
func (st *Store) TakeRecoveryCode(ctx context.Context, user int64, code string) (bool, error) {
	hash := account.HashToken(code)
	tag, err := st.db.Exec(ctx, sqlTakeRecovery, pgx.StrictNamedArgs{"user": user, "hash": hash[:]})
	return tag.RowsAffected() == 1, translate(err, "take a recovery code")
}

// RecoveryCodes is how many recovery codes a user has left.
func (st *Store) RecoveryCodes(ctx context.Context, user int64) (n int, err error) {
	err = st.db.QueryRow(ctx, sqlCountRecovery, pgx.StrictNamedArgs{"user": user}).Scan(&n)
	return n, translate(err, "count recovery codes")
}

// Passkey is a public key that a user signs in with.
type Passkey struct {
	ID         []byte // credential id
	User       int64
	Name       string
	Credential json.RawMessage
	CreatedAt  time.Time
	LastUsedAt *time.Time
}

const (
	sqlPasskeys = `
	select credential_id, user_id, name, credential, created_at, last_used_at from passkeys where user_id = @user order by created_at`
	sqlInsertPasskey = `
	insert into passkeys (user_id, credential_id, name, credential) values (@user, @id, @name, @credential)`
	sqlUsePasskey = `
	update passkeys set credential = @credential, last_used_at = now() where user_id = @user and credential_id = @id`
	sqlDeletePasskey = `delete from passkeys where user_id = @user and credential_id = @id`
)

// maxPasskeys bounds the keys of one user.
const maxPasskeys = 20

// Passkeys lists a user's passkeys, oldest first.
func (st *Store) Passkeys(ctx context.Context, user int64) ([]Passkey, error) {
	rows, _ := st.db.Query(ctx, sqlPasskeys, pgx.StrictNamedArgs{"user": user})
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Passkey, err error) {
		return p, row.Scan(&p.ID, &p.User, &p.Name, &p.Credential, &p.CreatedAt, &p.LastUsedAt)
	})
	return list, translate(err, "list the passkeys of user %d", user)
}

// AddPasskey stores a new passkey. fault.Conflict: it is known already, or there are too many.
func (st *Store) AddPasskey(ctx context.Context, p Passkey) error {
	list, err := st.Passkeys(ctx, p.User)
	if err != nil {
		return err
	}
	if len(list) >= maxPasskeys {
		return fault.New(fault.Conflict, "There are %d passkeys already. Remove one first.", len(list))
	}
	_, err = st.db.Exec(ctx, sqlInsertPasskey, pgx.StrictNamedArgs{"user": p.User, "id": p.ID, "name": clean(p.Name, 100), "credential": p.Credential})
	return translate(err, "This passkey is registered already.")
}

// UsePasskey stores a passkey's new state after it signed somebody in.
func (st *Store) UsePasskey(ctx context.Context, p Passkey) error {
	tag, err := st.db.Exec(ctx, sqlUsePasskey, pgx.StrictNamedArgs{"user": p.User, "id": p.ID, "credential": p.Credential})
	return changed(tag.RowsAffected(), err, "note the use of a passkey")
}

// DeletePasskey takes a passkey of a user away.
func (st *Store) DeletePasskey(ctx context.Context, user int64, id []byte) error {
	tag, err := st.db.Exec(ctx, sqlDeletePasskey, pgx.StrictNamedArgs{"user": user, "id": id})
	return changed(tag.RowsAffected(), err, "remove a passkey")
}
