-- What stages of a cache agree on goes there by itself (see Promotions/agreement.sql). Columns without a table's rewrite: no lock is long.

-- Of a cache with such stages. agreement_lease: whose turn it is to compare them; compared: when the last turn that came to its end began.
alter table cache
  add column agreement_lease timestamptz,
  add column compared timestamptz;
