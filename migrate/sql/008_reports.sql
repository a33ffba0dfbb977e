-- The seed's reports. Each side is summed before they meet: joining
-- transactions with commissions multiplies both sums.

create materialized view fature.affiliate_stats as
with own as (
	select affiliate_id, count(*) as transactions, count(distinct customer_id) as unique_customers,
		sum(volume) as total_volume, max(created_at) as last_transaction_at
	from fature.transactions where status in ('processed', 'reversed') group by affiliate_id
), earned as (
	select affiliate_id, sum(final_amount) as total_commissions
	from fature.commissions where status <> 'void' group by affiliate_id
), team as (
	select ancestor_id as affiliate_id, count(*) filter (where level_difference = 1) as direct_referrals,
		count(*) - 1 as team_size
	from fature.affiliate_hierarchy group by ancestor_id
)
select a.id, a.status, a.category, a.level,
	coalesce(own.transactions, 0) as transactions,
	coalesce(own.unique_customers, 0) as unique_customers,
	coalesce(own.total_volume, 0)::numeric(20,2) as total_volume,
	coalesce(earned.total_commissions, 0)::numeric(20,2) as total_commissions,
	coalesce(team.direct_referrals, 0) as direct_referrals,
	coalesce(team.team_size, 0) as team_size,
	own.last_transaction_at,
	now() as as_of
from fature.affiliates a
left join own on own.affiliate_id = a.id
left join earned on earned.affiliate_id = a.id
left join team on team.affiliate_id = a.id;
create unique index affiliate_stats_pkey on fature.affiliate_stats (id);

-- Lets the application refresh what only the owner may.
create function fature.refresh_affiliate_stats() returns void
language sql security definer set search_path = pg_catalog, pg_temp as
$$ refresh materialized view concurrently fature.affiliate_stats $$;
revoke execute on function fature.refresh_affiliate_stats from public;

create view fature.system_performance as
select c.relname::text as table_name,
	coalesce(s.n_live_tup, 0) as live_rows, coalesce(s.n_dead_tup, 0) as dead_rows,
	pg_table_size(c.oid) as table_bytes, pg_indexes_size(c.oid) as index_bytes,
	coalesce(s.seq_scan, 0) as sequential_scans, coalesce(s.idx_scan, 0) as index_scans,
	greatest(s.last_vacuum, s.last_autovacuum) as last_vacuum,
	greatest(s.last_analyze, s.last_autoanalyze) as last_analyze
from pg_class c
join pg_namespace n on n.oid = c.relnamespace and n.nspname = split_part('fature.', '.', 1)
left join pg_stat_all_tables s on s.relid = c.oid
where c.relkind in ('r', 'm');

---- create above / drop below ----

drop view fature.system_performance;
drop function fature.refresh_affiliate_stats;
drop materialized view fature.affiliate_stats;
