-- Rule 4: the point of no return. All or nothing; after it everything rolls forward.
-- outcome: 'committed' (now or before) | 'publishing' (begun by this call) | 'committing' (begun before) | 'missing' (paths: what has to be
-- uploaded) | 'unread' (paths: a server has to read their NARs first, which is asked for: try again) | 'untrue' (paths: they declare what the bytes of their NARs deny) | 'undeclared' (paths: what has to be declared) | 'busy' (paths: try again) | 'conflict' (paths: live with another content, or under another name, on the word of
-- an equal or higher rank) | 'refused' (committed, but for the pin: paths of it were taken by an equal rank meanwhile) | 'withdrawn' (paths: it declares what a bar refuses, or was promised what was taken back) | 'aborted' | 'unknown'. pin: the name of the one that rides on it. conflicts: paths that this push declared and that others have published since, with
-- another content or on their own word: they are kept as they are. p_publisher, p_address: who commits it, for the audit log. p_blind: where he opened it, he is told of
-- nothing that another group has put: what it declares it has uploaded, though all of that were there already.
-- 1. Answer a push that is not open with its outcome, before any lock. 2. Take the epoch's lock and the push's, and ask again. 3. End a push that brings nothing and names only what is live
-- at g. 4. List what the touch locks beside what it walks: rows that this commit changes, and objects that it may choose. 5. Touch. 6. Answer what is withdrawn, busy, lost or in conflict.
-- 7. Of what is to be published or superseded, answer what is busy, undeclared, missing, untrue or unread, and choose the NARs. 8. All or nothing: write objects, ranks and paths. 9. Write the push; with
-- nothing to publish, go on with rule 6.
create function @fn@.commit_push(
  p_cache int, p_push bigint, p_lease interval, p_publisher text default null, p_address text default null, p_blind boolean default false, out outcome text, out paths bigint[], out published int, out pin text, out conflicts bigint[])
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_g bigint;
  v_push push%rowtype;
  v_group int;
  v_legacy int;
  v_declared bigint[];
  v_live bigint[];
  v_kept bigint[] := '{}';
  v_differs bigint[] := '{}';
  v_overtaken bigint[];
  v_lower bigint[];
  v_open bigint[];
  v_met bigint[];
  v_supersedes bigint[] := '{}';
  v_same bigint[] := '{}';
  v_hashes bytea[];
  v_chosen bigint[];
  v_logs bigint[];
  v_carriers bigint[];
  v_unread bigint[];
  v_unread_objects bigint[];
