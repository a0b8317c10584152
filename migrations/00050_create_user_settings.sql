-- +goose Up
create table user_settings (
	user_id    bigint primary key references users (id),
	settings   jsonb not null default '{}', -- account.Settings
	updated_at timestamptz not null default now()
);

-- Searches that people keep, as tabs of the issue list.
create table saved_views (
	organization_id bigint not null references organizations (id),
	id              bigint not null,
	user_id         bigint not null references users (id), -- who made it
	name            text not null,
	query           text not null,
	sort            text not null default '',
	is_shared       boolean not null default false, -- with everybody in the organization
	created_at      timestamptz not null default now(),
	primary key (organization_id, id)
);
create unique index saved_views_name on saved_views (organization_id, user_id, lower(name));
