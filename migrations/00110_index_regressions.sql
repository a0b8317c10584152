-- +goose Up
-- From a release to what came back in it. A regression is rare, so this stays small.
create index activities_regressed on activities (project_id, (data->>'version'), id desc) where type = 'set_regression';
