package affiliate

// The SQL of users, affiliates, referral_codes, customers and customer_owners,
// in the order of the methods. The columns parent_id and level of affiliates
// are written once here; package hierarchy changes them.
const (
	userColumns = "id, email, name, status::text, role::text, created_at, updated_at"

	insertUser = `
		insert into fature.users (id, email, email_canon, name, status, role, original_id, migrated_from)
		values ($1, $2, $3, $4, $5, $6, $7, $8)
		returning ` + userColumns

	selectUser = `select ` + userColumns + ` from fature.users where id = $1 /*sees user id*/`

	selectUserByEmail = `select ` + userColumns + ` from fature.users where email_canon = $1 /*is id*/`

	listUsers = `
		select ` + userColumns + ` from fature.users
		where ($1::uuid is null or id < $1)
			and ($3::fature.user_status is null or status = $3)
			and ($4::fature.user_role is null or role = $4)
			/*lists user id*/
		order by id desc limit $2`

	updateUser = `
		update fature.users set
			email = coalesce($2, email), email_canon = coalesce($3, email_canon), name = coalesce($4, name),
			status = coalesce($5, status), role = coalesce($6, role), updated_at = now()
		where id = $1
		returning ` + userColumns

	updatePassword = `update fature.users set password_hash = $2, updated_at = now() where id = $1`

	selectViewer = `
		select u.id, u.role::text, u.status::text, a.id as affiliate_id
		from fature.users u left join fature.affiliates a on a.user_id = u.id where u.id = $1`

	// The trigger that ends the sessions of who changes a password lets this one
	// pass: it is the same password.
	beginRehash = `select set_config('fature.rehash', $1, true)`

	rehash = `update fature.users set password_hash = $3, updated_at = now() where id = $1 and password_hash = $2`

	endRehash = `select set_config('fature.rehash', '', true)`

	endSessions = `update fature.users set session_epoch = session_epoch + 1 where id = $1`

	credentialColumns = userColumns + `, (select a.id from fature.affiliates a where a.user_id = users.id) as affiliate_id,
		coalesce(password_hash, '') as password_hash, session_epoch, clock_timestamp() as now`

	selectCredentials = `select ` + credentialColumns + ` from fature.users where id = $1`

	selectCredentialsByEmail = `select ` + credentialColumns + ` from fature.users where email_canon = $1`
)

