package commission

// The SQL of commission_plans, plan_assignments and commissions, in the order
// of the methods.
const (
	lockPlans = `select pg_advisory_xact_lock(hashtextextended('fature plans ' || $1, 0))`

	selectCurrency = `select currency from fature.commission_plans order by published_at, id limit 1`

	planColumns = `id, name, version, document, published_at`

	// The newest version under a name, if it is the same document.
	selectNewestPlan = `
		select ` + planColumns + ` from (
			select * from fature.commission_plans where name = $1 order by version desc limit 1) newest
		where document = $2::jsonb`

	insertPlan = `
		insert into fature.commission_plans (id, name, version, currency, document)
		values ($1, $2, (select coalesce(max(version), 0) + 1 from fature.commission_plans where name = $2), $3, $4)
		returning ` + planColumns

	selectPlans = `select ` + planColumns + ` from fature.commission_plans where id = any($1)`

	listPlans = `
		select ` + planColumns + ` from fature.commission_plans
		where ($1 = '00000000-0000-0000-0000-000000000000'::uuid or id < $1) and ($3 = '' or name = $3)
		order by id desc limit $2`

	// No row where the affiliate that it is for does not exist.
	insertAssignment = `
		insert into fature.plan_assignments (id, scope, scope_id, plan_id, from_at)
		select $1, $2, $3, $4, $5
		where $6::uuid is null or exists (select from fature.affiliates where id = $6)`

	selectAssignments = `
		select scope, scope_id, plan_id, from_at from fature.plan_assignments
		where scope <> 'affiliate' or scope = 'affiliate' and scope_id = any($1)
		order by scope, scope_id, from_at`

	selectAssignmentsOf = `
		select scope, scope_id, plan_id, from_at from fature.plan_assignments
		where scope <> 'affiliate' or scope = 'affiliate' and scope_id in (
			select affiliate_id::text from fature.transactions
			where (id, created_at) in (select * from unnest($1::uuid[], $2::timestamptz[])) and created_at = any($2))
		order by scope, scope_id, from_at`

	selectEarners = `
		select a.id, a.status = 'active' as active, a.category::text from fature.affiliates a
		where a.id in (
			select affiliate_id from fature.transactions
			where (id, created_at) in (select * from unnest($1::uuid[], $2::timestamptz[])) and created_at = any($2))`
)

const (
	columns = `id, transaction_id, transaction_at, statement_id, affiliate_id, kind::text, plan_id, rule, level,
		base_amount, rate, amount, final_amount, currency, status::text, available_at,
		reverses_id, reverses_at, payout_id, coalesce(note, '') as note, calculation, created_at, recorded_at`

	selectCommission = `select ` + columns + ` from fature.commissions where id = $1`

	// Zero values are no filter.
	listCommissions = `
		select ` + columns + ` from fature.commissions
		where ($2 = '00000000-0000-0000-0000-000000000000'::uuid or (created_at, id) < ($1, $2))
			and ($4 = '00000000-0000-0000-0000-000000000000'::uuid or affiliate_id = $4)
			and ($5 = '00000000-0000-0000-0000-000000000000'::uuid or transaction_id = $5)
			and ($6 = '' or status = nullif($6, '')::fature.commission_status)
			and ($7 = '' or rule = $7)
			and ($8 = '0001-01-01+00'::timestamptz or created_at >= $8)
			and ($9 = '0001-01-01+00'::timestamptz or created_at < $9)
		order by created_at desc, id desc limit $3`

	selectLines = `
		select ` + columns + ` from fature.commissions
		where (transaction_id, created_at) in (select * from unnest($1::uuid[], $2::timestamptz[]))
			and created_at = any($2)
		order by transaction_id, id`

	selectCategory = `select category::text from fature.affiliates where id = $1`

	// Before the lines, as a reversal does.
	lockLinesTransactions = `
		select from fature.transactions t
		where (t.id, t.created_at) in (select c.transaction_id, c.transaction_at from fature.commissions c where c.id = any($1))
		order by t.id for no key update`

	lockLines = `select ` + columns + ` from fature.commissions where id = any($1) order by id for no key update`

	voidLines = `
		update fature.commissions set status = 'void', note = $3
		where (id, created_at) in (select * from unnest($1::uuid[], $2::timestamptz[])) and created_at = any($2)
		returning ` + columns

	// A line's reversals are those of the transactions that take its own back.
	voidReversals = `
		with reversals as (
			select c.id, c.created_at from fature.commissions e
			join fature.transactions r on (r.reverses_id, r.reverses_at) = (e.transaction_id, e.transaction_at)
			join fature.commissions c on (c.transaction_id, c.created_at) = (r.id, r.created_at)
				and (c.reverses_id, c.reverses_at) = (e.id, e.created_at)
			where (e.id, e.created_at) in (select * from unnest($1::uuid[], $2::timestamptz[])) and e.created_at = any($2)
		)
		update fature.commissions set status = 'void', note = $3
		where (id, created_at) in (select * from reversals) and status in ('pending', 'approved')
		returning ` + columns

	lockCorrection = `select pg_advisory_xact_lock(hashtextextended($1 || $2, 0))`

	selectCalculations = `
		select id, amount, final_amount, calculation from fature.commissions where kind <> 'adjustment'`

	insertCommissions = `
		insert into fature.commissions (id, transaction_id, transaction_at, affiliate_id, kind, plan_id, rule, level,
			base_amount, rate, amount, final_amount, currency, status, available_at, reverses_id, reverses_at,
			note, calculation, created_at, recorded_at)
		select id, transaction_id, transaction_at, affiliate_id, kind::fature.commission_kind, plan_id, rule, level,
			base_amount, rate, amount, final_amount, currency, status::fature.commission_status, available_at,
			reverses_id, reverses_at, note, calculation::jsonb, created_at, recorded_at
		from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::uuid[], $5::text[], $6::uuid[], $7::text[], $8::integer[],
			$9::numeric[], $10::numeric[], $11::numeric[], $12::numeric[], $13::text[], $14::text[], $15::timestamptz[],
			$16::uuid[], $17::timestamptz[], $18::text[], $19::text[], $20::timestamptz[], $21::timestamptz[])
			as l (id, transaction_id, transaction_at, affiliate_id, kind, plan_id, rule, level,
			base_amount, rate, amount, final_amount, currency, status, available_at, reverses_id, reverses_at,
			note, calculation, created_at, recorded_at)`
)

const (
	// The counters come sorted: two batches never wait for each other.
	insertCounters = `
		insert into fature.rule_counters (plan, rule, kind, holder, bucket)
		select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
		on conflict do nothing`

	lockCounters = `
		select n.i - 1, c.ctid::text, c.count, c.first_at, c.total, c.posted
		from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
			with ordinality as n (plan, rule, kind, holder, bucket, i)
		join fature.rule_counters c using (plan, rule, kind, holder, bucket)
		order by n.i for no key update of c`

	// Locked rows stay where they are, and are found again there in half the
	// time that their keys take.
	updateCounters = `
		update fature.rule_counters c
		set count = n.count, first_at = n.first_at, total = n.total, posted = n.posted
		from unnest($1::text[], $2::integer[], $3::timestamptz[], $4::numeric[], $5::numeric[])
			as n (place, count, first_at, total, posted)
		where c.ctid = n.place::tid`
)
