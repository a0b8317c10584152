-- +goose Up

-- What was counted under each hash, so that issues can be taken apart again with the right counts.
-- An event counts under its primary hash alone.
create table hash_counts (
	project_id    bigint not null,
	hash          bytea not null,
	times_seen    bigint not null,
	thinned_count bigint not null default 0, -- events of these that were counted and not kept
	first_seen    timestamptz not null,
	last_seen     timestamptz not null,
	users         bytea, -- postgres.userSketch; null: none
	primary key (project_id, hash)
) with (fillfactor = 80);
alter table hash_counts alter column users set storage external;

-- Users are counted by sketches from now on.
drop table issue_users;

-- The first eight bytes of an event's primary hash: what tells which events leave with a hash.
alter table events add column hash bigint not null default 0;

-- Where an issue went that was merged, for its id and its short id.
create table issue_redirects (
	project_id bigint not null,
	issue_id   bigint not null,
	number     bigint not null,
	target_id  bigint not null,
	created_at timestamptz not null default now(),
	primary key (project_id, issue_id)
);
create unique index issue_redirects_number on issue_redirects (project_id, number);
create index issue_redirects_target on issue_redirects (project_id, target_id);

-- Issues whose events are dropped from now on. Their hashes stay in issue_hashes, with the
-- negative of the id here for an issue.
create table discards (
	project_id bigint not null,
	id         bigint not null,
	title      text not null,
	culprit    text not null,
	number     bigint not null, -- of the issue it was
	times_seen bigint not null,
	created_by bigint,
	created_at timestamptz not null default now(),
	primary key (project_id, id)
);

-- Work that is done in chunks. Each chunk moves state forward in its own transaction, so that the
-- work goes on where it stood, whoever was at it.
create table jobs (
	project_id   bigint not null,
	id           bigint not null,
	kind         text not null,             -- job.Kind
	args         jsonb not null,            -- job.Args
	state        jsonb not null default '{}', -- the continuation token
	status       smallint not null default 0, -- job.Status
	done         bigint not null default 0, -- units that are done
	total        bigint not null default 0, -- of how many; 0: not known yet
	result       jsonb not null default '{}',
	problem      text not null default '',
	failures     integer not null default 0, -- of chunks since the last that succeeded
	cancel       boolean not null default false, -- asked for
	created_by   bigint,
	created_at   timestamptz not null default now(),
	started_at   timestamptz,
	finished_at  timestamptz,
	turn_at      timestamptz not null default now(), -- jobs take turns in this order
	fence        bigint not null default 0, -- grows with each worker that takes it
	leased_until timestamptz not null default now(),
	primary key (project_id, id)
);
create index jobs_open on jobs (turn_at) where status in (0, 1);

-- A dictionary that holds what is to be erased serves no new block.
alter table event_dictionaries add column retired_at timestamptz;
