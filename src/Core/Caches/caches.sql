-- Caches and their settings. Whoever changes a row raises its version, by which servers learn of it.

-- 'done' | 'exists' | 'deleting' (one of that name, whose deletion has not ended) | 'taken' (the place is another cache's, or above or below one) | 'host' (one of its hosts leads to another) | 'parent' (there is no such cache to be a stage of,
-- or it is a stage).
create function @fn@.create_cache(p_name text, p_bucket text, p_prefix text, p_settings jsonb, p_quota_bytes bigint, p_quota_paths bigint, p_verify text, p_declared boolean,
  p_key text, p_public_key text, p_secret text, p_publisher text, p_address text) returns text
language plpgsql as $$
declare
  v_id int;
  v_cache cache%rowtype;
begin
  -- One at a time: their places are compared.
  lock table cache in share row exclusive mode;
  select * into v_cache from cache c where c.name = p_name;
  if found then return case when v_cache.deleting is null then 'exists' else 'deleting' end; end if;
  if @fn@.place_taken(p_bucket, p_prefix) then return 'taken'; end if;
  if @fn@.host_taken(0, p_settings) then return 'host'; end if;
  if p_settings ? 'stageOf' and not exists (
    select from cache c where c.name = p_settings ->> 'stageOf' and c.deleting is null and not coalesce(c.settings ? 'stageOf', false)) then
    return 'parent';
  end if;
  -- It has nothing yet, which is as good as counted.
  insert into cache (name, bucket, prefix, settings, quota_bytes, quota_paths, verify, declared, used_at)
    values (p_name, p_bucket, coalesce(p_prefix, ''), p_settings, p_quota_bytes, p_quota_paths, p_verify, p_declared, clock_timestamp()) returning id into v_id;
  insert into gc_epoch (cache_id, g) values (v_id, 1);
  if p_key is not null then
    insert into cache_key (cache_id, name, public_key, secret, state) values (v_id, p_key, p_public_key, p_secret, 'active');
  end if;
  perform @fn@.audit(v_id, p_publisher, p_address, 'cache.create', 'cache:' || p_name, null, p_settings);
  return 'done';
end $$;

-- Is this place another cache's, or above or below one? Of directories there is one for each name.
create function @fn@.place_taken(p_bucket text, p_prefix text) returns boolean
language sql stable as $$
  select p_bucket is not null and exists (
    select from cache c where c.bucket = p_bucket and c.settings is not null and (starts_with(c.prefix, p_prefix) or starts_with(p_prefix, c.prefix)))
$$;

