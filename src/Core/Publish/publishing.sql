-- Of these live paths those that a commit has just superseded, or that refer to one that it renamed, and whose narinfo in the bucket is still the former one.
create function @fn@.unwritten_paths(p_cache int, p_ids bigint[]) returns bigint[]
language plpgsql stable set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
begin
  return array(
    select s.id from store_path s
    where s.cache_id = p_cache and s.unwritten and s.state = 'live' and s.id = any(p_ids)
      and (exists (select from push u join push_path d on d.push_id = u.id and d.path_id = s.id where u.cache_id = p_cache and u.state = 'committing' and d.superseded)
        or exists (select from renamed_path r where r.cache_id = p_cache and r.path_id = any(s.refs)))) || @fn@.misprinted_paths(p_cache, p_ids);
end $$;

-- Rule 5. What a push has still to write (or, p_push null, live paths whose narinfo has changed), in one answer:
-- kind 'path' (key, hash and size of its NAR, which is always the first of its objects; content: its listing, empty: the bucket's is of a former content, and is to go),
-- 'object' (a log or realisation) and 'name' (a path that is referred to; 'renamed': its name is another than what was signed, perhaps). unsigned: it has no signature by the cache's keys, and is
-- to get one. boundary_…: what it refers to and an upstream has. The generation says of which row's life this was read: see publish_intend.
create function @fn@.publish_list(p_cache int, p_push bigint, p_limit int)
returns table (kind text, id bigint, hash bytea, name text, nar_hash bytea, nar_size bigint, refs bigint[], deriver text, ca text,
  content bytea, key text, file_hash bytea, file_size bigint, generation bigint, unsigned boolean, boundary_hashes bytea[], boundary_names text[])
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_paths bigint[];
  v_generations bigint[];
  v_names bigint[];
  v_changed bigint[];
  v_renamed bigint[];
  v_supersedes boolean;
begin
  -- The generations of the moment at which it was seen which paths are still to be written: what is not among them is visible.
  if p_push is null then
    select array_agg(x.id), array_agg(x.generation) into v_paths, v_generations from (
      select s.id, s.generation from store_path s
      where s.cache_id = p_cache and s.unwritten and s.state = 'live' and (s.fence is null or s.fence < clock_timestamp())
      order by s.id limit p_limit) x;
  else
    v_names := array(select d.path_id from push_path d where d.push_id = p_push);
    v_changed := @fn@.unwritten_paths(p_cache, v_names || (select u.paths from push u where u.id = p_push));
    select array_agg(s.id), array_agg(s.generation) into v_paths, v_generations from store_path s
      where s.id = any(v_names || v_changed) and (s.state = 'publishing' and not s.recorded or s.state = 'live' and s.unwritten and s.id = any(v_changed));
  end if;
  v_renamed := array(select r.path_id from renamed_path r where r.cache_id = p_cache
    and coalesce(r.at, 'infinity') > coalesce((select u.created from push u where u.id = p_push), '-infinity'));
  v_supersedes := exists (select from push_path d where d.push_id = p_push and d.supersedes);
  select array_agg(distinct r) into v_names from store_path s cross join unnest(s.refs) r where s.id = any(v_paths);

  return query
    select 'path', s.id, s.hash, s.name, s.nar_hash, s.nar_size, s.refs, s.deriver, s.ca,
      s.listing, o.key, o.file_hash, o.file_size, v.generation, exists (select from unsigned_path u where u.cache_id = p_cache and u.path_id = s.id), b.hashes, b.names
    from unnest(v_paths, v_generations) v(id, generation) join store_path s on s.id = v.id join object o on o.id = s.objects[1]
    -- In the statement that reads the references: a boundary can become one.
    cross join lateral (select array_agg(x.hash) as hashes, array_agg(x.name) as names from @fn@.boundaries_of(p_cache, array[s.id]) x) b;
  return query
    -- What this push supersedes is called as it declares it.
    select case when s.id = any(v_renamed) then 'renamed' else 'name' end, s.id, s.hash,
      case when v_supersedes then coalesce((select nullif(d.name, '') from push_path d where d.push_id = p_push and d.path_id = s.id and d.supersedes), s.name) else s.name end, null::bytea, null::bigint, null::bigint[], null::text, null::text, null::bytea, null::text, null::bytea, null::bigint, null::bigint, null::boolean, null::bytea[], null::text[]
    from store_path s where s.id = any(v_names);
  return query
    select 'object', o.id, null::bytea, null::text, null::bytea, null::bigint, null::bigint[], null::text, null::text, o.content, o.key, null::bytea, null::bigint, o.generation, null::boolean, null::bytea[], null::text[]
    from push u join object o on o.id = any(u.objects)
    where u.id = p_push and o.kind <> 'nar' and o.state in ('publishing', 'live') and o.content is not null and not o.recorded;
end $$;

-- The housekeeper's question.
create function @fn@.publish_changed(p_cache int, p_limit int)
returns table (kind text, id bigint, hash bytea, name text, nar_hash bytea, nar_size bigint, refs bigint[], deriver text, ca text,
  content bytea, key text, file_hash bytea, file_size bigint, generation bigint, unsigned boolean, boundary_hashes bytea[], boundary_names text[])
language sql volatile as $$ select * from @fn@.publish_list(p_cache, null, p_limit) $$;

-- Opens an intent on each row that has none (or one whose fence has passed): its number, and until when the write may take effect.
-- Only where the generation is still the one that was read: a row that was published, collected and published anew in between has other contents.
create function @fn@.publish_intend(
  p_paths bigint[], p_path_generations bigint[], p_objects bigint[], p_object_generations bigint[], p_fence interval, p_margin interval)
returns table (is_path boolean, id bigint, generation bigint, fence timestamptz, signatures text[])
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_fence timestamptz;
begin
  perform 1 from store_path s where s.id = any(p_paths) order by s.id for no key update;
  perform 1 from object o where o.id = any(p_objects) order by o.id for no key update;
  v_fence := clock_timestamp() + p_fence;
  return query
    update store_path s set generation = s.generation + 1, fence = v_fence
    from unnest(p_paths, p_path_generations) r(id, generation)
    where s.id = r.id and s.generation = r.generation and s.state in ('publishing', 'live') and not s.recorded and (s.fence is null or s.fence + p_margin < clock_timestamp())
    returning true, s.id, s.generation, s.fence, s.signatures;
  return query
    update object o set generation = o.generation + 1, fence = v_fence
    from unnest(p_objects, p_object_generations) r(id, generation)
    where o.id = r.id and o.generation = r.generation and o.state in ('publishing', 'live') and not o.recorded and (o.fence is null or o.fence + p_margin < clock_timestamp())
    returning false, o.id, o.generation, o.fence, null::text[];
end $$;

-- Records answered writes whose generation still matches, and clears the intents of those that were refused (p_..._done false).
create function @fn@.publish_record(
  p_paths bigint[], p_path_generations bigint[], p_paths_done boolean[],
  p_objects bigint[], p_object_generations bigint[], p_objects_done boolean[])
returns void
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
begin
  perform 1 from store_path s where s.id = any(p_paths) order by s.id for no key update;
  perform 1 from object o where o.id = any(p_objects) order by o.id for no key update;
  update store_path s set fence = null, recorded = s.recorded or r.done, unwritten = s.unwritten and not r.done, listing = case when r.done and s.state = 'live' then null else s.listing end,
      has_listing = s.has_listing and not (r.done and s.listing is not distinct from ''::bytea)
    from unnest(p_paths, p_path_generations, p_paths_done) r(id, generation, done)
    where s.id = r.id and s.generation = r.generation and s.fence is not null;
  update object o set fence = null, recorded = o.recorded or r.done, content = case when r.done and o.state = 'live' then null else o.content end
    from unnest(p_objects, p_object_generations, p_objects_done) r(id, generation, done)
    where o.id = r.id and o.generation = r.generation and o.fence is not null;
end $$;

-- New signatures of live paths: the row first, the bucket follows. A row with an open intent is written again under a new one.
create function @fn@.add_signatures(p_cache int, p_ids bigint[], p_signatures text[])
returns void
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
begin
  perform 1 from store_path s where s.id = any(p_ids) order by s.id for no key update;
  update store_path s set recorded = false, unwritten = true, generation = s.generation + 1,
      signatures = s.signatures || array(select x from unnest(string_to_array(n.signatures, ' ')) x where not x = any(s.signatures))
    from unnest(p_ids, p_signatures) n(id, signatures)
    where s.id = n.id and s.cache_id = p_cache and s.state = 'live' and not string_to_array(n.signatures, ' ') <@ s.signatures;
end $$;

-- Takes over commits whose publisher has fallen silent; keeps the own ones (p_push) alive.
create function @fn@.lease_commits(p_cache int, p_push bigint, p_lease interval, p_limit int)
returns setof uuid
language sql volatile as $$
  update push u set lease = clock_timestamp() + p_lease
  where u.id in (
    select c.id from push c
    where c.cache_id = p_cache and c.state = 'committing' and (c.id = p_push or p_push is null and c.lease < clock_timestamp())
    order by c.id limit p_limit for no key update skip locked)
  returning @fn@.public_of(u.public_id, u.id)
$$;
