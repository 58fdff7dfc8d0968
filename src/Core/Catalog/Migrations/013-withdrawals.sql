-- What an admin takes back. Columns without a table's rewrite, and small tables: no lock is long.

-- Functions of earlier versions know no bars: a server that still runs them would promise what is being withdrawn.
do $$
declare
  v_schema name;
begin
  for v_schema in select nspname from pg_namespace where nspname ~ '^orleans_cache_[0-9a-f]{12}$' loop
    execute format('drop schema %I cascade', v_schema);
  end loop;
end $$;

-- barred: nobody is promised the path any more, and it goes without a grace.
alter table store_path add column barred boolean not null default false;

-- withdrawn: paths that the push names and an eviction takes; a commit that meets them ends 'aborted', and says so.
alter table push add column withdrawn bigint[];

-- withdrawn: an eviction took the path while a pin had it. Of a pin's newest revision: the pin is broken since then.
alter table pin_revision add column withdrawn timestamptz;

-- A withdrawal under way or done; whoever has its lease goes on with it. paths: what was selected; found: with all that refers to it; objects: the NARs of what was selected.
create table eviction (
  id         bigint generated always as identity primary key,
  cache_id   int not null,
  operation  text not null,
  digest     bytea not null,
  created_by text not null,
  created    timestamptz not null default clock_timestamp(),
  reason     text,
  paths      bigint[] not null,
  found      bigint[] not null default '{}',
  objects    bigint[] not null default '{}',
  -- The number of its barrier, the last one if it had several; and when that was.
  g          bigint not null default 0,
  barred     timestamptz not null default clock_timestamp(),
  -- Nothing refers to found any more but found, and nothing will.
  closed     boolean not null default false,
  lease      timestamptz not null,
  finished   timestamptz,
  unique (cache_id, operation)
);
create index eviction_barred on eviction (cache_id, barred);
create index eviction_unfinished on eviction (cache_id) where finished is null;

-- Content that may not come back: this NAR under this path, or (by_nar) under any. object_id: the NAR that was there, which is not used again whatever becomes of the bar.
create table bar (
  id         bigint generated always as identity primary key,
  cache_id   int not null,
  path_id    bigint not null,
  nar_hash   bytea not null,
  object_id  bigint,
  by_nar     boolean not null,
  reason     text,
  created_by text not null,
  created    timestamptz not null default clock_timestamp(),
  lifted     timestamptz,
  lifted_by  text
);
create unique index bar_standing on bar (cache_id, nar_hash, path_id) where lifted is null;
