-- Publishers and their trust groups. A credential brings its publisher's name, group and rank with each request that can make one.

create function @fn@.publisher(p_cache int, p_name text, p_group text, p_rank int, out id int, out trust_group int)
language plpgsql as $$
begin
  select b.id, b.trust_group into id, trust_group from publisher b join trust_group t on t.id = b.trust_group
    where b.cache_id = p_cache and b.name = p_name and b.rank = p_rank and t.name = p_group;
  if found then return; end if;
  insert into trust_group (cache_id, name) values (p_cache, p_group) on conflict do nothing;
  insert into publisher as b (cache_id, name, trust_group, rank)
    select p_cache, p_name, t.id, p_rank from trust_group t where t.cache_id = p_cache and t.name = p_group
    on conflict (cache_id, name) do update set trust_group = excluded.trust_group, rank = excluded.rank
    returning b.id, b.trust_group into id, trust_group;
end $$;

-- The group that rows without one count for, when p_group asks: its own; or none, where the cache distrusts them.
create function @fn@.legacy_group(p_cache int, p_group int) returns int
language sql stable as $$ select case when c.distrust_legacy then -1 else p_group end from cache c where c.id = p_cache $$;

-- May a push of this group rely on the bytes? A server has read them, or they were published within the group.
create function @fn@.usable(p_verified boolean, p_of int, p_legacy int, p_group int) returns boolean
language sql immutable as $$ select p_verified or coalesce(p_of, p_legacy) = p_group $$;

-- May this publisher know of what this group has put? p_publisher null: of all of it; else of its own group's alone, and of what has no group never.
create function @fn@.is_told(p_cache int, p_publisher text, p_of int) returns boolean
language sql stable as $$ select p_publisher is null or p_of = (select b.trust_group from publisher b where b.cache_id = p_cache and b.name = p_publisher) $$;

-- Does the content of a key (a log, a realisation, debug info) give way to what a higher rank brings? What is from before there were ranks does where the cache distrusts it.
create function @fn@.yields(p_rank int, p_publisher int, p_legacy int, p_own_rank int) returns boolean
language sql immutable as $$ select p_rank < p_own_rank and (p_publisher is not null or p_legacy = -1) $$;

-- The push that a publisher (or p_any: whoever asks) knows by this id; 0: none that is its own. With p_commit, also one that names it as a committer.
-- Pushes from before they had such ids are known by their number, in the lower half.
create function @fn@.push_of(p_cache int, p_public uuid, p_publisher text, p_any boolean, p_commit boolean default false) returns bigint
language sql stable as $$
  select coalesce((
    select u.id from push u left join publisher b on b.id = u.publisher
    where u.cache_id = p_cache and u.public_id = p_public and (p_any or b.name = p_publisher or p_commit and p_publisher = any(u.committers))
  ), (
    select u.id from push u
    where p_public < '00000000-0000-0001-0000-000000000000' and u.cache_id = p_cache and u.publisher is null and u.public_id is null
      and u.id = ('x' || right(replace(p_public::text, '-', ''), 16))::bit(64)::bigint
  ), 0)
$$;

create function @fn@.public_of(p_public uuid, p_id bigint) returns uuid
language sql immutable as $$ select coalesce(p_public, lpad(to_hex(p_id), 32, '0')::uuid) $$;

-- Of a push that the same statement has opened, too.
create function @fn@.public_id(p_push bigint) returns uuid
language sql volatile as $$ select @fn@.public_of(u.public_id, u.id) from push u where u.id = p_push $$;

create function @fn@.pushes_of(p_cache int, p_publics uuid[], p_publishers text[], p_any boolean[], p_commit boolean default false) returns bigint[]
language sql stable as $$
  select coalesce(array_agg(@fn@.push_of(p_cache, x.public, x.publisher, x.anybody, p_commit) order by x.ord), '{}')
  from unnest(p_publics, p_publishers, p_any) with ordinality x(public, publisher, anybody, ord)
$$;

-- What a push says of live paths beside what their rows say (of what is declared alike the references may differ in what is a boundary); p_names and p_digests null: it does not know names and content addresses (yet).
-- publisher: of the row, null for one from before there were any.
create function @fn@.compare_paths(
  p_cache int, p_push bigint, p_ids bigint[], p_names text[], p_nar_hashes bytea[], p_nar_sizes bigint[], p_ref_counts int[], p_refs bigint[], p_cas text[], p_digests bytea[])
returns table (path_id bigint, verdict text, publisher text)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_group int;
  v_rank int;
  v_legacy int;
  v_reads boolean := @fn@.verify_policy(p_cache) <> 'off';
