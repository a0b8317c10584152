package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/artifact"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

const (
	sqlLockArtifacts = `
		insert into artifact_states (project_id, revision) values (@project, 1)
		on conflict (project_id) do update set revision = artifact_states.revision + 1`

	sqlFindBundle = `select id, blob_key from artifact_bundles where project_id = @project and identity = @identity`

	sqlRenewBundle = `update artifact_bundles set seen_at = now() where project_id = @project and id = @id`

	sqlInsertBundle = `
		insert into artifact_bundles (project_id, id, kind, identity, sha1, debug_id, size_bytes, file_count, blob_key, headers)
		values (@project, @id, @kind, @identity, @sha1, @debug_id, @size, @files, @blob, @headers)`

	sqlInsertArtifacts = `
		insert into artifact_files (project_id, bundle_id, position, url, name, path, type, debug_id, sourcemap, byte_offset, packed, size_bytes, method)
		select @project, @bundle, f.n - 1, f.url, f.name, f.path, f.type, nullif(f.debug_id, ''), f.sourcemap, f.byte_offset, f.packed, f.size_bytes, f.method
		from unnest(@urls::text[], @names::text[], @paths::text[], @types::smallint[], @debug_ids::text[], @sourcemaps::text[],
			@offsets::bigint[], @packed::bigint[], @sizes::bigint[], @methods::smallint[]) with ordinality
			as f(url, name, path, type, debug_id, sourcemap, byte_offset, packed, size_bytes, method, n)`

	sqlInsertArtifactRelease = `
		insert into artifact_releases (project_id, release, dist, bundle_id) values (@project, @release, @dist, @bundle)
		on conflict (project_id, release, dist, bundle_id) do update set created_at = now()`

	sqlMentionRelease = `
		insert into releases (project_id, version, first_seen, last_seen) values (@project, @release, now(), now())
		on conflict (project_id, version) do nothing`
)

// ErrBlobGone is what KeepBundle and KeepDebugFile answer when the bytes they are told of were
// removed in between: they must be stored again.
var ErrBlobGone = fault.New(fault.Conflict, "the bytes of the file were removed in between")

// KeepBundle stores what is known of an uploaded bundle and makes it belong to its releases, which
// are made when they are not known; one that is there already is renewed. there says whether bytes
// are kept under a key; it is asked while no bundle of the project can be removed. The bundle's id
// is set. ErrBlobGone.
func (st *Store) KeepBundle(ctx context.Context, b *artifact.Bundle, there func(key string) bool) error {
	return translateArtifacts(st.configure(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlLockArtifacts, pgx.StrictNamedArgs{"project": b.Project}); err != nil {
			return err
		}
		rows, _ := tx.Query(ctx, sqlFindBundle, pgx.StrictNamedArgs{"project": b.Project, "identity": b.Identity})
		found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (old artifact.Bundle, err error) {
			return old, row.Scan(&old.ID, &old.Blob)
		})
		if err != nil {
			return err
		}
		if len(found) > 0 {
			b.ID, b.Blob = found[0].ID, found[0].Blob
			_, err = tx.Exec(ctx, sqlRenewBundle, pgx.StrictNamedArgs{"project": b.Project, "id": b.ID})
		} else if !there(b.Blob) {
			return ErrBlobGone
		} else {
			b.ID = NewID()
			err = insertBundle(ctx, tx, b)
		}
		if err != nil {
			return err
		}
		return releaseBundle(ctx, tx, b)
	}), "keep an artifact bundle")
}

// translateArtifacts lets a fault of the caller's pass and translates the rest.
func translateArtifacts(err error, what string) error { return translate(err, "%s", what) }

func insertBundle(ctx context.Context, tx pgx.Tx, b *artifact.Bundle) error {
	headers, err := json.Marshal(b.Headers)
	if err != nil || b.Headers == nil {
		headers = []byte("{}")
	}
	_, err = tx.Exec(ctx, sqlInsertBundle, pgx.StrictNamedArgs{"project": b.Project, "id": b.ID, "kind": b.Kind, "identity": b.Identity, "sha1": b.SHA1,
		"debug_id": b.DebugID, "size": b.Size, "files": len(b.Files), "blob": b.Blob, "headers": headers})
	if err != nil {
		return err
	}
	n := len(b.Files)
	urls, names, paths, ids, refs := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	types, methods := make([]int16, n), make([]int16, n)
	offsets, packed, sizes := make([]int64, n), make([]int64, n), make([]int64, n)
	for i, f := range b.Files {
		urls[i], names[i], paths[i], ids[i], refs[i] = f.URL, artifact.Name(f.URL), f.Path, f.DebugID, f.Sourcemap
		types[i], methods[i], offsets[i], packed[i], sizes[i] = int16(f.Type), int16(f.Method), f.Offset, f.Packed, f.Size
	}
	_, err = tx.Exec(ctx, sqlInsertArtifacts, pgx.StrictNamedArgs{"project": b.Project, "bundle": b.ID, "urls": urls, "names": names, "paths": paths,
		"types": types, "debug_ids": ids, "sourcemaps": refs, "offsets": offsets, "packed": packed, "sizes": sizes, "methods": methods})
	return err
}

