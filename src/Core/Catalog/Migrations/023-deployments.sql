-- What machines say that they have deployed from pins: a row each. New tables and a constraint of a small one: no lock is long.

-- path, path_name, revision, since: what it runs, as of its last attempt that succeeded; null: none has. last_…: its last attempt. at: by the machine's clock; seen: by ours.
create table deployment (
  cache_id      int not null,
  pin           text not null,
  machine       text not null,
  path          bytea,
  path_name     text,
  revision      bigint,
  since         timestamptz,
  last_path     bytea not null,
  last_name     text not null,
  last_revision bigint,
  outcome       text not null check (outcome in ('deployed', 'rolled-back', 'failed')),
  message       text,
  at            timestamptz not null,
  seen          timestamptz not null default clock_timestamp(),
  publisher     text not null,
  primary key (cache_id, pin, machine)
);
create index deployment_seen on deployment (cache_id, seen);

alter table token
  drop constraint token_scopes_check,
  add constraint token_scopes_check check (scopes <> '{}' and scopes <@ array['push', 'pin', 'gc', 'read', 'admin', 'promote', 'deploy']);
