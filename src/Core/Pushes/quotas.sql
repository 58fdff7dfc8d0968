-- Quotas of publishers and trust groups. No counter is shared by pushes that have nothing else in common: whoever asks reads its own rows. So two that ask at once may both pass.

-- p_quotas: of a publisher, then of its group (all 0 where only the cache has one): open pushes, NAR bytes that open pushes upload, bytes stored, roots; 0: none. null: no quotas at all.
-- What is asked for: p_pushes, p_bytes, p_roots. Null: all of it is within; else 'quota', whose it is, its number (from 1), its limit, what is used, what is asked for.
-- Only what would grow is looked at: who brings nothing new is never refused.
create function @fn@.quota_exceeded(p_cache int, p_publisher int, p_group int, p_quotas bigint[], p_pushes bigint, p_bytes numeric, p_roots bigint) returns text
language plpgsql stable set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_limits bigint[];
  v_publishers int[];
  v_pushes bigint;
  v_claimed numeric;
  v_used numeric[];
  v_more numeric[] := array[p_pushes, p_bytes, p_bytes, p_roots];
  v_exceeded text;
begin
  v_exceeded := @fn@.cache_quota_exceeded(p_cache, p_bytes);
  if v_exceeded is not null then return v_exceeded; end if;
  for v_of in 0 .. 1 loop
    v_limits := p_quotas[4 * v_of + 1 : 4 * v_of + 4];
    continue when not exists (select from unnest(v_limits, v_more) x(most, more) where x.most > 0 and x.more > 0);
    v_publishers := case v_of when 0 then array[p_publisher] else array(select b.id from publisher b where b.cache_id = p_cache and b.trust_group = p_group) end;
    -- A push that has lapsed is no open one, but what it uploads is there until it has ended. Holds of stock Nix are the server's own.
    select count(*) filter (where u.expires >= clock_timestamp() and u.holder is null), coalesce(sum(u.claimed_bytes), 0) into v_pushes, v_claimed
      from push u where u.publisher = any(v_publishers) and u.state = 'open';
    select array[v_pushes, v_claimed, v_claimed + coalesce(sum(b.stored_bytes), 0), coalesce(sum(b.roots), 0)] into v_used from publisher b where b.id = any(v_publishers);
    for i in 1 .. 4 loop
      if v_limits[i] > 0 and v_more[i] > 0 and v_used[i] + v_more[i] > v_limits[i] then
        return format('quota %s %s %s %s %s', case v_of when 0 then 'publisher' else 'group' end, i, v_limits[i], v_used[i], v_more[i]);
      end if;
    end loop;
  end loop;
  return null;
end $$;

-- How many of these paths are no roots yet.
create function @fn@.new_roots(p_cache int, p_paths bigint[]) returns bigint
language sql stable as $$
  select count(distinct i) from unnest(p_paths) i where not exists (select from root r where r.cache_id = p_cache and r.path_id = i)
$$;

-- Counts what each publisher has published, if nobody has since p_every. One look at all objects and roots.
create function @fn@.count_publishers(p_cache int, p_every interval) returns boolean
language plpgsql set jit = off as $$
begin
  perform 1 from cache c where c.id = p_cache and (c.publishers_counted is null or c.publishers_counted + p_every < clock_timestamp()) for no key update skip locked;
  if not found then return false; end if;
  with stored as materialized (
      select o.publisher, sum(o.file_size) as bytes from object o
      where o.cache_id = p_cache and o.publisher is not null and o.state in ('publishing', 'live', 'condemned') group by o.publisher),
    rooted as materialized (
      select r.publisher, count(*) as roots from root r where r.cache_id = p_cache and r.publisher is not null group by r.publisher),
    counted as materialized (
      select b.id, coalesce(s.bytes, 0) as bytes, coalesce(r.roots, 0) as roots from publisher b left join stored s on s.publisher = b.id left join rooted r on r.publisher = b.id
      where b.cache_id = p_cache order by b.id)
  update publisher b set stored_bytes = c.bytes, roots = c.roots from counted c where b.id = c.id and (b.stored_bytes, b.roots) is distinct from (c.bytes, c.roots);
  update cache c set publishers_counted = clock_timestamp() where c.id = p_cache;
  return true;
end $$;

-- The quota of the cache: null: p_bytes more are within; else 'quota cache', the number of what is used up (5: bytes, 6: paths), its limit, what is used, what is asked for.
-- Bytes are those of the last count, with what pushes upload or have brought since; before the first one, what pushes upload alone. Only who brings something new is refused.
create function @fn@.cache_quota_exceeded(p_cache int, p_bytes numeric) returns text
language plpgsql stable set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_cache cache%rowtype;
  v_bytes numeric;
begin
  if coalesce(p_bytes, 0) = 0 then return null; end if;
  select * into v_cache from cache c where c.id = p_cache and (c.quota_bytes is not null or c.quota_paths is not null);
  if not found then return null; end if;
  if v_cache.quota_paths is not null and v_cache.used_paths >= v_cache.quota_paths then
    return format('quota cache 6 %s %s %s', v_cache.quota_paths, v_cache.used_paths, 1);
  end if;
  if v_cache.quota_bytes is null then return null; end if;
  select coalesce(sum(u.claimed_bytes), 0) into v_bytes from push u where u.cache_id = p_cache and u.state in ('open', 'committing');
  v_bytes := v_bytes + v_cache.used_bytes
    + (select coalesce(sum(u.claimed_bytes), 0) from push u where u.finished > v_cache.used_at and u.cache_id = p_cache and u.state = 'committed');
  if v_bytes + p_bytes > v_cache.quota_bytes then
    return format('quota cache 5 %s %s %s', v_cache.quota_bytes, v_bytes, p_bytes);
  end if;
  return null;
end $$;

-- Counts what a cache with a quota has, if nobody has since p_every; one at a time, and the cache's row is free meanwhile. True: it has counted.
create function @fn@.count_cache(p_cache int, p_every interval) returns boolean
language plpgsql set jit = off as $$
declare
  v_began timestamptz;
  v_bytes numeric;
  v_paths bigint;
begin
  if not pg_try_advisory_xact_lock(20293, p_cache) then return false; end if;
  v_began := clock_timestamp();
  if not exists (select from cache c where c.id = p_cache and (c.used_at is null or c.used_at + p_every < v_began)) then return false; end if;
  select coalesce(sum(coalesce(o.file_size, o.nar_size)), 0) into v_bytes from object o where o.cache_id = p_cache and o.state in ('stored', 'publishing', 'live', 'condemned', 'deleting');
  select count(*) into v_paths from store_path s where s.cache_id = p_cache and s.state in ('publishing', 'live', 'condemned');
  -- As of its beginning: what pushes have brought since comes on top.
  update cache c set used_at = v_began, used_bytes = v_bytes, used_paths = v_paths where c.id = p_cache;
  return true;
end $$;
