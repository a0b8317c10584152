package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// Lease is the right to run a periodic job until ExpiresAt. Fence grows with each change of
// holder.
type Lease struct {
	Name      string
	Holder    string
	Fence     int64
	ExpiresAt time.Time
}

const sqlAcquireLease = `
	insert into leases as l (name, holder, fence, expires_at) values (@name, @holder, 1, now() + @ttl::interval)
	on conflict (name) do update set
		holder = excluded.holder,
		fence = l.fence + case when l.holder = excluded.holder then 0 else 1 end,
		expires_at = excluded.expires_at
	where l.holder = excluded.holder or l.expires_at < now()
	returning l.fence, l.expires_at`

// AcquireLease takes the named lease, or extends it when holder has it already. ok is false when
// another holder has it.
func (st *Store) AcquireLease(ctx context.Context, name, holder string, ttl time.Duration) (l Lease, ok bool, err error) {
	l = Lease{Name: name, Holder: holder}
	err = st.db.QueryRow(ctx, sqlAcquireLease, pgx.StrictNamedArgs{"name": name, "holder": holder, "ttl": ttl}).Scan(&l.Fence, &l.ExpiresAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return Lease{}, false, nil
	}
	return l, err == nil, translate(err, "acquire lease %s", name)
}

const sqlReleaseLease = `update leases set expires_at = now() where name = @name and holder = @holder and fence = @fence`

// ReleaseLease gives the lease back before it expires. A lease that was lost meanwhile stays as it is.
func (st *Store) ReleaseLease(ctx context.Context, l Lease) error {
	_, err := st.db.Exec(ctx, sqlReleaseLease, pgx.StrictNamedArgs{"name": l.Name, "holder": l.Holder, "fence": l.Fence})
	return translate(err, "release lease %s", l.Name)
}
