package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// LedgerSettle is how old a minute must be before its outcomes are expected to be complete while
// nothing lags behind.
const LedgerSettle = 2 * time.Minute

// LedgerMinute is one minute of a client key and a category whose two sides differ.
type LedgerMinute struct {
	Project  int64            `json:"project"`
	KeyID    int64            `json:"key"`
	Category outcome.Category `json:"-"`
	Minute   time.Time        `json:"minute"`
	Received int64            `json:"received"`
	Outcomes int64            `json:"outcomes"` // accepted, filtered, rate limited, invalid and abuse together
}

// LedgerCheck is what a check of the ledger found.
type LedgerCheck struct {
	Received int64 // items that came
	Outcomes int64 // items whose fate is known
	Missing  int64 // received without an outcome: not recorded yet, dead-lettered, or lost
	Surplus  int64 // outcomes of items that nobody counted as received
	// Minutes are those that differ, oldest first, at most a thousand; the sums cover all.
	Minutes []LedgerMinute
}

// Difference is by how many items the ledger does not close; 0 when it does.
func (c LedgerCheck) Difference() int64 { return c.Missing + c.Surplus }

// sqlLedgerSides leaves out the bytes of attachments, which count beside their items.
const sqlLedgerSides = `
	select project_id as project, key_id, category, minute,
		coalesce(sum(quantity) filter (where outcome = @received), 0)::bigint as received,
		coalesce(sum(quantity) filter (where outcome <> @received), 0)::bigint as outcomes
	from outcomes where minute >= @from and minute < @until and outcome <> @discard and category <> @bytes
	group by 1, 2, 3, 4`

const sqlLedgerTotals = `
	select coalesce(sum(received), 0)::bigint, coalesce(sum(outcomes), 0)::bigint,
		coalesce(sum(greatest(received - outcomes, 0)), 0)::bigint, coalesce(sum(greatest(outcomes - received, 0)), 0)::bigint
	from (` + sqlLedgerSides + `) as sides`

const sqlLedgerMinutes = `
	select * from (` + sqlLedgerSides + `) as sides where received <> outcomes order by minute, project, key_id, category limit 1000`

// CheckLedger compares what was received with what became of it, of all projects, for the minutes
// in [from, until).
// Rule: received = stored + filtered + rate limited + invalid, per key, category and minute.
func (st *Store) CheckLedger(ctx context.Context, from, until time.Time) (LedgerCheck, error) {
	var c LedgerCheck
	args := pgx.StrictNamedArgs{"from": from, "until": until, "received": int16(outcome.Received),
		"discard": int16(outcome.ClientDiscard), "bytes": int16(outcome.Attachment)}
	err := st.read(ctx, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, sqlLedgerTotals, args).Scan(&c.Received, &c.Outcomes, &c.Missing, &c.Surplus); err != nil {
			return err
		}
		if c.Difference() == 0 {
			return nil
		}
		rows, _ := tx.Query(ctx, sqlLedgerMinutes, args)
		var err error
		c.Minutes, err = pgx.CollectRows(rows, pgx.RowToStructByName[LedgerMinute])
		return err
	})
	return c, translate(err, "check the ledger")
}

// What the ledger keeps by the minute, and then by the hour; what is older it keeps by the day.
const (
	keepMinutes = 7 * 24 * time.Hour
	keepHours   = 30 * 24 * time.Hour
)

const sqlRollUpOutcomes = `
	with old as (
		delete from outcomes where ctid = any(array(
			select ctid from outcomes where minute < @before and minute <> date_trunc(@unit, minute, 'UTC') limit 5000))
		returning *)
	insert into outcomes as t (project_id, minute, key_id, category, outcome, reason, quantity)
	select project_id, date_trunc(@unit, minute, 'UTC'), key_id, category, outcome, reason, sum(quantity) from old group by 1, 2, 3, 4, 5, 6
	on conflict (project_id, minute, key_id, category, outcome, reason) do update set quantity = t.quantity + excluded.quantity`

// RollUpOutcomes sums minutes of more than a week ago into their hour, and hours of more than a
// month ago into their day, a few thousand rows in a transaction. No quantity changes.
func (st *Store) RollUpOutcomes(ctx context.Context, now time.Time) error {
	for unit, age := range map[string]time.Duration{"hour": keepMinutes, "day": keepHours} {
		for {
			tag, err := st.db.Exec(ctx, sqlRollUpOutcomes, pgx.StrictNamedArgs{"before": now.Add(-age).UTC().Truncate(24 * time.Hour), "unit": unit})
			if err != nil {
				return translate(err, "roll up the outcomes")
			}
			if tag.RowsAffected() == 0 {
				break
			}
		}
	}
	return nil
}
