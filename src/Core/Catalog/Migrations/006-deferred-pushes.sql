-- Some clients open a push knowing only hashes: names and all else that a narinfo says come just before the commit. Until then the name of a path that the
-- cache has never had is empty.
alter table push_path
  add column deferred boolean not null default false,
  add column declared boolean not null default true;
create index push_path_deferred on push_path (path_id) where deferred;
