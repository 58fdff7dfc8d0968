-- Who may do what in a cache. The secret is not here, only its SHA-256: it has 256 random bits, so no slow hash is needed, and one is found by an index.
create table token (
  id       bigint generated always as identity primary key,
  cache_id int not null,
  name     text not null,
  digest   bytea not null unique check (octet_length(digest) = 32),
  scopes   text[] not null check (scopes <> '{}' and scopes <@ array['push', 'pin', 'gc', 'read', 'admin']),
  -- Patterns of the names of pins; null: all.
  pins     text[],
  created  timestamptz not null default clock_timestamp(),
  expires  timestamptz,
  -- A revoked one keeps its row, so that a log's 'token:<id>' can be told from another's for ever.
  revoked  timestamptz,
  -- Written at most every ten minutes.
  used     timestamptz
);
create unique index token_name on token (cache_id, name) where revoked is null;
