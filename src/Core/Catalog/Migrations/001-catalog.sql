-- The catalog. Ids are permanent: one row per (cache, path hash), one per (cache, key).
-- A row goes for good only when nothing mentions its id; ids have gaps.

create type node_state as enum ('gone', 'claimed', 'stored', 'publishing', 'live', 'condemned', 'deleting', 'tombstone');
create type object_kind as enum ('nar', 'log', 'realisation');
create type push_state as enum ('open', 'committing', 'committed', 'aborted');

create table cache (
  id       int generated always as identity primary key,
  name     text not null unique,
  prefix   text not null default '',
  created  timestamptz not null default clock_timestamp()
);

-- The number of the last mark; every promise stamps it on what it promises.
create table gc_epoch (
  cache_id int primary key,
  g        bigint not null
);

-- A node of the graph. gone -> publishing -> live -> condemned -> deleting -> gone.
create table store_path (
  id           bigint generated always as identity primary key,
  cache_id     int not null,
  hash         bytea not null check (octet_length(hash) = 20),
  name         text not null,
  state        node_state not null default 'gone' check (state in ('gone', 'publishing', 'live', 'condemned', 'deleting')),
  touched      bigint not null default 0,
  condemned_at timestamptz,
  nar_hash     bytea,
  nar_size     bigint,
  refs         bigint[] not null default '{}',
  objects      bigint[] not null default '{}',
  deriver      text,
  ca           text,
  signatures   text[] not null default '{}',
  listing      bytea,              -- zstd JSON, only until it is in the bucket
  has_listing  boolean not null default false,
  -- The write of its narinfo (and listing): an open intent has a fence, each attempt its own generation.
  generation   bigint not null default 0,
  fence        timestamptz,
  recorded     boolean not null default false,
  unique (cache_id, hash)
) with (fillfactor = 85);
create index store_path_moving on store_path (cache_id, state) where state in ('publishing', 'condemned', 'deleting');
create index store_path_unwritten on store_path (cache_id) where state = 'live' and not recorded;

-- A key of the bucket that is no narinfo. NAR: gone -> claimed -> stored -> live -> condemned -> deleting -> tombstone -> gone;
-- log and realisation: gone -> stored (bytes in content) -> publishing -> live -> condemned -> deleting -> gone.
create table object (
  id           bigint generated always as identity primary key,
  cache_id     int not null,
  key          text not null,
  kind         object_kind not null,
  state        node_state not null,
  touched      bigint not null default 0,
  condemned_at timestamptz,
  nar_hash     bytea,
  nar_size     bigint,
  file_hash    bytea,
  file_size    bigint,
  content      bytea,
  -- An upload: which push was granted the key, until when its URLs work, and which pushes hold what has arrived.
  holders      bigint[] not null default '{}',
  claimed_by   bigint,
  claimed_at   timestamptz,
  -- At most one claim of a NAR is exclusive; a claim that was overtaken is not, and may still win.
  exclusive    boolean not null default false,
  multipart_id text,
  url_expires  timestamptz,
  generation   bigint not null default 0,
  fence        timestamptz,
  recorded     boolean not null default false,
  unique (cache_id, key)
) with (fillfactor = 85);
create index object_nar on object (cache_id, nar_hash) where kind = 'nar';
create unique index object_claim on object (cache_id, nar_hash) where kind = 'nar' and state = 'claimed' and exclusive;
create index object_moving on object (cache_id, state) where state in ('publishing', 'condemned', 'deleting', 'tombstone');

create table push (
  id         bigint generated always as identity primary key,
  cache_id   int not null,
  operation  text not null,
  digest     bytea not null,
  state      push_state not null default 'open',
  created    timestamptz not null default clock_timestamp(),
  expires    timestamptz not null,
  finished   timestamptz,
  -- Everything it was promised; with push_path, everything it names.
  paths      bigint[] not null,
  objects    bigint[] not null default '{}',
  roots      bigint[] not null,
  published  int not null default 0,
  -- Who publishes a committing push, by heartbeat.
  lease      timestamptz,
  unique (cache_id, operation)
) with (fillfactor = 70);
create index push_unfinished on push (cache_id, state, expires) where state in ('open', 'committing');
create index push_finished on push (finished) where finished is not null;

-- What a push declares of a path that it was not promised. It becomes the row's content at commit.
create table push_path (
  push_id    bigint not null,
  path_id    bigint not null,
  nar_hash   bytea not null,
  nar_size   bigint not null,
  refs       bigint[] not null,
  deriver    text,
  ca         text,
  signatures text[] not null,
  listing    bytea,
  waiting    timestamptz,
  primary key (push_id, path_id)
);

-- Logs and realisations that a push brings, and the path each belongs to.
create table push_object (
  push_id    bigint not null,
  object_id  bigint not null,
  path_id    bigint not null,
  primary key (push_id, object_id, path_id)
);

-- A pushed closure's top path; retention counts from the last push.
create table root (
  cache_id   int not null,
  path_id    bigint not null,
  pushed     timestamptz not null,
  primary key (cache_id, path_id)
);

with c as (insert into cache (name) values ('default') returning id)
insert into gc_epoch (cache_id, g) select id, 1 from c;
