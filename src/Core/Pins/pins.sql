-- Rules 7 and 11. Whoever sets a pin has promised its path in the same transaction (touch), before it takes the pin's row, the last lock of all.
-- The row says what pins/<name> has to be; the bucket follows, always from the newest row.

-- Is the pin at the revision that the request expects? Null: any; 0: there must be none; -1: there must be one.
create function @fn@.pin_is_expected(p_pin pin, p_expected bigint) returns boolean
language sql immutable as $$
  select case
    when p_expected is null then true
    when p_pin.id is null or p_pin.deleted then p_expected = 0
    else p_expected = -1 or p_expected = p_pin.revision end
$$;

-- Makes, moves or revives a pin, part of the transaction that has promised its path. outcome: 'made' | 'moved' | 'changed' (not at the expected revision) | 'stale' (not at p_seen, which
-- is in the same form: what the asker's memory says, where that has to be right; nothing was done then).
-- The path that it has already is no new revision: a push that is repeated must not drive out the revisions that are kept.
-- p_kind: 'set' | 'rollback' | 'push', whose own line in the audit log tells of a pin that stays where it is.
create function @fn@.move_pin(
  p_cache int, p_name text, p_path bigint, p_expires timestamptz, p_keep int, p_expected bigint, p_kind text, p_publisher text, p_address text, p_seen bigint default null,
  out outcome text, out result pin)
language plpgsql as $$
declare
  v_now timestamptz;
  v_stays boolean;
begin
  loop
    select * into result from pin p where p.cache_id = p_cache and p.name = p_name for no key update;
    exit when found or p_expected <> 0 or p_seen <> 0;
    -- A name that was in use lately goes on counting, so that an old If-Match does not fit the new pin.
    insert into pin (cache_id, name, path_id, revision, written, deleted)
      select p_cache, p_name, p_path, n.last, n.last, true
      from (select coalesce(max(o.revision), 0) as last from pin_operation o where o.cache_id = p_cache and o.name = p_name) n
      on conflict do nothing;
  end loop;
  if not @fn@.pin_is_expected(result, p_seen) then outcome := 'stale'; return; end if;
  if not @fn@.pin_is_expected(result, p_expected) then outcome := 'changed'; return; end if;

  v_now := clock_timestamp();
  outcome := case when result.deleted then 'made' else 'moved' end;
  v_stays := not result.deleted and result.path_id = p_path;
  if v_stays then
    update pin p set updated = v_now, expires = p_expires, keep_revisions = coalesce(p_keep, p.keep_revisions) where p.id = result.id;
    -- Its path was taken back, and is here again.
    update pin_revision r set withdrawn = null where r.pin_id = result.id and r.revision = result.revision and r.withdrawn is not null;
  else
    update pin p set path_id = p_path, revision = p.revision + 1, deleted = false, updated = v_now, expires = p_expires,
        created = case when p.deleted then v_now else p.created end,
        keep_revisions = coalesce(p_keep, case when p.deleted then 1 else p.keep_revisions end)
      where p.id = result.id;
    insert into pin_revision (pin_id, revision, path_id, created) select p.id, p.revision, p.path_id, v_now from pin p where p.id = result.id;
  end if;
  update pin p set kept_from = greatest(p.kept_from, least(p.revision - p.keep_revisions + 1, p.written)) where p.id = result.id returning * into result;
  if not (v_stays and p_kind = 'push') then
    perform @fn@.audit(p_cache, p_publisher, p_address, case when p_kind = 'rollback' then 'pin.rollback' when outcome = 'made' or v_stays then 'pin.set' else 'pin.move' end,
      p_name, (select s.hash from store_path s where s.id = p_path), jsonb_build_object('revision', result.revision));
  end if;
  -- A hundred revisions are listed.
  delete from pin_revision r where r.pin_id = result.id and r.revision <= result.revision - 100 and r.revision < result.kept_from;
end $$;

-- outcome: 'made' | 'moved' | 'changed' | 'stale' (not at p_seen: the operation is as if it had not been asked for) | 'absent' (the path, or something it needs, is not in the cache) | 'reused' | 'other' (its NAR is not p_nar) |
-- 'boundary' (its closure refers to what only an upstream has, and not p_boundaries) | 'unread' (another group published the path or something that it needs, and no server has read the bytes; neither p_nar nor p_any says that this is all the same)
create function @fn@.set_pin(
  p_cache int, p_name text, p_hash bytea, p_path_name text, p_life interval, p_keep int, p_expected bigint, p_operation text, p_digest bytea,
  p_publisher text, p_group text, p_rank int, p_any boolean, p_nar bytea, p_address text default null, p_boundaries boolean default false, p_seen bigint default null,
  out outcome text, out result pin)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_said record;
  v_group int;
  v_path bigint;
  v_nar bytea;
  v_lower bigint[] := '{}';
  v_unread boolean := false;
  v_unpromised bigint[];
  v_referrers bigint[];
  v_there bigint[];
  v_g bigint;
begin
  select r.* into v_said from @fn@.pin_replay(p_cache, p_name, p_operation, p_digest) r;
  if v_said.status is not null then
    outcome := v_said.outcome;
    result := v_said.result;
    return;
  end if;
  select s.id, s.nar_hash into v_path, v_nar from store_path s where s.cache_id = p_cache and s.hash = p_hash and s.name = p_path_name;
  if found then
    select b.trust_group into v_group from @fn@.publisher(p_cache, p_publisher, p_group, p_rank) b;
    -- Who pins a closure vouches for it: nobody of its rank supersedes any of it.
    with recursive walk(id) as (
      select v_path union select r.id from walk w join store_path s on s.id = w.id cross join unnest(s.refs) r(id))
    select coalesce(array_agg(s.id) filter (where s.rank < p_rank), '{}'),
        bool_or(not @fn@.usable(s.verified, s.trust_group, @fn@.legacy_group(p_cache, v_group), v_group)) and not p_any and p_nar is null
      into v_lower, v_unread from walk w join store_path s on s.id = w.id;
    select w.referrers, w.there into v_referrers, v_there from @fn@.boundary_walk(p_cache, v_path) w;
    select t.g, t.unpromised into v_g, v_unpromised from @fn@.touch(p_cache, v_path || v_there, v_lower || v_referrers) t;
    -- Boundaries that the cache has by now become references.
    if v_referrers <> '{}' and not v_path = any(v_unpromised) then
      perform @fn@.adopt_boundaries(p_cache, v_g, v_referrers, v_there);
    end if;
  end if;
  select c.* into v_said from @fn@.pin_claim(p_cache, p_name, p_operation, p_digest) c;
  if v_said.status is not null then
    outcome := v_said.outcome;
    result := v_said.result;
    return;
  end if;

  if v_path is null or v_path = any(v_unpromised) then
    outcome := 'absent';
  elsif v_nar <> p_nar then
    outcome := 'other';
  elsif v_unread then
    outcome := 'unread';
  elsif not p_boundaries and exists (select from @fn@.closure_boundaries(p_cache, v_path)) then
    outcome := 'boundary';
  else
    update store_path s set rank = p_rank where s.id = any(v_lower) and s.state = 'live' and s.rank < p_rank;
    select m.* into v_said from @fn@.move_pin(p_cache, p_name, v_path, clock_timestamp() + p_life, p_keep, p_expected, 'set', p_publisher, p_address, p_seen) m;
    outcome := v_said.outcome;
    result := v_said.result;
    if outcome = 'stale' then
      perform @fn@.pin_unclaim(p_cache, p_operation);
      return;
    end if;
  end if;
  perform @fn@.pin_done(p_cache, p_operation, outcome, result);
end $$;

-- To the given revision, or (null) to the newest one with another path. Expiry and kept revisions stay as they are.
-- outcome: as of set_pin, or 'unknown' (no such pin) | 'no-revision'; with 'absent' result.path_id is the path that was wanted
create function @fn@.rollback_pin(
  p_cache int, p_name text, p_revision bigint, p_expected bigint, p_operation text, p_digest bytea, p_publisher text default null, p_address text default null, p_boundaries boolean default false, p_seen bigint default null,
  out outcome text, out result pin)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_said record;
  v_seen pin%rowtype;
  v_path bigint;
  v_created timestamptz;
  v_unpromised bigint[];
  v_referrers bigint[];
  v_there bigint[];
  v_g bigint;
begin
  select r.* into v_said from @fn@.pin_replay(p_cache, p_name, p_operation, p_digest) r;
  if v_said.status is not null then
    outcome := v_said.outcome;
    result := v_said.result;
    return;
  end if;
  select * into v_seen from pin p where p.cache_id = p_cache and p.name = p_name and not p.deleted;
  select r.path_id, r.created into v_path, v_created from pin_revision r
    where r.pin_id = v_seen.id and (r.revision = p_revision or p_revision is null and r.path_id <> v_seen.path_id) order by r.revision desc limit 1;
  if found then
    select w.referrers, w.there into v_referrers, v_there from @fn@.boundary_walk(p_cache, v_path) w;
    select t.g, t.unpromised into v_g, v_unpromised from @fn@.touch(p_cache, v_path || v_there, v_referrers) t;
    if v_referrers <> '{}' and not v_path = any(v_unpromised) then
      perform @fn@.adopt_boundaries(p_cache, v_g, v_referrers, v_there);
    end if;
    v_unpromised := array(select i from unnest(v_unpromised) i where i = v_path);
    -- A revision that was no longer kept may have gone, and come back as something that nobody vouches for.
    v_unpromised := v_unpromised || array(select s.id from store_path s where s.id = v_path and s.rank = 0 and s.declared_at > v_created);
  end if;
  select c.* into v_said from @fn@.pin_claim(p_cache, p_name, p_operation, p_digest) c;
  if v_said.status is not null then
    outcome := v_said.outcome;
    result := v_said.result;
    return;
  end if;

  select * into result from pin p where p.id = v_seen.id for no key update;
  if not found or result.deleted then
    outcome := 'unknown';
  elsif v_path is null then
    outcome := 'no-revision';
  elsif result.revision <> v_seen.revision and p_revision is null then
    raise exception 'the pin was moved meanwhile: another revision is the one before' using errcode = '40001';
  elsif v_unpromised <> '{}' then
    outcome := 'absent';
    result.path_id := v_path;
  elsif not p_boundaries and exists (select from @fn@.closure_boundaries(p_cache, v_path)) then
    outcome := 'boundary';
    result.path_id := v_path;
  else
    select m.* into v_said from @fn@.move_pin(p_cache, p_name, v_path, result.expires, result.keep_revisions, coalesce(p_expected, -1), 'rollback', p_publisher, p_address, p_seen) m;
    outcome := v_said.outcome;
    result := v_said.result;
    if outcome = 'stale' then
      perform @fn@.pin_unclaim(p_cache, p_operation);
      return;
    end if;
  end if;
  perform @fn@.pin_done(p_cache, p_operation, outcome, result);
end $$;

-- Marks the row; it goes when the deletion of pins/<name> is recorded. outcome: 'deleted' | 'unknown' | 'changed' | 'stale' | 'reused'
create function @fn@.delete_pin(
  p_cache int, p_name text, p_expected bigint, p_operation text, p_digest bytea, p_publisher text default null, p_address text default null, p_seen bigint default null,
  out outcome text, out result pin)
language plpgsql as $$
declare
  v_said record;
begin
  select c.* into v_said from @fn@.pin_claim(p_cache, p_name, p_operation, p_digest) c;
  if v_said.status is not null then
    outcome := v_said.outcome;
    result := v_said.result;
    return;
  end if;
  select * into result from pin p where p.cache_id = p_cache and p.name = p_name for no key update;
  if not found or result.deleted then
    outcome := 'unknown';
  elsif not @fn@.pin_is_expected(result, p_seen) then
    outcome := 'stale';
    perform @fn@.pin_unclaim(p_cache, p_operation);
    return;
  elsif not @fn@.pin_is_expected(result, p_expected) then
    outcome := 'changed';
  else
    update pin p set deleted = true, revision = p.revision + 1, updated = clock_timestamp(), expires = null where p.id = result.id returning * into result;
    outcome := 'deleted';
    perform @fn@.audit(p_cache, p_publisher, p_address, 'pin.delete', p_name, (select s.hash from store_path s where s.id = result.path_id), jsonb_build_object('revision', result.revision));
  end if;
  perform @fn@.pin_done(p_cache, p_operation, outcome, result);
end $$;

-- Deletes pins whose time is over; the housekeeper's.
create function @fn@.expire_pins(p_cache int, p_limit int) returns int
language plpgsql as $$
declare
  v_ids bigint[];
  v_count int;
begin
  select array_agg(x.id) into v_ids from (
    select p.id from pin p where p.cache_id = p_cache and not p.deleted and p.expires < clock_timestamp() order by p.id limit p_limit for no key update skip locked) x;
  with ended as (
    update pin p set deleted = true, revision = p.revision + 1, updated = clock_timestamp(), expires = null where p.id = any(v_ids) returning p.name, p.path_id, p.revision)
  insert into audit (cache_id, publisher, action, subject, path, detail)
    select p_cache, 'server', 'pin.expire', e.name, s.hash, jsonb_build_object('revision', e.revision) from ended e left join store_path s on s.id = e.path_id;
  get diagnostics v_count = row_count;
  return v_count;
end $$;

-- Opens an intent on the pin of that name, or (null) on up to p_limit, where one is to be written and none is open (or its fence has passed).
create function @fn@.pin_intend(p_cache int, p_name text, p_fence interval, p_margin interval, p_limit int)
returns table (id bigint, name text, revision bigint, deleted boolean, path_hash bytea, path_name text, generation bigint, fence timestamptz)
language plpgsql as $$
#variable_conflict use_column
declare
  v_ids bigint[];
begin
  if p_name is not null then
    select array_agg(x.id) into v_ids from (select p.id from pin p where p.cache_id = p_cache and p.name = p_name for no key update) x;
  else
    select array_agg(x.id) into v_ids from (
      select p.id from pin p where p.cache_id = p_cache and not p.recorded and (p.fence is null or p.fence + p_margin < clock_timestamp())
      order by p.id limit p_limit for no key update skip locked) x;
  end if;
  -- A statement of its own: it reads the rows as they were when they were locked.
  return query
    update pin p set generation = p.generation + 1, fence = clock_timestamp() + p_fence
    from store_path s
    where p.id = any(v_ids) and s.id = p.path_id and not p.recorded and (p.fence is null or p.fence + p_margin < clock_timestamp())
    returning p.id, p.name, p.revision, p.deleted, s.hash, s.name, p.generation, p.fence;
end $$;

-- An attempt, all of it answered: the intent is cleared, and (p_done) the bucket has that revision. The row has perhaps moved on; then it is written again.
-- Is nothing left to be written?
create function @fn@.pin_record(p_id bigint, p_generation bigint, p_revision bigint, p_done boolean) returns boolean
language plpgsql as $$
declare
  v_pin pin%rowtype;
begin
  select * into v_pin from pin p where p.id = p_id for update;
  if not found then return true; end if;
  if v_pin.generation <> p_generation or v_pin.fence is null then return v_pin.recorded; end if;
  if p_done and v_pin.deleted and v_pin.revision = p_revision then
    delete from pin_revision r where r.pin_id = p_id;
    delete from pin p where p.id = p_id;
    -- Only for the number; no client can send an operation with a space.
    insert into pin_operation (cache_id, operation, digest, name, outcome, revision)
      values (v_pin.cache_id, 'gone ' || p_id, '', v_pin.name, 'gone', v_pin.revision) on conflict do nothing;
    return true;
  end if;
  update pin p set fence = null, written = case when p_done then p_revision else p.written end where p.id = p_id;
  update pin p set kept_from = greatest(p.kept_from, least(p.revision - p.keep_revisions + 1, p.written)) where p.id = p_id;
  return p_done and v_pin.revision = p_revision;
end $$;

-- A replay is told from its first sending for a day.
create function @fn@.forget_pin_operations(p_cache int) returns void
language sql volatile as $$
  delete from pin_operation o where o.created < (select clock_timestamp() - interval '1 day') and o.cache_id = p_cache
$$;
