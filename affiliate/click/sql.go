package click

// The SQL of clicks.
const (
	// One lock for a part of the visitors, in order: two writers of one visitor's
	// clicks see each other's.
	lockVisitors = `
		select pg_advisory_xact_lock(hashtextextended('fature.clicks', part)) from unnest($1::bigint[]) part`

	// Which of the clicks stand beside one that counts. The bounds of all leave
	// the other months aside. Offset 0 keeps the code out of the inner query: by
	// the index of codes one would read whatever a busy link has of the last
	// minute, for each click.
	selectNear = `
		select d.n from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) with ordinality as d (visitor, code, sub_id, at, n)
		cross join lateral (
			select from (
				select c.code, c.sub_id from fature.clicks c
				where c.visitor = d.visitor and c.mark = '' and c.at > d.at - $5::interval and c.at < d.at + $5::interval
					and c.at > $6 and c.at < $7
				offset 0) c
			where c.code = d.code and c.sub_id = d.sub_id
			limit 1) c`

	selectLastHits = `
		select d.n, c.affiliate_id, c.code, c.sub_id, c.at
		from unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) with ordinality as d (visitor, since, until, n)
		cross join lateral (
			select c.affiliate_id, c.code, c.sub_id, c.at from fature.clicks c
			where c.visitor = d.visitor and c.mark = '' and c.at > d.since and c.at <= d.until and c.at > $4 and c.at <= $5
			order by c.at desc, c.id desc limit 1) c`

	selectFirstHits = `
		select d.n, c.affiliate_id, c.code, c.sub_id, c.at
		from unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) with ordinality as d (visitor, since, until, n)
		cross join lateral (
			select c.affiliate_id, c.code, c.sub_id, c.at from fature.clicks c
			where c.visitor = d.visitor and c.mark = '' and c.at > d.since and c.at <= d.until and c.at > $4 and c.at <= $5
			order by c.at, c.id limit 1) c`

	// A code never changes hands, so that those of an affiliate find its clicks.
	selectFigures = `
		with codes as (
			select lower(code collate "C") as low, code, kind from fature.referral_codes where affiliate_id = $1
		), clicked as (
			select c.code, c.sub_id, count(*) filter (where c.mark = '') as clicks,
				count(distinct c.visitor) filter (where c.mark = '') as visitors,
				count(*) filter (where c.mark = 'bot') as bots, count(*) filter (where c.mark = 'duplicate') as duplicates
			from fature.clicks c
			where c.code = any(array(select low from codes)) and c.at >= $2 and c.at < $3
			group by c.code, c.sub_id
		), brought as (
			select lower(o.code collate "C") as code, coalesce(o.sub_id, '') collate "C" as sub_id,
				count(distinct o.customer_id) as customers
			from fature.customer_owners o
			where o.affiliate_id = $1 and o.code is not null and o.from_at >= $2 and o.from_at < $3
			group by 1, 2
		)
		select k.code, k.kind, f.sub_id, f.clicks, f.visitors, f.bots, f.duplicates, f.customers
		from (
			select coalesce(c.code, b.code) as code, coalesce(c.sub_id, b.sub_id) as sub_id,
				coalesce(clicks, 0) as clicks, coalesce(visitors, 0) as visitors,
				coalesce(bots, 0) as bots, coalesce(duplicates, 0) as duplicates, coalesce(customers, 0) as customers
			from clicked c full join brought b on b.code = c.code and b.sub_id = c.sub_id) f
		join codes k on k.low = f.code
		order by k.low, f.sub_id`
)
