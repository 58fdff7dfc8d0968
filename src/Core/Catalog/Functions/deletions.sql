-- Rule 10 for objects: takes what is to be deleted and has no open intent, under a fence.
-- A NAR is deleted twice: the second time a day after its last URL has expired, as a PUT through it may end late.
create function @fn@.delete_take(p_cache int, p_fence interval, p_margin interval, p_late interval, p_limit int)
returns table (id bigint, key text, multipart_id text, generation bigint, fence timestamptz)
language sql volatile set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
  update object o set generation = o.generation + 1, fence = clock_timestamp() + p_fence
  where o.id in (
    select d.id from object d
    where d.cache_id = p_cache and d.state in ('deleting', 'tombstone') and (d.fence is null or d.fence + p_margin < clock_timestamp())
      and (d.state = 'deleting' or coalesce(d.url_expires, d.claimed_at, '-infinity') + p_late < clock_timestamp())
    order by d.id limit p_limit for no key update skip locked)
  returning o.id, o.key, o.multipart_id, o.generation, o.fence
$$;

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
