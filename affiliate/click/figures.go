package click

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// Figure is what one referral code did in a period under one sub-id.
type Figure struct {
	Code  string             `db:"code"` // as it is spelled now
	Kind  affiliate.CodeKind `db:"kind"`
	SubID string             `db:"sub_id"`

	Clicks     int64 `db:"clicks"`   // that count
	Visitors   int64 `db:"visitors"` // different ones, of those clicks
	Bots       int64 `db:"bots"`
	Duplicates int64 `db:"duplicates"`
	Customers  int64 `db:"customers"` // that became the affiliate's by it
}

// RatePlaces are the decimals of Figure.Rate.
const RatePlaces = 4

// Rate is customers for each click that counts: 0.0125 is one of eighty. It is
// rounded half up to four decimals, is 0 without clicks, and can be above 1,
// since a coupon needs no click.
func (f Figure) Rate() decimal.Decimal {
	if f.Clicks == 0 {
		return decimal.Zero
	}
	return decimal.NewFromInt(f.Customers).DivRound(decimal.NewFromInt(f.Clicks), RatePlaces)
}

// Figures are those of an affiliate's codes, retired ones and coupons included,
// from a time to before another, by code and sub-id. They are exact and of now:
// one query counts the clicks themselves by the index of their code, since how
// many different visitors there were cannot be had from the sums of days. What a
// Recorder has queued is not among them. Errors: InvalidError by field.
func (s *Store) Figures(ctx context.Context, affiliateID uuid.UUID, from, to time.Time) ([]Figure, error) {
	var c fault.Check
	c.That(from.Before(to), "to", "is not after from")
	c.That(from.Year() >= 1 && to.Year() < 10_000, "from", "or to is not between the years 1 and 9999")
	if err := c.Done(); err != nil {
		return nil, fail("figures", err)
	}
	figures, err := pg.All[Figure](ctx, s.db, selectFigures, affiliateID, from.UTC(), to.UTC())
	return figures, fail("figures", err)
}