begin
  -- 1. Has it ended?
  select * into v_push from push u where u.id = p_push and u.cache_id = p_cache;
  if not found then outcome := 'unknown'; return; end if;
  published := v_push.published;
  pin := v_push.pin ->> 'name';
  conflicts := v_push.conflicts;
  outcome := @fn@.push_outcome(v_push);
  paths := v_push.withdrawn;
  if v_push.state <> 'open' then return; end if;

  -- 2. The epoch's lock and the push's. A lapsed push may commit, since all of it is checked here again; an ended one may not.
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  select * into v_push from push u where u.id = p_push for no key update;
  outcome := @fn@.push_outcome(v_push);
  conflicts := v_push.conflicts;
  paths := v_push.withdrawn;
  if v_push.state <> 'open' then published := v_push.published; return; end if;
  if p_blind and exists (select from publisher b where b.id = v_push.publisher and b.name = p_publisher) then
    select array_agg(d.path_id) into paths from push_path d where d.push_id = p_push and not exists (
      select from object o where o.id = any(v_push.objects) and o.nar_hash = d.nar_hash and o.nar_size = d.nar_size and o.state in ('stored', 'live', 'condemned')
        and o.trust_group = v_push.trust_group);
    if paths is not null then outcome := 'missing'; return; end if;
  end if;

  -- 3. Live at g: rule 1's first question, and the whole answer for most pushes of a fleet.
  select e.g into strict v_g from gc_epoch e where e.cache_id = p_cache;
  if @fn@.brings_nothing(v_push) and not exists (
    select from store_path s where s.id = any(v_push.paths) and not (s.state = 'live' and s.touched = v_g and s.rank >= v_push.rank and not s.unwritten))
  then
    perform @fn@.end_warm(p_cache, array[p_push], array[p_publisher], array[p_address]);
    outcome := 'committed';
    return;
  end if;

  -- 4. What the touch is to lock, too.
  v_group := coalesce(v_push.trust_group, 0);
  v_legacy := @fn@.legacy_group(p_cache, v_group);
  select coalesce(array_agg(d.path_id), '{}'), array_agg(distinct d.nar_hash), coalesce(array_agg(d.path_id) filter (where s.state = 'live'), '{}') into v_declared, v_hashes, v_live
    from push_path d join store_path s on s.id = d.path_id where d.push_id = p_push;
  -- What others have published, and this push would keep as it is, is nobody's to wait for; that a pin rides on it takes it all.
  if v_push.pin is null and v_live <> '{}' then
    select coalesce(array_agg(m.path_id), '{}'), coalesce(array_agg(m.path_id) filter (where m.verdict <> 'same'), '{}') into v_kept, v_differs
      from @fn@.met_paths(p_cache, p_push, v_live) m join store_path s on s.id = m.path_id
      where m.verdict in ('other', 'own', 'unread') or m.verdict = 'same' and s.rank >= v_push.rank;
  end if;
  -- What it was promised it has declared as it is: its rank vouches for that from now on. Stock Nix has declared only the path itself, and niks3's clients no names.
  v_lower := case when v_push.rank = 0 or v_push.operation like 'nix-put:%' or v_push.operation like 'deferred:%' then '{}' else array(
    select s.id from store_path s where s.id = any(v_push.paths) and s.rank < v_push.rank and not s.id = any(v_declared)) end;
  -- The paths of logs and realisations, too: finish_push locks them in whatever state, and by then the objects are locked.
  -- A log is taken with a path that its derivation has made; and each of them with a path that this push publishes, or its own trust group or a lower rank has published (see push_carries).
  select array_agg(distinct l.object_id) filter (where (o.kind <> 'log' or 'log/' || coalesce(d.deriver, s.deriver) = o.key)
        and (d.path_id is not null and s.state <> 'live' or coalesce(s.trust_group, v_push.trust_group) is not distinct from v_push.trust_group or s.rank < v_push.rank)), coalesce(array_agg(distinct l.path_id), '{}') into v_logs, v_carriers
    from push_object l join object o on o.id = l.object_id join store_path s on s.id = l.path_id left join push_path d on d.push_id = p_push and d.path_id = l.path_id
    where l.push_id = p_push;

  -- 5. The touch: what it does not promise is still to be published.
  select t.g, t.unpromised into v_g, v_open from @fn@.touch(p_cache, v_push.paths || v_declared, array(select i from unnest(v_declared) i where not i = any(v_kept)) || v_carriers || v_lower, v_push.objects || v_logs || array(
    select o.id from object o where o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = any(v_hashes) and o.state in ('stored', 'live', 'condemned')
      and @fn@.usable(o.verified, o.trust_group, v_legacy, v_group))) t;

  -- 6. What keeps all of it from being published.
  -- What it declares itself it was not only promised: taken back, it is published anew, unless a bar refuses that.
  paths := @fn@.barred_paths(p_cache, p_push, v_declared)
    || @fn@.withdrawn_paths(p_cache, v_push.created, array(select unnest(v_push.paths) except select unnest(v_declared)), v_open);
  if paths <> '{}' then outcome := 'withdrawn'; return; end if;
  -- A log that is just being published on the word of a lower rank: this push's takes its place when that is done.
  select array_agg(distinct l.path_id) into paths from push_object l join object o on o.id = l.object_id
    where l.push_id = p_push and l.content is not null and o.id = any(v_logs) and o.state = 'publishing' and @fn@.yields(o.rank, o.publisher, v_legacy, v_push.rank);
  if paths is not null then outcome := 'busy'; return; end if;
  -- But what it was promised may have gone since it lapsed, and come back with another content.
  paths := @fn@.changed_paths(v_push);
  if paths is not null then outcome := 'missing'; return; end if;
  -- What begin has promised to a push with a pin, or on the word of a lower rank, has to be as it was then: another of its rank may have superseded it since. Nobody can any more, with the
  -- locks of v_lower.
  select array_agg(s.id), array_agg(s.id) filter (where v_push.pin is not null and coalesce(s.trust_group, v_legacy) <> v_group) into v_overtaken, paths
    from unnest(v_push.named, v_push.digests) d(id, digest) join store_path s on s.id = d.id
    where s.id = any(v_push.paths) and s.state = 'live' and not s.id = any(v_declared) and s.declared is distinct from d.digest;
  if paths is not null then outcome := 'conflict'; return; end if;
  -- What it declares and others have published: as it is declared; superseded by this push; or kept as it is.
  v_met := array(select unnest(v_declared) except select unnest(v_open || v_kept));
  if v_met <> '{}' then
    select coalesce(array_agg(m.path_id) filter (where m.verdict = 'supersede'), '{}'), coalesce(array_agg(m.path_id) filter (where m.verdict in ('misnamed', 'other', 'own', 'unread')), '{}'),
        coalesce(array_agg(m.path_id) filter (where m.verdict = 'same'), '{}'), array_agg(m.path_id) filter (where m.verdict = 'misnamed' or m.verdict = 'other' and v_push.pin is not null)
      into v_supersedes, conflicts, v_same, paths from @fn@.met_paths(p_cache, p_push, v_met) m;
    -- A server from before there were publishers opened it on nobody's word: begun again, it has its client's, and perhaps the group of what is in its way.
    if paths is not null then outcome := case when v_push.publisher is null then 'missing' else 'conflict' end; return; end if;
  end if;
  conflicts := conflicts || v_differs || coalesce(v_overtaken, '{}');
  -- Collected since it was looked at: nobody has locked it.
  if v_open && v_kept then
    paths := v_kept;
    outcome := 'busy';
    return;
  end if;

  -- A pin may keep what is superseded: nothing of the new content is left to an upstream. Begin then wants all of it.
  if v_supersedes <> '{}' then
    paths := @fn@.brought_boundaries(p_cache, p_push, v_supersedes);
    if paths <> '{}' then outcome := 'missing'; return; end if;
  end if;

  -- 7. What it publishes and supersedes: free, declared, and with a NAR each.
  if v_open <> '{}' or v_supersedes <> '{}' then
    perform 1 from store_path s where s.id = any(array(select unnest(v_open) except select unnest(v_declared))) order by s.id for no key update;
    -- Promised by somebody's commit since, being published, or being deleted: look again.
    select array_agg(s.id) into paths from store_path s where s.id = any(v_open) and s.state <> 'gone';
    if paths is not null then outcome := 'busy'; return; end if;

    select array_agg(d.path_id) into paths from push_path d where d.push_id = p_push and d.path_id = any(v_open || v_supersedes) and not d.declared;
    if paths is not null then outcome := 'undeclared'; return; end if;
    v_chosen := @fn@.chosen_objects(v_push, v_legacy, v_open || v_supersedes, null);
    -- What was recorded since the touch is locked only now, and its push may have ended in between: adopted, it would be live without bytes.
    perform 1 from object o where o.id = any(v_chosen) order by o.id for no key update;
    select array_agg(o.id) into v_chosen from object o
      where o.id = any(v_chosen) and o.state in ('stored', 'live', 'condemned') and @fn@.usable(o.verified, o.trust_group, v_legacy, v_group);
    with chosen as materialized (select o.nar_hash from object o where o.id = any(v_chosen)),
      ready as materialized (select d.path_id from push_path d join chosen c on c.nar_hash = d.nar_hash where d.push_id = p_push)
    select array_agg(i) into paths from unnest(v_open || v_supersedes) i where not exists (select from ready where ready.path_id = i);
    if paths is not null then outcome := 'missing'; return; end if;
    select c.untrue, c.unread, c.unread_objects into paths, v_unread, v_unread_objects from @fn@.check_proofs(v_push, v_open || v_supersedes, v_chosen) c;
    if paths is not null then outcome := 'untrue'; return; end if;
    if v_unread is not null then
      -- They stay until they are read, as the push holds them.
      update object o set holders = array_append(o.holders, p_push) where o.id = any(v_unread_objects) and o.state = 'stored' and not p_push = any(o.holders);
      perform @fn@.stamp_objects(p_cache, v_g, v_unread_objects);
      update push u set objects = array(select unnest(u.objects) union select unnest(v_unread_objects)) where u.id = p_push;
      outcome := 'unread';
      paths := v_unread;
      return;
    end if;
  end if;

  -- 8. The point of no return. Logs and realisations: the bytes are in the row; what is condemned comes back. What is adopted needs no holder any more.
  perform @fn@.stamp_objects(p_cache, v_g, v_logs || v_chosen);
  update object o set state = 'publishing', touched = v_g, condemned_at = null, holders = array_remove(o.holders, p_push) where o.id = any(v_logs) and o.state = 'stored';
  update object o set state = 'live', touched = v_g, condemned_at = null, holders = array_remove(o.holders, p_push) where o.id = any(v_chosen) and o.state = 'stored';
  -- Published on the word of a lower rank: the row has the new content, and the bucket follows before this push ends.
  update object o set content = l.content, file_size = octet_length(l.content), publisher = v_push.publisher, trust_group = v_push.trust_group, rank = v_push.rank,
      recorded = false, generation = o.generation + 1
    from push_object l where l.push_id = p_push and l.content is not null and l.object_id = o.id and o.id = any(v_logs) and o.state = 'live'
      and @fn@.yields(o.rank, o.publisher, v_legacy, v_push.rank);
  if v_lower <> '{}' or v_same <> '{}' then
    update store_path s set rank = v_push.rank where s.id = any(v_lower || v_same) and s.state = 'live' and s.rank < v_push.rank;
  end if;
  if v_supersedes <> '{}' then
    update push_path d set supersedes = true where d.push_id = p_push and d.path_id = any(v_supersedes);
  end if;
  with chosen as materialized (select o.id, o.nar_hash, o.verified from object o where o.id = any(v_chosen)),
    extra as materialized (select l.path_id, array_agg(l.object_id order by l.object_id) as ids from push_object l join object o on o.id = l.object_id
      where l.push_id = p_push and o.state in ('publishing', 'live') group by l.path_id),
  published as (
    update store_path s set state = 'publishing', touched = v_g, recorded = false,
        name = coalesce(nullif(d.name, ''), s.name), declared = d.digest, declared_at = clock_timestamp(), publisher = v_push.publisher, trust_group = v_push.trust_group, rank = v_push.rank, verified = c.verified,
        nar_hash = d.nar_hash, nar_size = d.nar_size, refs = d.refs, deriver = d.deriver, ca = d.ca, signatures = d.signatures,
        listing = coalesce(p.listing, d.listing, y.listing), has_listing = coalesce(p.listing, d.listing, y.listing) is not null,
        objects = array[c.id] || coalesce(x.ids, '{}')
    from push_path d join chosen c on c.nar_hash = d.nar_hash left join extra x on x.path_id = d.path_id
    -- What a server has printed from the bytes comes before what the client says of them.
    left join proof p on p.object_id = c.id and c.verified
    -- A client that opens several pushes at once sends what they share under one of them.
    left join lateral (
      select l.listing from push_path l join push w on w.id = l.push_id
      where d.deferred and d.listing is null and l.deferred and l.path_id = d.path_id and l.nar_hash = d.nar_hash and l.listing is not null
        and w.publisher is not distinct from v_push.publisher limit 1) y on true
    where s.id = any(v_open) and d.push_id = p_push and d.path_id = s.id
    returning s.id)
  insert into moving_path (cache_id, state, id) select p_cache, 'publishing', p.id from published p;
  get diagnostics published = row_count;
  update proof p set listing = null where p.object_id = any(v_chosen) and p.listing is not null;

  -- 9. The push. A log that was named and never came, or whose key is being deleted, is gone without: the push does not hold it.
  update push u set state = 'committing', published = commit_push.published, conflicts = commit_push.conflicts, lease = clock_timestamp() + p_lease,
      committer = case when u.pin is not null then p_publisher end, committer_address = case when u.pin is not null then p_address end,
      objects = array(select unnest(u.objects || v_chosen) union select o.id from object o where o.id = any(v_logs) and o.state in ('publishing', 'live'))
    where u.id = p_push;
  perform @fn@.audit_commits(p_cache, array[p_push], array[p_publisher], array[p_address], cardinality(v_supersedes));
  -- A path that was published just now is in no bucket yet: there is nothing to finish.
  outcome := case when v_open <> '{}' or v_supersedes <> '{}' then 'publishing' else @fn@.finish_push(p_cache, p_push, v_g) end;
  outcome := case outcome when 'committing' then 'publishing' when 'changed' then 'publishing' when 'overtaken' then 'committed' else outcome end;
