-- +goose Up

-- What people want to hear of. A row says yes or no to a topic, in one project or (0) in all; without
-- one, the topic's default holds.
create table notification_settings (
	user_id    bigint not null references users (id) on delete cascade,
	project_id bigint not null default 0,
	topic      text not null, -- alert.Topic
	channel    text not null default 'email',
	is_on      boolean not null,
	updated_at timestamptz not null default now(),
	primary key (user_id, project_id, topic, channel)
);
