package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/account"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

const (
	// The head row is the lock that puts entries of one organization in order.
	sqlTakeAuditHead = `
	insert into audit_heads as h (organization_id, seq, hash) values (@org, 1, '\x')
	on conflict (organization_id) do update set seq = h.seq + 1
	returning seq, hash`

	sqlInsertAudit = `
	insert into audit_log (organization_id, seq, at, actor_id, actor, token_id, address, event, target, note, data, previous, hash)
	values (@org, @seq, @at, @actor_id, @actor, @token, @address, @event, @target, @note, @data, @previous, @hash)`

	sqlPutAuditHead = `update audit_heads set hash = @hash where organization_id = @org`
)

// Bounds of an entry's texts, in bytes; what is longer is cut.
const (
	maxAuditText = 1000
	maxAuditData = 8 << 10
)

// Audit adds an entry to its organization's log, in the order of calls. Seq, At and the hashes are
// filled in here.
func (st *Store) Audit(ctx context.Context, e account.AuditEntry) error {
	for _, s := range []*string{&e.Actor, &e.Address, &e.Event, &e.Target, &e.Note} {
		*s = clean(*s, maxAuditText)
	}
	if e.Data == "" || len(e.Data) > maxAuditData {
		e.Data = "{}"
	}
	e.Data = clean(e.Data, maxAuditData)
	err := retry(ctx, func() error {
		return pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
			var previous []byte
			if err := tx.QueryRow(ctx, sqlTakeAuditHead, pgx.StrictNamedArgs{"org": e.Organization}).Scan(&e.Seq, &previous); err != nil {
				return err
			}
			copy(e.Previous[:], previous)
			e.At = time.Now().UTC().Truncate(time.Microsecond)
			e.Hash = e.Sum()
			if _, err := tx.Exec(ctx, sqlInsertAudit, pgx.StrictNamedArgs{"org": e.Organization, "seq": e.Seq, "at": e.At, "actor_id": e.ActorID,
				"actor": e.Actor, "token": e.Token, "address": e.Address, "event": e.Event, "target": e.Target, "note": e.Note, "data": e.Data,
				"previous": e.Previous[:], "hash": e.Hash[:]}); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, sqlPutAuditHead, pgx.StrictNamedArgs{"org": e.Organization, "hash": e.Hash[:]})
			return err
		})
	})
	return translate(err, "write the audit log of organization %d", e.Organization)
}

// AuditQuery says which entries of an audit log are wanted; zero values: all.
type AuditQuery struct {
	Event  string
	Actor  int64
	Text   string // in the target or the actor
	Before int64  // only entries with a smaller number; 0: the newest
	Limit  int
}

const auditColumns = `organization_id, seq, at, actor_id, actor, token_id, address, event, target, note, data, previous, hash`

const sqlAuditLog = `
	select ` + auditColumns + ` from audit_log
	where organization_id = @org and (@event::text = '' or event = @event) and (@actor::bigint = 0 or actor_id = @actor)
		and (@text::text = '' or position(lower(@text) in lower(target)) > 0 or position(lower(@text) in lower(actor)) > 0)
		and (@before::bigint = 0 or seq < @before)
	order by seq desc limit @limit`

// AuditLog returns a page of an organization's audit log, newest first, and whether there is more.
func (st *Store) AuditLog(ctx context.Context, org int64, q AuditQuery) (list []account.AuditEntry, more bool, err error) {
	rows, _ := st.db.Query(ctx, sqlAuditLog, pgx.StrictNamedArgs{"org": org, "event": q.Event, "actor": q.Actor, "text": q.Text,
		"before": q.Before, "limit": q.Limit + 1})
	list, err = collectAudit(rows)
	if len(list) > q.Limit {
		list, more = list[:q.Limit], true
	}
	return list, more, translate(err, "read the audit log of organization %d", org)
}

func collectAudit(rows pgx.Rows) ([]account.AuditEntry, error) {
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (e account.AuditEntry, err error) {
		var previous, hash []byte
		err = row.Scan(&e.Organization, &e.Seq, &e.At, &e.ActorID, &e.Actor, &e.Token, &e.Address, &e.Event, &e.Target, &e.Note, &e.Data, &previous, &hash)
		e.At = e.At.UTC()
		copy(e.Previous[:], previous)
		copy(e.Hash[:], hash)
		return e, err
	})
}

const sqlAuditFrom = `
	select ` + auditColumns + ` from audit_log where organization_id = @org and seq > @after order by seq limit 1000`

// AuditEach calls f for every entry of an organization's log, oldest first, until f fails.
func (st *Store) AuditEach(ctx context.Context, org int64, f func(account.AuditEntry) error) error {
	after := int64(0)
	for {
		rows, _ := st.db.Query(ctx, sqlAuditFrom, pgx.StrictNamedArgs{"org": org, "after": after})
		list, err := collectAudit(rows)
		if err != nil {
			return translate(err, "read the audit log of organization %d", org)
		}
		for i := range list {
			if err := f(list[i]); err != nil {
				return err
			}
			after = list[i].Seq
		}
		if len(list) == 0 {
			return nil
		}
	}
}

const sqlAuditHead = `select seq, hash from audit_heads where organization_id = @org`

// VerifyAudit walks an organization's log and its hash chain. entries is how many there are;
// broken is the first that does not follow from those before it, 0 when the chain is whole.
func (st *Store) VerifyAudit(ctx context.Context, org int64) (entries, broken int64, err error) {
	var previous [32]byte
	var seq int64
	err = st.AuditEach(ctx, org, func(e account.AuditEntry) error {
		entries++
		if at, ok := account.BrokenAt([]account.AuditEntry{e}, previous, seq); !ok && broken == 0 {
			broken = at
		}
		previous, seq = e.Hash, e.Seq
		return nil
	})
	if err != nil || broken > 0 {
		return entries, broken, err
	}
	var head int64
	var hash []byte
	err = translate(st.db.QueryRow(ctx, sqlAuditHead, pgx.StrictNamedArgs{"org": org}).Scan(&head, &hash), "read the head of the audit log")
	switch {
	case fault.KindOf(err) == fault.Unknown && err != nil:
		return entries, 0, nil
	case err != nil:
		return entries, 0, err
	case head > seq || head == seq && [32]byte(hash) != previous: // the end was cut off
		return entries, seq + 1, nil
	}
	return entries, 0, nil
}

const sqlAuditEvents = `select distinct event from audit_log where organization_id = @org order by event limit 500`

// AuditEvents lists the events that an organization's log has.
func (st *Store) AuditEvents(ctx context.Context, org int64) ([]string, error) {
	rows, _ := st.db.Query(ctx, sqlAuditEvents, pgx.StrictNamedArgs{"org": org})
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return list, translate(err, "list the events of the audit log")
}
