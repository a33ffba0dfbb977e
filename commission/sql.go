package commission

// The SQL of commission_plans, plan_assignments, commissions and payouts, in the
// order of the methods.
const (
	lockPlans = `select pg_advisory_xact_lock(hashtextextended('fature plans ' || $1, 0))`

	selectCurrency = `select currency from fature.commission_plans order by published_at, id limit 1 /*everybody*/`

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

	selectCommission = `select ` + columns + ` from fature.commissions where id = $1 /*sees affiliate_id*/`

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
			/*lists affiliate_id*/
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

	// With their reversals, which are those of the transactions that take their
	// own back.
	lockLines = `
		select ` + columns + ` from fature.commissions
		where id in (
			select unnest($1::uuid[])
			union all
			select c.id from fature.commissions e
			join fature.transactions r on (r.reverses_id, r.reverses_at) = (e.transaction_id, e.transaction_at)
			join fature.commissions c on (c.transaction_id, c.created_at) = (r.id, r.created_at)
				and (c.reverses_id, c.reverses_at) = (e.id, e.created_at)
			where e.id = any($1))
		order by id for no key update`

	voidLines = `
		update fature.commissions set status = 'void', note = $3
		where (id, created_at) in (select * from unnest($1::uuid[], $2::timestamptz[])) and created_at = any($2)`

	lockCorrection = `select pg_advisory_xact_lock(hashtextextended($1 || $2, 0))`

	selectCalculations = `
		select id, amount, final_amount, calculation from fature.commissions where kind <> 'adjustment'`

	insertCommissions = `
		insert into fature.commissions (id, transaction_id, transaction_at, statement_id, affiliate_id, kind, plan_id, rule, level,
			base_amount, rate, amount, final_amount, currency, status, available_at, reverses_id, reverses_at,
			note, calculation, created_at, recorded_at)
		select id, transaction_id, transaction_at, statement_id, affiliate_id, kind::fature.commission_kind, plan_id, rule, level,
			base_amount, rate, amount, final_amount, currency, status::fature.commission_status, available_at,
			reverses_id, reverses_at, note, calculation::jsonb, created_at, recorded_at
		from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::uuid[], $5::uuid[], $6::text[], $7::uuid[], $8::text[], $9::integer[],
			$10::numeric[], $11::numeric[], $12::numeric[], $13::numeric[], $14::text[], $15::text[], $16::timestamptz[],
			$17::uuid[], $18::timestamptz[], $19::text[], $20::text[], $21::timestamptz[], $22::timestamptz[])
			as l (id, transaction_id, transaction_at, statement_id, affiliate_id, kind, plan_id, rule, level,
			base_amount, rate, amount, final_amount, currency, status, available_at, reverses_id, reverses_at,
			note, calculation, created_at, recorded_at)`
)

const (
	// One lot of a month's. Rows that somebody has locked are another's to
	// approve, or about to be void. The locked rows stay where they are.
	// One at a time, and none skipped that another has locked: a run that missed a
	// debt would overpay.
	approveLines = `
		update fature.commissions set status = 'approved'
		where created_at >= $2 and created_at < $3 and ctid = any(array(
			select ctid from fature.commissions
			where created_at >= $2 and created_at < $3 and status = 'pending' and available_at <= $1
			limit $4 for no key update))
		returning affiliate_id`

	// What is in payouts is read there: an affiliate has few of them.
	selectBalances = `
		select a.id as affiliate_id, coalesce(l.pending, 0) as pending, coalesce(u.available, 0) as available,
			coalesce(p.in_payout, 0) as in_payout, coalesce(p.paid, 0) as paid,
			coalesce((select currency from fature.commission_plans order by published_at, id limit 1),
				l.currency, u.currency, '') as currency
		from fature.affiliates a
		left join lateral (
			select sum(c.final_amount) as pending, min(c.currency) as currency
			from fature.commissions c where c.affiliate_id = a.id and c.status = 'pending') l on true
		left join lateral (
			select sum(c.final_amount) as available, min(c.currency) as currency
			from fature.commissions c where c.affiliate_id = a.id and c.status = 'approved' and c.payout_id is null) u on true
		left join lateral (
			select sum(p.amount) filter (where p.status in ('created', 'approved', 'sent')) as in_payout,
				sum(p.amount) filter (where p.status = 'paid') as paid
			from fature.payouts p where p.affiliate_id = a.id) p on true
		where a.id = any($1) /*owns a.id*/`
)

