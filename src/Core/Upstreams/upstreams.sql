-- Boundaries: references that an upstream cache has and this one need not. A row's refs are what the cache has itself; what a declaration refers to beyond is a boundary, which touch, mark and sweep never see.

-- Of the paths of a closure those that the cache has not, and that the open push of this operation does not bring; with what an upstream is known to have, as seen within p_life. id null: to be asked.
create function @fn@.upstream_known(p_cache int, p_operation text, p_hashes bytea[], p_life interval)
returns table (hash bytea, id bigint, name text, nar_hash bytea, nar_size bigint, refs bytea[])
language sql stable set jit = off set enable_seqscan = off as $$
  select h.hash, u.id, u.name, u.nar_hash, u.nar_size, u.refs
  from unnest(p_hashes) h(hash)
  left join store_path s on s.cache_id = p_cache and s.hash = h.hash
  left join upstream_path u on u.cache_id = p_cache and u.hash = h.hash and u.lost is null and u.checked > clock_timestamp() - p_life
  where (s.id is null or s.state in ('gone', 'deleting'))
    and not exists (select from push p join push_path d on d.push_id = p.id where p.cache_id = p_cache and p.operation = p_operation and p.state = 'open' and d.path_id = s.id)
$$;

-- Keeps what an upstream's narinfos say. What it has under another name than before stays as it was: what refers to it was signed so.
create function @fn@.upstream_note(p_cache int, p_upstream text, p_hashes bytea[], p_names text[], p_nar_hashes bytea[], p_nar_sizes bigint[], p_ref_counts int[], p_refs bytea[])
returns table (hash bytea, id bigint)
language sql volatile as $$
  insert into upstream_path as u (cache_id, hash, name, nar_hash, nar_size, refs, upstream)
    select p_cache, d.hash, d.name, d.nar_hash, d.nar_size, coalesce(p_refs[d.upto - d.n + 1 : d.upto], '{}'), p_upstream
    from (select *, sum(n) over (order by ord) as upto
          from unnest(p_hashes, p_names, p_nar_hashes, p_nar_sizes, p_ref_counts) with ordinality x(hash, name, nar_hash, nar_size, n, ord)) d
    order by d.hash
    on conflict (cache_id, hash) do update set nar_hash = excluded.nar_hash, nar_size = excluded.nar_size, refs = excluded.refs, upstream = excluded.upstream,
      checked = clock_timestamp(), looked = clock_timestamp(), lost = null where u.name = excluded.name
    returning u.hash, u.id
$$;

-- A push relies on these: pairs of a path as declared and what it refers to. False: one of them was forgotten meanwhile.
create function @fn@.note_boundaries(p_cache int, p_hashes bytea[], p_digests bytea[], p_upstreams bigint[]) returns boolean
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_wanted bigint[] := array(select distinct unnest(p_upstreams));
  v_there bigint[];
begin
  -- Who forgets waits for this, and then finds it used.
  v_there := array(select u.id from upstream_path u where u.id = any(v_wanted) order by u.id for no key update);
  if cardinality(v_there) < cardinality(v_wanted) then return false; end if;
  update upstream_path u set used = clock_timestamp() where u.id = any(v_wanted) and u.used < clock_timestamp() - interval '1 hour';
  insert into boundary as b (cache_id, hash, digest, upstream_id)
    select distinct p_cache, x.hash, x.digest, x.id from unnest(p_hashes, p_digests, p_upstreams) x(hash, digest, id) order by 2, 3, 4
    on conflict (cache_id, hash, digest, upstream_id) do update set noted = clock_timestamp() where b.noted < clock_timestamp() - interval '1 hour';
  return true;
end $$;

-- The boundaries of these paths, as their rows stand.
create function @fn@.boundaries_of(p_cache int, p_ids bigint[]) returns table (path_id bigint, upstream_id bigint, hash bytea, name text)
language sql stable as $$
  select s.id, u.id, u.hash, u.name
  from store_path s join boundary b on b.cache_id = p_cache and b.hash = s.hash and b.digest = s.declared join upstream_path u on u.id = b.upstream_id
  where s.id = any(p_ids) and s.state <> 'gone' and not exists (select from store_path t where t.id = any(s.refs) and t.hash = u.hash)
$$;

-- Hashes of all that a declaration refers to, boundaries too.
create function @fn@.declared_refs(p_cache int, p_hash bytea, p_digest bytea, p_refs bigint[]) returns bytea[]
language sql stable as $$
  select array(
    select r.hash from store_path r where r.id = any(p_refs)
    union
    select u.hash from boundary b join upstream_path u on u.id = b.upstream_id where b.cache_id = p_cache and b.hash = p_hash and b.digest = p_digest)
$$;

-- Of these live paths, which a push supersedes with another content, those whose new content refers to a boundary.
create function @fn@.brought_boundaries(p_cache int, p_push bigint, p_ids bigint[]) returns bigint[]
language sql stable as $$
  select array(
    select d.path_id from push_path d join store_path s on s.id = d.path_id
    where d.push_id = p_push and d.path_id = any(p_ids) and s.declared is distinct from d.digest and exists (
      select from boundary b join upstream_path u on u.id = b.upstream_id
      where b.cache_id = p_cache and b.hash = s.hash and b.digest = d.digest and not exists (select from store_path t where t.id = any(d.refs) and t.hash = u.hash)))
$$;

