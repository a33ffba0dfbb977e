package fature

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/partition"
	"github.com/fature/fature/internal/pg"
)

// ClosedPlan is what closing a period comes to for one plan.
type ClosedPlan struct {
	Plan     string
	From, To time.Time
	commission.Sums
}

// Progress is told how many affiliates of how many are done.
type Progress func(done, total int)

// lotSize is how many affiliates one transaction of a close settles, but in
// tests.
const lotSize = 2_000

// ClosePeriod closes a period for all plans that pay by it: 2025-06, 2025-W23
// (from Monday) or 2025-06-14, in each plan's zone. Every affiliate with
// transactions that a rule counts gets a statement, and it and its upline the
// lines that the statement pays. Later transactions of the period are late:
// they count in the next one, and its statements name the old one.
//
// It works in lots, each in a transaction of its own, so it must be on the
// pool. What is done is done: after an error or a kill the same call goes on,
// two processes share the work, and a period that is closed already returns
// its sums and writes nothing. It waits for recordings that had begun before
// it, and makes none wait. progress may be nil.
//
// Errors: InvalidError of "period"; commission.ErrPeriodNotOver;
// commission.ErrPeriodOpen, which names the period that comes first;
// commission.ErrPeriodPassed.
func (p *Program) ClosePeriod(ctx context.Context, period string, progress Progress) ([]ClosedPlan, error) {
	closed, err := p.closePeriod(ctx, period, progress)
	return closed, pg.Fail("fature: close", err, nil)
}

func (p *Program) closePeriod(ctx context.Context, period string, progress Progress) ([]ClosedPlan, error) {
	due, err := p.due(ctx, period)
	if err != nil {
		return nil, err
	}
	for _, d := range due {
		if d.To.After(p.now()) {
			return nil, errors.Join(commission.ErrPeriodNotOver,
				fault.Field("period", "%s of plan %s ends at %s", d.Name, d.Plan, d.To.Format(time.RFC3339)))
		}
	}
	var closed []ClosedPlan
	for _, d := range due {
		sums, err := p.closePlan(ctx, d, progress)
		if err != nil {
			return closed, err
		}
		closed = append(closed, ClosedPlan{d.Plan, d.From, d.To, sums})
	}
	return closed, nil
}

// due are the plans that pay by a period.
func (p *Program) due(ctx context.Context, period string) ([]commission.Due, error) {
	if pg.Inside(p.db) {
		return nil, fault.Field("", "a period needs transactions of its own, outside the host's")
	}
	due, err := p.Plans.Due(ctx, period)
	if err == nil && len(due) == 0 {
		err = fault.Field("period", "no plan in force pays by %s", period)
	}
	return due, err
}

func (p *Program) closePlan(ctx context.Context, d commission.Due, progress Progress) (commission.Sums, error) {
	c, err := p.openClosing(ctx, d)
	if err != nil {
		return commission.Sums{}, err
	}
	if c.ClosedAt == nil {
		if err := p.readyMonths(ctx, []time.Time{partition.Of(c.To)}); err != nil {
			return commission.Sums{}, err
		}
		if err := p.settleAll(ctx, d, c, progress); err != nil {
			return commission.Sums{}, err
		}
	}
	return commission.SumClosing(ctx, p.db, c)
}

// openClosing begins a close, or finds it.
func (p *Program) openClosing(ctx context.Context, d commission.Due) (commission.Closing, error) {
	found, last, err := commission.FindClosing(ctx, p.db, d)
	if err != nil {
		return commission.Closing{}, err
	}
	if found != nil {
		return *found, nil
	}
	// Refuses at once, before it waits for anybody.
	if _, err := d.Follow(last, 0, p.instant()); err != nil {
		return commission.Closing{}, err
	}
	seq, err := p.settled(ctx, p.db)
	if err != nil {
		return commission.Closing{}, err
	}
	c, err := d.Follow(last, seq, p.instant())
	if err != nil {
		return c, err
	}
	if err := d.Look(ctx, p.db, &c, last == nil); err != nil {
		return c, err
	}
	err = pg.InTx(ctx, p.db, func(tx pg.DB) error {
		c, err = commission.InsertClosing(ctx, tx, c)
		return err
	})
	return c, err
}

func (p *Program) settleAll(ctx context.Context, d commission.Due, c commission.Closing, progress Progress) error {
	total, err := p.affiliates(ctx, uuid.Nil, uuid.Max)
	if err != nil {
		return err
	}
	t := tally{Progress: progress, total: total}
	for {
		var before uuid.UUID
		var lot commission.Lot
		err := pg.InTx(ctx, p.db, func(tx pg.DB) (err error) {
			before, lot, err = p.settleLot(ctx, tx, d, c)
			return err
		})
		if err == nil && progress != nil {
			err = p.tell(ctx, &t, before, lot)
		}
		if err != nil || lot.Count == 0 {
			return err
		}
	}
}

