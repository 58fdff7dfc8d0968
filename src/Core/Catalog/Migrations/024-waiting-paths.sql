-- Paths that attic's client has put before all of their references. Each waits in a hold of its publisher, which also holds its NAR, and ends with it. A new table: no lock is long.

-- refs: without the path itself. awaits: one of them that was not there at the last look, whose arrival is the next; null: all were, and it is to be published. looked: when that was. info: its narinfo, unsigned. file_hash: of its NAR's file. weight: bytes of the row, about. trust_group, rank, reads_others, address: of who put it, as it was then.
create table waiting_path (
  cache_id     int not null,
  holder       text not null,
  hash         bytea not null,
  push_id      bigint not null,
  digest       bytea not null,
  refs         bytea[] not null,
  awaits       bytea,
  looked       timestamptz not null default clock_timestamp(),
  info         text not null,
  object_id    bigint not null,
  file_hash    bytea not null,
  weight       int not null,
  trust_group  text not null,
  rank         int not null,
  reads_others boolean not null,
  address      text,
  recorded     timestamptz not null default clock_timestamp(),
  primary key (cache_id, holder, hash)
);
create index waiting_path_push on waiting_path (push_id);
create index waiting_path_awaits on waiting_path (cache_id, awaits);
