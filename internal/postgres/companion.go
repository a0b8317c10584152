package postgres

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tocsin-dev/tocsin/internal/event"
	"github.com/tocsin-dev/tocsin/internal/outcome"
)

// Companion is what came with an event, or about one, and is kept beside it: a file or a user's
// words, whichever is set.
type Companion struct {
	Project    int64
	KeyID      int64 // client key, for the outcome
	Event      event.ID
	ReceivedAt time.Time
	Attachment *event.Attachment
	Feedback   *event.Feedback
}

const (
	maxFileName = 512 // bytes of names
	maxFileType = 128 // of a file's types
	maxURL      = 2048
	maxWords    = 16384 // of what a user wrote
)

const (
	// A file that the client sent again on another day has another key, hence the look before. What
	// was stored earlier comes back with its time, by which redeliveries are told from repetitions.
	sqlInsertAttachment = `
		with old as (select received_at from attachments where project_id = @project and event_id = @event::uuid and id = @id limit 1),
		new as (insert into attachments (project_id, received_at, event_id, id, name, content_type, type, size_bytes, sha1, blob_key)
			select @project, @at, @event, @id, @name, @content_type, @type, @size, @sha1, @blob
			where exists (select from projects where id = @project) and not exists (select from old)
			on conflict do nothing returning received_at)
		select true as fresh, received_at from new union all select false, received_at from old`

	sqlInsertFeedback = `
		with old as (select received_at from feedback where project_id = @project and kind = @kind and id = @id::uuid),
		new as (insert into feedback (project_id, id, kind, event_id, received_at, name, email, message, url, source)
			select @project, @id, @kind, @about, @at, @name, @email, @message, @url, @source
			where exists (select from projects where id = @project) and not exists (select from old)
			on conflict do nothing returning received_at)
		select true as fresh, received_at from new union all select false, received_at from old`
)

// RecordCompanions stores files and users' words in one transaction, with their outcomes. What was
// stored before is not stored again; what belongs to a project that does not exist is dropped, and
// what came with an event that was filtered goes its way.
func (st *Store) RecordCompanions(ctx context.Context, list []Companion) error {
	if len(list) == 0 {
		return nil
	}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Companion) int { // an order that all processes lock in
		return cmp.Or(cmp.Compare(a.Project, b.Project), bytes.Compare(a.Event[:], b.Event[:]), a.ReceivedAt.Compare(b.ReceivedAt))
	})
	for i := range list {
		list[i].ReceivedAt = list[i].ReceivedAt.UTC().Truncate(time.Microsecond)
		if err := st.ensureDay(ctx, dayOf(list[i].ReceivedAt)); err != nil {
			return err
		}
	}
	err := retry(ctx, func() error {
		return pgx.BeginFunc(ctx, st.db, func(tx pgx.Tx) error {
			tally, b := map[outcome.Key]int64{}, &pgx.Batch{}
			kept, err := st.withoutRefused(ctx, tx, list, tally)
			if err != nil {
				return err
			}
			for i := range kept {
				c := &kept[i]
				insert := queueFeedback
				if c.Attachment != nil {
					insert = queueAttachment
				}
				insert(b, c).Query(func(rows pgx.Rows) error { return countCompanion(rows, c, tally) })
			}
			if err := tx.SendBatch(ctx, b).Close(); err != nil {
				return err
			}
			b = &pgx.Batch{}
			queueOutcomes(b, tally)
			if b.Len() == 0 {
				return nil
			}
			return tx.SendBatch(ctx, b).Close()
		})
	})
	return translate(err, "record %d attachments and reports", len(list))
}

