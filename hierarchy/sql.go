package hierarchy

// This package owns affiliate_hierarchy. Of affiliates it owns two columns once
// a row is there: nobody else updates parent_id and level. It reads the rest.

// Locks. Their numbers are hashes of names that begin with the schema's, so two
// programmes in one database do not meet: another schema's name is put in here
// as everywhere else.
const (
	savepoint = `savepoint fature_tree`
	rollback  = `rollback to savepoint fature_tree`
	release   = `release savepoint fature_tree`

	selectIsolation = `select current_setting('transaction_isolation')`

	lockAll  = `select pg_advisory_xact_lock(hashtextextended('fature.trees', 0))`
	shareAll = `select pg_advisory_xact_lock_shared(hashtextextended('fature.trees', 0))`

	// An array is unnested in its order.
	lockTrees  = `select pg_advisory_xact_lock(n) from unnest($1::bigint[]) n`
	shareTrees = `select pg_advisory_xact_lock_shared(n) from unnest($1::bigint[]) n`

	// The root is the farthest ancestor: one probe of the index.
	selectRoots = `
		select n.id, r.ancestor_id as root_id, hashtextextended('fature.tree ' || r.ancestor_id, 0) as lock
		from unnest($1::uuid[]) with ordinality n (id, at)
		cross join lateral (
			select ancestor_id from fature.affiliate_hierarchy
			where descendant_id = n.id order by level_difference desc limit 1) r
		order by n.at`
)

// Attach.
const (
	selectPlaced = `
		select descendant_id from fature.affiliate_hierarchy
		where descendant_id = any($1) and level_difference = 0 order by 1 limit 1`

	insertLinks = `
		insert into fature.affiliate_hierarchy (ancestor_id, descendant_id, level_difference)
		select * from unnest($1::uuid[], $2::uuid[], $3::integer[])`
)

// Move and Detach: $1 is who moves, $2 the new parent or null.
const (
	selectPlace = `
		select
			(select ancestor_id from fature.affiliate_hierarchy where descendant_id = $1 and level_difference = 1) as parent_id,
			(select max(level_difference) from fature.affiliate_hierarchy where ancestor_id = $1) as height,
			(select max(level_difference) from fature.affiliate_hierarchy where descendant_id = $2) as target_level,
			exists (select from fature.affiliate_hierarchy where ancestor_id = $1 and descendant_id = $2) as below`

	deleteUpline = `
		delete from fature.affiliate_hierarchy h
		using fature.affiliate_hierarchy up, fature.affiliate_hierarchy down
		where up.descendant_id = $1 and up.level_difference > 0 and down.ancestor_id = $1
		  and (h.ancestor_id, h.descendant_id) = (up.ancestor_id, down.descendant_id)`

	insertUpline = `
		insert into fature.affiliate_hierarchy (ancestor_id, descendant_id, level_difference)
		select up.ancestor_id, down.descendant_id, up.level_difference + 1 + down.level_difference
		from fature.affiliate_hierarchy up cross join fature.affiliate_hierarchy down
		where up.descendant_id = $2 and down.ancestor_id = $1`

	// Others lock affiliates by id too; an update keeps no order of its own.
	lockAffiliates = `
		select from fature.affiliates a join fature.affiliate_hierarchy h on h.descendant_id = a.id
		where h.ancestor_id = $1 and (a.id = $1 or a.level <> $2 + h.level_difference)
		order by a.id for no key update of a`

	updateParent = `update fature.affiliates set parent_id = $2, level = $3, updated_at = now() where id = $1`

	updateLevels = `
		update fature.affiliates a set level = $2 + h.level_difference, updated_at = now()
		from fature.affiliate_hierarchy h
		where h.ancestor_id = $1 and h.descendant_id = a.id and a.level <> $2 + h.level_difference`
)

