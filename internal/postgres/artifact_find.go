package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tocsin-dev/tocsin/internal/artifact"
	"github.com/tocsin-dev/tocsin/internal/fault"
)

const sqlArtifactPart = `
	select f.bundle_id, f.url, f.path, f.type, coalesce(f.debug_id, ''), f.sourcemap, b.blob_key, f.byte_offset, f.packed, f.size_bytes, f.method`

const (
	sqlArtifactsByDebugID = sqlArtifactPart + `, '', ''
		from artifact_files f join artifact_bundles b on b.project_id = f.project_id and b.id = f.bundle_id
		where f.project_id = @project and f.debug_id = any(@ids::text[])
		order by b.created_at desc, b.id desc, f.position limit @limit`

	sqlArtifactsByRelease = sqlArtifactPart + `, r.release, r.dist
		from artifact_releases r join artifact_bundles b on b.project_id = r.project_id and b.id = r.bundle_id
			join artifact_files f on f.project_id = r.project_id and f.bundle_id = r.bundle_id
		where r.project_id = @project and r.release = @release and r.dist = @dist
		order by b.kind, r.created_at desc, b.id desc, f.position limit @limit`

	sqlArtifactsByName = sqlArtifactPart + `, coalesce(r.release, ''), coalesce(r.dist, '')
		from artifact_files f join artifact_bundles b on b.project_id = f.project_id and b.id = f.bundle_id
			left join artifact_releases r on r.project_id = f.project_id and r.bundle_id = f.bundle_id
		where f.project_id = @project and f.name = any(@names::text[])
		order by b.created_at desc, b.id desc, f.position limit @limit`
)

// Bounds on what one search returns.
const (
	maxByDebugID = 2000
	maxByName    = 500
	// MaxReleaseArtifacts is how many files of a release are found by their address.
	MaxReleaseArtifacts = 50_000
)

// ArtifactsByDebugID returns the files with these debug ids, those of newer bundles first.
func (st *Store) ArtifactsByDebugID(ctx context.Context, project int64, ids []string) ([]artifact.File, error) {
	return st.artifacts(ctx, sqlArtifactsByDebugID, pgx.StrictNamedArgs{"project": project, "ids": ids, "limit": maxByDebugID})
}

// ArtifactsByRelease returns the files of a release and dist: of bundles before single ones, of
// newer before older.
func (st *Store) ArtifactsByRelease(ctx context.Context, project int64, r artifact.Release) ([]artifact.File, error) {
	return st.artifacts(ctx, sqlArtifactsByRelease, pgx.StrictNamedArgs{"project": project, "release": r.Version, "dist": r.Dist, "limit": MaxReleaseArtifacts})
}

// ArtifactsByName returns the files that are called like that, whatever their address, with each
// of their releases; newer first.
func (st *Store) ArtifactsByName(ctx context.Context, project int64, names []string) ([]artifact.File, error) {
	return st.artifacts(ctx, sqlArtifactsByName, pgx.StrictNamedArgs{"project": project, "names": names, "limit": maxByName})
}

func (st *Store) artifacts(ctx context.Context, sql string, args pgx.StrictNamedArgs) ([]artifact.File, error) {
	rows, _ := st.db.Query(ctx, sql, args) // Collect reports a failed Query
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (f artifact.File, err error) {
		var method int16
		err = row.Scan(&f.Bundle, &f.URL, &f.Path, &f.Type, &f.DebugID, &f.Sourcemap, &f.Blob, &f.Offset, &f.Packed, &f.Size, &method, &f.Release, &f.Dist)
		f.Method = uint16(method)
		return f, err
	})
	return list, translate(err, "find artifacts")
}

const sqlArtifactRevision = `select coalesce((select revision from artifact_states where project_id = @project), 0)`

// ArtifactRevision grows with each change of a project's artifacts; 0: it never had any.
func (st *Store) ArtifactRevision(ctx context.Context, project int64) (n int64, err error) {
	err = st.db.QueryRow(ctx, sqlArtifactRevision, pgx.StrictNamedArgs{"project": project}).Scan(&n)
	return n, translate(err, "read the revision of artifacts of project %d", project)
}

