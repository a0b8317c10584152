-- +goose Up

alter table issues
	add column priority_locked_at timestamptz, -- set by hand: nothing changes the priority by itself
	add column initial_priority   smallint not null default 0, -- issue.Priority; 0: that of its level
	add column share_id           text;
create index issues_share_id on issues (share_id, project_id) where share_id is not null;

-- What members have to do with an issue.
create table issue_people (
	project_id      bigint not null,
	issue_id        bigint not null,
	user_id         bigint not null,
	bookmarked_at   timestamptz,
	seen_at         timestamptz,
	is_subscribed   boolean, -- null: neither asked for nor refused
	reason          text not null default '', -- why subscribed: issue.Reason
	primary key (project_id, issue_id, user_id)
);
create index issue_people_user on issue_people (user_id, project_id, issue_id);

create index activities_notes on activities (project_id, issue_id) where type = 'note';

-- States that were left, so that a change by hand can be taken back within a day.
create table issue_undo (
	project_id bigint not null,
	id         bigint not null, -- of the change, as the API names it
	issue_id   bigint not null,
	user_id    bigint not null,
	version    bigint not null, -- issues.version right after the change
	state      jsonb not null,  -- issue.State before it
	created_at timestamptz not null default now(),
	primary key (project_id, id, issue_id)
);
create index issue_undo_created_at on issue_undo using brin (created_at);

-- How often per hour the issues of a project are seen that are seen most: what makes a new one escalate.
create table escalation_thresholds (
	project_id  bigint primary key,
	per_hour    double precision not null,
	computed_at timestamptz not null
);

-- Of issues that time moves on, in an index that counting does not touch.
create index issues_restless on issues (project_id, (coalesce(status_at, first_seen))) where status = 0 and substatus in (2, 6, 7);
create index issues_awaited on issues (project_id, id) where resolution is not null;