const (
	payoutColumns = `id, affiliate_id, run_id, amount, currency, lines, status::text, coalesce(external_id, '') as external_id,
		coalesce(reason, '') as reason, created_at, approved_at, sent_at, paid_at, ended_at`

	selectPayout = `select ` + payoutColumns + ` from fature.payouts where id = $1 /*owns affiliate_id*/`

	// Zero values are no filter.
	listPayouts = `
		select ` + payoutColumns + ` from fature.payouts
		where ($1 = '00000000-0000-0000-0000-000000000000'::uuid or id < $1)
			and ($3 = '00000000-0000-0000-0000-000000000000'::uuid or affiliate_id = $3)
			and ($4 = '00000000-0000-0000-0000-000000000000'::uuid or run_id = $4)
			and ($5 = '' or status = nullif($5, '')::fature.payout_status)
			/*owns affiliate_id*/
		order by id desc limit $2`

	lockRuns = `select pg_advisory_xact_lock(hashtextextended('fature payouts ' || $1, 0))`

	// The next affiliates in order that have lines to pay. What they come to is
	// asked again when the lines are locked.
	selectPayees = `
		select affiliate_id, count(*) as lines, sum(final_amount) >= $3 and sum(final_amount) > 0 as enough,
			(select a.status = 'active' from fature.affiliates a where a.id = c.affiliate_id) as active
		from fature.commissions c
		where affiliate_id > $1 and status = 'approved' and payout_id is null and available_at <= $2
		group by affiliate_id order by affiliate_id limit $4`

	// Locked lines are not skipped: one that takes away, left out for once, would
	// have its affiliate paid too much. They are locked in the order of their ids,
	// as who voids or frees some does, and only then summed. The condition on the
	// affiliates leads the update to the lines by their index.
	insertPayouts = `
		with locked as materialized (
			select id, created_at, affiliate_id, currency, final_amount from fature.commissions
			where affiliate_id = any($1) and status = 'approved' and payout_id is null and available_at <= $3
			order by id for no key update
		), due as materialized (
			select * from (
				select l.id, l.created_at, l.affiliate_id, l.currency, n.payout_id,
					sum(l.final_amount) over w as amount, count(*) over w as lines
				from locked l join unnest($1::uuid[], $2::uuid[]) n (affiliate_id, payout_id) using (affiliate_id)
				window w as (partition by l.affiliate_id, l.currency)) summed
			where amount >= $4 and amount > 0
		), made as (
			insert into fature.payouts (id, affiliate_id, run_id, amount, currency, lines, created_at)
			select distinct payout_id, affiliate_id, $5::uuid, amount, currency, lines, $6::timestamptz from due
			returning amount
		), taken as (
			update fature.commissions c set payout_id = d.payout_id from due d
			where (c.id, c.created_at) = (d.id, d.created_at)
				and c.affiliate_id = any($1) and c.status = 'approved' and c.payout_id is null
		)
		select count(*), coalesce(sum(amount), 0) from made`

	lockPayouts = `
		select p.id, p.affiliate_id, p.status::text, a.status = 'active' as active
		from fature.payouts p join fature.affiliates a on a.id = p.affiliate_id
		where p.id = any($1) order by p.id for no key update of p`

	updatePayouts = `
		update fature.payouts set status = $2::text::fature.payout_status,
			approved_at = case $2::text when 'approved' then $3 else approved_at end,
			sent_at = case $2::text when 'sent' then $3 else sent_at end,
			paid_at = case $2::text when 'paid' then $3 else paid_at end,
			ended_at = case when $2::text in ('failed', 'cancelled') then $3 else ended_at end,
			external_id = coalesce(nullif($4, ''), external_id), reason = coalesce(nullif($5, ''), reason)
		where id = any($1)`

	// A payout's lines, which are its own while it is locked itself.
	lockPayoutLines = `select from fature.commissions where payout_id = any($1) order by id for no key update`

	freeLines = `update fature.commissions set payout_id = null where payout_id = any($1)`

	payLines = `update fature.commissions set status = 'paid' where payout_id = any($1)`

	// One that another process is sending is passed over.
	claimApproved = `
		select p.id, p.affiliate_id, p.amount, p.currency, a.status = 'active' as active
		from fature.payouts p join fature.affiliates a on a.id = p.affiliate_id
		where p.status = 'approved' and p.id > $1
		order by p.id limit 1 for no key update of p skip locked`

	selectPayoutLines = `
		select ` + columns + ` from fature.commissions where payout_id = $1 /*owns affiliate_id*/ order by created_at, id`
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

	selectCounters = `
		select n.i - 1, c.count, c.first_at, c.total, c.posted
		from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
			with ordinality as n (plan, rule, kind, holder, bucket, i)
		join fature.rule_counters c using (plan, rule, kind, holder, bucket)`

	// Locked rows stay where they are, and are found again there in half the
	// time that their keys take.
	updateCounters = `
		update fature.rule_counters c
		set count = n.count, first_at = n.first_at, total = n.total, posted = n.posted
		from unnest($1::text[], $2::integer[], $3::timestamptz[], $4::numeric[], $5::numeric[])
			as n (place, count, first_at, total, posted)
		where c.ctid = n.place::tid`
)