end $$;

-- A push with nothing to publish, to hold or to drop, and nothing that it would have to compare: rules 4 and 6 ask only whether all that it names is promised, as it is in the bucket.
create function @fn@.brings_nothing(p_push push) returns boolean
language plpgsql stable set enable_seqscan = off as $$
begin
  return p_push.objects = '{}' and p_push.pin is null and p_push.named is null and p_push.expires >= clock_timestamp()
    and not exists (select from push_path d where d.push_id = p_push.id)
    and not exists (select from push_object d where d.push_id = p_push.id)
    and not exists (select from nix_pending d where d.push_id = p_push.id)
    and not exists (select from renamed_path r where r.cache_id = p_push.cache_id and not r.marked)
    and not exists (select from eviction e where e.cache_id = p_push.cache_id and e.barred >= p_push.created and e.found && p_push.paths);
end $$;

-- Ends such pushes.
create function @fn@.end_warm(p_cache int, p_pushes bigint[], p_publishers text[], p_addresses text[]) returns void
language sql volatile as $$
  insert into root (cache_id, path_id, pushed, publisher, shared)
    select p_cache, r.id, clock_timestamp(), r.publisher, r.shared
    from (select x.id, min(u.publisher) as publisher, count(distinct u.publisher) > 1 as shared from push u cross join unnest(u.roots) x(id) where u.id = any(p_pushes) group by x.id) r order by r.id
    on conflict (cache_id, path_id) do update set pushed = excluded.pushed, shared = root.shared or excluded.shared or root.publisher is distinct from excluded.publisher;
  update push u set state = 'committed', finished = clock_timestamp() where u.id = any(p_pushes);
  select @fn@.audit_commits(p_cache, p_pushes, p_publishers, p_addresses);
