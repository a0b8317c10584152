package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	sqlForgetHours = `
		delete from issue_hours where ctid = any(array(select ctid from issue_hours where hour < @before limit 5000))`

	sqlForgetOutcomes = `
		delete from outcomes where ctid = any(array(select ctid from outcomes where minute < @before limit 5000))`
)

// ForgetCounts removes hourly counts and outcomes from before the given time, a few thousand in a
// transaction.
func (st *Store) ForgetCounts(ctx context.Context, before time.Time) error {
	for _, sql := range [...]string{sqlForgetHours, sqlForgetOutcomes} {
		for {
			tag, err := st.db.Exec(ctx, sql, pgx.StrictNamedArgs{"before": before})
			if err != nil {
				return translate(err, "forget old counts")
			}
			if tag.RowsAffected() == 0 {
				break
			}
		}
	}
	return nil
}
