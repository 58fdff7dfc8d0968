-- What a client's look at the store has found missing is put back under the keys that the catalog names. The catalog says already that it is there, so no state changes: a path stays live, and
-- what refers to it, its roots and its pins stay as they are.

-- Paths whose narinfo is to be written anew (see publish_changed).
create function @fn@.rewrite_paths(p_cache int, p_ids bigint[]) returns void
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
begin
  perform 1 from store_path s where s.id = any(p_ids) order by s.id for no key update;
  update store_path s set recorded = false, unwritten = true, generation = s.generation + 1 where s.id = any(p_ids) and s.cache_id = p_cache and s.state = 'live';
end $$;

-- NARs of paths that a push was promised are awaited from it under the keys that they have. A key that is deleted is not granted again before its last URL has ended, and these are URLs, too.
create function @fn@.await_nars(p_cache int, p_push bigint, p_objects bigint[], p_life interval)
returns table (object_id bigint, key text, nar_hash bytea, nar_size bigint)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_column
begin
  perform 1 from object o where o.id = any(p_objects) order by o.id for no key update;
  return query update object o set url_expires = greatest(o.url_expires, clock_timestamp() + p_life)
    where o.id = any(p_objects) and @fn@.is_awaited(p_cache, p_push, o.id) returning o.id, o.key, o.nar_hash, o.nar_size;
end $$;

-- Is it live, as the NAR of a path that this open push was promised?
create function @fn@.is_awaited(p_cache int, p_push bigint, p_object bigint) returns boolean
language sql stable as $$
  select exists (
    select from push u join store_path s on s.id = any(u.paths) and s.state = 'live' and s.objects[1] = p_object
    join object o on o.id = p_object and o.cache_id = p_cache and o.state = 'live' and o.trust_group is distinct from -2
    where u.id = p_push and u.cache_id = p_cache and u.state = 'open' and u.expires >= clock_timestamp())
$$;

-- It is there again: a server has read it and put it. The narinfos of the push's paths follow, as the file is another one. False: the push has ended.
create function @fn@.nar_restored(p_cache int, p_push bigint, p_object bigint, p_file_hash bytea, p_file_size bigint) returns boolean
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_ids bigint[];
begin
  v_ids := array(select s.id from push u join store_path s on s.id = any(u.paths) where u.id = p_push and s.state = 'live' and s.objects[1] = p_object);
  perform @fn@.rewrite_paths(p_cache, v_ids);
  perform 1 from object o where o.id = p_object for no key update;
  update object o set file_hash = p_file_hash, file_size = p_file_size, verified = true where o.id = p_object and @fn@.is_awaited(p_cache, p_push, o.id);
  return found;
end $$;
