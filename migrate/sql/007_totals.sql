-- Totals not yet folded into affiliates and their months, and the leader of
-- background work.

-- What a recording adds to an affiliate's UTC month. The transactions of a
-- customer are a row of their own, which names the customer.
create table fature.affiliate_deltas (
	affiliate_id uuid not null,
	month        date not null,
	transactions integer not null,
	volume       numeric(20,2) not null,
	commissions  numeric(20,2) not null,
	customer_id  text,
	constraint affiliate_deltas_check check ('NaN' not in (volume, commissions))
) with (autovacuum_vacuum_scale_factor = 0.05);

create table fature.leases (
	name       text not null constraint leases_pkey primary key,
	holder     text not null,
	term       bigint not null,
	expires_at timestamptz not null
);

---- create above / drop below ----

drop table fature.leases, fature.affiliate_deltas;
