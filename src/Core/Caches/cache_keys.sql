-- Keys of a cache. Signing anew goes through the lists that a changed name uses (renames.sql): a path without a wanted signature is unsigned, and is written again under a fence once
-- it may be signed. Both signatures stay: resign replaces those of the keys that sign now, and no other.

-- 'done' | 'exists' | 'unknown' (no such cache)
create function @fn@.add_key(p_cache int, p_name text, p_public_key text, p_secret text, p_replaces boolean, p_publisher text, p_address text) returns text
language plpgsql as $$
begin
  perform 1 from cache c where c.id = p_cache and c.deleting is null for no key update;
  if not found then return 'unknown'; end if;
  if exists (select from cache_key k where k.cache_id = p_cache and k.name = p_name) then return 'exists'; end if;
  -- One at a time replaces the others: the newest.
  if p_replaces then
    update cache_key k set replaces = false where k.cache_id = p_cache;
  end if;
  insert into cache_key (cache_id, name, public_key, secret, state, signing, replaces) values (p_cache, p_name, p_public_key, p_secret, 'active', true, p_replaces);
  update cache c set version = c.version + 1 where c.id = p_cache;
  perform @fn@.audit(p_cache, p_publisher, p_address, 'key.add', 'key:' || p_name, null, jsonb_build_object('publicKey', p_public_key, 'replaces', nullif(p_replaces, false)));
  return 'done';
end $$;

-- The state of a key. Of one in a file of the servers the row is made here. 'done' | 'unknown' | 'last' (nothing would sign any more) | 'unsigned' (no other key has signed what is there; p_force: so be it)
create function @fn@.set_key(p_cache int, p_name text, p_public_key text, p_state text, p_others int, p_force boolean, p_publisher text, p_address text) returns text
language plpgsql as $$
declare
  v_former text;
begin
  perform 1 from cache c where c.id = p_cache and c.deleting is null for no key update;
  if not found then return 'unknown'; end if;
  select k.state into v_former from cache_key k where k.cache_id = p_cache and k.name = p_name;
  if v_former = p_state then return 'done'; end if;
  -- p_others: keys in files of the servers that sign, but for this one.
  if p_state <> 'active' and p_others = 0 and not exists (select from cache_key k where k.cache_id = p_cache and k.name <> p_name and k.state = 'active' and k.secret is not null) then
    return 'last';
  end if;
  -- A key that is signing has not signed all yet.
  if p_state <> 'active' and not p_force and coalesce(v_former, 'active') = 'active' and p_others = 0
    and not exists (select from cache_key k where k.cache_id = p_cache and k.name <> p_name and k.state = 'active' and k.secret is not null and not k.signing) then
    return 'unsigned';
  end if;
  insert into cache_key as k (cache_id, name, public_key, state, signing, signed_through) values (p_cache, p_name, p_public_key, p_state, p_state = 'active', 0)
    on conflict (cache_id, name) do update set state = excluded.state, signing = excluded.signing, signed_through = 0, found = 0, swept = false, created = case
      when k.state <> 'active' and excluded.state = 'active' then clock_timestamp() else k.created end, replaces = k.replaces and excluded.state = 'active';
  update cache c set version = c.version + 1 where c.id = p_cache;
  perform @fn@.audit(p_cache, p_publisher, p_address, 'key.' || p_state, 'key:' || p_name, null, jsonb_build_object('formerly', v_former));
  return 'done';
end $$;

-- Looks at the next paths by id for those that a signing key has not signed, and has them written anew. The first round takes all paths, as a signature that bears the key's name may be
-- anybody's who guessed it; it begins when every server signs with the key (p_settle). A round is over at the last path. When a later one has met none, all is signed: the key is done,
-- and those before it, if it replaces them (p_others: in files of the servers), become verifying.
-- A push has its paths' signatures from its beginning, so no later round begins before the pushes from before the key have ended: what they publish, a round that begins afterwards meets.
-- A hold of stock Nix publishes nothing itself; each narinfo that is put is a push of its own.
-- 'none' (no key is signing) | 'busy' (so many wait to be written that no more are looked for) | 'more' | 'round' (a round is over, or none may begin yet) | 'done'
create function @fn@.sign_anew(p_cache int, p_limit int, p_window bigint, p_settle interval, p_others text[], p_other_publics text[]) returns text
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_key cache_key%rowtype;
  v_last bigint;
  v_ids bigint[];
  v_through bigint;
  v_unread bigint[];
  v_settled timestamptz;
