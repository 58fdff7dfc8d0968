-- Stock Nix as a writer: it knows no pushes, so what it was answered is held by a push that its credential has without knowing it, the hold.
alter table push add column holder text;
create index push_holder on push (cache_id, holder) where holder is not null and state = 'open';

-- What such a client calls a NAR: the hash of the file, and its ending. The key in the bucket is minted, as every NAR's. One object may have a file of
-- another hash by now (it was gone, and came back): then the name means nothing, until a file of that hash is put again.
create table nar_alias (
  cache_id   int not null,
  name       text not null,
  file_hash  bytea not null,
  object_id  bigint not null,
  primary key (cache_id, name)
);
create index nar_alias_object on nar_alias (object_id);

-- Listings, logs, realisations and debug info that came before the path that they belong to. They wait in the hold that brought them and end with it.
create table nix_pending (
  push_id  bigint not null,
  key      text not null,
  kind     text not null check (kind in ('listing', 'log', 'realisation', 'debuginfo')),
  -- Of the path (listing, realisation), its derivation (log) or the NAR's file (debug info).
  about    bytea not null,
  content  bytea not null,
  primary key (push_id, key)
);
