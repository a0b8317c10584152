-- +goose Up

-- Where alerts go. Settings are sealed; target is what may be shown of them.
create table alert_destinations (
	organization_id bigint not null references organizations (id),
	id          bigint not null,
	channel     text not null,
	name        text not null,
	target      text not null,
	settings    text not null, -- sealed by package seal
	is_paused   boolean not null default false,
	budget      integer not null default 3,        -- messages in a row before alerts are folded; 0: never folded
	digest_min_seconds integer not null default 300,  -- a fold waits so long at least
	digest_max_seconds integer not null default 900, -- and so long at most
	created_by  bigint,
	created_at  timestamptz not null default now(),
	updated_at  timestamptz not null default now(),
	primary key (organization_id, id),
	unique (id)
);

-- How a destination ("d" and its id) or a person ("u" and the id) fares.
create table alert_lanes (
	lane          text primary key,
	tokens        double precision not null default 0, -- of the budget, as it stood at refilled_at
	refilled_at   timestamptz, -- null: full
	failures      integer not null default 0, -- in a row
	failing_since timestamptz,
	open_until    timestamptz, -- the breaker lets nothing through before
	last_sent_at  timestamptz,
	last_failed_at timestamptz,
	last_error    text not null default '',
	is_paused     boolean not null default false,
	disabled_at   timestamptz, -- after days without an answer, or for good
	disabled_reason text not null default ''
);

-- Alerts that wait to be told together.
create table alert_folds (
	bucket     text primary key, -- alert.Bucket
	project_id bigint not null,
	lane       text not null,
	digest_id  bigint not null, -- deliveries.digest_id of what waits, and deliveries.id of the digest
	opened_at  timestamptz not null,
	due_at     timestamptz not null
);
create index alert_folds_due on alert_folds (due_at);

alter table deliveries
	add column kind text not null default 'alert', -- alert.NoticeKind
	add column lane text not null default '',
	add column destination_id bigint,
	add column user_id bigint,
	add column digest_id bigint, -- the digest that tells of it
	add column notice jsonb,     -- what the message is made of, until it is rendered
	drop column settings,
	alter column payload drop not null,
	drop constraint deliveries_project_id_rule_id_change_id_action_key;
update deliveries set lane = 't' || target;
create unique index deliveries_once on deliveries (project_id, rule_id, change_id, action, lane, kind);
drop index deliveries_due;
create index deliveries_due on deliveries (lane, next_attempt_at, id) where state = 0; -- one queue per lane
create index deliveries_digest on deliveries (digest_id) where digest_id is not null;
create index deliveries_destination on deliveries (destination_id, id) where destination_id is not null;

-- The first message about an issue, to which later ones are replies.
create table alert_threads (
	project_id bigint not null,
	issue_id   bigint not null,
	lane       text not null,
	thread     text not null,
	created_at timestamptz not null default now(),
	primary key (project_id, issue_id, lane)
);

-- Alerts that somebody must acknowledge in time.
create table alert_escalations (
	project_id bigint not null,
	id         bigint not null, -- issue.Change.ID
	rule_id    bigint not null,
	issue_id   bigint not null,
	destination_id bigint not null,
	notice     jsonb not null,
	fired_at   timestamptz not null default now(),
	due_at     timestamptz not null,
	ended_at   timestamptz,
	outcome    text not null default '', -- escalated, or why not
	primary key (project_id, id, rule_id)
);
create index alert_escalations_due on alert_escalations (due_at) where ended_at is null;

create table alert_acknowledgements (
	project_id bigint not null,
	issue_id   bigint not null,
	user_id    bigint, -- null: somebody in a chat
	name       text not null default '',
	created_at timestamptz not null default now(),
	id         bigint not null,
	primary key (project_id, issue_id, id)
);

alter table alert_rules add column asks_events boolean not null default false; -- alert.Rule.AsksEvents
