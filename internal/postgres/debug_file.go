package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// DebugFile is one debug information file, or one architecture of it.
type DebugFile struct {
	Project    int64
	ID         int64
	SHA1       []byte
	DebugID    string // normalized as artifact.ParseDebugID does
	CodeID     string
	Format     string // debugfile.Format
	Kind       string
	CPU        string
	ObjectName string
	Features   []string
	Size       int64 // bytes
	Blob       string
	CreatedAt  time.Time
}

const (
	sqlKeepDebugFile = `
		insert into debug_files (project_id, id, sha1, debug_id, code_id, format, kind, cpu, object_name, features, size_bytes, blob_key)
		values (@project, @id, @sha1, @debug_id, @code_id, @format, @kind, @cpu, @name, @features, @size, @blob)
		on conflict (project_id, sha1, debug_id) do update set seen_at = now()
		returning id, created_at`

	sqlDebugFilePart = `
		select project_id, id, sha1, debug_id, code_id, format, kind, cpu, object_name, features, size_bytes, blob_key, created_at from debug_files `

	sqlDebugFilesBySum = sqlDebugFilePart + `where project_id = @project and sha1 = any(@sums::bytea[]) order by id limit 1000`

	sqlDebugFilesByID = sqlDebugFilePart + `where project_id = @project and debug_id = any(@ids::text[]) order by created_at desc, id desc limit 1000`

	sqlDebugFile = sqlDebugFilePart + `where project_id = @project and id = @id`

	sqlDebugFiles = sqlDebugFilePart + `
		where project_id = @project and (@debug_id = '' or debug_id = @debug_id) and (@code_id = '' or code_id = @code_id)
			and (@formats::text[] is null or format = any(@formats))
			and (@query = '' or debug_id ilike @query || '%' or code_id ilike @query || '%' or object_name ilike '%' || @query || '%' or cpu = @query)
		order by created_at desc, id desc limit @limit offset @skip`

	sqlDeleteDebugFiles = `delete from debug_files where project_id = @project and id = any(@ids::bigint[]) returning blob_key`
)

// KeepDebugFile stores what is known of an uploaded debug file; one that is there already is
// renewed, and its id is set. See KeepBundle for there. ErrBlobGone.
func (st *Store) KeepDebugFile(ctx context.Context, f *DebugFile, there func(key string) bool) error {
	err := st.configure(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlLockArtifacts, pgx.StrictNamedArgs{"project": f.Project}); err != nil {
			return err
		}
		if !there(f.Blob) {
			return ErrBlobGone
		}
		return tx.QueryRow(ctx, sqlKeepDebugFile, pgx.StrictNamedArgs{"project": f.Project, "id": NewID(), "sha1": f.SHA1, "debug_id": f.DebugID, "code_id": f.CodeID,
			"format": f.Format, "kind": f.Kind, "cpu": f.CPU, "name": f.ObjectName, "features": f.Features, "size": f.Size, "blob": f.Blob}).Scan(&f.ID, &f.CreatedAt)
	})
	return translate(err, "keep a debug file")
}

// DebugFileQuery selects debug files; empty fields do not restrict it.
type DebugFileQuery struct {
	Query, DebugID, CodeID string
	Formats                []string
	Skip, Limit            int
}

// DebugFiles lists a project's debug files, newest first.
func (st *Store) DebugFiles(ctx context.Context, project int64, q DebugFileQuery) ([]DebugFile, error) {
	return st.debugFiles(ctx, sqlDebugFiles, pgx.StrictNamedArgs{"project": project, "query": q.Query, "debug_id": q.DebugID, "code_id": q.CodeID,
		"formats": q.Formats, "skip": q.Skip, "limit": q.Limit})
}

// DebugFile returns one debug file of a project; none when there is none.
func (st *Store) DebugFile(ctx context.Context, project, id int64) ([]DebugFile, error) {
	return st.debugFiles(ctx, sqlDebugFile, pgx.StrictNamedArgs{"project": project, "id": id})
}

// DebugFilesBySum returns the files of a project with these SHA-1 sums.
func (st *Store) DebugFilesBySum(ctx context.Context, project int64, sums [][]byte) ([]DebugFile, error) {
	return st.debugFiles(ctx, sqlDebugFilesBySum, pgx.StrictNamedArgs{"project": project, "sums": sums})
}

// DebugFilesByID returns the files of a project with these debug ids, newest first.
func (st *Store) DebugFilesByID(ctx context.Context, project int64, ids []string) ([]DebugFile, error) {
	return st.debugFiles(ctx, sqlDebugFilesByID, pgx.StrictNamedArgs{"project": project, "ids": ids})
}

func (st *Store) debugFiles(ctx context.Context, sql string, args pgx.StrictNamedArgs) ([]DebugFile, error) {
	rows, _ := st.db.Query(ctx, sql, args) // Collect reports a failed Query
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[DebugFile])
	return list, translate(err, "find debug files")
}

// DeleteDebugFiles removes debug files of a project, and with remove the bytes that nothing else
// uses. It returns how many there were.
func (st *Store) DeleteDebugFiles(ctx context.Context, project int64, ids []int64, remove func(key string) error) (n int, err error) {
	err = st.configure(ctx, func(tx pgx.Tx) (err error) {
		n, err = st.deleteArtifacts(ctx, tx, sqlDeleteDebugFiles, project, ids, remove)
		return err
	})
	return n, translate(err, "delete debug files of project %d", project)
}
