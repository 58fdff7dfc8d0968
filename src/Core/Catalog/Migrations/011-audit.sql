-- Who has done what, and from where. A line is written by the statement that makes the change and never changed; the housekeeper deletes old ones.
create table audit (
  id        bigint generated always as identity,
  cache_id  int not null,
  at        timestamptz not null default clock_timestamp(),
  publisher text not null,
  address   text,
  action    text not null,
  -- What it was done to: the name of a pin, a token, a run.
  subject   text,
  -- The hash of the store path concerned: of a commit the first root, of a pin where it leads.
  path      bytea,
  detail    jsonb,
  -- Lines are read newest first and deleted oldest first.
  primary key (cache_id, at, id)
);

-- Who commits a push that carries a pin: the line of the pin is written by whoever finishes it.
alter table push
  add column committer text,
  add column committer_address text;
