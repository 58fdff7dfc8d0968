-- Rule 1. Promises the closures of the named paths, or says which it cannot promise.
-- 1. Take the epoch's lock, then read g. 2. Walk the rows' references from the named paths. 3. Lock what the walk found by id, and walk again until it finds nothing else. 4. Promise a named
-- path whose walk met only live and condemned. 5. Make all of the promised live at g, and their objects.
-- All functions take their locks in one order: the epoch's, the push, paths by id, objects by id, a pin. So who changes more than a touch does gives it the rest
-- to be locked with what it locks: p_rows are paths, p_objects objects, in whatever state.
-- What is barred (see withdraw.sql) is as good as deleted. Live at g needs no such look: a bar comes with a barrier.
-- Every function below runs as one statement in a transaction of its own; inside, each statement has a new snapshot (volatile, READ COMMITTED).
create function @fn@.touch(p_cache int, p_ids bigint[], p_rows bigint[] default '{}', p_objects bigint[] default '{}', out g bigint, out unpromised bigint[])
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_cold bigint[];
  v_good bigint[];
  v_bad bigint[];
  v_back bigint[];
  v_locked bigint[] := case when p_rows = '{}' then p_rows end;
  v_objects bigint[];
begin
  -- 1. The lock, then a new statement that reads g: one that did both would read the old g after a wait.
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  select e.g into strict g from gc_epoch e where e.cache_id = p_cache;
  unpromised := '{}';

  select array_agg(p.id) into v_cold from store_path p where p.id = any(p_ids) and not (p.state = 'live' and p.touched = touch.g);
  if v_cold is null and p_rows = '{}' and p_objects = '{}' then return; end if;

  loop
    -- 2. The walk stops at what is live at g.
    with recursive walk(id, state, refs) as (
      select p.id, case when p.barred then 'deleting' else p.state end, p.refs from store_path p where p.id = any(v_cold)
      union
      select q.id, case when q.barred then 'deleting' else q.state end, q.refs
      from walk w cross join unnest(w.refs) r(id) join store_path q on q.id = r.id
      where w.state in ('live', 'condemned') and not (q.state = 'live' and q.touched = touch.g)
    )
    select coalesce(array_agg(w.id order by w.id) filter (where w.state in ('live', 'condemned')), '{}'),
           coalesce(array_agg(w.id) filter (where w.state not in ('live', 'condemned')), '{}'),
           coalesce(array_agg(w.id) filter (where w.state = 'condemned'), '{}')
      into v_good, v_bad, v_back from walk w;
    -- 3. A walk that began after all its rows were locked is exact.
    exit when v_good = v_locked;
    perform 1 from store_path p where p.id = any(v_good || p_rows) order by p.id for no key update;
    v_locked := v_good;
  end loop;

  -- 4. What is, or refers to, anything else is not promised.
  if v_bad <> '{}' then
    with recursive edge as materialized (
      select p.id as src, r.id as dst from store_path p cross join unnest(p.refs) r(id) where p.id = any(v_good)
    ), up(id) as (
      select unnest(v_bad) union select e.src from up join edge e on e.dst = up.id
    )
    select array_agg(up.id) into v_bad from up;
    select coalesce(array_agg(i), '{}') into v_good from unnest(v_good) i where not exists (select from unnest(v_bad) b where b = i);
    select coalesce(array_agg(i), '{}') into v_back from unnest(v_back) i where not exists (select from unnest(v_bad) b where b = i);
    select coalesce(array_agg(distinct i), '{}') into unpromised from unnest(p_ids) i join unnest(v_bad) b on b = i;
  end if;

  -- 5. Objects, then paths.
  select array_agg(distinct o) into v_objects from store_path p cross join unnest(p.objects) o where p.id = any(v_good);
  perform 1 from object o
    where o.id = any(v_objects || p_objects) and (not (o.state = 'live' and o.touched = touch.g) or o.id = any(p_objects))
    order by o.id for no key update;
  if v_good = '{}' then return; end if;
  perform @fn@.stamp_objects(p_cache, touch.g, v_objects);
  if v_back <> '{}' then
    perform @fn@.list_paths(p_cache, v_back, 'condemned', null);
  end if;
  update store_path p set state = 'live', touched = touch.g, condemned_at = null
    where p.id = any(v_good) and p.state in ('live', 'condemned');
end $$;
