-- Caches beside the default one, with settings and keys of their own. Columns without a table's rewrite, and small tables: no lock is long.

-- settings: JSON as clients send it; null: the servers' command line has them, as of the default cache. bucket and prefix: its place, null where the objects lie in a directory.
-- version: grows with each change that servers have to learn of. declared: the servers' file of caches has it. deleting: since when nobody is served it.
-- quota_bytes, quota_paths: null: none. used_…: as counted at used_at, where there is a quota.
alter table cache
  add column settings jsonb,
  add column bucket text,
  add column version bigint not null default 1,
  add column declared boolean not null default false,
  add column deleting timestamptz,
  add column quota_bytes bigint,
  add column quota_paths bigint,
  add column used_bytes numeric not null default 0,
  add column used_paths bigint not null default 0,
  add column used_at timestamptz;

-- Keys that sign the paths of a cache, or did. secret: null where it is in a file of the servers; a row without a secret has the state of such a key.
-- signing: what was published before is being signed with it, by id, up to signed_through; found: how many this round has met; swept: a first round, which takes no signature for its own, is over. replaces: the others become verifying then.
create table cache_key (
  id             bigint generated always as identity primary key,
  cache_id       int not null,
  name           text not null,
  public_key     text not null,
  secret         text,
  state          text not null check (state in ('active', 'verifying', 'retired')),
  created        timestamptz not null default clock_timestamp(),
  signing        boolean not null default false,
  replaces       boolean not null default false,
  signed_through bigint not null default 0,
  found          bigint not null default 0,
  swept          boolean not null default false,
  unique (cache_id, name)
);

-- Caches that are gone, while the audit log has lines of them.
create table deleted_cache (
  id      int primary key,
  name    text not null,
  deleted timestamptz not null default clock_timestamp()
);
