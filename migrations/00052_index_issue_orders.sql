-- +goose Up
-- The orders of issue lists beside first and last seen.
create index issues_times_seen on issues (project_id, status, times_seen desc, id desc);
create index issues_user_count on issues (project_id, status, user_count desc, id desc);
create index issues_priority on issues (project_id, status, priority desc, id desc);
-- Suggestions for the values of tags.
create index issue_tags_key on issue_tags (project_id, key, last_seen desc);
