-- Drops a push's holds. Uploads that nobody holds and nobody adopted are to be deleted. Part of the transaction that ends the push.
create function @fn@.release_push(p_cache int, p_push bigint) returns void
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_objects bigint[];
  v_uploads bigint[];
begin
  select u.objects into v_objects from push u where u.id = p_push;
  perform 1 from object o where o.id = any(v_objects) order by o.id for no key update;
  select array_agg(o.id) into v_uploads from object o where o.id = any(v_objects) and o.state in ('claimed', 'stored');
  update object o set
      holders = array_remove(o.holders, p_push),
      exclusive = false,
      leads = false,
      content = case when o.state = 'stored' and array_remove(o.holders, p_push) = '{}' then null else o.content end,
      -- A log or realisation that was never written leaves nothing in the bucket.
      state = case when o.state in ('claimed', 'stored') and array_remove(o.holders, p_push) = '{}'
                then case when o.kind = 'nar' then 'deleting'::node_state else 'gone'::node_state end
                else o.state end
    where o.id = any(v_objects) and p_push = any(o.holders);
  if v_uploads is not null then
    perform @fn@.list_objects(p_cache, array(select o.id from object o where o.id = any(v_uploads) and o.state = 'deleting'), null, 'deleting');
  end if;
  delete from push_path d where d.push_id = p_push;
  delete from push_object d where d.push_id = p_push;
  delete from nix_pending d where d.push_id = p_push;
  delete from waiting_path d where d.push_id = p_push;
end $$;
