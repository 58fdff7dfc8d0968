-- Rule 8: ends open pushes: the one named (abort), or (p_push null) up to p_limit that lapsed p_lapsed ago. Answers how many.
-- p_publisher: who aborts it; one that is another's is audited.
-- A lapsed push protects nothing, but what it uploaded waits for whoever goes on with it.
create function @fn@.end_pushes(p_cache int, p_push bigint, p_lapsed interval, p_limit int, p_publisher text default null, p_address text default null) returns int
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_ids bigint[];
  v_id bigint;
begin
  select coalesce(array_agg(x.id), '{}') into v_ids from (
    select u.id from push u
    where u.cache_id = p_cache and u.state = 'open' and (u.id = p_push or (p_push is null and u.expires + p_lapsed < clock_timestamp()))
    order by u.id limit p_limit for no key update skip locked) x;
  -- Those of all pushes in one statement, and so in one order.
  perform 1 from object o where o.id = any(array(select unnest(u.objects) from push u where u.id = any(v_ids))) order by o.id for no key update;
  foreach v_id in array v_ids loop
    perform @fn@.release_push(p_cache, v_id);
  end loop;
  update push u set state = 'aborted', finished = clock_timestamp() where u.id = any(v_ids);
  if p_publisher is not null then
    perform @fn@.audit(p_cache, p_publisher, p_address, 'push.abort', null, s.hash, jsonb_build_object('opened', b.name))
      from push u left join publisher b on b.id = u.publisher left join store_path s on s.id = u.roots[1]
      where u.id = any(v_ids) and b.name is distinct from p_publisher;
  end if;
  return cardinality(v_ids);
end $$;

-- All open pushes of a publisher. One that is committing goes on.
create function @fn@.end_pushes_of(p_cache int, p_publisher text) returns int
language sql volatile as $$
  select coalesce(sum(@fn@.end_pushes(p_cache, u.id, '0', 1)), 0)::int
  from push u join publisher b on b.id = u.publisher where u.cache_id = p_cache and u.state = 'open' and b.name = p_publisher
$$;

-- An ended push is told from an unknown one for a day. The time is asked for once: a clock that ticks for each row would keep the index from being used.
-- So is a superseded NAR, for its 30 days.
create function @fn@.forget_pushes(p_cache int) returns void
language sql volatile as $$
  delete from kept_object k where k.cache_id = p_cache and k.until < clock_timestamp();
  delete from push u where u.finished < (select clock_timestamp() - interval '1 day') and u.cache_id = p_cache
$$;
