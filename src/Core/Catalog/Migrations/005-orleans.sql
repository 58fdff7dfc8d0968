-- What a cluster of silos keeps in PostgreSQL: who is a member, and which grains want to be reminded. Orleans' ADO.NET providers ask for their
-- statements by key; keys, parameters and result columns are their contract, tables and statements are ours. All of it is in a schema of its
-- own and named in full, but for the view through which the providers find the statements: no connection needs a search path of its own.
create schema orleans;

create table orleans.statement (
  key   text primary key,
  text  text not null
);

create view orleansquery as select key as querykey, text as querytext from orleans.statement;

-- One row per cluster. Its version is the lock under which members change: each change needs the version that it was decided on.
create table orleans.cluster (
  id       text primary key,
  version  int not null default 0
);

-- A member from joining to long after its death; a silo that starts again has another generation.
create table orleans.silo (
  cluster_id     text not null references orleans.cluster on delete cascade,
  address        text not null,
  port           int not null,
  generation     int not null,
  name           text not null,
  host           text not null,
  status         int not null check (status between 0 and 6),
  proxy_port     int not null,
  suspect_times  text,
  started        timestamptz not null,
  alive          timestamptz not null,
  primary key (cluster_id, address, port, generation)
);

create table orleans.reminder (
  service_id  text not null,
  grain_id    text not null,
  name        text not null,
  grain_hash  int not null,
  starts      timestamptz not null,
  period_ms   bigint not null check (period_ms > 0),
  version     int not null,
  primary key (service_id, grain_id, name)
);

-- Each silo serves a range of hashes.
create index reminder_hash on orleans.reminder (service_id, grain_hash);

-- No two states of any reminder share a version: one that was deleted and made anew is not taken for the old one.
create sequence orleans.reminder_version as int cycle;

insert into orleans.statement (key, text) values

-- 3 is active. Silos here offer no port to outside clients, so this answers nothing; the provider wants the statement all the same.
('GatewaysQueryKey', $$
  select address as Address, proxy_port as ProxyPort, generation as Generation
  from orleans.silo where cluster_id = @DeploymentId and status = @Status and proxy_port > 0
$$),

-- Always a row, for its version: without a member the others are null.
('MembershipReadRowKey', $$
  select s.address as Address, s.port as Port, s.generation as Generation, s.name as SiloName, s.host as HostName, s.status as Status,
         s.proxy_port as ProxyPort, s.suspect_times as SuspectTimes, s.started as StartTime, s.alive as IAmAliveTime, c.version as Version
  from orleans.cluster c
  left join orleans.silo s on s.cluster_id = c.id and s.address = @Address and s.port = @Port and s.generation = @Generation
  where c.id = @DeploymentId
$$),

('MembershipReadAllKey', $$
  select s.address as Address, s.port as Port, s.generation as Generation, s.name as SiloName, s.host as HostName, s.status as Status,
         s.proxy_port as ProxyPort, s.suspect_times as SuspectTimes, s.started as StartTime, s.alive as IAmAliveTime, c.version as Version
  from orleans.cluster c
  left join orleans.silo s on s.cluster_id = c.id
  where c.id = @DeploymentId
$$),

-- Of silos that start at once on an empty database one makes the row, the others wait for it and find it made.
('InsertMembershipVersionKey', $$
  with made as (insert into orleans.cluster (id) values (@DeploymentId) on conflict (id) do nothing returning id)
  select exists (select from made)
$$),

-- The version goes up or nothing is written: of two silos that decided on the same view, the second waits for the row, finds another version, and
-- decides again. The join is part of the guard, so that a silo that is there already leaves the version alone.
('InsertMembershipKey', $$
  with turn as (
    update orleans.cluster c set version = c.version + 1
    where c.id = @DeploymentId and c.version = @Version
      and not exists (select from orleans.silo s where s.cluster_id = c.id and s.address = @Address and s.port = @Port and s.generation = @Generation)
    returning c.id),
  made as (
    insert into orleans.silo (cluster_id, address, port, generation, name, host, status, proxy_port, started, alive)
    select turn.id, @Address, @Port, @Generation, @SiloName, @HostName, @Status, @ProxyPort, @StartTime, @IAmAliveTime from turn
    returning 1)
  select exists (select from made)
$$),

