package click

import (
	"cmp"
	"time"

	"github.com/google/uuid"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/fault"
)

// DefaultWindow is how long a click attributes where the policy does not say.
const DefaultWindow = 30 * 24 * time.Hour

const maxWindow = 2 * 366 * 24 * time.Hour

// Policy says whose an occasion is: a signup, or an event. The order is
//
//	an affiliate that the host gives, a coupon, a click, the customer's owner, a link's code
//
// of which the first that there is wins. Its zero value is the last click of 30
// days, before the owner, who stays the owner.
type Policy struct {
	// Model is which of a visitor's clicks counts. Defaults to LastClick.
	Model Model
	// Window is how long a click counts: at its own moment and after it, and no
	// more when Window has passed, to the microsecond. Hours are hours, whatever
	// the clocks do. Defaults to 30 days, at most two years.
	Window time.Duration
	// Lifetime is what the customer's owner keeps. Defaults to Yields.
	Lifetime Lifetime
}

// Model is which of a visitor's clicks within the window counts.
type Model string

// The models. Of two clicks in one microsecond the one written first is the
// first.
const (
	LastClick  Model = "last-click"
	FirstClick Model = "first-click"
)

// Lifetime is what becomes of the binding of a customer to its owner where a
// coupon or a click leads to another affiliate.
type Lifetime string

const (
	// Yields lets a coupon and a click have the occasion. The customer stays its
	// owner's, who has the next one that comes without either.
	Yields Lifetime = "yields"
	// Holds lets the owner go before a click. A coupon, which the customer
	// itself gave, still has the occasion.
	Holds Lifetime = "holds"
	// Moves is Yields where the coupon's or click's affiliate also becomes the
	// owner from then on, unless the customer changed owner later.
	Moves Lifetime = "moves"
)

// Validate tells every problem of the policy.
func (p Policy) Validate() error {
	var c fault.Check
	switch p.Model {
	case "", LastClick, FirstClick:
	default:
		c.That(false, "model", "%.40q is not last-click or first-click", string(p.Model))
	}
	switch p.Lifetime {
	case "", Yields, Holds, Moves:
	default:
		c.That(false, "lifetime", "%.40q is not yields, holds or moves", string(p.Lifetime))
	}
	c.That(p.Window >= 0 && p.Window <= maxWindow && p.Window%time.Microsecond == 0, "window",
		"is negative, longer than two years, or not whole microseconds")
	return c.Done()
}

func (p Policy) window() time.Duration { return cmp.Or(p.Window, DefaultWindow) }

// By is what an occasion was credited by.
type By string

// What there is to be credited by; empty is nothing, for nobody.
const (
	ByGiven    By = "affiliate"
	ByCoupon   By = "coupon"
	ByClick    By = "click"
	ByLifetime By = "lifetime"
	ByCode     By = "code"
)

// Candidates are whom an occasion may be credited to; zero is nobody.
type Candidates struct {
	Given  uuid.UUID // by the host
	Coupon uuid.UUID // whom the coupon leads to
	Click  uuid.UUID // whom the visitor's click led to
	Owner  uuid.UUID // whose the customer is
	Code   uuid.UUID // whom a link's code, given without a click, leads to
}

// Claim is one candidate's.
type Claim struct {
	By          By
	AffiliateID uuid.UUID
}

// Binds tells whether a customer becomes the winner's at a time, of the owners
// that it has had, in order: where it is nobody's then, or where the policy moves
// it.
func (p Policy) Binds(won Claim, owners []affiliate.Owner, at time.Time) bool {
	owner, owned := affiliate.OwnerAt(owners, at)
	switch {
	case won.AffiliateID == uuid.Nil:
		return false
	case !owned:
		return true
	}
	return p.Lifetime == Moves && (won.By == ByCoupon || won.By == ByClick) && *owner.AffiliateID != won.AffiliateID &&
		owners[len(owners)-1].From.Before(at)
}

// Credit finds who wins, and the claims that lost to it, in their order.
func (p Policy) Credit(c Candidates) (won Claim, lost []Claim) {
	order := [...]Claim{{ByGiven, c.Given}, {ByCoupon, c.Coupon}, {ByClick, c.Click}, {ByLifetime, c.Owner}, {ByCode, c.Code}}
	if p.Lifetime == Holds {
		order[2], order[3] = order[3], order[2]
	}
	for _, claim := range order {
		switch {
		case claim.AffiliateID == uuid.Nil:
		case won.AffiliateID == uuid.Nil:
			won = claim
		default:
			lost = append(lost, claim)
		}
	}
	return won, lost
}
