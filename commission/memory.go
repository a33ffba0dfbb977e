package commission

import (
	"cmp"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/fature/fature/internal/pg"
)

// QueueCounters locks the counters that are needed, in one order whoever asks,
// and reads them. They stay locked until the transaction ends: who rates by one
// of them after that sees what this transaction has made of it.
func QueueCounters(b *pgx.Batch, into Facts, needs []Need) {
	needs = slices.Clone(needs)
	slices.SortFunc(needs, compareNeeds)
	needs = slices.Compact(needs)
	keys := needColumns(needs)
	b.Queue(insertCounters, keys...)
	b.Queue(lockCounters, keys...).Query(func(rows pgx.Rows) error {
		var i int
		var c Counter
		var first *time.Time
		_, err := pgx.ForEachRow(rows, []any{&i, &c.place, &c.Count, &first, &c.Total, &c.Posted}, func() error {
			c.remember(first)
			into[needs[i]] = c
			return nil
		})
		return err
	})
}

// QueuePeek reads the counters that are needed and not known yet, without
// locking them: of a preview.
func QueuePeek(b *pgx.Batch, into Facts, needs []Need) {
	needs = slices.DeleteFunc(slices.Clone(needs), func(n Need) bool { _, known := into[n]; return known })
	b.Queue(selectCounters, needColumns(needs)...).Query(func(rows pgx.Rows) error {
		var i int
		var c Counter
		var first *time.Time
		_, err := pgx.ForEachRow(rows, []any{&i, &c.Count, &first, &c.Total, &c.Posted}, func() error {
			c.remember(first)
			into[needs[i]] = c
			return nil
		})
		return err
	})
}

func (c *Counter) remember(first *time.Time) {
	if c.First = (time.Time{}); first != nil {
		c.First = *first
	}
}

// QueueRemember writes counters that QueueCounters has locked in this
// transaction.
func QueueRemember(b *pgx.Batch, counters Facts) {
	n := len(counters)
	places, counts, first := make([]string, 0, n), make([]int, 0, n), make([]*time.Time, 0, n)
	totals, posted := make([]pgtype.Numeric, 0, n), make([]pgtype.Numeric, 0, n)
	for _, c := range counters {
		places, counts = append(places, c.place), append(counts, c.Count)
		totals, posted = append(totals, pg.Numeric(c.Total)), append(posted, pg.Numeric(c.Posted))
		if c.First.IsZero() {
			first = append(first, nil)
		} else {
			first = append(first, &c.First)
		}
	}
	b.Queue(updateCounters, places, counts, first, totals, posted)
}

func compareNeeds(a, b Need) int {
	return cmp.Or(cmp.Compare(a.Plan, b.Plan), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.Holder, b.Holder), cmp.Compare(a.Bucket, b.Bucket))
}

func needColumns(needs []Need) []any {
	n := len(needs)
	plans, rules, kinds := make([]string, n), make([]string, n), make([]string, n)
	holders, buckets := make([]string, n), make([]string, n)
	for i, need := range needs {
		plans[i], rules[i], kinds[i], holders[i], buckets[i] = need.Plan, need.Rule, need.Kind, need.Holder, need.Bucket
	}
	return []any{plans, rules, kinds, holders, buckets}
}