-- The same guard. The heartbeat only goes forward: who writes a suspicion of another silo has read its heartbeat some time ago.
('UpdateMembershipKey', $$
  with turn as (
    update orleans.cluster c set version = c.version + 1
    where c.id = @DeploymentId and c.version = @Version
      and exists (select from orleans.silo s where s.cluster_id = c.id and s.address = @Address and s.port = @Port and s.generation = @Generation)
    returning c.id),
  changed as (
    update orleans.silo s set status = @Status, suspect_times = @SuspectTimes, alive = greatest(s.alive, @IAmAliveTime)
    from turn where s.cluster_id = turn.id and s.address = @Address and s.port = @Port and s.generation = @Generation
    returning 1)
  select exists (select from changed)
$$),

-- Not a change of membership: no version. 6 is dead: a silo that goes on after it was declared so does not keep its row.
('UpdateIAmAlivetimeKey', $$
  update orleans.silo set alive = @IAmAliveTime
  where cluster_id = @DeploymentId and address = @Address and port = @Port and generation = @Generation and status <> 6
$$),

('DeleteMembershipTableEntriesKey', $$
  delete from orleans.cluster where id = @DeploymentId
$$),

-- Only the dead: a silo that merely looks lifeless is for the others to declare dead first.
('CleanupDefunctSiloEntriesKey', $$
  delete from orleans.silo where cluster_id = @DeploymentId and status = 6 and greatest(started, alive) < @IAmAliveTime
$$),

-- Goes only as it was when somebody found it worth removing.
('CleanupDefunctSiloEntryKey', $$
  delete from orleans.silo
  where cluster_id = @DeploymentId and address = @Address and port = @Port and generation = @Generation and status = 6
    and started = @StartTime and alive = @IAmAliveTime and coalesce(suspect_times, '') = coalesce(@SuspectTimes, '')
$$),

('ReadReminderRowsKey', $$
  select grain_id as GrainId, name as ReminderName, starts as StartTime, period_ms as Period, version as Version
  from orleans.reminder where service_id = @ServiceId and grain_id = @GrainId
$$),

('ReadReminderRowKey', $$
  select grain_id as GrainId, name as ReminderName, starts as StartTime, period_ms as Period, version as Version
  from orleans.reminder where service_id = @ServiceId and grain_id = @GrainId and name = @ReminderName
$$),

-- Hashes are a ring of signed numbers; a range begins after its first and ends with its last.
('ReadRangeRows1Key', $$
  select grain_id as GrainId, name as ReminderName, starts as StartTime, period_ms as Period, version as Version
  from orleans.reminder where service_id = @ServiceId and grain_hash > @BeginHash and grain_hash <= @EndHash
$$),

-- Over the end of the numbers; all of the ring when both are the same.
('ReadRangeRows2Key', $$
  select grain_id as GrainId, name as ReminderName, starts as StartTime, period_ms as Period, version as Version
  from orleans.reminder where service_id = @ServiceId and (grain_hash > @BeginHash or grain_hash <= @EndHash)
$$),

-- The key is unique: of two that write at once the second changes the row of the first, and each is told its own version.
('UpsertReminderRowKey', $$
  insert into orleans.reminder (service_id, grain_id, name, grain_hash, starts, period_ms, version)
  values (@ServiceId, @GrainId, @ReminderName, @GrainHash, @StartTime, @Period, nextval('orleans.reminder_version'))
  on conflict (service_id, grain_id, name) do update
    set grain_hash = excluded.grain_hash, starts = excluded.starts, period_ms = excluded.period_ms, version = excluded.version
  returning version as Version
$$),

-- Only the state that the caller saw.
('DeleteReminderRowKey', $$
  with gone as (
    delete from orleans.reminder
    where service_id = @ServiceId and grain_id = @GrainId and name = @ReminderName and version = @Version
    returning 1)
  select exists (select from gone)
$$),

('DeleteReminderRowsKey', $$
  delete from orleans.reminder where service_id = @ServiceId
$$);
