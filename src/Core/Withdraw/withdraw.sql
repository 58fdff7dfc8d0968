-- Rule 12: takes paths back, with all that refers to them. Each function is one transaction, and may be called again by anybody: an eviction's row says how far it is.
-- 1. withdraw_start bars, and is a barrier: from then on no walk promises what is barred or refers to it, and live at g implies that nothing below is barred.
-- 2. withdraw_waits: commits beyond their first half that name some of it end first. Those that meet a bar end 'withdrawn' (finish_push).
-- 3. withdraw_users (which withdraw_bar bars too, with a barrier of their own) and withdraw_referrers, without locks, until nothing more is found.
-- 4. withdraw_condemn, referrers first, under the collector's guard; 5. withdraw_sweep, likewise and without a grace; 6. withdraw_objects. The rest is rule 10.

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
  -- Most caches have no bar: that is asked once.
  where (select exists (select from bar a where a.cache_id = p_cache and a.lifted is null)) and d.push_id = p_push and d.path_id = any(p_ids)
$$;

-- What a push was promised, and an eviction takes or has taken since: with whatever content it came back, it is not what was promised. p_open: what a touch does not promise just now.
create function @fn@.withdrawn_paths(p_cache int, p_since timestamptz, p_ids bigint[], p_open bigint[]) returns bigint[]
language sql stable as $$
  select coalesce(array_agg(w.id), '{}') from (
    select i from eviction e cross join unnest(e.found) i where e.cache_id = p_cache and e.barred >= p_since and i = any(p_ids)
    union
    select s.id from store_path s where s.id = any(p_open) and s.id = any(p_ids) and s.barred) w(id)
$$;

-- Of what a committing push names: what is barred or refers to what is, among the unpromised (the rest is live at g); and what it would supersede with content that a bar refuses.
create function @fn@.met_bars(p_push push, p_unpromised bigint[]) returns bigint[]
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_met bigint[];
begin
  v_met := array(
    select d.path_id from push_path d
    where d.push_id = p_push.id and d.supersedes and not d.superseded
      and exists (select from @fn@.met_paths(p_push.cache_id, p_push.id, array[d.path_id]) m where m.verdict = 'supersede') and (@fn@.is_barred(p_push.cache_id, d.path_id, d.nar_hash) or not exists (
      select from object o where o.id = any(p_push.objects) and o.kind = 'nar' and o.nar_hash = d.nar_hash and o.state = 'live' and o.trust_group is distinct from -2)));
  -- Rows are barred only while an eviction is under way.
  if p_unpromised = '{}' or not exists (select from eviction e where e.cache_id = p_push.cache_id and e.finished is null) then return v_met; end if;
  return v_met || array(
    with recursive walk(id, barred, refs) as (
      select s.id, s.barred, s.refs from store_path s where s.id = any(p_unpromised)
      union
      select q.id, q.barred, q.refs from walk w cross join unnest(w.refs) r(id) join store_path q on q.id = r.id where not w.barred and q.state <> 'gone'
    ), edge as materialized (select w.id as src, r.id as dst from walk w cross join unnest(w.refs) r(id)),
    up(id) as (select w.id from walk w where w.barred union select e.src from up join edge e on e.dst = up.id)
    select up.id from up where up.id = any(p_unpromised));
end $$;

-- Paths by hash, or (p_by) those of a publisher that were published since; with p_nar all that have a NAR of one of them. Reads the table, and locks nothing.
create function @fn@.withdraw_select(p_cache int, p_hashes bytea[], p_by text, p_since timestamptz, p_nar boolean) returns table (id bigint, chosen boolean)
language sql stable as $$
  with chosen as materialized (
    select s.id, s.nar_hash from store_path s where s.cache_id = p_cache and s.hash = any(p_hashes) and s.nar_hash is not null
    union
    select s.id, s.nar_hash from store_path s where p_by is not null and s.cache_id = p_cache and s.state in ('publishing', 'live', 'condemned') and @fn@.is_by(p_cache, s.publisher, p_by)
      and (p_since is null or s.declared_at >= p_since))
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

-- Begins an eviction, with its bars and its barrier; or answers the one that the operation began. p_chosen get a bar each; p_of: only what is that publisher's still.
create function @fn@.withdraw_start(
  p_cache int, p_operation text, p_digest bytea, p_ids bigint[], p_chosen bigint[], p_nar boolean, p_of text, p_reason text, p_by text, p_address text, p_lease interval) returns setof eviction
