package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// readTimeout is how long one statement of a page or an API answer may run.
const readTimeout = 3 * time.Second

// beginRead starts a transaction that sees one moment, cannot write, and plans each statement for
// the values it is given: a plan that suits every search suits none. Statements end after
// readTimeout.
const beginRead = `begin isolation level repeatable read read only;
	set local statement_timeout = 3000; set local plan_cache_mode = force_custom_plan`

// read runs work in a transaction that only reads. It returns the failure of work as it is.
func (st *Store) read(ctx context.Context, work func(tx pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*readTimeout)
	defer cancel()
	return pgx.BeginTxFunc(ctx, st.db, pgx.TxOptions{BeginQuery: beginRead}, work)
}