const (
	affiliateColumns = `a.id, a.user_id, a.parent_id, a.referral_code, a.category::text, a.status::text, a.level,
		a.lifetime_volume, a.lifetime_commissions, a.created_at, a.updated_at`

	selectAffiliate = `select ` + affiliateColumns + ` from fature.affiliates a where a.id = $1 /*sees a.id*/`

	selectAffiliateByUser = `select ` + affiliateColumns + ` from fature.affiliates a where a.user_id = $1 /*sees a.id*/`

	// A retired code still finds its owner.
	selectAffiliateByCode = `
		select ` + affiliateColumns + `
		from fature.referral_codes c join fature.affiliates a on a.id = c.affiliate_id
		where lower(c.code collate "C") = $1 /*sees a.id*/`

	selectNamed = `
		select ` + affiliateColumns + `, u.name from fature.affiliates a join fature.users u on u.id = a.user_id
		where a.id = any($1) /*sees a.id*/`

	listAffiliates = `
		select ` + affiliateColumns + ` from fature.affiliates a
		where ($1::uuid is null or a.id < $1)
			and ($3::fature.user_status is null or a.status = $3)
			and ($4::fature.affiliate_category is null or a.category = $4)
			and ($5::integer is null or a.level = $5)
			and ($6::text is null or strpos(lower(a.referral_code), lower($6)) > 0
				or exists (select from fature.users u where u.id = a.user_id and strpos(lower(u.name), lower($6)) > 0))
			/*lists a.id*/
		order by a.id desc limit $2`

	updateAffiliate = `
		update fature.affiliates a set
			status = coalesce($2, status), category = coalesce($3, category), updated_at = now()
		where id = $1
		returning ` + affiliateColumns

	selectCodes = `
		select code, affiliate_id, kind, created_at, retired_at from fature.referral_codes
		where affiliate_id = $1 /*sees affiliate_id*/ order by created_at desc, id desc`

	lockAffiliate = `select from fature.affiliates where id = $1 for no key update`

	retireCodes = `
		update fature.referral_codes set retired_at = now()
		where affiliate_id = $1 and kind = 'link' and retired_at is null and lower(code collate "C") <> $2`

	// Takes a code anew, or back from retirement and in the case now given. No
	// row says that it is another's.
	takeCode = `
		insert into fature.referral_codes as c (id, code, affiliate_id) values ($1, $2, $3)
		on conflict (lower(code collate "C")) do update set code = excluded.code, retired_at = null
			where c.affiliate_id = $3 and c.kind = 'link'
		returning affiliate_id`

	takeCoupon = `
		insert into fature.referral_codes as c (id, code, affiliate_id, kind) values ($1, $2, $3, 'coupon')
		on conflict (lower(code collate "C")) do update set code = excluded.code, retired_at = null
			where c.affiliate_id = $3 and c.kind = 'coupon'
		returning code, affiliate_id, kind, created_at, retired_at`

	retireCoupon = `
		update fature.referral_codes set retired_at = coalesce(retired_at, now())
		where affiliate_id = $1 and kind = 'coupon' and lower(code collate "C") = $2
		returning code, affiliate_id, kind, created_at, retired_at`

	updateCode = `
		update fature.affiliates a set referral_code = $2, updated_at = now() where id = $1
		returning ` + affiliateColumns
)

// What a batch of drafts names, and what it becomes.
const (
	selectTakenCodes = `select lower(code collate "C") from fature.referral_codes where lower(code collate "C") = any($1)`

	selectTakenEmails = `select email_canon from fature.users where email_canon = any($1)`

	selectTakenOrigins = `
		select migrated_from, original_id from fature.users
		where (migrated_from, original_id) in (select * from unnest($1::text[], $2::text[]))`

	selectUsersThere = `select id from fature.users where id = any($1)`

	selectUsersTaken = `select user_id from fature.affiliates where user_id = any($1)`

	selectAffiliatesThere = `select id from fature.affiliates where id = any($1)`

	selectPeople = `
		select a.id, a.user_id, u.email_canon, coalesce(u.original_id, '') as original_id
		from fature.affiliates a join fature.users u on u.id = a.user_id where a.id = any($1)`

	selectReferrers = `
		select lower(code collate "C") as code, affiliate_id, kind from fature.referral_codes where lower(code collate "C") = any($1)`

	insertUsers = `
		insert into fature.users (id, email, email_canon, name, original_id, migrated_from)
		select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])`

	insertAffiliates = `
		insert into fature.affiliates as a (id, user_id, parent_id, referral_code, category, status, level)
		select id, user_id, parent_id, code, category::fature.affiliate_category, status::fature.user_status, level
		from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::integer[])
			as d (id, user_id, parent_id, code, category, status, level)
		returning ` + affiliateColumns

	insertCodes = `
		insert into fature.referral_codes (id, code, affiliate_id)
		select * from unnest($1::uuid[], $2::text[], $3::uuid[])`
)

