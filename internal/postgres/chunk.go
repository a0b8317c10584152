package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Chunk is a piece of a file that is being uploaded.
type Chunk struct {
	SHA1 []byte
	Size int64
	Blob string // key of its bytes in the store of chunks
}

const (
	sqlPutChunk = `
		insert into upload_chunks (organization_id, sha1, size_bytes, blob_key) values (@org, @sha1, @size, @blob)
		on conflict (organization_id, sha1) do update set blob_key = excluded.blob_key, created_at = now()`

	sqlChunks = `select sha1, size_bytes, blob_key from upload_chunks where organization_id = @org and sha1 = any(@sums::bytea[])`

	sqlForgetChunks = `delete from upload_chunks where created_at < @before`
)

// PutChunk notes a chunk whose bytes are stored. Noting it again renews it.
func (st *Store) PutChunk(ctx context.Context, org int64, c Chunk) error {
	_, err := st.db.Exec(ctx, sqlPutChunk, pgx.StrictNamedArgs{"org": org, "sha1": c.SHA1, "size": c.Size, "blob": c.Blob})
	return translate(err, "note a chunk")
}

// Chunks returns those of an organization's chunks that are there.
func (st *Store) Chunks(ctx context.Context, org int64, sums [][]byte) ([]Chunk, error) {
	rows, _ := st.db.Query(ctx, sqlChunks, pgx.StrictNamedArgs{"org": org, "sums": sums})
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Chunk])
	return list, translate(err, "find chunks")
}

// ForgetChunks forgets the chunks that came before a moment.
func (st *Store) ForgetChunks(ctx context.Context, before time.Time) error {
	_, err := st.db.Exec(ctx, sqlForgetChunks, pgx.StrictNamedArgs{"before": before})
	return translate(err, "forget chunks")
}
