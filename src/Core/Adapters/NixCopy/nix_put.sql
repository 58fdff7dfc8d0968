-- A narinfo that stock Nix puts: rule 4 with a walk of its references. A push of this one path is opened and committed in the same transaction.
-- outcome: 'publishing' (push_id is to be published) | 'present' (live, with this content; its signatures, and whether its trust group is the caller's) | 'conflict' (live, with another content, or this one that another group published and no server has read: it stays, as its rank is not lower) |
-- 'busy' (paths: try again) | 'references' (paths: hashes of those that are not in the cache) | 'nar' (no such NAR; nar_hash and nar_size: what the file of that name holds, if it is there) |
-- 'untrue' (the NAR denies what the narinfo says of references or content address) | 'unread' (a server has to read the NAR first, which is asked for: try again) |
-- 'withdrawn' (a bar refuses this content) | 'name' (a path of this hash, or of a reference's, is there under another name, on the word of an equal or higher rank) | 'renamed' (it is there, and its narinfo is to be written anew: so do, and ask again) | 'due' (the traffic moves the holds on, every ten minutes: nix_promise first) | what quota_exceeded says
-- p_told: what is_told takes.
create function @fn@.nix_put(
  p_cache int, p_holder text, p_group text, p_rank int, p_hash bytea, p_name text, p_refs bytea[], p_nar_hash bytea, p_nar_size bigint, p_file text, p_file_hash bytea, p_file_size bigint,
  p_deriver text, p_deriver_hash bytea, p_ca text, p_signatures text, p_digest bytea, p_life interval, p_lease interval, p_address text default null, p_quotas bigint[] default null, p_ref_names text[] default null, p_told text default null,
  out outcome text, out push_id bigint, out path_id bigint, out paths bytea[], out nar_hash bytea, out nar_size bigint, out signatures text[], out is_own boolean)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_hold bigint;
  v_due bigint[];
  v_publisher int;
  v_group int;
  v_legacy int;
  v_refs bigint[];
  v_ref_ids bigint[];
  v_verdict text;
  v_unpromised bigint[];
  v_nar bigint;
  v_row store_path%rowtype;
  v_about bytea[];
  v_keys text[];
  v_untrue bigint[];
  v_unread bigint[];
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  select h.chosen[1], h.due into v_hold, v_due from @fn@.nix_holds(p_cache, array[p_holder], array[p_group], array[p_rank], true, p_life) h;
  -- A transaction of its own: it locks all that the hold names, objects too, before this path.
  if v_due <> '{}' then outcome := 'due'; return; end if;
  select b.id, b.trust_group into v_publisher, v_group from @fn@.publisher(p_cache, p_holder, p_group, p_rank) b;
  v_legacy := @fn@.legacy_group(p_cache, v_group);
  -- As in open_push: the commit sets its name.
  insert into store_path (cache_id, hash, name)
    select p_cache, p_hash, '' where not exists (select from store_path s where s.cache_id = p_cache and s.hash = p_hash) on conflict do nothing;
  select s.id into nix_put.path_id from store_path s where s.cache_id = p_cache and s.hash = p_hash;

  -- What came before its path and belongs to it.
  v_about := array[p_hash, p_deriver_hash, p_file_hash];
  v_keys := array(select distinct w.key from push u join nix_pending w on w.push_id = u.id
    where u.cache_id = p_cache and u.holder = p_holder and u.state = 'open' and w.about = any(v_about) and w.kind <> 'listing');
  v_refs := array(select s.id from store_path s where s.cache_id = p_cache and s.hash = any(p_refs) and s.hash <> p_hash);
  select t.unpromised into v_unpromised from @fn@.touch(p_cache, nix_put.path_id || v_refs, array[nix_put.path_id], array(
    select o.id from object o where o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = p_nar_hash and o.state in ('stored', 'live', 'condemned') and @fn@.usable(o.verified, o.trust_group, v_legacy, v_group)
    union select o.id from object o where o.cache_id = p_cache and o.key = any(v_keys))) t;

  if @fn@.is_barred(p_cache, nix_put.path_id, p_nar_hash) then outcome := 'withdrawn'; return; end if;
  -- What others have put is neither told nor used: it brings the NAR itself, and has itself put the references.
  if p_told is not null then
    if not exists (select from object o where o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = p_nar_hash and o.nar_size = p_nar_size and o.file_hash = p_file_hash
      and o.state in ('stored', 'live', 'condemned') and @fn@.is_told(p_cache, p_told, o.trust_group)) then outcome := 'nar'; return; end if;
    v_unpromised := v_unpromised || array(select s.id from store_path s where s.id = any(v_refs) and not @fn@.is_told(p_cache, p_told, s.trust_group)
      and not exists (select from push u where u.cache_id = p_cache and u.holder = p_holder and u.state = 'open' and s.id = any(u.paths)));
  end if;

  -- It is there already.
  select * into v_row from store_path s where s.id = nix_put.path_id;
  v_ref_ids := array(select i from unnest(v_refs || case when p_hash = any(p_refs) then array[v_row.id] else '{}' end) i order by i);
  if not v_row.id = any(v_unpromised) then
    v_verdict := @fn@.verdict(
      v_row.name = p_name and v_row.nar_hash = p_nar_hash and v_row.nar_size = p_nar_size and (v_row.refs = v_ref_ids or coalesce(v_row.declared = p_digest, false)) and v_row.ca is not distinct from p_ca,
      @fn@.usable(v_row.verified, v_row.trust_group, v_legacy, v_group), v_row.name <> p_name, v_row.rank < p_rank, @fn@.is_read(p_cache, p_nar_hash, p_nar_size), coalesce(v_row.trust_group, v_legacy) = v_group,
      @fn@.refers_to_more(p_cache, v_row.name = p_name and v_row.nar_hash = p_nar_hash and v_row.nar_size = p_nar_size and v_row.ca is not distinct from p_ca, v_row.ca, v_row.refs, v_ref_ids, p_nar_hash, p_nar_size)
        and v_row.rank <= p_rank);
    if v_verdict <> 'supersede' then
      if v_verdict = 'misnamed' then outcome := 'name'; return; end if;
      if @fn@.mark_misprinted(p_cache, array[v_row.id]) <> '{}' or v_row.unwritten and exists (select from renamed_path r where r.cache_id = p_cache and r.path_id = any(v_row.refs)) then
        outcome := 'renamed';
        return;
      end if;
      if @fn@.unwritten_paths(p_cache, array[v_row.id]) <> '{}' then outcome := 'busy'; paths := array[p_hash]; return; end if;
      -- Its rank vouches for it from now on, as a commit's does.
      if v_verdict = 'same' then
        update store_path s set rank = p_rank where s.id = v_row.id and s.rank < p_rank;
      end if;
      update push u set paths = u.paths || v_row.id where u.id = v_hold and not v_row.id = any(u.paths);
      insert into root (cache_id, path_id, pushed, publisher, shared) values (p_cache, v_row.id, clock_timestamp(), v_publisher, false)
        on conflict (cache_id, path_id) do update set pushed = excluded.pushed, shared = root.shared or root.publisher is distinct from excluded.publisher;
      outcome := case v_verdict when 'same' then 'present' else 'conflict' end;
      nar_hash := v_row.nar_hash;
      signatures := v_row.signatures;
      is_own := coalesce(v_row.trust_group, v_group) = v_group;
      return;
    end if;
  end if;

  -- Its references. One that is being published or deleted just now is waited for.
  paths := array(select s.hash from store_path s where s.id = any(v_unpromised) and s.state in ('publishing', 'deleting'));
  if paths <> '{}' then outcome := 'busy'; return; end if;
  paths := array(select r from unnest(p_refs) r where r <> p_hash and not exists (
    select from store_path s where s.cache_id = p_cache and s.hash = r and s.id = any(v_refs) and not s.id = any(v_unpromised)));
  if paths <> '{}' then outcome := 'references'; return; end if;
  -- What is signed is what is published.
  if exists (select from unnest(p_refs, p_ref_names) r(hash, name) join store_path s on s.cache_id = p_cache and s.hash = r.hash where r.hash <> p_hash and s.name <> r.name) then
    outcome := 'name';
    return;
  end if;
  if v_row.state <> 'gone' and v_verdict is null then outcome := 'busy'; paths := array[p_hash]; return; end if;

  -- Its NAR, by what both of its hashes say: any object of that name's file will do.
  select o.id into v_nar from object o
    where o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = p_nar_hash and o.nar_size = p_nar_size and o.file_hash = p_file_hash and o.file_size = coalesce(p_file_size, o.file_size)
      and o.state in ('stored', 'live', 'condemned') and @fn@.usable(o.verified, o.trust_group, v_legacy, v_group)
    order by o.verified desc, o.id limit 1 for no key update;
  if not found then
    outcome := 'nar';
    select o.nar_hash, o.nar_size into nix_put.nar_hash, nix_put.nar_size from nar_alias a join object o on o.id = a.object_id
      where a.cache_id = p_cache and a.name = p_file and o.file_hash = a.file_hash and o.state in ('stored', 'live', 'condemned');
    return;
  end if;

  if p_quotas is not null then
    outcome := @fn@.quota_exceeded(p_cache, v_publisher, v_group, p_quotas, 0, 0, @fn@.new_roots(p_cache, array[v_row.id]));
    if outcome is not null then return; end if;
  end if;
  insert into push (cache_id, operation, digest, expires, paths, objects, roots, publisher, trust_group, rank)
    values (p_cache, 'nix-put:' || gen_random_uuid(), '', clock_timestamp() + p_life, v_refs, array[v_nar], array[v_row.id], v_publisher, v_group, p_rank) returning id into nix_put.push_id;
  update object o set holders = array_append(o.holders, nix_put.push_id) where o.id = v_nar and o.state = 'stored';
  insert into push_path (push_id, path_id, name, digest, supersedes, nar_hash, nar_size, refs, deriver, ca, signatures, listing)
    values (nix_put.push_id, v_row.id, p_name, p_digest, v_verdict is not null, p_nar_hash, p_nar_size, v_ref_ids, p_deriver, p_ca, string_to_array(p_signatures, ' '),
      (select w.content from push u join nix_pending w on w.push_id = u.id
        where u.cache_id = p_cache and u.holder = p_holder and u.state = 'open' and w.kind = 'listing' and w.about = p_hash order by u.id desc limit 1));
  select c.untrue, c.unread into v_untrue, v_unread from push u cross join lateral @fn@.check_proofs(u, array[v_row.id],
    @fn@.chosen_objects(u, v_legacy, array[v_row.id], null)) c where u.id = nix_put.push_id;
  if v_untrue is not null or v_unread is not null then
    perform @fn@.release_push(p_cache, nix_put.push_id);
    delete from push u where u.id = nix_put.push_id;
    nix_put.push_id := null;
    outcome := case when v_untrue is not null then 'untrue' else 'unread' end;
    return;
  end if;
  perform @fn@.nix_bring(p_cache, p_holder, nix_put.push_id, p_hash, p_nar_hash, p_file, v_keys, v_about);
  update push u set paths = u.paths || v_row.id where u.id = v_hold;

  select c.outcome into outcome from @fn@.commit_push(p_cache, nix_put.push_id, p_lease, p_holder, p_address) c;
  if outcome <> 'publishing' then
    raise exception 'a path that could be published is %', outcome using errcode = '40001';
  end if;
end $$;

-- What waits in the holds of a credential becomes part of the push that publishes its path. Debug info names the NAR's file as the client calls it: readers of the bucket get the key.
create function @fn@.nix_bring(p_cache int, p_holder text, p_push bigint, p_hash bytea, p_nar_hash bytea, p_file text, p_keys text[], p_about bytea[]) returns void
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_key text;
  v_kinds text[];
  v_keys text[];
  v_contents bytea[];
begin
  -- As the commit will choose it.
  select o.key into v_key from push u join object o on o.id = any(@fn@.chosen_objects(u, @fn@.legacy_group(p_cache, u.trust_group), array(select d.path_id from push_path d where d.push_id = p_push), null))
    where u.id = p_push;
  select array_agg(x.key), array_agg(case x.kind when 'log' then 'log' else 'realisation' end),
      array_agg(case x.kind when 'debuginfo' then convert_to(replace(convert_from(x.content, 'UTF8'), 'nar/' || p_file, v_key), 'UTF8') else x.content end)
    into v_keys, v_kinds, v_contents
    from (select distinct on (w.key) w.key, w.kind, w.content from push u join nix_pending w on w.push_id = u.id
      where u.cache_id = p_cache and u.holder = p_holder and u.state = 'open' and w.key = any(p_keys) and w.about = any(p_about) order by w.key, u.id desc) x;
  if v_keys is not null then
    perform @fn@.report_uploads(p_cache, p_push, '{}', '{}', '{}', '{}', '{}', '{}', '{}', v_keys, v_kinds, v_contents, array_fill(p_hash, array[cardinality(v_keys)]), false);
  end if;
  delete from nix_pending w using push u where u.id = w.push_id and u.cache_id = p_cache and u.holder = p_holder and u.state = 'open' and w.about = any(p_about);
end $$;

-- A log or realisation of paths that are there: they carry it from now on. What belongs to none that is there waits for one.
-- outcome: 'publishing' (push_id is to be published) | 'attached' | 'waiting' | 'busy' (the key is being deleted: try again)
create function @fn@.nix_attach(
  p_cache int, p_holder text, p_group text, p_rank int, p_key text, p_kind text, p_about bytea, p_deriver text, p_content bytea, p_life interval, p_lease interval,
  p_address text default null, out outcome text, out push_id bigint)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_hold bigint;
  v_publisher int;
  v_group int;
  v_paths bigint[];
  v_unpromised bigint[];
  v_hashes bytea[];
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  select h.chosen[1] into v_hold from @fn@.nix_holds(p_cache, array[p_holder], array[p_group], array[p_rank], true, p_life) h;
  select b.id, b.trust_group into v_publisher, v_group from @fn@.publisher(p_cache, p_holder, p_group, p_rank) b;
  v_paths := case p_kind
    when 'realisation' then array(select s.id from store_path s where s.cache_id = p_cache and s.hash = p_about)
    -- Outputs of the derivation, among what this credential was promised lately.
    when 'log' then array(select s.id from push u cross join unnest(u.paths) i join store_path s on s.id = i
      where u.cache_id = p_cache and u.holder = p_holder and u.state = 'open' and s.deriver = p_deriver)
    else '{}' end;
  -- The commit below locks the paths in whatever state: here, before any object.
  select t.unpromised into v_unpromised from @fn@.touch(p_cache, v_paths, v_paths, array(select o.id from object o where o.cache_id = p_cache and o.key = p_key)) t;
  v_paths := array(select distinct i from unnest(v_paths) i where not i = any(v_unpromised));
  if v_paths = '{}' then
    insert into nix_pending (push_id, key, kind, about, content) values (v_hold, p_key, p_kind, p_about, p_content)
      on conflict (push_id, key) do update set kind = excluded.kind, about = excluded.about, content = excluded.content;
    outcome := 'waiting';
    return;
  end if;
  if exists (select from object o where o.cache_id = p_cache and o.key = p_key and (o.state = 'deleting' or o.state = 'gone' and o.fence is not null)) then
    outcome := 'busy';
    return;
  end if;

  insert into push (cache_id, operation, digest, expires, paths, roots, publisher, trust_group, rank)
    values (p_cache, 'nix-put:' || gen_random_uuid(), '', clock_timestamp() + p_life, v_paths, '{}', v_publisher, v_group, p_rank) returning id into nix_attach.push_id;
  v_hashes := array(select s.hash from store_path s where s.id = any(v_paths));
  -- The first content of a key stays.
  perform @fn@.report_uploads(p_cache, nix_attach.push_id, '{}', '{}', '{}', '{}', '{}', '{}', '{}', array_fill(p_key, array[cardinality(v_hashes)]),
    array_fill(p_kind, array[cardinality(v_hashes)]), array_fill(p_content, array[cardinality(v_hashes)]), v_hashes, false);
  update push u set paths = array(select unnest(u.paths) union select unnest(v_paths)) where u.id = v_hold;
  select case c.outcome when 'committed' then 'attached' else c.outcome end into outcome from @fn@.commit_push(p_cache, nix_attach.push_id, p_lease, p_holder, p_address) c;
  if outcome not in ('publishing', 'attached') then
    raise exception 'what could be attached is %', outcome using errcode = '40001';
  end if;
end $$;

-- What waits in a hold of this credential under a key.
create function @fn@.nix_waiting(p_cache int, p_holder text, p_key text) returns setof bytea
language sql stable as $$
  select w.content from push u join nix_pending w on w.push_id = u.id
  where u.cache_id = p_cache and u.holder = p_holder and u.state = 'open' and w.key = p_key order by u.id desc limit 1
$$;
