-- Blocks: publishers who are refused although their credential is good.

-- The oldest standing block of a publisher; no row: there is none. Whoever finds a credential asks this, with each request.
create function @fn@.block_of(p_cache int, p_publisher text) returns table (pattern text, reason text)
language sql stable as $$
  select b.pattern, b.reason from block b where b.cache_id = p_cache and b.lifted is null and p_publisher like b.likeness order by b.id limit 1
$$;

-- A second block of the same pattern is the first one, and writes no line.
create function @fn@.block_subjects(p_cache int, p_pattern text, p_reason text, p_by text, p_address text) returns setof block
language plpgsql as $$
declare
  v_block block;
begin
  insert into block (cache_id, pattern, reason, created_by) values (p_cache, p_pattern, p_reason, p_by)
    on conflict (cache_id, pattern) where lifted is null do nothing returning * into v_block;
  if found then
    perform @fn@.audit(p_cache, p_by, p_address, 'subject.block', p_pattern, null, jsonb_build_object('block', v_block.id, 'reason', p_reason));
    return next v_block;
  else
    return query select b.* from block b where b.cache_id = p_cache and b.pattern = p_pattern and b.lifted is null;
  end if;
end $$;

-- The tokens of the token file are nobody's to block.
create function @fn@.blocked_publishers(p_cache int) returns int[]
language sql stable as $$
  select coalesce(array_agg(b.id), '{}') from publisher b
  where b.cache_id = p_cache and b.name not like 'file:%' and exists (select from block x where x.cache_id = p_cache and x.lifted is null and b.name like x.likeness)
$$;

-- The open pushes of publishers who are blocked.
create function @fn@.blocked_pushes(p_cache int) returns bigint[]
language sql stable as $$
  select coalesce(array_agg(u.id), '{}') from push u
  where u.cache_id = p_cache and u.state = 'open' and exists (select from block x where x.cache_id = p_cache and x.lifted is null) and u.publisher = any((select @fn@.blocked_publishers(p_cache))::int[])
$$;

-- False: there never was such a block. A second call changes nothing.
create function @fn@.unblock_subjects(p_cache int, p_block bigint, p_by text, p_address text) returns boolean
language plpgsql as $$
declare
  v_block block;
begin
  update block b set lifted = clock_timestamp(), lifted_by = p_by where b.cache_id = p_cache and b.id = p_block and b.lifted is null returning * into v_block;
  if found then
    perform @fn@.audit(p_cache, p_by, p_address, 'subject.unblock', v_block.pattern, null, jsonb_build_object('block', p_block));
    return true;
  end if;
  return exists (select from block b where b.cache_id = p_cache and b.id = p_block);
end $$;
