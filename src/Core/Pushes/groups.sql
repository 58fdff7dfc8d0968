-- Group commit: what several pushes want in one transaction: together what can be done for all of them at once, the rest of each item by the function that does it alone.
-- First all that they will lock, in one order.
-- No item raises for its guard. A row that somebody holds for long gives the group up (55P03): its items are then sent in smaller groups, at last alone.
-- What an item still has to wait for (a row that came meanwhile, another's row of the same key) is out of that order, and may wait for this group: such a wait is given up long before PostgreSQL looks for a deadlock.

-- Rows as open_push has them, but what has become of the paths once for all items that have none of it in their own rows: without an item, each path once, ords being a place in p_hashes where it is named.
-- What an item's keys lack may come in a row of its own. p_path_digests: of the paths of items with pins, null for the others'.
create function @fn@.open_pushes(
  p_cache int, p_operations text[], p_digests bytea[], p_ttl interval, p_path_counts int[], p_hashes bytea[],
  p_root_counts int[], p_roots int[], p_key_counts int[], p_keys text[], p_pins text[],
  p_publics uuid[], p_publishers text[], p_groups text[], p_ranks int[], p_committers text[], p_path_digests bytea[], p_quotas bigint[] default null)
returns table (item int, push_id uuid, push_state text, expires timestamptz, path_ids bigint[], states text[], promised boolean[], digests bytea[], trust_groups int[], verified boolean[],
  signatures text[], missing_keys text[], own_group int, trusts_legacy boolean, ords int[])
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off set lock_timeout = '1s' as $$
#variable_conflict use_column
declare
  v_known text[];
  v_ids bigint[];
  v_unpromised bigint[];
  v_promised boolean[];
  v_publishers int[];
  v_groups int[];
  v_items int[];
  v_pushes uuid[];
  v_expires timestamptz[];
  v_item_groups int[];
  v_lost boolean;
  v_trusts_legacy boolean;
  v_path int := 0;
  v_root int := 0;
  v_key int := 0;
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  select not c.distrust_legacy into v_trusts_legacy from cache c where c.id = p_cache;
  -- In one order, as each may be written.
  select array_agg(b.id order by x.ord), array_agg(b.trust_group order by x.ord) into v_publishers, v_groups
    from unnest(p_publishers) with ordinality x(name, ord)
    join (select o.name, w.id, w.trust_group
          from (select distinct on (u.name) u.name, u.trust_group, u.rank from unnest(p_publishers, p_groups, p_ranks) u(name, trust_group, rank) order by u.name) o
          cross join lateral @fn@.publisher(p_cache, o.name, o.trust_group, o.rank) w) b on b.name = x.name;
  v_known := array(select x.operation from (
    select u.operation from push u where u.cache_id = p_cache and u.operation = any(p_operations) order by u.id for no key update) x);
  -- Who may be near a quota goes through open_push, which looks closely.
  if p_quotas is not null then
    v_known := v_known || array(
      select x.operation from unnest(p_operations, v_publishers, v_groups) x(operation, publisher, trust_group)
      join (select distinct i.publisher, i.trust_group from unnest(v_publishers, v_groups) i(publisher, trust_group)) d on d.publisher = x.publisher
      where @fn@.quota_exceeded(p_cache, d.publisher, d.trust_group, p_quotas, cardinality(p_operations), 0, cardinality(p_roots)) is not null);
  end if;
  -- See open_push.
  insert into store_path (cache_id, hash, name)
    select distinct p_cache, u.hash, '' from unnest(p_hashes) u(hash)
    where not exists (select from store_path s where s.cache_id = p_cache and s.hash = u.hash)
    order by u.hash on conflict do nothing;
  select array_agg(s.id order by u.ord) into v_ids
    from unnest(p_hashes) with ordinality u(hash, ord) join store_path s on s.cache_id = p_cache and s.hash = u.hash;
  select t.unpromised into v_unpromised from @fn@.touch(p_cache, array(select distinct i from unnest(v_ids) i)) t;
  select array_agg(x.id is null order by u.ord) into v_promised
    from unnest(v_ids) with ordinality u(id, ord) left join (select distinct i as id from unnest(v_unpromised) i) x on x.id = u.id;

  with item as materialized (
      select x.i, x.operation, x.digest, x.pin, x.public, x.publisher, x.trust_group, x.rank, x.committers, x.paths, x.roots, sum(x.paths) over w - x.paths as path_from, sum(x.roots) over w - x.roots as root_from, x.operation <> all(v_known) as fresh
      from unnest(p_operations, p_digests, p_path_counts, p_root_counts, p_pins, p_publics, v_publishers, v_groups, p_ranks, p_committers)
        with ordinality x(operation, digest, paths, roots, pin, public, publisher, trust_group, rank, committers, i) window w as (order by x.i)),
    opened as (
      insert into push (cache_id, operation, digest, expires, paths, roots, pin, public_id, publisher, trust_group, rank, committers, named, digests, claimed_bytes)
        select p_cache, m.operation, m.digest, clock_timestamp() + p_ttl,
          array(select v_ids[k] from generate_series(m.path_from + 1, m.path_from + m.paths) k where v_promised[k]),
          array(select distinct v_ids[m.path_from + p_roots[k]] from generate_series(m.root_from + 1, m.root_from + m.roots) k), m.pin::jsonb,
          m.public, m.publisher, m.trust_group, m.rank, string_to_array(m.committers, ' '),
          case when m.pin is not null then v_ids[m.path_from + 1 : m.path_from + m.paths] else l.ids end, case when m.pin is not null then p_path_digests[m.path_from + 1 : m.path_from + m.paths] else l.digests end,
          case when p_quotas is not null then 0 end
        from item m left join lateral (
          select array_agg(s.id order by s.id) as ids, array_agg(s.declared order by s.id) as digests from store_path s
          where m.rank > 0 and m.pin is null and s.id = any(v_ids[m.path_from + 1 : m.path_from + m.paths]) and s.state <> 'gone' and s.rank < m.rank and s.declared is not null) l on true
        where m.fresh order by m.operation
        on conflict (cache_id, operation) do nothing returning public_id, operation, expires, trust_group)
    select array_agg(m.i::int), array_agg(o.public_id), array_agg(o.expires), array_agg(o.trust_group), bool_or(o.public_id is null) into v_items, v_pushes, v_expires, v_item_groups, v_lost
      from item m left join opened o on o.operation = m.operation where m.fresh;
  if v_lost then
    raise exception 'the same operation is being opened by another request' using errcode = '40001';
  end if;

  return query
    select u.item, u.id, 'open', u.expires, null::bigint[], null::text[], null::boolean[], null::bytea[], null::int[], null::boolean[], null::text[], null::text[], u.trust_group, v_trusts_legacy, null::int[]
    from unnest(v_items, v_pushes, v_expires, v_item_groups) u(item, id, expires, trust_group);
  return query
    select null::int, null::uuid, null::text, null::timestamptz, array_agg(s.id), array_agg(s.state::text), array_agg(u.promised), array_agg(s.declared), array_agg(s.trust_group), array_agg(s.verified),
      array_agg(array_to_string(s.signatures, ' ')), null::text[], null::int, null::boolean, array_agg(u.ord::int)
    from (select distinct on (x.id) x.id, x.promised, x.ord from unnest(v_ids, v_promised) with ordinality x(id, promised, ord)) u join store_path s on s.id = u.id;
  perform set_config('lock_timeout', '100ms', true);
  for i in 1 .. cardinality(p_operations) loop
    if p_operations[i] = any(v_known) then
      return query select i, o.*, null::int[] from @fn@.open_push(p_cache, p_operations[i], p_digests[i], p_ttl,
        p_hashes[v_path + 1 : v_path + p_path_counts[i]],
        p_roots[v_root + 1 : v_root + p_root_counts[i]], p_keys[v_key + 1 : v_key + p_key_counts[i]], p_pins[i]::jsonb,
        p_publics[i], p_publishers[i], p_groups[i], p_ranks[i], string_to_array(p_committers[i], ' '),
        case when p_pins[i] is not null then p_path_digests[v_path + 1 : v_path + p_path_counts[i]] end, p_quotas) o;
    elsif p_key_counts[i] > 0 then
      return query select i, null::uuid, null::text, null::timestamptz, null::bigint[], null::text[], null::boolean[], null::bytea[], null::int[], null::boolean[], null::text[], array(
        select k.key from unnest(p_keys[v_key + 1 : v_key + p_key_counts[i]]) k(key)
        left join lateral (select o.id from object o where o.cache_id = p_cache and o.key = k.key and o.state = 'live'
          and not @fn@.yields(o.rank, o.publisher, case when v_trusts_legacy then 0 else -1 end, p_ranks[i]) limit 1) o on true
        where o.id is null), null::int, null::boolean, null::int[];
    end if;
    v_path := v_path + p_path_counts[i];
    v_root := v_root + p_root_counts[i];
    v_key := v_key + p_key_counts[i];
  end loop;
end $$;

-- What the items declare, one after the other.
create function @fn@.claim_pushes(
  p_cache int, p_pushes bigint[], p_counts int[], p_ids bigint[],
  p_names text[], p_nar_hashes bytea[], p_nar_sizes bigint[], p_ref_counts int[], p_item_refs int[], p_refs bigint[], p_derivers text[], p_cas text[], p_signatures text[],
  p_path_digests bytea[], p_supersedes boolean[], p_keys text[], p_url_life interval, p_default_rate bigint, p_quotas bigint[] default null, p_waits text[] default null)
returns table (item int, path_id bigint, status text, object_id bigint, key text, nar_hash bytea, nar_size bigint, multipart_id text, uploader uuid)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off set lock_timeout = '1s' as $$
#variable_conflict use_column
declare
  v_at int := 0;
  v_ref int := 0;
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  perform 1 from push u where u.id = any(p_pushes) and u.cache_id = p_cache order by u.id for no key update;
  perform 1 from object o
    where o.cache_id = p_cache and o.kind = 'nar' and o.state in ('stored', 'condemned', 'live', 'claimed', 'gone')
      and o.nar_hash = any(array(select n.nar_hash from unnest(p_nar_hashes, p_waits) n(nar_hash, who) where n.who is null))
    order by o.id for no key update;
  perform set_config('lock_timeout', '100ms', true);
  for i in 1 .. cardinality(p_pushes) loop
    return query select i, c.* from @fn@.claim_paths(p_cache, p_pushes[i], p_ids[v_at + 1 : v_at + p_counts[i]], p_names[v_at + 1 : v_at + p_counts[i]],
      p_nar_hashes[v_at + 1 : v_at + p_counts[i]], p_nar_sizes[v_at + 1 : v_at + p_counts[i]], p_ref_counts[v_at + 1 : v_at + p_counts[i]],
      p_refs[v_ref + 1 : v_ref + p_item_refs[i]], p_derivers[v_at + 1 : v_at + p_counts[i]], p_cas[v_at + 1 : v_at + p_counts[i]],
      p_signatures[v_at + 1 : v_at + p_counts[i]], p_path_digests[v_at + 1 : v_at + p_counts[i]], p_supersedes[v_at + 1 : v_at + p_counts[i]], p_keys[v_at + 1 : v_at + p_counts[i]], p_url_life, p_default_rate, false, p_quotas, p_waits[v_at + 1 : v_at + p_counts[i]]) c;
    v_at := v_at + p_counts[i];
    v_ref := v_ref + p_item_refs[i];
  end loop;
end $$;

-- Those that bring nothing, as they found all of it there, end together. A large push is answered 'large' and committed alone: it would keep the others waiting.
create function @fn@.commit_pushes(p_cache int, p_pushes bigint[], p_large int, p_lease interval, p_publishers text[] default null, p_addresses text[] default null)
returns table (item int, outcome text, paths bigint[], published int, pin text, conflicts bigint[])
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off set lock_timeout = '1s' as $$
#variable_conflict use_column
declare
  v_small bigint[];
  v_declared bigint[];
  v_carriers bigint[];
  v_unpromised bigint[];
  v_warm bigint[];
  v_lower bigint[];
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  v_small := array(
    select u.id from push u
    where u.id = any(p_pushes) and cardinality(u.paths) + (select count(*) from (select from push_path d where d.push_id = u.id limit p_large) x) < p_large);
  perform 1 from push u where u.id = any(v_small) and u.cache_id = p_cache order by u.id for no key update;
  v_declared := array(select distinct d.path_id from push_path d join push u on u.id = d.push_id where u.id = any(v_small) and u.cache_id = p_cache and u.state = 'open');
  -- See commit_push.
  v_carriers := array(select distinct d.path_id from push_object d join push u on u.id = d.push_id where u.id = any(v_small) and u.cache_id = p_cache and u.state = 'open');
  -- What a higher rank has to vouch for is locked with the rest, and done by commit_push.
  v_lower := array(select distinct s.id from push u cross join unnest(u.paths) i(id) join store_path s on s.id = i.id
    where u.id = any(v_small) and u.cache_id = p_cache and u.state = 'open' and u.rank > s.rank);
  select t.unpromised into v_unpromised from @fn@.touch(p_cache,
    v_declared || array(select unnest(u.paths) from push u where u.id = any(v_small) and u.cache_id = p_cache and u.state = 'open'),
    v_declared || v_carriers || v_lower,
    array(
      select unnest(u.objects) from push u where u.id = any(v_small) and u.state = 'open'
      union select d.object_id from push_object d where d.push_id = any(v_small)
      union select o.id from object o where o.cache_id = p_cache and o.kind = 'nar' and o.state in ('stored', 'live', 'condemned')
        and o.nar_hash = any(array(select d.nar_hash from push_path d where d.push_id = any(v_small))))) t;
  perform 1 from root r where r.cache_id = p_cache
    and r.path_id = any(array(select unnest(u.roots) from push u where u.id = any(v_small) and u.cache_id = p_cache and u.state = 'open')) order by r.path_id for no key update;

  perform set_config('lock_timeout', '100ms', true);
  -- All that these name was promised by the touch above.
  v_warm := array(select u.id from push u where u.id = any(v_small) and u.cache_id = p_cache and u.state = 'open' and @fn@.brings_nothing(u));
  v_unpromised := v_unpromised || @fn@.unwritten_paths(p_cache, array(select unnest(u.paths) from push u where u.id = any(v_warm)));
  if v_unpromised <> '{}' or v_lower <> '{}' then
    v_warm := array(select u.id from push u where u.id = any(v_warm) and not u.paths && v_unpromised and (u.rank = 0 or not u.paths && v_lower));
  end if;
  perform @fn@.end_warm(p_cache, w.ids, w.publishers, w.addresses) from (
    select array_agg(c.id) as ids, array_agg(c.publisher) as publishers, array_agg(c.address) as addresses
    from unnest(p_pushes, p_publishers, p_addresses) c(id, publisher, address) where c.id = any(v_warm)) w;

  for i in 1 .. cardinality(p_pushes) loop
    if p_pushes[i] = any(v_warm) then
      return query select i, 'committed', null::bigint[], 0, null::text, '{}'::bigint[];
    elsif p_pushes[i] = any(v_small) then
      return query select i, c.outcome, c.paths, c.published, c.pin, c.conflicts from @fn@.commit_push(p_cache, p_pushes[i], p_lease, p_publishers[i], p_addresses[i]) c;
    else
      return query select i, case when exists (select from push u where u.id = p_pushes[i]) then 'large' else 'unknown' end, null::bigint[], null::int, null::text, null::bigint[];
    end if;
  end loop;
end $$;

create function @fn@.report_pushes(
  p_cache int, p_pushes bigint[],
  p_upload_counts int[], p_uploads bigint[], p_upload_keys text[], p_nar_hashes bytea[], p_file_hashes bytea[], p_file_sizes bigint[],
  p_listing_counts int[], p_listing_hashes bytea[], p_listings bytea[],
  p_key_counts int[], p_keys text[], p_kinds text[], p_contents bytea[], p_paths bytea[], p_verified boolean, p_occurring_counts int[] default null, p_occurring bytea[] default null, p_partial boolean[] default null)
returns table (item int, object_id bigint, outcome text)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off set lock_timeout = '1s' as $$
#variable_conflict use_column
declare
  u int := 0;
  l int := 0;
  k int := 0;
  c int := 0;
  nu int;
  nc int;
  nl int;
  nk int;
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  perform 1 from push p where p.id = any(p_pushes) and p.cache_id = p_cache order by p.id for no key update;
  perform 1 from object o where o.id = any(p_uploads) order by o.id for no key update;
  perform set_config('lock_timeout', '100ms', true);
  for i in 1 .. cardinality(p_pushes) loop
    nu := u + p_upload_counts[i];
    nl := l + p_listing_counts[i];
    nk := k + p_key_counts[i];
    nc := c + coalesce((select sum(n)::int from unnest(p_occurring_counts[u + 1 : nu]) n), 0);
    return query select i, r.* from @fn@.report_uploads(p_cache, p_pushes[i],
      p_uploads[u + 1 : nu], p_upload_keys[u + 1 : nu], p_nar_hashes[u + 1 : nu], p_file_hashes[u + 1 : nu], p_file_sizes[u + 1 : nu],
      p_listing_hashes[l + 1 : nl], p_listings[l + 1 : nl],
      p_keys[k + 1 : nk], p_kinds[k + 1 : nk], p_contents[k + 1 : nk], p_paths[k + 1 : nk], p_verified, p_occurring_counts[u + 1 : nu], p_occurring[c + 1 : nc], p_partial[u + 1 : nu]) r;
    u := nu;
    c := nc;
    l := nl;
    k := nk;
  end loop;
end $$;

create function @fn@.wait_pushes(p_cache int, p_pushes bigint[], p_counts int[], p_hashes bytea[], p_keys text[], p_url_life interval, p_default_rate bigint, p_quotas bigint[] default null)
returns table (item int, path_id bigint, status text, object_id bigint, key text, nar_hash bytea, nar_size bigint, multipart_id text, uploader uuid)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off set lock_timeout = '1s' as $$
#variable_conflict use_column
declare
  v_at int := 0;
  v_ids bigint[];
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  perform 1 from push u where u.id = any(p_pushes) and u.cache_id = p_cache order by u.id for no key update;
  v_ids := array(select s.id from store_path s where s.cache_id = p_cache and s.hash = any(p_hashes));
  perform @fn@.touch(p_cache, v_ids, '{}', array(
    select o.id from object o
    where o.cache_id = p_cache and o.kind = 'nar' and o.state in ('stored', 'condemned', 'live', 'claimed', 'gone')
      and o.nar_hash = any(array(select d.nar_hash from push_path d where d.push_id = any(p_pushes) and d.path_id = any(v_ids)))));
  perform set_config('lock_timeout', '100ms', true);
  for i in 1 .. cardinality(p_pushes) loop
    return query select i, w.path_id, w.status, w.object_id, w.key, w.nar_hash, w.nar_size, w.multipart_id, w.uploader
      from @fn@.wait_paths(p_cache, p_pushes[i], p_hashes[v_at + 1 : v_at + p_counts[i]], p_keys[v_at + 1 : v_at + p_counts[i]], p_url_life, p_default_rate, p_quotas) w;
    v_at := v_at + p_counts[i];
  end loop;
end $$;
