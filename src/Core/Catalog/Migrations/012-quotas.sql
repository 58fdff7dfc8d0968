-- What a publisher has, for the quotas: open pushes and what they upload are read from the pushes; what is published is counted now and then by the housekeeper.
-- claimed_bytes: NAR bytes that the push was granted uploads for; null: opened by a server without quotas.
alter table push add column claimed_bytes bigint;
create index push_publisher on push (publisher) where state = 'open';

alter table publisher
  add column stored_bytes bigint not null default 0,
  add column roots bigint not null default 0;
alter table cache add column publishers_counted timestamptz;

-- Who made it a root: the path may be another's.
alter table root add column publisher int;
