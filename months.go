package fature

import (
	"context"
	"time"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/partition"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/transaction"
)

// monthsAhead is how many months beyond the present one are kept ready.
const monthsAhead = 3

// EnsureMonths makes the partitions of every UTC month from from's to to's,
// both included: before an import, or before recording events of the past
// inside a host's transaction. Months that are there are left alone. It works
// outside any transaction of the host's, and waits for locks two seconds at a
// time.
func (p *Program) EnsureMonths(ctx context.Context, from, to time.Time) error {
	if err := pg.MayWrite(p.db); err != nil {
		return pg.Fail("fature: ensure months", err, nil)
	}
	first, last := partition.Of(from), partition.Of(to)
	var c fault.Check
	c.That(first.Year() >= 2000, "from", "is before the year 2000")
	c.That(!last.Before(first), "to", "is before from")
	c.That(!last.After(p.now().AddDate(1, 0, 0)), "to", "is more than a year ahead")
	if err := c.Done(); err != nil {
		return pg.Fail("fature: ensure months", err, nil)
	}
	var months []time.Time
	for month := first; !month.After(last); month = month.AddDate(0, 1, 0) {
		months = append(months, month)
	}
	return pg.Fail("fature: ensure months", p.months.Ensure(ctx, months), nil)
}

// readyMonths sees to the months of a batch before it begins: on the pool they
// are made, inside a host's transaction that would lock others out until it
// ends, so there a missing one is an error.
func (p *Program) readyMonths(ctx context.Context, months []time.Time) error {
	missing, err := p.months.Missing(ctx, p.db, months)
	if err != nil || len(missing) == 0 {
		return err
	}
	if pg.Inside(p.db) {
		return &transaction.NoPartitionError{Month: missing[0]}
	}
	return p.months.Ensure(ctx, missing)
}
