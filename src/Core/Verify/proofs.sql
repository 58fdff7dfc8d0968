-- What the bytes of objects say once a server has read them, and who is held to it. The queue of what is to be read is verification.sql.

-- A content address as it is asked about: it depends on the path, which may mention itself.
create function @fn@.address_of(p_hash bytea, p_ca text) returns text
language sql immutable as $$ select encode(p_hash, 'hex') || ' ' || p_ca $$;

-- What stands against publishing paths of a push with these objects, which are usable and locked.
-- unread: paths whose object has to be read first; it is asked for. untrue: paths that declare what the bytes deny: a reference, or a content address.
create function @fn@.check_proofs(p_push push, p_paths bigint[], p_objects bigint[], out unread bigint[], out unread_objects bigint[], out untrue bigint[])
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_policy text := @fn@.verify_policy(p_push.cache_id);
  v_added bigint[];
  v_unread bigint[];
  v_objects bigint[];
begin
  if v_policy = 'off' then return; end if;
  -- What a live path is to refer to from now on, on no higher rank: no noise may drag it along.
  v_added := array(
    select r from push_path d join store_path s on s.id = d.path_id cross join unnest(d.refs) r
    where d.push_id = p_push.id and d.path_id = any(p_paths) and s.state = 'live' and s.nar_hash = d.nar_hash and s.rank >= p_push.rank
    except select unnest(s.refs) from store_path s where s.id = any(p_paths) and s.state = 'live');
  with published as materialized (
      select d.path_id, s.hash, o.id as object_id, o.verified, d.ca, p.object_id is not null as has_proof, p.occurring, p.partial, p.absent, p.addresses, p.false_addresses, p.open_addresses,
        @fn@.declared_refs(p_push.cache_id, s.hash, d.digest, d.refs) as refs, v_policy = 'always' or s.state = 'live' and s.rank >= p_push.rank or d.path_id = any(v_added) as needed
      from push_path d join store_path s on s.id = d.path_id join object o on o.id = any(p_objects) and o.nar_hash = d.nar_hash
      left join proof p on p.object_id = o.id and o.verified
      where d.push_id = p_push.id and d.path_id = any(p_paths)),
    looked as materialized (
      select b.*, case when b.needed and b.has_proof and b.ca is null then array(select unnest(b.refs) except select unnest(b.occurring)) else '{}' end as missing,
        case when b.ca is not null then @fn@.address_of(b.hash, b.ca) end as address
      from published b),
    known as materialized (
      select l.*, l.missing <> '{}' and l.partial and exists (select unnest(l.missing) except select unnest(l.absent)) as is_open from looked l),
    judged as (
      select k.path_id, k.object_id,
        k.has_proof and (k.missing <> '{}' and not k.is_open or k.address = any(k.false_addresses)) as is_untrue,
        not k.has_proof and not (k.verified and k.refs = '{}' and k.ca is null)
          or k.has_proof and (k.is_open or k.address is not null and not k.address = any(k.addresses || k.false_addresses || k.open_addresses)) as is_unread
      from known k where k.needed)
    select array_agg(j.path_id) filter (where j.is_unread and not j.is_untrue), array_agg(j.object_id) filter (where j.is_unread and not j.is_untrue), array_agg(j.path_id) filter (where j.is_untrue)
      into unread, unread_objects, untrue from judged j;
  if v_added <> '{}' then
    select array_agg(s.id), array_agg(o.id) into v_unread, v_objects from store_path s join object o on o.id = s.objects[1]
      where s.id = any(v_added) and not s.id = any(p_paths) and s.state in ('live', 'condemned') and not o.verified;
    unread := nullif(coalesce(unread, '{}') || coalesce(v_unread, '{}'), '{}');
    unread_objects := nullif(coalesce(unread_objects, '{}') || coalesce(v_objects, '{}'), '{}');
  end if;
  if unread is not null and untrue is null then
    perform @fn@.ask_verification(p_push.cache_id, p_push.id, unread_objects, unread, true);
  end if;
end $$;

