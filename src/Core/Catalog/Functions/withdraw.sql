-- Rule 12: takes paths back, with all that refers to them. Each function is one transaction, and may be called again by anybody: an eviction's row says how far it is.
-- 1. withdraw_bar sets the bar: no touch promises what is barred. 2. withdraw_barrier lets the touches end that have not seen it. 3. withdraw_waits: commits that named it before roll forward.
-- 4. withdraw_referrers, without locks, level by level; what is found is barred too, until a barrier later nothing is found. 5. withdraw_paths and withdraw_objects: all of it, referrers first,
-- is to be deleted (rule 10) without a grace.

-- Does a bar stand on this content of a path?
create function @fn@.is_barred(p_cache int, p_path bigint, p_nar_hash bytea) returns boolean
language sql stable as $$
  select exists (select from bar b where b.cache_id = p_cache and b.nar_hash = p_nar_hash and b.lifted is null and (b.path_id = p_path or b.by_nar))
$$;

-- What a push declares of these paths, and a bar refuses.
create function @fn@.barred_paths(p_cache int, p_push bigint, p_ids bigint[]) returns bigint[]
language sql stable as $$
  select coalesce(array_agg(distinct d.path_id), '{}')
  from push_path d join bar b on b.cache_id = p_cache and b.nar_hash = d.nar_hash and b.lifted is null and (b.path_id = d.path_id or b.by_nar)
  where d.push_id = p_push and d.path_id = any(p_ids)
$$;

-- What a push was promised, and an eviction takes or has taken since: with whatever content it came back, it is not what was promised. p_open: what a touch does not promise just now.
create function @fn@.withdrawn_paths(p_cache int, p_since timestamptz, p_ids bigint[], p_open bigint[]) returns bigint[]
language sql stable as $$
  select coalesce(array_agg(w.id), '{}') from (
    select i from eviction e cross join unnest(e.found) i where e.cache_id = p_cache and e.created >= p_since and i = any(p_ids)
    union
    select s.id from store_path s where s.id = any(p_open) and s.id = any(p_ids) and s.barred) w(id)
$$;

-- Paths by hash, or (p_by) those of a publisher that were published since; with p_nar all that have a NAR of one of them.
create function @fn@.withdraw_select(p_cache int, p_hashes bytea[], p_by text, p_since timestamptz, p_nar boolean) returns table (id bigint, chosen boolean)
language sql stable as $$
  with chosen as materialized (
    select s.id, s.nar_hash from store_path s where s.cache_id = p_cache and s.hash = any(p_hashes) and s.nar_hash is not null
    union
    select s.id, s.nar_hash from store_path s where p_by is not null and s.cache_id = p_cache and s.state in ('publishing', 'live', 'condemned') and @fn@.is_by(p_cache, s.publisher, p_by)
      and (p_since is null or s.published >= p_since))
  select c.id, true from chosen c
  union all
  select s.id, false from store_path s where p_nar and s.cache_id = p_cache and s.state in ('publishing', 'live', 'condemned') and s.nar_hash in (select c.nar_hash from chosen c)
    and not exists (select from chosen c where c.id = s.id)
$$;

-- Rows from before there were publishers are of 'legacy'.
create function @fn@.is_by(p_cache int, p_publisher int, p_by text) returns boolean
language sql stable as $$
  select case when p_publisher is null then p_by = 'legacy' else p_publisher = (select b.id from publisher b where b.cache_id = p_cache and b.name = p_by) end
$$;

-- Begins an eviction and sets its bars; or answers the one that the operation began.
create function @fn@.withdraw_start(p_cache int, p_operation text, p_digest bytea, p_ids bigint[], p_chosen bigint[], p_nar boolean, p_reason text, p_by text, p_lease interval) returns setof eviction
language plpgsql set jit = off as $$
begin
  return query
    insert into eviction (cache_id, operation, digest, created_by, reason, paths, found, objects, lease)
    select p_cache, p_operation, p_digest, p_by, p_reason, p_ids, p_ids,
      array(select distinct s.objects[1] from store_path s where s.id = any(p_ids) and s.objects <> '{}' order by 1), clock_timestamp() + p_lease
    on conflict do nothing returning *;
  if not found then
    return query select * from eviction e where e.cache_id = p_cache and e.operation = p_operation;
    return;
  end if;
  insert into bar (cache_id, path_id, nar_hash, object_id, by_nar, reason, created_by)
    select p_cache, s.id, s.nar_hash, s.objects[1], p_nar, p_reason, p_by from store_path s where s.id = any(p_chosen) and s.nar_hash is not null order by s.nar_hash, s.id
    on conflict (cache_id, nar_hash, path_id) where lifted is null do update set by_nar = bar.by_nar or excluded.by_nar;