language plpgsql set jit = off set plan_cache_mode = force_custom_plan as $$
declare
  v_id bigint;
  v_chosen bigint[];
begin
  perform pg_advisory_xact_lock(20291, p_cache);
  return query select * from eviction e where e.cache_id = p_cache and e.operation = p_operation;
  if found then return; end if;
  v_chosen := array(select s.id from store_path s where s.id = any(p_chosen) and s.nar_hash is not null and (p_of is null or @fn@.is_by(p_cache, s.publisher, p_of)) order by s.id);
  insert into eviction (cache_id, operation, digest, created_by, reason, paths, lease)
    select p_cache, p_operation, p_digest, p_by, p_reason, array(select i from unnest(p_ids) i where i = any(v_chosen) or i <> all(p_chosen)), clock_timestamp() + p_lease
    returning id into v_id;
  insert into bar (cache_id, path_id, nar_hash, object_id, by_nar, reason, created_by)
    select p_cache, s.id, s.nar_hash, s.objects[1], p_nar, p_reason, p_by from store_path s where s.id = any(v_chosen) order by s.nar_hash, s.id
    on conflict (cache_id, nar_hash, path_id) where lifted is null do update set by_nar = bar.by_nar or excluded.by_nar;
  perform @fn@.withdraw_bar(p_cache, v_id, e.paths) from eviction e where e.id = v_id;
  perform @fn@.audit(p_cache, p_by, p_address, 'evict', v_id::text, (select s.hash from store_path s where s.id = v_chosen[1]),
    jsonb_build_object('paths', cardinality(v_chosen), 'by', p_of, 'nar', nullif(p_nar, false), 'reason', p_reason));
  return query select * from eviction e where e.id = v_id;
end $$;

-- The barrier: touches in flight end first, later ones stamp a higher number than the eviction's and see the bars. A bad NAR is of no trust group (-2) and unread: usable for nobody.
create function @fn@.withdraw_bar(p_cache int, p_eviction bigint, p_ids bigint[]) returns void
language plpgsql set jit = off set plan_cache_mode = force_custom_plan as $$
declare
  v_g bigint;
  v_objects bigint[];
begin
  perform pg_advisory_xact_lock(20291, p_cache);
  perform 1 from store_path s where s.id = any(p_ids) order by s.id for no key update;
  update store_path s set barred = true where s.id = any(p_ids) and s.cache_id = p_cache and s.state in ('publishing', 'live', 'condemned') and not s.barred;
  v_objects := array(select distinct s.objects[1] from store_path s where s.id = any(p_ids) and s.objects <> '{}' order by 1);
  perform 1 from object o where o.id = any(v_objects) order by o.id for no key update;
  update object o set trust_group = -2, verified = false where o.id = any(v_objects);
  update gc_epoch e set g = e.g + 1 where e.cache_id = p_cache returning e.g - 1 into strict v_g;
  update eviction e set g = v_g, barred = clock_timestamp(), closed = false,
      found = array(select unnest(e.found) union select unnest(p_ids)), objects = array(select unnest(e.objects) union select unnest(v_objects))
    where e.id = p_eviction;
end $$;

-- Pushes beyond the point of no return that name some of it, or hold it as what a former narinfo refers to, or a bad NAR: they end first. None joins them.
create function @fn@.withdraw_waits(p_cache int, p_eviction bigint) returns setof uuid
language sql stable as $$
  select @fn@.public_of(u.public_id, u.id) from push u cross join (select x.found, x.objects from eviction x where x.id = p_eviction) e
  where u.cache_id = p_cache and u.state = 'committing'
    and (exists (select from unnest(u.paths) i where i = any(e.found)) or u.objects && e.objects or exists (select from push_path d where d.push_id = u.id and d.path_id = any(e.found)))
$$;

-- Whose NAR is a bad one, among rows p_after to p_upto.
create function @fn@.withdraw_users(p_cache int, p_objects bigint[], p_after bigint, p_upto bigint) returns setof bigint
language sql stable as $$
  select s.id from store_path s
  where s.id > p_after and s.id <= p_upto and s.cache_id = p_cache and s.state in ('publishing', 'live', 'condemned') and not s.barred and s.objects[1] = any(p_objects)
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

