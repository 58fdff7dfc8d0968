-- Attic's client puts paths one by one and in no order, and is answered each alone. A path that was put waits in a row of waiting_path until all that it refers to is there; then nix_put publishes it, as a narinfo of stock Nix.
-- A row awaits one reference at a time. When that one arrives, the next that is not there is awaited; a row that awaits none is ready. So an arrival costs what awaits it, whatever else waits.
-- No path is left behind: whoever lets a row await a path looks for it once more after that commit (attic_move), and whoever has published a path looks for the rows that await it after that one. Of two at once the later look sees both.
-- A server that stops between its commit and its look leaves the rest to the housekeeper (attic_left).

-- One of the references that is not there; null: all are. To who may not read the cache, there is what nix_put lets it refer to.
create function @fn@.attic_awaits(p_cache int, p_holder text, p_reads_others boolean, p_refs bytea[]) returns bytea
language sql stable as $$
  select r from unnest(p_refs) r where not exists (
    select from store_path s where s.cache_id = p_cache and s.hash = r and s.state in ('live', 'condemned')
      and (p_reads_others or @fn@.is_told(p_cache, p_holder, s.trust_group)
        or exists (select from push u where u.cache_id = p_cache and u.holder = p_holder and u.state = 'open' and s.id = any(u.paths)))) limit 1
$$;

-- The name of a file that has this NAR; null: there is none. A look without a lock, and whoever asks: nix_promise says whether it is there for its publisher.
create function @fn@.attic_nar(p_cache int, p_nar_hash bytea, p_nar_size bigint) returns text
language sql stable set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
  select a.name from object o join nar_alias a on a.object_id = o.id and a.file_hash = o.file_hash
  where o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = p_nar_hash and o.nar_size = p_nar_size and o.verified and o.state in ('stored', 'live', 'condemned') order by o.id desc limit 1
$$;

-- Records a path whose NAR is in the store; the same path again replaces its row. awaits: see attic_awaits; null: who has recorded it publishes it.
-- outcome: 'waiting' | 'nar' (its NAR is not there any more) | 'due' (the traffic moves the holds on: nix_promise first) | 'full' (so many paths of this publisher wait that no more are taken) | what quota_exceeded says
-- Each path becomes a root when it is published, so those that wait count as roots. p_most: rows and bytes of one publisher. p_told: what is_told takes.
create function @fn@.attic_record(
  p_cache int, p_holder text, p_group text, p_rank int, p_told text, p_address text, p_hash bytea, p_digest bytea, p_refs bytea[], p_info text, p_nar_hash bytea, p_nar_size bigint, p_file_hash bytea,
  p_life interval, p_most bigint[], p_quotas bigint[] default null, out outcome text, out awaits bytea)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_hold bigint;
  v_due bigint[];
  v_publisher int;
  v_group int;
  v_legacy int;
  v_nar bigint;
  v_weight int := octet_length(p_info) + 24 * cardinality(p_refs) + 200;
  v_rows bigint;
  v_bytes bigint;
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  select h.chosen[1], h.due into v_hold, v_due from @fn@.nix_holds(p_cache, array[p_holder], array[p_group], array[p_rank], true, p_life) h;
  if v_due <> '{}' then outcome := 'due'; return; end if;
  select b.id, b.trust_group into v_publisher, v_group from @fn@.publisher(p_cache, p_holder, p_group, p_rank) b;
  v_legacy := @fn@.legacy_group(p_cache, v_group);

  -- The lock of its holds makes the recordings of one publisher wait for each other, so that this count holds.
  select count(*), coalesce(sum(w.weight), 0) into v_rows, v_bytes from waiting_path w where w.cache_id = p_cache and w.holder = p_holder and w.hash <> p_hash;
  if v_rows >= p_most[1] or v_bytes + v_weight > p_most[2] then outcome := 'full'; return; end if;
  if p_quotas is not null and not exists (select from root r join store_path s on s.id = r.path_id where s.cache_id = p_cache and s.hash = p_hash) then
    outcome := @fn@.quota_exceeded(p_cache, v_publisher, v_group, p_quotas, 0, 0, v_rows + 1);
    if outcome is not null then return; end if;
  end if;

  select o.id into v_nar from object o
    where o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = p_nar_hash and o.nar_size = p_nar_size and o.file_hash = p_file_hash and o.state in ('stored', 'live', 'condemned')
      and @fn@.usable(o.verified, o.trust_group, v_legacy, v_group) and @fn@.is_told(p_cache, p_told, o.trust_group)
    order by o.verified desc, o.id limit 1;
  if not found or not @fn@.attic_hold(p_cache, v_hold, array[v_nar]) @> array[v_nar] then outcome := 'nar'; return; end if;

  awaits := @fn@.attic_awaits(p_cache, p_holder, p_told is null, p_refs);
  insert into waiting_path as w (cache_id, holder, hash, push_id, digest, refs, awaits, info, object_id, file_hash, weight, trust_group, rank, reads_others, address)
    values (p_cache, p_holder, p_hash, v_hold, p_digest, p_refs, attic_record.awaits, p_info, v_nar, p_file_hash, v_weight, p_group, p_rank, p_told is null, p_address)
    on conflict (cache_id, holder, hash) do update set push_id = excluded.push_id, digest = excluded.digest, refs = excluded.refs, awaits = excluded.awaits, looked = clock_timestamp(), info = excluded.info, object_id = excluded.object_id, file_hash = excluded.file_hash,
      weight = excluded.weight, trust_group = excluded.trust_group, rank = excluded.rank, reads_others = excluded.reads_others, address = excluded.address, recorded = clock_timestamp();
  outcome := 'waiting';
