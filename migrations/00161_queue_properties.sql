-- +goose Up

-- Values that are new to their issues wait with the facts of their batch, so that recording an event
-- does not wait for the indexes of issue_properties.
alter table pending_facts add column properties bytea; -- postgres.appendProperties

-- One index holds the long texts instead of two. What belongs to an issue is found by its numbers,
-- which the other repeats for each value and so hardly stores.
alter table issue_properties drop constraint issue_properties_pkey;
drop index issue_properties_value;
alter table issue_properties add primary key (project_id, key, value, issue_id);
create index issue_properties_issue on issue_properties (project_id, issue_id);
