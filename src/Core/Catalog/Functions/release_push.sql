-- Drops a push's holds. Uploads that nobody holds and nobody adopted are to be deleted. Part of the transaction that ends the push.
create function @fn@.release_push(p_push bigint) returns void
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_objects bigint[];
begin
  select u.objects into v_objects from push u where u.id = p_push;
  perform 1 from object o where o.id = any(v_objects) order by o.id for no key update;
  update object o set
      holders = array_remove(o.holders, p_push),
      exclusive = false,
      content = case when o.state = 'stored' and array_remove(o.holders, p_push) = '{}' then null else o.content end,
      -- A log or realisation that was never written leaves nothing in the bucket.
      state = case when o.state in ('claimed', 'stored') and array_remove(o.holders, p_push) = '{}'
                then case when o.kind = 'nar' then 'deleting'::node_state else 'gone'::node_state end
                else o.state end
    where o.id = any(v_objects) and p_push = any(o.holders);
  delete from push_path d where d.push_id = p_push;
  delete from push_object d where d.push_id = p_push;
end $$;
