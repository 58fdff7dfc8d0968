-- Closures that are taken over from another cache. A column without a table's rewrite, and a constraint of a small table: no lock is long.

-- promoted_from: the cache that the push takes its paths from; null: a client brings them.
alter table push add column promoted_from text;

alter table token
  drop constraint token_scopes_check,
  add constraint token_scopes_check check (scopes <> '{}' and scopes <@ array['push', 'pin', 'gc', 'read', 'admin', 'promote']);
