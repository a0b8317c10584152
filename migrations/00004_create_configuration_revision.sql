-- +goose Up

-- Grows with every change of what ingest works from, so that the publishers of other processes
-- see in one cheap query that there is something to tell.
create table configuration (
	name     text primary key,
	revision bigint not null
);
insert into configuration (name, revision) values ('projects', 1);

alter table organizations add column settings jsonb not null default '{}'; -- project.OrganizationSettings

-- The ledger is checked across all projects, by the minute.
create index outcomes_minute on outcomes using brin (minute);
