-- Rule 10 for paths. All that is being deleted, whichever run left it; held: an open intent, of which nobody knows what it will do.
create function @fn@.delete_list(p_cache int, p_margin interval)
returns table (id bigint, hash bytea, has_listing boolean, refs bigint[], condemned_at timestamptz, held boolean)
language sql volatile as $$
  select s.id, s.hash, s.has_listing, s.refs, s.condemned_at, coalesce(s.fence + p_margin >= clock_timestamp(), false)
  from store_path s where s.cache_id = p_cache and s.state = 'deleting'
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
create function @fn@.delete_record_paths(p_ids bigint[], p_generations bigint[], p_done boolean[])
returns setof bigint
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
begin
  perform 1 from store_path s where s.id = any(p_ids) order by s.id for no key update;
  update store_path s set fence = null
    from unnest(p_ids, p_generations, p_done) r(id, generation, done)
    where s.id = r.id and s.generation = r.generation and not r.done and s.fence is not null and s.state = 'deleting';
  return query
    update store_path s set state = 'gone', fence = null, recorded = false, condemned_at = null,
      refs = '{}', objects = '{}', signatures = '{}', listing = null, has_listing = false
    from unnest(p_ids, p_generations, p_done) r(id, generation, done)
    where s.id = r.id and s.generation = r.generation and r.done and s.fence is not null and s.state = 'deleting'
    returning s.id;
end $$;

-- Rule 10 for objects: takes what is to be deleted and has no open intent, under a fence.
-- A NAR is deleted twice: the second time a day after its last URL has expired, as a PUT through it may end late. Where that day has passed, the first is the second.
-- Two looks, each into an index of its own: a sweep leaves tombstones for a day, and ids in order would be all of the table. Who skips what is locked waits for nobody, in any order.
create function @fn@.delete_take(p_cache int, p_fence interval, p_margin interval, p_late interval, p_limit int)
returns table (id bigint, key text, multipart_id text, generation bigint, fence timestamptz)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_ids bigint[];
  v_second bigint[];
begin
  select coalesce(array_agg(x.id), '{}') into v_ids from (
    select d.id from object d
    where d.cache_id = p_cache and d.state = 'deleting' and (d.fence is null or d.fence + p_margin < clock_timestamp())
    limit p_limit for no key update skip locked) x;
  select coalesce(array_agg(x.id), '{}') into v_second from (
    select d.id from object d
    where d.cache_id = p_cache and d.state = 'tombstone' and coalesce(d.url_expires, d.claimed_at, '-infinity') < (select clock_timestamp() - p_late)
      and (d.fence is null or d.fence + p_margin < clock_timestamp())
    limit p_limit - cardinality(v_ids) for no key update skip locked) x;
  return query
    update object o set generation = o.generation + 1, fence = clock_timestamp() + p_fence,
      state = case when o.kind = 'nar' and coalesce(o.url_expires, o.claimed_at, '-infinity') + p_late < clock_timestamp() then 'tombstone'::node_state else o.state end
    where o.id = any(v_ids || v_second)
    returning o.id, o.key, o.multipart_id, o.generation, o.fence;
end $$;

create function @fn@.delete_record(p_ids bigint[], p_generations bigint[])
returns void
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
begin
  perform 1 from object o where o.id = any(p_ids) order by o.id for no key update;
  update object o set fence = null, recorded = false, multipart_id = null,
      state = case when o.kind = 'nar' and o.state = 'deleting' then 'tombstone'::node_state else 'gone'::node_state end
    from unnest(p_ids, p_generations) r(id, generation)
    where o.id = r.id and o.generation = r.generation and o.fence is not null and o.state in ('deleting', 'tombstone');
  -- An upload that was never adopted (never stamped) is mentioned by no path, and no narinfo ever named its key.
  delete from object o where o.id = any(p_ids) and o.kind = 'nar' and o.state = 'gone' and o.touched = 0;
end $$;
