-- Rule 6: when everything that the push publishes is in the bucket, all of it becomes live, the roots count from now, its pin is set, and the push ends.
-- A path that it supersedes never ceases to be live: with the same transaction it has this push's content, all of whose references are live, and its narinfo is to be written anew
-- before the push ends ('changed'); when its name is another one, what refers to it, too: mark_misprinted_of comes next. Until then the push holds what the former narinfo needs; the former NAR stays for 30 days, as readers remember a narinfo for so long.
-- A commit that meets a bar ends 'withdrawn' (see withdraw.sql): what it publishes becomes live without a stamp, for the eviction to take, no root counts, no pin moves, and nothing more is
-- superseded. It ends no earlier than the narinfo of what it has superseded is written.
-- 'overtaken': committed, but of what it was to supersede some is kept as it is, since another got there first; its row says which.
-- p_g: in this transaction all that it names was touched at this g, is promised, and is locked as here.
create function @fn@.finish_push(p_cache int, p_push bigint, p_g bigint default null) returns text
language plpgsql set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  v_g bigint;
  v_push push%rowtype;
  v_own bigint[];
  v_rows bigint[];
  v_unpromised bigint[];
  v_objects bigint[];
  v_supersedes bigint[];
  v_larger bigint[];
  v_same bigint[];
  v_taken bigint[];
  v_kept bigint[];
  v_chosen bigint[];
  v_former bigint[];
  v_former_objects bigint[];
  v_withdrawn bigint[];
  v_referrers bigint[] := '{}';
  v_there bigint[];
