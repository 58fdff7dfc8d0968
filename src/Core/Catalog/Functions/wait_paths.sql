-- What has become of paths that a push waits for: those that are live by now are promised, the others are claimed anew (see claim_paths).
-- status: 'present' | 'stored' | 'upload' | 'wait' | 'ended' (the push) | 'unnamed' (the push does not name the path: nothing is promised)
create function @fn@.wait_paths(p_cache int, p_push bigint, p_hashes bytea[], p_keys text[], p_url_life interval, p_default_rate bigint)
returns table (hash bytea, path_id bigint, status text, object_id bigint, key text, nar_hash bytea, nar_size bigint, multipart_id text, uploader bigint)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_ids bigint[];
  v_unpromised bigint[];
  v_promised bigint[];
  v_held bigint[];
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  perform 1 from push u where u.id = p_push and u.cache_id = p_cache and u.state = 'open' for no key update;
  if not found then
    return query select null::bytea, null::bigint, 'ended', null::bigint, null::text, null::bytea, null::bigint, null::text, null::bigint;
    return;
  end if;
  select coalesce(array_agg(s.id order by u.ord), '{}') into v_ids
    from unnest(p_hashes) with ordinality u(hash, ord) join store_path s on s.cache_id = p_cache and s.hash = u.hash
    join push_path d on d.push_id = p_push and d.path_id = s.id;
  -- With the objects that claim_paths locks.
  select t.unpromised into v_unpromised from @fn@.touch(p_cache, v_ids, '{}', array(
    select o.id from object o
    where o.cache_id = p_cache and o.kind = 'nar' and o.state in ('stored', 'condemned', 'live', 'claimed', 'gone')
      and o.nar_hash = any(array(select d.nar_hash from push_path d where d.push_id = p_push and d.path_id = any(v_ids))))) t;
  select array_agg(i) into v_promised from (select unnest(v_ids) except select unnest(v_unpromised)) x(i);
  if v_promised is not null then
    update push u set paths = (select array_agg(distinct i) from unnest(u.paths || v_promised) i) where u.id = p_push;
    delete from push_path d where d.push_id = p_push and d.path_id = any(v_promised);
  end if;

  -- A path that the push does not declare as missing was promised before, or is none of its paths.
  select u.paths into v_held from push u where u.id = p_push;
  return query
    select u.hash, s.id, coalesce(c.status, case when s.id = any(v_held) then 'present' else 'unnamed' end), c.object_id, c.key, c.nar_hash, c.nar_size, c.multipart_id, c.uploader
    from unnest(p_hashes) with ordinality u(hash, ord)
    left join store_path s on s.cache_id = p_cache and s.hash = u.hash
    left join @fn@.claim_paths(p_cache, p_push, v_unpromised, null, null, null, null, null, null, null, p_keys[1:cardinality(v_unpromised)], p_url_life, p_default_rate) c
      on c.path_id = s.id
    order by u.ord;
end $$;
