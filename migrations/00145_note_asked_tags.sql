-- +goose Up

-- The tags whose values tell rules which events they need not look at: alert.Rule.AskedTags.
alter table alert_rules add column asked_tags text[] not null default '{}';
