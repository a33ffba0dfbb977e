-- Statistics by UTC month, which the fold brings; settings; and what the
-- reports find their ranges by.

-- An affiliate's own transactions and lines of a month. Months add up.
create table fature.affiliate_rollups (
	affiliate_id uuid not null,
	month        date not null,
	transactions bigint not null,
	customers    bigint not null, -- whose first transaction with the affiliate is of this month
	volume       numeric(20,2) not null,
	commissions  numeric(20,2) not null,
	constraint affiliate_rollups_pkey primary key (affiliate_id, month),
	constraint affiliate_rollups_month_check check (extract(day from month) = 1),
	constraint affiliate_rollups_check check ('NaN' not in (volume, commissions))
) with (fillfactor = 85);

-- Who the customers are that the months count, each once for an affiliate.
create table fature.affiliate_customers (
	affiliate_id uuid not null,
	customer_id  text not null,
	month        date not null, -- of the first transaction
	constraint affiliate_customers_pkey primary key (affiliate_id, customer_id)
);

-- The one row that whoever folds holds. What was committed before as_of is
-- folded.
create table fature.fold (
	one   boolean not null default true constraint fold_pkey primary key constraint fold_one_check check (one),
	as_of timestamptz not null
);
insert into fature.fold (as_of) values (now());

create table fature.settings (
	id         uuid not null default gen_random_uuid() constraint settings_pkey primary key,
	name       text not null constraint settings_name_key unique,
	value      jsonb not null,
	updated_at timestamptz not null default now()
);
call fature.audit_table('settings');

-- Reports read ranges of time that may be much shorter than a month. What is
-- recorded as it happens lies in the order of time; an import's month is read
-- whole.
create index idx_transactions_created on fature.transactions using brin (created_at) with (autosummarize = on);
create index idx_commissions_created on fature.commissions using brin (created_at) with (autosummarize = on);
create index idx_customers_attributed on fature.customers using brin (attributed_at) with (autosummarize = on);

---- create above / drop below ----

drop index fature.idx_customers_attributed, fature.idx_commissions_created, fature.idx_transactions_created;
drop table fature.settings, fature.fold, fature.affiliate_customers, fature.affiliate_rollups;
