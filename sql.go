package fature

// The SQL of affiliate_deltas, leases and settings, and of what spans packages.
const (
	insertDeltas = `
		insert into fature.affiliate_deltas (affiliate_id, month, transactions, volume, commissions, customer_id)
		select * from unnest($1::uuid[], $2::date[], $3::integer[], $4::numeric[], $5::numeric[], $6::text[])`

	// Held by whoever folds or repairs until its transaction ends: one at a
	// time, and what comes after it in the transaction sees what went before.
	lockFold = `select from fature.fold for no key update`

	// Takes a lot of deltas. The affiliates are locked in the order of their ids
	// before they are changed: UPDATE … FROM promises no order. A customer counts
	// in the month of its first transaction with the affiliate; where an earlier
	// one comes later, it moves. A lot that is not full was all that there is:
	// what was committed before this statement began is folded.
	foldDeltas = `
		with gone as materialized (
			delete from fature.affiliate_deltas
			where ctid = any(array(select ctid from fature.affiliate_deltas limit $1))
			returning affiliate_id, month, transactions, volume, commissions, customer_id
		), sums as materialized (
			select affiliate_id, month, sum(transactions) as transactions, sum(volume) as volume, sum(commissions) as commissions, count(*) as n
			from gone group by affiliate_id, month
		), locked as materialized (
			select a.id, s.volume, s.commissions
			from fature.affiliates a
			join (select affiliate_id, sum(volume) as volume, sum(commissions) as commissions from sums group by affiliate_id) s
				on s.affiliate_id = a.id
			order by a.id for no key update of a
		), changed as (
			update fature.affiliates a
			set lifetime_volume = a.lifetime_volume + l.volume,
				lifetime_commissions = a.lifetime_commissions + l.commissions, updated_at = now()
			from locked l where a.id = l.id
		), seen as materialized (
			select g.affiliate_id, g.customer_id, g.month, c.month as was
			from (select affiliate_id, customer_id, min(month) as month from gone where customer_id is not null group by 1, 2) g
			left join fature.affiliate_customers c on (c.affiliate_id, c.customer_id) = (g.affiliate_id, g.customer_id)
		), met as (
			insert into fature.affiliate_customers (affiliate_id, customer_id, month)
			select affiliate_id, customer_id, month from seen where was is null order by affiliate_id, customer_id
		), moved as (
			update fature.affiliate_customers c set month = s.month
			from seen s where (c.affiliate_id, c.customer_id) = (s.affiliate_id, s.customer_id) and s.month < s.was
		), counts as (
			select affiliate_id, month, 1 as n from seen where was is null or month < was
			union all
			select affiliate_id, was, -1 from seen where month < was
		), rolled as (
			insert into fature.affiliate_rollups as r (affiliate_id, month, transactions, customers, volume, commissions)
			select affiliate_id, month, sum(transactions), sum(customers), sum(volume), sum(commissions)
			from (
				select affiliate_id, month, transactions, 0 as customers, volume, commissions from sums
				union all
				select affiliate_id, month, 0, n, 0, 0 from counts) s
			group by affiliate_id, month order by affiliate_id, month
			on conflict (affiliate_id, month) do update set
				transactions = r.transactions + excluded.transactions, customers = r.customers + excluded.customers,
				volume = r.volume + excluded.volume, commissions = r.commissions + excluded.commissions
		), joined as materialized (
			delete from fature.team_deltas
			where ctid = any(array(select ctid from fature.team_deltas limit $1))
			returning affiliate_id, direct_referrals, team_size
		), teams as (
			insert into fature.team_sizes as t (affiliate_id, direct_referrals, team_size)
			select affiliate_id, sum(direct_referrals), sum(team_size) from joined group by affiliate_id order by affiliate_id
			on conflict (affiliate_id) do update set
				direct_referrals = t.direct_referrals + excluded.direct_referrals, team_size = t.team_size + excluded.team_size
			returning affiliate_id
		), taken as materialized (
			select (select coalesce(sum(n), 0)::bigint from sums) as entries, (select count(*) from joined) as teams
		), whole as (
			update fature.fold set as_of = statement_timestamp() from taken where entries < $1 and teams < $1
		)
		select entries + teams, array(select id from locked union select affiliate_id from teams) from taken`

	// Takes a lease that is free, over, or one's own already.
	takeLease = `
		insert into fature.leases as l (name, holder, term, expires_at)
		values ($1, $2, 1, clock_timestamp() + $3)
		on conflict (name) do update set
			holder = excluded.holder, term = l.term + (l.holder <> excluded.holder)::int,
			expires_at = clock_timestamp() + $3
		where l.holder = excluded.holder or l.expires_at < clock_timestamp()
		returning term`

	// Lets another process take over at once.
	dropLease = `
		update fature.leases set expires_at = clock_timestamp() where name = $1 and holder = $2`

	countAffiliates = `select count(*) from fature.affiliates where id > $1 and id <= $2`

	refreshStats = `select fature.refresh_affiliate_stats()`
)

