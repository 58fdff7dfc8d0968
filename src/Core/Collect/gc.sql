-- Rule 9. Each function is one transaction; a run that was overtaken is harmless, since every change is guarded by the number of its barrier.

-- The new run; or the one that the same operation started; or the one that is in the way.
create function @fn@.gc_start(
  p_cache int, p_operation text, p_scheduled boolean, p_dry boolean, p_older interval, p_failed interval, p_grace interval, p_owner text,
  p_publisher text default null, p_address text default null)
returns setof gc_run
language plpgsql as $$
declare
  v_run gc_run%rowtype;
begin
  return query select * from gc_run r where r.cache_id = p_cache and r.operation = p_operation;
  if found then return; end if;
  insert into gc_run (cache_id, operation, scheduled, dry_run, older_than, failed_uploads_older_than, grace, owner)
    values (p_cache, p_operation, p_scheduled, p_dry, p_older, p_failed, p_grace, p_owner)
    on conflict do nothing returning * into v_run;
  if found then
    perform @fn@.audit(p_cache, p_publisher, p_address, 'gc.start', v_run.id::text, null, jsonb_build_object('scheduled', nullif(p_scheduled, false), 'dryRun', nullif(p_dry, false),
      'olderThanSeconds', extract(epoch from p_older)::bigint, 'graceSeconds', extract(epoch from p_grace)::bigint));
    return next v_run;
    return;
  end if;
  return query select * from gc_run r where r.cache_id = p_cache and (r.operation = p_operation or r.state = 'running') order by r.operation = p_operation desc limit 1;
end $$;

-- A run whose owner fell silent, or gave it up, is somebody else's.
create function @fn@.gc_adopt(p_cache int, p_owner text, p_lease interval) returns setof gc_run
language sql volatile as $$
  update gc_run r set owner = p_owner, heartbeat = clock_timestamp()
  where r.cache_id = p_cache and r.state = 'running' and r.heartbeat + p_lease < clock_timestamp()
  returning r.*
$$;

-- The owner's heartbeat, with its progress. No row: the run is not its any more.
create function @fn@.gc_beat(
  p_run bigint, p_owner text, p_phase text, p_paths bigint, p_objects bigint, p_failed_uploads bigint, p_old_closures bigint,
  p_condemned bigint, p_deleted bigint, p_failed bigint, p_bytes bigint)
returns table (cancelling boolean)
language sql volatile as $$
  update gc_run r set heartbeat = clock_timestamp(), phase = p_phase, paths = p_paths, objects = p_objects, failed_uploads = p_failed_uploads,
    old_closures = p_old_closures, condemned = p_condemned, deleted = p_deleted, failed = p_failed, bytes = p_bytes
  where r.id = p_run and r.owner = p_owner and r.state = 'running'
  returning r.cancelling
$$;

-- Ends a run that is still its owner's, and forgets all but the last hundred.
create function @fn@.gc_end(p_run bigint, p_owner text, p_state text, p_error text) returns void
language plpgsql as $$
declare
  v_run gc_run%rowtype;
begin
  update gc_run r set state = p_state::gc_state, error = p_error, finished = clock_timestamp()
    where r.id = p_run and r.owner = p_owner and r.state = 'running' returning * into v_run;
  if found then
    perform @fn@.audit(v_run.cache_id, null, null, 'gc.end', p_run::text, null, jsonb_build_object('state', p_state, 'dryRun', nullif(v_run.dry_run, false),
      'condemned', nullif(v_run.condemned, 0), 'deleted', nullif(v_run.deleted, 0), 'bytes', nullif(v_run.bytes, 0)));
  end if;
  delete from gc_run r where r.cache_id = v_run.cache_id and r.state <> 'running'
    and r.id < (select min(id) from (select l.id from gc_run l where l.cache_id = v_run.cache_id order by l.id desc limit 100) x);
end $$;

