package commission

import (
	"errors"
	"fmt"

	"github.com/shopspring/decimal"

	"github.com/fature/fature/affiliate"
)

// differential is the percent of each category.
type differential map[affiliate.Category]decimal.Decimal

func newDifferential(percents map[affiliate.Category]Decimal) differential {
	if percents == nil {
		return nil
	}
	compiled := make(differential, len(percents))
	for category, percent := range percents {
		compiled[category] = percent.value()
	}
	return compiled
}

func (d differential) highest() decimal.Decimal {
	top := decimal.Zero
	for _, percent := range d {
		top = decimal.Max(top, percent)
	}
	return top
}

// Excess is how the rate of a differential comes about.
type Excess struct {
	Percent decimal.Decimal `json:"percent"` // of the receiver's category
	Below   decimal.Decimal `json:"below"`   // the highest under him
}

// differ pays each member of the upline what its percent exceeds the highest
// below it by, until nobody further up can exceed that.
func (r *rating) differ(rule *rule) {
	top := rule.percents.highest()
	below := decimal.Zero
	for place, m := range r.Upline {
		if place > 0 && below.GreaterThanOrEqual(top) {
			return
		}
		percent, listed := rule.percents[m.Category]
		if !listed {
			r.skip(Skip{Rule: rule.id, Level: place, Reason: ReasonCategory})
			continue
		}
		excess := decimal.Max(percent.Sub(below), decimal.Zero)
		term := r.Plan.term(&share{kind: kindDifferential, rate: excess, fraction: excess.Shift(-2)},
			Term{Of: OfAmount, Base: r.Event.Amount, Excess: &Excess{percent, below}})
		claim := claim{rule: rule.id, level: place, place: place, term: term}
		if !m.Active {
			claim.lost = ReasonInactive
		}
		r.post(&claim)
		below = decimal.Max(below, percent)
	}
}

// check refuses a rate that does not follow.
func (e *Excess) check(rate decimal.Decimal) error {
	switch {
	case e == nil:
		return errors.New("the percents are missing")
	case !e.Percent.Sub(e.Below).Equal(rate):
		return fmt.Errorf("the rate is %s, but comes to %s", rate, e.Percent.Sub(e.Below))
	}
	return nil
}
