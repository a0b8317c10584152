-- +goose Up

-- Configuration: small tables, read through caches, never on the hot path.

create table organizations (
	id         bigint primary key,
	slug       text not null unique,
	name       text not null,
	created_at timestamptz not null default now()
);

create table projects (
	id              bigint primary key,
	organization_id bigint not null references organizations (id),
	slug            text not null,
	name            text not null,
	platform        text not null default '',
	settings        jsonb not null default '{}', -- project.Settings
	issue_count     bigint not null default 0,   -- numbers given to short ids so far
	first_event_at  timestamptz,
	created_at      timestamptz not null default now(),
	deleted_at      timestamptz,
	unique (organization_id, slug)
);

create table client_keys (
	id         bigint primary key,
	project_id bigint not null references projects (id),
	public_key text not null unique,
	secret_key text not null,
	label      text not null,
	is_active  boolean not null default true,
	rate_limit_count   integer, -- events per window; null is unlimited
	rate_limit_seconds integer,
	created_at timestamptz not null default now()
);
create index client_keys_project on client_keys (project_id);

create table users (
	id            bigint primary key,
	email         text not null,
	name          text not null default '',
	password_hash text not null, -- argon2id, PHC string
	is_active     boolean not null default true,
	created_at    timestamptz not null default now(),
	last_login_at timestamptz
);
create unique index users_email on users (lower(email));

create table memberships (
	organization_id bigint not null references organizations (id),
	user_id         bigint not null references users (id),
	role            text not null, -- account.Role
	created_at      timestamptz not null default now(),
	primary key (organization_id, user_id)
);
create index memberships_user on memberships (user_id);

create table api_tokens (
	id              bigint primary key,
	organization_id bigint not null references organizations (id),
	user_id         bigint references users (id), -- null: the organization's own
	name            text not null,
	token_hash      bytea not null unique, -- SHA-256 of the whole token
	last_characters text not null,
	scopes          text[] not null,
	created_at      timestamptz not null default now(),
	expires_at      timestamptz,
	revoked_at      timestamptz,
	last_used_at    timestamptz
);

-- Browser logins, in the shape the session library asks for; tokens are stored hashed.
create table sessions (
	token  text primary key,
	data   bytea not null,
	expiry timestamptz not null
);
create index sessions_expiry on sessions (expiry);

-- Periodic jobs run under a lease row, so that several replicas do not run them twice.
create table leases (
	name       text primary key,
	holder     text not null,
	fence      bigint not null, -- grows with each change of holder
	expires_at timestamptz not null
);

-- Issues and what is counted about them. Every table leads with project_id.

create table issues (
	project_id    bigint not null,
	id            bigint not null,
	number        bigint not null, -- short id within the project
	type          text not null,
	level         smallint not null,
	platform      text not null,
	logger        text not null default '',
	title         text not null,
	culprit       text not null default '',
	metadata      jsonb not null,             -- event.Metadata of the latest event
	status        smallint not null default 0, -- issue.Status
	substatus     smallint not null default 0, -- issue.Substatus
	priority      smallint not null default 0, -- issue.Priority
	is_unhandled  boolean not null default false,
	first_seen    timestamptz not null,
	last_seen     timestamptz not null,
	times_seen    bigint not null,
	user_count    bigint not null default 0,
	first_release text,
	last_release  text,
	resolution    jsonb,       -- issue.Resolution while resolved
	snooze        jsonb,       -- issue.Snooze while archived until a condition
	status_at     timestamptz, -- last change of status
	assignee      text,        -- "user:7" or "team:3"
	version       bigint not null default 1, -- grows with each change by a person or rule
	primary key (project_id, id)
) with (fillfactor = 80);
create unique index issues_number on issues (project_id, number);
create index issues_last_seen on issues (project_id, status, last_seen desc, id desc);
create index issues_first_seen on issues (project_id, status, first_seen desc, id desc);

create table issue_hashes (
	project_id bigint not null,
	hash       bytea not null, -- md5 that grouping produced
	issue_id   bigint not null,
	created_at timestamptz not null default now(),
	primary key (project_id, hash)
);
create index issue_hashes_issue on issue_hashes (project_id, issue_id);

create table issue_hours (
	project_id bigint not null,
	issue_id   bigint not null,
	hour       timestamptz not null,
	times_seen bigint not null,
	primary key (project_id, issue_id, hour)
) with (fillfactor = 80);

create table issue_environments (
	project_id  bigint not null,
	issue_id    bigint not null,
	environment text not null,
	times_seen  bigint not null,
	first_seen  timestamptz not null,
	last_seen   timestamptz not null,
	primary key (project_id, issue_id, environment)
) with (fillfactor = 80);
create index issue_environments_last_seen on issue_environments (project_id, environment, last_seen desc, issue_id desc);

create table issue_releases (
	project_id bigint not null,
	issue_id   bigint not null,
	release    text not null,
	times_seen bigint not null,
	first_seen timestamptz not null,
	last_seen  timestamptz not null,
	primary key (project_id, issue_id, release)
) with (fillfactor = 80);

create table issue_tags (
	project_id bigint not null,
	issue_id   bigint not null,
	key        text not null,
	value      text not null,
	times_seen bigint not null,
	first_seen timestamptz not null,
	last_seen  timestamptz not null,
	primary key (project_id, issue_id, key, value)
) with (fillfactor = 80);

