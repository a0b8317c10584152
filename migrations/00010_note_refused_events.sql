-- +goose Up

-- Of an event that is not kept: why, so that what came with it goes the same way.
alter table outcome_batches add column reason text;
