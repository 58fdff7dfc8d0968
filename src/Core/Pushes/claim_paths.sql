-- Rule 2, second half, for paths that were not promised: what is there already and usable is held, what nobody of the trust group uploads is claimed under a minted key.
-- Called again (a wait, a replay) it answers anew: a claim of another push that is older than its allowance is overtaken.
-- p_names null: the declarations stand in push_path already, of the paths p_ids.
-- status: 'stored' | 'upload' (object, key) | 'wait' (for the push uploader, if one uploads it) | 'ended' (the push) | 'withdrawn' (a bar refuses it; then of no other path is anything said) | what quota_exceeded says: nothing is claimed
-- A claim is overtaken before its allowance is over when its push has lapsed.
-- What another group uploads is waited for, too, where a server reads it afterwards: once, as long as an upload could take.
-- What only other groups have brought, unread, is read by a server (see verification.sql) and waited for meanwhile, as long as an upload could take; a client that knows no 'wait' uploads its own.
-- p_deferred: the paths are described later (declare_paths), by a client that knows no 'wait': what another push uploads it uploads too, under a key of its own.
-- p_waits: of each path, who is said to upload its NAR just now: null, own (the trust group's) or other. Such a path is only declared, and the next wait asks for it; nothing is answered about it.
-- p_blind: nothing of another group is held, waited for or told: who may not read a private cache brings all of it.
-- p_supersedes: live paths that the commit gives this content. An object is that NAR only with the declared size, too: what another size is claimed for is not waited for.
create function @fn@.claim_paths(
  p_cache int, p_push bigint, p_ids bigint[],
  p_names text[], p_nar_hashes bytea[], p_nar_sizes bigint[], p_ref_counts int[], p_refs bigint[], p_derivers text[], p_cas text[], p_signatures text[], p_digests bytea[], p_supersedes boolean[],
  p_keys text[], p_url_life interval, p_default_rate bigint, p_deferred boolean default false, p_quotas bigint[] default null, p_waits text[] default null, p_blind boolean default false)
returns table (path_id bigint, status text, object_id bigint, key text, nar_hash bytea, nar_size bigint, multipart_id text, uploader uuid)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_g bigint;
  v_push push%rowtype;
  v_withdrawn bigint[];
  v_group int;
  v_legacy int;
  v_hashes bytea[];
  v_sizes bigint[];
  v_locked bigint[];
  v_held bigint[];
  v_mine bigint[];
  v_lacking bytea[];
  v_new bigint[];
  v_rate double precision;
  v_exceeded text;
  v_known boolean;
  v_adopts boolean;
  v_read bigint[];
  v_others bytea[];
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  select e.g into strict v_g from gc_epoch e where e.cache_id = p_cache;
  select * into v_push from push u where u.id = p_push and u.cache_id = p_cache for no key update;
  if not found or v_push.state <> 'open' then
    return query select null::bigint, 'ended', null::bigint, null::text, null::bytea, null::bigint, null::text, null::uuid;
    return;
  end if;
  v_group := coalesce(v_push.trust_group, 0);
  v_legacy := case when p_blind then -1 else @fn@.legacy_group(p_cache, v_group) end;

  if p_names is not null then
    insert into push_path (push_id, path_id, name, nar_hash, nar_size, refs, deriver, ca, signatures, digest, supersedes, deferred, declared)
      select p_push, d.id, d.name, d.nar_hash, d.nar_size, coalesce(p_refs[d.upto - d.n + 1 : d.upto], '{}'), d.deriver, d.ca, string_to_array(d.signatures, ' '), d.digest, d.supersedes,
        p_deferred, not p_deferred
      from (select *, sum(n) over (order by ord) as upto
            from unnest(p_ids, p_names, p_nar_hashes, p_nar_sizes, p_ref_counts, p_derivers, p_cas, p_signatures, p_digests, p_supersedes)
              with ordinality u(id, name, nar_hash, nar_size, n, deriver, ca, signatures, digest, supersedes, ord)) d
      on conflict do nothing;
  end if;
  v_withdrawn := @fn@.barred_paths(p_cache, p_push, p_ids);
  if v_withdrawn <> '{}' then
    return query select i, 'withdrawn', null::bigint, null::text, null::bytea, null::bigint, null::text, null::uuid from unnest(v_withdrawn) i;
    return;
  end if;
  if array_remove(p_waits, null) <> '{}' then
    update push_path d set awaited = clock_timestamp()
      where d.push_id = p_push and d.path_id = any(array(select w.id from unnest(p_ids, p_waits) w(id, who) where w.who = 'other')) and d.awaited is null;
    select coalesce(array_agg(w.id order by w.ord), '{}'), coalesce(array_agg(w.key order by w.ord), '{}') into p_ids, p_keys
      from unnest(p_ids, p_keys, p_waits) with ordinality w(id, key, who, ord) where w.who is null;
  end if;
  select array_agg(n.nar_hash), array_agg(n.nar_size) into v_hashes, v_sizes
    from (select distinct on (d.nar_hash) d.nar_hash, d.nar_size from push_path d where d.push_id = p_push and d.path_id = any(p_ids) order by d.nar_hash, d.path_id) n;

  -- Most of what is new is new to all: then nothing is locked, held or waited for.
  v_known := exists (select from object o where o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = any(v_hashes));
  if v_known then
    v_adopts := not p_deferred and not p_blind and @fn@.verify_policy(p_cache) <> 'off';
    -- All objects of these NARs, in one statement and so in one order: what was locked after a wait for one of them could be lower than that one, and deadlock.
    -- Live at g needs no lock: no run can condemn it. Nor does what no server has read and another group brings, unless it is to be read.
    select coalesce(array_agg(l.id), '{}') into v_locked from (
      select o.id from object o
      where o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = any(v_hashes) and o.state in ('stored', 'condemned', 'live', 'claimed', 'gone')
        and not (o.state = 'live' and o.touched = v_g) and (o.state = 'gone' or @fn@.usable(o.verified and not p_blind, o.trust_group, v_legacy, v_group) or v_adopts and o.state <> 'claimed')
      order by o.id for no key update) l;
    -- What is there: one object per NAR, verified before unverified, live before condemned before stored. What is not locked is not held: its push could end, and what is said
    -- to be there be deleted.
    select array_agg(o.id) into v_held from (
      select distinct on (o.nar_hash) o.id
      from unnest(v_hashes, v_sizes) n(nar_hash, nar_size) join object o on o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = n.nar_hash and o.nar_size = n.nar_size
      where o.state in ('stored', 'condemned', 'live') and (o.state = 'live' and o.touched = v_g or o.id = any(v_locked))
        and @fn@.usable(o.verified and not p_blind, o.trust_group, v_legacy, v_group)
      order by o.nar_hash, o.verified desc, o.state = 'live' desc, o.state = 'condemned' desc, o.id) o;
    perform @fn@.stamp_objects(p_cache, v_g, v_held);
    update object o set holders = array_append(o.holders, p_push)
      where o.id = any(v_held) and o.state = 'stored' and not p_push = any(o.holders);
    -- One that came while the locks were waited for is neither held nor uploaded again: the next wait finds it.
    select array_agg(n.nar_hash), array_agg(n.nar_size) into v_hashes, v_sizes from unnest(v_hashes, v_sizes) n(nar_hash, nar_size) where not exists (
      select from object o where o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = n.nar_hash and o.nar_size = n.nar_size and o.state in ('stored', 'condemned', 'live')
        and @fn@.usable(o.verified and not p_blind, o.trust_group, v_legacy, v_group));
    if v_adopts and v_hashes is not null then
      select array_agg(b.object_id), (select array_agg(n.nar_hash) from unnest(v_hashes) n(nar_hash) where n.nar_hash <> all(coalesce(array_agg(b.nar_hash), '{}'))) into v_read, v_lacking
        from @fn@.being_read(p_cache, v_group, v_legacy, v_hashes, v_sizes, array(
          select min(d.waiting) from unnest(v_hashes) with ordinality n(nar_hash, ord) left join push_path d on d.push_id = p_push and d.path_id = any(p_ids) and d.nar_hash = n.nar_hash
          group by n.ord order by n.ord), p_default_rate) b
        where exists (select from object o where o.id = b.object_id and (o.id = any(v_locked) or o.state = 'live' and o.touched = v_g))
          and not exists (select from object c where c.cache_id = p_cache and c.kind = 'nar' and c.nar_hash = b.nar_hash and c.state = 'claimed' and c.claimed_by = p_push)
          -- Who outranks a live path brings his own at once: noise under it delays no deployment.
          and not exists (select from push_path d join store_path s on s.id = d.path_id
            where d.push_id = p_push and d.path_id = any(p_ids) and d.nar_hash = b.nar_hash and s.state = 'live' and s.rank < v_push.rank);
      if v_read is not null then
        perform @fn@.ask_verification(p_cache, p_push, array_agg(o.id), array_agg(d.path_id), true)
          from object o join push_path d on d.push_id = p_push and d.path_id = any(p_ids) and d.nar_hash = o.nar_hash and d.nar_size = o.nar_size where o.id = any(v_read);
        update push_path d set waiting = clock_timestamp() from object o
          where o.id = any(v_read) and d.push_id = p_push and d.path_id = any(p_ids) and d.nar_hash = o.nar_hash and d.waiting is null;
        perform @fn@.stamp_objects(p_cache, v_g, v_read);
        update object o set holders = array_append(o.holders, p_push) where o.id = any(v_read) and o.state = 'stored' and not p_push = any(o.holders);
        select array_agg(n.nar_hash), array_agg(n.nar_size) into v_hashes, v_sizes from unnest(v_hashes, v_sizes) n(nar_hash, nar_size) where n.nar_hash = any(v_lacking);
      end if;
    end if;
    if v_adopts and v_hashes is not null then
      select array_agg(b.nar_hash) into v_others
        from @fn@.being_brought(p_cache, v_group, v_legacy, v_push.rank, v_hashes, v_sizes, array(
          select min(d.awaited) from unnest(v_hashes) with ordinality n(nar_hash, ord) left join push_path d on d.push_id = p_push and d.path_id = any(p_ids) and d.nar_hash = n.nar_hash
          group by n.ord order by n.ord), p_default_rate) b
        where not exists (select from push_path d join store_path s on s.id = d.path_id
            where d.push_id = p_push and d.path_id = any(p_ids) and d.nar_hash = b.nar_hash and s.state = 'live' and s.rank < v_push.rank);
      if v_others is not null then
        update push_path d set awaited = clock_timestamp()
          where d.push_id = p_push and d.path_id = any(p_ids) and d.nar_hash = any(v_others) and d.awaited is null;
        select array_agg(n.nar_hash), array_agg(n.nar_size) into v_hashes, v_sizes from unnest(v_hashes, v_sizes) n(nar_hash, nar_size) where n.nar_hash <> all(v_others);
      end if;
    end if;
  end if;

  if v_hashes is not null then
    if p_quotas is not null then
      v_exceeded := @fn@.quota_exceeded(p_cache, v_push.publisher, v_group, p_quotas, 0, (
        select coalesce(sum(n.nar_size), 0) from unnest(v_hashes, v_sizes) n(nar_hash, nar_size) where not exists (
          select from object c where c.cache_id = p_cache and c.kind = 'nar' and c.nar_hash = n.nar_hash and c.nar_size = n.nar_size and c.state = 'claimed'
            and (c.claimed_by = p_push or not p_deferred and (c.exclusive or c.leads) and coalesce(c.trust_group, v_legacy) = v_group))), 0);
      if v_exceeded is not null then
        return query select null::bigint, v_exceeded, null::bigint, null::text, null::bytea, null::bigint, null::text, null::uuid;
        return;
      end if;
    end if;

    -- A claim is held by progress: its allowance is twice what the size needs at the asker's own rate, at least 10 s. Another group's claim is nobody's to wait for.
    select greatest(coalesce(sum(o.file_size) / greatest(extract(epoch from clock_timestamp() - v_push.created), 1), 0), p_default_rate) into v_rate
      from object o where o.claimed_by = p_push and o.id = any(v_push.objects) and o.state = 'stored';
    update object o set exclusive = false, leads = false
      from unnest(v_hashes, v_sizes) n(nar_hash, nar_size)
      where o.id = any(v_locked) and o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = n.nar_hash and o.nar_size = n.nar_size and o.state = 'claimed' and (o.exclusive or o.leads)
        and coalesce(o.trust_group, v_legacy) = v_group and o.claimed_by <> p_push
        and (o.claimed_at + make_interval(secs => greatest(10, 2 * n.nar_size / v_rate)) < clock_timestamp()
          or not exists (select from push u where u.id = o.claimed_by and u.state = 'open' and u.expires >= clock_timestamp()));
    -- A path that returns gets its former key, so that readers with an old narinfo find it: 'gone' says that no URL for it works any more.
    -- One whose file was compressed in another way keeps its key for whoever brings such a file: a narinfo's Compression follows the key.
    update object o set state = 'claimed', leads = true, claimed_by = p_push, claimed_at = clock_timestamp(), holders = array[p_push], nar_size = f.nar_size,
        publisher = v_push.publisher, trust_group = v_push.trust_group, verified = false,
        exclusive = not exists (select from object c where c.cache_id = p_cache and c.nar_hash = o.nar_hash and c.kind = 'nar' and c.exclusive),
        url_expires = clock_timestamp() + p_url_life, multipart_id = null, file_hash = null, file_size = null, recorded = false
      from (
        select distinct on (f.nar_hash) f.id, n.nar_size from unnest(v_hashes, v_sizes) n(nar_hash, nar_size) join object f on f.nar_hash = n.nar_hash
        where f.id = any(v_locked) and f.cache_id = p_cache and f.kind = 'nar' and f.state = 'gone' and f.fence is null and f.key like '%.nar.zst'
          and not exists (select from object c where c.cache_id = p_cache and c.nar_hash = f.nar_hash and c.nar_size = n.nar_size and c.kind = 'nar' and c.state = 'claimed'
                          and (c.claimed_by = p_push or (c.exclusive or c.leads) and coalesce(c.trust_group, v_legacy) = v_group))
        order by f.nar_hash, f.id) f
      where o.id = f.id;
    -- The first of all groups is exclusive, which the index decides; another group's first, and (not leading: the first recorded wins, the other is collected) whoever cannot wait, is not.
    v_lacking := v_hashes;
    for v_kind in 1 .. case when p_deferred then 3 else 2 end loop
      with new as (
        insert into object (cache_id, key, kind, state, nar_hash, nar_size, holders, claimed_by, claimed_at, exclusive, leads, url_expires, publisher, trust_group)
          select p_cache, m.key, 'nar', 'claimed', m.nar_hash, m.nar_size, array[p_push], p_push, clock_timestamp(), v_kind = 1, v_kind < 3, clock_timestamp() + p_url_life,
            v_push.publisher, v_push.trust_group
          from (select distinct on (d.nar_hash) d.nar_hash, d.nar_size, u.key
                from unnest(p_ids, p_keys) u(id, key) join push_path d on d.push_id = p_push and d.path_id = u.id
                where d.nar_hash = any(v_lacking)
                  and not exists (select from object c where c.cache_id = p_cache and c.nar_hash = d.nar_hash and c.nar_size = d.nar_size and c.kind = 'nar' and c.state = 'claimed'
                                  and (c.claimed_by = p_push or v_kind < 3 and (c.exclusive or c.leads) and coalesce(c.trust_group, v_legacy) = v_group))
                order by d.nar_hash, d.path_id) m
          order by m.nar_hash
          on conflict do nothing returning nar_hash)
        select array(select unnest(v_lacking) except select n.nar_hash from new n) into v_lacking;
      exit when v_lacking = '{}';
    end loop;
    -- Fresh URLs will be handed out for what is ours.
    if v_known then
      update object o set url_expires = clock_timestamp() + p_url_life
        where o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = any(v_hashes) and o.state = 'claimed' and o.claimed_by = p_push
          and o.url_expires < clock_timestamp() + p_url_life * 0.9;
    end if;
    select array_agg(o.id) into v_mine from object o
      where o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = any(v_hashes) and o.state = 'claimed' and o.claimed_by = p_push;
  end if;

  select array_agg(i) into v_new from (select unnest(v_held || v_read || v_mine) except select unnest(v_push.objects)) x(i);
  if v_new is not null then
    update push u set objects = u.objects || v_new, claimed_bytes = u.claimed_bytes + (
        select coalesce(sum(o.nar_size), 0) from object o where o.id = any(v_new) and o.state = 'claimed' and o.claimed_by = p_push and u.claimed_bytes is not null)
      where u.id = p_push;
  end if;

  return query
    with held as materialized (select o.id, o.key, o.nar_hash from object o where o.id = any(v_held)),
      mine as materialized (select distinct on (o.nar_hash) o.id, o.key, o.nar_hash, o.multipart_id from object o where o.id = any(v_mine) order by o.nar_hash, o.exclusive desc, o.leads desc, o.id)
    select d.path_id,
      case when h.id is not null then 'stored' when c.id is not null then 'upload' else 'wait' end,
      coalesce(h.id, c.id), coalesce(h.key, c.key), d.nar_hash, d.nar_size, c.multipart_id, x.public_id
    from unnest(p_ids) with ordinality i(id, ord) join push_path d on d.push_id = p_push and d.path_id = i.id left join held h on h.nar_hash = d.nar_hash left join mine c on c.nar_hash = d.nar_hash
    -- One look into the index for each path, whatever the statistics of a young table say.
    left join lateral (
      select @fn@.public_of(w.public_id, w.id) as public_id from object e join push w on w.id = e.claimed_by where h.id is null and c.id is null
        and e.cache_id = p_cache and e.kind = 'nar' and e.nar_hash = d.nar_hash and e.nar_size = d.nar_size and e.state = 'claimed' and (e.exclusive or e.leads) and e.claimed_by <> p_push
        and (coalesce(e.trust_group, v_legacy) = v_group or d.nar_hash = any(v_others)) limit 1) x on true
    order by i.ord;
end $$;
