-- What niks3's clients ask before they push: which of these paths are roots of closures that are there? The client pushes none of them, so the answer does what a push would have done: the
-- credential's hold has each of them from before the answer (nix_promise), and its root was pushed now, by this publisher, too. A path that is no root is not answered: only a push makes it one.
-- p_told: what is_told takes.
create function @fn@.present_roots(p_cache int, p_publisher text, p_group text, p_rank int, p_hashes bytea[], p_life interval, p_told text) returns setof bytea
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_hashes bytea[];
  v_count int[];
  v_ids bigint[];
begin
  -- A look without locks, so that nothing else is held.
  v_hashes := array(select s.hash from store_path s where s.cache_id = p_cache and s.hash = any(p_hashes) and exists (select from root r where r.cache_id = p_cache and r.path_id = s.id));
  if v_hashes = '{}' then return; end if;
  v_count := array[cardinality(v_hashes)];
  v_ids := array(
    select s.id
    from @fn@.nix_promise(p_cache, array_fill(p_publisher, v_count), array_fill(p_group, v_count), array_fill(p_rank, v_count), v_hashes, array_fill(null::text, v_count), p_life,
      array_fill(p_told, v_count)) n join store_path s on s.cache_id = p_cache and s.hash = v_hashes[n.item]
    where n.present);
  -- Nobody is told of a path while the bucket says something else of it. Roots come last, as in a commit. A collection may have forgotten one before its path was held.
  v_ids := array(select unnest(v_ids) except select unnest(@fn@.unwritten_paths(p_cache, v_ids)));
  v_ids := array(select r.path_id from root r where r.cache_id = p_cache and r.path_id = any(v_ids) order by r.path_id for no key update);
  -- Not oftener than every ten minutes, but for a publisher who comes to it: it stays when the first one is blocked.
  update root r set pushed = clock_timestamp(), shared = r.shared or r.publisher is distinct from b.id
    from publisher b
    where b.cache_id = p_cache and b.name = p_publisher and r.cache_id = p_cache and r.path_id = any(v_ids)
      and (r.pushed + interval '10 minutes' < clock_timestamp() or not r.shared and r.publisher is distinct from b.id);
  return query select s.hash from store_path s where s.id = any(v_ids);
end $$;
