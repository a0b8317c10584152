-- +goose Up

-- What projects were called before, so that old addresses and settings of clients go on leading to them.
-- A project that takes the slug anew has it.
create table project_redirects (
	organization_id bigint not null references organizations (id),
	slug            text not null,
	project_id      bigint not null references projects (id),
	created_at      timestamptz not null default now(),
	primary key (organization_id, slug)
);
create index project_redirects_project on project_redirects (project_id);
