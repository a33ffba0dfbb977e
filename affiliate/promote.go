package affiliate

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// PromotedBy is who the history and the audit name for a promotion.
const PromotedBy = "fature:promotion"

// Promotion says from which volume on an affiliate is of a higher category.
type Promotion struct {
	// Premium and VIP are the volumes, inclusive, in the programme's currency;
	// zero is none.
	Premium, VIP decimal.Decimal
	// Within are the half-open periods of which an affiliate's best counts. None
	// is its lifetime: the totals as last folded.
	Within []Window
	// Downgrade takes a category back that a promotion gave, once its volume is
	// no longer reached.
	Downgrade bool
}

// Window is a half-open period.
type Window struct{ From, To time.Time }

// Validate tells every problem of the thresholds at once.
func (p Promotion) Validate() error {
	var c fault.Check
	c.That(!p.Premium.IsNegative(), "premium", "is negative")
	c.That(!p.VIP.IsNegative(), "vip", "is negative")
	c.That(p.VIP.IsZero() || p.VIP.GreaterThan(p.Premium), "vip", "is not above premium")
	return c.Done()
}

// Promoted is an affiliate whose category was changed by its volume.
type Promoted struct {
	AffiliateID uuid.UUID       `db:"affiliate_id"`
	From        Category        `db:"from"`
	To          Category        `db:"to"`
	Volume      decimal.Decimal `db:"volume"` // of the best window
}

// Promote brings every active affiliate to the category of its volume, in one
// statement, and tells whose it changed, in the order of their ids. A higher
// category stays; with Downgrade one that a promotion gave goes, down to the
// last that somebody else gave, be it when the affiliate was made. The history
// names PromotedBy. Two at once change an affiliate once. Errors: InvalidError
// by field.
func (s *Store) Promote(ctx context.Context, p Promotion) ([]Promoted, error) {
	if err := p.Validate(); err != nil {
		return nil, fail("promote", err)
	}
	sql, args := promoteLifetime, []any{threshold(p.Premium), threshold(p.VIP), p.Downgrade, PromotedBy}
	if len(p.Within) > 0 {
		var from, to []time.Time
		for _, w := range p.Within {
			from, to = append(from, w.From), append(to, w.To)
		}
		sql, args = promoteWithin, append(args, from, to)
	}
	var changed []Promoted
	err := pg.InTx(pg.WithActor(ctx, pg.Actor{ID: PromotedBy}), s.db, func(tx pg.DB) (err error) {
		changed, err = pg.All[Promoted](ctx, tx, sql, args...)
		return err
	})
	return changed, fail("promote", err)
}

// threshold is NULL, which nothing reaches, where there is none.
func threshold(d decimal.Decimal) *decimal.Decimal {
	if d.IsZero() {
		return nil
	}
	return &d
}
