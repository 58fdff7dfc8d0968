-- The lists of nodes that somebody looks for (migration 004). Whoever calls these holds the locks of the rows, and changes their states in the same transaction.
-- p_from: the list that they leave; p_to: the one that they enter; null: none. Each is one look into the index, whatever the statistics of such a table say.
create function @fn@.list_paths(p_cache int, p_ids bigint[], p_from node_state, p_to node_state) returns void
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
begin
  if p_from is not null then
    delete from moving_path m where m.ctid = any(array(
      select l.ctid from unnest(p_ids) i(id) cross join lateral (
        select x.ctid from moving_path x where x.cache_id = p_cache and x.state = p_from and x.id = i.id limit 1) l));
  end if;
  if p_to is not null then
    insert into moving_path (cache_id, state, id) select p_cache, p_to, i from unnest(p_ids) i order by i;
  end if;
end $$;

create function @fn@.list_objects(p_cache int, p_ids bigint[], p_from node_state, p_to node_state) returns void
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
begin
  if p_from = 'tombstone' then
    delete from tombstone t where t.ctid = any(array(
      select l.ctid from object o cross join lateral (
        select x.ctid from tombstone x where x.cache_id = p_cache and x.urls_until = coalesce(o.url_expires, o.claimed_at, '-infinity') and x.id = o.id limit 1) l
      where o.id = any(p_ids)));
  elsif p_from is not null then
    delete from moving_object m where m.ctid = any(array(
      select l.ctid from unnest(p_ids) i(id) cross join lateral (
        select x.ctid from moving_object x where x.cache_id = p_cache and x.state = p_from and x.id = i.id limit 1) l));
  end if;
  if p_to = 'tombstone' then
    insert into tombstone (cache_id, urls_until, id)
      select p_cache, coalesce(o.url_expires, o.claimed_at, '-infinity'), o.id from object o where o.id = any(p_ids) order by 2, 3;
  elsif p_to is not null then
    insert into moving_object (cache_id, state, id) select p_cache, p_to, i from unnest(p_ids) i order by i;
  end if;
end $$;

-- Stamps those of the objects that are live or condemned, which brings the latter back.
create function @fn@.stamp_objects(p_cache int, p_g bigint, p_ids bigint[]) returns void
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_back bigint[];
begin
  select array_agg(o.id) into v_back from object o where o.id = any(p_ids) and o.state = 'condemned';
  if v_back is not null then
    perform @fn@.list_objects(p_cache, v_back, 'condemned', null);
  end if;
  update object o set state = 'live', touched = p_g, condemned_at = null
    where o.id = any(p_ids) and o.state in ('live', 'condemned') and not (o.state = 'live' and o.touched = p_g);
end $$;
