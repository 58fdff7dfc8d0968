-- Rule 2, second half, for paths that were not promised: what is there already is held, what nobody uploads is claimed under a minted key.
-- Called again (a wait, a replay) it answers anew: a claim of another push that is older than its allowance is overtaken.
-- p_paths null: the declarations stand in push_path already, of the paths p_ids.
-- status: 'stored' | 'upload' (object, key) | 'wait' (for the push uploader, if one uploads it) | 'ended' (the push)
-- A claim is overtaken before its allowance is over when its push has lapsed.
-- p_deferred: the paths are described later (declare_paths), by a client that knows no 'wait': what another push uploads it uploads too, under a key of its own.
create function @fn@.claim_paths(
  p_cache int, p_push bigint, p_ids bigint[],
  p_nar_hashes bytea[], p_nar_sizes bigint[], p_ref_counts int[], p_refs bigint[], p_derivers text[], p_cas text[], p_signatures text[],
  p_keys text[], p_url_life interval, p_default_rate bigint, p_deferred boolean default false)
returns table (path_id bigint, status text, object_id bigint, key text, nar_hash bytea, nar_size bigint, multipart_id text, uploader bigint)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_g bigint;
  v_push push%rowtype;
  v_hashes bytea[];
  v_locked bigint[];
  v_held bigint[];
  v_mine bigint[];
  v_new bigint[];
  v_rate double precision;
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  select e.g into strict v_g from gc_epoch e where e.cache_id = p_cache;
  select * into v_push from push u where u.id = p_push and u.cache_id = p_cache for no key update;
  if not found or v_push.state <> 'open' then
    return query select null::bigint, 'ended', null::bigint, null::text, null::bytea, null::bigint, null::text, null::bigint;
    return;
  end if;

  if p_nar_hashes is not null then
    insert into push_path (push_id, path_id, nar_hash, nar_size, refs, deriver, ca, signatures, deferred, declared)
      select p_push, d.id, d.nar_hash, d.nar_size, coalesce(p_refs[d.upto - d.n + 1 : d.upto], '{}'), d.deriver, d.ca, string_to_array(d.signatures, ' '), p_deferred, not p_deferred
      from (select *, sum(n) over (order by ord) as upto
            from unnest(p_ids, p_nar_hashes, p_nar_sizes, p_ref_counts, p_derivers, p_cas, p_signatures)
              with ordinality u(id, nar_hash, nar_size, n, deriver, ca, signatures, ord)) d
      on conflict do nothing;
  end if;
  select array_agg(distinct d.nar_hash) into v_hashes from push_path d where d.push_id = p_push and d.path_id = any(p_ids);

  -- All objects of these NARs, in one statement and so in one order: what was locked after a wait for one of them could be lower than that one, and deadlock.
  -- Live at g needs no lock: no run can condemn it.
  select coalesce(array_agg(l.id), '{}') into v_locked from (
    select o.id from object o
    where o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = any(v_hashes) and o.state in ('stored', 'condemned', 'live', 'claimed', 'gone')
      and not (o.state = 'live' and o.touched = v_g)
    order by o.id for no key update) l;
  -- What is there: one object per NAR, live before condemned before stored. What is not locked is not held: its push could end, and what is said to be there be deleted.
  select array_agg(o.id) into v_held from (
    select distinct on (o.nar_hash) o.id from object o
    where o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = any(v_hashes) and o.state in ('stored', 'condemned', 'live')
      and (o.state = 'live' and o.touched = v_g or o.id = any(v_locked))
    order by o.nar_hash, o.state = 'live' desc, o.state = 'condemned' desc, o.id) o;
  perform @fn@.stamp_objects(p_cache, v_g, v_held);
  update object o set holders = array_append(o.holders, p_push)
    where o.id = any(v_held) and o.state = 'stored' and not p_push = any(o.holders);
  -- One that came while the locks were waited for is neither held nor uploaded again: the next wait finds it.
  select array_agg(h) into v_hashes from unnest(v_hashes) h where not exists (
    select from object o where o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = h and o.state in ('stored', 'condemned', 'live'));

  if v_hashes is not null then
    -- A claim is held by progress: its allowance is twice what the size needs at the asker's own rate, at least 10 s.
    select greatest(coalesce(sum(o.file_size) / greatest(extract(epoch from clock_timestamp() - v_push.created), 1), 0), p_default_rate) into v_rate
      from object o where o.claimed_by = p_push and o.id = any(v_push.objects) and o.state = 'stored';
    update object o set exclusive = false
      where o.id = any(v_locked) and o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = any(v_hashes) and o.state = 'claimed' and o.exclusive and o.claimed_by <> p_push
        and (o.claimed_at + make_interval(secs => greatest(10, 2 * o.nar_size / v_rate)) < clock_timestamp()
          or not exists (select from push u where u.id = o.claimed_by and u.state = 'open' and u.expires >= clock_timestamp()));
    -- A path that returns gets its former key, so that readers with an old narinfo find it: 'gone' says that no URL for it works any more.
    -- One whose file was compressed in another way keeps its key for whoever brings such a file: a narinfo's Compression follows the key.
    update object o set state = 'claimed', exclusive = true, claimed_by = p_push, claimed_at = clock_timestamp(), holders = array[p_push],
        url_expires = clock_timestamp() + p_url_life, multipart_id = null, file_hash = null, file_size = null, recorded = false
      where o.id in (
        select distinct on (f.nar_hash) f.id from object f
        where f.id = any(v_locked) and f.cache_id = p_cache and f.kind = 'nar' and f.nar_hash = any(v_hashes) and f.state = 'gone' and f.fence is null and f.key like '%.nar.zst'
          and not exists (select from object c where c.cache_id = p_cache and c.nar_hash = f.nar_hash and c.kind = 'nar' and c.state = 'claimed'
                          and (c.exclusive or c.claimed_by = p_push))
        order by f.nar_hash, f.id);
    insert into object (cache_id, key, kind, state, nar_hash, nar_size, holders, claimed_by, claimed_at, exclusive, url_expires)
      select p_cache, m.key, 'nar', 'claimed', m.nar_hash, m.nar_size, array[p_push], p_push, clock_timestamp(), true, clock_timestamp() + p_url_life
      from (select distinct on (d.nar_hash) d.nar_hash, d.nar_size, u.key
            from unnest(p_ids, p_keys) u(id, key) join push_path d on d.push_id = p_push and d.path_id = u.id
            where d.nar_hash = any(v_hashes)
              and not exists (select from object c where c.cache_id = p_cache and c.nar_hash = d.nar_hash and c.kind = 'nar' and c.state = 'claimed'
                              and (c.exclusive or c.claimed_by = p_push))
            order by d.nar_hash, d.path_id) m
      order by m.nar_hash
      on conflict do nothing;
    -- Not exclusive: the first recorded wins, the other is collected.
    if p_deferred then
      insert into object (cache_id, key, kind, state, nar_hash, nar_size, holders, claimed_by, claimed_at, url_expires)
        select p_cache, m.key, 'nar', 'claimed', m.nar_hash, m.nar_size, array[p_push], p_push, clock_timestamp(), clock_timestamp() + p_url_life
        from (select distinct on (d.nar_hash) d.nar_hash, d.nar_size, u.key
              from unnest(p_ids, p_keys) u(id, key) join push_path d on d.push_id = p_push and d.path_id = u.id
              where d.nar_hash = any(v_hashes)
                and not exists (select from object c where c.cache_id = p_cache and c.nar_hash = d.nar_hash and c.kind = 'nar' and c.state = 'claimed' and c.claimed_by = p_push)
              order by d.nar_hash, d.path_id) m
        order by m.nar_hash
        on conflict do nothing;
    end if;
    -- Fresh URLs will be handed out for what is ours.
    update object o set url_expires = clock_timestamp() + p_url_life
      where o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = any(v_hashes) and o.state = 'claimed' and o.claimed_by = p_push
        and o.url_expires < clock_timestamp() + p_url_life * 0.9;
    select array_agg(o.id) into v_mine from object o
      where o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = any(v_hashes) and o.state = 'claimed' and o.claimed_by = p_push;
  end if;

  select array_agg(i) into v_new from (select unnest(v_held || v_mine) except select unnest(v_push.objects)) x(i);
  if v_new is not null then
    update push u set objects = u.objects || v_new where u.id = p_push;
  end if;

  return query
    with held as materialized (select o.id, o.key, o.nar_hash from object o where o.id = any(v_held)),
      mine as materialized (select distinct on (o.nar_hash) o.id, o.key, o.nar_hash, o.multipart_id from object o where o.id = any(v_mine) order by o.nar_hash, o.exclusive desc, o.id)
    select d.path_id,
      case when h.id is not null then 'stored' when c.id is not null then 'upload' else 'wait' end,
      coalesce(h.id, c.id), coalesce(h.key, c.key), d.nar_hash, d.nar_size, c.multipart_id, x.claimed_by
    from push_path d left join held h on h.nar_hash = d.nar_hash left join mine c on c.nar_hash = d.nar_hash
    -- One look into the index for each path, whatever the statistics of a young table say.
    left join lateral (
      select e.claimed_by from object e where h.id is null and c.id is null
        and e.cache_id = p_cache and e.kind = 'nar' and e.nar_hash = d.nar_hash and e.state = 'claimed' and e.exclusive limit 1) x on true
    where d.push_id = p_push and d.path_id = any(p_ids);
end $$;
