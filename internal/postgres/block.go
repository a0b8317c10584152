package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/klauspost/compress/zstd"

	"github.com/tocsin-dev/tocsin/internal/fault"
)

// A block holds the payloads of events that were received together, compressed as one, because
// events of a project resemble each other:
//
//	version 2 · dictionary id, 0 for none · count · length of each payload (uvarints) · zstd frame of all payloads
//	version 1 · the same without a dictionary id
const (
	blockVersion   = 2
	blockVersion1  = 1       // read, no longer written
	blockEvents    = 256     // payloads in one block
	blockRawBytes  = 2 << 20 // after which a block takes no further payload: an eighth less than with a quarter of it
	blockReadCount = 4096    // what readers accept
	blockReadBytes = 64 << 20
)

// codec is shared: its encoder and decoder work on whole slices and are safe for concurrent use.
var codec = sync.OnceValue(func() (c struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}) {
	var err1, err2 error
	c.enc, err1 = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2), zstd.WithWindowSize(blockRawBytes))
	c.dec, err2 = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(blockReadBytes))
	if err := errors.Join(err1, err2); err != nil {
		panic(err) // the options are constant
	}
	return c
})

// appendBlock appends the block of the payloads to dst, made with e unless that is nil. raw is
// scratch space that it may grow.
func appendBlock(dst, raw []byte, payloads [][]byte, e *blockEncoder) (block, scratch []byte) {
	enc, id := codec().enc, int64(0)
	if e != nil {
		enc, id = e.enc, e.id
	}
	start := len(dst)
	dst = append(dst, blockVersion)
	dst = binary.AppendUvarint(dst, uint64(id))
	dst = binary.AppendUvarint(dst, uint64(len(payloads)))
	total := 0
	for _, p := range payloads {
		total += len(p)
	}
	raw = slices.Grow(raw[:0], total)
	for _, p := range payloads {
		dst = binary.AppendUvarint(dst, uint64(len(p)))
		raw = append(raw, p...)
	}
	dst = enc.EncodeAll(raw, dst)
	if e != nil {
		e.measure(len(raw), len(dst)-start)
	}
	return dst, raw
}

var errBlock = errors.New("event block is damaged")

// blockHead is what stands before the frame of a block.
type blockHead struct {
	dictionary int64 // 0: none
	lengths    []int
	total      int // of lengths
	frame      []byte
}

// readBlockHead reads a block up to its frame.
func readBlockHead(block []byte) (h blockHead, err error) {
	if len(block) < 2 || block[0] != blockVersion && block[0] != blockVersion1 {
		return h, errBlock
	}
	rest := block[1:]
	next := func(limit uint64) int64 {
		v, n := binary.Uvarint(rest)
		if n <= 0 || v > limit {
			err, rest = errBlock, nil
			return 0
		}
		rest = rest[n:]
		return int64(v)
	}
	if block[0] != blockVersion1 {
		h.dictionary = next(math.MaxInt64)
	}
	count := next(blockReadCount)
	if count > int64(len(rest)) {
		return h, errBlock
	}
	h.lengths = make([]int, count)
	for i := range h.lengths {
		h.lengths[i] = int(next(blockReadBytes))
		if h.total += h.lengths[i]; h.total > blockReadBytes {
			return h, errBlock
		}
	}
	h.frame = rest
	return h, err
}

// blockDictionary is the dictionary that a block needs, by its first bytes; 0: none.
func blockDictionary(head []byte) int64 {
	if len(head) < 2 || head[0] != blockVersion {
		return 0
	}
	v, n := binary.Uvarint(head[1:])
	if n <= 0 || v > math.MaxInt64 {
		return 0
	}
	return int64(v)
}

// payloads undoes the frame. The payloads share memory.
func (h *blockHead) payloads(dec *zstd.Decoder) ([][]byte, error) {
	raw, err := dec.DecodeAll(h.frame, nil)
	if err != nil || len(raw) != h.total {
		return nil, errBlock
	}
	payloads := make([][]byte, len(h.lengths))
	for i, n := range h.lengths {
		payloads[i], raw = raw[:n:n], raw[n:]
	}
	return payloads, nil
}