const (
	statementFields = `id, closing_id, affiliate_id, plan, plan_id, rule, split, period, name, period_start, period_end, carry,
		opening, base, commission, payable, closing, unrecouped, currency, footing, skipped, seq, seen_seq, closed_at`

	selectStatement = `select ` + statementFields + ` from fature.statements where id = $1 /*sees affiliate_id*/`

	selectStatementCarries = `
		select statement_id, customer_id, balance from fature.statement_carries where statement_id = $1`

	// Zero values are no filter.
	listStatements = `
		select ` + statementFields + ` from fature.statements
		where ($1 = '00000000-0000-0000-0000-000000000000'::uuid or id < $1)
			and ($3 = '00000000-0000-0000-0000-000000000000'::uuid or affiliate_id = $3)
			and ($4 = '' or rule = $4) and ($5 = '' or name = $5)
			/*lists affiliate_id*/
		order by id desc limit $2`

	selectStatementLines = `
		select ` + columns + ` from fature.commissions
		where statement_id = $1 and created_at = (select period_end from fature.statements where id = $1)
			/*sees affiliate_id*/
		order by level, id`
)

const (
	closingFields = `id, plan, period, name, period_start, period_end, late_seq, seq, late, done_to, started_at, closed_at`

	// When a version was first assigned to anybody.
	selectInForce = `
		select plan_id, min(from_at) as from_at from fature.plan_assignments group by plan_id order by min(from_at), plan_id`

	selectClosing = `select ` + closingFields + ` from fature.closings where plan = $1 and period = $2 and name = $3`

	selectLastClosing = `
		select ` + closingFields + ` from fature.closings where plan = $1 and period = $2 order by period_start desc limit 1`

	lockClosing = `select ` + closingFields + ` from fature.closings where id = $1 for no key update`

	// The first of what a close would count although it happened before the
	// period.
	selectEarliest = `
		select min(created_at) from fature.transactions
		where plan_id = any($1) and created_at < $2 and rated_seq >= $3 and rated_seq < $4 and status in ('processed', 'reversed')
		having count(*) > 0`

	// Finds the close of another process where that was first.
	insertClosing = `
		insert into fature.closings (id, plan, period, name, period_start, period_end, late_seq, seq, late, started_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		on conflict do nothing
		returning ` + closingFields

	updateClosing = `update fature.closings set done_to = $2 where id = $1`

	finishClosing = `update fature.closings set closed_at = $2 where id = $1 and closed_at is null`

	sumClosing = `
		select count(*) as statements, coalesce(sum(payable), 0) as payable, coalesce(sum(l.n), 0)::bigint as lines, coalesce(sum(l.sum), 0) as final
		from fature.statements s
		left join (
			select statement_id, count(*) as n, sum(final_amount) as sum from fature.commissions
			where statement_id is not null and created_at = $2 and kind = 'earning' group by statement_id
		) l on l.statement_id = s.id
		where s.closing_id = $1`

	selectLot = `select id from fature.affiliates where id > $1 order by id limit $2`

	// The sums of a rule: of the period, and of what is late for an earlier
	// one. What takes another back has the type of that beside its own, and
	// where it does not say by itself, its split. A simulation gives $14, the
	// plan that all that is not blocked counts under.
	selectActivity = `
		with counted as (
			select t.* from fature.transactions t
			where t.affiliate_id > $5 and t.affiliate_id <= $6 and t.rated_seq < $10
				and t.status in ('processed', 'reversed') and t.created_at >= $7 and t.created_at < $8
			union all
			select t.* from fature.transactions t
			where $11 and t.affiliate_id > $5 and t.affiliate_id <= $6 and t.rated_seq >= $9 and t.rated_seq < $10
				and t.status in ('processed', 'reversed') and t.created_at < $7
		)
		select $1 as rule, t.affiliate_id, v.plan_id,
			coalesce(fature.scalar(t.metadata -> nullif(v.split, '')), fature.scalar(o.metadata -> nullif(v.split, '')), '') as split,
			case when $4 then coalesce(t.customer_id, '') else '' end as customer,
			t.type::text as type, coalesce(o.type::text, '') as reverses,
			case when t.created_at < $7 then to_char(t.created_at at time zone $12, $13) else '' end as late,
			sum(t.amount) as amount
		from counted t
		join unnest($2::uuid[], $3::text[]) as v (plan_id, split) on v.plan_id = coalesce($14, t.plan_id)
		left join fature.transactions o on (o.id, o.created_at) = (t.reverses_id, t.reverses_at)
		where $14 is null or not (coalesce(t.skipped, '[]') || coalesce(o.skipped, '[]')) @> '[{"reason": "self_referral"}]'
		group by 2, 3, 4, 5, 6, 7, 8`

	// What event rules have paid at level 0, which a period rule recoups.
	selectAdvances = `
		with counted as (
			select c.*, t.metadata, t.reverses_id as taken_id, t.reverses_at as taken_at from fature.commissions c
			join fature.transactions t on (t.id, t.created_at) = (c.transaction_id, c.transaction_at)
			where c.affiliate_id > $4 and c.affiliate_id <= $5 and c.created_at >= $6 and c.created_at < $7
				and t.rated_seq < $9 and c.level = 0 and c.rule = any($1)
			union all
			select c.*, t.metadata, t.reverses_id, t.reverses_at from fature.commissions c
			join fature.transactions t on (t.id, t.created_at) = (c.transaction_id, c.transaction_at)
			where $10 and t.affiliate_id > $4 and t.affiliate_id <= $5 and t.created_at < $6
				and t.rated_seq >= $8 and t.rated_seq < $9 and c.level = 0 and c.rule = any($1)
		)
		select c.affiliate_id, c.plan_id, c.rule,
			coalesce(fature.scalar(c.metadata -> nullif($3, '')), fature.scalar(o.metadata -> nullif($3, '')), '') as split,
			coalesce(sum(c.final_amount) filter (where c.status <> 'void'), 0) as amount,
			count(*) filter (where c.status = 'void') as voided
		from counted c
		join fature.commission_plans p on p.id = c.plan_id and p.name = $2
		left join fature.transactions o on (o.id, o.created_at) = (c.taken_id, c.taken_at)
		group by 1, 2, 3, 4`

	selectClosings = `select ` + closingFields + ` from fature.closings order by seq`

	selectClosedStatements = `
		select ` + statementFields + ` from fature.statements
		where closing_id = $1 and affiliate_id > $2 and affiliate_id <= $3 order by affiliate_id, seq`

	selectClosedCarries = `
		select c.statement_id, c.customer_id, c.balance
		from fature.statements s join fature.statement_carries c on c.statement_id = s.id
		where s.closing_id = $1 and s.affiliate_id > $2 and s.affiliate_id <= $3`

	// What accounts carry: the last statement of each.
	selectOpenings = `
		select distinct on (affiliate_id, rule, split) id, affiliate_id, rule, split, carry, closing, unrecouped
		from fature.statements
		where plan = $1 and affiliate_id > $2 and affiliate_id <= $3 and seq < $4
		order by affiliate_id, rule, split, seq desc`

	selectOpeningCarries = `
		select c.statement_id, c.customer_id, c.balance
		from (` + selectOpenings + `) o join fature.statement_carries c on c.statement_id = o.id`
)

