package board

// The SQL of boards. Each query gives the active affiliates with a score above
// zero: $1 and $2 are the period. Amounts are whole hundredths; one beyond 2^53
// is told as the first number beyond, and refused in Go.
const (
	active = ` as s join fature.affiliates a on a.id = s.id and a.status = 'active' where s.score > 0`

	selectVolume = `
		select s.id, least(s.score * 100, 9007199254740993)::bigint from (
			select affiliate_id as id, sum(volume) as score from fature.transactions
			where status in ('processed', 'reversed') and created_at >= $1 and created_at < $2
			group by affiliate_id)` + active

	selectCommissions = `
		select s.id, least(s.score * 100, 9007199254740993)::bigint from (
			select affiliate_id as id, sum(final_amount) as score from fature.commissions
			where status <> 'void' and created_at >= $1 and created_at < $2
			group by affiliate_id)` + active

	selectCustomers = `
		select s.id, s.score from (
			select o.affiliate_id as id, count(*) as score from fature.customer_owners o
			where o.affiliate_id is not null and o.from_at >= $1 and o.from_at < $2
				and not exists (select from fature.customer_owners b
					where b.customer_id = o.customer_id and b.affiliate_id = o.affiliate_id and b.from_at < o.from_at)
			group by o.affiliate_id)` + active

	// Who was never anywhere else came when it was made, which an import sets;
	// the others when they were first moved there.
	selectRecruits = `
		select s.id, s.score from (
			select c.parent_id as id, count(*) as score
			from fature.affiliates c
			join (
				select h.affiliate_id, h.parent_id, min(h.at) as at, min(h.seq) as seq
				from fature.affiliate_history h where h.parent_id is not null group by h.affiliate_id, h.parent_id
			) came on came.affiliate_id = c.id and came.parent_id = c.parent_id
			join (select affiliate_id, min(seq) as seq from fature.affiliate_history group by affiliate_id) made
				on made.affiliate_id = c.id
			where case when came.seq = made.seq then c.created_at else came.at end >= $1
				and case when came.seq = made.seq then c.created_at else came.at end < $2
			group by c.parent_id)` + active
)

// Of all time there are totals, with what is not folded into them yet. They
// keep what was in months that are dropped.
const (
	selectAllVolume = `
		select s.id, least(s.score * 100, 9007199254740993)::bigint from (
			select t.id, t.lifetime_volume + coalesce(d.volume, 0) as score from fature.affiliates t
			left join (select affiliate_id, sum(volume) as volume from fature.affiliate_deltas group by affiliate_id) d
				on d.affiliate_id = t.id)` + active

	selectAllCommissions = `
		select s.id, least(s.score * 100, 9007199254740993)::bigint from (
			select t.id, t.lifetime_commissions + coalesce(d.commissions, 0) as score from fature.affiliates t
			left join (select affiliate_id, sum(commissions) as commissions from fature.affiliate_deltas group by affiliate_id) d
				on d.affiliate_id = t.id)` + active

	selectAllCustomers = `
		select s.id, s.score from (
			select affiliate_id as id, count(distinct customer_id) as score from fature.customer_owners
			where affiliate_id is not null group by affiliate_id)` + active

	selectAllRecruits = `
		select s.id, s.score from (
			select parent_id as id, count(*) as score from fature.affiliates
			where parent_id is not null group by parent_id)` + active
)

// By metric; only read.
var (
	selectScores = map[Metric]string{
		Volume: selectVolume, Commissions: selectCommissions, Customers: selectCustomers, Recruits: selectRecruits,
	}
	selectAllScores = map[Metric]string{
		Volume: selectAllVolume, Commissions: selectAllCommissions, Customers: selectAllCustomers, Recruits: selectAllRecruits,
	}
)

const selectNames = `
	select a.id, u.name from fature.affiliates a join fature.users u on u.id = a.user_id where a.id = any($1)`

const (
	achievementColumns = "id, code, name, rule, points, active, created_at, active_at"

	insertAchievements = `
		insert into fature.achievements (id, code, name, rule, points)
		select id, code, name, rule::jsonb, points
		from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::integer[]) as d (id, code, name, rule, points)
		order by code
		on conflict (code) do nothing`

	selectByCodes = `select ` + achievementColumns + ` from fature.achievements where code = any($1) /*everybody*/`

	selectAchievements = `select ` + achievementColumns + ` from fature.achievements /*everybody*/ order by id`

	updateAchievement = `
		update fature.achievements set
			name = coalesce($2, name), points = coalesce($3, points), active = coalesce($4, active),
			active_at = case when $4 and not active then clock_timestamp() else active_at end
		where code = $1
		returning ` + achievementColumns

	selectAwards = `
		select w.id, w.affiliate_id, c.code, c.name, w.points, w.awarded_at
		from fature.affiliate_achievements w join fature.achievements c on c.id = w.achievement_id
		where ($1::uuid is null or w.affiliate_id = $1) and ($2::timestamptz is null or (w.awarded_at, w.id) < ($2, $3::uuid)) /*lists w.affiliate_id*/
		order by w.awarded_at desc, w.id desc limit $4`

	selectPoints = `
		select affiliate_id, sum(points)::bigint as points from fature.affiliate_achievements
		where affiliate_id = any($1) /*sees affiliate_id*/ group by affiliate_id`
)

