-- Which NARs are due for their second deletion: a look of every process every few seconds, beside a sweep's worth of those that are not.
create index object_tombstone on object (cache_id, coalesce(url_expires, claimed_at, '-infinity')) where state = 'tombstone';