func releaseBundle(ctx context.Context, tx pgx.Tx, b *artifact.Bundle) error {
	for _, r := range b.Releases {
		if _, err := tx.Exec(ctx, sqlMentionRelease, pgx.StrictNamedArgs{"project": b.Project, "release": r.Version}); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sqlInsertArtifactRelease, pgx.StrictNamedArgs{"project": b.Project, "release": r.Version, "dist": r.Dist, "bundle": b.ID})
		if err != nil {
			return err
		}
	}
	return nil
}

const sqlBundleHas = `select exists (select from artifact_bundles where project_id = @project and identity = @identity)`

// HasBundle reports whether a project has a bundle.
func (st *Store) HasBundle(ctx context.Context, project int64, identity []byte) (has bool, err error) {
	err = st.db.QueryRow(ctx, sqlBundleHas, pgx.StrictNamedArgs{"project": project, "identity": identity}).Scan(&has)
	return has, translate(err, "look for a bundle of project %d", project)
}

const sqlDeleteBundlesPart = `
	with gone as (delete from artifact_bundles where project_id = @project and id = any(@ids::bigint[]) returning id, blob_key),
		files as (delete from artifact_files where project_id = @project and bundle_id in (select id from gone)),
		releases as (delete from artifact_releases where project_id = @project and bundle_id in (select id from gone))
	select distinct blob_key from gone`

const sqlDeleteBundles = sqlDeleteBundlesPart

const sqlBlobUsed = `
	select exists (select from artifact_bundles where project_id = @project and blob_key = @blob)
		or exists (select from debug_files where project_id = @project and blob_key = @blob)`

// DeleteBundles removes bundles of a project, and with remove the bytes that nothing else uses. It
// returns how many there were.
func (st *Store) DeleteBundles(ctx context.Context, project int64, ids []int64, remove func(key string) error) (n int, err error) {
	err = st.configure(ctx, func(tx pgx.Tx) (err error) {
		n, err = st.deleteArtifacts(ctx, tx, sqlDeleteBundles, project, ids, remove)
		return err
	})
	return n, translate(err, "delete bundles of project %d", project)
}

func (st *Store) deleteArtifacts(ctx context.Context, tx pgx.Tx, sql string, project int64, ids []int64, remove func(key string) error) (int, error) {
	if _, err := tx.Exec(ctx, sqlLockArtifacts, pgx.StrictNamedArgs{"project": project}); err != nil {
		return 0, err
	}
	rows, _ := tx.Query(ctx, sql, pgx.StrictNamedArgs{"project": project, "ids": ids})
	keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return 0, err
	}
	for _, key := range keys {
		var used bool
		if err := tx.QueryRow(ctx, sqlBlobUsed, pgx.StrictNamedArgs{"project": project, "blob": key}).Scan(&used); err != nil {
			return 0, err
		}
		if used {
			continue
		}
		if err := remove(key); err != nil {
			return 0, err
		}
	}
	return len(keys), nil
}

const (
	sqlExpiredBundles = `select project_id, id from artifact_bundles where seen_at < @before order by seen_at limit @limit`

	sqlExpiredDebugFiles = `select project_id, id from debug_files where seen_at < @before order by seen_at limit @limit`

	sqlTouchBundles = `
		update artifact_bundles set seen_at = now()
		where project_id = @project and id = any(@ids::bigint[]) and seen_at < now() - interval '1 day'`

	sqlTouchDebugFiles = `
		update debug_files set seen_at = now()
		where project_id = @project and id = any(@ids::bigint[]) and seen_at < now() - interval '1 day'`
)

// TouchArtifacts notes that bundles, or debug files, were used. It writes once a day.
func (st *Store) TouchArtifacts(ctx context.Context, project int64, bundles, debugFiles []int64) error {
	if len(bundles) > 0 {
		if _, err := st.db.Exec(ctx, sqlTouchBundles, pgx.StrictNamedArgs{"project": project, "ids": bundles}); err != nil {
			return translate(err, "note the use of artifacts")
		}
	}
	if len(debugFiles) > 0 {
		if _, err := st.db.Exec(ctx, sqlTouchDebugFiles, pgx.StrictNamedArgs{"project": project, "ids": debugFiles}); err != nil {
			return translate(err, "note the use of debug files")
		}
	}
	return nil
}

// expireAtOnce is how many artifacts are removed in one go.
const expireAtOnce = 500

// ExpireArtifacts removes bundles and debug files that were neither uploaded nor used since before;
// remove gets the keys of their bytes. It returns how many it removed: the next call finds more
// when that is not 0.
func (st *Store) ExpireArtifacts(ctx context.Context, before time.Time, remove func(key string) error) (int, error) {
	total := 0
	for find, drop := range map[string]func(context.Context, int64, []int64, func(string) error) (int, error){
		sqlExpiredBundles: st.DeleteBundles, sqlExpiredDebugFiles: st.DeleteDebugFiles,
	} {
		rows, _ := st.db.Query(ctx, find, pgx.StrictNamedArgs{"before": before, "limit": expireAtOnce})
		byProject := make(map[int64][]int64)
		list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (pair [2]int64, err error) { return pair, row.Scan(&pair[0], &pair[1]) })
		if err != nil {
			return total, translate(err, "find artifacts that are not used")
		}
		for _, pair := range list {
			byProject[pair[0]] = append(byProject[pair[0]], pair[1])
		}
		for project, ids := range byProject {
			if _, err := drop(ctx, project, ids, remove); err != nil {
				return total, err
			}
			total += len(ids)
		}
	}
	return total, nil
}
