-- +goose Up

-- Who has a queued delivery in hand, so that one who died and comes back need not wait for its own lease.
alter table deliveries add column leased_by text;
