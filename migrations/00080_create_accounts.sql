-- +goose Up

-- Teams give members access to projects. Every table leads with organization_id.
create table teams (
	organization_id bigint not null references organizations (id),
	id              bigint not null,
	slug            text not null,
	name            text not null,
	external_id     text not null default '', -- of the identity provider that keeps it
	created_at      timestamptz not null default now(),
	primary key (organization_id, id),
	unique (organization_id, slug)
);

create table team_members (
	organization_id bigint not null,
	team_id         bigint not null,
	user_id         bigint not null,
	role            text not null default 'contributor', -- account.TeamRole
	created_at      timestamptz not null default now(),
	primary key (organization_id, team_id, user_id),
	foreign key (organization_id, team_id) references teams (organization_id, id) on delete cascade,
	foreign key (organization_id, user_id) references memberships (organization_id, user_id) on delete cascade
);
create index team_members_user on team_members (organization_id, user_id);

create table team_projects (
	organization_id bigint not null,
	team_id         bigint not null,
	project_id      bigint not null,
	primary key (organization_id, team_id, project_id),
	foreign key (organization_id, team_id) references teams (organization_id, id) on delete cascade
);
create index team_projects_project on team_projects (organization_id, project_id);

alter table memberships
	add column is_active boolean not null default true,      -- false: switched off, by a person or an identity provider
	add column is_provisioned boolean not null default false, -- kept by an identity provider (SCIM)
	add column external_id text not null default '';          -- the identity provider's name for the user

alter table api_tokens
	add column kind text not null default 'user', -- account.TokenKind
	add column project_ids bigint[],              -- null: every project its owner reaches
	add column created_by bigint;
create index api_tokens_organization on api_tokens (organization_id, user_id);

-- An invite is a promise of a place in an organization; nothing is granted before it is accepted.
create table invites (
	organization_id bigint not null references organizations (id),
	id              bigint not null,
	email           text not null,
	role            text not null,
	team_ids        bigint[] not null default '{}',
	token_hash      bytea not null unique,
	invited_by      bigint,
	created_at      timestamptz not null default now(),
	expires_at      timestamptz not null,
	primary key (organization_id, id)
);
create unique index invites_email on invites (organization_id, lower(email));

create table password_resets (
	token_hash bytea primary key,
	user_id    bigint not null references users (id) on delete cascade,
	created_at timestamptz not null default now(),
	expires_at timestamptz not null
);
create index password_resets_user on password_resets (user_id);

-- One row per browser that is signed in; its session names the row and ends with it.
create table logins (
	id           bigint primary key,
	user_id      bigint not null references users (id) on delete cascade,
	method       text not null, -- account.LoginMethod
	organization_id bigint,     -- set: only there, because that organization's provider vouched
	address      text not null default '',
	user_agent   text not null default '',
	created_at   timestamptz not null default now(),
	last_seen_at timestamptz not null default now()
);
create index logins_user on logins (user_id);

-- The second factor.
alter table users
	add column totp_secret text not null default '', -- sealed; empty: none
	add column totp_step bigint not null default 0;  -- last time step a code was taken for
create table recovery_codes (
	user_id   bigint not null references users (id) on delete cascade,
	code_hash bytea not null,
	primary key (user_id, code_hash)
);
create table passkeys (
	user_id       bigint not null references users (id) on delete cascade,
	credential_id bytea not null unique,
	name          text not null,
	credential    jsonb not null, -- webauthn.Credential: a public key, no secret
	created_at    timestamptz not null default now(),
	last_used_at  timestamptz,
	primary key (user_id, credential_id)
);

-- Single sign-on: one provider for an organization, and whom it vouched for.
create table identity_providers (
	organization_id bigint primary key references organizations (id),
	issuer          text not null,
	client_id       text not null,
	client_secret   text not null, -- sealed
	domains         text[] not null default '{}', -- of addresses it may vouch for
	default_role    text not null default 'member',
	is_required     boolean not null default false,
	created_at      timestamptz not null default now()
);
create table identities (
	organization_id bigint not null references organizations (id),
	issuer          text not null,
	subject         text not null,
	user_id         bigint not null references users (id) on delete cascade,
	created_at      timestamptz not null default now(),
	primary key (organization_id, issuer, subject)
);
create index identities_user on identities (user_id);

-- Who did what. Rows are only added; each holds the hash of the one before it. It outlives what
-- it tells of, so nothing is referenced.
create table audit_log (
	organization_id bigint not null,
	seq             bigint not null, -- 1, 2, 3 … without a gap
	at              timestamptz not null,
	actor_id        bigint not null default 0, -- user; 0: none
	actor           text not null,             -- address, or the token's name
	token_id        bigint not null default 0,
	address         text not null default '',
	event           text not null,
	target          text not null default '',
	note            text not null default '',
	data            text not null default '{}', -- JSON, as it was hashed
	previous        bytea not null,
	hash            bytea not null,
	primary key (organization_id, seq)
);
create index audit_log_event on audit_log (organization_id, event, seq desc);
create index audit_log_actor on audit_log (organization_id, actor_id, seq desc);
create table audit_heads (
	organization_id bigint primary key,
	seq             bigint not null,
	hash            bytea not null
);

-- +goose StatementBegin
create function refuse_change() returns trigger language plpgsql as $$
begin
	raise exception 'rows of % are only added', tg_table_name using errcode = 'insufficient_privilege';
end $$;
-- +goose StatementEnd
create trigger audit_log_is_append_only before update or delete or truncate on audit_log
	for each statement execute function refuse_change();
