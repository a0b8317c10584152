package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/project"
)

// Reader is a user with what every page must know of them.
type Reader struct {
	User        account.User
	Memberships []account.Membership
	Settings    account.Settings
	Logins      []account.Login
	HasPasskeys bool
}

const sqlReader = `
	select u.id, u.email, u.name, u.password_hash, u.is_active, u.created_at, u.last_login_at, u.totp_secret, u.totp_step,
		coalesce((` + sqlUserSettings + `), '{}') as settings, exists (select from passkeys k where k.user_id = u.id) as has_passkeys,
		coalesce((select json_agg(l) from (` + sqlUserLogins + `) as l), '[]') as logins,
		coalesce((select json_agg(m) from (` + sqlMemberships + `) as m), '[]') as memberships
	from users u where u.id = @user`

type readerRow struct {
	userRow
	Settings    account.Settings
	HasPasskeys bool
	Logins      []loginDocument
	Memberships []membershipDocument
}

// loginDocument is a row of sqlUserLogins as JSON.
type loginDocument struct {
	ID             int64               `json:"id"`
	UserID         int64               `json:"user_id"`
	Method         account.LoginMethod `json:"method"`
	OrganizationID int64               `json:"organization_id"`
	Address        string              `json:"address"`
	UserAgent      string              `json:"user_agent"`
	CreatedAt      time.Time           `json:"created_at"`
	LastSeenAt     time.Time           `json:"last_seen_at"`
}

// membershipDocument is a row of sqlMemberships as JSON.
type membershipDocument struct {
	ID          int64        `json:"id"`
	Slug        string       `json:"slug"`
	Name        string       `json:"name"`
	CreatedAt   time.Time    `json:"created_at"`
	Role        account.Role `json:"role"`
	SSORequired bool         `json:"sso_required"`
	NeedsFactor bool         `json:"needs_factor"`
	Projects    []int64      `json:"projects"` // null: every project
}

// Reader returns a user, the organizations they belong to, what they chose and where they are signed
// in. fault.Unknown: there is no such user.
func (st *Store) Reader(ctx context.Context, user int64) (Reader, error) {
	rows, _ := st.db.Query(ctx, sqlReader, pgx.StrictNamedArgs{"user": user})
	found, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[readerRow])
	r := Reader{User: found.user(), Settings: found.Settings, HasPasskeys: found.HasPasskeys}
	for _, l := range found.Logins {
		r.Logins = append(r.Logins, account.Login{ID: l.ID, User: l.UserID, Method: l.Method, Organization: l.OrganizationID, Address: l.Address,
			UserAgent: l.UserAgent, CreatedAt: l.CreatedAt, LastSeenAt: l.LastSeenAt})
	}
	for _, m := range found.Memberships {
		r.Memberships = append(r.Memberships, account.Membership{Organization: project.Organization{ID: m.ID, Slug: m.Slug, Name: m.Name, CreatedAt: m.CreatedAt},
			Role: m.Role, Projects: m.Projects, SSORequired: m.SSORequired, NeedsFactor: m.NeedsFactor})
	}
	return r, translate(err, "read reader %d", user)
}