// How the programme is.
const (
	// A session whose kind is hidden from the role is taken for a client's where it
	// is some user's.
	selectVitals = `
		select split_part(current_setting('server_version'), ' ', 1), current_setting('max_connections')::integer,
			count(*) filter (where datname = current_database()), count(*), (select version from fature.schema_version)
		from pg_stat_activity
		where datname is not null and usename is not null and coalesce(backend_type, 'client backend') = 'client backend'`

	countPending = `select count(*) from (select from fature.transactions where status = 'pending' limit $1) t`

	selectFoldState = `
		select (select count(*) from (
				select from ((select from fature.affiliate_deltas limit $1) union all (select from fature.team_deltas limit $1)) d limit $1) d),
			clock_timestamp() - f.as_of,
			(select clock_timestamp() - s.as_of from fature.affiliate_stats s limit 1)
		from fature.fold f`

	selectWorking = `select exists (select from fature.leases where name = $1 and expires_at > clock_timestamp())`
)

// The audit. An entry of many rows names the first hundred.
const (
	auditColumns = `seq, table_name, coalesce(record_id, '') as record_id, coalesce(record_ids[1:100], '{}') as record_ids,
		coalesce(cardinality(record_ids), 1) as records, operation, old_values, new_values, coalesce(changed_by, '') as actor,
		coalesce(request_id, '') as request, changed_at, session_user_name, application_name, txid::text as txid`

	// The range is written so that months outside it are not looked at.
	auditWhere = `seq < $1 and changed_at >= coalesce($3::timestamptz, '-infinity') and changed_at < coalesce($4::timestamptz, 'infinity')
		and ($5::text is null or changed_by = $5)`

	listAudit = `
		select ` + auditColumns + ` from fature.data_audit
		where ` + auditWhere + ` and ($6::text is null or table_name = $6)
		order by seq desc limit $2`

	// A record by itself, which the index finds, and in the lists of statements,
	// which are read where the table has any.
	listAuditOf = `
		select * from (
			(select ` + auditColumns + ` from fature.data_audit
			where ` + auditWhere + ` and table_name = $6 and record_id = $7
			order by seq desc limit $2)
			union all
			(select ` + auditColumns + ` from fature.data_audit
			where ` + auditWhere + ` and table_name = $6 and record_id is null and record_ids @> array[$8::uuid] and $8 is not null
				and exists (select from fature.audit_policy p where p.table_name = $6 and p.mode = 'ids')
			order by seq desc limit $2)) d
		order by seq desc limit $2`
)

