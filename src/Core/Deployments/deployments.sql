-- Deployments: what machines say that they run. Nothing is decided by it.

-- 'noted' | 'unknown' (no such pin) | 'full' (the cache has p_most rows, and this would be one more). A line of the audit log tells of what is new: a machine that says the same again, day by day, writes none.
create function @fn@.report_deployment(p_cache int, p_pin text, p_machine text, p_path bytea, p_name text, p_revision bigint, p_outcome text, p_message text, p_at timestamptz, p_by text, p_address text, p_most int) returns text
language plpgsql as $$
declare
  v_pin bigint;
  v_old deployment;
  v_revision bigint;
  -- A machine's clock may be ahead.
  v_at timestamptz := least(p_at, clock_timestamp());
begin
  select p.id into v_pin from pin p where p.cache_id = p_cache and p.name = p_pin and not p.deleted;
  if not found then return 'unknown'; end if;
  v_revision := coalesce(p_revision, (select max(v.revision) from pin_revision v join store_path s on s.id = v.path_id where v.pin_id = v_pin and s.hash = p_path));
  select d.* into v_old from deployment d where d.cache_id = p_cache and d.pin = p_pin and d.machine = p_machine for no key update;
  if not found and (select count(*) from deployment d where d.cache_id = p_cache) >= p_most then return 'full'; end if;
  insert into deployment as d (cache_id, pin, machine, path, path_name, revision, since, last_path, last_name, last_revision, outcome, message, at, publisher)
    values (p_cache, p_pin, p_machine, case when p_outcome = 'deployed' then p_path end, case when p_outcome = 'deployed' then p_name end, case when p_outcome = 'deployed' then v_revision end,
      case when p_outcome = 'deployed' then v_at end, p_path, p_name, v_revision, p_outcome, p_message, v_at, p_by)
    on conflict (cache_id, pin, machine) do update set
      path = coalesce(excluded.path, d.path), path_name = coalesce(excluded.path_name, d.path_name),
      revision = case when excluded.path is null then d.revision else excluded.revision end,
      since = case when excluded.path is null or excluded.path = d.path then d.since else excluded.since end,
      last_path = excluded.last_path, last_name = excluded.last_name, last_revision = excluded.last_revision, outcome = excluded.outcome, message = excluded.message, at = excluded.at,
      seen = clock_timestamp(), publisher = excluded.publisher;
  if v_old.last_path is distinct from p_path or v_old.outcome is distinct from p_outcome then
    perform @fn@.audit(p_cache, p_by, p_address, 'deployment', p_pin, p_path, jsonb_build_object('machine', p_machine, 'outcome', p_outcome, 'revision', v_revision));
  end if;
  return 'noted';
end $$;

-- Rows of machines that have not reported for p_life.
create function @fn@.forget_deployments(p_cache int, p_life interval) returns void
language sql volatile as $$
  delete from deployment d where d.cache_id = p_cache and d.seen < clock_timestamp() - p_life
$$;
