-- NARs that stock Nix puts under the name of their file's hash.

-- Rule 2 for one of them: the row with its key comes before the bytes. The NAR hash may not be known yet. Nobody waits for such a claim: it is not exclusive.
create function @fn@.nix_claim(
  p_cache int, p_holder text, p_group text, p_rank int, p_name text, p_key text, p_nar_hash bytea, p_nar_size bigint, p_life interval, p_url_life interval,
  p_quotas bigint[] default null, out push_id bigint, out object_id bigint, out key text, out exceeded text)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_ending text := substr(p_name, 53);
  v_publisher int;
  v_group int;
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  -- Claimed before, by a statement whose answer was lost: nobody else has this key.
  select o.id, o.key, o.claimed_by into object_id, key, push_id from object o where o.cache_id = p_cache and o.key = p_key and o.state = 'claimed';
  if found then return; end if;
  select h.chosen[1] into push_id from @fn@.nix_holds(p_cache, array[p_holder], array[p_group], array[p_rank], true, p_life) h;
  select b.id, b.trust_group into v_publisher, v_group from @fn@.publisher(p_cache, p_holder, p_group, p_rank) b;
  if p_quotas is not null then
    exceeded := @fn@.quota_exceeded(p_cache, v_publisher, v_group, p_quotas, 0, coalesce(p_nar_size, 1), 0);
    if exceeded is not null then return; end if;
  end if;
  -- What returns gets its former key, so that readers with an old narinfo find it: the same file, or another of the same NAR that is compressed alike.
  select o.id into object_id from object o
    where o.cache_id = p_cache and o.state = 'gone' and o.fence is null and substr(o.key, 57) = v_ending
      and o.id = any(array(
        select a.object_id from nar_alias a where a.cache_id = p_cache and a.name = p_name
        union all select x.id from object x where x.cache_id = p_cache and x.kind = 'nar' and x.nar_hash = p_nar_hash))
    order by o.id limit 1 for no key update;
  if found then
    update object o set state = 'claimed', exclusive = false, leads = false, publisher = v_publisher, trust_group = v_group, verified = false, claimed_by = push_id, claimed_at = clock_timestamp(), holders = array[push_id],
        url_expires = clock_timestamp() + p_url_life, multipart_id = null, file_hash = null, file_size = null, recorded = false
      where o.id = object_id and o.state = 'gone' returning o.key into key;
  else
    insert into object (cache_id, key, kind, state, nar_hash, nar_size, holders, claimed_by, claimed_at, url_expires, publisher, trust_group)
      values (p_cache, p_key, 'nar', 'claimed', p_nar_hash, p_nar_size, array[push_id], push_id, clock_timestamp(), clock_timestamp() + p_url_life, v_publisher, v_group)
      returning id, object.key into object_id, key;
  end if;
  update push u set objects = u.objects || nix_claim.object_id where u.id = push_id and not nix_claim.object_id = any(u.objects);
end $$;

-- Rule 3: the bytes are in the store and were hashed on their way; p_occurring: null where no commit asks what stands in them. False: the claim has ended. The same file may have come over another connection: the first one is it, where who sent it may know of that one (p_told: see is_told).
create function @fn@.nix_stored(
  p_cache int, p_push bigint, p_object bigint, p_name text, p_file_hash bytea, p_file_size bigint, p_nar_hash bytea, p_nar_size bigint, p_occurring bytea[], p_partial boolean, p_told text default null) returns boolean
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_first bigint;
begin
  perform 1 from push u where u.id = p_push and u.cache_id = p_cache and u.state = 'open' for no key update;
  if not found then return false; end if;
  select a.object_id into v_first from nar_alias a where a.cache_id = p_cache and a.name = p_name and a.object_id <> p_object;
  perform 1 from object o where o.id in (p_object, v_first) order by o.id for no key update;
  -- Recorded before, by a statement whose answer was lost.
  perform 1 from object o where o.id = p_object and o.state in ('stored', 'live', 'condemned') and o.file_hash = p_file_hash;
  if found then return true; end if;
  perform 1 from object o where o.id = p_object and o.state = 'claimed' and o.claimed_by = p_push;
  if not found then return false; end if;

  update object o set holders = case when p_push = any(o.holders) then o.holders else array_append(o.holders, p_push) end
    where o.id = v_first and o.state = 'stored' and o.file_hash = p_file_hash and o.verified and @fn@.is_told(p_cache, p_told, o.trust_group);
  if found then
    update push u set objects = u.objects || v_first where u.id = p_push and not v_first = any(u.objects);
    perform @fn@.nix_drop(p_cache, p_push, p_object);
    return true;
  end if;

  update object o set state = 'stored', exclusive = false, leads = false, verified = true, nar_hash = p_nar_hash, nar_size = p_nar_size, file_hash = p_file_hash, file_size = p_file_size, recorded = true
    where o.id = p_object;
  if p_occurring is not null then
    insert into proof (object_id, occurring, partial) values (p_object, p_occurring, p_partial) on conflict (object_id) do nothing;
  end if;
  insert into nar_alias (cache_id, name, file_hash, object_id) values (p_cache, p_name, p_file_hash, p_object)
    on conflict (cache_id, name) do update set file_hash = excluded.file_hash, object_id = excluded.object_id;
  return true;
end $$;

-- An upload that came to nothing.
create function @fn@.nix_drop(p_cache int, p_push bigint, p_object bigint) returns void
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
begin
  perform 1 from push u where u.id = p_push and u.cache_id = p_cache for no key update;
  perform 1 from object o where o.id = p_object for no key update;
  update object o set state = 'deleting', holders = '{}', exclusive = false, leads = false where o.id = p_object and o.cache_id = p_cache and o.state = 'claimed' and o.claimed_by = p_push;
  if not found then return; end if;
  perform @fn@.list_objects(p_cache, array[p_object], null, 'deleting');
  update push u set objects = array_remove(u.objects, p_object) where u.id = p_push;
end $$;
