-- Rule 10 for paths. All that is being deleted, whichever run left it; held: an open intent, of which nobody knows what it will do.
create function @fn@.delete_list(p_cache int, p_margin interval)
returns table (id bigint, hash bytea, has_listing boolean, refs bigint[], condemned_at timestamptz, held boolean)
language sql volatile as $$
  select s.id, s.hash, s.has_listing, s.refs, s.condemned_at, coalesce(s.fence + p_margin >= clock_timestamp(), false)
  from moving_path m cross join lateral (select * from store_path x where x.id = m.id and x.state = 'deleting' limit 1) s
  where m.cache_id = p_cache and m.state = 'deleting'
$$;

-- Opens intents for paths none of whose referrers is being deleted any more. condemned_at tells this deletion of a path from a later one, with other referrers.
create function @fn@.delete_take_paths(p_ids bigint[], p_condemned timestamptz[], p_fence interval, p_margin interval)
returns table (id bigint, generation bigint, fence timestamptz)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_column
begin
  perform 1 from store_path s where s.id = any(p_ids) order by s.id for no key update;
  return query
    update store_path s set generation = s.generation + 1, fence = clock_timestamp() + p_fence
    from unnest(p_ids, p_condemned) t(id, condemned_at)
    where s.id = t.id and s.condemned_at = t.condemned_at and s.state = 'deleting' and (s.fence is null or s.fence + p_margin < clock_timestamp())
    returning s.id, s.generation, s.fence;
end $$;

-- Records answered deletions: the path is gone, and keeps its row and id. An intent whose deletion was refused (p_done false) is cleared. Answers who is gone.
create function @fn@.delete_record_paths(p_cache int, p_ids bigint[], p_generations bigint[], p_done boolean[])
returns setof bigint
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_gone bigint[];
begin
  perform 1 from store_path s where s.id = any(p_ids) order by s.id for no key update;
  update store_path s set fence = null
    from unnest(p_ids, p_generations, p_done) r(id, generation, done)
    where s.id = r.id and s.generation = r.generation and not r.done and s.fence is not null and s.state = 'deleting';
  with gone as (
    update store_path s set state = 'gone', fence = null, recorded = false, unwritten = false, condemned_at = null,
      refs = '{}', objects = '{}', signatures = '{}', listing = null, has_listing = false, declared = null, publisher = null, trust_group = null, verified = false, rank = 0, barred = false
    from unnest(p_ids, p_generations, p_done) r(id, generation, done)
    where s.id = r.id and s.generation = r.generation and r.done and s.fence is not null and s.state = 'deleting'
    returning s.id)
  select coalesce(array_agg(g.id), '{}') into v_gone from gone g;
  perform @fn@.list_paths(p_cache, v_gone, 'deleting', null);
  return query select unnest(v_gone);
end $$;

-- Rule 10 for objects: takes what is to be deleted and has no open intent, under a fence.
-- A NAR is deleted twice: the second time a day after its last URL has expired, as a PUT through it may end late. Where that day has passed, the first is the second.
-- Two looks, each into a list of its own: a sweep leaves tombstones for a day. Who skips what is locked waits for nobody, in any order.
create function @fn@.delete_take(p_cache int, p_fence interval, p_margin interval, p_late interval, p_limit int)
returns table (id bigint, key text, multipart_id text, generation bigint, fence timestamptz)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_ids bigint[];
  v_second bigint[];
  v_last bigint[];
begin
  select coalesce(array_agg(x.id), '{}') into v_ids from (
    select d.id from moving_object m cross join lateral (
      select o.id from object o where o.id = m.id and o.state = 'deleting' and (o.fence is null or o.fence + p_margin < clock_timestamp())
      for no key update skip locked) d
    where m.cache_id = p_cache and m.state = 'deleting' limit p_limit) x;
  select coalesce(array_agg(x.id), '{}') into v_second from (
    select d.id from tombstone t cross join lateral (
      select o.id from object o where o.id = t.id and o.state = 'tombstone' and (o.fence is null or o.fence + p_margin < clock_timestamp())
      for no key update skip locked) d
    where t.cache_id = p_cache and t.urls_until < (select clock_timestamp() - p_late) limit p_limit - cardinality(v_ids)) x;
  select array_agg(o.id) into v_last from object o
    where o.id = any(v_ids) and o.kind = 'nar' and coalesce(o.url_expires, o.claimed_at, '-infinity') + p_late < clock_timestamp();
  if v_last is not null then
    perform @fn@.list_objects(p_cache, v_last, 'deleting', 'tombstone');
  end if;
  return query
    update object o set generation = o.generation + 1, fence = clock_timestamp() + p_fence,
      state = case when o.id = any(v_last) then 'tombstone'::node_state else o.state end
    where o.id = any(v_ids || v_second)
    returning o.id, o.key, o.multipart_id, o.generation, o.fence;
end $$;

create function @fn@.delete_record(p_cache int, p_ids bigint[], p_generations bigint[])
returns void
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_from node_state;
  v_to node_state;
  v_ids bigint[];
begin
  perform 1 from object o where o.id = any(p_ids) order by o.id for no key update;
  for v_from, v_to, v_ids in
    select o.state, case when o.kind = 'nar' and o.state = 'deleting' then 'tombstone'::node_state end, array_agg(o.id)
    from unnest(p_ids, p_generations) r(id, generation) join object o on o.id = r.id
    where o.generation = r.generation and o.fence is not null and o.state in ('deleting', 'tombstone') group by 1, 2
  loop
    perform @fn@.list_objects(p_cache, v_ids, v_from, v_to);
    update object o set fence = null, recorded = false, multipart_id = null, state = coalesce(v_to, 'gone') where o.id = any(v_ids);
    delete from proof p where p.object_id = any(v_ids);
    delete from verification v where v.cache_id = p_cache and v.object_id = any(v_ids);
  end loop;
  -- An upload that was never adopted (never stamped) is mentioned by no path, and no narinfo ever named its key. The key of a NAR that was taken back is never used again.
  delete from object o where o.id = any(p_ids) and o.kind = 'nar' and o.state = 'gone' and (o.touched = 0 or o.trust_group = -2);
  delete from nar_alias a where a.object_id = any(p_ids) and not exists (select from object o where o.id = a.object_id);
end $$;
