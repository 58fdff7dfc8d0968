-- The end of a cache. Everything goes by the collector's own ways: pins leave the bucket, pushes end, a collection that keeps nothing condemns the rest, and deletions go under
-- intents and fences (rule 10), the second one of each NAR too. Only rows that nothing needs any more are deleted here.

-- Ends its open pushes, and takes away what would keep its paths but for pins. Answers the names of the pins that are still to be deleted.
create function @fn@.close_cache(p_cache int) returns text[]
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
begin
  if not exists (select from cache c where c.id = p_cache and c.deleting is not null) then return '{}'; end if;
  perform @fn@.end_pushes(p_cache, u.id, '0', 1) from push u where u.cache_id = p_cache and u.state = 'open';
  delete from root r where r.cache_id = p_cache;
  delete from kept_object k where k.cache_id = p_cache;
  return array(select p.name from pin p where p.cache_id = p_cache and not p.deleted order by p.name);
end $$;

-- What is left of it: 'live' (a collection is to run) | 'leaving' (deletions are under way, or wait for the last URLs to end) | 'empty' (for a minute at least, by when every server has heard of the deletion) |
-- 'unknown' (no such cache, or it is not being deleted).
-- Every server asks every few seconds, for a day or longer: the lists say what moves, and tables of any size are looked through only when the lists are empty. One collection that has
-- begun after the last pin and push leaves nothing but what moves.
create function @fn@.left_of_cache(p_cache int) returns text
language sql stable set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
  select case
    when v.deleting is null then 'unknown'
    when exists (select from pin p where p.cache_id = p_cache) or exists (select from push u where u.cache_id = p_cache and u.state in ('open', 'committing'))
      or exists (select from gc_run r where r.cache_id = p_cache and r.state = 'running') then 'leaving'
    when not exists (select from gc_run r where r.cache_id = p_cache and r.state = 'done' and not r.dry_run and r.older_than = interval '0' and r.started >= v.deleting)
      and (exists (select from store_path s where s.cache_id = p_cache) or exists (select from object o where o.cache_id = p_cache)) then 'live'
    when exists (select from moving_path m where m.cache_id = p_cache and m.state = 'condemned') or exists (select from moving_object m where m.cache_id = p_cache and m.state = 'condemned') then 'live'
    when exists (select from moving_path m where m.cache_id = p_cache) or exists (select from moving_object m where m.cache_id = p_cache) or exists (select from tombstone t where t.cache_id = p_cache)
      or exists (select from eviction e where e.cache_id = p_cache and e.finished is null) then 'leaving'
    when exists (select from store_path s where s.cache_id = p_cache and s.state in ('live', 'condemned')) or exists (select from object o where o.cache_id = p_cache and o.state in ('live', 'condemned')) then 'live'
    when exists (select from store_path s where s.cache_id = p_cache and s.state <> 'gone') or exists (select from object o where o.cache_id = p_cache and o.state <> 'gone')
      or v.deleting + interval '1 minute' > clock_timestamp() then 'leaving'
    else 'empty' end
  from (select (select c.deleting from cache c where c.id = p_cache) as deleting) v
$$;

-- Deletes the rows of a cache that is empty, up to p_limit of each table; true: all are gone, and the cache with them. Its name is free then.
create function @fn@.forget_cache(p_cache int, p_limit int) returns boolean
language plpgsql set jit = off as $$
declare
  v_table text;
  v_count bigint;
  v_more boolean := false;
begin
  -- The lock that every begin takes: those in flight have ended, and their rows show.
  perform pg_advisory_xact_lock(20291, p_cache);
  perform 1 from cache c where c.id = p_cache and c.deleting is not null for no key update skip locked;
  if not found or @fn@.left_of_cache(p_cache) <> 'empty' then return false; end if;
  delete from push_path d using push u where d.push_id = u.id and u.cache_id = p_cache;
  delete from push_object d using push u where d.push_id = u.id and u.cache_id = p_cache;
  delete from nix_pending d using push u where d.push_id = u.id and u.cache_id = p_cache;
  delete from proof p using object o where p.object_id = o.id and o.cache_id = p_cache;
  delete from pin_revision v using pin p where v.pin_id = p.id and p.cache_id = p_cache;
  foreach v_table in array array['nar_alias', 'waiting_path', 'boundary', 'upstream_path', 'verification', 'unsigned_path', 'renamed_path', 'kept_object', 'root', 'moving_path', 'moving_object', 'tombstone', 'bar', 'eviction', 'gc_run',
    'pin_operation', 'pin', 'deployment', 'push', 'object', 'store_path', 'token', 'block', 'publisher', 'trust_group'] loop
    execute format('delete from %I x where x.ctid = any(array(select y.ctid from %I y where y.cache_id = $1 limit $2))', v_table, v_table) using p_cache, p_limit;
    get diagnostics v_count = row_count;
    v_more := v_more or v_count = p_limit;
  end loop;
  if v_more then return false; end if;
  delete from cache_key k where k.cache_id = p_cache;
  delete from gc_epoch e where e.cache_id = p_cache;
  -- What was done there, the deletion too, stays in the audit log for its time.
  insert into deleted_cache (id, name) select c.id, c.name from cache c where c.id = p_cache;
  delete from cache c where c.id = p_cache;
  return true;
end $$;

-- Deletes up to p_limit older lines of the audit log of each cache that is gone.
create function @fn@.forget_deleted_caches(p_life interval, p_limit int) returns void
language plpgsql as $$
declare
  v_cache int;
begin
  for v_cache in select d.id from deleted_cache d order by d.id loop
    perform @fn@.audit_forget(v_cache, p_life, p_limit);
    delete from deleted_cache d where d.id = v_cache and not exists (select from audit a where a.cache_id = v_cache);
  end loop;
end $$;
