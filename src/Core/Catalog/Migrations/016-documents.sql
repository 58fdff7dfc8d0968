-- Documents of grains that are no rows of the catalog, such as what the collector remembers. Orleans' ADO.NET provider asks for its statements by key, as for those of migration
-- 005; keys, parameters and result columns are its contract, table and statements are ours. What is lost here costs a memory and no path.
-- The provider reads a grain's key as a number where it looks like one, hexadecimal too ('a', 'A' and '0a' share a row): names of grains with documents have a slash.
create table orleans.document (
  service_id text not null,
  -- The name of the state, which is one grain class's own.
  state      text not null,
  -- The key of the grain: a text, or two numbers.
  grain_key  text not null,
  n0         bigint not null,
  n1         bigint not null,
  -- JSON; null: cleared.
  document   jsonb,
  version    int not null,
  changed    timestamptz not null default clock_timestamp(),
  -- Of two activations that write for the first time, one gets the row, and the other learns that it is too late.
  primary key (service_id, state, grain_key, n0, n1)
);

insert into orleans.statement (key, text) values

('ReadFromStorageKey', $$
  select convert_to(d.document::text, 'UTF8') as PayloadBinary, d.version as Version
  from orleans.document d
  where d.service_id = @ServiceId and d.state = @GrainTypeString and d.grain_key = coalesce(@GrainIdExtensionString::text, '')
    and d.n0 = @GrainIdN0 and d.n1 = @GrainIdN1
$$),

-- Without a version the row must not be there, else it must have that version. The version that was given is the answer when nothing was written.
('WriteToStorageKey', $$
  with made as (
    insert into orleans.document as d (service_id, state, grain_key, n0, n1, document, version)
    select @ServiceId, @GrainTypeString, coalesce(@GrainIdExtensionString::text, ''), @GrainIdN0, @GrainIdN1, convert_from(@PayloadBinary, 'UTF8')::jsonb, 1
    where @GrainStateVersion::int is null
    on conflict do nothing
    returning d.version),
  changed as (
    update orleans.document d set document = convert_from(@PayloadBinary, 'UTF8')::jsonb, version = d.version + 1, changed = clock_timestamp()
    where d.service_id = @ServiceId and d.state = @GrainTypeString and d.grain_key = coalesce(@GrainIdExtensionString::text, '')
      and d.n0 = @GrainIdN0 and d.n1 = @GrainIdN1 and d.version = @GrainStateVersion::int
    returning d.version)
  select coalesce((select version from made), (select version from changed), @GrainStateVersion::int) as NewGrainStateVersion
$$),

-- The row stays, so that who has not seen the end of the document does not begin it anew.
('ClearStorageKey', $$
  with cleared as (
    update orleans.document d set document = null, version = d.version + 1, changed = clock_timestamp()
    where d.service_id = @ServiceId and d.state = @GrainTypeString and d.grain_key = coalesce(@GrainIdExtensionString::text, '')
      and d.n0 = @GrainIdN0 and d.n1 = @GrainIdN1 and d.version = @GrainStateVersion::int
    returning d.version)
  select coalesce((select version from cleared), @GrainStateVersion::int) as NewGrainStateVersion
$$);
