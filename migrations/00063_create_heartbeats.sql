-- +goose Up

-- Where synthetic events go: a project of an organization that nobody is a member of. One row.
create table heartbeat_sites (
	name            text primary key,
	organization_id bigint not null,
	project_id      bigint not null,
	public_key      text not null,
	rule_id         bigint not null default 0 -- zero: not made yet
);

-- How synthetic events fared, those of the last week.
create table heartbeats (
	id          bigint primary key,
	event_id    uuid not null,
	sent_at     timestamptz not null,
	accepted_ms integer, -- from sent_at; null: it did not come so far
	visible_ms  integer,
	alerted_ms  integer,
	failure     text not null default ''
);
