-- +goose Up

-- What the payloads of a project have in common, which event_blocks name and leave out. A row is
-- written before the first block that needs it and stays for as long as there can be one.
create table event_dictionaries (
	project_id bigint not null,
	id         bigint not null,
	created_at timestamptz not null,
	data       bytea not null, -- zstd of the payloads, one after the other
	primary key (project_id, id)
);
alter table event_dictionaries alter column data set storage external;
