package postgres

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/zstd"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// A dictionary is some payloads of a project, one after the other. What a block has in common with
// it is not stored again: events of a project resemble each other beyond one block.
//
// A dictionary holds content of events. It goes with its project, and with the last day that may
// have blocks which need it (DropPartitions). Erasing a user retires the dictionaries made of the
// user's events: their blocks are written anew, and then they go.
type dictionary struct {
	id      int64
	created time.Time
	content []byte
}

const (
	dictionaryBytes   = 1 << 20            // most content of a dictionary
	dictionaryWindow  = 4 << 20            // how far blocks look back: over a whole block and its dictionary, 3 MB
	dictionaryUse     = 7 * 24 * time.Hour // for how long blocks are made with one
	dictionaryReaders = 4                  // dictionaries that are kept for reading, about 1.5 MB each
)

// frameDictionary stands for the dictionary inside of a zstd frame, whose numbers are too small
// for our ids.
const frameDictionary = 1

// encoder returns what makes blocks with the dictionary. Its callers wait for each other.
func (d *dictionary) encoder() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true),
		zstd.WithWindowSize(dictionaryWindow), zstd.WithEncoderDictRaw(frameDictionary, d.content))
}

// decoder returns what reads blocks that were made with the dictionary. Its callers wait for each
// other.
func (d *dictionary) decoder() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(blockReadBytes),
		zstd.WithDecoderDictRaw(frameDictionary, d.content))
}

const sqlInsertDictionary = `
	insert into event_dictionaries (project_id, id, created_at, data)
	select @project, @id, @created, @data::bytea where exists (select from projects where id = @project)`

// storeDictionary makes the dictionary durable, which it must be before a block needs it.
// fault.Unknown: the project does not exist.
func (st *Store) storeDictionary(ctx context.Context, project int64, d *dictionary) error {
	tag, err := st.db.Exec(ctx, sqlInsertDictionary, pgx.StrictNamedArgs{
		"project": project, "id": d.id, "created": d.created, "data": codec().enc.EncodeAll(d.content, nil)})
	if err == nil && tag.RowsAffected() == 0 {
		return fault.New(fault.Unknown, "project %d", project)
	}
	return translate(err, "store a dictionary of project %d", project)
}

const (
	sqlDictionary = `
		select id, created_at, data from event_dictionaries where project_id = @project and id = @id`

	sqlNewestDictionary = `
		select id, created_at, data from event_dictionaries
		where project_id = @project and created_at > @since and retired_at is null order by id desc limit 1`
)

// newestDictionary returns the project's last dictionary made after since, nil if there is none
// that can be read.
func (st *Store) newestDictionary(ctx context.Context, project int64, since time.Time) (*dictionary, error) {
	d, err := scanDictionary(st.db.QueryRow(ctx, sqlNewestDictionary, pgx.StrictNamedArgs{"project": project, "since": since}))
	if errors.Is(err, pgx.ErrNoRows) || errors.Is(err, errDictionary) {
		return nil, nil
	}
	return d, translate(err, "read the newest dictionary of project %d", project)
}

var errDictionary = errors.New("dictionary is damaged")

func scanDictionary(row pgx.Row) (*dictionary, error) {
	var d dictionary
	var data []byte
	if err := row.Scan(&d.id, &d.created, &data); err != nil {
		return nil, err
	}
	var err error
	if d.content, err = codec().dec.DecodeAll(data, nil); err != nil || len(d.content) == 0 || len(d.content) > dictionaryBytes {
		return nil, errDictionary
	}
	return &d, nil
}

// dictionaryRef names a dictionary.
type dictionaryRef struct{ project, id int64 }

// dictionaryDecoders keeps the decoders used last.
type dictionaryDecoders struct {
	mu   sync.Mutex
	used []usedDecoder // least recently used first
}

type usedDecoder struct {
	dictionaryRef
	dec *zstd.Decoder
}

// get returns a decoder that is kept, or nil.
func (c *dictionaryDecoders) get(ref dictionaryRef) *zstd.Decoder {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, u := range c.used {
		if u.dictionaryRef == ref {
			c.used = append(append(c.used[:i], c.used[i+1:]...), u)
			return u.dec
		}
	}
	return nil
}

// put keeps a decoder in place of the one that was not used for longest. That one may still be
// reading: the garbage collector takes it afterwards.
func (c *dictionaryDecoders) put(ref dictionaryRef, dec *zstd.Decoder) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.used) == dictionaryReaders {
		c.used = append(c.used[:0], c.used[1:]...)
	}
	c.used = append(c.used, usedDecoder{ref, dec})
}

// decoder returns what reads blocks made with the dictionary. fault.Internal: it is lost or
// damaged, and so is every block that needs it.
func (st *Store) decoder(ctx context.Context, ref dictionaryRef) (*zstd.Decoder, error) {
	if dec := st.decoders.get(ref); dec != nil {
		return dec, nil
	}
	d, err := scanDictionary(st.db.QueryRow(ctx, sqlDictionary, pgx.StrictNamedArgs{"project": ref.project, "id": ref.id}))
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, fault.New(fault.Internal, "dictionary %d of project %d is missing", ref.id, ref.project)
	case errors.Is(err, errDictionary):
		return nil, fault.Wrap(err, fault.Internal, "dictionary %d of project %d cannot be read", ref.id, ref.project)
	case err != nil:
		return nil, translate(err, "read dictionary %d of project %d", ref.id, ref.project)
	}
	dec, err := d.decoder()
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "dictionary %d of project %d cannot be read", ref.id, ref.project)
	}
	st.decoders.put(ref, dec)
	return dec, nil
}

const sqlforgetDictionaries = `
	delete from event_dictionaries d where d.created_at < @before or not exists (select from projects p where p.id = d.project_id)`

// forgetDictionaries removes the dictionaries that no block of an event received at or after the
// given time can need, and those of projects that are gone.
func (st *Store) forgetDictionaries(ctx context.Context, before time.Time) error {
	const slack = 48 * time.Hour // for days that are not over, and for clocks that differ
	_, err := st.db.Exec(ctx, sqlforgetDictionaries, pgx.StrictNamedArgs{"before": before.Add(-dictionaryUse - slack)})
	return translate(err, "forget old dictionaries")
}
