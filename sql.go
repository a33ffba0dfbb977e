package fature

// The SQL of affiliate_deltas and leases, and of what spans packages.
const (
	insertDeltas = `
		insert into fature.affiliate_deltas (affiliate_id, volume, commissions)
		select * from unnest($1::uuid[], $2::numeric[], $3::numeric[])`

	// Takes a lot of deltas that nobody else is folding. The affiliates are
	// locked in the order of their ids before they are changed: UPDATE … FROM
	// promises no order.
	foldDeltas = `
		with gone as (
			delete from fature.affiliate_deltas
			where ctid = any(array(select ctid from fature.affiliate_deltas limit $1 for update skip locked))
			returning affiliate_id, volume, commissions
		), sums as (
			select affiliate_id, sum(volume) as volume, sum(commissions) as commissions, count(*) as n
			from gone group by affiliate_id
		), locked as materialized (
			select a.id from fature.affiliates a
			where a.id in (select affiliate_id from sums) order by a.id for no key update
		), changed as (
			update fature.affiliates a
			set lifetime_volume = a.lifetime_volume + s.volume,
				lifetime_commissions = a.lifetime_commissions + s.commissions, updated_at = now()
			from sums s, locked l
			where l.id = s.affiliate_id and a.id = l.id
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

	refreshStats = `select fature.refresh_affiliate_stats()`
)