const sqlBundlePart = `
	select b.project_id, b.id, b.kind, b.sha1, b.debug_id, b.size_bytes, b.file_count, b.blob_key, b.headers, b.created_at, b.seen_at,
		coalesce((select jsonb_agg(jsonb_build_array(r.release, r.dist) order by r.release, r.dist) from artifact_releases r
			where r.project_id = b.project_id and r.bundle_id = b.id), '[]'),
		coalesce((select f.url from artifact_files f where f.project_id = b.project_id and f.bundle_id = b.id and f.position = 0), '')
	from artifact_bundles b `

const (
	sqlBundles = sqlBundlePart + `
		where b.project_id = @project and b.kind = 1 and (@query = '' or b.debug_id = @query or exists (
			select from artifact_releases r where r.project_id = b.project_id and r.bundle_id = b.id and (r.release ilike '%' || @query || '%' or r.dist = @query))
			or exists (select from artifact_files f where f.project_id = b.project_id and f.bundle_id = b.id and f.debug_id = @query))
		order by b.created_at desc, b.id desc limit @limit offset @skip`

	sqlBundleByID = sqlBundlePart + `
		where b.project_id = @project and b.kind = 1 and (b.debug_id = @bundle or b.id::text = @bundle) order by b.created_at desc limit 1`

	sqlReleaseFiles = sqlBundlePart + `
		join artifact_releases o on o.project_id = b.project_id and o.bundle_id = b.id
		where b.project_id = any(@projects::bigint[]) and b.kind = 2 and o.release = @release
		order by b.project_id, b.created_at desc, b.id desc limit @limit offset @skip`

	sqlBundleFiles = sqlArtifactPart + `, '', ''
		from artifact_files f join artifact_bundles b on b.project_id = f.project_id and b.id = f.bundle_id
		where f.project_id = @project and f.bundle_id = @id order by f.position limit @limit offset @skip`
)

// Bundles returns bundles of a project, newest first; query is a debug id, of a bundle or of a file
// in it, a dist or a part of a release's version.
func (st *Store) Bundles(ctx context.Context, project int64, query string, skip, limit int) ([]artifact.Bundle, error) {
	return st.bundles(ctx, sqlBundles, pgx.StrictNamedArgs{"project": project, "query": query, "skip": skip, "limit": limit})
}

// Bundle returns one bundle of a project by its id or debug id; none when there is none.
func (st *Store) Bundle(ctx context.Context, project int64, name string) ([]artifact.Bundle, error) {
	return st.bundles(ctx, sqlBundleByID, pgx.StrictNamedArgs{"project": project, "bundle": name})
}

// BundleFiles returns files of a bundle in the order of the archive.
func (st *Store) BundleFiles(ctx context.Context, project, id int64, skip, limit int) ([]artifact.File, error) {
	return st.artifacts(ctx, sqlBundleFiles, pgx.StrictNamedArgs{"project": project, "id": id, "skip": skip, "limit": limit})
}

// ReleaseFiles returns the single files of a release in any of the projects, newest first within
// each.
func (st *Store) ReleaseFiles(ctx context.Context, projects []int64, release string, skip, limit int) ([]artifact.Bundle, error) {
	return st.bundles(ctx, sqlReleaseFiles, pgx.StrictNamedArgs{"projects": projects, "release": release, "skip": skip, "limit": limit})
}

func (st *Store) bundles(ctx context.Context, sql string, args pgx.StrictNamedArgs) ([]artifact.Bundle, error) {
	rows, _ := st.db.Query(ctx, sql, args) // Collect reports a failed Query
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (b artifact.Bundle, err error) {
		var headers, releases []byte
		var url string
		err = row.Scan(&b.Project, &b.ID, &b.Kind, &b.SHA1, &b.DebugID, &b.Size, &b.FileCount, &b.Blob, &headers, &b.CreatedAt, &b.SeenAt, &releases, &url)
		if err != nil {
			return b, err
		}
		var pairs [][2]string
		if err := json.Unmarshal(releases, &pairs); err != nil {
			return b, err
		}
		for _, p := range pairs {
			b.Releases = append(b.Releases, artifact.Release{Version: p[0], Dist: p[1]})
		}
		if b.Kind == artifact.KindFile {
			b.Files = []artifact.File{{URL: url}}
		}
		return b, json.Unmarshal(headers, &b.Headers)
	})
	return list, translate(err, "list bundles")
}

// ReleaseUploads is what was uploaded for a release in one project.
type ReleaseUploads struct {
	Release   string
	FileCount int
	CreatedAt time.Time
	Bundles   []int64
}

