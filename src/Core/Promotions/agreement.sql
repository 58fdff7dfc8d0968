-- Stages of a cache that vote (settings: agreement, so many are needed), and those that take the word of a key (promotionKeys). Nothing here changes a path: what is agreed on is promoted by an ordinary push.
-- A vote is a live path of a voting stage whose NAR a server has read, with its whole declaration: name, NAR, references, content address. A stage has one for each path, and so has a publisher over all stages.

create function @fn@.stages_of(p_cache int) returns table (id int, name text, needed int)
language sql stable as $$
  select s.id, s.name, (s.settings ->> 'agreement')::int from cache c join cache s on s.settings ->> 'stageOf' = c.name
  where c.id = p_cache and s.deleting is null and s.settings ?| array['agreement', 'promotionKeys']
$$;

-- Who votes: of an identity its values, whatever rules each stage knows it by.
create function @fn@.voter(p_publisher text) returns text
language sql immutable as $$ select case when p_publisher ~ '^(oidc|cert):' then regexp_replace(p_publisher, '^[^/]*/', '') else p_publisher end $$;

-- Paths of the stages that the cache has not, or has with another content (is_there): all, or those of these hashes. p_endorsed: rows whose signature by a promotion key was verified, which counts
-- where a server has read the NAR, too: anybody may send a signature that he has seen, with other bytes.
-- judged: 'endorsed' (by a key, and no key says otherwise) | 'agreed' (enough voters, and nobody says otherwise) | 'differs' | 'votes' (too few) | 'barred' (in the cache) | 'blocked' (by who is blocked in the stage).
create function @fn@.judged_paths(p_cache int, p_hashes bytea[], p_endorsed bigint[])
returns table (id bigint, stage int, hash bytea, declared bytea, judged text, voters int, needed int)
language sql stable set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
  with stage as materialized (
    select g.id, g.needed, @fn@.blocked_publishers(g.id) as blocked from @fn@.stages_of(p_cache) g
  ), said as materialized (
    select s.id, g.id as stage, s.hash, s.declared, s.nar_hash, g.needed is not null as is_voting, coalesce(s.publisher = any(g.blocked), false) as is_blocked, s.id = any(p_endorsed) and s.verified and o.verified as endorsed,
      @fn@.voter(b.name) as voter, t.id as there, coalesce(t.state = 'live', false) as is_there,
      g.needed is not null and b.id is not null and s.declared is not null and s.verified and o.verified and o.state = 'live' and not s.publisher = any(g.blocked) as is_vote
    from stage g join store_path s on s.cache_id = g.id and (p_hashes is null or s.hash = any(p_hashes)) join object o on o.id = s.objects[1]
      left join publisher b on b.id = s.publisher left join store_path t on t.cache_id = p_cache and t.hash = s.hash
    where s.state = 'live' and not s.barred and not (coalesce(t.state = 'live', false) and t.declared is not distinct from s.declared)
  ), content as materialized (
    select q.hash, q.declared, count(distinct q.voter) filter (where q.is_vote)::int as voters, bool_or(q.endorsed) as endorsed from said q
    where not q.is_blocked and (q.is_voting or q.endorsed) group by q.hash, q.declared
  ), path as materialized (
    select c.hash, count(*) as contents, count(*) filter (where c.endorsed) as endorsed from content c group by c.hash
  ), need as (select max(g.needed) as needed from stage g)
  select q.id, q.stage, q.hash, q.declared,
    case
      when q.is_blocked then 'blocked'
      when q.is_there then 'differs'
      when q.there is not null and @fn@.is_barred(p_cache, q.there, q.nar_hash) then 'barred'
      when q.endorsed and w.endorsed = 1 then 'endorsed'
      when not q.is_voting then 'votes'
      when w.contents > 1 or w.endorsed > 1 then 'differs'
      when q.is_vote and c.voters >= n.needed then 'agreed'
      else 'votes' end,
    coalesce(c.voters, 0), n.needed
  from said q cross join need n left join content c on c.hash = q.hash and c.declared is not distinct from q.declared left join path w on w.hash = q.hash
$$;

-- The largest set of agreed and endorsed paths that refer to nothing outside it but what the cache has: its top paths, each from one stage. p_skip: hashes to leave out.
create function @fn@.agreed_roots(p_cache int, p_endorsed bigint[], p_skip bytea[], p_limit int) returns table (stage text, hash bytea)
language sql stable set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
  with recursive fine as materialized (
    select j.id, j.stage, j.hash from @fn@.judged_paths(p_cache, null, p_endorsed) j where j.judged in ('agreed', 'endorsed')
  ), edge as materialized (
    select f.id as src, d.id as dst, d.hash from fine f join store_path s on s.id = f.id cross join unnest(s.refs) r(id) join store_path d on d.id = r.id where d.id <> f.id
  ), spoiled(id) as (
    select e.src from edge e
    where not exists (select from fine f where f.id = e.dst) and not exists (select from store_path t where t.cache_id = p_cache and t.hash = e.hash and t.state = 'live')
    union
    select e.src from spoiled x join edge e on e.dst = x.id
  ), whole as materialized (
    select f.id, f.stage, f.hash from fine f where not exists (select from spoiled x where x.id = f.id)
  )
  select c.name, r.hash from (
    select distinct on (w.hash) w.hash, w.stage from whole w
    where not exists (select from edge e join whole u on u.id = e.src where e.dst = w.id) and not w.hash = any(p_skip)
    order by w.hash, w.stage limit p_limit) r join cache c on c.id = r.stage