end $$;

-- Rule 7 for NARs without a path: a hold, whose lock the caller has, holds them from now on. Answers those that are there.
create function @fn@.attic_hold(p_cache int, p_hold bigint, p_objects bigint[]) returns bigint[]
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_g bigint;
  v_there bigint[];
begin
  select t.g into v_g from @fn@.touch(p_cache, '{}', '{}', p_objects) t;
  -- Locked by now: they stay what they are.
  perform @fn@.stamp_objects(p_cache, v_g, p_objects);
  v_there := array(select o.id from object o where o.id = any(p_objects) and o.state in ('stored', 'live'));
  update object o set holders = array_append(o.holders, p_hold) where o.id = any(v_there) and o.state = 'stored' and not p_hold = any(o.holders);
  update push u set objects = array(select unnest(u.objects) union select unnest(v_there)) where u.id = p_hold and not v_there <@ u.objects;
  return v_there;
end $$;

-- Which of these paths wait, put by this publisher, with their NARs: its youngest hold holds them from now on. What is due was moved on before (nix_promise).
create function @fn@.attic_promise(p_cache int, p_holder text, p_group text, p_rank int, p_hashes bytea[], p_life interval) returns setof bytea
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_hold bigint;
  v_there bigint[];
begin
  -- A look without locks, so that a cold push opens no hold.
  if not exists (select from waiting_path w where w.cache_id = p_cache and w.holder = p_holder and w.hash = any(p_hashes)) then return; end if;
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  select h.chosen[1] into v_hold from @fn@.nix_holds(p_cache, array[p_holder], array[p_group], array[p_rank], true, p_life) h;
  v_there := @fn@.attic_hold(p_cache, v_hold, array(select w.object_id from waiting_path w where w.cache_id = p_cache and w.holder = p_holder and w.hash = any(p_hashes)));
  return query
    update waiting_path w set push_id = v_hold
      from (select x.hash from waiting_path x join object o on o.id = x.object_id
        where x.cache_id = p_cache and x.holder = p_holder and x.hash = any(p_hashes) and x.object_id = any(v_there) and o.file_hash = x.file_hash order by x.hash for no key update of x) n
      where w.cache_id = p_cache and w.holder = p_holder and w.hash = n.hash
      returning w.hash;
end $$;

-- Rows that await one of these paths and need not any more await the next, or are ready: awaits null. Only who is answered a ready row publishes it; the others it asks about again, in a statement of its own.
create function @fn@.attic_move(p_cache int, p_hashes bytea[], p_limit int)
returns table (awaits bytea, holder text, digest bytea, info text, trust_group text, rank int, reads_others boolean, address text)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_there bytea[];
  v_holders text[];
  v_hashes bytea[];
