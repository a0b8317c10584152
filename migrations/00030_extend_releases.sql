-- +goose Up

-- A release may be made before the first event of it, by the API, and has a date of its own.
alter table releases
	alter column first_seen drop not null,
	alter column last_seen drop not null,
	add column created_at  timestamptz not null default now(), -- by the API or the first event
	add column started_at  timestamptz,
	add column released_at timestamptz,
	add column status      smallint not null default 0, -- release.Status
	add column ref         text not null default '',
	add column url         text not null default '',
	add column owner_id    bigint,
	add column sort_key    bytea; -- release.SortKey: bytes in the order of versions; null where the name is none
update releases set created_at = first_seen;
create index releases_dated on releases (project_id, (coalesce(released_at, created_at)) desc);
create index releases_sort_key on releases (project_id, sort_key desc) where sort_key is not null;

alter table environments add column is_hidden boolean not null default false;

-- What releases of an organization are made of. Small beside events: keyed by organization, since a
-- commit belongs to none of its projects.

create table repositories (
	organization_id bigint not null references organizations (id),
	id              bigint not null,
	name            text not null,
	provider        text not null default '',
	url             text not null default '',
	created_at      timestamptz not null default now(),
	primary key (organization_id, id),
	unique (organization_id, name)
);

create table commits (
	organization_id bigint not null,
	repository_id   bigint not null,
	sha             text not null,
	message         text not null default '',
	author_name     text not null default '',
	author_email    text not null default '',
	committed_at    timestamptz not null,
	files           jsonb not null default '[]', -- [release.File]
	primary key (organization_id, repository_id, sha)
);

-- The commits of a release, the newest at position 0.
create table release_commits (
	organization_id bigint not null,
	version         text not null,
	position        integer not null,
	repository_id   bigint not null,
	sha             text not null,
	primary key (organization_id, version, position)
);
create index release_commits_commit on release_commits (organization_id, repository_id, sha);

-- The commit that a release was built from, by repository.
create table release_heads (
	organization_id bigint not null,
	version         text not null,
	repository_id   bigint not null,
	sha             text not null,
	primary key (organization_id, version, repository_id)
);

create table deploys (
	organization_id bigint not null,
	id              bigint not null,
	version         text not null,
	environment     text not null,
	name            text not null default '',
	url             text not null default '',
	project_ids     bigint[] not null,
	started_at      timestamptz,
	finished_at     timestamptz not null,
	primary key (organization_id, id)
);
create index deploys_version on deploys (organization_id, version, finished_at desc);
