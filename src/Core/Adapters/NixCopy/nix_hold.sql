-- Rule 7 for stock Nix: what its credential was answered is held by an open push of that credential, the hold, which slides with its traffic. A hold takes new promises
-- for an hour and up to some thousand, then the credential gets the next one; none slides beyond a day, so that a credential that is never idle does not hold everything for ever.

-- Locks the holds of some credentials. chosen: by credential, the one that takes new promises; null: none yet, unless p_insert. due: those whose time is to be moved on.
-- p_groups and p_ranks: of each credential.
create function @fn@.nix_holds(p_cache int, p_holders text[], p_groups text[], p_ranks int[], p_insert boolean, p_life interval, out chosen bigint[], out due bigint[])
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_now timestamptz;
begin
  perform 1 from push u where u.cache_id = p_cache and u.holder = any(p_holders) and u.state = 'open' order by u.id for no key update;
  v_now := clock_timestamp();
  -- One that has lapsed is left to end: what it promised may be gone. One that ends soon takes nothing either, unless it is about to be moved on.
  if p_insert then
    insert into push (cache_id, operation, digest, holder, expires, paths, roots, publisher, trust_group, rank)
      select p_cache, 'nix:' || gen_random_uuid(), '', h.holder, v_now + p_life, '{}', '{}', b.id, b.trust_group, h.rank
      from (select distinct on (i.holder) i.holder, i.trust_group, i.rank from unnest(p_holders, p_groups, p_ranks) i(holder, trust_group, rank) order by i.holder) h
      cross join lateral @fn@.publisher(p_cache, h.holder, h.trust_group, h.rank) b
      where not exists (select from push u where u.cache_id = p_cache and u.holder = h.holder and u.state = 'open'
        and u.created + interval '1 hour' > v_now and u.expires > v_now and cardinality(u.paths) + cardinality(u.objects) < 5000)
      order by h.holder;
  end if;
  select array_agg(c.id order by c.ord) into chosen from (
    select h.ord, (select max(u.id) from push u where u.cache_id = p_cache and u.holder = h.holder and u.state = 'open'
      and u.created + interval '1 hour' > v_now and u.expires > v_now and cardinality(u.paths) + cardinality(u.objects) < 5000) as id
    from unnest(p_holders) with ordinality h(holder, ord)) c;
  due := array(select u.id from push u where u.cache_id = p_cache and u.holder = any(p_holders) and u.state = 'open' and u.expires > v_now
    and u.expires + interval '10 minutes' < least(v_now + p_life, u.created + interval '1 day'));
  perform 1 from push u where u.id = any(chosen || due) order by u.id for no key update;
end $$;

