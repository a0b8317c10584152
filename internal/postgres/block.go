package postgres

import (
	"context"
	"encoding/binary"
	"errors"
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
//	version 1 · count · length of each payload (uvarints) · zstd frame of all payloads
const (
	blockVersion   = 1
	blockEvents    = 64        // payloads in one block
	blockRawBytes  = 512 << 10 // after which a block takes no further payload
	blockReadCount = 4096      // what readers accept
	blockReadBytes = 64 << 20
)

// codec is shared: its encoder and decoder work on whole slices and are safe for concurrent use.
var codec = sync.OnceValue(func() (c struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}) {
	var err1, err2 error
	c.enc, err1 = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2), zstd.WithWindowSize(1<<20))
	c.dec, err2 = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(blockReadBytes))
	if err := errors.Join(err1, err2); err != nil {
		panic(err) // the options are constant
	}
	return c
})

// appendBlock appends the block of the payloads to dst. raw is scratch space that it may grow.
func appendBlock(dst, raw []byte, payloads [][]byte) (block, scratch []byte) {
	dst = append(dst, blockVersion)
	dst = binary.AppendUvarint(dst, uint64(len(payloads)))
	raw = raw[:0]
	for _, p := range payloads {
		dst = binary.AppendUvarint(dst, uint64(len(p)))
		raw = append(raw, p...)
	}
	return codec().enc.EncodeAll(raw, dst), raw
}

var errBlock = errors.New("event block is damaged")

// readBlock returns the payloads of a block. They share memory.
func readBlock(block []byte) ([][]byte, error) {
	if len(block) < 2 || block[0] != blockVersion {
		return nil, errBlock
	}
	rest := block[1:]
	next := func() (uint64, bool) {
		v, n := binary.Uvarint(rest)
		if n <= 0 {
			return 0, false
		}
		rest = rest[n:]
		return v, true
	}
	count, ok := next()
	if !ok || count > blockReadCount || count > uint64(len(rest)) {
		return nil, errBlock
	}
	lengths, total := make([]int, count), 0
	for i := range lengths {
		n, ok := next()
		if !ok || n > blockReadBytes {
			return nil, errBlock
		}
		lengths[i] = int(n)
		if total += int(n); total > blockReadBytes {
			return nil, errBlock
		}
	}
	raw, err := codec().dec.DecodeAll(rest, nil)
	if err != nil || len(raw) != total {
		return nil, errBlock
	}
	payloads := make([][]byte, count)
	for i, n := range lengths {
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
// whose block is gone is nil. Blocks are read a few megabytes at a time.
func (st *Store) payloads(ctx context.Context, project int64, refs []blockRef) ([][]byte, error) {
	wanted := make(map[blockRef][]int, len(refs)) // by block: positions in refs
	var days []time.Time
	var ids []int64
	for i, r := range refs {
		key := blockRef{ReceivedAt: dayOf(r.ReceivedAt), BlockID: r.BlockID}
		if wanted[key] == nil {
			days, ids = append(days, key.ReceivedAt), append(ids, key.BlockID)
		}
		wanted[key] = append(wanted[key], i)
	}
	rows, err := st.db.Query(ctx, sqlBlocks, pgx.StrictNamedArgs{"project": project, "days": days, "ids": ids})
	if err != nil {
		return nil, translate(err, "read event payloads of project %d", project)
	}
	defer rows.Close()
	found := make([][]byte, len(refs))
	for rows.Next() {
		var key blockRef
		var data pgtype.DriverBytes
		if err := rows.Scan(&key.ReceivedAt, &key.BlockID, &data); err != nil {
			return nil, translate(err, "read event payloads of project %d", project)
		}
		all, err := readBlock(data)
		if err != nil {
			return nil, fault.Wrap(err, fault.Internal, "event block %d of project %d cannot be read", key.BlockID, project)
		}
		for _, i := range wanted[key] {
			if n := int(refs[i].BlockIndex); n >= 0 && n < len(all) {
				found[i] = all[n]
			}
		}
	}
	return found, translate(rows.Err(), "read event payloads of project %d", project)
}