end $$;

-- Bars the next paths of an eviction, by id. last: null when none is left. barred: how many were not yet.
-- A path that was collected meanwhile and came back with another content is not what was meant.
create function @fn@.withdraw_bar(p_cache int, p_eviction bigint, p_after bigint, p_limit int, out last bigint, out barred int)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan as $$
declare
  v_found bigint[];
  v_ids bigint[];
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  select e.found into v_found from eviction e where e.id = p_eviction;
  v_ids := array(select i from unnest(v_found) i where i > p_after order by i limit p_limit);
  last := v_ids[cardinality(v_ids)];
  perform 1 from store_path s where s.id = any(v_ids) order by s.id for no key update;
  update store_path s set barred = true
    where s.id = any(v_ids) and not s.barred and s.state in ('publishing', 'live', 'condemned')
      and (@fn@.is_barred(p_cache, s.id, s.nar_hash) or exists (select from unnest(s.refs) r where r <> s.id and r = any(v_found)));
  get diagnostics barred = row_count;
end $$;

-- The touches in flight end before this does, and what they led to is seen by whoever asks then; later ones see the bar. A number of its own (rule 9) it needs none: what is live at g is
-- looked at for its bar too.
create function @fn@.withdraw_barrier(p_cache int) returns void
language sql volatile as $$ select pg_advisory_xact_lock(20291, p_cache) $$;

-- Pushes beyond the point of no return that name what is barred: they roll forward, which makes it live, and end. None joins them after the barrier.
create function @fn@.withdraw_waits(p_cache int, p_eviction bigint) returns setof uuid
language sql stable as $$
  select @fn@.public_of(u.public_id, u.id) from push u cross join (select e.found from eviction e where e.id = p_eviction) e
  where u.cache_id = p_cache and u.state = 'committing'
    and (exists (select from unnest(u.paths) i where i = any(e.found)) or exists (select from push_path d where d.push_id = u.id and d.path_id = any(e.found)))
$$;

-- What refers to these paths, a level, among rows p_after to p_upto. There is no index on references: the whole table is read, piece by piece, and nothing is locked meanwhile.
create function @fn@.withdraw_referrers(p_cache int, p_ids bigint[], p_after bigint, p_upto bigint) returns setof bigint
language sql stable as $$
  select s.id from store_path s
  where s.id > p_after and s.id <= p_upto and s.cache_id = p_cache and s.state in ('publishing', 'live', 'condemned')
    -- An array's overlap compares each with each; with many, hashes are faster.
    and (cardinality(p_ids) > 50 or s.refs && p_ids) and exists (select from unnest(s.refs) r where r <> s.id and r = any(p_ids))
$$;

create function @fn@.withdraw_add(p_eviction bigint, p_ids bigint[]) returns void
language sql volatile as $$
  update eviction e set found = array(select unnest(e.found) union select unnest(p_ids)) where e.id = p_eviction and not e.closed
$$;

-- The whole of it is known, unless it has grown since it was p_count.
create function @fn@.withdraw_close(p_eviction bigint, p_count int) returns void
language sql volatile as $$ update eviction e set closed = true where e.id = p_eviction and cardinality(e.found) = p_count $$;

-- Takes barred paths for their deletion: neither the touched guard nor a grace holds for them. Referrers come in an earlier batch, or in the same. Their closures are no roots any more;
-- the pins that have them keep name and path, and say that they are broken.
create function @fn@.withdraw_paths(p_cache int, p_eviction bigint, p_ids bigint[]) returns int
language plpgsql set jit = off set plan_cache_mode = force_custom_plan as $$
declare
  v_condemned bigint[];
  v_live bigint[];
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  perform 1 from store_path s where s.id = any(p_ids) order by s.id for no key update;
  select coalesce(array_agg(s.id) filter (where s.state = 'condemned'), '{}'), coalesce(array_agg(s.id) filter (where s.state = 'live'), '{}') into v_condemned, v_live
    from store_path s join eviction e on e.id = p_eviction and e.closed and s.id = any(e.found)
    where s.id = any(p_ids) and s.cache_id = p_cache and s.barred and s.state in ('live', 'condemned');
  perform @fn@.list_paths(p_cache, v_condemned, 'condemned', 'deleting');
  perform @fn@.list_paths(p_cache, v_live, null, 'deleting');
  update store_path s set state = 'deleting', condemned_at = clock_timestamp() where s.id = any(v_condemned || v_live);
  perform 1 from root r where r.cache_id = p_cache and r.path_id = any(v_condemned || v_live) order by r.path_id for update;
  delete from root r where r.cache_id = p_cache and r.path_id = any(v_condemned || v_live);
  perform 1 from pin p where p.cache_id = p_cache and p.id in (select r.pin_id from pin_revision r where r.path_id = any(v_condemned || v_live)) order by p.id for no key update;
  update pin_revision r set withdrawn = clock_timestamp() from pin p where p.id = r.pin_id and p.cache_id = p_cache and r.path_id = any(v_condemned || v_live);
  return cardinality(v_condemned || v_live);