-- May the cache's keys sign a path anew? Where all is read first, a server has to have read its NAR, and the bytes must not deny what the path declares.
-- What an eviction takes is unread again, and keeps its proof: readers see it until it has gone.
create function @fn@.may_sign(p_cache int, p_path bigint) returns boolean
language sql stable as $$
  select @fn@.verify_policy(p_cache) <> 'always' or exists (
    select from store_path s cross join lateral (select @fn@.declared_refs(p_cache, s.hash, s.declared, s.refs) as refs) x left join object o on o.id = s.objects[1] left join proof p on p.object_id = o.id
    where s.id = p_path and (s.verified or o.verified) and (p.object_id is null and x.refs = '{}' and s.ca is null or p.object_id is not null and not case
      when s.ca is null then exists (select from unnest(x.refs) r(hash) where not r.hash = any(p.occurring) and (not p.partial or r.hash = any(p.absent)))
      else @fn@.address_of(s.hash, s.ca) = any(p.false_addresses) end))
$$;

-- Does a push refer to more than a live path with the same NAR does, whose rank is not higher, and may the NAR? Then the larger set is the true one, once the NAR was read.
-- With a content address the references are part of the path's own hash.
create function @fn@.refers_to_more(p_cache int, p_same_nar boolean, p_ca text, p_refs bigint[], p_declared bigint[], p_nar_hash bytea, p_nar_size bigint) returns boolean
language sql stable as $$
  select p_same_nar and p_ca is null and cardinality(p_declared) > cardinality(p_refs) and @fn@.verify_policy(p_cache) <> 'off'
    and not exists (select unnest(p_refs) except select unnest(p_declared))
    and not exists (
      select from object o join proof p on p.object_id = o.id
      where o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = p_nar_hash and o.nar_size = p_nar_size and o.verified and o.state in ('stored', 'live', 'condemned')
        and exists (
          select r.hash from store_path r where r.id = any(p_declared) except select unnest(p.occurring)
          except select h from unnest(case when p.partial then array(select r.hash from store_path r where r.id = any(p_declared) except select unnest(p.absent)) else '{}' end) h))
$$;