-- The barrier. The lock, then a new statement: when it is granted, the touches in flight have ended; later ones stamp a higher number than the run's.
create function @fn@.gc_barrier(p_cache int, p_run bigint, p_owner text) returns bigint
language plpgsql as $$
declare
  v_g bigint;
begin
  perform pg_advisory_xact_lock(20291, p_cache);
  update gc_epoch e set g = e.g + 1 where e.cache_id = p_cache returning e.g - 1 into strict v_g;
  update gc_run r set g = v_g where r.id = p_run and r.owner = p_owner;
  return v_g;
end $$;

-- What is kept, and why. Pins count until their row is gone; a closure is kept until it was not pushed for p_older, or only by publishers who are blocked (looked up once, not for each closure).
create function @fn@.gc_roots(p_cache int, p_older interval)
returns table (kind text, name text, until timestamptz, paths bigint[], objects bigint[])
language sql stable as $$
  select 'pin', p.name || '@' || r.revision, p.expires, array[r.path_id], '{}'::bigint[]
    from pin p join pin_revision r on r.pin_id = p.id and r.revision >= p.kept_from where p.cache_id = p_cache
  union all
  select 'closure', null, r.pushed + p_older, array[r.path_id], '{}' from root r where r.cache_id = p_cache and r.pushed + p_older >= clock_timestamp()
    and (r.shared or r.publisher is null or r.publisher <> all((select @fn@.blocked_publishers(p_cache))::int[]))
  union all
  select 'push', u.id::text, case when u.state = 'open' then u.expires end,
      u.paths || case when u.state = 'committing' then u.roots || array(select d.path_id from push_path d where d.push_id = u.id) else '{}' end, u.objects
    from push u where u.cache_id = p_cache and (u.state = 'committing' or u.state = 'open' and u.expires >= clock_timestamp())
  union all
  -- One that was refused, or is taken back, serves no reader.
  select 'superseded', null, max(k.until), '{}', array_agg(k.object_id) from kept_object k join object o on o.id = k.object_id
    where k.cache_id = p_cache and k.until >= clock_timestamp() and o.trust_group is distinct from -2 having count(*) > 0
  union all
  select 'publishing', null, null, array_agg(m.id), '{}' from moving_path m where m.cache_id = p_cache and m.state = 'publishing' having count(*) > 0
$$;

-- Closures that were not pushed for too long are no roots any more; one that is pushed just now is checked again when its row is free.
create function @fn@.gc_forget_closures(p_cache int, p_older interval, p_limit int) returns int
language plpgsql as $$
declare
  v_count int;
begin
  with old as materialized (
    select r.path_id from root r where r.cache_id = p_cache and r.pushed + p_older < clock_timestamp() order by r.path_id limit p_limit for update skip locked)
  delete from root r using old where r.cache_id = p_cache and r.path_id = old.path_id and r.pushed + p_older < clock_timestamp();
  get diagnostics v_count = row_count;
  return v_count;
end $$;

-- Of what was not marked: what is still live and was not promised since the barrier. Referrers come in an earlier batch, or in the same.
create function @fn@.gc_condemn_paths(p_cache int, p_g bigint, p_ids bigint[]) returns int
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_count int;
begin
  perform 1 from store_path s where s.id = any(p_ids) order by s.id for no key update;
  with condemned as (
    update store_path s set state = 'condemned', condemned_at = clock_timestamp()
    where s.id = any(p_ids) and s.cache_id = p_cache and s.state = 'live' and s.touched <= p_g returning s.id)
  insert into moving_path (cache_id, state, id) select p_cache, 'condemned', c.id from condemned c;
  get diagnostics v_count = row_count;
  return v_count;
end $$;