-- Does one of the hosts in these settings lead to another cache?
create function @fn@.host_taken(p_cache int, p_settings jsonb) returns boolean
language sql stable as $$
  select exists (
    select from cache c cross join lateral jsonb_path_query(c.settings, '$.hosts[*]') h(host)
    where c.id <> p_cache and lower(h.host #>> '{}') in (select lower(n.host #>> '{}') from jsonb_path_query(p_settings, '$.hosts[*]') n(host)))
$$;

-- Its place stays. 'done' | 'unknown' | 'changed' (it is at another version: read it again) | 'declared' | 'host'.
create function @fn@.set_cache(p_name text, p_version bigint, p_settings jsonb, p_quota_bytes bigint, p_quota_paths bigint, p_verify text, p_declared boolean,
  p_publisher text, p_address text) returns text
language plpgsql as $$
declare
  v_cache cache%rowtype;
begin
  lock table cache in share row exclusive mode;
  select * into v_cache from cache c where c.name = p_name and c.deleting is null and c.settings is not null;
  if not found then return 'unknown'; end if;
  if v_cache.declared and not p_declared then return 'declared'; end if;
  if v_cache.version <> p_version then return 'changed'; end if;
  if @fn@.host_taken(v_cache.id, p_settings) then return 'host'; end if;
  if v_cache.settings = p_settings and v_cache.declared = p_declared and v_cache.verify = p_verify then return 'done'; end if;
  update cache c set settings = p_settings, quota_bytes = p_quota_bytes, quota_paths = p_quota_paths, verify = p_verify, declared = p_declared, version = c.version + 1 where c.id = v_cache.id;
  -- What nobody has kept counted is counted next, and bounds nothing until then.
  if v_cache.quota_bytes is null and v_cache.quota_paths is null then
    update cache c set used_at = null, used_bytes = 0, used_paths = 0 where c.id = v_cache.id;
  end if;
  perform @fn@.audit(v_cache.id, p_publisher, p_address, 'cache.set', 'cache:' || p_name, null, p_settings);
  return 'done';
end $$;

-- Caches that the file declared, and does not any more. Answers all that it does not have.
create function @fn@.undeclare_caches(p_names text[]) returns setof text
language sql volatile as $$
  update cache c set declared = false, version = c.version + 1 where c.declared and not c.name = any(p_names);
  select c.name from cache c where c.settings is not null and c.deleting is null and not c.name = any(p_names) order by c.name
$$;

-- 'done' | 'unknown' | 'declared' | 'in-use' | 'staged' (it has stages)
create function @fn@.delete_cache(p_name text, p_force boolean, p_publisher text, p_address text) returns text
language plpgsql as $$
declare
  v_cache cache%rowtype;
begin
  -- No stage of it is made meanwhile.
  lock table cache in share row exclusive mode;
  select * into v_cache from cache c where c.name = p_name and c.settings is not null for no key update;
  if not found then return 'unknown'; end if;
  if v_cache.deleting is not null then return 'done'; end if;
  if v_cache.declared then return 'declared'; end if;
  if exists (select from cache c where c.settings ->> 'stageOf' = p_name and c.deleting is null) then return 'staged'; end if;
  if not p_force and (exists (select from store_path s where s.cache_id = v_cache.id and s.state in ('publishing', 'live', 'condemned'))
    or exists (select from push u where u.cache_id = v_cache.id and u.state in ('open', 'committing') and u.holder is null)) then
    return 'in-use';
  end if;
  update cache c set deleting = clock_timestamp(), version = c.version + 1 where c.id = v_cache.id;
  update token t set revoked = clock_timestamp() where t.cache_id = v_cache.id and t.revoked is null;
  perform @fn@.audit(v_cache.id, p_publisher, p_address, 'cache.delete', 'cache:' || p_name, null, jsonb_build_object('force', nullif(p_force, false)));
  return 'done';
end $$;

-- Those in which a server has something to do. The others are at rest: their background work need not look.
create function @fn@.caches_at_work(p_caches int[], p_late interval, p_scrubs boolean) returns int[]
language sql stable set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
  select coalesce(array_agg(c.id), '{}') from cache c where c.id = any(p_caches) and (
    c.deleting is not null
    or exists (select from push u where u.cache_id = c.id and u.state in ('open', 'committing'))
    or exists (select from moving_path m where m.cache_id = c.id and m.state in ('publishing', 'deleting'))
    or exists (select from moving_object m where m.cache_id = c.id and m.state = 'deleting')
    or exists (select from tombstone t where t.cache_id = c.id and t.urls_until < (select clock_timestamp()) - p_late)
    or exists (select from store_path s where s.cache_id = c.id and s.unwritten)
    or exists (select from pin p where p.cache_id = c.id and not p.recorded)
    or exists (select from pin p where p.cache_id = c.id and not p.deleted and p.expires < (select clock_timestamp()))
    or exists (select from gc_run r where r.cache_id = c.id and r.state = 'running')
    or exists (select from eviction e where e.cache_id = c.id and e.finished is null)
    or exists (select from renamed_path r where r.cache_id = c.id)
    or exists (select from unsigned_path u where u.cache_id = c.id)
    or exists (select from verification v where v.cache_id = c.id)
    or exists (select from cache_key k where k.cache_id = c.id and k.signing)
    or p_scrubs and c.verify <> 'off' and (c.scrub_lease is null or c.scrub_lease < clock_timestamp())
      and not (c.scrubbed = 0 and coalesce(c.scrub_began + interval '7 days' > clock_timestamp(), false)) and exists (select from root r where r.cache_id = c.id))
$$;
