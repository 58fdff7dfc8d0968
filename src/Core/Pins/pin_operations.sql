-- Changes of pins by their idempotency keys: each is done once, and answered alike.

-- What an operation has answered before: 'replayed' with its outcome, 'reused' for another request, null when there is none.
-- Operations are each publisher's own, and so noted with its name: 'token:7 X'. A server from before there were publishers notes X alone, and so does a newer silo which such a gateway
-- asks: its messages name none. While it is being replaced, an answer may be lost of the one form and asked for in the other: the same request, by its digest, is the same operation then.
create function @fn@.pin_replay(p_cache int, p_name text, p_operation text, p_digest bytea, out status text, out outcome text, out result pin)
language plpgsql as $$
declare
  v_space int := strpos(p_operation, ' ');
  v_done pin_operation%rowtype;
begin
  select * into v_done from pin_operation o where o.cache_id = p_cache and o.operation = p_operation;
  if not found and v_space > 0 then
    select * into v_done from pin_operation o where o.cache_id = p_cache and o.operation = substr(p_operation, v_space + 1) and o.digest = p_digest;
  elsif not found then
    select * into v_done from pin_operation o
      where o.cache_id = p_cache and o.name = p_name and o.digest = p_digest and substr(o.operation, strpos(o.operation, ' ') + 1) = p_operation order by o.created limit 1;
  end if;
  if not found then return; end if;
  status := case when v_done.digest = p_digest then 'replayed' else 'reused' end;
  if status = 'reused' then outcome := status; return; end if;
  outcome := v_done.outcome;
  result := jsonb_populate_record(null::pin, v_done.pin);
end $$;

-- Notes an operation that is being done. A second one, in either form, waits here for the first, and then asks for a replay (null: it is ours).
create function @fn@.pin_claim(p_cache int, p_name text, p_operation text, p_digest bytea, out status text, out outcome text, out result pin)
language plpgsql as $$
declare
  v_before record;
begin
  -- Two forms are two rows, which do not wait for each other.
  perform pg_advisory_xact_lock(20292, hashtext(substr(p_operation, strpos(p_operation, ' ') + 1)));
  select r.* into v_before from @fn@.pin_replay(p_cache, p_name, p_operation, p_digest) r;
  if v_before.status is null then
    insert into pin_operation (cache_id, operation, digest, name) values (p_cache, p_operation, p_digest, p_name) on conflict do nothing;
    if found then return; end if;
    select r.* into v_before from @fn@.pin_replay(p_cache, p_name, p_operation, p_digest) r;
    if v_before.status is null then
      raise exception 'the operation was given up meanwhile' using errcode = '40001';
    end if;
  end if;
  status := v_before.status;
  outcome := v_before.outcome;
  result := v_before.result;
end $$;

-- The outcome of a claimed operation, a refusal too: a copy of the request that comes late must not do what its sender was told is not done.
create function @fn@.pin_done(p_cache int, p_operation text, p_outcome text, p_pin pin) returns void
language sql volatile as $$
  update pin_operation o set outcome = p_outcome, revision = p_pin.revision, pin = to_jsonb(p_pin) where o.cache_id = p_cache and o.operation = p_operation
$$;

-- Gives a claimed operation back: it was not done, and may be asked for again.
create function @fn@.pin_unclaim(p_cache int, p_operation text) returns void
language sql volatile as $$
  delete from pin_operation o where o.cache_id = p_cache and o.operation = p_operation
$$;
