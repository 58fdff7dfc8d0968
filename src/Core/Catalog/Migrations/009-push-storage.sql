-- Thousands of numbers, written once and gone with the push: not worth compressing.
alter table push alter column paths set storage external;
