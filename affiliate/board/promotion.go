package board

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/period"
)

// Policy says from which volume on an affiliate is of a higher category; its
// zero value promotes nobody.
type Policy struct {
	// Premium and VIP are the volumes, inclusive, in the programme's currency;
	// zero is none.
	Premium, VIP decimal.Decimal
	// Over is the period in which the volume is reached: Day, Week or Month, the
	// present one or the one before, whichever has more. So who reaches it in
	// June has it at once, and with Downgrade until the end of July at least.
	// Defaults to All.
	Over Period
	// Downgrade takes back what a promotion gave, once its volume is no longer
	// reached. What somebody gave by hand stays.
	Downgrade bool
}

// Validate tells every problem of the policy at once.
func (p Policy) Validate() error {
	var c fault.Check
	c.That(p.Over == "" || p.Over.Valid(), "over", "%.40q is not day, week, month or all", string(p.Over))
	c.Err("", affiliate.Promotion{Premium: p.Premium, VIP: p.VIP}.Validate())
	return c.Done()
}

// Promotions brings affiliates to the category of their volume.
type Promotions struct {
	affiliates *affiliate.Store
	policy     Policy
	zone       *time.Location
	now        func() time.Time
}

// NewPromotions makes the promotions of a programme by a valid policy. Of the
// options it takes the zone and the clock.
func NewPromotions(affiliates *affiliate.Store, p Policy, o Options) *Promotions {
	return &Promotions{affiliates, p, o.zone(), o.clock()}
}

// WithTx returns promotions that work inside tx.
func (s *Promotions) WithTx(tx pgx.Tx) *Promotions {
	c := *s
	c.affiliates = s.affiliates.WithTx(tx)
	return &c
}

// As returns promotions for a viewer: an admin makes them.
func (s *Promotions) As(v affiliate.Viewer) *Promotions {
	c := *s
	c.affiliates = s.affiliates.As(v)
	return &c
}

// Promote changes the category of every active affiliate that the policy has in
// another, in one statement, and tells whose: affiliate.Store.Promote says how.
// Two at once change an affiliate once.
func (s *Promotions) Promote(ctx context.Context) ([]affiliate.Promoted, error) {
	p := affiliate.Promotion{Premium: s.policy.Premium, VIP: s.policy.VIP, Downgrade: s.policy.Downgrade}
	if p.Premium.IsZero() && p.VIP.IsZero() {
		return nil, nil
	}
	if over := s.policy.Over; over != "" && over != All {
		from, to := over.Bounds(s.now(), s.zone)
		before, _ := period.Before(period.Unit(over), from, s.zone)
		p.Within = []affiliate.Window{{From: before, To: from}, {From: from, To: to}}
	}
	changed, err := s.affiliates.Promote(ctx, p)
	return changed, fail("promote", err)
}
