-- Rule 3: records what has been checked in the store, and keeps listings, logs and realisations until the commit.
-- One row per upload: 'stored' (now or before), or 'ended'. A push that is no longer open answers one row 'push-ended'.
create function @fn@.report_uploads(
  p_cache int, p_push bigint,
  p_uploads bigint[], p_upload_keys text[], p_nar_hashes bytea[], p_file_hashes bytea[], p_file_sizes bigint[],
  p_listing_hashes bytea[], p_listings bytea[],
  p_keys text[], p_kinds text[], p_contents bytea[], p_paths bytea[])
returns table (object_id bigint, outcome text)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_g bigint;
  v_logs bigint[];
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  select e.g into strict v_g from gc_epoch e where e.cache_id = p_cache;
  perform 1 from push u where u.id = p_push and u.cache_id = p_cache and u.state = 'open' for no key update;
  if not found then
    return query select null::bigint, 'push-ended';
    return;
  end if;

  if p_keys <> '{}' then
    insert into object (cache_id, key, kind, state)
      select p_cache, k.key, k.kind::object_kind, 'gone' from unnest(p_keys, p_kinds) k(key, kind)
      order by k.key on conflict do nothing;
  end if;
  -- All objects in one statement, and so in one order.
  perform 1 from object o
    where o.id = any(p_uploads || array(select k.id from object k where k.cache_id = p_cache and k.key = any(p_keys)))
    order by o.id for no key update;
  update object o set state = 'stored', exclusive = false, file_hash = r.file_hash, file_size = r.file_size, recorded = true,
      holders = case when p_push = any(o.holders) then o.holders else array_append(o.holders, p_push) end
    from unnest(p_uploads, p_upload_keys, p_nar_hashes, p_file_hashes, p_file_sizes) r(id, key, nar_hash, file_hash, file_size)
    where o.id = r.id and o.key = r.key and o.nar_hash = r.nar_hash and o.cache_id = p_cache and o.state = 'claimed' and o.claimed_by = p_push;

  update push_path d set listing = l.listing
    from unnest(p_listing_hashes, p_listings) l(hash, listing) join store_path s on s.cache_id = p_cache and s.hash = l.hash
    where d.push_id = p_push and d.path_id = s.id;

  if p_keys <> '{}' then
    -- The first content wins; a key whose deletion is under way takes none, and the push goes on without it.
    update object o set state = 'stored', content = k.content, file_size = octet_length(k.content), holders = array[p_push], recorded = false
      from unnest(p_keys, p_contents) k(key, content)
      where o.cache_id = p_cache and o.key = k.key and o.state = 'gone' and o.fence is null;
    update object o set holders = array_append(o.holders, p_push)
      where o.cache_id = p_cache and o.key = any(p_keys) and o.state = 'stored' and not p_push = any(o.holders);
    -- What is there already is promised, as NARs are at begin.
    perform @fn@.stamp_objects(p_cache, v_g, array(select o.id from object o where o.cache_id = p_cache and o.key = any(p_keys)));
    insert into push_object (push_id, object_id, path_id)
      select p_push, o.id, s.id
      from unnest(p_keys, p_paths) k(key, hash)
      join object o on o.cache_id = p_cache and o.key = k.key and o.state in ('stored', 'publishing', 'live')
      join store_path s on s.cache_id = p_cache and s.hash = k.hash
      on conflict do nothing;
    select array_agg(o.id) into v_logs from object o where o.cache_id = p_cache and o.key = any(p_keys) and o.state in ('stored', 'publishing', 'live');
    update push u set objects = array(select unnest(u.objects) union select unnest(v_logs)) where u.id = p_push;
  end if;

  return query select r.id, case when o.state in ('stored', 'live', 'condemned') then 'stored' else 'ended' end
    from unnest(p_uploads, p_upload_keys) r(id, key) left join object o on o.id = r.id and o.key = r.key and o.cache_id = p_cache;
end $$;
