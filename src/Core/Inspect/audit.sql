-- The audit log. Each line is part of the transaction that makes the change, and a replay, which changes nothing, writes none.

-- Any function may call it. p_publisher null: the server itself. p_path: the hash of a store path.
create function @fn@.audit(p_cache int, p_publisher text, p_address text, p_action text, p_subject text default null, p_path bytea default null, p_detail jsonb default null) returns void
language sql volatile as $$
  insert into audit (cache_id, publisher, address, action, subject, path, detail)
    values (p_cache, coalesce(p_publisher, 'server'), p_address, p_action, p_subject, p_path, nullif(jsonb_strip_nulls(p_detail), '{}'))
$$;

-- One line for each push, of who commits it; who opened it is told where that is another. What is usual is left out: a warm push has no detail.
create function @fn@.audit_commits(p_cache int, p_pushes bigint[], p_publishers text[], p_addresses text[], p_superseded int default 0) returns void
language sql volatile as $$
  insert into audit (cache_id, publisher, address, action, path, detail)
    select p_cache, coalesce(c.publisher, b.name, 'server'), c.address, case when u.promoted_from is null then 'commit' else 'promote' end, s.hash, nullif(jsonb_strip_nulls(jsonb_build_object(
      'from', u.promoted_from, 'opened', case when b.name <> c.publisher then b.name end, 'roots', nullif(cardinality(u.roots), 1), 'published', nullif(u.published, 0),
      'superseded', nullif(p_superseded, 0), 'conflicts', nullif(cardinality(u.conflicts), 0), 'pin', u.pin ->> 'name')), '{}')
    from unnest(p_pushes, p_publishers, p_addresses) c(id, publisher, address) join push u on u.id = c.id
    left join publisher b on b.id = u.publisher left join store_path s on s.id = coalesce(u.roots[1], u.paths[1])
$$;

-- Newest first, older than the line p_before. At most p_scan lines are looked at, so that a rare filter does not read years at once:
-- then the last row has no publisher, and tells how far.
create function @fn@.audit_page(
  p_cache int, p_since timestamptz, p_until timestamptz, p_publisher text, p_action text, p_before_at timestamptz, p_before_id bigint, p_limit int, p_scan int)
returns table (at timestamptz, id bigint, publisher text, address text, action text, subject text, path bytea, path_name text, detail text)
language sql stable set enable_seqscan = off as $$
  with seen as materialized (
      select a.*, (p_publisher is null or a.publisher = p_publisher) and (p_action is null or a.action = p_action or starts_with(a.action, p_action || '.')) as is_wanted
      from audit a
      where a.cache_id = p_cache and a.at >= coalesce(p_since, '-infinity') and a.at < coalesce(p_until, 'infinity')
        and (a.at, a.id) < (coalesce(p_before_at, 'infinity'), coalesce(p_before_id, 0))
      order by a.at desc, a.id desc limit p_scan),
    page as materialized (select * from seen where seen.is_wanted order by seen.at desc, seen.id desc limit p_limit)
  select g.at, g.id, g.publisher, g.address, g.action, g.subject, g.path, s.name, g.detail::text
    from page g left join store_path s on s.cache_id = p_cache and s.hash = g.path
  union all
  select e.at, e.id, null, null, null, null, null, null, null from (select seen.at, seen.id from seen order by seen.at, seen.id limit 1) e
    where (select count(*) from seen) = p_scan and (select count(*) from page) < p_limit
  order by 1 desc, 2 desc, 3 nulls last
$$;

-- The cache of this name that is being deleted, else the last one that was, as long as there are lines of it.
create function @fn@.deleted_cache_of(p_name text) returns int
language sql stable as $$
  select coalesce((select c.id from cache c where c.name = p_name and c.deleting is not null), (select max(d.id) from deleted_cache d where d.name = p_name))
$$;

-- Deletes up to p_limit lines that are older; several servers do not wait for each other.
create function @fn@.audit_forget(p_cache int, p_life interval, p_limit int) returns int
language plpgsql set enable_seqscan = off as $$
declare
  v_count int;
begin
  delete from audit d where d.ctid = any(array(
    select a.ctid from audit a where a.cache_id = p_cache and a.at < (select clock_timestamp() - p_life) order by a.at, a.id limit p_limit for update skip locked));
  get diagnostics v_count = row_count;
  return v_count;
end $$;
