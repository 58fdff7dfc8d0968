-- A commit that supersedes a path under another name leaves narinfos behind that call it by the former one, signed so: Nix refuses those paths. They are marked, and written anew
-- with the row's names and a new signature: what the commit itself names, before it is told; the rest by the housekeeper.
-- Who read the former name did so before the change was visible, so its time is taken after that: what was declared later was written with the new one.

-- Of these paths (null: of those whose id is above p_above and not above p_upto) those whose narinfo may still print a former name of a reference.
create function @fn@.misprinted_paths(p_cache int, p_ids bigint[], p_above bigint default null, p_upto bigint default null) returns bigint[]
language plpgsql stable set jit = off set plan_cache_mode = force_custom_plan as $$
declare
  v_renamed bigint[];
begin
  v_renamed := array(select r.path_id from renamed_path r where r.cache_id = p_cache and not r.marked);
  if v_renamed = '{}' then return '{}'; end if;
  return array(
    select s.id from store_path s
    where s.cache_id = p_cache and (p_ids is null and s.id > p_above and s.id <= p_upto or s.id = any(p_ids)) and s.state in ('live', 'condemned', 'publishing') and s.refs && v_renamed
      and exists (select from renamed_path r where r.cache_id = p_cache and r.path_id = any(s.refs) and coalesce(r.at, 'infinity') > coalesce(s.declared_at, '-infinity')));
end $$;

-- The row first, the bucket follows; see add_signatures. What is published just now is written again by its push.
create function @fn@.mark_misprinted(p_cache int, p_ids bigint[]) returns bigint[]
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_ids bigint[];
begin
  v_ids := @fn@.misprinted_paths(p_cache, p_ids);
  if v_ids = '{}' then return v_ids; end if;
  perform 1 from store_path s where s.id = any(v_ids) order by s.id for no key update;
  perform @fn@.see_renames(p_cache);
  update store_path s set recorded = false, unwritten = s.state <> 'publishing', generation = s.generation + 1, declared_at = clock_timestamp()
    where s.id = any(v_ids) and s.state in ('live', 'condemned', 'publishing');
  return v_ids;
end $$;

-- Gives those that nobody has seen their time; in a transaction of its own, not the one that renames. seen: a time after all of them (null: there are none); last: the highest id of a path.
create function @fn@.see_renames(p_cache int, out seen timestamptz, out last bigint)
language plpgsql as $$
begin
  if not exists (select from renamed_path r where r.cache_id = p_cache) then return; end if;
  perform 1 from renamed_path r where r.cache_id = p_cache and r.at is null order by r.path_id for update;
  update renamed_path r set at = clock_timestamp() where r.cache_id = p_cache and r.at is null;
  seen := clock_timestamp();
  select coalesce(max(s.id), 0) into last from store_path s;
end $$;

-- For who has marked all that refers to what was seen before p_at.
create function @fn@.end_renames(p_cache int, p_at timestamptz) returns void
language sql volatile as $$
  update renamed_path r set marked = true where r.cache_id = p_cache and not r.marked and r.at < p_at;
  -- A push that began before may still publish what it declared with the former name.
  delete from renamed_path r where r.cache_id = p_cache and r.marked and r.at < clock_timestamp() - interval '1 hour'
    and not exists (select from push u where u.cache_id = p_cache and u.state in ('open', 'committing') and u.created < r.at);
$$;

-- What a push names or brings.
create function @fn@.mark_misprinted_of(p_cache int, p_push bigint) returns void
language sql volatile as $$ select @fn@.mark_misprinted(p_cache, (select u.paths || array(select d.path_id from push_path d where d.push_id = u.id) from push u where u.id = p_push)) $$;

-- New signatures by the cache's own keys (p_keys: their names) instead of theirs, of rows that are still as they were read. Where all is read before it is signed, what no server has read
-- keeps those that are still right (a key signs the same text alike), is read next, and signed then: see mark_signable.
create function @fn@.resign(p_cache int, p_ids bigint[], p_generations bigint[], p_signatures text[], p_keys text[]) returns void
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_signed bigint[];
  v_unread bigint[];
begin
  perform 1 from store_path s where s.id = any(p_ids) order by s.id for no key update;
  select coalesce(array_agg(s.id) filter (where m.may), '{}'), coalesce(array_agg(s.id) filter (where not m.may), '{}') into v_signed, v_unread
    from unnest(p_ids, p_generations) n(id, generation) join store_path s on s.id = n.id and s.generation = n.generation and s.state in ('publishing', 'live') and not s.recorded
    cross join lateral (select @fn@.may_sign(p_cache, s.id)) m(may);
  update store_path s set signatures = array(select x from unnest(s.signatures) x where split_part(x, ':', 1) <> all(p_keys) or s.id = any(v_unread) and x = any(string_to_array(n.signatures, ' ')))
      || case when s.id = any(v_signed) then string_to_array(n.signatures, ' ') else '{}' end
    from unnest(p_ids, p_signatures) n(id, signatures)
    where s.id = n.id and s.id = any(v_signed || v_unread);
  delete from unsigned_path u where u.cache_id = p_cache and u.path_id = any(v_signed);
  if v_unread = '{}' then return; end if;
  v_unread := array(select s.id from unnest(p_ids, p_signatures) n(id, signatures) join store_path s on s.id = n.id
    where s.id = any(v_unread) and not string_to_array(n.signatures, ' ') <@ s.signatures);
  insert into unsigned_path (cache_id, path_id) select p_cache, i from unnest(v_unread) i order by i on conflict do nothing;
  -- What was read, and is denied by its bytes, stays without.
  perform @fn@.ask_verification(p_cache, null, array_agg(o.id), array_agg(s.id), true)
    from store_path s join object o on o.id = s.objects[1] where s.id = any(v_unread) and not (o.verified and exists (select from proof p where p.object_id = o.id));
end $$;

-- What has lost its signature, and may have one by now, is to be written anew: resign comes next.
create function @fn@.mark_signable(p_cache int, p_limit int) returns void
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_ids bigint[];
begin
  if not exists (select from unsigned_path u where u.cache_id = p_cache) then return; end if;
  delete from unsigned_path u using store_path s where u.cache_id = p_cache and s.id = u.path_id and s.state = 'gone';
  v_ids := array(
    select s.id from unsigned_path u join store_path s on s.id = u.path_id
    left join object o on o.id = s.objects[1]
    where u.cache_id = p_cache and s.state = 'live' and not s.unwritten and (o.verified or s.verified or @fn@.verify_policy(p_cache) <> 'always') and @fn@.may_sign(p_cache, s.id) order by s.id limit p_limit);
  if v_ids = '{}' then return; end if;
  perform 1 from store_path s where s.id = any(v_ids) order by s.id for no key update;
  update store_path s set recorded = false, unwritten = true, generation = s.generation + 1 where s.id = any(v_ids) and s.state = 'live' and not s.unwritten;
end $$;