const (
	selectOwners = `
		select customer_id, affiliate_id, code, sub_id, from_at from fature.customer_owners
		where customer_id = any($1) order by customer_id, from_at`

	// For a viewer: who is hidden from it owns nothing that it could name.
	selectSeenOwners = `
		select o.customer_id, seen.id as affiliate_id, case when seen.id is not null then o.code end as code,
			case when seen.id is not null then o.sub_id else '' end as sub_id, o.from_at
		from fature.customer_owners o left join fature.seen(@viewer) as seen (id) on seen.id = o.affiliate_id
		where o.customer_id = any($1) order by o.from_at`

	selectAttributed = `select id, attributed_at from fature.customers where id = any($1)`

	// As the rating of a transaction saw it.
	selectAttributedThen = `
		select t.id, min(o.from_at) from fature.transactions t
		join fature.customer_owners o on o.customer_id = t.customer_id and o.seq < t.rated_seq
		where (t.id, t.created_at) in (select * from unnest($1::uuid[], $2::timestamptz[])) and t.created_at = any($2)
		group by t.id`

	insertTransfer = `
		insert into fature.customer_owners (id, customer_id, affiliate_id, from_at)
		select $1, $2, $3, $4
		where not exists (select from fature.customer_owners where customer_id = $2 and from_at >= $4)`

	// The earliest attribution of a customer is when the programme first knew it.
	insertCustomers = `
		insert into fature.customers as c (id, attributed_at)
		select id, min(at) from unnest($1::text[], $2::timestamptz[]) as d (id, at) group by id order by id
		on conflict (id) do update set attributed_at = excluded.attributed_at
			where excluded.attributed_at < c.attributed_at`

	lockCustomers = `select from fature.customers where id = any($1) order by id for no key update`

	// Who takes a customer takes it from now on: not where it changed owner later.
	insertOwners = `
		insert into fature.customer_owners (id, customer_id, affiliate_id, code, sub_id, from_at)
		select d.id, d.customer_id, d.affiliate_id, d.code, d.sub_id, d.at
		from unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::boolean[])
			as d (id, customer_id, affiliate_id, code, sub_id, at, takes)
		cross join lateral (select (
			select o.affiliate_id from fature.customer_owners o
			where o.customer_id = d.customer_id and o.from_at <= d.at
			order by o.from_at desc limit 1) as id) owner
		where owner.id is null or d.takes and owner.id <> d.affiliate_id and not exists (
			select from fature.customer_owners o where o.customer_id = d.customer_id and o.from_at >= d.at)
		on conflict (customer_id, from_at) do nothing`

	selectOwnersAt = `
		select o.customer_id, o.affiliate_id, o.code, o.sub_id, o.from_at
		from unnest($1::text[], $2::timestamptz[]) with ordinality as d (customer_id, at, n)
		cross join lateral (
			select * from fature.customer_owners o
			where o.customer_id = d.customer_id and o.from_at <= d.at
			order by o.from_at desc limit 1) o
		order by d.n`
)

// Statistics: affiliate_rollups, affiliate_customers and fold, which
// fature.Program.Fold brings up to date.
const (
	selectStats = `
		select a.id as affiliate_id, f.as_of, r.*,
			coalesce(t.direct_referrals, 0) as direct_referrals, coalesce(t.team_size, 0) as team_size
		from fature.affiliates a
		cross join fature.fold f
		left join fature.team_sizes t on t.affiliate_id = a.id
		cross join lateral (
			select coalesce(sum(transactions), 0)::bigint as transactions, coalesce(sum(customers), 0)::bigint as unique_customers,
				coalesce(sum(volume), 0)::numeric(20,2) as total_volume, coalesce(sum(commissions), 0)::numeric(20,2) as total_commissions
			from fature.affiliate_rollups where affiliate_id = a.id) r
		where a.id = $1`

	selectSeen = `select a.id from fature.affiliates a where a.id = $1 /*sees a.id*/`

	selectMonths = `
		select month, transactions, customers as unique_customers,
			volume as total_volume, commissions as total_commissions
		from fature.affiliate_rollups
		where affiliate_id = $1 and month between coalesce($2::date, '-infinity') and coalesce($3::date, 'infinity')
			and (transactions, customers, volume, commissions) <> (0, 0, 0, 0)
		order by month`

	// Of each customer it is asked once for which parts of the team it counts.
	selectTeam = `
		with levels as materialized (
			select level, sum(members) as members, sum(transactions) as transactions, sum(volume) as volume, sum(commissions) as commissions
			from (
				select level_difference as level, count(*) as members, 0 as transactions, 0 as volume, 0 as commissions
				from fature.affiliate_hierarchy where ancestor_id = $1 group by 1
				union all
				select h.level_difference, 0, sum(r.transactions), sum(r.volume), sum(r.commissions)
				from fature.affiliate_hierarchy h
				join fature.affiliate_rollups r on r.affiliate_id = h.descendant_id
				where h.ancestor_id = $1 group by 1) l
			group by level
		), customers as materialized (
			select count(*) filter (where first = 0) as own, count(*) filter (where direct) as direct,
				count(*) filter (where last > 0) as downline, count(*) as team
			from (
				select min(h.level_difference) as first, bool_or(h.level_difference = 1) as direct, max(h.level_difference) as last
				from fature.affiliate_hierarchy h
				join fature.affiliate_customers c on c.affiliate_id = h.descendant_id
				where h.ancestor_id = $1 group by c.customer_id) c
		)
		select p.part, f.as_of, p.unique_customers, coalesce(sum(l.members), 0)::bigint as members,
			coalesce(sum(l.transactions), 0)::bigint as transactions,
			coalesce(sum(l.volume), 0)::numeric(20,2) as total_volume,
			coalesce(sum(l.commissions), 0)::numeric(20,2) as total_commissions
		from customers c
		cross join fature.fold f
		cross join lateral (values ('own', 0, 0, c.own), ('direct', 1, 1, c.direct), ('downline', 1, null, c.downline), ('team', 0, null, c.team))
			as p (part, low, high, unique_customers)
		left join levels l on l.level >= p.low and l.level <= coalesce(p.high, l.level)
		where exists (select from levels)
		group by p.part, p.unique_customers, f.as_of`
)

