-- What a server has to read before others rely on it (the cache's policy), and what the bytes then say.
-- 'off': the bytes are what was declared; 'adopt': read what another trust group relies on, and what replaces a live path on no higher rank; 'always': read all that is published.
-- An object waits in verification until a server has read it; what was read stands in proof. An object without a proof may be verified all the same: a server read it on its way
-- into the store, and nothing is known of its references.

create function @fn@.verify_policy(p_cache int) returns text
language sql stable as $$ select c.verify from cache c where c.id = p_cache $$;

-- A content address as it is asked about: it depends on the path, which may mention itself.
create function @fn@.address_of(p_hash bytea, p_ca text) returns text
language sql immutable as $$ select encode(p_hash, 'hex') || ' ' || p_ca $$;

-- Asks for objects to be read: one row each of p_objects, p_paths. What is declared of the path by the push (or, p_push null, by its row) is looked for in the bytes.
create function @fn@.ask_verification(p_cache int, p_push bigint, p_objects bigint[], p_paths bigint[], p_urgent boolean) returns void
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
begin
  insert into verification as v (cache_id, object_id, publisher, urgent, hashes, addresses, paths)
    select p_cache, o.id, o.publisher, p_urgent, h.hashes, h.addresses, h.paths
    from (
      select a.object_id, array_agg(distinct x.hash) filter (where x.hash is not null) as hashes,
        coalesce(array_agg(distinct @fn@.address_of(s.hash, coalesce(d.ca, s.ca))) filter (where coalesce(d.ca, s.ca) is not null), '{}') as addresses,
        coalesce(array_agg(distinct s.id) filter (where s.state in ('live', 'condemned') and s.objects[1] = a.object_id), '{}') as paths
      from unnest(p_objects, p_paths) a(object_id, path_id) join store_path s on s.id = a.path_id
      left join push_path d on d.push_id = p_push and d.path_id = s.id
      left join lateral (
        select s.hash union all select r.hash from store_path r where r.id = any(coalesce(d.refs, s.refs))) x on true
      group by a.object_id) h
    join object o on o.id = h.object_id order by o.id
    on conflict (cache_id, object_id) do update set urgent = v.urgent or excluded.urgent,
      hashes = array(select unnest(v.hashes) union select unnest(excluded.hashes)),
      addresses = array(select unnest(v.addresses) union select unnest(excluded.addresses)),
      paths = array(select unnest(v.paths) union select unnest(excluded.paths)),
      -- Somebody who waits does not wait for a pause to end.
      lease = case when excluded.urgent and v.trouble is not null and v.tries < 3 then '-infinity' else v.lease end;
end $$;

-- Of NARs that a push declares, and that are there only as other groups brought them: those that are being read, and not for longer than an upload could take. It waits for these.
create function @fn@.being_read(p_cache int, p_group int, p_legacy int, p_nar_hashes bytea[], p_nar_sizes bigint[], p_rate double precision) returns table (nar_hash bytea, object_id bigint)
language sql stable as $$
  select distinct on (o.nar_hash) o.nar_hash, o.id
  from unnest(p_nar_hashes, p_nar_sizes) n(nar_hash, nar_size)
  join object o on o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = n.nar_hash and o.nar_size = n.nar_size
  left join verification v on v.cache_id = p_cache and v.object_id = o.id
  where o.state in ('stored', 'live', 'condemned') and not @fn@.usable(o.verified, o.trust_group, p_legacy, p_group) and o.trust_group is distinct from -2
    and (v.asked is null or v.asked + make_interval(secs => greatest(10, 2 * n.nar_size / p_rate)) >= clock_timestamp())
  order by o.nar_hash, v.asked, o.id
$$;

-- What stands against publishing paths of a push with these objects, which are usable and locked.
-- unread: paths whose object has to be read first; it is asked for. untrue: paths that declare what the bytes deny: a reference, or a content address.
create function @fn@.check_proofs(p_push push, p_paths bigint[], p_objects bigint[], out unread bigint[], out unread_objects bigint[], out untrue bigint[])
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_policy text := @fn@.verify_policy(p_push.cache_id);
begin
  if v_policy = 'off' then return; end if;
  with published as materialized (
      select d.path_id, s.hash, o.id as object_id, o.verified, d.ca, p.object_id is not null as has_proof, p.occurring, p.partial, p.absent, p.addresses, p.false_addresses, p.open_addresses,
        d.refs, v_policy = 'always' or s.state = 'live' and s.rank >= p_push.rank as needed
      from push_path d join store_path s on s.id = d.path_id join object o on o.id = any(p_objects) and o.nar_hash = d.nar_hash
      left join proof p on p.object_id = o.id and o.verified
      where d.push_id = p_push.id and d.path_id = any(p_paths)),
    looked as materialized (
      select b.*, case when b.has_proof and b.ca is null then array(select r.hash from store_path r where r.id = any(b.refs) and not r.hash = any(b.occurring)) else '{}' end as missing,
        case when b.ca is not null then @fn@.address_of(b.hash, b.ca) end as address
      from published b),
    judged as (
      select l.path_id, l.object_id,
        l.has_proof and (l.missing <> '{}' and (not l.partial or l.missing <@ l.absent) or l.address = any(l.false_addresses)) as is_untrue,
        not l.has_proof and l.needed and not (l.verified and l.refs = '{}' and l.ca is null)
          or l.has_proof and (l.missing <> '{}' and l.partial and not l.missing <@ l.absent
            or l.needed and l.address is not null and not l.address = any(l.addresses || l.false_addresses || l.open_addresses)) as is_unread
      from looked l)
    select array_agg(j.path_id) filter (where j.is_unread and not j.is_untrue), array_agg(j.object_id) filter (where j.is_unread and not j.is_untrue), array_agg(j.path_id) filter (where j.is_untrue)
      into unread, unread_objects, untrue from judged j;
  if unread is not null and untrue is null then
    perform @fn@.ask_verification(p_push.cache_id, p_push.id, unread_objects, unread, true);
  end if;
end $$;

-- Does a push refer to more than a live path with the same NAR does, and may the NAR? Then the larger set is the true one, once the NAR was read.
create function @fn@.refers_to_more(p_cache int, p_same_nar boolean, p_refs bigint[], p_declared bigint[], p_object bigint) returns boolean
language sql stable as $$
  select p_same_nar and p_declared @> p_refs and cardinality(p_declared) > cardinality(p_refs) and @fn@.verify_policy(p_cache) <> 'off'
    and not exists (select from proof p join object o on o.id = p.object_id and o.verified
      where p.object_id = p_object and exists (
        select from store_path r where r.id = any(p_declared) and not r.hash = any(p.occurring) and (not p.partial or r.hash = any(p.absent))))
$$;

-- The next objects to be read: a turn for each publisher, urgent ones first.
create function @fn@.take_verifications(p_cache int, p_max int, p_lease interval)
returns table (object_id bigint, key text, nar_hash bytea, nar_size bigint, file_hash bytea, file_size bigint, hashes bytea[], addresses text[], wants_listing boolean, publisher text)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_ids bigint[];
begin
  -- What is not there any more is nothing to read.
  delete from verification v where v.cache_id = p_cache and v.object_id = any(array(
    select w.object_id from verification w left join object o on o.id = w.object_id
    where w.cache_id = p_cache and (o.id is null or o.state not in ('claimed', 'stored', 'live', 'condemned')) limit 1000));
  select array_agg(t.object_id) into v_ids from (
    select c.object_id from (
      select f.object_id, f.urgent, row_number() over (partition by f.publisher, f.urgent order by f.asked) as turn, f.asked
      from (select distinct w.publisher from verification w where w.cache_id = p_cache) g
      cross join lateral (
        select w.object_id, w.publisher, w.urgent, w.asked from verification w
        where w.cache_id = p_cache and w.publisher is not distinct from g.publisher and w.lease < clock_timestamp()
        order by w.urgent desc, w.asked limit p_max) f) c
    order by c.urgent desc, c.turn, c.asked limit p_max) t;
  return query
    with taken as (
      update verification v set lease = clock_timestamp() + p_lease
      where v.cache_id = p_cache and v.object_id = any(array(
        select w.object_id from verification w where w.cache_id = p_cache and w.object_id = any(v_ids) and w.lease < clock_timestamp() for update skip locked))
      returning v.object_id, v.hashes, v.addresses, v.urgent, v.asked)
    select o.id, o.key, o.nar_hash, o.nar_size, o.file_hash, o.file_size, t.hashes, t.addresses, o.state = 'stored', b.name
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

-- Many at once, with the locks of all of them first; each *_counts says how many of the array behind it are the item's.
create function @fn@.record_proofs(
  p_cache int, p_objects bigint[], p_file_hashes bytea[], p_file_sizes bigint[], p_etags text[], p_hash_counts int[], p_hashes bytea[], p_asked_counts int[], p_asked text[],
  p_occurring_counts int[], p_occurring bytea[], p_partial boolean[], p_true_counts int[], p_true text[], p_false_counts int[], p_false text[], p_listings bytea[]) returns void
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  h int := 0;
  a int := 0;
  o int := 0;
  t int := 0;
  f int := 0;
begin
  perform 1 from store_path s where s.id = any(array(select unnest(v.paths) from verification v where v.cache_id = p_cache and v.object_id = any(p_objects))) order by s.id for no key update;
  perform 1 from object x where x.id = any(p_objects) order by x.id for no key update;
  for i in 1 .. cardinality(p_objects) loop
    perform @fn@.record_proof(p_cache, p_objects[i], p_file_hashes[i], p_file_sizes[i], p_etags[i], p_hashes[h + 1 : h + p_hash_counts[i]], p_asked[a + 1 : a + p_asked_counts[i]],
      p_occurring[o + 1 : o + p_occurring_counts[i]], p_partial[i], p_true[t + 1 : t + p_true_counts[i]], p_false[f + 1 : f + p_false_counts[i]], p_listings[i]);
    h := h + p_hash_counts[i];
    a := a + p_asked_counts[i];
    o := o + p_occurring_counts[i];
    t := t + p_true_counts[i];
    f := f + p_false_counts[i];
  end loop;
end $$;

-- The bytes are the declared NAR, and this is what they say. What was asked for meanwhile, and was not looked for, is read again.
create function @fn@.record_proof(
  p_cache int, p_object bigint, p_file_hash bytea, p_file_size bigint, p_etag text, p_hashes bytea[], p_asked_addresses text[],
  p_occurring bytea[], p_partial boolean, p_addresses text[], p_false_addresses text[], p_listing bytea) returns void
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_paths bigint[];
  v_absent bytea[] := array(select h from unnest(p_hashes) h where not h = any(p_occurring));
  v_open text[] := array(select a from unnest(p_asked_addresses) a where not a = any(p_addresses || p_false_addresses));
begin
  select v.paths into v_paths from verification v where v.cache_id = p_cache and v.object_id = p_object;
  perform 1 from store_path s where s.id = any(v_paths) order by s.id for no key update;
  perform 1 from object o where o.id = p_object and o.cache_id = p_cache and o.state in ('stored', 'live', 'condemned') and o.trust_group is distinct from -2 for no key update;
  if found then
    update object o set verified = true, file_hash = p_file_hash, file_size = p_file_size where o.id = p_object and not (o.verified and o.file_hash = p_file_hash and o.file_size = p_file_size);
    insert into proof as p (object_id, etag, occurring, partial, absent, addresses, false_addresses, open_addresses, listing)
      values (p_object, p_etag, p_occurring, p_partial, v_absent, p_addresses, p_false_addresses, v_open, p_listing)
      on conflict (object_id) do update set at = clock_timestamp(), etag = excluded.etag,
        occurring = array(select unnest(p.occurring) union select unnest(excluded.occurring)), partial = excluded.partial,
        absent = array(select unnest(p.absent) union select unnest(excluded.absent)),
        addresses = array(select unnest(p.addresses) union select unnest(excluded.addresses)),
        false_addresses = array(select unnest(p.false_addresses) union select unnest(excluded.false_addresses)),
        open_addresses = array(select unnest(p.open_addresses) union select unnest(excluded.open_addresses)),
        listing = coalesce(excluded.listing, p.listing);
    update store_path s set verified = true where s.id = any(v_paths) and s.objects[1] = p_object and s.state in ('live', 'condemned') and not s.verified;
  end if;
  update verification v set lease = '-infinity', tries = 0, trouble = null
    where v.cache_id = p_cache and v.object_id = p_object and not (v.hashes <@ p_hashes and v.addresses <@ p_asked_addresses);
  if not found then
    delete from verification v where v.cache_id = p_cache and v.object_id = p_object;
  end if;
end $$;

-- The bytes are not the declared NAR. An upload that no path has is deleted, and whoever holds it finds it missing. Else nobody is to rely on it any more, and true: its paths are to
-- be withdrawn (rule 12), so that the next push brings them again. Until that has begun, what was asked stays: whoever reads it next goes on.
create function @fn@.refuse_object(p_cache int, p_object bigint, p_reason text) returns boolean
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_object object%rowtype;
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  select * into v_object from object o where o.id = p_object and o.cache_id = p_cache;
  perform 1 from push u where u.id = any(v_object.holders) order by u.id for no key update;
  select * into v_object from object o where o.id = p_object and o.cache_id = p_cache for no key update;
  if v_object.id is null or v_object.state not in ('live', 'condemned') then
    delete from verification v where v.cache_id = p_cache and v.object_id = p_object;
  end if;
  if v_object.id is null or v_object.state not in ('stored', 'live', 'condemned') then return false; end if;
  if v_object.trust_group = -2 then return v_object.state <> 'stored'; end if;
  perform @fn@.audit(p_cache, coalesce((select b.name from publisher b where b.id = v_object.publisher), 'legacy'), null, 'verify.refuse', v_object.key, null,
    jsonb_build_object('reason', p_reason));
  if v_object.state = 'stored' then
    update object o set state = 'deleting', exclusive = false, leads = false, holders = '{}', trust_group = -2, verified = false where o.id = p_object;
    perform @fn@.list_objects(p_cache, array[p_object], null, 'deleting');
    update push u set objects = array_remove(u.objects, p_object) where u.id = any(v_object.holders) and u.state = 'open';
    return false;
  end if;
  update object o set trust_group = -2, verified = false where o.id = p_object;
  delete from proof p where p.object_id = p_object;
  return true;
end $$;

-- What a push still waits for: how many of its NARs are to be read, how large they are, and how many bytes were asked for before them.
create function @fn@.verifications_left(p_cache int, p_push bigint, out nars int, out bytes bigint, out ahead bigint, out trouble text)
language sql stable as $$
  with own as materialized (
    select v.asked, v.trouble, o.file_size from push u cross join unnest(u.objects) i(id) join verification v on v.cache_id = p_cache and v.object_id = i.id join object o on o.id = v.object_id
    where u.id = p_push)
  select count(*)::int, coalesce(sum(w.file_size), 0)::bigint,
    (select coalesce(sum(o.file_size), 0)::bigint from verification v join object o on o.id = v.object_id where v.cache_id = p_cache and v.asked < (select max(x.asked) from own x)),
    max(w.trouble) from own w
$$;

-- The backlog of a cache.
create function @fn@.verification_backlog(p_cache int, out nars bigint, out bytes bigint, out oldest timestamptz)
language sql stable as $$
  select count(*), coalesce(sum(o.file_size), 0)::bigint, min(v.asked) from verification v join object o on o.id = v.object_id where v.cache_id = p_cache
$$;

-- The scrub: asks for the next live paths to be read, by their ids, and again from the first when all were. Rows from before there were publishers have the lowest ids.
-- What was read less than p_fresh ago is passed over. Asks for no more while so many of it wait. Answers how many bytes were asked for; null: somebody else's turn, or a round has just ended.
create function @fn@.scrub(p_cache int, p_max int, p_fresh interval, p_round interval, p_lease interval) returns bigint
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
    if v_cache.scrub_began + p_round > clock_timestamp() then return null; end if;
    update cache c set scrub_began = clock_timestamp() where c.id = p_cache;
  end if;
  if (select count(*) from (select from verification v where v.cache_id = p_cache and not v.urgent limit p_max) x) >= p_max then return 0; end if;
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

-- What is known of a path's bytes: 'verified' | 'unproven' (they are the declared NAR; of its references or its content address nothing is known, or nobody here can compute it) |
-- 'unverified' | 'legacy' (neither, and from before there were publishers).
create function @fn@.verification_of(p_path bigint) returns text
language sql stable as $$
  select case
    when not (s.verified or o.verified is true) then case when s.publisher is null then 'legacy' else 'unverified' end
    when s.refs = '{}' and s.ca is null
      or (s.ca is not null or p.object_id is not null and not exists (select from store_path r where r.id = any(s.refs) and not r.hash = any(p.occurring)))
        and (s.ca is null or @fn@.address_of(s.hash, s.ca) = any(p.addresses)) then 'verified'
    else 'unproven' end
  from store_path s left join object o on o.id = s.objects[1] left join proof p on p.object_id = o.id where s.id = p_path
$$;
