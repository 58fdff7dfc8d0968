-- Pushes that describe their paths after they were opened: what comes between claim_paths (p_deferred) and the commit.

-- Names the logs and realisations that the client has, and the path each belongs to: for a log the path of this push whose deriver is known to be that derivation, else
-- the given one until declare_paths knows better. What the cache has is promised; answers the keys that it lacks, or has on the word of a lower rank. No row has the key null: the push has ended.
create function @fn@.expect_objects(p_cache int, p_push bigint, p_keys text[], p_kinds text[], p_paths bigint[])
returns table (key text)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_g bigint;
  v_push push%rowtype;
  v_ids bigint[];
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  select e.g into strict v_g from gc_epoch e where e.cache_id = p_cache;
  select * into v_push from push u where u.id = p_push and u.cache_id = p_cache and u.state = 'open' for no key update;
  if not found then
    return query select null::text;
    return;
  end if;
  insert into object (cache_id, key, kind, state)
    select distinct on (k.key) p_cache, k.key, k.kind::object_kind, 'gone' from unnest(p_keys, p_kinds) k(key, kind)
    where not exists (select from object o where o.cache_id = p_cache and o.key = k.key)
    order by k.key on conflict do nothing;
  select coalesce(array_agg(l.id), '{}') into v_ids from (
    select o.id from object o where o.cache_id = p_cache and o.key = any(p_keys) order by o.id for no key update) l;
  perform @fn@.stamp_objects(p_cache, v_g, v_ids);
  insert into push_object (push_id, object_id, path_id)
    select distinct p_push, o.id, coalesce(s.id, k.path)
    from unnest(p_keys, p_kinds, p_paths) k(key, kind, path) join object o on o.cache_id = p_cache and o.key = k.key
    left join store_path s on k.kind = 'log' and s.id = any(v_push.paths) and 'log/' || s.deriver = k.key
    on conflict do nothing;
  update push u set objects = array(select unnest(u.objects) union select o.id from object o where o.id = any(v_ids) and o.state = 'live') where u.id = p_push;
  return query select o.key from object o where o.id = any(v_ids)
    and (o.state <> 'live' or @fn@.yields(o.rank, o.publisher, @fn@.legacy_group(p_cache, coalesce(v_push.trust_group, 0)), v_push.rank));
end $$;

