-- +goose Up

-- Every text of rules that a project ever grouped by, under the digest that its events name, so
-- that an event can be explained by the rules it met.
create table grouping_rules (
	project_id   bigint not null,
	digest       text not null, -- grouping.Settings.Digest
	fingerprints text not null,
	enhancements text not null,
	created_at   timestamptz not null default now(),
	primary key (project_id, digest)
);