begin
  select coalesce(u.trust_group, 0), u.rank into v_group, v_rank from push u where u.id = p_push;
  v_legacy := @fn@.legacy_group(p_cache, v_group);
  -- Rows from before digests get theirs, so that they are compared so once.
  if p_digests is not null then
    perform 1 from store_path s where s.id = any(p_ids) and s.declared is null order by s.id for no key update;
  end if;
  return query
    with said as materialized (
        select d.id, d.name, d.nar_hash, d.nar_size, coalesce(p_refs[d.upto - d.n + 1 : d.upto], '{}') as refs, d.ca, d.digest
        from (select *, sum(n) over (order by ord) as upto
              from unnest(p_ids, p_names, p_nar_hashes, p_nar_sizes, p_ref_counts, p_cas, p_digests) with ordinality u(id, name, nar_hash, nar_size, n, ca, digest, ord)) d),
      seen as materialized (
        select s.id, s.state = 'live' and s.declared is null as is_old, s.trust_group, s.verified, s.rank, s.publisher, d.digest, s.name <> d.name as misnamed, @fn@.is_read(p_cache, d.nar_hash, d.nar_size) as is_read,
          @fn@.refers_to_more(p_cache, s.nar_hash = d.nar_hash and s.nar_size = d.nar_size and (d.name is null or s.name = d.name and s.ca is not distinct from d.ca), s.ca, s.refs, d.refs, d.nar_hash, d.nar_size)
            and s.rank <= v_rank as more,
          s.nar_hash = d.nar_hash and s.nar_size = d.nar_size and (s.refs = d.refs or coalesce(s.declared = d.digest, false)) and (d.name is null or s.name = d.name and s.ca is not distinct from d.ca) as same
        from said d join store_path s on s.id = d.id),
      filled as (
        update store_path s set declared = n.digest from seen n where s.id = n.id and n.is_old and n.same and n.digest is not null and s.declared is null)
    select n.id, @fn@.verdict(n.same, @fn@.usable(n.verified, n.trust_group, v_legacy, v_group), coalesce(n.misnamed, false), n.rank < v_rank, n.is_read or v_reads, coalesce(n.trust_group, v_legacy) = v_group, n.more), b.name
    from seen n left join publisher b on b.id = n.publisher;
end $$;

-- Paths that a push declares and that are live by now, on the word of somebody else: see verdict.
create function @fn@.met_paths(p_cache int, p_push bigint, p_ids bigint[]) returns table (path_id bigint, verdict text)
language sql stable as $$
  select x.path_id, @fn@.verdict(x.same, x.usable, x.misnamed, x.rank < x.own_rank, x.is_read, x.own, x.more)
  from (
    select d.path_id, s.rank, u.rank as own_rank, coalesce(s.trust_group, @fn@.legacy_group(p_cache, coalesce(u.trust_group, 0))) = coalesce(u.trust_group, 0) as own, d.name not in ('', s.name) as misnamed,
      @fn@.usable(s.verified, s.trust_group, @fn@.legacy_group(p_cache, coalesce(u.trust_group, 0)), coalesce(u.trust_group, 0)) as usable, @fn@.is_read(p_cache, d.nar_hash, d.nar_size) or @fn@.verify_policy(p_cache) <> 'off' as is_read,
      @fn@.refers_to_more(p_cache, s.nar_hash = d.nar_hash and s.nar_size = d.nar_size and (not d.declared or d.name in ('', s.name) and s.ca is not distinct from d.ca), s.ca, s.refs, d.refs, d.nar_hash, d.nar_size)
        and s.rank <= u.rank as more,
      s.nar_hash = d.nar_hash and s.nar_size = d.nar_size and (s.refs = d.refs or coalesce(s.declared = d.digest, false)) and (not d.declared or d.name in ('', s.name) and s.ca is not distinct from d.ca) as same
    from push u join push_path d on d.push_id = u.id join store_path s on s.id = d.path_id
    where u.id = p_push and d.path_id = any(p_ids) and s.state = 'live') x
$$;

-- Of these paths, which a push supersedes, those that it calls otherwise.
create function @fn@.renamed_by(p_push bigint, p_ids bigint[]) returns bigint[]
language sql stable as $$
  select coalesce(array_agg(s.id), '{}') from push_path d join store_path s on s.id = d.path_id
  where d.push_id = p_push and not d.superseded and d.path_id = any(p_ids) and d.name not in ('', s.name)
$$;

-- What is to become of a live path that a push declares, too.
-- 'same': as declared, and usable | 'own': with another content, published by its own trust group (what is from before there were groups counts for each, unless it is distrusted): a build that is not reproducible | 'supersede': on the word of a lower rank; or as declared, read by nobody, and here is a NAR that a server has read, or will before the commit; or with fewer references than the NAR, as a server has read or will | 'misnamed' | 'other': with another content |
-- 'unread': as declared, by another group, and no server has read the bytes. The last three, and 'own', are kept as they are.
create function @fn@.verdict(p_same boolean, p_usable boolean, p_misnamed boolean, p_lower boolean, p_is_read boolean, p_own boolean, p_more boolean) returns text
language sql immutable as $$
  select case when p_same and p_usable then 'same' when p_lower or p_same and p_is_read or p_more then 'supersede' when p_misnamed then 'misnamed' when p_same then 'unread' when p_own then 'own' else 'other' end
$$;

-- Is there a NAR whose bytes a server has read?
create function @fn@.is_read(p_cache int, p_nar_hash bytea, p_nar_size bigint) returns boolean
language sql stable as $$
  select exists (select from object o where o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = p_nar_hash and o.nar_size = p_nar_size and o.verified and o.state in ('stored', 'live', 'condemned'))
$$;