// How far everybody was looked at. What the last evaluation did not see, being
// under way, was rated after any mark that is older by as long as it took: so
// that one counts which is an hour older than the last.
const (
	selectMark = `
		select seq, at from fature.achievement_evaluations
		where at < (select max(at) from fature.achievement_evaluations) - $1::interval order by at desc limit 1`

	// Those before the mark that counts are of no use any more.
	dropMarks = `
		delete from fature.achievement_evaluations where at < (
			select max(at) from fature.achievement_evaluations
			where at < (select max(at) from fature.achievement_evaluations) - $1::interval)`

	insertMark = `
		insert into fature.achievement_evaluations (at, seq)
		values (clock_timestamp(), coalesce(pg_sequence_last_value('fature.rated_seq'::regclass), 0))
		on conflict (at) do nothing`
)

// The awards of each kind of rule: $1 to $4 are the rules' achievements, points,
// counts and amounts, $5 the affiliates or NULL for all. The rows are inserted
// in one order, so that two evaluations wait for each other and never in a ring.
const (
	awardFirstSale = rules + `, reached as (
			select r.achievement_id, r.points, t.id as affiliate_id
			from rules r cross join ` + totals + `
			where (t.lifetime_volume + coalesce(d.volume, 0) > 0)
				and not exists (select from fature.affiliate_achievements w where w.affiliate_id = t.id and w.achievement_id = r.achievement_id)
				and exists (select from fature.transactions x where x.affiliate_id = t.id and x.status = 'processed' and x.volume > 0)
		)` + award

	awardRecruits = rules + `, reached as (
			select r.achievement_id, r.points, c.id as affiliate_id
			from (
				select parent_id as id, count(*) as n from fature.affiliates
				where parent_id is not null and ($5::uuid[] is null or parent_id = any($5)) group by parent_id) c
			join rules r on c.n >= r.count
		)` + award

	awardVolume = rules + `, reached as (
			select r.achievement_id, r.points, t.id as affiliate_id
			from ` + totals + ` join rules r on t.lifetime_volume + coalesce(d.volume, 0) >= r.amount
		)` + award

	awardEarnings = rules + `, reached as (
			select r.achievement_id, r.points, t.id as affiliate_id
			from ` + totals + ` join rules r on t.lifetime_commissions + coalesce(d.commissions, 0) >= r.amount
		)` + award

	// $6 are where the periods begin, $7 the place in the order of rating after
	// which a sale makes its affiliate be looked at, or NULL. Numbers on end less
	// their row numbers are one number for each run of periods.
	awardStreak = rules + `, sellers as materialized (
			select a.id from fature.affiliates a
			where ($5::uuid[] is null or a.id = any($5))
				and ($7::bigint is null or a.id in (select affiliate_id from fature.transactions where rated_seq > $7))
				and exists (select from rules r where not exists (
					select from fature.affiliate_achievements w where w.affiliate_id = a.id and w.achievement_id = r.achievement_id))
		), sold as (
			select distinct x.affiliate_id, width_bucket(x.created_at, $6::timestamptz[]) as n
			from fature.transactions x join sellers s on s.id = x.affiliate_id
			where x.status = 'processed' and x.volume > 0
		), runs as (
			select affiliate_id, count(*) as length from (
				select affiliate_id, n - row_number() over (partition by affiliate_id order by n) as run from sold) s
			group by affiliate_id, run
		), longest as (
			select affiliate_id, max(length) as length from runs group by affiliate_id
		), reached as (
			select r.achievement_id, r.points, l.affiliate_id from longest l join rules r on l.length >= r.count
		)` + award

	rules = `
		with rules as (
			select * from unnest($1::uuid[], $2::integer[], $3::integer[], $4::numeric[]) as r (achievement_id, points, count, amount)
		)`

	// With what is not folded into them yet.
	totals = `(
				select * from fature.affiliates where $5::uuid[] is null or id = any($5)) t
			left join (
				select affiliate_id, sum(volume) as volume, sum(commissions) as commissions
				from fature.affiliate_deltas where $5::uuid[] is null or affiliate_id = any($5) group by affiliate_id) d
				on d.affiliate_id = t.id`

	award = `, given as (
			insert into fature.affiliate_achievements (achievement_id, affiliate_id, points)
			select r.achievement_id, r.affiliate_id, r.points
			from reached r join fature.affiliates a on a.id = r.affiliate_id and a.status = 'active'
			where not exists (select from fature.affiliate_achievements w
				where w.affiliate_id = r.affiliate_id and w.achievement_id = r.achievement_id)
			order by r.affiliate_id, r.achievement_id
			on conflict (affiliate_id, achievement_id) do nothing
			returning id, affiliate_id, achievement_id, points, awarded_at
		)
		select g.id, g.affiliate_id, c.code, c.name, g.points, g.awarded_at
		from given g join fature.achievements c on c.id = g.achievement_id
		order by g.affiliate_id, c.code`
)