// Reads.
const (
	selectUplines = `
		select descendant_id, ancestor_id, level_difference as level
		from fature.affiliate_hierarchy
		where descendant_id = any($1) /*sees ancestor_id*/ order by descendant_id, level_difference`

	// One statement, that all of it is of one moment; a row of nobody tells which.
	// Lines are bytes, because reading 10,000 ids one by one takes longer than
	// finding them. The standings are those that are not as most are;
	// idx_affiliates_standing has only them.
	selectLines = `
		select '00000000-0000-0000-0000-000000000000'::uuid as id, ''::bytea as line, '' as status, '' as category,
			coalesce(max(seq), 0) as seen
		from fature.affiliate_history
		union all
		select descendant_id, string_agg(uuid_send(ancestor_id), '' order by level_difference), '', '', 0
		from fature.affiliate_hierarchy where descendant_id = any($1) group by descendant_id
		union all
		select id, '', status::text, category::text, 0 from fature.affiliates
		where (status <> 'active' or category <> 'standard')
			and id in (select ancestor_id from fature.affiliate_hierarchy where descendant_id = any($1))`

	selectDownline = `
		select descendant_id as id, level_difference as level
		from fature.affiliate_hierarchy
		where ancestor_id = $1 and (level_difference, descendant_id) > ($2::integer, $3::uuid) and level_difference <= $4
			/*sees $1*/
		order by level_difference, descendant_id limit $5`

	// at numbers each level's in the order of the level above, so that what is cut
	// off is the same each time. No level has more than all may be.
	selectOutline = `
		with recursive outline as (
			select ancestor_id as id, null::uuid as parent_id, 0 as level, 1::bigint as at
			from fature.affiliate_hierarchy where ancestor_id = $1 and descendant_id = $1 /*sees $1*/
			union all
			select * from (
				select c.id, o.id, o.level + 1, row_number() over (order by o.at, c.id) as at
				from outline o cross join lateral (
					select descendant_id as id from fature.affiliate_hierarchy
					where ancestor_id = o.id and level_difference = 1 order by descendant_id limit $3) c
				where o.level < $2
				order by at limit $4) next
		)
		select o.id, o.parent_id, o.level, below.children, below.size
		from (select * from outline order by level, at limit $4) o
		cross join lateral (
			select count(*) filter (where level_difference = 1) as children, count(*) - 1 as size
			from fature.affiliate_hierarchy where ancestor_id = o.id) below
		order by o.level, o.at`

	selectSizes = `
		select level_difference as level, count(*) as count
		from fature.affiliate_hierarchy
		where ancestor_id = $1 /*sees $1*/ group by 1 order by 1`

	selectContains = `
		select exists (
			select from fature.affiliate_hierarchy where ancestor_id = $1 and descendant_id = $2 /*sees ancestor_id*/)`
)

// The past.
const (
	selectHistory = `
		select seq, affiliate_id, coalesce(parent_id, '00000000-0000-0000-0000-000000000000'), status::text, category::text
		from fature.affiliate_history order by seq`

	selectAsOf = `
		select coalesce(parent_id, '00000000-0000-0000-0000-000000000000') as parent_id,
			status::text, category::text, at as since
		from fature.affiliate_history
		where affiliate_id = $1 and at <= $2 /*sees affiliate_id*/ order by seq desc limit 1`

	// For a viewer: a parent that it does not see today is none.
	selectSeenAsOf = `
		select coalesce(seen.id, '00000000-0000-0000-0000-000000000000') as parent_id, v.status, v.category, v.since
		from (` + selectAsOf + `) v left join fature.seen(@viewer) as seen (id) on seen.id = v.parent_id`

	// Those above were there as well, if only by the same statement, which may
	// have written them a moment later: then it is their first row that counts.
	// UNION drops what it has found before, and so ends in a cycle.
	selectUplineAsOf = `
		with recursive line as (
			(select affiliate_id, parent_id from fature.affiliate_history
			where affiliate_id = $1 and at <= $2 order by seq desc limit 1)
			union
			select h.affiliate_id, h.parent_id
			from line l cross join lateral (
				select affiliate_id, parent_id from fature.affiliate_history
				where affiliate_id = l.parent_id
				order by at > $2, case when at > $2 then seq else -seq end limit 1) h
		)
		select affiliate_id as id, coalesce(parent_id, '00000000-0000-0000-0000-000000000000') as parent_id from line
		where true /*sees affiliate_id*/`
)

