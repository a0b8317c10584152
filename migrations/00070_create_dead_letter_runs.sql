-- +goose Up

-- Replaying or discarding dead letters, one or many: worked off in steps, so that it survives a
-- restart. Finished runs stay, as the record of who did what.
create table dead_letter_runs (
	id          bigint primary key,
	kind        text not null,            -- postgres.RunKind
	dlq         text not null,
	queue       text not null default '', -- empty: all
	group_id    text not null default '', -- bus.DeadLetter.Group; empty: all
	letters     bigint[],                 -- null: every one that queue and group select
	reason      text not null default '',
	actor_id    bigint,
	actor       text not null,
	state       smallint not null default 0, -- postgres.RunState
	until_seq   bigint not null,             -- letters that came later are none of its
	next_seq    bigint not null default 1,   -- what is below is done
	total       bigint not null,
	done        bigint not null default 0,
	failed      bigint not null default 0,
	last_error  text not null default '',
	created_at  timestamptz not null default now(),
	finished_at timestamptz
);
create index dead_letter_runs_created_at on dead_letter_runs (created_at desc, id desc);
create index dead_letter_runs_open on dead_letter_runs (id) where state = 0;

-- What operators did to the installation as a whole.
create table operator_actions (
	id         bigint primary key,
	actor_id   bigint,
	actor      text not null,
	action     text not null, -- such as queue.pause
	target     text not null,
	reason     text not null default '',
	created_at timestamptz not null default now()
);
create index operator_actions_created_at on operator_actions (created_at desc, id desc);