-- Referrers come in an earlier batch, or in the same. What came back meanwhile was stamped with a higher number. Closures on these paths are no roots any more; pins keep name and path,
-- and say since when they are broken.
create function @fn@.withdraw_condemn(p_cache int, p_eviction bigint, p_ids bigint[]) returns void
language plpgsql set jit = off set plan_cache_mode = force_custom_plan as $$
declare
  v_g bigint;
  v_ids bigint[];
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  select e.g, array(select unnest(e.found) intersect select unnest(p_ids)) into v_g, v_ids from eviction e where e.id = p_eviction and e.closed;
  perform 1 from store_path s where s.id = any(v_ids) order by s.id for no key update;
  v_ids := array(select s.id from store_path s where s.id = any(v_ids) and s.cache_id = p_cache and s.state in ('live', 'condemned') and s.touched <= v_g);
  perform @fn@.gc_condemn_paths(p_cache, v_g, v_ids);
  perform 1 from root r where r.cache_id = p_cache and r.path_id = any(v_ids) order by r.path_id for update;
  delete from root r where r.cache_id = p_cache and r.path_id = any(v_ids);
  perform 1 from pin p where p.cache_id = p_cache and p.id in (select r.pin_id from pin_revision r where r.path_id = any(v_ids)) order by p.id for no key update;
  update pin_revision r set withdrawn = clock_timestamp() from pin p where p.id = r.pin_id and p.cache_id = p_cache and r.path_id = any(v_ids) and r.withdrawn is null;
end $$;

-- Likewise, without a grace.
create function @fn@.withdraw_sweep(p_cache int, p_eviction bigint, p_ids bigint[]) returns int
language sql volatile as $$
  select @fn@.gc_sweep_paths(p_cache, e.g, array(select unnest(e.found) intersect select unnest(p_ids))) from eviction e where e.id = p_eviction and e.closed
$$;

-- Bad NARs that no path has any more are to be deleted at once, whoever remembers their narinfos.
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
  delete from kept_object k where k.cache_id = p_cache and k.object_id = any(v_condemned || v_live);
end $$;

-- Which of these NARs have paths still.
create function @fn@.withdraw_used(p_cache int, p_objects bigint[], p_after bigint, p_upto bigint) returns setof bigint
language sql stable as $$
  select distinct s.objects[1] from store_path s where s.id > p_after and s.id <= p_upto and s.cache_id = p_cache and s.state <> 'gone' and s.objects[1] = any(p_objects)
$$;

-- Done when the bucket has neither the narinfos nor the bad NARs any more.
create function @fn@.withdraw_end(p_cache int, p_eviction bigint) returns boolean
language sql volatile as $$
  update eviction e set finished = coalesce(e.finished, clock_timestamp())
  where e.id = p_eviction and e.closed
    and not exists (select from store_path s where s.id = any(e.found) and (s.barred or s.touched <= e.g and s.state in ('live', 'condemned', 'deleting')))
    and not exists (select from object o where o.id = any(e.objects) and o.trust_group = -2 and o.state in ('live', 'condemned', 'deleting'))
  returning true
$$;

-- Evictions that nobody goes on with are whoever's asks. One that is over is forgotten when no push can be open that was promised something of it; its line in the audit log stays.
create function @fn@.withdraw_adopt(p_cache int, p_lease interval) returns setof bigint
language sql volatile as $$
  with over as (delete from eviction e where e.cache_id = p_cache and e.finished < clock_timestamp() - interval '90 days')
  update eviction e set lease = clock_timestamp() + p_lease
  where e.id in (select x.id from eviction x where x.cache_id = p_cache and x.finished is null and x.lease < clock_timestamp() order by x.id for no key update skip locked)
  returning e.id
$$;

-- The content may come back. Rows that are barred already go all the same. False: there never was such a bar.
create function @fn@.withdraw_lift(p_cache int, p_bar bigint, p_by text, p_address text) returns boolean
language plpgsql as $$
declare
  v_bar bar%rowtype;
begin
  select * into v_bar from bar b where b.cache_id = p_cache and b.id = p_bar for update;
  if not found then return false; end if;
  if v_bar.lifted is null then
    update bar b set lifted = clock_timestamp(), lifted_by = p_by where b.id = p_bar;
    perform @fn@.audit(p_cache, p_by, p_address, 'bar.lift', p_bar::text, (select s.hash from store_path s where s.id = v_bar.path_id));
  end if;
  return true;
end $$;