// Checks.
const (
	checkUplines = `
		select a.id from fature.affiliates a
		join fature.affiliate_hierarchy p on p.descendant_id = a.parent_id
		left join fature.affiliate_hierarchy h on (h.ancestor_id, h.descendant_id) = (p.ancestor_id, a.id)
		where h.level_difference is distinct from p.level_difference + 1
		union all
		select h.descendant_id from fature.affiliate_hierarchy h
		left join fature.affiliates a on a.id = h.descendant_id
		left join fature.affiliate_hierarchy p on (p.ancestor_id, p.descendant_id) = (h.ancestor_id, a.parent_id)
		where h.ancestor_id <> h.descendant_id and p.level_difference is distinct from h.level_difference - 1`

	checkRoots = `
		select a.id from fature.affiliates a where not exists (
			select from fature.affiliate_hierarchy h join fature.affiliates r on r.id = h.ancestor_id
			where h.descendant_id = a.id and r.parent_id is null)`

	checkSelf = `
		select a.id from fature.affiliates a
		left join fature.affiliate_hierarchy h on h.ancestor_id = a.id and h.descendant_id = a.id
		where h.level_difference is distinct from 0
		union all
		select descendant_id from fature.affiliate_hierarchy
		where (level_difference = 0) <> (ancestor_id = descendant_id) or level_difference < 0`

	checkLevels = `
		select a.id from fature.affiliates a
		left join fature.affiliate_hierarchy h on h.descendant_id = a.id
		group by a.id
		having a.level is distinct from max(h.level_difference) or a.level <> count(*) - 1
		    or count(distinct h.level_difference) <> count(*)`

	checkStrangers = `
		select h.descendant_id from fature.affiliate_hierarchy h
		left join fature.affiliates a on a.id = h.ancestor_id
		left join fature.affiliates d on d.id = h.descendant_id
		where a.id is null or d.id is null`

	checkHistory = `
		select a.id from fature.affiliates a
		left join (
			select distinct on (affiliate_id) affiliate_id, parent_id, status, category
			from fature.affiliate_history order by affiliate_id, seq desc) h on h.affiliate_id = a.id
		where h.affiliate_id is null
		   or (a.parent_id, a.status, a.category) is distinct from (h.parent_id, h.status, h.category)`
)

// Rebuild.
const (
	// Who is in a cycle, or below one, is reached from no root.
	selectLost = `
		with recursive found as (
			select id from fature.affiliates where parent_id is null
			union all
			select a.id from fature.affiliates a join found f on a.parent_id = f.id)
		select id::text from fature.affiliates except select id::text from found order by 1 limit 10`

	// The closure as it should be; without a cycle it ends.
	expected = `
		with recursive expected as (
			select id as ancestor_id, id as descendant_id, 0 as level_difference from fature.affiliates
			union all
			select e.ancestor_id, a.id, e.level_difference + 1
			from fature.affiliates a join expected e on a.parent_id = e.descendant_id)`

	deleteWrong = expected + `
		delete from fature.affiliate_hierarchy h where not exists (
			select from expected e
			where (e.ancestor_id, e.descendant_id, e.level_difference) = (h.ancestor_id, h.descendant_id, h.level_difference))`

	insertMissing = expected + `
		insert into fature.affiliate_hierarchy (ancestor_id, descendant_id, level_difference)
		select e.ancestor_id, e.descendant_id, e.level_difference from expected e
		where not exists (
			select from fature.affiliate_hierarchy h
			where (h.ancestor_id, h.descendant_id) = (e.ancestor_id, e.descendant_id))`

	updateWrongLevels = `
		update fature.affiliates a set level = h.level
		from (select descendant_id, max(level_difference) as level from fature.affiliate_hierarchy group by 1) h
		where h.descendant_id = a.id and a.level <> h.level`
)
