-- The record of every change: written by triggers only, append-only, by month.

create sequence fature.audit_seq;

-- Raises: puts the reason into what a guarded row or table refuses.
create function fature.refuse() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	raise exception '%: % is refused: %', tg_table_name, lower(tg_op), tg_argv[0]
		using errcode = 'integrity_constraint_violation', constraint = 'fature_guard', table = tg_table_name;
end $$;

-- The actor, request and the like that the application set for its
-- transaction; after the first use on a connection an absent one reads ''.
create function fature.context(name text) returns text
language sql stable
return nullif(current_setting('fature.' || name, true), '');

create table fature.data_audit (
	seq              bigint not null default nextval('fature.audit_seq'),
	table_name       text not null,
	record_id        text,
	record_ids       uuid[], -- of one statement's rows that are audited by their ids
	operation        text not null constraint data_audit_operation_check check (operation in ('INSERT', 'UPDATE', 'DELETE')),
	old_values       jsonb,
	new_values       jsonb,
	changed_by       text default fature.context('actor'),
	changed_at       timestamptz not null default clock_timestamp(),
	session_user_name text not null default session_user,
	application_name text not null default current_setting('application_name'),
	request_id       text default fature.context('request'),
	txid             xid8 not null default pg_current_xact_id(),
	constraint data_audit_record_check check ((record_id is null) <> (record_ids is null)),
	constraint data_audit_pkey primary key (seq, changed_at)
) partition by range (changed_at);
-- Lists of ids are not in it: they say no more than the rows they name, which
-- are ten for every event.
create index idx_data_audit_record on fature.data_audit (table_name, record_id, seq)
	where record_id is not null;

-- Personal values stand here, and only their salted hash in data_audit:
-- deleting a person's rows here erases them and leaves the chain whole.
create table fature.audit_personal (
	table_name text not null,
	record_id  text not null,
	hash       bytea not null,
	salt       bytea not null,
	"values"   jsonb not null,
	recorded_at timestamptz not null default clock_timestamp(),
	constraint audit_personal_pkey primary key (table_name, record_id, hash)
);

-- What is audited how: full images, or of inserted rows the ids only and of
-- changed ones what changed, in one entry a statement for all that changed alike
-- (what never changes of a row is its own record). A table that is not named is
-- audited in full. Ignored columns make no audit row; masked ones show that
-- they are set, not their value.
create table fature.audit_policy (
	table_name text not null constraint audit_policy_pkey primary key,
	mode       text not null default 'full' constraint audit_policy_mode_check check (mode in ('full', 'ids', 'off')),
	ignored    text[] not null default '{}',
	personal   text[] not null default '{}',
	masked     text[] not null default '{}',
	constraint audit_policy_ids_check check (mode <> 'ids' or table_name <> 'customers') -- whose ids are text
);
insert into fature.audit_policy (table_name, mode, ignored, personal, masked) values
	('users', 'full', '{updated_at}', '{email,email_canon,name}', '{password_hash}'),
	('affiliates', 'full', '{lifetime_volume,lifetime_commissions,updated_at}', '{}', '{}'),
	('transactions', 'ids', '{}', '{}', '{}'),
	('commissions', 'ids', '{}', '{}', '{}');