begin
  v_there := array(select s.hash from store_path s where s.cache_id = p_cache and s.hash = any(p_hashes) and s.state in ('live', 'condemned'));
  if v_there = '{}' then return; end if;
  select array_agg(x.holder), array_agg(x.hash) into v_holders, v_hashes from (
    select w.holder, w.hash from waiting_path w
    where w.cache_id = p_cache and w.awaits = any(v_there) and @fn@.attic_awaits(p_cache, w.holder, w.reads_others, w.refs) is distinct from w.awaits
    order by w.holder, w.hash limit p_limit for no key update) x;
  return query select * from @fn@.attic_look(p_cache, v_holders, v_hashes);
end $$;

-- What nobody goes on with: rows of an ended push go; ready rows at which nobody has looked for p_silence. Looked at now, so that no other server publishes them for that long.
create function @fn@.attic_left(p_cache int, p_silence interval, p_limit int)
returns table (awaits bytea, holder text, digest bytea, info text, trust_group text, rank int, reads_others boolean, address text)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_holders text[];
  v_hashes bytea[];
begin
  -- A server that knew no such rows yet has ended their pushes.
  delete from waiting_path w where w.cache_id = p_cache and not exists (select from push u where u.id = w.push_id and u.state = 'open');
  select array_agg(x.holder), array_agg(x.hash) into v_holders, v_hashes from (
    select w.holder, w.hash from waiting_path w where w.cache_id = p_cache and w.awaits is null and w.looked + p_silence < clock_timestamp()
    order by w.looked, w.hash limit p_limit for no key update skip locked) x;
  return query select * from @fn@.attic_look(p_cache, v_holders, v_hashes);
end $$;

-- Looks for the references of rows whose locks the caller has, in a snapshot that is younger than these.
create function @fn@.attic_look(p_cache int, p_holders text[], p_hashes bytea[])
returns table (awaits bytea, holder text, digest bytea, info text, trust_group text, rank int, reads_others boolean, address text)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_column
begin
  return query
    update waiting_path w set awaits = @fn@.attic_awaits(p_cache, w.holder, w.reads_others, w.refs), looked = clock_timestamp()
      from unnest(p_holders, p_hashes) k(holder, hash) where w.cache_id = p_cache and w.holder = k.holder and w.hash = k.hash
      returning w.awaits, w.holder, w.digest, w.info, w.trust_group, w.rank, w.reads_others, w.address;
end $$;

-- Paths that are awaited and have come by other protocols, or from a server that stopped. In no order, as some stay awaited by who may not read the cache.
create function @fn@.attic_arrived(p_cache int, p_limit int) returns setof bytea
language sql stable as $$
  select s.hash from store_path s where s.cache_id = p_cache and s.state in ('live', 'condemned')
    and s.hash = any(array(select distinct w.awaits from waiting_path w where w.cache_id = p_cache and w.awaits is not null)) order by random() limit p_limit
$$;

-- A path that was published, or will never be, waits no more; unless its publisher has declared it anew meanwhile.
create function @fn@.attic_done(p_cache int, p_holder text, p_hash bytea, p_digest bytea) returns void
language sql volatile as $$
  delete from waiting_path w where w.cache_id = p_cache and w.holder = p_holder and w.hash = p_hash and w.digest = p_digest
$$;

-- For an operator: the paths that wait, the oldest first, with references that each lacks, and when it lapses.
create function @fn@.attic_waiting(p_cache int, p_limit int)
returns table (info text, holder text, recorded timestamptz, expires timestamptz, missing bytea[])
language sql stable as $$
  select w.info, w.holder, w.recorded, u.expires, array(select r from unnest(w.refs) r where not exists (
      select from store_path s where s.cache_id = p_cache and s.hash = r and s.state in ('live', 'condemned')) limit 100)
  from waiting_path w join push u on u.id = w.push_id where w.cache_id = p_cache order by w.recorded, w.hash limit p_limit
$$;
