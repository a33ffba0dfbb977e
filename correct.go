package fature

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/partition"
	"github.com/fature/fature/internal/pg"
)

// Void takes unpaid lines back by hand, with their reversals; the reason is
// kept on each of them. What counters remember of them stays: a voided line is
// not earned again by another event. It returns the lines that are void now.
// Errors: InvalidError by field; commission.ErrNotFound; commission.ErrSettled
// for a line that is paid, void already, or in a payout.
func (p *Program) Void(ctx context.Context, reason string, ids ...uuid.UUID) ([]commission.Commission, error) {
	var c fault.Check
	c.Err("", commission.CheckReason(reason))
	c.That(len(ids) > 0 && len(ids) <= commission.MaxVoid, "ids", "are %d, not from 1 to %d", len(ids), commission.MaxVoid)
	if err := c.Done(); err != nil {
		return nil, pg.Fail("fature: void", err, nil)
	}
	var lines []commission.Commission
	err := pg.InTx(ctx, p.db, func(tx pg.DB) (err error) {
		if lines, err = commission.VoidLines(ctx, tx, reason, ids); err != nil {
			return err
		}
		totals := deltas{}
		for _, l := range lines {
			totals.earn(l.AffiliateID, l.FinalAmount.Neg())
		}
		return totals.send(ctx, tx)
	})
	return lines, pg.Fail("fature: void", err, nil)
}

// Adjust gives an affiliate money by hand, or takes it: a line of the kind
// adjustment with the reason on it, available at once. With a key it is posted
// once, and a repetition returns the first. Errors: InvalidError by field;
// commission.ErrKeyConflict.
func (p *Program) Adjust(ctx context.Context, c commission.Correction) (commission.Commission, error) {
	line, err := p.adjust(ctx, c)
	return line, pg.Fail("fature: adjust", err, nil)
}

func (p *Program) adjust(ctx context.Context, c commission.Correction) (line commission.Commission, err error) {
	currency, err := p.fixedCurrency(ctx)
	if err != nil {
		return line, err
	}
	if err := c.Validate(currency); err != nil {
		return line, err
	}
	if _, err := p.Affiliates.Get(ctx, c.AffiliateID); err != nil {
		return line, fault.In("affiliate_id", err)
	}
	now := p.instant()
	if err := p.readyMonths(ctx, []time.Time{partition.Of(now)}); err != nil {
		return line, err
	}
	err = pg.InTx(ctx, p.db, func(tx pg.DB) error {
		var posted bool
		if line, posted, err = commission.Correct(ctx, tx, c, currency, now); err != nil || !posted {
			return err
		}
		totals := deltas{}
		totals.earn(line.AffiliateID, line.FinalAmount)
		return totals.send(ctx, tx)
	})
	return line, err
}

func (d deltas) send(ctx context.Context, tx pg.DB) error {
	d.tell(tx)
	var b pgx.Batch
	d.queue(&b)
	return pg.Send(ctx, tx, &b)
}
