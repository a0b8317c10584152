-- +goose Up

-- Trigrams of what free text is matched with. They stand beside the issues because counting an
-- event would write all the trigrams of its issue anew.
create extension if not exists pg_trgm;

create table issue_texts (
	project_id  bigint not null,
	issue_id    bigint not null,
	search_text text collate "C" not null, -- issues.search_text
	primary key (project_id, issue_id)
);
create index issue_texts_trigrams on issue_texts using gin (search_text gin_trgm_ops);