-- What a pin on a path needs beyond the references of rows: the paths of its closure with boundaries, and of those boundaries the ones that the cache has by now, with all that they need. Nothing is locked.
create function @fn@.boundary_walk(p_cache int, p_path bigint, out referrers bigint[], out there bigint[])
language plpgsql stable set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
begin
  referrers := '{}';
  there := '{}';
  if not exists (select from boundary b where b.cache_id = p_cache) then return; end if;
  with recursive walk(id) as (
    select p_path
    union
    select n.id from walk w join store_path s on s.id = w.id cross join lateral (
      select unnest(s.refs)
      union all
      select t.id from @fn@.boundaries_of(p_cache, array[s.id]) b join store_path t on t.cache_id = p_cache and t.hash = b.hash and t.state in ('live', 'condemned')) n(id))
  select coalesce(array_agg(distinct b.path_id), '{}'), coalesce(array_agg(distinct t.id) filter (where t.id is not null), '{}') into referrers, there
    from @fn@.boundaries_of(p_cache, array(select w.id from walk w)) b left join store_path t on t.cache_id = p_cache and t.hash = b.hash and t.state in ('live', 'condemned');
end $$;

-- Rule 14: boundaries that the cache has itself become references. In this transaction the paths were promised at p_g, and so was what they are to refer to (p_there): live at g still means that its closure is.
create function @fn@.adopt_boundaries(p_cache int, p_g bigint, p_referrers bigint[], p_there bigint[]) returns void
language sql volatile as $$
  update store_path s set refs = array(select unnest(s.refs) union select unnest(a.ids) order by 1)
    from (select b.path_id, array_agg(t.id) as ids
          from @fn@.boundaries_of(p_cache, p_referrers) b join store_path t on t.cache_id = p_cache and t.hash = b.hash and t.id = any(p_there) and t.state = 'live' and t.touched = p_g
          group by b.path_id) a
    where s.id = a.path_id and s.state = 'live' and s.touched = p_g
$$;

-- The boundaries in a closure, each with a path that refers to it.
create function @fn@.closure_boundaries(p_cache int, p_path bigint) returns table (path_id bigint, upstream_id bigint, hash bytea, name text)
language plpgsql stable set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
begin
  if not exists (select from boundary b where b.cache_id = p_cache) then return; end if;
  return query
    with recursive walk(id) as (select p_path union select r.id from walk w join store_path s on s.id = w.id cross join unnest(s.refs) r(id))
    select b.path_id, b.upstream_id, b.hash, b.name from @fn@.boundaries_of(p_cache, array(select w.id from walk w)) b;
end $$;

-- Boundaries that are to be looked for at their upstream again: those not asked about since p_after, and lost ones since p_after_lost. The turn is taken with the answer.
create function @fn@.upstream_due(p_cache int, p_after interval, p_after_lost interval, p_limit int)
returns table (id bigint, hash bytea, name text, upstream text)
language sql volatile as $$
  update upstream_path u set looked = clock_timestamp()
    where u.id in (
      select x.id from upstream_path x
      where x.cache_id = p_cache and (x.looked < clock_timestamp() - p_after or x.lost is not null and x.looked < clock_timestamp() - p_after_lost)
        and exists (select from boundary b where b.upstream_id = x.id)
      order by x.looked limit p_limit for no key update skip locked)
    returning u.id, u.hash, u.name, u.upstream
$$;

-- What became of them: found there, or not. Answers those that are lost since just now.
create function @fn@.upstream_seen(p_cache int, p_ids bigint[], p_found boolean[]) returns table (hash bytea, name text, upstream text)
language sql volatile as $$
  with seen as (
    update upstream_path u set checked = case when r.found then clock_timestamp() else u.checked end, lost = case when not r.found then coalesce(u.lost, clock_timestamp()) end
      from (select * from unnest(p_ids, p_found) r(id, found)) r where u.id = r.id and u.cache_id = p_cache returning u.id, u.hash, u.name, u.upstream, u.lost)
  select s.hash, s.name, s.upstream from seen s where s.lost >= statement_timestamp()
$$;

-- Forgets what nobody refers to: boundaries of declarations that are not in the cache, and that no push brings; and what upstreams have, where no boundary is it.
create function @fn@.forget_boundaries(p_cache int, p_age interval, p_path_age interval, p_limit int) returns void
language plpgsql set jit = off set plan_cache_mode = force_custom_plan as $$
begin
  if not exists (select from upstream_path u where u.cache_id = p_cache) then return; end if;
  delete from boundary b where (b.cache_id, b.hash, b.digest, b.upstream_id) in (
    select x.cache_id, x.hash, x.digest, x.upstream_id from boundary x
    where x.cache_id = p_cache and x.noted < clock_timestamp() - p_age
      and not exists (select from store_path s where s.cache_id = p_cache and s.hash = x.hash and s.declared = x.digest and s.state <> 'gone')
      and not exists (select from push u join push_path d on d.push_id = u.id join store_path s on s.id = d.path_id
        where u.cache_id = p_cache and u.state in ('open', 'committing') and s.hash = x.hash and d.digest = x.digest)
    limit p_limit) and b.noted < clock_timestamp() - p_age;
  -- Who relies on one anew changes its row first (note_boundaries), and this then looks at the row again.
  delete from upstream_path u where u.id in (
    select x.id from upstream_path x
    where x.cache_id = p_cache and x.used < clock_timestamp() - p_path_age and not exists (select from boundary b where b.upstream_id = x.id)
    limit p_limit for update skip locked);
end $$;