-- What is said to be there is held before the answer. Each item is of one credential: a path (p_hashes), a NAR by its file's name (p_names), or neither: the traffic alone.
-- key and file_size: of the NAR. Many items, of any credentials, in one transaction.
-- Usable is what its credential's trust group published, or a server has read. Such a client declares nothing before it asks, so what another group published on a lower rank's word
-- is not there for it: it sends its own, and that is compared. p_told: of each item, what is_told takes.
create function @fn@.nix_promise(p_cache int, p_holders text[], p_groups text[], p_ranks int[], p_hashes bytea[], p_names text[], p_life interval, p_told text[] default null)
returns table (item int, present boolean, key text, file_size bigint)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_g bigint;
  v_unpromised bigint[];
  v_chosen bigint[];
  v_due bigint[];
  v_paths bigint[];
  v_objects bigint[];
  v_item_groups int[];
  v_distrusts boolean;
  v_item_paths bigint[];
  v_item_objects bigint[];
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  -- Which items could be promised at all: a look without locks, so that a cold copy opens no hold.
  v_paths := array(select s.id from store_path s where s.cache_id = p_cache and s.hash = any(p_hashes) and s.state in ('live', 'condemned'));
  v_objects := array(select a.object_id from nar_alias a join object o on o.id = a.object_id
    where a.cache_id = p_cache and a.name = any(p_names) and o.file_hash = a.file_hash and o.state in ('stored', 'live', 'condemned'));
  select h.chosen, h.due into v_chosen, v_due from @fn@.nix_holds(p_cache, p_holders, p_groups, p_ranks, v_paths <> '{}' or v_objects <> '{}', p_life) h;
  if v_paths = '{}' and v_objects = '{}' and v_due = '{}' then
    return query select i, false, null::text, null::bigint from generate_series(1, cardinality(p_holders)) i;
    return;
  end if;

  -- A hold that is moved on promises all that it holds again, whatever the clock says.
  v_objects := v_objects || array(select unnest(u.objects) from push u where u.id = any(v_due));
  select t.g, t.unpromised into v_g, v_unpromised from @fn@.touch(p_cache, v_paths || array(select unnest(u.paths) from push u where u.id = any(v_due)), '{}', v_objects) t;
  perform @fn@.stamp_objects(p_cache, v_g, v_objects);

  select array_agg(b.trust_group order by i.ord) into v_item_groups
    from unnest(p_holders) with ordinality i(holder, ord) left join publisher b on b.cache_id = p_cache and b.name = i.holder;
  select c.distrust_legacy into v_distrusts from cache c where c.id = p_cache;
  -- Locked by now: they stay what they are. One element for each item; null: not there.
  select array_agg(x.path_id order by x.ord), array_agg(x.object_id order by x.ord) into v_item_paths, v_item_objects from (
    select i.ord, s.id as path_id, o.id as object_id
    from unnest(v_item_groups, p_hashes, p_names, p_ranks, p_told) with ordinality i(trust_group, hash, name, rank, told, ord)
    left join store_path s on s.cache_id = p_cache and s.hash = i.hash and s.id = any(v_paths) and not s.id = any(v_unpromised)
      and @fn@.usable(s.verified, s.trust_group, case when v_distrusts then -1 else i.trust_group end, i.trust_group)
      and (s.rank >= i.rank or coalesce(s.trust_group, i.trust_group) = i.trust_group) and @fn@.is_told(p_cache, i.told, s.trust_group)
    left join nar_alias a on a.cache_id = p_cache and a.name = i.name
    left join object o on o.id = a.object_id and o.id = any(v_objects) and o.file_hash = a.file_hash and o.state in ('stored', 'live')
      and @fn@.usable(o.verified, o.trust_group, case when v_distrusts then -1 else i.trust_group end, i.trust_group) and @fn@.is_told(p_cache, i.told, o.trust_group)) x;
  update object o set holders = array(select unnest(o.holders) union select unnest(n.pushes))
    from (select i.object_id, array_agg(distinct i.push_id) as pushes from unnest(v_item_objects, v_chosen) i(object_id, push_id) where i.object_id is not null group by i.object_id) n
    where o.id = n.object_id and o.state = 'stored' and not n.pushes <@ o.holders;
  update push u set paths = array(select unnest(u.paths) union select unnest(n.paths)), objects = array(select unnest(u.objects) union select unnest(n.objects))
    from (
      select i.push_id, coalesce(array_agg(distinct i.path_id) filter (where i.path_id is not null), '{}') as paths,
        coalesce(array_agg(distinct i.object_id) filter (where i.object_id is not null), '{}') as objects
      from unnest(v_chosen, v_item_paths, v_item_objects) i(push_id, path_id, object_id) where i.push_id is not null group by i.push_id) n
    where u.id = n.push_id and not (n.paths <@ u.paths and n.objects <@ u.objects);
  update push u set expires = least(clock_timestamp() + p_life, u.created + interval '1 day') where u.id = any(v_due);
  perform @fn@.nix_roots(p_cache, v_item_paths);

  return query select i.ord::int, i.path_id is not null or i.object_id is not null, o.key, o.file_size
    from unnest(v_item_paths, v_item_objects) with ordinality i(path_id, object_id, ord) left join object o on o.id = i.object_id;
end $$;

-- A closure's top path that such a client asks for was pushed again, as far as it is concerned. Not oftener than every ten minutes: it comes with every copy.
create function @fn@.nix_roots(p_cache int, p_paths bigint[]) returns void
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_old bigint[];
begin
  v_old := array(select r.path_id from root r where r.cache_id = p_cache and r.path_id = any(p_paths) and r.pushed + interval '10 minutes' < clock_timestamp()
    order by r.path_id for no key update);
  update root r set pushed = clock_timestamp() where r.cache_id = p_cache and r.path_id = any(v_old);
end $$;
