-- +goose Up

-- What events of an issue had beside their tags, for searching: event.Properties. Each value once;
-- what counts is that there was one.
create table issue_properties (
	project_id bigint not null,
	issue_id   bigint not null,
	key        text not null,
	value      text not null,
	primary key (project_id, issue_id, key, value)
);
create index issue_properties_value on issue_properties (project_id, key, value, issue_id);

create table issue_bookmarks (
	project_id bigint not null,
	issue_id   bigint not null,
	user_id    bigint not null,
	created_at timestamptz not null default now(),
	primary key (project_id, issue_id, user_id)
);
create index issue_bookmarks_user on issue_bookmarks (project_id, user_id, issue_id);
