-- Who publishes, on whose word a path rests, and what was declared. Columns without a table's rewrite, and small tables: no lock is long.
-- What was there before has no publisher ('legacy') and is usable by all, unless the cache says otherwise.

-- Functions of earlier versions know no publishers: a server that still runs them would share with everybody what nobody has read.
do $$
declare
  v_schema name;
begin
  for v_schema in select nspname from pg_namespace where nspname ~ '^orleans_cache_[0-9a-f]{12}$' loop
    execute format('drop schema %I cascade', v_schema);
  end loop;
end $$;

create table trust_group (
  id       int generated always as identity primary key,
  cache_id int not null,
  name     text not null,
  unique (cache_id, name)
);
create table publisher (
  id          int generated always as identity primary key,
  cache_id    int not null,
  name        text not null,
  trust_group int not null,
  rank        smallint not null,
  unique (cache_id, name)
);

alter table cache
  -- Binds the ids of grants to their pushes. 256 bits, of which 12 are fixed.
  add column secret bytea not null default decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'),
  add column distrust_legacy boolean not null default false;

-- declared: a digest of name, NAR hash and size, references, and content address. declared_at: since when the row has this content. rank: the highest of those who declared
-- just this.
alter table store_path
  add column declared bytea,
  add column declared_at timestamptz,
  add column publisher int,
  add column trust_group int,
  add column verified boolean not null default false,
  add column rank smallint not null default 0;

-- verified: a server has read the bytes. rank: of who brought a log or realisation. leads: the claim that its trust group waits for; of all groups' one at most is exclusive, too.
alter table object
  add column publisher int,
  add column trust_group int,
  add column verified boolean not null default false,
  add column rank smallint not null default 0,
  add column leads boolean not null default false;

-- public_id: what a client knows a push by. committers: other publishers who may commit it. conflicts: paths that it named and that others published otherwise.
-- named and digests: of a push with a pin, all its paths and what it declares of each. pin_refused: it was overtaken on the last step, and its pin stays where it was.
alter table push
  add column named bigint[],
  add column digests bytea[],
  add column pin_refused boolean not null default false,
  add column public_id uuid,
  add column publisher int,
  add column trust_group int,
  add column rank smallint not null default 0,
  add column committers text[],
  add column conflicts bigint[] not null default '{}';
alter table push alter column public_id set default gen_random_uuid();
create unique index push_public_id on push (public_id);

-- supersedes: the path is live on the word of a lower rank, and gets this content with the commit; superseded: the row has it, the bucket follows.
alter table push_path
  add column name text not null default '',
  add column digest bytea,
  add column supersedes boolean not null default false,
  add column superseded boolean not null default false;

-- content: what the push brings under a key whose content, published on the word of a lower rank, gives way with the commit.
alter table push_object add column content bytea;

-- NARs of superseded paths, for readers who remember their narinfos.
create table kept_object (
  cache_id  int not null,
  object_id bigint not null,
  until     timestamptz not null,
  primary key (cache_id, object_id)
);

alter table token add column trust_group text;