// Where the totals and months differ from what they are to be: from the sums of
// transactions and lines, less what is still to be folded. Recording changes
// neither side, for it writes both at once. Each is asked of all affiliates, or
// of some, for whom the condition reaches the indexes.
const (
	// What an affiliate's months should hold, customer by customer.
	foldedFacts = `
		select affiliate_id, date_trunc('month', created_at at time zone 'UTC')::date as month, customer_id,
			count(*) as transactions, sum(volume) as volume, 0 as commissions
		from fature.transactions where status in ('processed', 'reversed') group by 1, 2, 3
		union all
		select affiliate_id, date_trunc('month', created_at at time zone 'UTC')::date, null, 0, 0, sum(final_amount)
		from fature.commissions where status <> 'void' group by 1, 2
		union all
		select affiliate_id, month, customer_id, -transactions, -volume, -commissions from fature.affiliate_deltas`

	// Its customers, with the month in which each counts.
	foldedCustomers = `
		select affiliate_id, customer_id, min(month) as month
		from (
			select affiliate_id, customer_id, month from (` + foldedFacts + `) f
			where customer_id is not null group by 1, 2, 3 having sum(transactions) > 0) f
		group by affiliate_id, customer_id`

	lifetimeDifferences = `
		select affiliate_id, null::date as month, null as customer_id, field, was, "is"
		from (
			select affiliate_id, sum(volume_was) as volume_was, sum(volume_is) as volume_is,
				sum(commissions_was) as commissions_was, sum(commissions_is) as commissions_is
			from (
				select affiliate_id, 0 as volume_was, volume as volume_is, 0 as commissions_was, commissions as commissions_is
				from (` + foldedFacts + `) f
				union all
				select id, lifetime_volume, 0, lifetime_commissions, 0 from fature.affiliates) s
			group by affiliate_id) s
		cross join lateral (values
			('lifetime_volume', volume_was, volume_is), ('lifetime_commissions', commissions_was, commissions_is)) v (field, was, "is")
		where was <> "is"`

	monthDifferences = `
		select affiliate_id, month, null as customer_id, field, was, "is"
		from (
			select affiliate_id, month, sum(t0) as t0, sum(t1) as t1, sum(n0) as n0, sum(n1) as n1,
				sum(v0) as v0, sum(v1) as v1, sum(c0) as c0, sum(c1) as c1
			from (
				select affiliate_id, month, 0 as t0, transactions as t1, 0 as n0, 0 as n1, 0 as v0, volume as v1, 0 as c0, commissions as c1
				from (` + foldedFacts + `) f
				union all
				select affiliate_id, month, 0, 0, 0, 1, 0, 0, 0, 0 from (` + foldedCustomers + `) f
				union all
				select affiliate_id, month, transactions, 0, customers, 0, volume, 0, commissions, 0 from fature.affiliate_rollups) s
			group by affiliate_id, month) s
		cross join lateral (values
			('transactions', t0, t1), ('customers', n0, n1), ('volume', v0, v1), ('commissions', c0, c1)) v (field, was, "is")
		where was <> "is"`

	// A customer in the wrong month is one too many there, and missing here.
	customerDifferences = `
		select affiliate_id, v.month, customer_id, 'customer' as field, v.was, v."is"
		from (
			select affiliate_id, customer_id, max(month_was) as month_was, max(month_is) as month_is
			from (
				select affiliate_id, customer_id, null::date as month_was, month as month_is from (` + foldedCustomers + `) f
				union all
				select affiliate_id, customer_id, month, null from fature.affiliate_customers) s
			group by affiliate_id, customer_id) s
		cross join lateral (values (month_was, 1, 0), (month_is, 0, 1)) v (month, was, "is")
		where month_was is distinct from month_is and v.month is not null`

	teamDifferences = `
		select affiliate_id, null::date as month, null as customer_id, field, was, "is"
		from (
			select affiliate_id, sum(d0) as d0, sum(d1) as d1, sum(t0) as t0, sum(t1) as t1
			from (
				select ancestor_id as affiliate_id, 0 as d0, count(*) filter (where level_difference = 1) as d1, 0 as t0, count(*) as t1
				from fature.affiliate_hierarchy where level_difference > 0 group by ancestor_id
				union all
				select affiliate_id, 0, -direct_referrals, 0, -team_size from fature.team_deltas
				union all
				select affiliate_id, direct_referrals, 0, team_size, 0 from fature.team_sizes) s
			group by affiliate_id) s
		cross join lateral (values ('direct_referrals', d0, d1), ('team_size', t0, t1)) v (field, was, "is")
		where was <> "is"`

	allDifferences = lifetimeDifferences + ` union all ` + monthDifferences + ` union all ` + customerDifferences +
		` union all ` + teamDifferences

	selectDiffering = `select distinct affiliate_id from (` + allDifferences + `) d order by 1`

	// Repairs those of some affiliates, while nobody folds, and tells what they
	// were.
	repairDifferences = `
		with d as materialized (
			select affiliate_id, month, customer_id, field, was::numeric, "is"::numeric from (` + allDifferences + `) d where affiliate_id = any($1)
		), locked as materialized (
			select id from fature.affiliates where id in (select affiliate_id from d where field like 'lifetime%') order by id for no key update
		), totals as (
			update fature.affiliates a
			set lifetime_volume = a.lifetime_volume + s.volume,
				lifetime_commissions = a.lifetime_commissions + s.commissions, updated_at = now()
			from (
				select affiliate_id, coalesce(sum("is" - was) filter (where field = 'lifetime_volume'), 0) as volume,
					coalesce(sum("is" - was) filter (where field = 'lifetime_commissions'), 0) as commissions
				from d join locked on locked.id = d.affiliate_id group by affiliate_id) s
			where a.id = s.affiliate_id
		), months as (
			insert into fature.affiliate_rollups as r (affiliate_id, month, transactions, customers, volume, commissions)
			select affiliate_id, month,
				coalesce(sum("is" - was) filter (where field = 'transactions'), 0), coalesce(sum("is" - was) filter (where field = 'customers'), 0),
				coalesce(sum("is" - was) filter (where field = 'volume'), 0), coalesce(sum("is" - was) filter (where field = 'commissions'), 0)
			from d where month is not null and customer_id is null group by affiliate_id, month
			on conflict (affiliate_id, month) do update set
				transactions = r.transactions + excluded.transactions, customers = r.customers + excluded.customers,
				volume = r.volume + excluded.volume, commissions = r.commissions + excluded.commissions
		), teams as (
			insert into fature.team_sizes as t (affiliate_id, direct_referrals, team_size)
			select affiliate_id, coalesce(sum("is" - was) filter (where field = 'direct_referrals'), 0),
				coalesce(sum("is" - was) filter (where field = 'team_size'), 0)
			from d where field in ('direct_referrals', 'team_size') group by affiliate_id
			on conflict (affiliate_id) do update set
				direct_referrals = t.direct_referrals + excluded.direct_referrals, team_size = t.team_size + excluded.team_size
		), gone as (
			delete from fature.affiliate_customers c
			using (select affiliate_id, customer_id from d where customer_id is not null group by 1, 2 having sum("is") = 0) s
			where (c.affiliate_id, c.customer_id) = (s.affiliate_id, s.customer_id)
		), customers as (
			insert into fature.affiliate_customers (affiliate_id, customer_id, month)
			select affiliate_id, customer_id, month from d where customer_id is not null and "is" = 1
			on conflict (affiliate_id, customer_id) do update set month = excluded.month
		)
		select affiliate_id, month, coalesce(customer_id, '') as customer_id, field, was, "is" from d
		order by affiliate_id, month nulls first, field, customer_id, "is"`
)

