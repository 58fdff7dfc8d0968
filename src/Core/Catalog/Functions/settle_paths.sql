-- Promises those of a push's open paths that have become live (after a wait, before a renewal); the others stay as declared.
-- Answers 'ended' for a push that is no longer open.
create function @fn@.settle_paths(p_cache int, p_push bigint, p_ids bigint[], out state text, out promised bigint[])
language plpgsql set jit = off as $$
declare
  v_unpromised bigint[];
begin
  select t.unpromised into v_unpromised from @fn@.touch(p_cache, p_ids) t;
  perform 1 from push u where u.id = p_push and u.cache_id = p_cache and u.state = 'open' for no key update;
  if not found then state := 'ended'; return; end if;
  state := 'open';
  select coalesce(array_agg(i), '{}') into promised from (select unnest(p_ids) except select unnest(v_unpromised)) x(i);
  if promised <> '{}' then
    update push u set paths = (select array_agg(distinct i) from unnest(u.paths || promised) i) where u.id = p_push;
    delete from push_path d where d.push_id = p_push and d.path_id = any(promised);
  end if;
end $$;
