-- Paths whose narinfo has lost the signature by the cache's own keys: it was of a reference's former name, and nothing is signed anew before a server has read it (see renames.sql).
create table unsigned_path (
  cache_id int not null,
  path_id  bigint not null,
  primary key (cache_id, path_id)
);
