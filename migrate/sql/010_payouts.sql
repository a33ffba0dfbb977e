-- What is paid to an affiliate at once, and by which of its lines.

create type fature.payout_status as enum ('created', 'approved', 'sent', 'paid', 'failed', 'cancelled');

create table fature.payouts (
	id           uuid not null default gen_random_uuid() constraint payouts_pkey primary key, -- the transfer's reference
	affiliate_id uuid not null constraint payouts_affiliate_id_fkey references fature.affiliates,
	run_id       uuid not null,
	amount       numeric(20,2) not null constraint payouts_amount_check check (amount > 0 and amount <> 'NaN'),
	currency     varchar(3) not null,
	lines        bigint not null constraint payouts_lines_check check (lines > 0),
	status       fature.payout_status not null default 'created',
	external_id  text, -- what the adapter answered
	reason       text, -- why it failed or was cancelled
	created_at   timestamptz not null default clock_timestamp(),
	approved_at  timestamptz,
	sent_at      timestamptz,
	paid_at      timestamptz,
	ended_at     timestamptz,
	constraint payouts_status_check check (case status
		when 'created' then num_nonnulls(approved_at, sent_at, paid_at, ended_at) = 0
		when 'approved' then approved_at is not null and num_nonnulls(sent_at, paid_at, ended_at) = 0
		when 'sent' then num_nulls(approved_at, sent_at) = 0 and num_nonnulls(paid_at, ended_at) = 0
		when 'paid' then num_nulls(approved_at, sent_at, paid_at) = 0 and ended_at is null
		when 'failed' then num_nulls(approved_at, ended_at, reason) = 0 and paid_at is null
		else num_nulls(ended_at, reason) = 0 and num_nonnulls(sent_at, paid_at) = 0 end)
);
create index idx_payouts_affiliate on fature.payouts (affiliate_id, id);
create index idx_payouts_run on fature.payouts (run_id, id);
create index idx_payouts_approved on fature.payouts (id) where status = 'approved';
call fature.audit_table('payouts');
create trigger fature_immutable before update of affiliate_id, run_id, amount, currency, lines, created_at on fature.payouts
	for each row execute function fature.refuse('a payout is what was made: another run makes another');
create trigger fature_ended before update on fature.payouts
	for each row when (old.status in ('paid', 'failed', 'cancelled')) execute function fature.refuse('the payout has ended');
create trigger fature_keep before delete on fature.payouts
	for each row execute function fature.refuse('a payout is cancelled, never deleted');

---- create above / drop below ----

drop table fature.payouts;
drop type fature.payout_status;
