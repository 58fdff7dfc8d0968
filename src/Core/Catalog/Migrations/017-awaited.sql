-- Since when a push waits for the upload of a NAR by another trust group; waiting is since when it waits for the reading of one.
alter table push_path add awaited timestamptz;
