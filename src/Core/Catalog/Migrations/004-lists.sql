-- No index of a node names what changes while it lives and dies, so that every such change is a HOT update, which writes into no index. Which nodes are in a
-- state that somebody looks for is in lists, small and dense. Whoever changes a state holds the row's lock and writes the list in the same transaction;
-- whoever finds a node in a list asks its row again. Lists and states are equal at every commit.
lock table store_path, object in access exclusive mode;

-- Functions of earlier versions change states and know no lists.
do $$
declare
  v_schema name;
begin
  for v_schema in select nspname from pg_namespace where nspname ~ '^orleans_cache_[0-9a-f]{12}$' loop
    execute format('drop schema %I cascade', v_schema);
  end loop;
end $$;

create table moving_path (
  cache_id int not null,
  state    node_state not null check (state in ('publishing', 'condemned', 'deleting')),
  id       bigint not null,
  primary key (cache_id, state, id)
);
create table moving_object (
  cache_id int not null,
  state    node_state not null check (state in ('condemned', 'deleting')),
  id       bigint not null,
  primary key (cache_id, state, id)
);
-- NARs that are to be deleted a second time, some time after the last URL for them has stopped working.
create table tombstone (
  cache_id   int not null,
  urls_until timestamptz not null,
  id         bigint not null,
  primary key (cache_id, urls_until, id)
);
insert into moving_path select s.cache_id, s.state, s.id from store_path s where s.state in ('publishing', 'condemned', 'deleting');
insert into moving_object select o.cache_id, o.state, o.id from object o where o.state in ('condemned', 'deleting');
insert into tombstone select o.cache_id, coalesce(o.url_expires, o.claimed_at, '-infinity'), o.id from object o where o.state = 'tombstone';

-- What its narinfo in the bucket says is older than the row. Only new signatures make it so; else 'recorded' tells, which changes with every life.
alter table store_path add column unwritten boolean not null default false;
update store_path s set unwritten = true where s.state in ('live', 'condemned', 'deleting') and not s.recorded;

drop index store_path_moving, store_path_unwritten, object_moving, object_tombstone, object_claim;
create index store_path_unwritten on store_path (cache_id, id) where unwritten;
-- What is exclusive is claimed: see object_exclusive.
create unique index object_claim on object (cache_id, nar_hash) where kind = 'nar' and exclusive;
alter table object add constraint object_exclusive check (state = 'claimed' or not exclusive);