// The other invariants that span packages; each query finds what breaks one.
const (
	checkTotals = `select affiliate_id from (` + lifetimeDifferences + `) d`

	checkRollups = `select affiliate_id || ' ' || month || ' ' || field from (` + monthDifferences + `) d`

	checkTeams = `select affiliate_id || ' ' || field from (` + teamDifferences + `) d`

	checkCustomers = `select affiliate_id || ' ' || customer_id from (` + customerDifferences + `) d`

	checkMonths = `
		select partition_name from (
			select p.*, lead(month) over (partition by table_name order by month) as next from fature.partitions p) p
		where month is distinct from date_trunc('month', month, 'UTC')
			or until is distinct from date_trunc('month', month + interval '45 days', 'UTC')
			or partition_name <> table_name || to_char(month at time zone 'UTC', '_YYYY_MM')
			or table_name = 'data_audit' and next <> until`

	checkWhole = `
		with own as (select oid, relname, relkind, relispartition, relpartbound from pg_class
			where relnamespace = (select relnamespace from pg_class where oid = 'fature.affiliates'::regclass))
		select o.relname from pg_inherits i join own o on o.oid = i.inhrelid where i.inhdetachpending
		union all
		select o.relname from pg_index x join own o on o.oid = x.indexrelid where not x.indisvalid
		union all
		select relname from own where pg_get_expr(relpartbound, oid) = 'DEFAULT'`

	checkTriggers = `
		select i.inhrelid::regclass || ' ' || t.tgname
		from pg_inherits i
		join pg_class p on p.oid = i.inhparent and p.relkind = 'p'
		join pg_trigger t on t.tgrelid = p.oid and t.tgname like 'fature\_%'
		where p.relnamespace = (select relnamespace from pg_class where oid = 'fature.affiliates'::regclass)
			and (t.tgenabled = 'D' or not exists (
				select from pg_trigger x
				where x.tgrelid = i.inhrelid and x.tgname = t.tgname and x.tgenabled = t.tgenabled))`

	// The audit is held to its policy: what that does not want in full has no
	// image to compare.
	checkImages = `
		select a.id from fature.affiliates a
		left join fature.audit_policy p on p.table_name = 'affiliates'
		left join lateral (
			select new_values from fature.data_audit d
			where d.table_name = 'affiliates' and d.record_id = a.id::text order by seq desc limit 1) d on true
		where coalesce(p.mode, 'full') = 'full' and d.new_values is distinct from to_jsonb(a) - coalesce(p.ignored, '{}')`

	// The salt of a person who was erased is gone, so the images after that are
	// hashed with another.
	checkChain = `
		select table_name || ' ' || record_id from (
			select d.*, lag(new_values) over w as left_values, lag(operation) over w as before
			from fature.data_audit d where d.table_name in ('users', 'affiliates', 'referral_codes', 'customers', 'payouts')
				and not exists (select from fature.audit_policy p where p.table_name = d.table_name and p.mode <> 'full')
			window w as (partition by table_name, record_id order by seq)) d
		where case when before is null then operation <> 'INSERT'
			else operation = 'INSERT' and before <> 'DELETE' or operation <> 'INSERT' and (
				old_values - 'personal' is distinct from left_values - 'personal'
				or old_values->'personal' is distinct from left_values->'personal' and exists (
					select from fature.audit_personal p
					where (p.table_name, p.record_id, p.hash) = (d.table_name, d.record_id, decode(left_values->>'personal', 'hex'))))
			end`

	checkAudited = `
		with seen as (
			select table_name, coalesce(record_id, id::text) as record_id, count(*) as n
			from fature.data_audit left join lateral unnest(record_ids) id on true
			where operation = 'INSERT' and table_name in ('transactions', 'commissions') group by 1, 2
		), rows as (
			select 'transactions' as table_name, id::text as record_id from fature.transactions
			union all
			select 'commissions', id::text from fature.commissions
		)
		select coalesce(r.record_id, s.record_id) from rows r full join seen s using (table_name, record_id)
		where (s.n is distinct from 1 or r.record_id is null)
			and not exists (select from fature.audit_policy p where p.table_name = coalesce(r.table_name, s.table_name) and p.mode = 'off')`
)

