-- A named root. Until its row is gone it protects every revision from kept_from on: a deleted pin leaves the bucket first.
create table pin (
  id             bigint generated always as identity primary key,
  cache_id       int not null,
  name           text not null,
  -- Of the newest revision that has a path: a deletion has none.
  path_id        bigint not null,
  -- Grows by one with every change of the path, so that an update that was overtaken can be told.
  revision       bigint not null,
  keep_revisions int not null default 1 check (keep_revisions >= 1),
  created        timestamptz not null default clock_timestamp(),
  updated        timestamptz not null default clock_timestamp(),
  expires        timestamptz,
  deleted        boolean not null default false,
  -- The write (or, deleted, the deletion) of pins/<name>: an open intent has a fence, each attempt its own generation.
  generation     bigint not null default 0,
  fence          timestamptz,
  -- The newest revision whose write was recorded: the bucket has that one, or a later one.
  written        bigint not null default 0,
  recorded       boolean not null generated always as (written = revision) stored,
  -- Only grows: what was once no root is promised by nobody. Not beyond written, so that what the bucket says is always protected.
  kept_from      bigint not null default 0,
  unique (cache_id, name)
) with (fillfactor = 70);
create index pin_unwritten on pin (cache_id) where not recorded;
create index pin_expiring on pin (cache_id, expires) where not deleted;

-- The history of a pin, its newest revision included.
create table pin_revision (
  pin_id   bigint not null,
  revision bigint not null,
  path_id  bigint not null,
  created  timestamptz not null default clock_timestamp(),
  primary key (pin_id, revision)
);

-- What was done to pins lately, and its outcome (the pin as it was then): a replay is told from here, whatever has become of the pin.
create table pin_operation (
  cache_id  int not null,
  operation text not null,
  digest    bytea not null,
  name      text not null,
  outcome   text,
  revision  bigint,
  pin       jsonb,
  created   timestamptz not null default clock_timestamp(),
  primary key (cache_id, operation)
);
create index pin_operation_name on pin_operation (cache_id, name);
create index pin_operation_created on pin_operation (created);

-- A push may set a pin with its commit.
alter table push add column pin jsonb;

-- Runs of the collector. Whoever owns a running one shows it by heartbeat; another process takes over one that fell silent.
create type gc_state as enum ('running', 'done', 'cancelled', 'failed');
create table gc_run (
  id                        bigint generated always as identity primary key,
  cache_id                  int not null,
  operation                 text not null,
  state                     gc_state not null default 'running',
  phase                     text not null default 'starting',
  scheduled                 boolean not null,
  dry_run                   boolean not null,
  older_than                interval not null,
  failed_uploads_older_than interval not null,
  grace                     interval not null,
  g                         bigint,
  owner                     text not null,
  heartbeat                 timestamptz not null default clock_timestamp(),
  cancelling                boolean not null default false,
  started                   timestamptz not null default clock_timestamp(),
  finished                  timestamptz,
  error                     text,
  paths                     bigint not null default 0,
  objects                   bigint not null default 0,
  failed_uploads            bigint not null default 0,
  old_closures              bigint not null default 0,
  condemned                 bigint not null default 0,
  deleted                   bigint not null default 0,
  failed                    bigint not null default 0,
  bytes                     bigint not null default 0,
  unique (cache_id, operation)
) with (fillfactor = 50);
create unique index gc_run_one on gc_run (cache_id) where state = 'running';