-- Many at once, with the locks of all of them first; each *_counts says how many of the array behind it are the item's.
create function @fn@.record_proofs(
  p_cache int, p_objects bigint[], p_generations bigint[], p_file_hashes bytea[], p_hash_counts int[], p_hashes bytea[], p_asked_counts int[], p_asked text[],
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
    perform @fn@.record_proof(p_cache, p_objects[i], p_generations[i], p_file_hashes[i], p_hashes[h + 1 : h + p_hash_counts[i]], p_asked[a + 1 : a + p_asked_counts[i]],
      p_occurring[o + 1 : o + p_occurring_counts[i]], p_partial[i], p_true[t + 1 : t + p_true_counts[i]], p_false[f + 1 : f + p_false_counts[i]], p_listings[i]);
    h := h + p_hash_counts[i];
    a := a + p_asked_counts[i];
    o := o + p_occurring_counts[i];
    t := t + p_true_counts[i];
    f := f + p_false_counts[i];
  end loop;
end $$;

-- The bytes are the declared NAR, and this is what they say. What was asked for meanwhile, and was not looked for, is read again. Of another generation the object has been deleted since:
-- its key may have got other bytes.
create function @fn@.record_proof(
  p_cache int, p_object bigint, p_generation bigint, p_file_hash bytea, p_hashes bytea[], p_asked_addresses text[],
  p_occurring bytea[], p_partial boolean, p_addresses text[], p_false_addresses text[], p_listing bytea) returns void
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_paths bigint[];
  v_absent bytea[] := array(select unnest(p_hashes) except select unnest(p_occurring));
  v_open text[] := array(select unnest(p_asked_addresses) except select unnest(p_addresses || p_false_addresses));
begin
  select v.paths into v_paths from verification v where v.cache_id = p_cache and v.object_id = p_object;
  perform 1 from store_path s where s.id = any(v_paths) order by s.id for no key update;
  perform 1 from object o where o.id = p_object and o.cache_id = p_cache and o.generation = p_generation and o.state in ('stored', 'live', 'condemned') and o.trust_group is distinct from -2
    for no key update;
  if found then
    -- The narinfo of what is published says what its client has computed of the file, or nothing; no reader relies on that.
    update object o set verified = true, file_hash = case when o.state = 'stored' then p_file_hash else o.file_hash end where o.id = p_object;
    insert into proof as p (object_id, occurring, partial, absent, addresses, false_addresses, open_addresses, listing)
      values (p_object, p_occurring, p_partial, v_absent, p_addresses, p_false_addresses, v_open, p_listing)
      on conflict (object_id) do update set at = clock_timestamp(),
        occurring = case when cardinality(p.occurring) < 30000 then array(select unnest(p.occurring) union select unnest(excluded.occurring)) else excluded.occurring end, partial = excluded.partial,
        absent = case when cardinality(p.absent) < 20000 then array(select unnest(p.absent) union select unnest(excluded.absent)) else excluded.absent end,
        addresses = case when cardinality(p.addresses) < 1000 then array(select unnest(p.addresses) union select unnest(excluded.addresses)) else excluded.addresses end,
        false_addresses = case when cardinality(p.false_addresses) < 1000 then array(select unnest(p.false_addresses) union select unnest(excluded.false_addresses)) else excluded.false_addresses end,
        open_addresses = case when cardinality(p.open_addresses) < 1000 then array(select unnest(p.open_addresses) union select unnest(excluded.open_addresses)) else excluded.open_addresses end,
        listing = coalesce(excluded.listing, p.listing);
    update store_path s set verified = true where s.id = any(v_paths) and s.objects[1] = p_object and s.state in ('live', 'condemned') and not s.verified;
  else
    -- What was asked of its next life stays, and what is still to be withdrawn.
    delete from verification v where v.cache_id = p_cache and v.object_id = p_object
      and not exists (select from object o where o.id = p_object and o.state in ('stored', 'live', 'condemned'));
    return;
  end if;
  update verification v set lease = '-infinity', tries = 0, trouble = null
    where v.cache_id = p_cache and v.object_id = p_object and (
      exists (select unnest(v.hashes) except select unnest(p_hashes)) or exists (select unnest(v.addresses) except select unnest(p_asked_addresses)));
  if not found then
    delete from verification v where v.cache_id = p_cache and v.object_id = p_object;
  end if;
end $$;

-- The bytes are not the declared NAR. An upload that no path has is deleted, and whoever holds it finds it missing. Else nobody is to rely on it any more, and true: its paths are to
-- be withdrawn (rule 12), so that the next push brings them again. Until that has begun, what was asked stays: whoever reads it next goes on.
create function @fn@.refuse_object(p_cache int, p_object bigint, p_generation bigint, p_reason text) returns boolean
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_object object%rowtype;
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  select * into v_object from object o where o.id = p_object and o.cache_id = p_cache;
  perform 1 from push u where u.id = any(v_object.holders) order by u.id for no key update;
  select * into v_object from object o where o.id = p_object and o.cache_id = p_cache for no key update;
  if v_object.generation <> p_generation then return false; end if;
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

-- What is known of a path's bytes: 'verified' | 'unproven' (they are the declared NAR; of its references or its content address nothing is known, or nobody here can compute it) |
-- 'unverified' | 'legacy' (neither, and from before there were publishers).
create function @fn@.verification_of(p_path bigint) returns text
language sql stable as $$
  select case
    when not (s.verified or o.verified is true) then case when s.publisher is null then 'legacy' else 'unverified' end
    when x.refs = '{}' and s.ca is null
      or (s.ca is not null or p.object_id is not null and x.refs <@ p.occurring)
        and (s.ca is null or @fn@.address_of(s.hash, s.ca) = any(p.addresses)) then 'verified'
    else 'unproven' end
  from store_path s cross join lateral (select @fn@.declared_refs(s.cache_id, s.hash, s.declared, s.refs) as refs) x left join object o on o.id = s.objects[1] left join proof p on p.object_id = o.id where s.id = p_path
$$;