// blockRef names one payload.
type blockRef struct {
	ReceivedAt time.Time // decides the day
	BlockID    int64
	BlockIndex int16
}

const sqlBlocks = `
	select b.day, b.id, b.data
	from (select distinct * from unnest(@days::date[], @ids::bigint[]) as w(day, id)) as w
	join event_blocks b on b.project_id = @project and b.day = w.day and b.id = w.id`

// payloads returns the stored payloads of a project's events, in the order of refs. A payload
// whose block is gone is nil. Blocks are read a few megabytes at a time. fault.Internal: a block is
// damaged, or the dictionary it needs is.
func (st *Store) payloads(ctx context.Context, project int64, refs []blockRef) ([][]byte, error) {
	r := blockReader{project: project, refs: refs, wanted: make(map[blockRef][]int, len(refs)), found: make([][]byte, len(refs))}
	for i, ref := range refs {
		key := blockRef{ReceivedAt: dayOf(ref.ReceivedAt), BlockID: ref.BlockID}
		if r.wanted[key] == nil {
			r.days, r.ids = append(r.days, key.ReceivedAt), append(r.ids, key.BlockID)
		}
		r.wanted[key] = append(r.wanted[key], i)
	}
	later, err := st.readBlocks(ctx, &r)
	if err != nil {
		return nil, err
	}
	for _, b := range later {
		dec, err := st.decoder(ctx, dictionaryRef{project, b.dictionary})
		if err != nil {
			return nil, fault.Wrap(err, fault.KindOf(err), "event block %d of project %d cannot be read", b.key.BlockID, project)
		}
		if err := r.take(&b, dec); err != nil {
			return nil, err
		}
	}
	return r.found, nil
}

// blockReader finds the payloads of refs in blocks.
type blockReader struct {
	project int64
	refs    []blockRef
	wanted  map[blockRef][]int // by block: positions in refs
	days    []time.Time        // of the blocks
	ids     []int64            // likewise
	found   [][]byte           // by position in refs
}

type storedBlock struct {
	blockHead
	key blockRef
}

// readBlocks reads the blocks, except for those whose dictionary is not at hand: they are
// returned. Whoever asks for a dictionary waits for a connection, and must not hold one meanwhile.
func (st *Store) readBlocks(ctx context.Context, r *blockReader) (later []storedBlock, err error) {
	rows, _ := st.db.Query(ctx, sqlBlocks, pgx.StrictNamedArgs{"project": r.project, "days": r.days, "ids": r.ids}) // ForEachRow reports a failed Query
	var b storedBlock
	var data pgtype.DriverBytes
	_, err = pgx.ForEachRow(rows, []any{&b.key.ReceivedAt, &b.key.BlockID, &data}, func() (err error) {
		if b.blockHead, err = readBlockHead(data); err != nil {
			return r.damaged(&b, err)
		}
		dec := codec().dec
		if b.dictionary != 0 {
			dec = st.decoders.get(dictionaryRef{r.project, b.dictionary})
		}
		if dec == nil {
			b.frame = slices.Clone(b.frame)
			later = append(later, b)
			return nil
		}
		return r.take(&b, dec)
	})
	return later, translate(err, "read event payloads of project %d", r.project)
}

// take reads one block.
func (r *blockReader) take(b *storedBlock, dec *zstd.Decoder) error {
	all, err := b.payloads(dec)
	if err != nil {
		return r.damaged(b, err)
	}
	for _, i := range r.wanted[b.key] {
		if n := int(r.refs[i].BlockIndex); n >= 0 && n < len(all) {
			r.found[i] = all[n]
		}
	}
	return nil
}

func (r *blockReader) damaged(b *storedBlock, err error) error {
	return fault.Wrap(err, fault.Internal, "event block %d of project %d cannot be read", b.key.BlockID, r.project)
}
