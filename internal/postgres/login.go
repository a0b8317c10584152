package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// loginTimeout bounds each look at a browser's login, so that a page can say that the database is
// away before its reader gives up.
const loginTimeout = 1500 * time.Millisecond

// Logins keeps browser logins for the session library (scs.CtxStore). Tokens arrive hashed; data
// is opaque.
type Logins struct{ st *Store }

// Logins returns the store of browser logins.
func (st *Store) Logins() Logins { return Logins{st} }

const (
	sqlFindLogin   = `select data from sessions where token = @token and expiry > now()`
	sqlDeleteLogin = `delete from sessions where token = @token`
	sqlCommitLogin = `
	insert into sessions (token, data, expiry) values (@token, @data, @expiry)
	on conflict (token) do update set data = excluded.data, expiry = excluded.expiry`
	sqlExpireLogins = `
	delete from sessions where token in
		(select token from sessions where expiry < now() order by expiry limit 1000)`
)

// FindCtx returns the data of a login; found is false when there is none or it expired.
func (l Logins) FindCtx(ctx context.Context, token string) (data []byte, found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	err = l.st.db.QueryRow(ctx, sqlFindLogin, pgx.StrictNamedArgs{"token": token}).Scan(&data)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	return data, err == nil, translate(err, "read the login")
}

// CommitCtx stores a login until expiry.
func (l Logins) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	_, err := l.st.db.Exec(ctx, sqlCommitLogin, pgx.StrictNamedArgs{"token": token, "data": data, "expiry": expiry})
	return translate(err, "store the login")
}

// DeleteCtx forgets a login.
func (l Logins) DeleteCtx(ctx context.Context, token string) error {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	_, err := l.st.db.Exec(ctx, sqlDeleteLogin, pgx.StrictNamedArgs{"token": token})
	return translate(err, "end the login")
}

// Find is FindCtx without a context, which the session library's interface asks for.
func (l Logins) Find(token string) ([]byte, bool, error) {
	return l.FindCtx(context.Background(), token)
}

// Commit is CommitCtx without a context.
func (l Logins) Commit(token string, data []byte, expiry time.Time) error {
	return l.CommitCtx(context.Background(), token, data, expiry)
}

// Delete is DeleteCtx without a context.
func (l Logins) Delete(token string) error { return l.DeleteCtx(context.Background(), token) }

// Expire removes logins that nobody can use any more and reports how many: at most a thousand per
// call.
func (l Logins) Expire(ctx context.Context) (int64, error) {
	tag, err := l.st.db.Exec(ctx, sqlExpireLogins)
	return tag.RowsAffected(), translate(err, "remove expired logins")
}
