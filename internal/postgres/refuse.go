package postgres

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// Refusal is one event, or one companion, that is read and not kept.
type Refusal struct {
	Project    int64
	KeyID      int64
	ID         event.ID
	ReceivedAt time.Time
	Category   outcome.Category
	Kind       outcome.Kind
	Reason     string
	Item       string // item type of a companion; empty for an event
}

// The uses of an event's identity in outcome_batches.
const (
	tagRefused   = "refused"   // the event is not kept
	tagMeeting   = "meeting"   // written by both the refusal of an event and the record of its companions
	tagDuplicate = "duplicate" // the event was counted as one that its client sent twice
)

// mark names one use of the identity of an event, or of a companion, so that what is delivered again
// counts once.
func mark(tag string, project int64, id event.ID, at time.Time) [16]byte {
	name := append([]byte(tag), 0)
	name = binary.BigEndian.AppendUint64(name, uint64(project))
	name = append(name, id[:]...)
	name = binary.BigEndian.AppendUint64(name, uint64(at.UnixMicro()))
	return md5.Sum(name)
}

func (r *Refusal) mark() [16]byte { return mark(tagRefused+r.Item, r.Project, r.ID, r.ReceivedAt) }

func (r *Refusal) key() outcome.Key {
	return outcome.Key{Project: r.Project, KeyID: r.KeyID, Category: r.Category, Kind: r.Kind, Reason: r.Reason,
		Minute: r.ReceivedAt.UTC().Truncate(time.Minute)}
}

const (
	sqlInsertRefusals = `
		insert into outcome_batches (id, reason) select * from unnest(@ids::uuid[], @reasons::text[]) on conflict do nothing returning id`

	sqlDropAttachments = `
		delete from attachments a using unnest(@projects::bigint[], @ids::uuid[], @times::timestamptz[]) as r(project_id, event_id, received_at)
		where a.project_id = r.project_id and a.event_id = r.event_id and a.received_at = r.received_at
		returning a.project_id, a.event_id, a.received_at, a.id, greatest(a.size_bytes, 1)`

	sqlDropReports = `
		delete from feedback f using unnest(@projects::bigint[], @ids::uuid[], @times::timestamptz[]) as r(project_id, event_id, received_at)
		where f.project_id = r.project_id and f.kind = @kind and f.id = r.event_id and f.received_at = r.received_at
		returning f.project_id, f.id, f.received_at, 0::bigint, 0::bigint`
)

// RefuseEvents adds the outcomes of events that are not kept, each once however often it is
// delivered. What came with a filtered event is not kept either: what is stored already is removed
// and its outcome with it, what is still on its way is refused by RecordCompanions. The bytes of
// files stay until their day is removed, because files of other events may be the same.
// Rule: getsentry/relay relay-server/src/services/processor.rs (dropping an event drops its items)
func (st *Store) RefuseEvents(ctx context.Context, list []Refusal) error {
	if len(list) == 0 {
		return nil
	}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Refusal) int { x, y := a.mark(), b.mark(); return bytes.Compare(x[:], y[:]) })
	list = slices.CompactFunc(list, func(a, b Refusal) bool { return a.mark() == b.mark() })
	err := retry(ctx, func() error {
		return pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
			tally := make(map[outcome.Key]int64)
			fresh, err := insertRefusals(ctx, tx, list)
			if err != nil {
				return err
			}
			var filtered []*Refusal
			for _, r := range fresh {
				tally[r.key()]++
				if r.Kind == outcome.Filtered && r.Item == "" {
					filtered = append(filtered, r)
				}
			}
			if err := dropCompanions(ctx, tx, filtered, tally); err != nil {
				return err
			}
			b := &pgx.Batch{}
			if queueOutcomes(b, tally); b.Len() == 0 {
				return nil
			}
			return tx.SendBatch(ctx, b).Close()
		})
	})
	return translate(err, "refuse %d events", len(list))
}

// insertRefusals notes the refusals and returns those that are new.
func insertRefusals(ctx context.Context, tx pgx.Tx, list []Refusal) (fresh []*Refusal, err error) {
	ids, reasons := make([]pgtype.UUID, len(list)), make([]pgtype.Text, len(list))
	byID := make(map[[16]byte]*Refusal, len(list))
	for i := range list {
		r := &list[i]
		id := r.mark()
		byID[id] = r
		ids[i] = pgtype.UUID{Bytes: id, Valid: true}
		reasons[i] = pgtype.Text{String: clean(r.Reason, maxReason), Valid: r.Kind == outcome.Filtered && r.Item == ""}
	}
	rows, _ := tx.Query(ctx, sqlInsertRefusals, pgx.StrictNamedArgs{"ids": ids, "reasons": reasons}) // Collect reports a failed Query
	inserted, err := pgx.CollectRows(rows, pgx.RowTo[pgtype.UUID])
	for _, id := range inserted {
		fresh = append(fresh, byID[id.Bytes])
	}
	return fresh, err
}