// The reports over a range of time, from $1 to $2.
const (
	// $3 are where the days begin, in order, and $4 their names.
	reportDaily = `
		with days as (
			select * from unnest($4::text[]) with ordinality as d (day, n)
		), t as (
			select width_bucket(created_at, $3::timestamptz[]) as n, count(*) as transactions, count(distinct affiliate_id) as affiliates,
				count(distinct customer_id) as customers, sum(volume) as volume
			from fature.transactions
			where created_at >= $1 and created_at < $2 and status in ('processed', 'reversed') group by 1
		), c as (
			select width_bucket(created_at, $3::timestamptz[]) as n, sum(final_amount) as commissions
			from fature.commissions where created_at >= $1 and created_at < $2 and status <> 'void' group by 1
		)
		select day, coalesce(transactions, 0) as transactions, coalesce(affiliates, 0) as active_affiliates,
			coalesce(customers, 0) as unique_customers, coalesce(volume, 0)::numeric(20,2) as total_volume,
			coalesce(commissions, 0)::numeric(20,2) as total_commissions
		from days left join t using (n) left join c using (n)
		order by n`

	// $3 are where the months begin, in order, and $4 their names.
	reportCohorts = `
		with months as (
			select * from unnest($4::text[]) with ordinality as m (month, n)
		), who as materialized (
			select id, width_bucket(attributed_at, $3::timestamptz[])::bigint as n
			from fature.customers where attributed_at >= $1 and attributed_at < $2
		), came as (
			select n, count(*) as customers from who group by n
		), did as (
			select w.n, width_bucket(t.created_at, $3::timestamptz[]) - w.n as later, count(distinct t.customer_id) as customers,
				count(*) as transactions, sum(t.volume) as volume
			from who w join fature.transactions t on t.customer_id = w.id
			where t.created_at >= $1 and t.created_at < $2 and t.status in ('processed', 'reversed') group by 1, 2
		)
		select m.month, coalesce(came.customers, 0) as customers, (l.n - m.n)::integer as later,
			coalesce(did.customers, 0) as active_customers, coalesce(did.transactions, 0) as transactions,
			coalesce(did.volume, 0)::numeric(20,2) as total_volume
		from months m join months l on l.n >= m.n
		left join came on came.n = m.n
		left join did on did.n = m.n and did.later = l.n - m.n
		order by m.n, l.n`

	reportCommissions = `
		select coalesce(p.name, '') as plan, coalesce(p.version, 0) as version, c.rule, c.lines, c.base, c.amount, c.reversed, c.amount - c.reversed as net
		from (
			select plan_id, rule, count(*) filter (where kind <> 'reversal') as lines,
				coalesce(sum(base_amount) filter (where kind <> 'reversal'), 0)::numeric(20,2) as base,
				coalesce(sum(final_amount) filter (where kind <> 'reversal'), 0)::numeric(20,2) as amount,
				-coalesce(sum(final_amount) filter (where kind = 'reversal'), 0)::numeric(20,2) as reversed
			from fature.commissions
			where created_at >= $1 and created_at < $2 and status <> 'void'
			group by plan_id, rule) c
		left join fature.commission_plans p on p.id = c.plan_id
		order by plan, version, rule`

	reportTopAffiliates = `
		with top as materialized (
			select rank() over (order by sum(volume) desc) as rank, affiliate_id, count(*) as transactions,
				count(distinct customer_id) as customers, sum(volume) as volume
			from fature.transactions
			where created_at >= $1 and created_at < $2 and status in ('processed', 'reversed')
			group by affiliate_id
			order by sum(volume) desc, affiliate_id limit $3
		)
		select t.rank, t.affiliate_id, a.referral_code, u.name, t.transactions, t.customers as unique_customers,
			t.volume::numeric(20,2) as total_volume, coalesce(c.amount, 0)::numeric(20,2) as total_commissions
		from top t
		join fature.affiliates a on a.id = t.affiliate_id
		join fature.users u on u.id = a.user_id
		cross join lateral (
			select sum(final_amount) as amount from fature.commissions c
			where c.affiliate_id = t.affiliate_id and created_at >= $1 and created_at < $2 and status <> 'void') c
		order by t.rank, t.affiliate_id`

	// Of a transaction that does not say its product, the one that it takes back
	// is asked, by its key.
	reportTopProducts = `
		with t as materialized (
			select t.customer_id, t.volume, coalesce(fature.scalar(t.metadata -> 'product'), (
				select fature.scalar(o.metadata -> 'product') from fature.transactions o
				where o.id = t.reverses_id and o.created_at = t.reverses_at)) as product
			from fature.transactions t
			where t.created_at >= $1 and t.created_at < $2 and t.status in ('processed', 'reversed')
		)
		select rank() over (order by sum(volume) desc) as rank, product, count(*) as transactions,
			count(distinct customer_id) as unique_customers, sum(volume)::numeric(20,2) as total_volume
		from t where product is not null
		group by product
		order by sum(volume) desc, product collate "C" limit $3`
)

// Settings.
const (
	selectSetting = `select name, value, updated_at from fature.settings where name = $1`

	upsertSetting = `
		insert into fature.settings as s (id, name, value) values ($1, $2, $3)
		on conflict (name) do update set value = excluded.value, updated_at = now()
			where s.value <> excluded.value`

	deleteSetting = `delete from fature.settings where name = $1`

	listSettings = `
		select name, value, updated_at from fature.settings
		where name collate "C" > $1 order by name collate "C" limit $2`
)
