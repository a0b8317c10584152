-- +goose Up

-- Whose weekly report was queued, or found to be empty: none is sent twice.
create table weekly_reports (
	organization_id bigint not null,
	user_id         bigint not null,
	week            date not null, -- its last day
	created_at      timestamptz not null default now(),
	primary key (organization_id, user_id, week)
);
