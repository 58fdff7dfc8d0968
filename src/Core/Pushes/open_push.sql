-- Rule 2, first half: records the push and touches what it names. The same operation again touches again.
-- push_state 'open' comes with what has become of each named path, in the order named, and with the keys of p_keys that are missing; any other state, 'reused', 'lapsed'
-- (what it was promised has another content by now), or what quota_exceeded says, without.
-- p_path_digests: with a pin, what is declared of each path, for the commit to compare again; without one it compares what is there on the word of a lower rank.
-- p_blind: what another group has put is neither promised nor told: who may not read a private cache brings all of it, and the commit decides what becomes of it.
-- digests, trust_groups and verified say what a promised path was declared as, and on whose word; own_group: the push's own; trusts_legacy: rows without a group are usable by it.
create function @fn@.open_push(
  p_cache int, p_operation text, p_digest bytea, p_ttl interval, p_hashes bytea[], p_roots int[], p_keys text[], p_pin jsonb,
  p_public uuid, p_publisher text, p_group text, p_rank int, p_committers text[], p_path_digests bytea[] default null, p_quotas bigint[] default null, p_blind boolean default false)
returns table (push_id uuid, push_state text, expires timestamptz, path_ids bigint[], states text[], promised boolean[], digests bytea[], trust_groups int[], verified boolean[],
  signatures text[], missing_keys text[], own_group int, trusts_legacy boolean)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_g bigint;
  v_push push%rowtype;
  v_publisher int;
  v_group int;
  v_ids bigint[];
  v_known bigint[];
  v_gone bigint[];
  v_unpromised bigint[] := '{}';
  v_promised bigint[];
  v_hot boolean;
  v_lower bigint[];
  v_lower_digests bytea[];
  v_states text[];
  v_is_promised boolean[];
  v_digests bytea[];
  v_groups int[];
  v_verified boolean[];
  v_signatures text[];
  v_exceeded text;
  v_trusts_legacy boolean;
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  select * into v_push from push u where u.cache_id = p_cache and u.operation = p_operation;
  if found and (v_push.state <> 'open' or v_push.digest <> p_digest) then
    return query select @fn@.public_of(v_push.public_id, v_push.id), case when v_push.digest <> p_digest then 'reused' else v_push.state::text end, v_push.expires,
      null::bigint[], null::text[], null::boolean[], null::bytea[], null::int[], null::boolean[], null::text[], null::text[], null::int, null::boolean;
    return;
  end if;
  select b.id, b.trust_group into v_publisher, v_group from @fn@.publisher(p_cache, p_publisher, p_group, p_rank) b;
  select * into v_push from push u where u.id = v_push.id for no key update;
  select e.g into strict v_g from gc_epoch e where e.cache_id = p_cache;

  loop
    select array_agg(x.id), array_agg(x.id) filter (where not x.gone), array_agg(x.id) filter (where x.gone), bool_and(x.hot), array_agg(x.id) filter (where x.lower), array_agg(x.declared) filter (where x.lower),
        array_agg(x.declared), array_agg(x.trust_group), array_agg(x.verified), array_agg(x.signatures)
      into v_ids, v_known, v_gone, v_hot, v_lower, v_lower_digests, v_digests, v_groups, v_verified, v_signatures
      from (
        select s.id, s.state = 'gone' as gone, s.state = 'live' and s.touched = v_g as hot, s.state <> 'gone' and s.rank < p_rank and s.declared is not null as lower, s.declared, s.trust_group, s.verified, array_to_string(s.signatures, ' ') as signatures
        from unnest(p_hashes) with ordinality u(hash, ord) join store_path s on s.cache_id = p_cache and s.hash = u.hash
        order by u.ord) x;
    -- Rows are permanent, so most pushes of a fleet find all of them.
    exit when cardinality(coalesce(v_ids, '{}')) = cardinality(p_hashes);
    -- Its name is part of what is declared: the commit that publishes it sets it.
    insert into store_path (cache_id, hash, name)
      select p_cache, u.hash, '' from unnest(p_hashes) u(hash)
      where not exists (select from store_path s where s.cache_id = p_cache and s.hash = u.hash)
      order by u.hash on conflict do nothing;
  end loop;

  -- Where all is live at g, as the paths of an active fleet are, there is nothing to touch: rule 1's first question has been asked.
  -- Nor is there for a path that is gone: it is not promised.
  if not v_hot then
    select t.unpromised || v_gone into v_unpromised from @fn@.touch(p_cache, v_known) t;
  end if;
  if p_blind then
    v_unpromised := array(select unnest(v_unpromised) union select s.id from store_path s where s.id = any(v_ids) and s.trust_group is distinct from v_group);
    v_hot := false;
  end if;
  if v_unpromised = '{}' then
    v_promised := v_ids;
  else
    select coalesce(array_agg(i), '{}') into v_promised from (select unnest(v_ids) except select unnest(v_unpromised)) x(i);
  end if;

  if @fn@.changed_paths(v_push) is not null then
    return query select @fn@.public_of(v_push.public_id, v_push.id), 'lapsed', v_push.expires,
      null::bigint[], null::text[], null::boolean[], null::bytea[], null::int[], null::boolean[], null::text[], null::text[], null::int, null::boolean;
    return;
  end if;
  if v_push.id is null then
    if p_quotas is not null then
      v_exceeded := @fn@.quota_exceeded(p_cache, v_publisher, v_group, p_quotas, 1, 0, @fn@.new_roots(p_cache, array(select v_ids[r] from unnest(p_roots) r)));
      if v_exceeded is not null then
        return query select p_public, v_exceeded, clock_timestamp(),
          null::bigint[], null::text[], null::boolean[], null::bytea[], null::int[], null::boolean[], null::text[], null::text[], null::int, null::boolean;
        return;
      end if;
    end if;
    insert into push (cache_id, operation, digest, expires, paths, roots, pin, public_id, publisher, trust_group, rank, committers, named, digests, claimed_bytes)
      select p_cache, p_operation, p_digest, clock_timestamp() + p_ttl, v_promised, array_agg(distinct v_ids[r]), p_pin, p_public, v_publisher, v_group, p_rank, p_committers,
        case when p_path_digests is not null then v_ids else v_lower end, coalesce(p_path_digests, v_lower_digests), case when p_quotas is not null then 0 end
      from unnest(p_roots) r
      on conflict (cache_id, operation) do nothing returning * into v_push;
    if not found then
      raise exception 'the same operation is being opened by another request' using errcode = '40001';
    end if;
  else
    update push u set paths = v_promised, expires = greatest(u.expires, clock_timestamp() + p_ttl)
      where u.id = v_push.id and u.state = 'open' returning * into v_push;
    if not found then
      raise exception 'the push has just ended' using errcode = '40001';
    end if;
    -- Of those that others have published otherwise the declaration stays, for the commit to see.
    delete from push_path d using @fn@.met_paths(p_cache, v_push.id, v_promised) m where d.push_id = v_push.id and d.path_id = m.path_id and m.verdict = 'same';
  end if;

  if v_hot then
    v_states := array_fill('live'::text, array[cardinality(v_ids)]);
    v_is_promised := array_fill(true, array[cardinality(v_ids)]);
  else
    select array_agg(x.state), array_agg(x.promised), array_agg(x.declared), array_agg(x.trust_group), array_agg(x.verified), array_agg(x.signatures)
      into v_states, v_is_promised, v_digests, v_groups, v_verified, v_signatures
      from (
        select s.state::text as state, un.id is null as promised, s.declared, s.trust_group, s.verified, array_to_string(s.signatures, ' ') as signatures
        from unnest(v_ids) with ordinality u(id, ord) join store_path s on s.id = u.id
        left join unnest(v_unpromised) un(id) on un.id = u.id
        order by u.ord) x;
  end if;
  select not c.distrust_legacy into v_trusts_legacy from cache c where c.id = p_cache;
  return query select @fn@.public_of(v_push.public_id, v_push.id), 'open', v_push.expires, v_ids, v_states, v_is_promised, v_digests, v_groups, v_verified, v_signatures,
    -- Of the logs and realisations that the client has, those that the cache lacks, or has on the word of a lower rank. One look into the index for each, whatever the statistics of a young table say.
    array(select k.key from unnest(p_keys) k(key)
      left join lateral (select o.id from object o where o.cache_id = p_cache and o.key = k.key and o.state = 'live'
        and not @fn@.yields(o.rank, o.publisher, case when v_trusts_legacy then v_group else -1 end, p_rank) and not (p_blind and o.trust_group is distinct from v_group) limit 1) o on true
      where o.id is null),
    v_group, v_trusts_legacy;
end $$;
