-- Group commit: what several pushes want in one transaction, each item by the function that does it alone. First all that they will lock, in one order.
-- No item raises for its guard. A row that somebody holds for long gives the group up (55P03): its items are then sent in smaller groups, at last alone.

create function @fn@.open_pushes(
  p_cache int, p_operations text[], p_digests bytea[], p_ttl interval, p_path_counts int[], p_hashes bytea[], p_names text[],
  p_root_counts int[], p_roots int[], p_key_counts int[], p_keys text[], p_pins text[])
returns table (item int, push_id bigint, push_state text, expires timestamptz, ord int, path_id bigint, state text, promised boolean, nar_hash bytea, signatures text[], missing_key text)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off set lock_timeout = '1s' as $$
#variable_conflict use_column
declare
  v_path int := 0;
  v_root int := 0;
  v_key int := 0;
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  insert into store_path (cache_id, hash, name)
    select p_cache, u.hash, min(u.name) from unnest(p_hashes, p_names) u(hash, name)
    where not exists (select from store_path s where s.cache_id = p_cache and s.hash = u.hash)
    group by u.hash order by u.hash on conflict do nothing;
  perform @fn@.touch(p_cache, array(select s.id from store_path s where s.cache_id = p_cache and s.hash = any(p_hashes)));
  for i in 1 .. cardinality(p_operations) loop
    return query select i, o.* from @fn@.open_push(p_cache, p_operations[i], p_digests[i], p_ttl,
      p_hashes[v_path + 1 : v_path + p_path_counts[i]], p_names[v_path + 1 : v_path + p_path_counts[i]],
      p_roots[v_root + 1 : v_root + p_root_counts[i]], p_keys[v_key + 1 : v_key + p_key_counts[i]], p_pins[i]::jsonb) o;
    v_path := v_path + p_path_counts[i];
    v_root := v_root + p_root_counts[i];
    v_key := v_key + p_key_counts[i];
  end loop;
end $$;

-- What the items declare, one after the other.
create function @fn@.claim_pushes(
  p_cache int, p_pushes bigint[], p_counts int[], p_ids bigint[],
  p_nar_hashes bytea[], p_nar_sizes bigint[], p_ref_counts int[], p_item_refs int[], p_refs bigint[], p_derivers text[], p_cas text[], p_signatures text[],
  p_keys text[], p_url_life interval, p_default_rate bigint)
returns table (item int, path_id bigint, status text, object_id bigint, key text, nar_hash bytea, nar_size bigint, multipart_id text, uploader bigint)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off set lock_timeout = '1s' as $$
#variable_conflict use_column
declare
  v_at int := 0;
  v_ref int := 0;
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  perform 1 from push u where u.id = any(p_pushes) and u.cache_id = p_cache order by u.id for no key update;
  perform 1 from object o
    where o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = any(p_nar_hashes) and o.state in ('stored', 'condemned', 'live', 'claimed', 'gone')
    order by o.id for no key update;
  for i in 1 .. cardinality(p_pushes) loop
    return query select i, c.* from @fn@.claim_paths(p_cache, p_pushes[i], p_ids[v_at + 1 : v_at + p_counts[i]],
      p_nar_hashes[v_at + 1 : v_at + p_counts[i]], p_nar_sizes[v_at + 1 : v_at + p_counts[i]], p_ref_counts[v_at + 1 : v_at + p_counts[i]],
      p_refs[v_ref + 1 : v_ref + p_item_refs[i]], p_derivers[v_at + 1 : v_at + p_counts[i]], p_cas[v_at + 1 : v_at + p_counts[i]],
      p_signatures[v_at + 1 : v_at + p_counts[i]], p_keys[v_at + 1 : v_at + p_counts[i]], p_url_life, p_default_rate) c;
    v_at := v_at + p_counts[i];
    v_ref := v_ref + p_item_refs[i];
  end loop;
end $$;