-- The image of a row as the policy wants it; keeps its personal values aside.
create function fature.audit_image(policy fature.audit_policy, record text, image jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	person jsonb;
	pepper bytea;
	digest bytea;
begin
	image := image - policy.ignored;
	select image || coalesce(jsonb_object_agg(k, '***'), '{}') into image
	from unnest(policy.masked) k where image -> k <> 'null';
	if policy.personal = '{}' then
		return image;
	end if;
	select jsonb_object_agg(k, image -> k) into person from unnest(policy.personal) k;
	-- One salt a record: the same values give the same hash, so images chain.
	select salt into pepper from fature.audit_personal p
	where p.table_name = policy.table_name and p.record_id = record limit 1;
	pepper := coalesce(pepper, uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
	digest := sha256(pepper || convert_to(person::text, 'UTF8'));
	insert into fature.audit_personal (table_name, record_id, hash, salt, "values")
	values (policy.table_name, record, digest, pepper, person) on conflict do nothing;
	return image - policy.personal || jsonb_build_object('personal', encode(digest, 'hex'));
end $$;

-- The statement trigger of every business table and partition. Its argument
-- names the table, since a partition has a name of its own.
create function fature.audit() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
set jit = off as $$ -- compiling for one statement takes longer than comparing 20,000 rows
declare
	policy fature.audit_policy;
begin
	select * into policy from fature.audit_policy p where p.table_name = tg_argv[0];
	if not found then
		policy := (tg_argv[0], 'full', '{}', '{}', '{}');
	end if;
	if policy.mode = 'off' then
		return null;
	end if;
	if tg_op = 'INSERT' and policy.mode = 'ids' then
		insert into fature.data_audit (table_name, record_ids, operation)
		select tg_argv[0], array_agg(n.id), 'INSERT' from new_rows n having count(*) > 0;
	elsif tg_op = 'INSERT' then
		insert into fature.data_audit (table_name, record_id, operation, new_values)
		select tg_argv[0], n.id::text, 'INSERT', fature.audit_image(policy, n.id::text, to_jsonb(n)) from new_rows n;
	elsif tg_op = 'DELETE' then
		insert into fature.data_audit (table_name, record_id, operation, old_values)
		select tg_argv[0], o.id::text, 'DELETE', fature.audit_image(policy, o.id::text, to_jsonb(o)) from old_rows o;
	elsif policy.mode = 'ids' then
		-- What changed, in one entry for all rows that changed alike.
		execute (
			select format('insert into fature.data_audit (table_name, record_id, record_ids, operation, old_values, new_values)
				select $1, case when count(*) = 1 then min(id::text) end, case when count(*) > 1 then array_agg(id) end, ''UPDATE'', old, new
				from (
					select n.id, %s as old, %s as new
					from old_rows o join new_rows n on n.id = o.id where (%s) is distinct from (%s)) c
				group by old, new',
				string_agg(format('case when o.%1$I is distinct from n.%1$I then jsonb_build_object(%1$L, o.%1$I) else ''{}'' end', attname), ' || '),
				string_agg(format('case when o.%1$I is distinct from n.%1$I then jsonb_build_object(%1$L, n.%1$I) else ''{}'' end', attname), ' || '),
				string_agg('o.' || quote_ident(attname), ', '), string_agg('n.' || quote_ident(attname), ', '))
			from pg_attribute
			where attrelid = tg_relid and attnum > 0 and not attisdropped and attname <> all (policy.ignored))
		using tg_argv[0];
	else
		-- Rows are compared as rows before an image is made of one: the fold
		-- changes many and none that counts.
		execute (
			select format('insert into fature.data_audit (table_name, record_id, operation, old_values, new_values)
				select $1, n.id::text, ''UPDATE'', fature.audit_image($2, o.id::text, to_jsonb(o)), fature.audit_image($2, n.id::text, to_jsonb(n))
				from old_rows o join new_rows n on n.id = o.id where (%s) is distinct from (%s)',
				string_agg('o.' || quote_ident(attname), ', '), string_agg('n.' || quote_ident(attname), ', '))
			from pg_attribute
			where attrelid = tg_relid and attnum > 0 and not attisdropped and attname <> all (policy.ignored))
		using tg_argv[0], policy;
	end if;
	return null;
end $$;

-- Puts the audit on a table: three statement triggers, for the transition
-- tables allow no fewer, and TRUNCATE refused, for it has none. A change of id
-- would tear old and new apart.
create procedure fature.audit_table(tab text)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	execute format('create trigger fature_audit_insert after insert on fature.%I referencing new table as new_rows
		for each statement execute function fature.audit(%L)', tab, tab);
	execute format('create trigger fature_audit_update after update on fature.%I referencing old table as old_rows new table as new_rows
		for each statement execute function fature.audit(%L)', tab, tab);
	execute format('create trigger fature_audit_delete after delete on fature.%I referencing old table as old_rows
		for each statement execute function fature.audit(%L)', tab, tab);
	execute format('create trigger fature_audit_truncate before truncate on fature.%I
		for each statement execute function fature.refuse(''rows leave one by one, so that the audit sees them'')', tab);
	execute format('create trigger fature_keep_id before update of id on fature.%I
		for each row execute function fature.refuse(''an id never changes'')', tab);
end $$;

-- Rows of a table are written once.
create procedure fature.append_only(tab text)
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	execute format('create trigger fature_append_only before update or delete on fature.%I
		for each row execute function fature.refuse(''its rows are written once'')', tab);
	execute format('create trigger fature_append_only_truncate before truncate on fature.%I
		for each statement execute function fature.refuse(''its rows are written once'')', tab);
end $$;

-- Who may call these, or put them on a table of its own, could write an audit
-- of what never happened. Triggers that are there ask for no right.
revoke execute on function fature.audit, fature.audit_image from public;

call fature.append_only('data_audit');
select fature.ensure_partition('data_audit', now());

---- create above / drop below ----

drop function fature.audit_image;
drop table fature.audit_policy, fature.audit_personal, fature.data_audit;
drop procedure fature.audit_table, fature.append_only;
drop function fature.audit, fature.refuse, fature.context;
drop sequence fature.audit_seq;
