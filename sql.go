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
	// one comes later, it moves. Of all that there is, the lot was taken whole:
	// then what was committed before the statement began is folded.
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
		), whole as (
			update fature.fold set as_of = greatest(as_of, statement_timestamp())
			where (select coalesce(sum(n), 0) from sums) < $1
		)
		select coalesce(sum(n), 0)::bigint from sums`

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

// The invariants that span packages; each query finds what breaks one.
const (
	// What is folded and what is still to be folded are the sums.
	checkTotals = `
		with v as (
			select affiliate_id, sum(volume) as s from fature.transactions
			where status in ('processed', 'reversed') group by affiliate_id
		), c as (
			select affiliate_id, sum(final_amount) as s from fature.commissions where status <> 'void' group by affiliate_id
		), d as (
			select affiliate_id, sum(volume) as v, sum(commissions) as c from fature.affiliate_deltas group by affiliate_id
		)
		select a.id from fature.affiliates a
		left join v on v.affiliate_id = a.id left join c on c.affiliate_id = a.id left join d on d.affiliate_id = a.id
		where a.lifetime_volume + coalesce(d.v, 0) <> coalesce(v.s, 0)
			or a.lifetime_commissions + coalesce(d.c, 0) <> coalesce(c.s, 0)`

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
