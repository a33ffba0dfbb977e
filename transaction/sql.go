package transaction

// The SQL of transactions and transaction_keys, in the order of the methods.
const (
	columns = `id, affiliate_id, coalesce(customer_id, '') as customer_id, type::text, amount, volume, currency,
		status::text, reverses_id, reverses_at, plan_id, coalesce(source_table, '') as source_table,
		coalesce(original_id, '') as original_id, metadata, skipped, created_at, recorded_at, rated_at, rated_seq, seen_seq`

	selectTransaction = `select ` + columns + ` from fature.transactions where id = $1 /*sees affiliate_id*/`

	listTransactions = `
		select ` + columns + ` from fature.transactions
		where ($1::timestamptz is null or (created_at, id) < ($1, $2))
			and ($4::uuid is null or affiliate_id = $4)
			and ($5::text is null or customer_id = $5)
			and ($6::fature.transaction_type is null or type = $6)
			and ($7::fature.transaction_status is null or status = $7)
			and ($8::timestamptz is null or created_at >= $8)
			and ($9::timestamptz is null or created_at < $9)
			/*lists affiliate_id*/
		order by created_at desc, id desc limit $3`
)

// The writes of recording.
const (
	selectKeys = `
		select k.source_table, k.original_id, k.transaction_id, k.created_at, k.digest
		from unnest($1::text[], $2::text[]) as e (source_table, original_id)
		join fature.transaction_keys k using (source_table, original_id)`

	// Waits for a writer of the same key; the keys come sorted, so that two
	// batches never wait for each other.
	insertKeys = `
		insert into fature.transaction_keys (source_table, original_id, transaction_id, created_at, digest)
		select * from unnest($1::text[], $2::text[], $3::uuid[], $4::timestamptz[], $5::bytea[])
		on conflict (source_table, original_id) do nothing`

	// Shared by all who draw, and nobody asks for it alone: it makes them seen.
	shareRating = `select pg_advisory_xact_lock_shared(hashtextextended('fature.rating', 0))`

	drawSeq = `select nextval('fature.rated_seq') from generate_series(1, $1)`

	// A lock of one bigint is shown in two halves. A prepared transaction has no
	// pid. One's own is left out: what it has drawn, it sees.
	selectRaters = `
		select coalesce(l.pid, 0) as pid, l.virtualtransaction as transaction
		from pg_locks l, hashtextextended('fature.rating', 0) n
		where l.locktype = 'advisory' and l.granted and l.pid is distinct from pg_backend_pid()
			and l.database = (select oid from pg_database where datname = current_database())
			and (l.classid, l.objid, l.objsubid) = ((n >> 32 & 4294967295)::oid, (n & 4294967295)::oid, 1)`

	selectStored = `
		select ` + columns + ` from fature.transactions
		where (id, created_at) in (select * from unnest($1::uuid[], $2::timestamptz[]))
			and created_at = any($2)`

	// Months are probed one by one: the id does not tell when the event happened.
	selectPlaces = `select id, created_at from fature.transactions where id = any($1)`

	// What an event takes back stays as it is until that is written.
	lockOriginals = `
		select ` + columns + ` from fature.transactions
		where (id, created_at) in (select * from unnest($1::uuid[], $2::timestamptz[]))
			and created_at = any($2)
		order by id for no key update`

	selectRefunded = `
		select reverses_id as id, sum(amount) as amount from fature.transactions
		where reverses_id = any($1) group by reverses_id`

	updateReversed = `
		update fature.transactions set status = 'reversed'
		where (id, created_at) in (select * from unnest($1::uuid[], $2::timestamptz[]))
			and created_at = any($2)`

	insertTransactions = `
		insert into fature.transactions (id, affiliate_id, customer_id, type, amount, volume, currency, status,
			reverses_id, reverses_at, plan_id, source_table, original_id, metadata, skipped, created_at, recorded_at, rated_at, rated_seq, seen_seq)
		select id, affiliate_id, customer_id, type::fature.transaction_type, amount, volume, currency,
			status::fature.transaction_status, reverses_id, reverses_at, plan_id, source_table, original_id, metadata::jsonb, skipped::jsonb,
			created_at, recorded_at, rated_at, rated_seq, seen_seq
		from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::numeric[], $6::numeric[], $7::text[], $8::text[],
			$9::uuid[], $10::timestamptz[], $11::uuid[],
			$12::text[], $13::text[], $14::text[], $15::text[], $16::timestamptz[], $17::timestamptz[], $18::timestamptz[],
			$19::bigint[], $20::bigint[])
			as t (id, affiliate_id, customer_id, type, amount, volume, currency, status,
			reverses_id, reverses_at, plan_id, source_table, original_id, metadata, skipped, created_at, recorded_at, rated_at, rated_seq, seen_seq)`

	claimPending = `
		select ` + columns + ` from fature.transactions
		where status = 'pending' order by created_at, id limit $1 for no key update skip locked`

	// What Process rates meanwhile is waited for, and then as it left it.
	lockForRating = `
		select ` + columns + ` from fature.transactions where id = any($1) order by id for no key update`

	updateRated = `
		update fature.transactions t
		set status = r.status::fature.transaction_status, plan_id = r.plan_id, skipped = r.skipped::jsonb,
			rated_at = r.rated_at, rated_seq = r.rated_seq, seen_seq = r.seen_seq
		from unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::timestamptz[], $6::bigint[], $7::uuid[], $8::bigint[])
			as r (id, created_at, status, skipped, rated_at, rated_seq, plan_id, seen_seq)
		where (t.id, t.created_at) = (r.id, r.created_at)`

	// No key of a month: failed ones are few, and their ids say little of when.
	updateRequeued = `
		update fature.transactions set status = 'pending',
			skipped = case when skipped @> '[{"reason": "self_referral"}]' then '[{"level": 0, "reason": "self_referral"}]'::jsonb end
		where id = any($1) and status = 'failed'`
)