// settleLot settles the next affiliates, those after before. A lot of none is
// none left, and the close is done.
func (p *Program) settleLot(ctx context.Context, tx pg.DB, d commission.Due, c commission.Closing) (before uuid.UUID, lot commission.Lot, err error) {
	// Whoever else closes the period waits here, and goes on after this lot.
	c, err = commission.LockClosing(ctx, tx, c.ID)
	if err != nil || c.ClosedAt != nil {
		return c.DoneTo, lot, err
	}
	now := p.instant()
	lot, err = d.SettleLot(ctx, tx, c, p.lot, nil, now)
	switch {
	case err != nil:
		return c.DoneTo, lot, err
	case lot.Count == 0:
		return c.DoneTo, lot, commission.FinishClosing(ctx, tx, c.ID, now)
	}
	if err := commission.StoreLot(ctx, tx, c, lot); err != nil {
		return c.DoneTo, lot, err
	}
	totals := deltas{}
	for i := range lot.Settled {
		for _, l := range lot.Settled[i].Lines {
			totals.earn(l.AffiliateID, l.FinalAmount)
		}
	}
	totals.tell(tx)
	if len(totals) > 0 {
		err = totals.copy(ctx, tx)
	}
	return c.DoneTo, lot, err
}

// tally is how far a close is, with what others have done of it.
type tally struct {
	Progress
	done, total int
	upTo        uuid.UUID
}

// tell tells of a lot. What lies between the lot before and this one was done
// by others, or by an earlier call.
func (p *Program) tell(ctx context.Context, t *tally, before uuid.UUID, lot commission.Lot) error {
	if before != t.upTo {
		n, err := p.affiliates(ctx, t.upTo, before)
		if err != nil {
			return err
		}
		t.done += n
	}
	t.done, t.upTo = t.done+lot.Count, lot.UpTo
	t.Progress(min(t.done, t.total), t.total)
	return nil
}

// affiliates counts those after one, up to another.
func (p *Program) affiliates(ctx context.Context, after, upTo uuid.UUID) (n int, err error) {
	return n, p.db.QueryRow(ctx, countAffiliates, after, upTo).Scan(&n)
}

// PreviewPeriod tells what ClosePeriod would come to now, account by account in
// its order, and writes nothing. The period need not be over. each may be nil;
// its error ends the preview. The errors are those of ClosePeriod, and
// commission.ErrPeriodClosed.
func (p *Program) PreviewPeriod(ctx context.Context, period string, each func(commission.Settled) error) ([]ClosedPlan, error) {
	previewed, err := p.previewPeriod(ctx, period, each)
	return previewed, pg.Fail("fature: preview", err, nil)
}

func (p *Program) previewPeriod(ctx context.Context, period string, each func(commission.Settled) error) ([]ClosedPlan, error) {
	due, err := p.due(ctx, period)
	if err != nil {
		return nil, err
	}
	var previewed []ClosedPlan
	err = p.snapshot(ctx, func(db pg.DB) error {
		for _, d := range due {
			sums, err := p.previewPlan(ctx, db, d, each)
			if err != nil {
				return err
			}
			previewed = append(previewed, ClosedPlan{d.Plan, d.From, d.To, sums})
		}
		return nil
	})
	return previewed, err
}

func (p *Program) previewPlan(ctx context.Context, db pg.DB, d commission.Due, each func(commission.Settled) error) (sums commission.Sums, err error) {
	found, last, err := commission.FindClosing(ctx, db, d)
	if err != nil {
		return sums, err
	}
	if found != nil {
		return sums, errors.Join(commission.ErrPeriodClosed, fault.Field("period", "%s of plan %s is closed, or being closed", d.Name, d.Plan))
	}
	c, err := d.Follow(last, math.MaxInt64, p.instant())
	if err != nil {
		return sums, err
	}
	if err := d.Look(ctx, db, &c, last == nil); err != nil {
		return sums, err
	}
	memory := commission.Facts{}
	for {
		lot, err := d.SettleLot(ctx, db, c, p.lot, memory, p.instant())
		if err != nil || lot.Count == 0 {
			return sums, err
		}
		for i := range lot.Settled {
			sums.Add(&lot.Settled[i])
			if each == nil {
				continue
			}
			if err := each(lot.Settled[i]); err != nil {
				return sums, err
			}
		}
		c.DoneTo = lot.UpTo
	}
}

// snapshot reads the database as it is at one moment.
func (p *Program) snapshot(ctx context.Context, read func(db pg.DB) error) error {
	tx, err := p.db.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	db := pg.Bind(p.db, tx)
	// Compiling a query takes longer here than it saves.
	if _, err := db.Exec(ctx, "set transaction isolation level repeatable read, read only; set local jit = off"); err != nil {
		return err
	}
	return read(db)
}
