package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/zstd"
)

// rewrite is what becomes of some blocks: nil data removes one.
type rewrite struct {
	days  []time.Time
	ids   []int64
	xmins []string // versions of the rows that were read
	data  [][]byte

	goneDays  []time.Time
	goneIDs   []int64
	goneXmins []string
}

type blockKey struct {
	day time.Time
	id  int64
}

const sqlBlocksForRewrite = `
	select b.day, b.id, b.data, b.xmin::text
	from unnest(@days::date[], @ids::bigint[]) as w(day, id)
	join event_blocks b on b.project_id = @project and b.day = w.day and b.id = w.id`

// rewriteBlocks makes the named blocks anew. change gets all payloads of one and may replace them,
// by nil to erase one; it returns false to leave the block as it is. Nothing is written yet.
func (w *jobWork) rewriteBlocks(ctx context.Context, keys []blockKey, change func(key blockKey, payloads [][]byte) bool) (*rewrite, error) {
	slices.SortFunc(keys, func(a, b blockKey) int { return cmp.Or(a.day.Compare(b.day), cmp.Compare(a.id, b.id)) })
	days, ids := make([]time.Time, len(keys)), make([]int64, len(keys))
	for i, k := range keys {
		days[i], ids[i] = k.day, k.id
	}
	rows, _ := w.st.db.Query(ctx, sqlBlocksForRewrite, pgx.StrictNamedArgs{"project": w.Project, "days": days, "ids": ids}) // Collect reports a failed Query
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct {
		Day  time.Time
		ID   int64
		Data []byte
		Xmin string
	}])
	if err != nil {
		return nil, translate(err, "read event blocks of project %d", w.Project)
	}
	out := &rewrite{}
	for _, b := range found {
		head, err := readBlockHead(b.Data)
		if err != nil {
			continue // nobody can read it; its day will go
		}
		dec := codec().dec
		if head.dictionary != 0 {
			if dec, err = w.st.decoder(ctx, dictionaryRef{w.Project, head.dictionary}); err != nil {
				return nil, err
			}
		}
		payloads, err := head.payloads(dec)
		if err != nil || !change(blockKey{b.Day, b.ID}, payloads) {
			continue
		}
		if !slices.ContainsFunc(payloads, func(p []byte) bool { return len(p) > 0 }) {
			out.goneDays, out.goneIDs, out.goneXmins = append(out.goneDays, b.Day), append(out.goneIDs, b.ID), append(out.goneXmins, b.Xmin)
			continue
		}
		data, err := w.encode(ctx, payloads, head.dictionary)
		if err != nil {
			return nil, err
		}
		out.days, out.ids, out.xmins, out.data = append(out.days, b.Day), append(out.ids, b.ID), append(out.xmins, b.Xmin), append(out.data, data)
	}
	return out, nil
}

// encode makes a block, with the given dictionary unless that is on its way out.
func (w *jobWork) encode(ctx context.Context, payloads [][]byte, id int64) ([]byte, error) {
	var e *blockEncoder
	if id != 0 && !slices.Contains(w.state.Old, id) {
		enc, err := w.encoder(ctx, id)
		if err != nil {
			return nil, err
		}
		e = &blockEncoder{dictionary: &dictionary{id: id}, enc: enc}
	}
	data, _ := appendBlock(nil, nil, payloads, e)
	return data, nil
}

// encoder is the job's own, so that recording does not wait for it.
func (w *jobWork) encoder(ctx context.Context, id int64) (*zstd.Encoder, error) {
	if enc := w.encoders[id]; enc != nil {
		return enc, nil
	}
	d, err := scanDictionary(w.st.db.QueryRow(ctx, sqlDictionary, pgx.StrictNamedArgs{"project": w.Project, "id": id}))
	if err != nil {
		return nil, translate(err, "read dictionary %d of project %d", id, w.Project)
	}
	enc, err := d.encoder()
	if err == nil {
		w.encoders[id] = enc
	}
	return enc, err
}

const (
	sqlRewriteBlocks = `
		update event_blocks b set data = d.data
		from unnest(@days::date[], @ids::bigint[], @xmins::text[], @data::bytea[]) as d(day, id, xmin, data)
		where b.project_id = @project and b.day = d.day and b.id = d.id and b.xmin::text = d.xmin`

	sqlRemoveBlocks = `
		delete from event_blocks b using unnest(@days::date[], @ids::bigint[], @xmins::text[]) as d(day, id, xmin)
		where b.project_id = @project and b.day = d.day and b.id = d.id and b.xmin::text = d.xmin`
)

// write stores the blocks. errRace: one of them was changed since it was read.
func (r *rewrite) write(ctx context.Context, tx pgx.Tx, project int64) error {
	if len(r.ids) > 0 {
		tag, err := tx.Exec(ctx, sqlRewriteBlocks, pgx.StrictNamedArgs{"project": project, "days": r.days, "ids": r.ids, "xmins": r.xmins, "data": r.data})
		if err != nil {
			return err
		}
		if tag.RowsAffected() < int64(len(r.ids)) {
			return errRace
		}
	}
	if len(r.goneIDs) == 0 {
		return nil
	}
	tag, err := tx.Exec(ctx, sqlRemoveBlocks, pgx.StrictNamedArgs{"project": project, "days": r.goneDays, "ids": r.goneIDs, "xmins": r.goneXmins})
	if err == nil && tag.RowsAffected() < int64(len(r.goneIDs)) {
		err = errRace
	}
	return err
}
