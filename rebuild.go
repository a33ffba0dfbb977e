package fature

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// Difference is where a total or a month was not what the transactions and
// lines come to, or the size of a team not what the tree holds, less what is
// still to be folded.
type Difference struct {
	AffiliateID uuid.UUID  `db:"affiliate_id"`
	Month       *time.Time `db:"month"` // its first day; nil for the totals of the affiliate itself
	// Field is lifetime_volume, lifetime_commissions, direct_referrals or
	// team_size; of a month transactions, customers, volume or commissions; or
	// customer, for one that was missing in a month (0, 1) or too many there
	// (1, 0).
	Field      string          `db:"field"`
	CustomerID string          `db:"customer_id"` // of the field customer
	Was        decimal.Decimal `db:"was"`
	Is         decimal.Decimal `db:"is"`
}

// Rebuilt is what RebuildStats found and repaired.
type Rebuilt struct {
	Count       int          // of the differences
	Differences []Difference // the first of them, at most 10,000
}

func (r *Rebuilt) add(found []Difference) {
	r.Count += len(found)
	r.Differences = append(r.Differences, found[:min(len(found), maxDifferences-len(r.Differences))]...)
}

const (
	maxDifferences = 10_000
	// rebuildLot is how many affiliates one transaction of a rebuild repairs.
	rebuildLot = 1_000
)

// RebuildStats computes the totals and statistics of all affiliates anew from
// transactions, lines and the tree, tells where they differed, and repairs them
// there; none is all well, and nothing is written then. It reads everything in
// one snapshot, which locks nothing, and repairs in lots of affiliates that
// differ, each in a transaction of its own under the lock of the fold: recording
// goes on all the while, and a fold waits for a lot. It needs transactions of
// its own: ErrInvalid under WithTx.
func (p *Program) RebuildStats(ctx context.Context) (Rebuilt, error) {
	rebuilt, err := p.rebuildStats(ctx)
	return rebuilt, pg.Fail("fature: rebuild statistics", err, nil)
}

func (p *Program) rebuildStats(ctx context.Context) (rebuilt Rebuilt, err error) {
	if err := pg.MayWrite(p.db); err != nil {
		return rebuilt, err
	}
	if pg.Inside(p.db) {
		return rebuilt, fault.Field("", "a rebuild needs transactions of its own")
	}
	var ids []uuid.UUID
	err = p.snapshot(ctx, func(db pg.DB) (err error) {
		ids, err = pg.Column[uuid.UUID](ctx, db, selectDiffering)
		return err
	})
	if err != nil {
		return rebuilt, err
	}
	for lot := range slices.Chunk(ids, rebuildLot) {
		var repaired []Difference
		err := pg.InTx(ctx, p.db, func(tx pg.DB) error {
			var b pgx.Batch
			b.Queue(lockFold)
			pg.Queue(&b, &repaired, repairDifferences, lot)
			pg.Changed(tx, affiliate.StatisticsChanged, lot...)
			return pg.Send(ctx, tx, &b)
		})
		if err != nil {
			return rebuilt, err
		}
		rebuilt.add(repaired)
	}
	return rebuilt, nil
}