begin
  select * into v_push from push u where u.id = p_push and u.cache_id = p_cache;
  if v_push.state is distinct from 'committing' then return coalesce(@fn@.push_outcome(v_push), 'unknown'); end if;
  perform pg_advisory_xact_lock_shared(20291, p_cache);
  select * into v_push from push u where u.id = p_push for no key update;
  if v_push.state <> 'committing' then return @fn@.push_outcome(v_push); end if;
  select coalesce(array_agg(d.path_id), '{}') into v_own from push_path d where d.push_id = p_push;
  -- A pin keeps what its closure refers to in this cache: boundaries that are here, as this push has brought them, become references (rule 14).
  if v_push.pin is not null then
    select w.referrers into v_referrers from @fn@.boundary_walk(p_cache, v_push.roots[1]) w;
  end if;
  if p_g is null then
    -- Nobody needs to wait for what others have published and this push keeps as it is.
    v_rows := array(
      select d.path_id from push_path d join store_path s on s.id = d.path_id
      where d.push_id = p_push and (s.state <> 'live' or d.supersedes and not d.superseded or s.rank < v_push.rank)
      union select d.path_id from push_object d where d.push_id = p_push
      union select unnest(v_referrers));
    select t.g, t.unpromised into v_g, v_unpromised from @fn@.touch(p_cache, v_push.paths || v_own, v_rows, v_push.objects) t;
  else
    v_g := p_g;
    v_unpromised := '{}';
  end if;
  perform 1 from store_path s where s.id = any(array(select unnest(v_unpromised) except select unnest(v_rows))) order by s.id for no key update;
  -- The NARs too: live at g has to mean that its objects are at g, and the commit may have stamped them before the last barrier.
  select array_agg(distinct i) into v_objects from (
    select unnest(v_push.objects) union all select unnest(s.objects) from store_path s where s.id = any(v_unpromised)) x(i);
  perform 1 from object o where o.id = any(v_objects) order by o.id for no key update;
  if exists (select from store_path s where s.id = any(v_unpromised) and not (s.state = 'live' or s.state = 'publishing' and s.recorded))
    or exists (select from object o where o.id = any(v_push.objects) and (o.state = 'publishing' or o.state = 'live' and o.content is not null) and not o.recorded)
  then return 'committing'; end if;

  v_withdrawn := coalesce(v_push.withdrawn, @fn@.met_bars(v_push, v_unpromised));
  if v_withdrawn <> '{}' then
    update object o set state = 'live', content = null where o.id = any(v_push.objects) and o.state = 'publishing' and o.recorded;
    perform @fn@.list_paths(p_cache, array(select s.id from store_path s where s.id = any(v_unpromised) and s.state = 'publishing'), 'publishing', null);
    update store_path s set state = 'live', listing = null where s.id = any(v_unpromised) and s.state = 'publishing';
    update push u set withdrawn = v_withdrawn where u.id = p_push;
    if @fn@.unwritten_paths(p_cache, array(select d.path_id from push_path d where d.push_id = p_push and d.superseded)) <> '{}' then return 'committing'; end if;
    perform @fn@.release_push(p_cache, p_push);
    if v_push.pin is not null then
      perform @fn@.audit(p_cache, v_push.committer, v_push.committer_address, 'pin.refuse', v_push.pin ->> 'name', (select s.hash from store_path s where s.id = v_push.roots[1]));
    end if;
    update push u set state = 'aborted', finished = clock_timestamp(), lease = null where u.id = p_push;
    return 'withdrawn';
  end if;

  update object o set state = 'live', touched = v_g, content = null where o.id = any(v_push.objects) and o.state = 'publishing' and o.recorded;
  perform @fn@.stamp_objects(p_cache, v_g, v_objects);
  perform @fn@.list_paths(p_cache, array(select s.id from store_path s where s.id = any(v_unpromised) and s.state = 'publishing'), 'publishing', null);
  update store_path s set state = 'live', touched = v_g, listing = null where s.id = any(v_unpromised) and s.state in ('publishing', 'live');
  -- A log or realisation that came later belongs to its path from now on; those only that the commit held, as they alone are locked.
  update store_path s set objects = s.objects || a.ids
    from (select d.path_id, array_agg(d.object_id order by d.object_id) as ids
          from push_object d join object o on o.id = d.object_id and o.state = 'live' join store_path p on p.id = d.path_id
          where d.push_id = p_push and d.object_id = any(v_push.objects) and not d.object_id = any(p.objects) group by d.path_id) a
    where s.id = a.path_id and s.state = 'live';

  -- Of what it declares and others have published: what it supersedes; what is as it declares, for which its rank vouches now; and what another of its rank has taken since the
  -- commit's first half, onto which its pin does not move.
  select coalesce(array_agg(m.path_id order by m.path_id) filter (where m.verdict = 'supersede' and d.supersedes and not d.superseded), '{}'),
      coalesce(array_agg(m.path_id) filter (where m.verdict = 'same'), '{}'),
      coalesce(array_agg(m.path_id) filter (where m.verdict in ('other', 'misnamed') and d.supersedes and not d.superseded), '{}'),
      coalesce(array_agg(m.path_id) filter (where m.verdict in ('own', 'unread') and d.supersedes and not d.superseded), '{}')
    into v_supersedes, v_same, v_taken, v_kept
    from @fn@.met_paths(p_cache, p_push, array(
        select d.path_id from push_path d join store_path s on s.id = d.path_id
        where d.push_id = p_push and (d.supersedes and not d.superseded or s.rank < v_push.rank))) m
    join push_path d on d.push_id = p_push and d.path_id = m.path_id;
  if v_same <> '{}' then
    update store_path s set rank = v_push.rank where s.id = any(v_same) and s.rank < v_push.rank;
  end if;
  -- As at the first half: another may have superseded it meanwhile, and its pin keeps no boundary.
  if v_supersedes <> '{}' then
    v_kept := v_kept || @fn@.brought_boundaries(p_cache, p_push, v_supersedes);
    v_supersedes := array(select unnest(v_supersedes) except select unnest(v_kept));
  end if;
  if v_supersedes <> '{}' then
    v_chosen := @fn@.chosen_objects(v_push, @fn@.legacy_group(p_cache, coalesce(v_push.trust_group, 0)), v_supersedes, v_push.objects);
    insert into kept_object (cache_id, object_id, until)
      select p_cache, f.id, clock_timestamp() + interval '30 days'
      from (select distinct s.objects[1] as id from store_path s where s.id = any(v_supersedes) and not s.objects[1] = any(v_chosen)) f order by f.id
      on conflict (cache_id, object_id) do update set until = excluded.until;
    select array_agg(distinct s.objects[1]) into v_former_objects from store_path s where s.id = any(v_supersedes);
    insert into renamed_path (cache_id, path_id) select p_cache, i from unnest(@fn@.renamed_by(p_push, v_supersedes)) i order by i
      on conflict (cache_id, path_id) do update set at = null, marked = false;
    v_former := array(select distinct r from store_path s cross join unnest(s.refs) r where s.id = any(v_supersedes));
    v_larger := array(select s.id from store_path s join push_path d on d.push_id = p_push and d.path_id = s.id where s.id = any(v_supersedes) and s.nar_hash = d.nar_hash and s.refs <> d.refs and s.declared is distinct from d.digest);
    with chosen as materialized (select o.id, o.nar_hash, o.verified from object o where o.id = any(v_chosen) and o.state = 'live')
    -- What is superseded as it is declared, for a NAR that a server has read, gets that NAR: it stays on the word of whoever published it, unless the rank is higher.
    -- So does one that refers to more: it gets the references, and what follows from them.
    update store_path s set generation = s.generation + 1, recorded = false, unwritten = true, verified = c.verified, nar_hash = d.nar_hash, nar_size = d.nar_size,
        -- Declared alike, they differ in what is a boundary: what the cache has is a reference.
        refs = case when s.declared = d.digest then array(select unnest(s.refs) union select unnest(d.refs) order by 1) else d.refs end,
        objects = array[c.id] || s.objects[2:], declared = case when s.id = any(v_larger) then d.digest else s.declared end,
        -- What is signed names the references.
        signatures = case when s.id = any(v_larger) then d.signatures else s.signatures end
      from push_path d join chosen c on c.nar_hash = d.nar_hash
      where d.push_id = p_push and d.path_id = s.id and s.id = any(v_supersedes);
    update store_path s set name = coalesce(nullif(d.name, ''), s.name), declared = d.digest, declared_at = clock_timestamp(), publisher = v_push.publisher, trust_group = v_push.trust_group,
        rank = v_push.rank, deriver = d.deriver, ca = d.ca, signatures = d.signatures,
        -- Empty: that of the former content is to go.
        listing = coalesce(d.listing, case when s.has_listing then ''::bytea end), has_listing = s.has_listing or d.listing is not null
      from push_path d
      where d.push_id = p_push and d.path_id = s.id and s.id = any(v_supersedes) and s.rank < v_push.rank;
    -- Until the narinfo is written anew, what the bucket's one refers to.
    update push u set paths = u.paths || v_former, objects = array(select unnest(u.objects) union select unnest(v_former_objects)) where u.id = p_push;
    update push_path d set superseded = true where d.push_id = p_push and d.path_id = any(v_supersedes);
    return 'changed';
  end if;
  -- Nobody is told of a commit while the bucket says something else of what it names, whoever supersedes that.
  if @fn@.unwritten_paths(p_cache, v_push.paths || v_own) <> '{}' then return 'committing'; end if;

  insert into root (cache_id, path_id, pushed, publisher, shared)
    select p_cache, r, clock_timestamp(), v_push.publisher, false from unnest(v_push.roots) r order by r
    on conflict (cache_id, path_id) do update set pushed = excluded.pushed, shared = root.shared or root.publisher is distinct from excluded.publisher;
  perform @fn@.release_push(p_cache, p_push);
  -- By now its path is live at g with all that it needs: promised. What is a boundary still keeps the pin where it was, unless the cache lets pins have them. The pin's row is the last lock.
  if v_referrers <> '{}' then
    select w.referrers, w.there into v_referrers, v_there from @fn@.boundary_walk(p_cache, v_push.roots[1]) w;
    perform @fn@.adopt_boundaries(p_cache, v_g, v_referrers, v_there);
    if v_push.pin ->> 'boundaries' is null then
      v_taken := v_taken || array(select distinct b.path_id from @fn@.closure_boundaries(p_cache, v_push.roots[1]) b);
    end if;
  end if;
  if v_push.pin is not null and v_taken = '{}' then
    perform @fn@.move_pin(p_cache, v_push.pin ->> 'name', v_push.roots[1], clock_timestamp() + make_interval(secs => (v_push.pin ->> 'expiresSeconds')::float8),
      (v_push.pin ->> 'keepRevisions')::int, null, 'push', v_push.committer, v_push.committer_address);
  elsif v_push.pin is not null then
    perform @fn@.audit(p_cache, v_push.committer, v_push.committer_address, 'pin.refuse', v_push.pin ->> 'name', (select s.hash from store_path s where s.id = v_push.roots[1]));
  end if;
  update push u set state = 'committed', finished = clock_timestamp(), lease = null, conflicts = u.conflicts || v_taken || v_kept, pin_refused = u.pin is not null and v_taken <> '{}' where u.id = p_push;
  return case when v_taken || v_kept = '{}' then 'committed' else 'overtaken' end;
end $$;