const sqlReleaseUploads = `
	select r.release, sum(b.file_count)::int, max(r.created_at), array_agg(distinct b.id)
	from artifact_releases r join artifact_bundles b on b.project_id = r.project_id and b.id = r.bundle_id
	where r.project_id = @project and (@query = '' or r.release ilike '%' || @query || '%') and (@release = '' or r.release = @release)
	group by r.release order by max(r.created_at) desc, r.release limit @limit offset @skip`

// ReleasesWithUploads lists the releases of a project that files were uploaded for; query is a part
// of their version, release the whole of it, each empty for any.
func (st *Store) ReleasesWithUploads(ctx context.Context, project int64, query, release string, skip, limit int) ([]ReleaseUploads, error) {
	rows, _ := st.db.Query(ctx, sqlReleaseUploads, pgx.StrictNamedArgs{"project": project, "query": query, "release": release, "skip": skip, "limit": limit})
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ReleaseUploads])
	return list, translate(err, "list releases with uploads")
}

const sqlReleaseProjects = `
	select p.id from projects p join releases r on r.project_id = p.id and r.version = @release
	where p.organization_id = @org and p.deleted_at is null order by p.id`

// ReleaseProjects returns the projects of an organization that know a release.
func (st *Store) ReleaseProjects(ctx context.Context, org int64, release string) ([]int64, error) {
	rows, _ := st.db.Query(ctx, sqlReleaseProjects, pgx.StrictNamedArgs{"org": org, "release": release})
	list, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	return list, translate(err, "find the projects of a release")
}

const (
	sqlRenameBundle = `update artifact_bundles set identity = @identity where project_id = @project and id = @id and kind = 2`

	sqlRenameArtifact = `update artifact_files set url = @url, name = @name where project_id = @project and bundle_id = @id`

	sqlMoveArtifact = `update artifact_releases set dist = @dist where project_id = @project and bundle_id = @id and release = @release`
)

// RenameReleaseFile moves a single file of a release to another name or dist. fault.Conflict: the
// release has a file there.
func (st *Store) RenameReleaseFile(ctx context.Context, project, id int64, url string, r artifact.Release, identity []byte) error {
	err := st.configure(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlLockArtifacts, pgx.StrictNamedArgs{"project": project}); err != nil {
			return err
		}
		rows, _ := tx.Query(ctx, sqlFindBundle, pgx.StrictNamedArgs{"project": project, "identity": identity})
		other, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (b artifact.Bundle, err error) { return b, row.Scan(&b.ID, &b.Blob) })
		if err == nil && len(other) > 0 && other[0].ID != id {
			err = fault.New(fault.Conflict, "A file matching this name already exists for the given release")
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, sqlRenameBundle, pgx.StrictNamedArgs{"project": project, "id": id, "identity": identity}); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, sqlRenameArtifact, pgx.StrictNamedArgs{"project": project, "id": id, "url": url, "name": artifact.Name(url)}); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, sqlMoveArtifact, pgx.StrictNamedArgs{"project": project, "id": id, "release": r.Version, "dist": r.Dist})
		return err
	})
	return translate(err, "rename a file of a release")
}

const sqlUploadFacts = `
	select exists (select from artifact_bundles where project_id = @project and kind = 1),
		exists (select from artifact_releases where project_id = @project and release = @release),
		exists (select from artifact_files where project_id = @project and debug_id is not null)`

// UploadFacts is whether a project has bundles at all, files of a release, files with debug ids.
type UploadFacts struct{ Bundles, Release, DebugIDs bool }

// UploadFacts returns what was ever uploaded for a project and one of its releases.
func (st *Store) UploadFacts(ctx context.Context, project int64, release string) (f UploadFacts, err error) {
	err = st.db.QueryRow(ctx, sqlUploadFacts, pgx.StrictNamedArgs{"project": project, "release": release}).Scan(&f.Bundles, &f.Release, &f.DebugIDs)
	return f, translate(err, "learn what was uploaded for project %d", project)
}

// MentionRelease makes a release of a project known.
func (st *Store) MentionRelease(ctx context.Context, project int64, release string) error {
	_, err := st.db.Exec(ctx, sqlMentionRelease, pgx.StrictNamedArgs{"project": project, "release": release})
	return translate(err, "make a release known")
}