// meet makes the transaction wait for another that deals with the same events, so that one of the two
// sees what the other did.
func meet(ctx context.Context, tx pgx.Tx, marks [][16]byte) error {
	slices.SortFunc(marks, func(a, b [16]byte) int { return bytes.Compare(a[:], b[:]) })
	ids := make([]pgtype.UUID, len(marks))
	for i, m := range marks {
		ids[i] = pgtype.UUID{Bytes: m, Valid: true}
	}
	_, err := tx.Exec(ctx, sqlInsertOutcomeBatches, pgx.StrictNamedArgs{"ids": ids})
	return err
}

// dropCompanions removes what came with events and is stored, and moves its outcomes.
func dropCompanions(ctx context.Context, tx pgx.Tx, list []*Refusal, tally map[outcome.Key]int64) error {
	if len(list) == 0 {
		return nil
	}
	marks := make([][16]byte, len(list))
	projects, ids, times := make([]int64, len(list)), make([]pgtype.UUID, len(list)), make([]time.Time, len(list))
	owner := make(map[[16]byte]*Refusal, len(list))
	for i, r := range list {
		marks[i] = mark(tagMeeting, r.Project, r.ID, r.ReceivedAt)
		owner[marks[i]] = r
		projects[i], ids[i], times[i] = r.Project, pgtype.UUID{Bytes: r.ID, Valid: true}, r.ReceivedAt
	}
	if err := meet(ctx, tx, slices.Clone(marks)); err != nil {
		return err
	}
	for category, sql := range map[outcome.Category]string{outcome.AttachmentItem: sqlDropAttachments, outcome.Feedback: sqlDropReports} {
		args := pgx.NamedArgs{"projects": projects, "ids": ids, "times": times, "kind": int16(event.UserReport)} // one has no kind
		rows, _ := tx.Query(ctx, sql, args)                                                                      // ForEachRow reports a failed Query
		var project, file, size int64
		var id pgtype.UUID
		var at time.Time
		var gone []Refusal
		_, err := pgx.ForEachRow(rows, []any{&project, &id, &at, &file, &size}, func() error {
			r := owner[mark(tagMeeting, project, id.Bytes, at)]
			move(tally, r, category, 1)
			move(tally, r, outcome.Attachment, size)
			gone = append(gone, r.companion(category, file))
			return nil
		})
		if err == nil && len(gone) > 0 {
			_, err = insertRefusals(ctx, tx, gone) // so that one which is delivered again counts nowhere
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// companion is the refusal of what came with a refused event: a file, or a report.
func (r *Refusal) companion(c outcome.Category, file int64) Refusal {
	with := *r
	with.Category, with.Item = c, event.ItemUserReport
	if c == outcome.AttachmentItem {
		with.Item = fmt.Sprint(event.ItemAttachment, file)
	}
	return with
}

// move makes accepted items go the way of their event.
func move(tally map[outcome.Key]int64, r *Refusal, c outcome.Category, n int64) {
	if n == 0 {
		return
	}
	key := r.key()
	key.Category = c
	tally[key] += n
	key.Kind, key.Reason = outcome.Accepted, ""
	tally[key] -= n
}

const sqlRefused = `select id, reason from outcome_batches where id = any(@ids::uuid[]) and reason is not null`

// refusedEvents returns why the events of companions were filtered, by their marks, and makes sure
// that a refusal which comes at the same time is seen or sees them.
func refusedEvents(ctx context.Context, tx pgx.Tx, list []Companion) (map[[16]byte]string, error) {
	var meetings [][16]byte
	var ids []pgtype.UUID
	for i := range list {
		c := &list[i]
		meetings = append(meetings, mark(tagMeeting, c.Project, c.Event, c.ReceivedAt))
		ids = append(ids, pgtype.UUID{Bytes: mark(tagRefused, c.Project, c.Event, c.ReceivedAt), Valid: true})
	}
	if err := meet(ctx, tx, meetings); err != nil {
		return nil, err
	}
	rows, _ := tx.Query(ctx, sqlRefused, pgx.StrictNamedArgs{"ids": ids}) // ForEachRow reports a failed Query
	reasons := make(map[[16]byte]string)
	var id pgtype.UUID
	var reason string
	_, err := pgx.ForEachRow(rows, []any{&id, &reason}, func() error {
		reasons[id.Bytes] = reason
		return nil
	})
	return reasons, err
}
