-- What has become of paths that a push waits for: those that are live by now are promised, the others are claimed anew (see claim_paths).
-- p_blind: what another group has published meanwhile is claimed all the same, as in claim_paths.
-- status: 'present' | 'stored' | 'upload' | 'wait' | 'ended' (the push) | 'unnamed' (the push does not name the path: nothing is promised) | what quota_exceeded says: nothing is claimed
create function @fn@.wait_paths(p_cache int, p_push bigint, p_hashes bytea[], p_keys text[], p_url_life interval, p_default_rate bigint, p_quotas bigint[] default null, p_blind boolean default false)
returns table (hash bytea, path_id bigint, status text, object_id bigint, key text, nar_hash bytea, nar_size bigint, multipart_id text, uploader uuid)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_group int;
  v_ids bigint[];
  v_supersedes bigint[];
  v_unpromised bigint[];
  v_promised bigint[];
  v_better bigint[];
  v_kept bigint[];
  v_held bigint[];
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  select coalesce(u.trust_group, 0) into v_group from push u where u.id = p_push and u.cache_id = p_cache and u.state = 'open' for no key update;
  if not found then
    return query select null::bytea, null::bigint, 'ended', null::bigint, null::text, null::bytea, null::bigint, null::text, null::uuid;
    return;
  end if;
  select coalesce(array_agg(x.id order by x.ord) filter (where not x.brings), '{}'), coalesce(array_agg(x.id order by x.ord) filter (where x.brings), '{}') into v_ids, v_supersedes
    from (
      select s.id, u.ord, d.supersedes or p_blind and s.state <> 'gone' and s.trust_group is distinct from v_group as brings
      from unnest(p_hashes) with ordinality u(hash, ord) join store_path s on s.cache_id = p_cache and s.hash = u.hash
      join push_path d on d.push_id = p_push and d.path_id = s.id) x;
  -- With the objects that claim_paths locks.
  select t.unpromised into v_unpromised from @fn@.touch(p_cache, v_ids, '{}', array(
    select o.id from object o
    where o.cache_id = p_cache and o.kind = 'nar' and o.state in ('stored', 'condemned', 'live', 'claimed', 'gone')
      and (o.state = 'gone' or @fn@.usable(o.verified, o.trust_group, @fn@.legacy_group(p_cache, v_group), v_group) or o.state <> 'claimed' and @fn@.verify_policy(p_cache) <> 'off')
      and o.nar_hash = any(array(select d.nar_hash from push_path d where d.push_id = p_push and d.path_id = any(v_ids || v_supersedes))))) t;
  select array_agg(i) into v_promised from (select unnest(v_ids) except select unnest(v_unpromised)) x(i);
  if v_promised is not null then
    update push u set paths = (select array_agg(distinct i) from unnest(u.paths || v_promised) i) where u.id = p_push;
    -- Of those that others have published otherwise the declaration stays, for the commit to see.
    select coalesce(array_agg(m.path_id) filter (where m.verdict = 'supersede'), '{}'), coalesce(array_agg(m.path_id) filter (where m.verdict not in ('same', 'supersede')), '{}') into v_better, v_kept
      from @fn@.met_paths(p_cache, p_push, v_promised) m;
    update push_path d set supersedes = true where d.push_id = p_push and d.path_id = any(v_better);
    v_supersedes := v_supersedes || v_better;
    delete from push_path d where d.push_id = p_push and d.path_id = any(v_promised) and not d.path_id = any(v_better || v_kept);
  end if;

  -- What is live with another content than this push gives it is claimed all the same.
  v_unpromised := v_unpromised || v_supersedes;
  -- A path that the push does not declare as missing was promised before, or is none of its paths.
  select u.paths into v_held from push u where u.id = p_push;
  return query
    with c as materialized (
        select * from @fn@.claim_paths(p_cache, p_push, v_unpromised, null, null, null, null, null, null, null, null, null, null, p_keys[1:cardinality(v_unpromised)], p_url_life, p_default_rate, false, p_quotas, null, p_blind)),
      -- About the push: then of no path is anything said.
      q as materialized (select c.status from c where c.path_id is null)
    select r.hash, r.id, r.status, r.object_id, r.key, r.nar_hash, r.nar_size, r.multipart_id, r.uploader from (
      select u.ord, u.hash, s.id, coalesce(c.status, case when s.id = any(v_held) then 'present' else 'unnamed' end) as status, c.object_id, c.key, c.nar_hash, c.nar_size, c.multipart_id, c.uploader
      from unnest(p_hashes) with ordinality u(hash, ord)
      left join store_path s on s.cache_id = p_cache and s.hash = u.hash
      left join c on c.path_id = s.id
      where not exists (select from q)
      union all
      select 0, null::bytea, null::bigint, q.status, null::bigint, null::text, null::bytea, null::bigint, null::text, null::uuid from q) r
    order by r.ord;
end $$;

-- Of (push, path) pairs that wait: those that need not any longer, because the path is live, its NAR has arrived or was read, or its claim or its reading is free or overdue.
create function @fn@.arrived_paths(p_cache int, p_pushes uuid[], p_paths bigint[], p_default_rate bigint) returns table (push uuid, path_id bigint)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_reads boolean := @fn@.verify_policy(p_cache) <> 'off';
begin
  return query
    with asked as materialized (
      select a.public, a.path, u.id, coalesce(u.rank, 0) as rank, coalesce(u.trust_group, 0) as trust_group, @fn@.legacy_group(p_cache, coalesce(u.trust_group, 0)) as legacy
      from (select x.public, x.path, @fn@.push_of(p_cache, x.public, null, true) as id from unnest(p_pushes, p_paths) x(public, path)) a left join push u on u.id = a.id)
    select a.public, a.path from asked a
    left join push_path d on d.push_id = a.id and d.path_id = a.path
    left join store_path s on s.id = a.path
    where d.path_id is null or s.state = 'live'
      or not exists (select from object o where o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = d.nar_hash and o.nar_size = d.nar_size
                     and o.state = 'claimed' and (o.exclusive or o.leads) and coalesce(o.trust_group, a.legacy) = a.trust_group and o.claimed_by <> a.id
                     and o.claimed_at + make_interval(secs => greatest(10, 2 * d.nar_size / p_default_rate::float8)) >= clock_timestamp()
                     and exists (select from push c where c.id = o.claimed_by and c.state = 'open' and c.expires >= clock_timestamp()))
        and not exists (select from @fn@.being_read(p_cache, a.trust_group, a.legacy, array[d.nar_hash], array[d.nar_size], array[d.waiting], p_default_rate, false) b join verification v on v.cache_id = p_cache and v.object_id = b.object_id)
        and not (v_reads and exists (select from @fn@.being_brought(p_cache, a.trust_group, a.legacy, a.rank, array[d.nar_hash], array[d.nar_size], array[d.awaited], p_default_rate)))
      or exists (select from object o where o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = d.nar_hash and o.nar_size = d.nar_size and o.state in ('stored', 'live', 'condemned')
                 and @fn@.usable(o.verified, o.trust_group, a.legacy, a.trust_group));
end $$;