end $$;

-- The bad NARs are of nobody's trust group and unread from now on, so that no push relies on them: see usable. Which of them a commit under way has chosen already (its bytes stand in
-- narinfos that it writes) are left for the next call; answers how many.
create function @fn@.withdraw_spoil(p_cache int, p_eviction bigint) returns int
language plpgsql set jit = off set plan_cache_mode = force_custom_plan as $$
declare
  v_ids bigint[];
  v_taken bigint[];
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  select e.objects into v_ids from eviction e where e.id = p_eviction;
  perform 1 from object o where o.id = any(v_ids) order by o.id for no key update;
  v_taken := array(select distinct i from push u cross join unnest(u.objects) i where u.cache_id = p_cache and u.state = 'committing' and i = any(v_ids));
  -- What was collected meanwhile and is uploaded again is not what was meant.
  update object o set trust_group = -2, verified = false where o.id = any(v_ids) and o.state in ('live', 'condemned', 'deleting', 'tombstone') and not o.id = any(v_taken);
  return cardinality(v_taken);
end $$;

-- Which of the bad NARs have paths, without locks: none gets one any more. leaving: only such as are being deleted, after whose narinfos it goes.
create function @fn@.withdraw_users(p_cache int, p_objects bigint[], p_after bigint, p_upto bigint) returns table (object_id bigint, leaving boolean)
language sql stable as $$
  select s.objects[1], bool_and(s.state = 'deleting') from store_path s
  where s.id > p_after and s.id <= p_upto and s.cache_id = p_cache and s.state <> 'gone' and s.objects[1] = any(p_objects) group by 1
$$;

-- Those that no path has are to be deleted at once, whoever remembers their narinfos.
create function @fn@.withdraw_objects(p_cache int, p_eviction bigint, p_used bigint[]) returns void
language plpgsql set jit = off set plan_cache_mode = force_custom_plan as $$
declare
  v_ids bigint[];
  v_condemned bigint[];
  v_live bigint[];
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  select array(select unnest(e.objects) except select unnest(p_used)) into v_ids from eviction e where e.id = p_eviction;
  perform 1 from object o where o.id = any(v_ids) order by o.id for no key update;
  select coalesce(array_agg(o.id) filter (where o.state = 'condemned'), '{}'), coalesce(array_agg(o.id) filter (where o.state = 'live'), '{}') into v_condemned, v_live
    from object o where o.id = any(v_ids) and o.trust_group = -2;
  perform @fn@.list_objects(p_cache, v_condemned, 'condemned', 'deleting');
  perform @fn@.list_objects(p_cache, v_live, null, 'deleting');
  update object o set state = 'deleting', condemned_at = clock_timestamp() where o.id = any(v_condemned || v_live);
  delete from kept_object k where k.cache_id = p_cache and k.object_id = any(v_ids);
end $$;

-- Done when the bucket has neither the narinfos nor the bad NARs any more; but for what other paths have.
create function @fn@.withdraw_end(p_cache int, p_eviction bigint) returns boolean
language sql volatile as $$
  update eviction e set finished = coalesce(e.finished, clock_timestamp())
  where e.id = p_eviction and e.closed
    and not exists (select from store_path s where s.id = any(e.found) and s.barred)
    and not exists (select from object o where o.id = any(e.objects) and o.state = 'deleting')
  returning true
$$;

-- Evictions that nobody goes on with are whoever's asks.
create function @fn@.withdraw_adopt(p_cache int, p_lease interval) returns setof bigint
language sql volatile as $$
  update eviction e set lease = clock_timestamp() + p_lease
  where e.id in (select x.id from eviction x where x.cache_id = p_cache and x.finished is null and x.lease < clock_timestamp() order by x.id for no key update skip locked)
  returning e.id
$$;
