-- The tree: parent_id on affiliates is its truth, the closure its index, and
-- the history what a past rating saw.

-- Ancestors to descendants with their distance, each affiliate to itself at 0.
-- No foreign keys: they would cost two probes a row, and hierarchy.Verify
-- finds a row of nobody.
create table fature.affiliate_hierarchy (
	ancestor_id      uuid not null,
	descendant_id    uuid not null,
	level_difference integer not null,
	constraint affiliate_hierarchy_pkey primary key (ancestor_id, descendant_id),
	constraint affiliate_hierarchy_level_check check ((level_difference = 0) = (ancestor_id = descendant_id) and level_difference >= 0)
);
create index idx_affiliate_hierarchy_levels on fature.affiliate_hierarchy (ancestor_id, level_difference, descendant_id);
create unique index idx_affiliate_hierarchy_upline on fature.affiliate_hierarchy (descendant_id, level_difference) include (ancestor_id);

-- Whom an affiliate sees: itself and its downline. This is the one place that
-- says so; as it is one select, a query that asks it is planned as if this stood
-- in it.
create function fature.seen(viewer uuid) returns setof uuid
language sql stable parallel safe as $$
	select descendant_id from fature.affiliate_hierarchy where ancestor_id = viewer
$$;

-- The users of those whom an affiliate sees.
create function fature.seen_users(viewer uuid) returns setof uuid
language sql stable parallel safe as $$
	select a.user_id from fature.affiliate_hierarchy h join fature.affiliates a on a.id = h.descendant_id
	where h.ancestor_id = viewer
$$;

create sequence fature.history_seq;
create table fature.affiliate_history (
	seq          bigint not null default nextval('fature.history_seq') constraint affiliate_history_pkey primary key,
	affiliate_id uuid not null,
	parent_id    uuid,
	status       fature.user_status not null,
	category     fature.affiliate_category not null,
	at           timestamptz not null default clock_timestamp(),
	"by"         text default fature.context('actor'),
	txid         xid8 not null default pg_current_xact_id()
);
create index idx_affiliate_history_affiliate on fature.affiliate_history (affiliate_id, seq);
call fature.append_only('affiliate_history');

-- The row trigger names its columns, so the fold's updates do not fire it.
create function fature.write_history() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	if tg_op = 'INSERT' then
		insert into fature.affiliate_history (affiliate_id, parent_id, status, category)
		select id, parent_id, status, category from new_rows;
	else
		insert into fature.affiliate_history (affiliate_id, parent_id, status, category)
		values (new.id, new.parent_id, new.status, new.category);
	end if;
	return null;
end $$;
revoke execute on function fature.write_history from public;
create trigger fature_history_insert after insert on fature.affiliates
	referencing new table as new_rows for each statement execute function fature.write_history();
create trigger fature_history_update after update of parent_id, status, category on fature.affiliates
	for each row when ((old.parent_id, old.status, old.category) is distinct from (new.parent_id, new.status, new.category))
	execute function fature.write_history();

---- create above / drop below ----

drop trigger fature_history_insert on fature.affiliates;
drop trigger fature_history_update on fature.affiliates;
drop function fature.write_history, fature.seen, fature.seen_users;
drop table fature.affiliate_history, fature.affiliate_hierarchy;
drop sequence fature.history_seq;