$$;

create function @fn@.push_outcome(p_push push) returns text
language sql immutable as $$
  select case when p_push.state = 'committed' and p_push.pin_refused then 'refused' when p_push.state = 'aborted' and p_push.withdrawn is not null then 'withdrawn' else p_push.state::text end
$$;

-- Of what a push was promised, what somebody has published anew since it lapsed; null: nothing. Until then it was held.
create function @fn@.changed_paths(p_push push) returns bigint[]
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
begin
  if p_push.expires >= clock_timestamp() then return null; end if;
  return (select array_agg(s.id) from store_path s where s.id = any(p_push.paths) and s.declared_at > p_push.expires);
end $$;

-- The object of each NAR that paths of a push are published with; p_among: of these only.
-- Verified before unverified, live before condemned before stored, its own before others'.
create function @fn@.chosen_objects(p_push push, p_legacy int, p_paths bigint[], p_among bigint[]) returns bigint[]
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
begin
  return array(
    select distinct on (o.nar_hash) o.id
    from (select distinct d.nar_hash, d.nar_size from push_path d where d.push_id = p_push.id and d.path_id = any(p_paths)) n
    join object o on o.cache_id = p_push.cache_id and o.kind = 'nar' and o.nar_hash = n.nar_hash and o.nar_size = n.nar_size
    where o.state in ('stored', 'live', 'condemned') and @fn@.usable(o.verified, o.trust_group, p_legacy, coalesce(p_push.trust_group, 0)) and (p_among is null or o.id = any(p_among))
    order by o.nar_hash, o.verified desc, o.state = 'live' desc, o.state = 'condemned' desc, p_push.id = any(o.holders) desc, o.id);
end $$;