// Promotion: $1 and $2 are the volumes of premium and vip, or NULL, $3 whether
// categories go down too, $4 who promotes. The affiliates are locked in the
// order of their ids before they are changed; one whose category another has
// changed meanwhile is left to the next time, which sees why. The lowest that it
// may come down to is the last category that somebody else gave.
const (
	promoteLifetime = `
		with sums as materialized (
			select id, category as before, lifetime_volume as volume from fature.affiliates
		)` + promote

	promoteWithin = `
		with each as (
			select t.affiliate_id, w.n, sum(t.volume) as volume
			from unnest($5::timestamptz[], $6::timestamptz[]) with ordinality as w (begins, ends, n)
			join fature.transactions t on t.created_at >= w.begins and t.created_at < w.ends
			where t.status in ('processed', 'reversed')
				and t.created_at >= (select min(b) from unnest($5::timestamptz[]) b)
				and t.created_at < (select max(e) from unnest($6::timestamptz[]) e)
			group by t.affiliate_id, w.n
		), best as (
			select affiliate_id, max(volume) as volume from each group by affiliate_id
		), sums as materialized (
			select a.id, a.category as before, coalesce(b.volume, 0) as volume from fature.affiliates a left join best b on b.affiliate_id = a.id
		)` + promote

	promote = `, reached as (
			select id, before, volume, case when volume >= $2::numeric then 'vip' when volume >= $1::numeric then 'premium'
				else 'standard' end::fature.affiliate_category as category
			from sums
		), changing as materialized (
			select a.id, a.category as before, r.volume, greatest(r.category, case when r.category < a.category then (
				select h.category from (
					select seq, category, "by", lag(category) over (order by seq) as before
					from fature.affiliate_history where affiliate_id = a.id) h
				where h.category is distinct from h.before and h."by" is distinct from $4::text
				order by h.seq desc limit 1) end) as category
			from reached r join fature.affiliates a on a.id = r.id
			where a.status = 'active' and a.category = r.before and (r.category > a.category or $3::boolean and r.category < a.category)
			order by a.id for no key update of a
		), changed as (
			update fature.affiliates a set category = c.category, updated_at = now()
			from changing c where a.id = c.id and a.category <> c.category
			returning a.id
		)
		select c.id as affiliate_id, c.before::text as from, c.category::text as to, c.volume
		from changing c join changed using (id) order by c.id`
)