-- Says of paths what begin does not know. The NAR and the references must be those that the push was opened with.
-- p_refs and p_ref_names: the reference of the path with the number in p_ref_ords. What is signed is what is published: one that is live under another name is refused, too.
-- outcome: 'declared' | 'present' (the push was promised the path: the row's signatures) | 'unnamed' (no path of this push) | 'differs' (from what it was opened with)
-- arrived: its NAR has come, and may be signed: where all is read first, nothing may before the commit.
-- | 'other-name' (that the cache has the path, or one that it refers to, under, on the word of an equal or higher rank). One row 'push-ended' when it is not open any more. All or nothing.
create function @fn@.declare_paths(
  p_cache int, p_push bigint, p_hashes bytea[], p_names text[], p_nar_hashes bytea[], p_nar_sizes bigint[], p_ref_ords int[], p_refs bytea[],
  p_derivers text[], p_cas text[], p_signatures text[], p_digests bytea[], p_ref_names text[])
returns table (ord int, outcome text, signatures text[], arrived boolean)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_push push%rowtype;
  v_ids bigint[];
  v_outcomes text[];
begin
  select * into v_push from push u where u.id = p_push and u.cache_id = p_cache and u.state = 'open' for no key update;
  if not found then
    return query select null::int, 'push-ended', null::text[], null::boolean;
    return;
  end if;
  with named as materialized (
      select u.*, s.id, case when s.state <> 'gone' and s.rank >= v_push.rank then s.name else '' end as known from unnest(p_hashes, p_names, p_nar_hashes, p_nar_sizes) with ordinality u(hash, name, nar_hash, nar_size, ord)
      left join store_path s on s.cache_id = p_cache and s.hash = u.hash),
    refs as materialized (
      select r.ord, array_agg(distinct t.id order by t.id) as ids,
        bool_or(t.state = 'live' and t.name <> r.name and not exists (select from push_path o where o.push_id = p_push and o.path_id = t.id)) as misnamed
      from unnest(p_ref_ords, p_refs, p_ref_names) r(ord, hash, name) left join store_path t on t.cache_id = p_cache and t.hash = r.hash
      group by r.ord)
    select array_agg(n.id order by n.ord), array_agg(
        case when d.path_id is null then case when n.id = any(v_push.paths) then 'present' else 'unnamed' end
          when d.nar_hash <> n.nar_hash or d.nar_size <> n.nar_size or d.refs <> coalesce(r.ids, '{}') then 'differs'
          when n.known not in ('', n.name) or r.misnamed then 'other-name'
          else 'declared' end order by n.ord)
      into v_ids, v_outcomes
      from named n left join refs r on r.ord = n.ord left join push_path d on d.push_id = p_push and d.path_id = n.id;

  if not v_outcomes && array['unnamed', 'differs', 'other-name'] then
    update push_path d set name = u.name, deriver = u.deriver, ca = u.ca, signatures = string_to_array(u.signatures, ' '), digest = u.digest, declared = true
      from unnest(v_ids, p_names, p_derivers, p_cas, p_signatures, p_digests) u(id, name, deriver, ca, signatures, digest) where d.push_id = p_push and d.path_id = u.id;
    -- A log goes from the path that it was given, for want of a better one, to those that it tells of.
    with found as materialized (
        select distinct o.id as object_id, d.path_id
        from push_path d join object o on o.cache_id = p_cache and o.key = 'log/' || d.deriver
        where d.push_id = p_push and d.path_id = any(v_ids) and exists (select from push_object x where x.push_id = p_push and x.object_id = o.id)),
      moved as (
        insert into push_object (push_id, object_id, path_id) select p_push, f.object_id, f.path_id from found f on conflict do nothing)
      delete from push_object x
        where x.push_id = p_push and x.object_id in (select f.object_id from found f)
          and not exists (select from found f where f.object_id = x.object_id and f.path_id = x.path_id)
          and not exists (select from store_path s join object o on o.id = x.object_id where s.id = x.path_id and 'log/' || s.deriver = o.key)
          and not exists (select from push_path d join object o on o.id = x.object_id where d.push_id = p_push and d.path_id = x.path_id and 'log/' || d.deriver = o.key);
  end if;
  return query
    select u.ord::int, u.outcome, s.signatures, @fn@.verify_policy(p_cache) <> 'always' and exists (
        select from object o where o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = p_nar_hashes[u.ord] and o.nar_size = p_nar_sizes[u.ord] and o.state in ('stored', 'live', 'condemned')
          and @fn@.usable(o.verified, o.trust_group, @fn@.legacy_group(p_cache, coalesce(v_push.trust_group, 0)), coalesce(v_push.trust_group, 0)))
    from unnest(v_ids, v_outcomes) with ordinality u(id, outcome, ord) left join store_path s on s.id = u.id;
end $$;

-- Keeps the listing of a path until the commit. False: the push is not open, or not this client's (who knows the operation that opened it).
create function @fn@.keep_listing(p_cache int, p_push bigint, p_operation text, p_hash bytea, p_listing bytea) returns boolean
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
begin
  -- No lock: a push that ends meanwhile takes the row away, listing and all.
  if not exists (select from push u
    where u.id = p_push and u.cache_id = p_cache and u.state = 'open' and u.operation = p_operation and u.expires >= clock_timestamp())
  then return false; end if;
  update push_path d set listing = p_listing from store_path s
    where d.push_id = p_push and d.path_id = s.id and s.cache_id = p_cache and s.hash = p_hash;
  return true;
end $$;

-- Keeps a log or realisation that the push has named. The first content of a rank wins (see report_uploads); a key whose deletion is under way takes none, and the push goes on without it.
create function @fn@.keep_object(p_cache int, p_push bigint, p_operation text, p_key text, p_content bytea) returns boolean
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_g bigint;
  v_push push%rowtype;
  v_legacy int;
  v_id bigint;
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  select e.g into strict v_g from gc_epoch e where e.cache_id = p_cache;
  select * into v_push from push u
    where u.id = p_push and u.cache_id = p_cache and u.state = 'open' and u.operation = p_operation and u.expires >= clock_timestamp() for no key update;
  if not found then return false; end if;
  select o.id into v_id from object o
    where o.cache_id = p_cache and o.key = p_key and exists (select from push_object x where x.push_id = p_push and x.object_id = o.id) for no key update;
  if not found then return false; end if;
  v_legacy := @fn@.legacy_group(p_cache, coalesce(v_push.trust_group, 0));
  update object o set state = 'stored', publisher = v_push.publisher, trust_group = v_push.trust_group, rank = v_push.rank, content = p_content, file_size = octet_length(p_content),
      holders = case when o.state = 'stored' then o.holders else array[p_push] end, recorded = false
    where o.id = v_id and (o.state = 'gone' and o.fence is null or o.state = 'stored' and @fn@.yields(o.rank, o.publisher, v_legacy, v_push.rank));
  update push_object x set content = p_content from object o
    where x.push_id = p_push and x.object_id = v_id and x.path_id = (select min(y.path_id) from push_object y where y.push_id = p_push and y.object_id = v_id)
      and o.id = v_id and o.state in ('publishing', 'live', 'condemned') and @fn@.yields(o.rank, o.publisher, v_legacy, v_push.rank);
  update object o set holders = array_append(o.holders, p_push) where o.id = v_id and o.state = 'stored' and not p_push = any(o.holders);
  perform @fn@.stamp_objects(p_cache, v_g, array[v_id]);
  update push u set objects = array_append(u.objects, v_id)
    from object o where u.id = p_push and o.id = v_id and o.state in ('stored', 'publishing', 'live') and not v_id = any(u.objects);
  return true;
end $$;

-- Is the client with this operation still the one of an open push? For what it sends that is not kept.
create function @fn@.is_open(p_cache int, p_push bigint, p_operation text) returns boolean
language sql stable as $$
  select exists (select from push u where u.id = p_push and u.cache_id = p_cache and u.state = 'open' and u.operation = p_operation and u.expires >= clock_timestamp())
$$;
