-- What a server has to read before others rely on it (the cache's policy), and what the bytes then say.
-- 'off': the bytes are what was declared; 'adopt': read what another trust group relies on, and what replaces a live path on no higher rank; 'always': read all that is published.
-- An object waits in verification until a server has read it; what was read stands in proof. An object without a proof may be verified all the same: a server read it on its way
-- into the store, and nothing is known of its references.

create function @fn@.verify_policy(p_cache int) returns text
language sql stable as $$ select c.verify from cache c where c.id = p_cache $$;

-- The policy of a cache with these settings: its own; of a stage that paths leave by themselves 'always'; else the servers'.
create function @fn@.policy_of(p_settings jsonb, p_verify text) returns text
language sql immutable as $$ select coalesce(p_settings ->> 'verify', case when p_settings ?| array['agreement', 'promotionKeys'] then 'always' end, p_verify) $$;

-- What a server that starts is told, for all caches without a policy of their own. Answers those for which that is a change, each with a line in the audit log; before its first path a cache had no policy to change.
create function @fn@.set_policy(p_verify text, p_distrusts boolean) returns table (name text, former text)
language plpgsql as $$
#variable_conflict use_column
declare
  v_cache cache%rowtype;
  v_verify text;
begin
  for v_cache in select * from cache c where c.verify <> @fn@.policy_of(c.settings, p_verify) or c.distrust_legacy <> p_distrusts order by c.id for no key update loop
    v_verify := @fn@.policy_of(v_cache.settings, p_verify);
    update cache c set verify = v_verify, distrust_legacy = p_distrusts where c.id = v_cache.id;
    continue when not exists (select from store_path s where s.cache_id = v_cache.id);
    perform @fn@.audit(v_cache.id, null, null, 'policy', null, null, jsonb_build_object('verify', v_verify, 'formerly', nullif(v_cache.verify, v_verify),
      'distrustLegacy', nullif(p_distrusts, v_cache.distrust_legacy)));
    return query select v_cache.name, v_cache.verify;
  end loop;
end $$;

-- Asks for objects to be read: one row each of p_objects, p_paths. What is declared of the path by the push (or, p_push null, by its row) is looked for in the bytes.
-- It is done in the turn of whoever asks, so that nobody's own readings stand behind what others want of his objects; once he asks himself it is his. One row takes so many hashes and
-- addresses; what is left out is asked for again by the commit that needs it.
create function @fn@.ask_verification(p_cache int, p_push bigint, p_objects bigint[], p_paths bigint[], p_urgent boolean) returns void
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_asker int := (select u.publisher from push u where u.id = p_push);
begin
  insert into verification as v (cache_id, object_id, publisher, owner, urgent, hashes, addresses, paths)
    select p_cache, o.id, coalesce(v_asker, o.publisher, 0), coalesce(o.publisher, 0), p_urgent, h.hashes, h.addresses, h.paths
    from (
      select a.object_id,
        array(select distinct x.hash from unnest(array_agg(a.path_id)) p(id) join store_path t on t.id = p.id left join push_path d on d.push_id = p_push and d.path_id = t.id
          cross join lateral (select t.hash union all select unnest(@fn@.declared_refs(p_cache, t.hash, case when d.path_id is null then t.declared else d.digest end, coalesce(d.refs, t.refs)))) x(hash) limit 20000) as hashes,
        array(select distinct @fn@.address_of(t.hash, coalesce(d.ca, t.ca)) from unnest(array_agg(a.path_id)) p(id) join store_path t on t.id = p.id
          left join push_path d on d.push_id = p_push and d.path_id = t.id where coalesce(d.ca, t.ca) is not null limit 100) as addresses,
        array(select t.id from unnest(array_agg(a.path_id)) p(id) join store_path t on t.id = p.id where t.state in ('live', 'condemned') and t.objects[1] = a.object_id limit 1000) as paths
      from unnest(p_objects, p_paths) a(object_id, path_id) group by a.object_id) h
    join object o on o.id = h.object_id order by o.id
    on conflict (cache_id, object_id) do update set urgent = v.urgent or excluded.urgent,
      publisher = case when v.publisher = v.owner or not excluded.urgent then v.publisher else excluded.publisher end,
      hashes = case when cardinality(v.hashes) < 20000 then array(select unnest(v.hashes) union select unnest(excluded.hashes)) else v.hashes end,
      addresses = case when cardinality(v.addresses) < 100 then array(select unnest(v.addresses) union select unnest(excluded.addresses)) else v.addresses end,
      paths = case when cardinality(v.paths) < 1000 then array(select unnest(v.paths) union select unnest(excluded.paths)) else v.paths end,
      -- Somebody who waits does not wait for a pause to end.
      lease = case when excluded.urgent and v.trouble is not null and v.tries < 3 then '-infinity' else v.lease end
    -- Of a hundred that ask for the same, one writes.
    where excluded.urgent and not v.urgent or v.trouble is not null or not (v.publisher = v.owner or not excluded.urgent or v.publisher = excluded.publisher)
      or not (v.hashes @> excluded.hashes and v.addresses @> excluded.addresses and v.paths @> excluded.paths);
end $$;

-- How long a push waits for another group's NAR to come, and then to be read. Longer than a claim lasts: who comes last on a busy day would else upload all of it himself, as would all others.
create function @fn@.patience(p_nar_size bigint, p_rate double precision) returns interval
language sql immutable as $$ select make_interval(secs => greatest(30, 2 * p_nar_size / p_rate)) $$;

-- Of NARs that a push declares, and that are there only as other groups brought them: those that are being read, and not for longer than an upload could take. It waits for these.
-- p_since: since when the push waits for a reading of that NAR, whichever object it was; null: not yet. A trust group for which so many objects wait asks for no other: it brings its own. p_asks: what nobody has asked for counts, as the caller asks.
create function @fn@.being_read(p_cache int, p_group int, p_legacy int, p_nar_hashes bytea[], p_nar_sizes bigint[], p_since timestamptz[], p_rate double precision, p_asks boolean default true) returns table (nar_hash bytea, object_id bigint)
language sql stable as $$
  with read as (
    select distinct on (o.nar_hash) o.nar_hash, o.id, v.object_id is not null as is_asked
    from unnest(p_nar_hashes, p_nar_sizes, p_since) n(nar_hash, nar_size, since)
    join object o on o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = n.nar_hash and o.nar_size = n.nar_size
    left join verification v on v.cache_id = p_cache and v.object_id = o.id
    where o.state in ('stored', 'live', 'condemned') and not @fn@.usable(o.verified, o.trust_group, p_legacy, p_group) and o.trust_group is distinct from -2
      and least(n.since, v.asked, clock_timestamp()) + @fn@.patience(n.nar_size, p_rate) >= clock_timestamp()
    order by o.nar_hash, v.asked, o.id)
  select r.nar_hash, r.id from (select *, row_number() over (partition by x.is_asked order by x.id) as ord from read x) r
  where r.is_asked or p_asks and r.ord <= 20000 - (
    select count(*) from (select from publisher b join verification w on w.cache_id = p_cache and w.publisher = b.id where b.cache_id = p_cache and b.trust_group = p_group limit 20000) w)
$$;

-- Of NARs that a push declares, those that another group uploads just now and nobody of its own; p_since: since when it waits for an upload of that NAR, whichever object it was; null: not yet.
-- A claim without bytes costs nothing, so it holds up nobody of a higher rank, and others for half a minute however large it is.
create function @fn@.being_brought(p_cache int, p_group int, p_legacy int, p_rank int, p_nar_hashes bytea[], p_nar_sizes bigint[], p_since timestamptz[], p_rate double precision) returns table (nar_hash bytea)
language sql stable as $$
  select n.nar_hash
  from unnest(p_nar_hashes, p_nar_sizes, p_since) n(nar_hash, nar_size, since)
  where coalesce(n.since, clock_timestamp()) + @fn@.patience(0, p_rate) >= clock_timestamp()
    and exists (
      select from object o join push u on u.id = o.claimed_by
      where o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = n.nar_hash and o.nar_size = n.nar_size and o.state = 'claimed' and (o.exclusive or o.leads)
        and coalesce(o.trust_group, p_legacy) <> p_group and u.state = 'open' and u.expires >= clock_timestamp() and u.rank >= p_rank
        and o.claimed_at + make_interval(secs => greatest(10, 2 * n.nar_size / p_rate)) >= clock_timestamp())
    and not exists (
      select from object o
      where o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = n.nar_hash and o.nar_size = n.nar_size and o.state = 'claimed' and (o.exclusive or o.leads)
        and coalesce(o.trust_group, p_legacy) = p_group)
$$;

-- The next objects to be read, of those that were asked for so long ago: a turn for each publisher, urgent ones first. p_busy: publishers whose turn it is not, as too much of theirs is
-- being read here. turn_of: whose turn an object takes; refused: it was refused before, and its paths are still to be withdrawn.
create function @fn@.take_verifications(p_cache int, p_max int, p_lease interval, p_after interval, p_busy int[])
returns table (object_id bigint, key text, nar_hash bytea, nar_size bigint, hashes bytea[], addresses text[], wants_listing boolean, publisher text, generation bigint, turn_of int, refused boolean)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_ids bigint[];
begin
  -- One look into the index for each publisher, however long the queue is.
  with recursive g(publisher) as (
      select min(w.publisher) from verification w where w.cache_id = p_cache
      union all select (select min(w.publisher) from verification w where w.cache_id = p_cache and w.publisher > g.publisher) from g where g.publisher is not null)
    select array_agg(t.object_id) into v_ids from (
      select c.object_id from (
        select f.object_id, f.urgent, row_number() over (partition by f.publisher, f.urgent order by f.asked) as turn, f.asked
        from g cross join lateral (
          select w.object_id, w.publisher, w.urgent, w.asked from verification w
          where w.cache_id = p_cache and w.publisher = g.publisher and not w.publisher = any(p_busy) and w.lease < clock_timestamp() and w.asked + p_after < clock_timestamp()
          order by w.urgent desc, w.asked limit p_max) f) c
      order by c.urgent desc, c.turn, c.asked limit p_max) t;
  -- What is not there any more is nothing to read.
  delete from verification v using unnest(v_ids) i(id) left join object o on o.id = i.id
    where v.cache_id = p_cache and v.object_id = i.id and (o.id is null or o.state not in ('stored', 'live', 'condemned'));
  return query
    with taken as (
      update verification v set lease = clock_timestamp() + p_lease
      where v.cache_id = p_cache and v.object_id = any(array(
        select w.object_id from verification w where w.cache_id = p_cache and w.object_id = any(v_ids) and w.lease < clock_timestamp() for update skip locked))
      returning v.object_id, v.hashes, v.addresses, v.urgent, v.asked, v.publisher)
    select o.id, o.key, o.nar_hash, o.nar_size, t.hashes, t.addresses, o.state = 'stored', b.name, o.generation, t.publisher, o.trust_group is not distinct from -2
    from taken t join object o on o.id = t.object_id left join publisher b on b.id = o.publisher where o.state in ('stored', 'live', 'condemned')
    order by t.urgent desc, t.asked;
end $$;

-- Whoever reads goes on with it.
create function @fn@.renew_verifications(p_cache int, p_objects bigint[], p_lease interval) returns void
language sql volatile as $$
  update verification v set lease = clock_timestamp() + p_lease where v.cache_id = p_cache and v.object_id = any(p_objects) and v.lease > clock_timestamp()
$$;

-- The bytes could not be read: that says nothing about them. The pause grows with each try.
create function @fn@.postpone_verification(p_cache int, p_object bigint, p_trouble text) returns void
language sql volatile as $$
  update verification v set tries = v.tries + 1, trouble = p_trouble, lease = clock_timestamp() + least(interval '5 minutes', interval '1 second' * 2 ^ least(v.tries, 9))
  where v.cache_id = p_cache and v.object_id = p_object
$$;

-- How many NARs of a push are still to be read: asked again and again.
create function @fn@.verifications_left(p_cache int, p_push bigint) returns int
language sql stable as $$
  select count(*)::int from push u cross join unnest(u.objects) i(id) join verification v on v.cache_id = p_cache and v.object_id = i.id where u.id = p_push and @fn@.verify_policy(p_cache) <> 'off'
$$;

-- The same with their size, how many bytes were asked for before them, and why the store gave nothing at the last try: for an answer, as it looks at the whole queue.
create function @fn@.verification_progress(p_cache int, p_push bigint, out nars int, out bytes bigint, out ahead bigint, out trouble text)
language sql stable as $$
  with own as materialized (
    select v.asked, v.trouble, o.file_size from push u cross join unnest(u.objects) i(id) join verification v on v.cache_id = p_cache and v.object_id = i.id join object o on o.id = v.object_id
    where u.id = p_push)
  select count(*)::int, coalesce(sum(w.file_size), 0)::bigint,
    (select coalesce(sum(o.file_size), 0)::bigint from verification v join object o on o.id = v.object_id
     where v.cache_id = p_cache and v.urgent and v.asked < (select min(x.asked) from own x)),
    max(w.trouble) from own w
$$;

-- The backlog of a cache.
create function @fn@.verification_backlog(p_cache int, out nars bigint, out bytes bigint, out oldest timestamptz)
language sql stable as $$
  select count(*), coalesce(sum(o.file_size), 0)::bigint, min(v.asked) from verification v join object o on o.id = v.object_id where v.cache_id = p_cache
$$;

-- The scrub: asks for the next live paths to be read, by their ids, and again from the first when all were. Rows from before there were publishers have the lowest ids.
-- What was read less than p_fresh ago is passed over, and so long a round takes at least. Asks for no more while so many of it wait. Answers how many bytes were asked for; null: somebody else's turn, or a round has just ended.
create function @fn@.scrub(p_cache int, p_max int, p_fresh interval, p_lease interval) returns bigint
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_cache cache%rowtype;
  v_last bigint;
  v_paths bigint[];
  v_objects bigint[];
  v_bytes bigint;
begin
  select * into v_cache from cache c where c.id = p_cache and (c.scrub_lease is null or c.scrub_lease < clock_timestamp()) for no key update skip locked;
  if not found or v_cache.verify = 'off' then return null; end if;
  if v_cache.scrubbed = 0 then
    if v_cache.scrub_began + p_fresh > clock_timestamp() then return null; end if;
    update cache c set scrub_began = clock_timestamp() where c.id = p_cache;
  end if;
  if (select count(*) from (select from verification v where v.cache_id = p_cache and not v.urgent and v.trouble is null limit p_max) x) >= p_max then return 0; end if;
  with page as materialized (
      select s.id, s.state, s.barred, s.objects[1] as object_id from store_path s where s.cache_id = p_cache and s.id > v_cache.scrubbed order by s.id limit p_max * 50),
    due as (
      select g.id, o.id as object_id, o.file_size from page g join object o on o.id = g.object_id and o.kind = 'nar'
      left join proof p on p.object_id = o.id and o.verified
      where g.state = 'live' and not g.barred and o.state = 'live' and (p.at is null or p.at + p_fresh < clock_timestamp()) order by g.id limit p_max)
    select case when (select count(*) from due) = p_max then (select max(d.id) from due d) when (select count(*) from page) = p_max * 50 then (select max(g.id) from page g) else 0 end,
        array_agg(d.id), array_agg(d.object_id), coalesce(sum(d.file_size), 0)
      into v_last, v_paths, v_objects, v_bytes from due d;
  if v_paths is not null then
    perform @fn@.ask_verification(p_cache, null, v_objects, v_paths, false);
  end if;
  update cache c set scrubbed = v_last, scrub_lease = clock_timestamp() + p_lease where c.id = p_cache;
  return v_bytes;
end $$;
