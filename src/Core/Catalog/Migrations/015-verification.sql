-- What servers have read of the bytes in the store, and what they are to read. A column with a constant default and small tables: no lock is long.

-- Functions of earlier versions rely on bytes that this cache may want to be read first.
do $$
declare
  v_schema name;
begin
  for v_schema in select nspname from pg_namespace where nspname ~ '^orleans_cache_[0-9a-f]{12}$' loop
    execute format('drop schema %I cascade', v_schema);
  end loop;
end $$;

-- verify: what has to be read before it is relied on. scrubbed: the path up to which the scrub has read; scrub_began: its round; scrub_lease: whose turn it is.
alter table cache
  add column verify text not null default 'off' check (verify in ('off', 'adopt', 'always')),
  add column scrubbed bigint not null default 0,
  add column scrub_began timestamptz,
  add column scrub_lease timestamptz;

-- Objects that a server is to read, in a turn for each publisher. Whoever has the lease reads.
create table verification (
  cache_id  int not null,
  object_id bigint not null,
  -- In whose turn it is read, and who brought the object; 0: it is from before there were publishers.
  publisher int not null,
  owner     int not null,
  -- Somebody waits for it; the scrub's are not urgent.
  urgent    boolean not null,
  asked     timestamptz not null default clock_timestamp(),
  -- What is declared of it: hashes of references, content addresses (each with its path's hash before it), and the rows of such paths that are live.
  hashes    bytea[] not null default '{}',
  addresses text[] not null default '{}',
  paths     bigint[] not null default '{}',
  lease     timestamptz not null default '-infinity',
  tries     int not null default 0,
  -- Why the last try came to nothing.
  trouble   text,
  primary key (cache_id, object_id)
);
create index verification_turn on verification (cache_id, publisher, urgent desc, asked);

-- What the bytes of a verified object say, beside their hash.
create table proof (
  object_id bigint primary key,
  at        timestamptz not null default clock_timestamp(),
  -- Store path hashes that occur in the NAR. partial: others may, which nobody has looked for; absent: looked for, and do not.
  occurring bytea[] not null,
  partial   boolean not null,
  absent    bytea[] not null default '{}',
  -- Content addresses, as in verification: that the bytes have, that they have not, and that this program cannot compute.
  addresses text[] not null default '{}',
  false_addresses text[] not null default '{}',
  open_addresses  text[] not null default '{}',
  -- As the server prints it; until a path with this object is published.
  listing   bytea
);