create table issue_users (
	project_id bigint not null,
	issue_id   bigint not null,
	user_hash  bigint not null, -- first 8 bytes of SHA-256 of event.User.Key
	primary key (project_id, issue_id, user_hash)
);

create table activities (
	project_id bigint not null,
	id         bigint not null,
	issue_id   bigint not null,
	type       text not null, -- issue.ActivityType
	user_id    bigint,
	data       jsonb not null default '{}',
	created_at timestamptz not null default now(),
	primary key (project_id, id)
);
create index activities_issue on activities (project_id, issue_id, id desc);

create table releases (
	project_id bigint not null,
	version    text not null,
	first_seen timestamptz not null,
	last_seen  timestamptz not null,
	times_seen bigint not null default 0,
	new_issues bigint not null default 0,
	primary key (project_id, version)
);
create index releases_first_seen on releases (project_id, first_seen desc);

create table environments (
	project_id bigint not null,
	name       text not null,
	first_seen timestamptz not null,
	last_seen  timestamptz not null,
	primary key (project_id, name)
);

-- Facts of recorded batches that wait to be folded into the tables above, a few seconds at most:
-- written with the events, so they are exact; folded many batches at a time, so they are cheap.
create table pending_facts (
	project_id bigint not null,
	id         bigint not null,
	created_at timestamptz not null default now(),
	data       bytea not null, -- zstd of postgres.facts
	primary key (project_id, id)
);

-- Events. event_seen enforces identity across days; events and event_blocks are partitioned by day
-- and dropped by partition. Partitions are created ahead by the processor.

create table event_seen (
	project_id  bigint not null,
	event_id    uuid not null,
	received_at timestamptz not null,
	primary key (project_id, event_id)
);
create index event_seen_received_at on event_seen using brin (received_at);

create table events (
	project_id  bigint not null,
	received_at timestamptz not null,
	event_id    uuid not null,
	issue_id    bigint not null,
	occurred_at timestamptz not null,
	block_id    bigint not null,   -- event_blocks.id of the same project and day
	block_index smallint not null, -- position in the block
	level       smallint not null,
	platform    text not null,
	release     text,
	environment text,
	user_key    text, -- event.User.Key
	primary key (project_id, received_at, event_id)
) partition by range (received_at);
create index events_issue on events (project_id, issue_id, received_at, event_id);

create table event_blocks (
	project_id bigint not null,
	day        date not null,
	id         bigint not null,
	data       bytea not null, -- zstd of postgres.block
	primary key (project_id, day, id)
) partition by range (day);
alter table event_blocks alter column data set storage external;

-- What became of each item.

create table outcomes (
	project_id bigint not null,
	minute     timestamptz not null,
	key_id     bigint not null,
	category   smallint not null, -- outcome.Category
	outcome    smallint not null, -- outcome.Kind
	reason     text not null,
	quantity   bigint not null,
	primary key (project_id, minute, key_id, category, outcome, reason)
);

create table outcome_batches (
	id         uuid primary key, -- of the queued message, so that a redelivery counts once
	applied_at timestamptz not null default now()
);
create index outcome_batches_applied_at on outcome_batches (applied_at);

-- Alerts.

create table alert_outbox (
	project_id bigint not null,
	id         bigint not null, -- issue.Change.ID
	change     jsonb not null,  -- issue.Change
	created_at timestamptz not null default now(),
	primary key (project_id, id)
);

create table alert_rules (
	project_id bigint not null,
	id         bigint not null,
	name       text not null,
	rule       jsonb not null, -- alert.Rule
	is_enabled boolean not null default true,
	created_by bigint,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	last_fired_at timestamptz,
	primary key (project_id, id)
);

create table deliveries (
	project_id  bigint not null,
	id          bigint not null,
	rule_id     bigint not null,
	change_id   bigint not null, -- issue.Change.ID; negative for tests sent by hand
	action      smallint not null, -- index of the rule's action
	issue_id    bigint,
	channel     text not null,
	target      text not null, -- what the log may show of the destination
	payload     bytea not null, -- the body, rendered once, so that a retry sends the same bytes
	settings    text not null, -- the channel's settings at the time, sealed
	state       smallint not null default 0, -- alert.DeliveryState
	reason      text not null default '', -- why it was suppressed or given up
	attempts    integer not null default 0, -- also the fence: who finishes a try names its number
	first_attempt integer not null default 0, -- tries before queued_at
	next_attempt_at timestamptz,
	leased_until    timestamptz,
	created_at  timestamptz not null default now(),
	queued_at   timestamptz not null default now(), -- created, or last redelivered by hand
	finished_at timestamptz,
	primary key (project_id, id),
	unique (project_id, rule_id, change_id, action)
);
create index deliveries_due on deliveries (target, next_attempt_at, id) where state = 0; -- one lane per target
create index deliveries_failed on deliveries (project_id, id) where state = 2;
create index deliveries_issue on deliveries (project_id, rule_id, issue_id, created_at); -- alert.Rule.Frequency
create index deliveries_created_at on deliveries using brin (created_at); -- removal of old ones

create table delivery_attempts (
	project_id  bigint not null,
	delivery_id bigint not null,
	number      integer not null,
	started_at  timestamptz not null,
	duration_ms integer not null,
	status      integer not null default 0, -- HTTP status, 0 when there was no answer
	error       text not null default '',
	response    text not null default '', -- head of the answer, 1 KiB
	primary key (project_id, delivery_id, number)
);