$$;

-- Paths of a stage with a signature by a key of one of these names, which the cache has not; after an id, some at a time.
create function @fn@.signed_paths(p_cache int, p_stage text, p_names text[], p_after bigint, p_limit int)
returns table (id bigint, hash bytea, name text, nar_hash bytea, nar_size bigint, ref_hashes bytea[], ref_names text[], signatures text[])
language sql stable set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
  select q.id, q.hash, q.name, q.nar_hash, q.nar_size, array_agg(d.hash order by d.id) filter (where d.id is not null), array_agg(d.name order by d.id) filter (where d.id is not null), q.signatures
  from (
    select s.* from store_path s
    where s.cache_id = (select g.id from @fn@.stages_of(p_cache) g where g.name = p_stage) and s.id > p_after and s.state = 'live' and not s.barred
      and exists (select from unnest(s.signatures) x(signature) where split_part(x.signature, ':', 1) = any(p_names))
      and not exists (select from store_path t where t.cache_id = p_cache and t.hash = s.hash and t.state = 'live')
    order by s.id limit p_limit) q
  left join store_path d on d.id = any(q.refs)
  group by q.id, q.hash, q.name, q.nar_hash, q.nar_size, q.signatures
$$;

-- Takes the turn to compare the stages, when something may have changed since the last one; null: there is nothing to do, or another server does it.
-- A push that finishes is seen a moment later at the latest, so its time is looked at from a moment before.
create function @fn@.take_comparison(p_cache int, p_lease interval, p_rest interval, p_moment interval) returns timestamptz
language sql volatile as $$
  update cache c set agreement_lease = clock_timestamp() + p_lease
  where c.id = p_cache and c.deleting is null and coalesce(c.agreement_lease < clock_timestamp(), true)
    and (coalesce(c.compared < clock_timestamp() - p_rest, true)
      or exists (select from push u where u.finished > c.compared - p_moment and u.state = 'committed' and u.cache_id = any(array(select g.id from @fn@.stages_of(p_cache) g))))
  returning clock_timestamp()
$$;

-- p_since: when the turn began, if it came to its end; null: it goes on.
create function @fn@.hold_comparison(p_cache int, p_lease interval, p_since timestamptz) returns void
language sql volatile as $$
  update cache c set agreement_lease = case when p_since is null then clock_timestamp() + p_lease end, compared = coalesce(p_since, c.compared) where c.id = p_cache
$$;

-- Why paths of the stages do not go to the cache by themselves, with each content of theirs and who has it; after a hash, some paths at a time. p_all: also those about which nobody differs.
-- reason: 'differs' | 'barred' | 'blocked' | 'votes' | 'waits' (it is agreed on, and goes with what it needs).
create function @fn@.unpromoted_paths(p_cache int, p_after bytea, p_all boolean, p_limit int)
returns table (hash bytea, reason text, voters int, needed int, name text, nar_hash bytea, nar_size bigint, ca text, ref_hashes bytea[], ref_names text[], caches text[], publishers text[], verified boolean)
language sql stable set jit = off set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
  with judged as materialized (
    select j.hash, max(j.voters) as voters, max(j.needed) as needed,
      case when bool_or(j.judged = 'differs') then 'differs' when bool_or(j.judged = 'barred') then 'barred' when bool_or(j.judged in ('agreed', 'endorsed')) then 'waits' when bool_or(j.judged = 'votes') then 'votes' else 'blocked' end as reason
    from @fn@.judged_paths(p_cache, null, '{}') j where j.hash > p_after group by j.hash
  ), page as materialized (
    select * from judged j where p_all or j.reason = 'differs' order by j.hash limit p_limit
  ), content as (
    select g.hash, g.reason, g.voters, g.needed, min(s.id) as id, array_agg(c.name order by c.name) as caches, array_agg(coalesce(b.name, '') order by c.name) as publishers, bool_or(s.verified) as verified
    from page g join cache c on c.id = p_cache or c.id = any(array(select x.id from @fn@.stages_of(p_cache) x)) join store_path s on s.cache_id = c.id and s.hash = g.hash and s.state = 'live' left join publisher b on b.id = s.publisher
    group by g.hash, g.reason, g.voters, g.needed, s.declared
  )
  select c.hash, c.reason, c.voters, c.needed, s.name, s.nar_hash, s.nar_size, s.ca, array(select d.hash from store_path d where d.id = any(s.refs) order by d.id), array(select d.name from store_path d where d.id = any(s.refs) order by d.id),
    c.caches, c.publishers, c.verified
  from content c join store_path s on s.id = c.id order by c.hash, c.caches
$$;
