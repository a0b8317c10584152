-- +goose Up

-- Files that came with events; their bytes are in the blob store, under the day of received_at.
create table attachments (
	project_id   bigint not null,
	received_at  timestamptz not null,
	event_id     uuid not null,
	id           bigint not null, -- event.Attachment.ID
	name         text not null,
	content_type text not null,
	type         text not null, -- the protocol's attachment_type
	size_bytes   bigint not null,
	sha1         bytea not null,
	blob_key     text not null, -- empty for a file without bytes
	primary key (project_id, received_at, event_id, id)
) partition by range (received_at);
create index attachments_event on attachments (project_id, event_id);

-- What users wrote, before or after the event it is about came.
create table feedback (
	project_id  bigint not null,
	id          uuid not null,   -- of a report: the event it is about; of a feedback event: its own
	kind        smallint not null, -- event.FeedbackKind
	event_id    uuid,            -- the event it is about
	received_at timestamptz not null,
	name        text not null,
	email       text not null,
	message     text not null,
	url         text not null,
	source      text not null,
	primary key (project_id, kind, id)
);
create index feedback_event on feedback (project_id, event_id);
create index feedback_received_at on feedback (project_id, received_at);