// withoutRefused leaves out what came with a filtered event, and adds its outcomes once.
func (st *Store) withoutRefused(ctx context.Context, tx pgx.Tx, list []Companion, tally map[outcome.Key]int64) ([]Companion, error) {
	reasons, err := refusedEvents(ctx, tx, list)
	if err != nil || len(reasons) == 0 {
		return list, err
	}
	var kept []Companion
	var refused []Refusal
	sizes := make(map[[16]byte]int64)
	for _, c := range list {
		reason, gone := reasons[mark(tagRefused, c.Project, c.Event, c.ReceivedAt)]
		if !gone {
			kept = append(kept, c)
			continue
		}
		event := Refusal{Project: c.Project, KeyID: c.KeyID, ID: c.Event, ReceivedAt: c.ReceivedAt, Kind: outcome.Filtered, Reason: reason}
		if c.Attachment == nil {
			refused = append(refused, event.companion(outcome.Feedback, 0))
			continue
		}
		r := event.companion(outcome.AttachmentItem, c.Attachment.ID)
		sizes[r.mark()] = max(c.Attachment.Size, 1)
		refused = append(refused, r)
	}
	fresh, err := insertRefusals(ctx, tx, refused)
	for _, r := range fresh {
		tally[r.key()]++
		if size := sizes[r.mark()]; size > 0 {
			key := r.key()
			key.Category = outcome.Attachment
			tally[key] += size
		}
	}
	return kept, err
}

func queueAttachment(b *pgx.Batch, c *Companion) *pgx.QueuedQuery {
	a := c.Attachment
	return b.Queue(sqlInsertAttachment, pgx.StrictNamedArgs{"project": c.Project, "at": c.ReceivedAt, "event": [16]byte(c.Event), "id": a.ID,
		"name": clean(a.Name, maxFileName), "content_type": clean(a.ContentType, maxFileType), "type": clean(a.Type, maxFileType),
		"size": a.Size, "sha1": a.SHA1, "blob": a.Blob})
}

func queueFeedback(b *pgx.Batch, c *Companion) *pgx.QueuedQuery {
	f := c.Feedback
	return b.Queue(sqlInsertFeedback, pgx.StrictNamedArgs{"project": c.Project, "id": [16]byte(c.Event), "kind": int16(f.Kind),
		"about": pgtype.UUID{Bytes: f.About, Valid: !f.About.IsZero()}, "at": c.ReceivedAt, "name": clean(f.Name, maxFileName), "email": clean(f.Email, maxFileName),
		"message": clean(f.Message, maxWords), "url": clean(f.URL, maxURL), "source": clean(f.Source, maxFileName)})
}

// countCompanion adds what became of c to the tally: accepted, or a duplicate. A redelivery by the
// queue, which has the very time that is stored, counts nowhere.
func countCompanion(rows pgx.Rows, c *Companion, tally map[outcome.Key]int64) error {
	type result struct {
		Fresh      bool
		ReceivedAt time.Time
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[result])
	if err != nil || len(found) == 0 {
		return err
	}
	key := outcome.Key{Project: c.Project, KeyID: c.KeyID, Category: outcome.Feedback, Kind: outcome.Accepted, Minute: c.ReceivedAt.Truncate(time.Minute)}
	if !found[0].Fresh {
		if found[0].ReceivedAt.Equal(c.ReceivedAt) {
			return nil
		}
		key.Kind, key.Reason = outcome.Invalid, outcome.ReasonDuplicate
	}
	if c.Attachment == nil {
		tally[key]++
		return nil
	}
	key.Category = outcome.Attachment
	tally[key] += max(c.Attachment.Size, 1)
	key.Category = outcome.AttachmentItem
	tally[key]++
	return nil
}

const sqlForgetFeedback = `
	with old as (select project_id, kind, id from feedback where received_at < @before limit 5000)
	delete from feedback f using old where f.project_id = old.project_id and f.kind = old.kind and f.id = old.id`

// ForgetFeedback removes users' words from before the given time, a few thousand in a transaction.
func (st *Store) ForgetFeedback(ctx context.Context, before time.Time) error {
	for {
		tag, err := st.db.Exec(ctx, sqlForgetFeedback, pgx.StrictNamedArgs{"before": before})
		if err != nil || tag.RowsAffected() == 0 {
			return translate(err, "forget old feedback")
		}
	}
}
