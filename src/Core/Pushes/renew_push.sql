-- Rule 7 for a renewal: all promised paths and held objects are checked again, whatever the clock says.
-- state 'open' with what was lost, else the state the push ended in ('unknown' when there is none).
create function @fn@.renew_push(p_cache int, p_push bigint, p_ttl interval, out state text, out expires timestamptz, out lost bigint[])
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_g bigint;
  v_push push%rowtype;
  v_unpromised bigint[];
  v_changed bigint[];
  v_group int;
  v_legacy int;
begin
  select * into v_push from push u where u.id = p_push and u.cache_id = p_cache;
  if not found then state := 'unknown'; return; end if;
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  select * into v_push from push u where u.id = p_push for no key update;
  state := v_push.state::text;
  expires := v_push.expires;
  lost := '{}';
  if v_push.state <> 'open' then return; end if;
  v_group := coalesce(v_push.trust_group, 0);
  v_legacy := @fn@.legacy_group(p_cache, v_group);
  select t.g, t.unpromised into v_g, v_unpromised from @fn@.touch(p_cache, v_push.paths, '{}', v_push.objects) t;

  -- Held NARs: a live or condemned one is stamped again; one that is neither held nor there costs the paths that rely on it.
  perform @fn@.stamp_objects(p_cache, v_g, v_push.objects);
  v_changed := @fn@.changed_paths(v_push);
  select coalesce(array_agg(distinct i), '{}') into lost from (
    select unnest(v_unpromised || v_changed)
    union
    select d.path_id from push_path d join object o on o.id = any(v_push.objects) and o.nar_hash = d.nar_hash and o.kind = 'nar'
      where d.push_id = p_push and o.state in ('deleting', 'tombstone', 'gone')
        and not exists (select from object h where h.cache_id = p_cache and h.kind = 'nar' and h.nar_hash = d.nar_hash and h.nar_size = d.nar_size
                        and (h.state = 'live' and @fn@.usable(h.verified, h.trust_group, v_legacy, v_group) or h.state in ('claimed', 'stored') and p_push = any(h.holders)))
  ) x(i);
  -- What has another content by now is lost for good: the push stays lapsed, and its commit says so.
  if v_changed is not null then return; end if;
  update push u set expires = greatest(u.expires, clock_timestamp() + p_ttl) where u.id = p_push returning u.expires into expires;
end $$;