-- A large push is answered 'large' and committed alone: it would keep the others waiting.
create function @fn@.commit_pushes(p_cache int, p_pushes bigint[], p_large int, p_lease interval)
returns table (item int, outcome text, paths bigint[], published int, pin text)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off set lock_timeout = '1s' as $$
#variable_conflict use_column
declare
  v_small bigint[];
  v_declared bigint[];
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  v_small := array(
    select u.id from push u
    where u.id = any(p_pushes) and cardinality(u.paths) + (select count(*) from (select from push_path d where d.push_id = u.id limit p_large) x) < p_large);
  perform 1 from push u where u.id = any(v_small) and u.cache_id = p_cache order by u.id for no key update;
  v_declared := array(select distinct d.path_id from push_path d join push u on u.id = d.push_id where u.id = any(v_small) and u.cache_id = p_cache and u.state = 'open');
  perform @fn@.touch(p_cache,
    v_declared || array(select unnest(u.paths) from push u where u.id = any(v_small) and u.cache_id = p_cache and u.state = 'open'),
    v_declared,
    array(
      select unnest(u.objects) from push u where u.id = any(v_small) and u.state = 'open'
      union select d.object_id from push_object d where d.push_id = any(v_small)
      union select o.id from object o where o.cache_id = p_cache and o.kind = 'nar' and o.state in ('stored', 'live', 'condemned')
        and o.nar_hash = any(array(select d.nar_hash from push_path d where d.push_id = any(v_small)))));
  for i in 1 .. cardinality(p_pushes) loop
    if p_pushes[i] = any(v_small) then
      return query select i, c.outcome, c.paths, c.published, c.pin from @fn@.commit_push(p_cache, p_pushes[i], p_lease) c;
    else
      return query select i, case when exists (select from push u where u.id = p_pushes[i]) then 'large' else 'unknown' end, null::bigint[], null::int, null::text;
    end if;
  end loop;
end $$;

create function @fn@.report_pushes(
  p_cache int, p_pushes bigint[],
  p_upload_counts int[], p_uploads bigint[], p_upload_keys text[], p_nar_hashes bytea[], p_file_hashes bytea[], p_file_sizes bigint[],
  p_listing_counts int[], p_listing_hashes bytea[], p_listings bytea[],
  p_key_counts int[], p_keys text[], p_kinds text[], p_contents bytea[], p_paths bytea[])
returns table (item int, object_id bigint, outcome text)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off set lock_timeout = '1s' as $$
#variable_conflict use_column
declare
  u int := 0;
  l int := 0;
  k int := 0;
  nu int;
  nl int;
  nk int;
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  perform 1 from push p where p.id = any(p_pushes) and p.cache_id = p_cache order by p.id for no key update;
  perform 1 from object o where o.id = any(p_uploads) order by o.id for no key update;
  for i in 1 .. cardinality(p_pushes) loop
    nu := u + p_upload_counts[i];
    nl := l + p_listing_counts[i];
    nk := k + p_key_counts[i];
    return query select i, r.* from @fn@.report_uploads(p_cache, p_pushes[i],
      p_uploads[u + 1 : nu], p_upload_keys[u + 1 : nu], p_nar_hashes[u + 1 : nu], p_file_hashes[u + 1 : nu], p_file_sizes[u + 1 : nu],
      p_listing_hashes[l + 1 : nl], p_listings[l + 1 : nl],
      p_keys[k + 1 : nk], p_kinds[k + 1 : nk], p_contents[k + 1 : nk], p_paths[k + 1 : nk]) r;
    u := nu;
    l := nl;
    k := nk;
  end loop;
end $$;

create function @fn@.wait_pushes(p_cache int, p_pushes bigint[], p_counts int[], p_hashes bytea[], p_keys text[], p_url_life interval, p_default_rate bigint)
returns table (item int, path_id bigint, status text, object_id bigint, key text, nar_hash bytea, nar_size bigint, multipart_id text, uploader bigint)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off set lock_timeout = '1s' as $$
#variable_conflict use_column
declare
  v_at int := 0;
  v_ids bigint[];
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  perform 1 from push u where u.id = any(p_pushes) and u.cache_id = p_cache order by u.id for no key update;
  v_ids := array(select s.id from store_path s where s.cache_id = p_cache and s.hash = any(p_hashes));
  perform @fn@.touch(p_cache, v_ids, '{}', array(
    select o.id from object o
    where o.cache_id = p_cache and o.kind = 'nar' and o.state in ('stored', 'condemned', 'live', 'claimed', 'gone')
      and o.nar_hash = any(array(select d.nar_hash from push_path d where d.push_id = any(p_pushes) and d.path_id = any(v_ids)))));
  for i in 1 .. cardinality(p_pushes) loop
    return query select i, w.path_id, w.status, w.object_id, w.key, w.nar_hash, w.nar_size, w.multipart_id, w.uploader
      from @fn@.wait_paths(p_cache, p_pushes[i], p_hashes[v_at + 1 : v_at + p_counts[i]], p_keys[v_at + 1 : v_at + p_counts[i]], p_url_life, p_default_rate) w;
    v_at := v_at + p_counts[i];
  end loop;
end $$;