// The reads of a simulation.
const (
	// A month of which keys are left and no transactions.
	selectDropped = `
		select month from (
			select distinct date_trunc('month', created_at, 'UTC') as month from fature.transaction_keys
			where created_at >= $1 and created_at < $2) k
		where not exists (
			select from fature.transactions t where t.created_at >= month and t.created_at < date_trunc('month', month + interval '45 days', 'UTC'))
		order by month`

	// What plans have posted: of the transactions and of the whole periods.
	selectPosted = `
		select affiliate_id, sum(final_amount) from (
			select affiliate_id, final_amount from fature.commissions
			where transaction_id is not null and created_at >= $1 and created_at < $2
			union all
			select c.affiliate_id, c.final_amount from fature.statements s
			join fature.commissions c on c.statement_id = s.id and c.created_at = s.period_end
			where s.period_start >= $1 and s.period_end <= $2) c
		group by affiliate_id`

	countSimulated = `
		select count(*) from fature.transactions
		where status in ('processed', 'reversed')
			and rated_seq <= (select max(rated_seq) from fature.transactions where created_at < $1)`

	declareSimulated = `
		declare fature_simulation no scroll cursor for
		select t.id, t.affiliate_id, coalesce(t.customer_id, ''), t.type::text, t.amount, t.currency, t.metadata, t.reverses_id, t.plan_id,
			t.created_at, t.rated_seq, t.seen_seq, coalesce(t.skipped @> '[{"reason": "self_referral"}]', false), coalesce(r.n, 0)
		from fature.transactions t
		left join (
			select reverses_id, count(*) as n from fature.transactions where reverses_id is not null group by 1
		) r on r.reverses_id = t.id
		where t.status in ('processed', 'reversed')
			and t.rated_seq <= (select max(rated_seq) from fature.transactions where created_at < $1)
		order by t.rated_seq`

	fetchSimulated = `fetch 5000 from fature_simulation`

	selectFirstTransaction = `
		select min(created_at) from fature.transactions where rated_seq is not null having count(*) > 0`

	selectFirstSeqs = `select closing_id, min(seq) from fature.statements group by closing_id`

	selectSeen = `
		select affiliate_id, max(seen_seq) from fature.statements
		where closing_id = $1 and affiliate_id > $2 and affiliate_id <= $3 group by affiliate_id`
)
