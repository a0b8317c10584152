package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/fault"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// DeadRefusal is the Refusal of an event that is dead-lettered for an error of the kind.
func DeadRefusal(raw *event.Raw, kind fault.Kind) Refusal {
	r := Refusal{Project: raw.Project, KeyID: raw.KeyID, ID: raw.ID, ReceivedAt: raw.ReceivedAt.Truncate(time.Microsecond),
		Category: outcome.OfItem(raw.ItemType), Kind: outcome.Invalid, Reason: outcome.ReasonInvalidJSON}
	if kind.Retryable() {
		r.Reason = outcome.ReasonInternal
	}
	if event.IsCompanion(raw.ItemType) { // it shares the rest with its event
		r.Item = raw.ItemType
	}
	return r
}

const sqlForgetOutcomeBatch = `delete from outcome_batches where id = @id returning id`

// UndoRefusal takes a refusal out of the ledger again, when a dead letter is given another chance:
// what becomes of it then is counted anew. One that was not counted, or so long ago that its mark is
// forgotten, stays as it is; so does one that is undone twice.
func (st *Store) UndoRefusal(ctx context.Context, r Refusal) error {
	err := retry(ctx, func() error {
		return pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
			var id pgtype.UUID
			err := tx.QueryRow(ctx, sqlForgetOutcomeBatch, pgx.StrictNamedArgs{"id": pgtype.UUID{Bytes: r.mark(), Valid: true}}).Scan(&id)
			if errors.Is(err, pgx.ErrNoRows) {
				return nil
			}
			if err != nil {
				return err
			}
			b := &pgx.Batch{}
			queueOutcomes(b, map[outcome.Key]int64{r.key(): -1})
			return tx.SendBatch(ctx, b).Close()
		})
	})
	return translate(err, "undo the refusal of an event")
}

const sqlIssueOfHash = `
	select h.issue_id from issue_hashes h where h.project_id = @project and h.hash = any (@hashes::bytea[]) limit 1`

// IssueOfHashes is the id of the issue that owns any of the hashes, 0 when none does.
func (st *Store) IssueOfHashes(ctx context.Context, project int64, hashes [][16]byte) (id int64, err error) {
	list := make([][]byte, len(hashes))
	for i := range hashes {
		list[i] = hashes[i][:]
	}
	err = st.db.QueryRow(ctx, sqlIssueOfHash, pgx.StrictNamedArgs{"project": project, "hashes": list}).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return id, translate(err, "find the issue of a hash")
}

const sqlFirstOrganization = `select min(id) from organizations`

// FirstOrganization is the organization whose owners operate the installation: the one that the
// first start made.
func (st *Store) FirstOrganization(ctx context.Context) (id int64, err error) {
	err = st.db.QueryRow(ctx, sqlFirstOrganization).Scan(&id)
	return id, translate(err, "find the first organization")
}