create function @fn@.gc_condemn_objects(p_cache int, p_g bigint, p_ids bigint[]) returns int
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_count int;
begin
  perform 1 from object o where o.id = any(p_ids) order by o.id for no key update;
  with condemned as (
    update object o set state = 'condemned', condemned_at = clock_timestamp()
    where o.id = any(p_ids) and o.cache_id = p_cache and o.state = 'live' and o.touched <= p_g returning o.id)
  insert into moving_object (cache_id, state, id) select p_cache, 'condemned', c.id from condemned c;
  get diagnostics v_count = row_count;
  return v_count;
end $$;

-- The sweep list's one read: all that is condemned, and whether it is due. No limit: a list cut off below a condemned referrer would lose a path.
create function @fn@.gc_condemned(p_cache int, p_g bigint, p_grace interval)
returns table (is_path boolean, id bigint, due boolean, refs bigint[], objects bigint[])
language sql stable as $$
  select true, s.id, s.condemned_at + p_grace <= clock_timestamp() and s.touched <= p_g, s.refs, s.objects
    from moving_path m cross join lateral (select * from store_path x where x.id = m.id and x.state = 'condemned' limit 1) s where m.cache_id = p_cache and m.state = 'condemned'
  union all
  select false, o.id, o.condemned_at + p_grace <= clock_timestamp() and o.touched <= p_g, '{}', '{}'
    from moving_object m cross join lateral (select * from object x where x.id = m.id and x.state = 'condemned' limit 1) o where m.cache_id = p_cache and m.state = 'condemned'
$$;

create function @fn@.gc_sweep_paths(p_cache int, p_g bigint, p_ids bigint[]) returns int
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_swept bigint[];
begin
  perform 1 from store_path s where s.id = any(p_ids) order by s.id for no key update;
  with swept as (
    update store_path s set state = 'deleting'
    where s.id = any(p_ids) and s.cache_id = p_cache and s.state = 'condemned' and s.touched <= p_g returning s.id)
  select coalesce(array_agg(d.id), '{}') into v_swept from swept d;
  perform @fn@.list_paths(p_cache, v_swept, 'condemned', 'deleting');
  return cardinality(v_swept);
end $$;

-- Objects come last: one that a deleting path still names waits for the next run. With a fence they are taken for their deletion at once (see delete_take);
-- without (null) they are left to it.
create function @fn@.gc_sweep_objects(p_cache int, p_g bigint, p_ids bigint[], p_fence interval, p_late interval)
returns table (id bigint, key text, multipart_id text, generation bigint, fence timestamptz, file_size bigint)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_swept bigint[];
  v_last bigint[];
begin
  perform 1 from object o where o.id = any(p_ids) order by o.id for no key update;
  with used as materialized (
      select distinct x.id
      from moving_path m cross join lateral (select s.objects from store_path s where s.id = m.id and s.state = 'deleting' limit 1) s cross join unnest(s.objects) x(id)
      where m.cache_id = p_cache and m.state = 'deleting'),
    swept as (
      select o.id, p_fence is not null and o.kind = 'nar' and coalesce(o.url_expires, o.claimed_at, '-infinity') + p_late < clock_timestamp() as is_last
      from object o
      where o.id = any(p_ids) and o.cache_id = p_cache and o.state = 'condemned' and o.touched <= p_g and not exists (select from used where used.id = o.id))
  select coalesce(array_agg(d.id) filter (where not d.is_last), '{}'), coalesce(array_agg(d.id) filter (where d.is_last), '{}') into v_swept, v_last from swept d;
  perform @fn@.list_objects(p_cache, v_swept, 'condemned', 'deleting');
  perform @fn@.list_objects(p_cache, v_last, 'condemned', 'tombstone');
  return query
    update object o set generation = o.generation + (p_fence is not null)::int, fence = clock_timestamp() + p_fence,
      state = case when o.id = any(v_last) then 'tombstone'::node_state else 'deleting'::node_state end
    where o.id = any(v_swept || v_last)
    returning o.id, o.key, o.multipart_id, o.generation, o.fence, o.file_size;
end $$;
