-- Partitions: whole UTC months, named table_2025_06, no default partition.

-- Makes the month's partition of a table unless it is there; tells whether it
-- did. The table is attached, not made in place: readers and writers of other
-- months go on. It waits for locks two seconds at most.
create function fature.ensure_partition(tab text, month timestamptz) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set lock_timeout = '2s' as $$
declare
	lo   timestamptz := date_trunc('month', month, 'UTC');
	hi   timestamptz := date_trunc('month', lo + interval '45 days', 'UTC');
	part text := tab || to_char(lo, '_YYYY_MM');
	fire record;
begin
	if tab is null or not exists (select from pg_partitioned_table where partrelid = to_regclass(format('fature.%I', tab))) then
		raise exception '% is not a partitioned table of this schema', tab using errcode = 'invalid_parameter_value';
	end if;
	if month is null or month < '2000-01-01+00' or month >= '10000-01-01+00' then
		raise exception 'the month of % is not between the years 2000 and 9999', month using errcode = 'invalid_parameter_value';
	end if;
	if exists (select from fature.partitions p where p.table_name = tab and p.month = lo) then
		return false;
	end if;
	perform pg_advisory_xact_lock(hashtextextended('fature.partition', 0));
	if exists (select from fature.partitions p where p.table_name = tab and p.month = lo) then
		return false;
	end if;
	execute format('create table fature.%I (like fature.%I including all)', part, tab);
	-- LIKE brings no triggers, and ATTACH only those for each row.
	for fire in
		select pg_get_triggerdef(t.oid) as def from pg_trigger t
		where t.tgrelid = format('fature.%I', tab)::regclass and not t.tgisinternal and t.tgtype & 1 = 0
	loop
		execute replace(fire.def, format(' ON fature.%I ', tab), format(' ON fature.%I ', part));
	end loop;
	execute format('alter table fature.%I attach partition fature.%I for values from (%L) to (%L)',
		tab, part, to_char(lo, 'YYYY-MM-DD"T"HH24:MI:SS+00'), to_char(hi, 'YYYY-MM-DD"T"HH24:MI:SS+00'));
	return true;
end $$;
revoke execute on function fature.ensure_partition from public;

-- The bounds of a partition, in words that every session reads alike: in some
-- date styles a time has its zone's abbreviation, which can mean another zone.
create function fature.partition_bounds(part regclass) returns text
language sql stable set search_path = pg_catalog, pg_temp set timezone = 'UTC' set datestyle = 'ISO' as
$$ select pg_get_expr(relpartbound, oid) from pg_class where oid = part $$;

-- The partitions there are, by table and month.
create view fature.partitions as
select p.relname::text as table_name, c.relname::text as partition_name,
	bound[1]::timestamptz as month, bound[2]::timestamptz as until
from pg_inherits i
join pg_class p on p.oid = i.inhparent and p.relkind = 'p'
join pg_class c on c.oid = i.inhrelid
join pg_namespace n on n.oid = p.relnamespace and n.nspname = split_part('fature.', '.', 1)
cross join lateral regexp_match(fature.partition_bounds(c.oid), $r$FROM \('([^']+)'\) TO \('([^']+)'\)$r$) bound
where not i.inhdetachpending;

---- create above / drop below ----

drop view fature.partitions;
drop function fature.partition_bounds, fature.ensure_partition;
