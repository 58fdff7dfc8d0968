-- Paths whose name a commit has changed. A narinfo prints the names of its references, and is signed so: what refers to them is written anew.
-- at: a time after the change was visible to all, null until somebody has seen it; marked: all that referred to it then is to be written (see renames.sql).
create table renamed_path (
  cache_id int not null,
  path_id  bigint not null,
  at       timestamptz,
  marked   boolean not null default false,
  primary key (cache_id, path_id)
);
