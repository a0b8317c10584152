-- +goose Up

create table ownership (
	project_id      bigint primary key,
	raw             text not null default '', -- rules as they were written, package ownership
	codeowners      text not null default '', -- a CODEOWNERS file
	actors          jsonb not null default '{}', -- names in the rules: "user:7", "team:3"
	fallthrough     boolean not null default true,
	auto_assignment text not null default 'owner', -- ownership.AutoAssignment
	created_at      timestamptz not null default now(),
	updated_at      timestamptz not null default now()
);
