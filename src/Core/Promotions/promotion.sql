-- What a cache has, for another to take over (see Promoter). It only reads; the push in the other cache makes the promises.

-- Live paths with what their narinfos say and where their NARs lie: those named, and with p_follow all that they need. What is not live, or is being withdrawn, is left out.
-- extras: the keys of the logs and realisations that belong to it. With more than p_limit paths it answers one more.
create function @fn@.taken_paths(p_cache int, p_hashes bytea[], p_follow boolean, p_limit int)
returns table (hash bytea, name text, nar_hash bytea, nar_size bigint, refs bytea[], deriver text, ca text, signatures text[], key text, file_hash bytea, file_size bigint, has_listing boolean, extras text[])
language plpgsql stable set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_ids bigint[];
begin
  v_ids := array(select s.id from store_path s where s.cache_id = p_cache and s.hash = any(p_hashes));
  if p_follow then
    v_ids := array(
      with recursive closure(id) as (
        select unnest(v_ids)
        union
        select r.id from closure c join store_path s on s.id = c.id cross join unnest(s.refs) r(id))
      select c.id from closure c limit p_limit + 1);
  end if;
  return query
    select s.hash, s.name, s.nar_hash, s.nar_size, array(select unnest(@fn@.declared_refs(p_cache, s.hash, s.declared, s.refs)) order by 1), s.deriver, s.ca, s.signatures,
      o.key, o.file_hash, o.file_size, s.has_listing, array(select e.key from object e where e.id = any(s.objects[2:]) and e.kind <> 'nar' and e.state = 'live' order by e.key)
    from store_path s join object o on o.id = s.objects[1]
    where s.id = any(v_ids) and s.state = 'live' and not s.barred and o.state = 'live' and o.kind = 'nar' and o.nar_hash = s.nar_hash and o.nar_size = s.nar_size and o.file_size is not null;
end $$;

-- Where the push takes its paths from, for the audit line of its commit.
create function @fn@.promoted_from(p_cache int, p_push bigint, p_source text) returns void
language sql volatile as $$
  update push u set promoted_from = p_source where u.id = p_push and u.cache_id = p_cache and u.state = 'open'
$$;
