-- How many each affiliate has below it. Counting them costs by the team, and
-- keeping the count in place would make everybody who joins wait at the root: so
-- what changes the closure appends what that adds, and the fold brings it.

create table fature.team_sizes (
	affiliate_id     uuid not null constraint team_sizes_pkey primary key,
	direct_referrals bigint not null,
	team_size        bigint not null
) with (fillfactor = 85);

create table fature.team_deltas (
	affiliate_id     uuid not null,
	direct_referrals bigint not null,
	team_size        bigint not null
);

create function fature.write_team_deltas() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	one constant integer := case tg_op when 'INSERT' then 1 else -1 end;
begin
	insert into fature.team_deltas (affiliate_id, direct_referrals, team_size)
	select ancestor_id, one * count(*) filter (where level_difference = 1), one * count(*)
	from changed_rows where level_difference > 0 group by ancestor_id;
	return null;
end $$;
revoke execute on function fature.write_team_deltas from public;
create trigger fature_teams_insert after insert on fature.affiliate_hierarchy
	referencing new table as changed_rows for each statement execute function fature.write_team_deltas();
create trigger fature_teams_delete after delete on fature.affiliate_hierarchy
	referencing old table as changed_rows for each statement execute function fature.write_team_deltas();

-- The triggers let nobody change the closure until this is committed.
insert into fature.team_sizes
select ancestor_id, count(*) filter (where level_difference = 1), count(*)
from fature.affiliate_hierarchy where level_difference > 0 group by ancestor_id;

---- create above / drop below ----

drop trigger fature_teams_insert on fature.affiliate_hierarchy;
drop trigger fature_teams_delete on fature.affiliate_hierarchy;
drop function fature.write_team_deltas;
drop table fature.team_deltas, fature.team_sizes;
