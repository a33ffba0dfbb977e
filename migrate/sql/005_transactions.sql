-- Events of value, by the UTC month in which they happened.

create type fature.transaction_type as enum
	('sale', 'refund', 'deposit', 'withdrawal', 'bet', 'win', 'bonus', 'fee', 'chargeback', 'signup');
create type fature.transaction_status as enum ('pending', 'processed', 'reversed', 'failed');

create table fature.transactions (
	id           uuid not null default gen_random_uuid(),
	affiliate_id uuid not null constraint transactions_affiliate_id_fkey references fature.affiliates,
	customer_id  text,
	type         fature.transaction_type not null,
	amount       numeric(15,2) not null constraint transactions_amount_check check (amount >= 0 and amount <> 'NaN'),
	-- What the event adds to lifetime_volume and total_volume; transaction.Type.Volume says how much.
	volume       numeric(15,2) not null constraint transactions_volume_check check (volume <> 'NaN'),
	currency     varchar(3) not null,
	status       fature.transaction_status not null,
	reverses_id  uuid,
	reverses_at  timestamptz,
	-- In force for the affiliate when it happened, and what it was rated by. A
	-- reversal is rated by that of what it takes back, and has its own here all
	-- the same, for the periods that count it. None where a self-referral was blocked.
	plan_id      uuid,
	source_table text,
	original_id  text,
	metadata     jsonb,
	-- What was not paid and why: [{rule, level, reason, breakage}].
	skipped      jsonb,
	created_at   timestamptz not null,
	recorded_at  timestamptz not null default clock_timestamp(),
	rated_at     timestamptz,
	rated_seq    bigint,
	-- The newest affiliate_history.seq that the rating could see, by the snapshot
	-- in which it read its upline: that upline is what hierarchy.Past gives for it.
	-- Unless two changes of one upline were in flight at once and the one that drew
	-- its seq first committed last: a rating in between did not see that one, and
	-- seen_seq, being that of the other, says that it did.
	seen_seq     bigint,
	constraint transactions_pkey primary key (id, created_at),
	constraint transactions_created_at_check check (isfinite(created_at)),
	constraint transactions_reverses_check check ((reverses_id is null) = (reverses_at is null)),
	constraint transactions_key_check check ((source_table is null) = (original_id is null)),
	constraint transactions_rated_check check ((status in ('processed', 'reversed')) = (rated_seq is not null)
		and (rated_seq is null) = (seen_seq is null))
) partition by range (created_at);
create index idx_transactions_affiliate on fature.transactions (affiliate_id, created_at);
create index idx_transactions_customer on fature.transactions (customer_id, created_at) where customer_id is not null;
create index idx_transactions_reverses on fature.transactions (reverses_id) where reverses_id is not null;
-- Late transactions are found by when they were rated; a month's own are far from theirs.
create index idx_transactions_rated on fature.transactions using brin (rated_seq) with (autosummarize = on);
create index idx_transactions_pending on fature.transactions (created_at) where status = 'pending';
call fature.audit_table('transactions');
create trigger fature_immutable before update of affiliate_id, customer_id, type, amount, volume, currency,
	reverses_id, reverses_at, source_table, original_id, metadata, created_at, recorded_at on fature.transactions
	for each row execute function fature.refuse('a recorded event never changes');
create trigger fature_rated before update of plan_id, skipped, rated_at, rated_seq, seen_seq on fature.transactions
	for each row when (old.rated_seq is not null) execute function fature.refuse('an event is rated once');
create trigger fature_keep before delete on fature.transactions
	for each row execute function fature.refuse('a recorded event is never deleted');

-- The uniqueness that a partitioned table cannot have.
create table fature.transaction_keys (
	source_table   text not null,
	original_id    text not null,
	transaction_id uuid not null,
	created_at     timestamptz not null,
	digest         bytea not null,
	constraint transaction_keys_pkey primary key (source_table, original_id)
);
create trigger fature_immutable before update on fature.transaction_keys
	for each row execute function fature.refuse('a key stands for its event for ever');

select fature.ensure_partition('transactions', now());

---- create above / drop below ----

drop table fature.transaction_keys, fature.transactions;
drop type fature.transaction_status, fature.transaction_type;
