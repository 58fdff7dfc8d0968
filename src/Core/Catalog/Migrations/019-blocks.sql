-- Publishers who are refused although their credential is good: an identity's token cannot be revoked.
create table block (
  id         bigint generated always as identity primary key,
  cache_id   int not null,
  -- Of a publisher's whole name: * stands for any characters, ? for one.
  pattern    text not null,
  -- The same as 'like' has it.
  likeness   text not null generated always as (translate(replace(replace(replace(pattern, '\', '\\'), '%', '\%'), '_', '\_'), '*?', '%_')) stored,
  reason     text,
  created_by text not null,
  created    timestamptz not null default clock_timestamp(),
  -- A lifted one keeps its row.
  lifted     timestamptz,
  lifted_by  text
);
-- Each request of an identity looks here.
create unique index block_standing on block (cache_id, pattern) include (likeness) where lifted is null;

-- Others than its publisher have pushed it, too. Of the roots from before nobody knows.
alter table root add column shared boolean not null default true;
