-- References that another cache has, and this one need not. New tables: no lock is long.

-- A path as an upstream's signed narinfo describes it. refs: hashes, its own too if it refers to itself. checked: when it was last seen there; looked: when that was last asked. lost: since when the upstream
-- has it no more. used: when a push last relied on it, but for an hour.
create table upstream_path (
  id       bigint generated always as identity primary key,
  cache_id int not null,
  hash     bytea not null,
  name     text not null,
  nar_hash bytea not null,
  nar_size bigint not null,
  refs     bytea[] not null,
  upstream text not null,
  checked  timestamptz not null default clock_timestamp(),
  looked   timestamptz not null default clock_timestamp(),
  lost     timestamptz,
  used     timestamptz not null default clock_timestamp(),
  unique (cache_id, hash)
);
create index upstream_path_looked on upstream_path (cache_id, looked);
create index upstream_path_lost on upstream_path (cache_id) where lost is not null;

-- Of the path that a push declares so (digest): this reference is the upstream's. It holds for whoever publishes that declaration, unless the row's refs have the reference.
create table boundary (
  cache_id    int not null,
  hash        bytea not null,
  digest      bytea not null,
  upstream_id bigint not null,
  noted       timestamptz not null default clock_timestamp(),
  primary key (cache_id, hash, digest, upstream_id)
);
create index boundary_upstream on boundary (upstream_id);
