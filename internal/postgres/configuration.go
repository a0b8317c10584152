package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

const sqlTouchConfiguration = `update configuration set revision = revision + 1 where name = 'projects'`

// configure runs a change of what ingest works from in a transaction, and lets every publisher
// know: those of this process at once, the others when they ask for ConfigurationRevision.
func (st *Store) configure(ctx context.Context, change func(pgx.Tx) error) error {
	err := retry(ctx, func() error {
		return pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
			if err := change(tx); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, sqlTouchConfiguration)
			return err
		})
	})
	if err == nil {
		select {
		case st.configured <- struct{}{}:
		default: // there is word of a change already
		}
	}
	return err
}

// Configured receives after this process changed what ingest works from. One receiver is woken.
func (st *Store) Configured() <-chan struct{} { return st.configured }

const sqlConfigurationRevision = `select revision from configuration where name = 'projects'`

// ConfigurationRevision is a number that grows with each change of what Snapshots returns.
func (st *Store) ConfigurationRevision(ctx context.Context) (int64, error) {
	var n int64
	err := st.db.QueryRow(ctx, sqlConfigurationRevision).Scan(&n)
	return n, translate(err, "read the revision of the configuration")
}
