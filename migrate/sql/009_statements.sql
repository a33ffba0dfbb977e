-- Periods that are closed, plan by plan, and the accounts in them.

-- A plan's periods of a kind are closed one after the other. Rated before seq
-- is what the close counts, and what had happened before the period and was
-- rated from late_seq on is late for an earlier one: late_seq is the seq of the
-- close before. So each transaction is in one statement of each rule.
create table fature.closings (
	id           uuid not null constraint closings_pkey primary key,
	plan         text not null,
	period       text not null constraint closings_period_check check (period in ('day', 'week', 'month')),
	name         text not null, -- 2025-06
	period_start timestamptz not null,
	period_end   timestamptz not null,
	late_seq     bigint not null,
	seq          bigint not null,
	late         boolean not null, -- whether anything is
	done_to      uuid not null default '00000000-0000-0000-0000-000000000000', -- affiliates up to it are settled
	started_at   timestamptz not null,
	closed_at    timestamptz,
	constraint closings_name_key unique (plan, period, name),
	constraint closings_start_key unique (plan, period, period_start),
	constraint closings_check check (period_start < period_end and late_seq <= seq)
);
call fature.audit_table('closings');
create trigger fature_immutable before update of plan, period, name, period_start, period_end, late_seq, seq, late, started_at on fature.closings
	for each row execute function fature.refuse('a close never changes');
create trigger fature_keep before delete on fature.closings
	for each row execute function fature.refuse('a close is never undone');

create table fature.statements (
	id           uuid not null constraint statements_pkey primary key,
	closing_id   uuid not null constraint statements_closing_id_fkey references fature.closings,
	affiliate_id uuid not null constraint statements_affiliate_id_fkey references fature.affiliates,
	plan         text not null,
	plan_id      uuid not null, -- the version that set the carry
	rule         text not null,
	split        text not null, -- '' where the rule does not split, or the transactions do not say
	period       text not null,
	name         text not null,
	period_start timestamptz not null,
	period_end   timestamptz not null,
	carry        text not null,
	opening      numeric(20,2) not null,
	base         numeric(20,2) not null,
	commission   numeric(20,2) not null,
	payable      numeric(20,2) not null,
	closing      numeric(20,2) not null,
	unrecouped   numeric(20,2) not null,
	currency     varchar(3) not null,
	footing      jsonb not null,
	skipped      jsonb, -- what was not paid and why
	seq          bigint not null, -- its place in the order of rating
	seen_seq     bigint not null, -- the latest change of the tree that it saw
	closed_at    timestamptz not null,
	constraint statements_account_key unique (affiliate_id, plan, rule, split, period, period_start),
	constraint statements_amounts_check check ('NaN' not in (opening, base, commission, payable, closing, unrecouped)
		and opening <= 0 and closing <= 0 and payable >= 0 and unrecouped >= 0)
);
create index idx_statements_closing on fature.statements (closing_id, affiliate_id);
call fature.audit_table('statements');
call fature.append_only('statements');

-- Customers whose losses are carried alone.
create table fature.statement_carries (
	statement_id uuid not null constraint statement_carries_statement_id_fkey references fature.statements,
	customer_id  text not null,
	balance      numeric(20,2) not null constraint statement_carries_balance_check check (balance <= 0 and balance <> 'NaN'),
	constraint statement_carries_pkey primary key (statement_id, customer_id)
);
call fature.append_only('statement_carries');

insert into fature.audit_policy (table_name, mode, ignored) values ('closings', 'full', '{done_to}'), ('statements', 'ids', '{}');

-- The text by which a metadata value is compared: none of null, lists and objects.
create function fature.scalar(value jsonb) returns text
language sql immutable
return case jsonb_typeof(value)
	when 'string' then value #>> '{}'
	when 'boolean' then value #>> '{}'
	when 'number' then case when length(value #>> '{}') <= 40 then trim_scale((value #>> '{}')::numeric)::text end
end;

---- create above / drop below ----

delete from fature.audit_policy where table_name in ('closings', 'statements');
drop function fature.scalar;
drop table fature.statement_carries, fature.statements, fature.closings;
