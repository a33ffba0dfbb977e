-- Plans, who has which, and the lines that they pay.

create table fature.commission_plans (
	id           uuid not null default gen_random_uuid() constraint commission_plans_pkey primary key,
	name         text not null,
	version      integer not null,
	currency     varchar(3) not null,
	document     jsonb not null,
	published_at timestamptz not null default clock_timestamp(),
	published_by text default fature.context('actor'),
	constraint commission_plans_name_version_key unique (name, version)
);
call fature.audit_table('commission_plans');
call fature.append_only('commission_plans');

-- The assignment of a scope is the last one whose from_at is not after the
-- event's time. scope_id is '' for the default, a category, or an affiliate.
create table fature.plan_assignments (
	id         uuid not null default gen_random_uuid() constraint plan_assignments_pkey primary key,
	scope      text not null constraint plan_assignments_scope_check check (scope in ('default', 'category', 'affiliate')),
	scope_id   text not null,
	plan_id    uuid not null constraint plan_assignments_plan_id_fkey references fature.commission_plans,
	from_at    timestamptz not null,
	created_at timestamptz not null default clock_timestamp(),
	constraint plan_assignments_scope_key unique (scope, scope_id, from_at),
	constraint plan_assignments_scope_id_check check ((scope = 'default') = (scope_id = ''))
);
call fature.audit_table('plan_assignments');
call fature.append_only('plan_assignments');

create type fature.commission_kind as enum ('earning', 'reversal', 'adjustment');
create type fature.commission_status as enum ('pending', 'approved', 'paid', 'void');

-- No foreign keys to affiliates or transactions: they would halve the speed of
-- recording; affiliates are never deleted, and Verify checks both.
create table fature.commissions (
	id             uuid not null default gen_random_uuid(),
	transaction_id uuid,
	transaction_at timestamptz,
	statement_id   uuid,
	affiliate_id   uuid not null,
	kind           fature.commission_kind not null,
	plan_id        uuid,
	rule           text not null,
	level          integer not null constraint commissions_level_check check (level >= 0),
	base_amount    numeric(15,2) not null,
	rate           numeric(21,6) not null,
	amount         numeric(15,2) not null,
	final_amount   numeric(15,2) not null,
	currency       varchar(3) not null,
	status         fature.commission_status not null,
	available_at   timestamptz not null,
	reverses_id    uuid,
	reverses_at    timestamptz,
	payout_id      uuid,
	note           text, -- why it was adjusted or voided by hand
	calculation    jsonb not null,
	created_at     timestamptz not null,
	recorded_at    timestamptz not null default clock_timestamp(),
	constraint commissions_pkey primary key (id, created_at),
	constraint commissions_line_key unique (transaction_id, created_at, rule, level, kind),
	-- A part of a reversal is rounded for itself: its final_amount may be a cent more.
	constraint commissions_amount_check check ('NaN' not in (base_amount, rate, amount, final_amount)
		and (abs(final_amount) <= abs(amount) or kind = 'reversal') and final_amount * amount >= 0),
	constraint commissions_transaction_check check ((transaction_id is null) = (transaction_at is null)),
	constraint commissions_reverses_check check ((kind = 'reversal') = (reverses_id is not null) and (reverses_id is null) = (reverses_at is null)),
	constraint commissions_source_check check (kind <> 'earning' or (transaction_id is null) <> (statement_id is null)),
	constraint commissions_payout_check check (payout_id is null or status in ('approved', 'paid'))
) partition by range (created_at);
create index idx_commissions_affiliate on fature.commissions (affiliate_id, created_at);
create index idx_commissions_statement on fature.commissions (statement_id) where statement_id is not null;
-- Each line is in one of these at a time, or in none once it is void.
create index idx_commissions_pending on fature.commissions (available_at) where status = 'pending';
create index idx_commissions_unpaid on fature.commissions (affiliate_id) where status = 'approved' and payout_id is null;
create index idx_commissions_payout on fature.commissions (payout_id) where payout_id is not null;
call fature.audit_table('commissions');
create trigger fature_immutable before update of transaction_id, transaction_at, statement_id, affiliate_id, kind,
	plan_id, rule, level, base_amount, rate, amount, final_amount, currency, reverses_id, reverses_at,
	calculation, created_at, recorded_at on fature.commissions
	for each row execute function fature.refuse('a posted line is never rewritten: a correction is a new line');
create trigger fature_keep before delete on fature.commissions
	for each row execute function fature.refuse('a posted line is never deleted');

select fature.ensure_partition('commissions', now());

-- What the rules and caps of plans remember from event to event: limits,
-- baselines, tiers over a period, caps. A counter belongs to a plan's name.
create table fature.rule_counters (
	plan     text not null,
	rule     text not null, -- '' for a cap
	kind     text not null,
	holder   text not null,
	bucket   text not null,
	count    integer not null default 0,
	first_at timestamptz,
	total    numeric(20,2) not null default 0,
	posted   numeric(20,2) not null default 0,
	constraint rule_counters_pkey primary key (plan, rule, kind, holder, bucket),
	constraint rule_counters_check check ('NaN' not in (total, posted))
) with (fillfactor = 80);

---- create above / drop below ----

drop table fature.rule_counters, fature.commissions;
drop type fature.commission_status, fature.commission_kind;
drop table fature.plan_assignments, fature.commission_plans;
