-- +goose Up

-- Pieces of files that are being uploaded. Their bytes are in the store of chunks, which forgets
-- them after a day or two, used or not.
create table upload_chunks (
	organization_id bigint not null,
	sha1            bytea not null,
	size_bytes      integer not null,
	blob_key        text not null,
	created_at      timestamptz not null default now(),
	primary key (organization_id, sha1)
);
create index upload_chunks_created_at on upload_chunks (created_at);

-- One row per project that ever got artifacts. The revision grows with each change of them, so that
-- caches know; changes of one project's artifacts happen one after the other by its lock.
create table artifact_states (
	project_id bigint primary key,
	revision   bigint not null
);

-- Uploaded files that hold scripts and maps: bundles, and single files of a release.
create table artifact_bundles (
	project_id bigint not null,
	id         bigint not null,
	kind       smallint not null, -- artifact.BundleKind
	identity   bytea not null,    -- what is the same when it is uploaded twice
	sha1       bytea not null,    -- of the bytes
	debug_id   text not null,     -- of the bundle as a whole; empty when it names none
	size_bytes bigint not null,
	file_count integer not null,
	blob_key   text not null,
	headers    jsonb not null default '{}', -- of a single file
	created_at timestamptz not null default now(),
	seen_at    timestamptz not null default now(), -- last uploaded or used
	primary key (project_id, id),
	unique (project_id, identity)
);
create index artifact_bundles_seen_at on artifact_bundles (seen_at);
create index artifact_bundles_blob_key on artifact_bundles (project_id, blob_key);

-- The files within, and where their bytes lie in the bundle.
create table artifact_files (
	project_id  bigint not null,
	bundle_id   bigint not null,
	position    integer not null,
	url         text not null,
	name        text not null,     -- last part of the URL, in lower case
	path        text not null,     -- within the bundle
	type        smallint not null, -- artifact.FileType
	debug_id    text,
	sourcemap   text not null,     -- the script's reference to its map
	byte_offset bigint not null,
	packed      bigint not null,   -- bytes as stored
	size_bytes  bigint not null,
	method      smallint not null, -- 0 stored, 8 deflate
	primary key (project_id, bundle_id, position)
);
create index artifact_files_debug_id on artifact_files (project_id, debug_id) where debug_id is not null;
create index artifact_files_name on artifact_files (project_id, name);

-- Which releases a bundle belongs to; dist is empty for none.
create table artifact_releases (
	project_id bigint not null,
	release    text not null,
	dist       text not null,
	bundle_id  bigint not null,
	created_at timestamptz not null default now(),
	primary key (project_id, release, dist, bundle_id)
);
create index artifact_releases_bundle on artifact_releases (project_id, bundle_id);

-- Debug information files of native programs, and mappings of obfuscated ones.
create table debug_files (
	project_id  bigint not null,
	id          bigint not null,
	sha1        bytea not null,
	debug_id    text not null,
	code_id     text not null,
	format      text not null, -- debugfile.Format
	kind        text not null, -- exe, dbg, lib, …
	cpu         text not null,
	object_name text not null,
	features    text[] not null, -- symtab, debug, unwind, sources, mapping
	size_bytes  bigint not null,
	blob_key    text not null,
	created_at  timestamptz not null default now(),
	seen_at     timestamptz not null default now(),
	primary key (project_id, id),
	unique (project_id, sha1, debug_id)
);
create index debug_files_debug_id on debug_files (project_id, debug_id);
create index debug_files_seen_at on debug_files (seen_at);
create index debug_files_blob_key on debug_files (project_id, blob_key);
