-- Rule 3: records what has been checked in the store, and keeps listings, logs and realisations until the commit.
-- A log or realisation of a lower rank gives way: one that waits for its commit at once, one that is published with this push's commit.
-- p_verified: a server has read the bytes of these uploads, and they are the NAR; p_occurring and p_partial: what it saw in them (see proof).
-- What belongs to a path is taken from whoever publishes that path: see push_carries.
-- One row per upload: 'stored' (now or before), or 'ended'. A push that is no longer open answers one row 'push-ended'.
create function @fn@.report_uploads(
  p_cache int, p_push bigint,
  p_uploads bigint[], p_upload_keys text[], p_nar_hashes bytea[], p_file_hashes bytea[], p_file_sizes bigint[],
  p_listing_hashes bytea[], p_listings bytea[],
  p_keys text[], p_kinds text[], p_contents bytea[], p_paths bytea[], p_verified boolean, p_occurring_counts int[] default null, p_occurring bytea[] default null, p_partial boolean[] default null)
returns table (object_id bigint, outcome text)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_g bigint;
  v_push push%rowtype;
  v_legacy int;
  v_logs bigint[];
  v_taken boolean[];
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  select e.g into strict v_g from gc_epoch e where e.cache_id = p_cache;
  select * into v_push from push u where u.id = p_push and u.cache_id = p_cache and u.state = 'open' for no key update;
  if not found then
    return query select null::bigint, 'push-ended';
    return;
  end if;

  if p_keys <> '{}' then
    v_taken := @fn@.push_carries(v_push, p_keys, p_kinds, p_paths);
    select coalesce(array_agg(k.key), '{}'), coalesce(array_agg(k.kind), '{}'), coalesce(array_agg(k.content), '{}'), coalesce(array_agg(k.path), '{}')
      into p_keys, p_kinds, p_contents, p_paths
      from unnest(p_keys, p_kinds, p_contents, p_paths, v_taken) k(key, kind, content, path, taken) where k.taken;
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
  update object o set state = 'stored', exclusive = false, leads = false, verified = p_verified, file_hash = r.file_hash, file_size = r.file_size, recorded = true,
      holders = case when p_push = any(o.holders) then o.holders else array_append(o.holders, p_push) end
    from unnest(p_uploads, p_upload_keys, p_nar_hashes, p_file_hashes, p_file_sizes) r(id, key, nar_hash, file_hash, file_size)
    where o.id = r.id and o.key = r.key and o.nar_hash = r.nar_hash and o.cache_id = p_cache and o.state = 'claimed' and o.claimed_by = p_push;
  if p_verified and p_occurring_counts is not null then
    insert into proof (object_id, occurring, partial)
      select r.id, coalesce(p_occurring[r.upto - r.n + 1 : r.upto], '{}'), r.partial
      from (select *, sum(n) over (order by ord) as upto from unnest(p_uploads, p_occurring_counts, p_partial) with ordinality x(id, n, partial, ord)) r
      join object o on o.id = r.id and o.state = 'stored' and o.claimed_by = p_push order by r.id on conflict do nothing;
  end if;
  -- Read beside the uploads that are still to come.
  if not p_verified and p_uploads <> '{}' and @fn@.verify_policy(p_cache) = 'always' then
    perform @fn@.ask_verification(p_cache, p_push, array_agg(o.id), array_agg(d.path_id), true)
      from object o join push_path d on d.push_id = p_push and d.nar_hash = o.nar_hash where o.id = any(p_uploads) and o.state = 'stored' and not o.verified;
  end if;

  update push_path d set listing = l.listing
    from unnest(p_listing_hashes, p_listings) l(hash, listing) join store_path s on s.cache_id = p_cache and s.hash = l.hash
    where d.push_id = p_push and d.path_id = s.id;

  if p_keys <> '{}' then
    v_legacy := @fn@.legacy_group(p_cache, coalesce(v_push.trust_group, 0));
    -- The first content of a rank wins; a key whose deletion is under way takes none, and the push goes on without it.
    update object o set state = 'stored', publisher = v_push.publisher, trust_group = v_push.trust_group, rank = v_push.rank, content = k.content, file_size = octet_length(k.content),
        holders = case when o.state = 'stored' then o.holders else array[p_push] end, recorded = false
      from unnest(p_keys, p_contents) k(key, content)
      where o.cache_id = p_cache and o.key = k.key
        and (o.state = 'gone' and o.fence is null or o.state = 'stored' and @fn@.yields(o.rank, o.publisher, v_legacy, v_push.rank));
    update object o set holders = array_append(o.holders, p_push)
      where o.cache_id = p_cache and o.key = any(p_keys) and o.state = 'stored' and not p_push = any(o.holders);
    -- What is there already is promised, as NARs are at begin.
    perform @fn@.stamp_objects(p_cache, v_g, array(select o.id from object o where o.cache_id = p_cache and o.key = any(p_keys)));
    insert into push_object (push_id, object_id, path_id, content)
      select p_push, o.id, s.id, case when o.state <> 'stored' and @fn@.yields(o.rank, o.publisher, v_legacy, v_push.rank) and k.ord = min(k.ord) over (partition by o.id) then k.content end
      from unnest(p_keys, p_paths, p_contents) with ordinality k(key, hash, content, ord)
      join object o on o.cache_id = p_cache and o.key = k.key and o.state in ('stored', 'publishing', 'live')
      join store_path s on s.cache_id = p_cache and s.hash = k.hash
      on conflict do nothing;
    select array_agg(o.id) into v_logs from object o where o.cache_id = p_cache and o.key = any(p_keys) and o.state in ('stored', 'publishing', 'live');
    update push u set objects = array(select unnest(u.objects) union select unnest(v_logs)) where u.id = p_push;
  end if;

  return query select r.id, case when o.state in ('stored', 'live', 'condemned') then 'stored' else 'ended' end
    from unnest(p_uploads, p_upload_keys) r(id, key) left join object o on o.id = r.id and o.key = r.key and o.cache_id = p_cache;
end $$;

-- Which logs and realisations does a push of this publisher bring rightly? Those of a path that it publishes, or that its own trust group or a lower rank published: a log of a path
-- made by that derivation, a realisation of any.
create function @fn@.push_carries(p_push push, p_keys text[], p_kinds text[], p_paths bytea[]) returns boolean[]
language sql stable as $$
  select coalesce(array_agg(exists (
      select from store_path s left join push_path d on d.push_id = p_push.id and d.path_id = s.id
      where s.cache_id = p_push.cache_id and s.hash = k.path
        and (d.path_id is not null and s.state <> 'live'
          or (d.path_id is not null or s.id = any(p_push.paths)) and (coalesce(s.trust_group, p_push.trust_group) is not distinct from p_push.trust_group or s.rank < p_push.rank))
        and (k.kind <> 'log' or 'log/' || coalesce(d.deriver, s.deriver) = k.key or d.path_id is not null and not d.declared)) order by k.ord), '{}')
  from unnest(p_keys, p_kinds, p_paths) with ordinality k(key, kind, path, ord)
$$;
