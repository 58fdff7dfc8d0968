-- Before fresh URLs of a grant are handed out, its row says until when they work. No row: the grant has ended.
create function @fn@.upload_urls(p_cache int, p_push bigint, p_object bigint, p_life interval)
returns table (key text, nar_hash bytea, nar_size bigint, multipart_id text, url_expires timestamptz)
language sql volatile as $$
  update object o set url_expires = greatest(o.url_expires, clock_timestamp() + p_life)
  where o.id = p_object and o.cache_id = p_cache and o.state = 'claimed' and o.claimed_by = p_push
    and exists (select from push u where u.id = p_push and u.state = 'open')
  returning o.key, o.nar_hash, o.nar_size, o.multipart_id, o.url_expires
$$;

-- Notes the multipart uploads that were opened for grants; the first one noted stays. Answers the ids that count (null: the grant has ended).
create function @fn@.upload_multiparts(p_push bigint, p_objects bigint[], p_multiparts text[])
returns table (object_id bigint, multipart_id text)
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
#variable_conflict use_column
begin
  perform 1 from object o where o.id = any(p_objects) order by o.id for no key update;
  update object o set multipart_id = m.multipart_id from unnest(p_objects, p_multiparts) m(id, multipart_id)
    where o.id = m.id and o.state = 'claimed' and o.claimed_by = p_push and o.multipart_id is null;
  return query select m.id, (select o.multipart_id from object o where o.id = m.id and o.state = 'claimed' and o.claimed_by = p_push) from unnest(p_objects) m(id);
end $$;

-- What has arrived is not what was declared. An object is never replaced, so under this key it never will be: the claim is given up, and whoever asks next gets a key of its own.
create function @fn@.refuse_uploads(p_cache int, p_push bigint, p_uploads bigint[], p_upload_keys text[], p_nar_hashes bytea[]) returns void
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_refused bigint[];
begin
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  perform 1 from push u where u.id = p_push and u.cache_id = p_cache and u.state = 'open' for no key update;
  if not found then return; end if;
  perform 1 from object o where o.id = any(p_uploads) order by o.id for no key update;
  select array_agg(o.id) into v_refused
    from unnest(p_uploads, p_upload_keys, p_nar_hashes) r(id, key, nar_hash)
    join object o on o.id = r.id and o.key = r.key and o.nar_hash = r.nar_hash
    where o.cache_id = p_cache and o.kind = 'nar' and o.state = 'claimed' and o.claimed_by = p_push;
  if v_refused is null then return; end if;
  update object o set state = 'deleting', exclusive = false, leads = false, holders = '{}' where o.id = any(v_refused);
  perform @fn@.list_objects(p_cache, v_refused, null, 'deleting');
  update push u set objects = array(select unnest(u.objects) except select unnest(v_refused)) where u.id = p_push;
end $$;