begin
  select * into v_key from cache_key k where k.cache_id = p_cache and k.signing and k.state = 'active' order by k.id limit 1 for no key update skip locked;
  if not found then return 'none'; end if;
  v_settled := v_key.created + p_settle;
  if clock_timestamp() < v_settled then return 'round'; end if;
  if v_key.swept and v_key.signed_through = 0 then
    if @fn@.has_pushes_before(p_cache, v_settled) then return 'round'; end if;
    -- The lock, then a new statement: when it is granted, the begins in flight have ended, and their pushes show.
    perform pg_advisory_xact_lock(20291, p_cache);
    if @fn@.has_pushes_before(p_cache, v_settled) then return 'round'; end if;
  end if;
  if (select count(*) from (select from unsigned_path u join store_path s on s.id = u.path_id
      where u.cache_id = p_cache and s.state = 'live' and @fn@.may_sign(p_cache, s.id) limit p_limit) x) >= p_limit then return 'busy'; end if;
  select coalesce(max(s.id), 0) into v_last from store_path s;
  v_through := least(v_key.signed_through + p_window, v_last);
  v_ids := array(
    select s.id from store_path s
    where s.cache_id = p_cache and s.id > v_key.signed_through and s.id <= v_through and s.state in ('live', 'condemned', 'publishing')
      and not (v_key.swept and exists (select from unnest(s.signatures) x where split_part(x, ':', 1) = v_key.name)) order by s.id limit p_limit);
  if cardinality(v_ids) = p_limit then
    v_through := v_ids[p_limit];
  end if;
  if v_ids <> '{}' then
    insert into unsigned_path (cache_id, path_id) select p_cache, i from unnest(v_ids) i order by i on conflict do nothing;
    -- What has to be read before it is signed is read next.
    v_unread := array(select s.id from store_path s join object o on o.id = s.objects[1]
      where s.id = any(v_ids) and s.state = 'live' and not @fn@.may_sign(p_cache, s.id) and not (o.verified and exists (select from proof p where p.object_id = o.id)));
    if v_unread <> '{}' then
      perform @fn@.ask_verification(p_cache, null, array_agg(o.id), array_agg(s.id), false) from store_path s join object o on o.id = s.objects[1] where s.id = any(v_unread);
      v_ids := array(select i from unnest(v_ids) i where i <> all(v_unread));
    end if;
    -- What its bytes deny, and nothing signs, holds nobody up.
    v_ids := array(select s.id from store_path s where s.id = any(v_ids) and (s.state = 'publishing' or s.state = 'live' and @fn@.may_sign(p_cache, s.id)));
  end if;
  update cache_key k set signed_through = v_through, found = k.found + cardinality(v_ids) + cardinality(coalesce(v_unread, '{}')) where k.id = v_key.id;
  if v_through < v_last then return 'more'; end if;
  if not v_key.swept or v_key.found + cardinality(v_ids) + cardinality(coalesce(v_unread, '{}')) > 0 then
    update cache_key k set signed_through = 0, found = 0, swept = true where k.id = v_key.id;
    return 'round';
  end if;
  perform 1 from cache c where c.id = p_cache for no key update;
  update cache_key k set signing = false, replaces = false where k.id = v_key.id;
  if v_key.replaces then
    update cache_key k set state = 'verifying', signing = false where k.cache_id = p_cache and (k.created, k.id) < (v_key.created, v_key.id) and k.state = 'active';
    insert into cache_key (cache_id, name, public_key, state) select p_cache, f.name, f.public_key, 'verifying' from unnest(p_others, p_other_publics) f(name, public_key)
      where f.name <> v_key.name on conflict (cache_id, name) do nothing;
  end if;
  update cache c set version = c.version + 1 where c.id = p_cache;
  perform @fn@.audit(p_cache, null, null, 'key.signed', 'key:' || v_key.name, null, jsonb_build_object('replaces', nullif(v_key.replaces, false)));
  return 'done';
end $$;

-- Has a client's push from before this moment not ended?
create function @fn@.has_pushes_before(p_cache int, p_moment timestamptz) returns boolean
language sql volatile set enable_seqscan = off as $$
  select exists (select from push u where u.cache_id = p_cache and u.state in ('open', 'committing') and u.created < p_moment and u.holder is null)
$$;

-- How much of a signing key's round is over.
create function @fn@.signing_progress(p_cache int) returns table (name text, progress double precision)
language sql stable as $$
  select k.name, least(1, k.signed_through / greatest(1, (select max(s.id) from store_path s))::double precision) from cache_key k where k.cache_id = p_cache and k.signing
$$;
