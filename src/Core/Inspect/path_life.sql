-- What the catalog knows of one path, for people: nothing is locked or promised. No row: the cache has and had no such path.
-- There is no index on references, so the whole table is read for the referrers.
create function @fn@.path_life(p_cache int, p_hash bytea, p_most int)
returns table (
  name text, state text, condemned_at timestamptz, publisher text, trust_group text, rank int, declared_at timestamptz, pushed timestamptz,
  nar_hash bytea, nar_size bigint, file_hash bytea, file_size bigint, key text, nar_state text, verification text,
  ref_hashes bytea[], ref_names text[], referrers bigint, referrer_hashes bytea[], referrer_names text[],
  pin_names text[], pin_revisions bigint[], pin_currents boolean[],
  uploaders text[], upload_times timestamptz[], upload_sizes bigint[], waiting int, verified_at timestamptz, boundary_hashes bytea[], boundary_names text[])
language plpgsql stable set jit = off set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
  v_path store_path%rowtype;
  v_is_there boolean;
  v_referrers bigint[];
begin
  select * into v_path from store_path s where s.cache_id = p_cache and s.hash = p_hash;
  if not found then return; end if;
  if v_path.name = '' then
    -- It has never been here: its first commit sets the name that the push declares.
    select d.name into v_path.name from push u join push_path d on d.push_id = u.id and d.path_id = v_path.id
      where u.cache_id = p_cache and u.state = 'open' and u.expires >= clock_timestamp() and d.name <> '' order by u.id limit 1;
    if not found then return; end if;
  end if;
  v_is_there := v_path.state <> 'gone';
  if v_is_there then
    v_referrers := array(
      select s.id from store_path s
      where s.cache_id = p_cache and s.state in ('publishing', 'live', 'condemned', 'deleting') and s.refs @> array[v_path.id] and s.id <> v_path.id order by s.id);
  end if;
  return query
    -- Pushes that declare it and have not lapsed, with the NAR that each of them wants.
    with declared as materialized (
      select u.id, u.publisher, coalesce(u.trust_group, 0) as trust_group, @fn@.legacy_group(p_cache, coalesce(u.trust_group, 0)) as legacy, d.nar_hash, d.nar_size
      from push u join push_path d on d.push_id = u.id and d.path_id = v_path.id
      where u.cache_id = p_cache and u.state = 'open' and u.expires >= clock_timestamp()),
    wanted as materialized (
      select o.* from object o where o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = any(array(select d.nar_hash from declared d))),
    up as (
      select coalesce(b.name, 'legacy') as name, o.claimed_at, o.nar_size
      from wanted o join push u on u.id = o.claimed_by left join publisher b on b.id = u.publisher
      where o.state = 'claimed' and u.state = 'open' and u.expires >= clock_timestamp()
      order by o.claimed_at, o.id limit p_most),
    pinned as (
      select p.name, max(r.revision) as revision, bool_or(r.revision = p.revision and not p.deleted) as is_current
      from pin_revision r join pin p on p.id = r.pin_id
      where p.cache_id = p_cache and r.path_id = v_path.id and r.revision >= p.kept_from
      group by p.name order by p.name collate "C" limit p_most)
    select v_path.name, v_path.state::text, v_path.condemned_at,
      case when v_is_there then coalesce(b.name, 'legacy') end, case when v_is_there then g.name end, case when v_is_there then v_path.rank::int end,
      case when v_is_there then v_path.declared_at end, (select r.pushed from root r where r.cache_id = p_cache and r.path_id = v_path.id),
      case when v_is_there then v_path.nar_hash end, v_path.nar_size, o.file_hash, o.file_size, o.key, o.state::text, case when v_is_there then @fn@.verification_of(v_path.id) end,
      x.hashes, x.names, coalesce(cardinality(v_referrers), 0)::bigint, y.hashes, y.names,
      (select array_agg(p.name) from pinned p), (select array_agg(p.revision) from pinned p), (select array_agg(p.is_current) from pinned p),
      (select array_agg(u.name) from up u), (select array_agg(u.claimed_at) from up u), (select array_agg(u.nar_size) from up u),
      (select count(*)::int from declared d
       where not exists (
         select from wanted w where w.nar_hash = d.nar_hash and w.nar_size = d.nar_size
           and (w.state = 'claimed' and w.claimed_by = d.id
             or w.state in ('stored', 'live', 'condemned') and @fn@.usable(w.verified, w.trust_group, d.legacy, d.trust_group)))),
      (select p.at from proof p where p.object_id = o.id and o.verified), z.hashes, z.names
    from (select) one
    left join publisher b on b.id = v_path.publisher
    left join trust_group g on g.id = v_path.trust_group
    left join object o on v_is_there and o.id = v_path.objects[1]
    cross join lateral (
      select array_agg(s.hash order by s.hash) as hashes, array_agg(s.name order by s.hash) as names from store_path s where v_is_there and s.id = any(v_path.refs)) x
    cross join lateral (
      select array_agg(s.hash order by s.id) as hashes, array_agg(s.name order by s.id) as names from store_path s where s.id = any(v_referrers[:p_most])) y
    cross join lateral (
      select array_agg(x.hash order by x.hash) as hashes, array_agg(x.name order by x.hash) as names from @fn@.boundaries_of(p_cache, array[v_path.id]) x) z;
end $$;
