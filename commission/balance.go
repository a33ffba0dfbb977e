package commission

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/cache"
	"github.com/fature/fature/internal/partition"
	"github.com/fature/fature/internal/pg"
)

// approveLot is how many lines one transaction approves.
const approveLot = 10_000

// Approve makes the lines approved whose hold is over at a time, inclusive, and
// tells how many. Program.Run does it each minute, and a payout run before it
// pays. It works in lots, each in a short transaction of its own; any number of
// processes may do it at once, and take turns with payout runs.
func (s *Store) Approve(ctx context.Context, now time.Time) (int64, error) {
	approved, err := approve(ctx, s.db, now)
	return approved, fail("approve", err)
}

func approve(ctx context.Context, db pg.DB, now time.Time) (approved int64, err error) {
	months, err := partition.List(ctx, db, "commissions")
	for i := 0; i < len(months) && err == nil; i++ {
		var n int64
		n, err = approveMonth(ctx, db, now, months[i])
		approved += n
	}
	return approved, err
}

func approveMonth(ctx context.Context, db pg.DB, now, month time.Time) (approved int64, err error) {
	for n := int64(approveLot); n == approveLot; approved += n {
		err := pg.InTx(ctx, db, func(tx pg.DB) error {
			var affiliates []uuid.UUID // one for each line
			var b pgx.Batch
			b.Queue(lockRuns, pg.Schema(tx))
			pg.QueueColumn(&b, &affiliates, approveLines, now, month, month.UTC().AddDate(0, 1, 0), approveLot)
			err := pg.Send(ctx, tx, &b)
			n = int64(len(affiliates))
			slices.SortFunc(affiliates, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
			pg.Changed(tx, BalanceChanged, slices.Compact(affiliates)...)
			return err
		})
		if err != nil {
			return approved, err
		}
	}
	return approved, nil
}

// Balance is where the money of an affiliate stands. Void lines are nowhere.
type Balance struct {
	AffiliateID uuid.UUID       `db:"affiliate_id"`
	Pending     decimal.Decimal `db:"pending"`   // on hold
	Available   decimal.Decimal `db:"available"` // for the next payout; below zero is a debt
	InPayout    decimal.Decimal `db:"in_payout"` // in payouts that are not paid yet
	Paid        decimal.Decimal `db:"paid"`
	Currency    string          `db:"currency"` // empty while the programme has none
}

// BalanceChanged is the topic of affiliates whose balance a transaction has
// changed.
const BalanceChanged = "balance"

// Balance is an affiliate's, or affiliate.ErrNotFound.
func (s *Store) Balance(ctx context.Context, affiliateID uuid.UUID) (Balance, error) {
	all, err := s.Balances(ctx, affiliateID)
	if err != nil {
		return Balance{}, err
	}
	b, ok := all[affiliateID]
	if !ok {
		return b, fail("balance", affiliate.ErrNotFound)
	}
	return b, nil
}

// Balances are those of many affiliates, by one query; unknown ones are left
// out.
func (s *Store) Balances(ctx context.Context, affiliates ...uuid.UUID) (map[uuid.UUID]Balance, error) {
	list, err := pg.All[Balance](ctx, s.db, selectBalances, affiliates)
	all := make(map[uuid.UUID]Balance, len(list))
	for _, b := range list {
		all[b.AffiliateID] = b
	}
	return all, fail("balances", err)
}

func (s *Store) balancesOf(ctx context.Context, affiliates []uuid.UUID) (map[uuid.UUID]Balance, error) {
	return s.Balances(ctx, affiliates...)
}

// CachedBalance is Balance for a page that is looked at: as of a while ago,
// which it tells, and from memory where that has it. Nothing is paid by it.
func (s *Store) CachedBalance(ctx context.Context, affiliateID uuid.UUID) (cache.Value[Balance], error) {
	return s.balances.Read(ctx, affiliateID)
}

// ForgetBalances makes the next CachedBalance of affiliates read anew. The
// programme does it by itself after what it commits.
func (s *Store) ForgetBalances(ctx context.Context, affiliates ...uuid.UUID) error {
	return fail("forget balances", s.balances.Delete(ctx, affiliates...))
}
