package commission

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/money"
	"github.com/fature/fature/internal/pg"
)

// PayoutRun says what a run pays; its zero value is all that is available.
type PayoutRun struct {
	// Minimum is the least that an affiliate is paid, inclusive. What comes to
	// less rolls over to the next run.
	Minimum decimal.Decimal
	// UpTo leaves lines out that became available after it. Defaults to now, and
	// is never later.
	UpTo time.Time
	// Progress is told after each lot how many affiliates were looked at.
	Progress func(done int)
}

// PayoutRunResult is what a run has made.
type PayoutRunResult struct {
	RunID      uuid.UUID
	Payouts    int
	Total      decimal.Decimal
	RolledOver int // active affiliates whose lines come to too little, or to a debt
}

// What a lot takes at most. The lines of one affiliate are never divided.
const (
	lotAffiliates = 500
	lotLines      = 20_000
)

// Run makes one payout of all available lines of each active affiliate, where
// they come to the minimum. It approves the lines first whose hold is over. A
// negative sum is a debt, which a later run nets. What is taken back of a line
// in a payout comes off the next one.
//
// It works through the affiliates in lots, each in a transaction of its own
// with the lines of its payouts. One that ends early, by an error or a context,
// keeps what it has made, which its result tells, and the next run makes the
// rest. Runs at once alternate by lots; in the host's transaction the others
// wait until that ends. Errors: InvalidError by field.
func (s *Payouts) Run(ctx context.Context, r PayoutRun) (PayoutRunResult, error) {
	result := PayoutRunResult{RunID: pg.NewID()}
	now := s.instant()
	if r.UpTo.IsZero() || r.UpTo.After(now) {
		r.UpTo = now
	}
	err := r.check()
	if err == nil {
		_, err = approve(ctx, s.db, now)
	}
	done := 0
	for l := (payoutLot{more: true}); err == nil && l.more; {
		if l, err = s.runLot(ctx, r, result.RunID, l.last); err != nil {
			break
		}
		result.Payouts, result.Total = result.Payouts+l.made, result.Total.Add(l.total)
		result.RolledOver += l.small
		if done += l.seen; r.Progress != nil {
			r.Progress(done)
		}
	}
	return result, fail("run payouts", err)
}

func (r *PayoutRun) check() error {
	var c fault.Check
	c.Err("minimum", money.Check(r.Minimum, 2))
	c.That(money.Bomb(r.Minimum) || !r.Minimum.IsNegative(), "minimum", "is negative")
	c.That(r.UpTo.Year() >= 2000, "up_to", "is before the year 2000")
	return c.Done()
}

// payee is an affiliate with lines to pay.
type payee struct {
	AffiliateID uuid.UUID `db:"affiliate_id"`
	Lines       int64     `db:"lines"`
	Enough      bool      `db:"enough"`
	Active      *bool     `db:"active"` // nil where there is no such affiliate
}

// payoutLot is the work of one transaction of a run.
type payoutLot struct {
	seen  int // affiliates
	made  int // payouts
	small int // active affiliates that are paid nothing
	total decimal.Decimal
	last  uuid.UUID // the affiliate to go on after
	more  bool
}

func (s *Payouts) runLot(ctx context.Context, r PayoutRun, run, after uuid.UUID) (lot payoutLot, err error) {
	err = pg.InTx(ctx, s.db, func(tx pg.DB) error {
		var found []payee
		var b pgx.Batch
		b.Queue(lockRuns, pg.Schema(tx))
		pg.Queue(&b, &found, selectPayees, after, r.UpTo, pg.Numeric(r.Minimum), lotAffiliates)
		if err := pg.Send(ctx, tx, &b); err != nil {
			return err
		}
		var payees []uuid.UUID
		lot, payees = cutLot(found)
		if len(payees) == 0 {
			return nil
		}
		ids := make([]uuid.UUID, len(payees))
		for i := range ids {
			ids[i] = pg.NewID()
		}
		pg.Changed(tx, BalanceChanged, payees...)
		err := tx.QueryRow(ctx, insertPayouts, payees, ids, r.UpTo, pg.Numeric(r.Minimum), run, s.instant()).Scan(&lot.made, &lot.total)
		lot.small += len(payees) - lot.made // what came to less once it was locked
		return err
	})
	return lot, err
}

// cutLot takes as many affiliates as make a lot, and tells who of them is paid.
func cutLot(found []payee) (lot payoutLot, payees []uuid.UUID) {
	lines := int64(0)
	for _, p := range found {
		if lines += p.Lines; lines > lotLines && lot.seen > 0 {
			break
		}
		lot.seen, lot.last = lot.seen+1, p.AffiliateID
		switch {
		case p.Active == nil || !*p.Active:
		case p.Enough:
			payees = append(payees, p.AffiliateID)
		default:
			lot.small++
		}
	}
	lot.more = len(found) == lotAffiliates || lot.seen < len(found)
	return lot, slices.Clip(payees)
}
