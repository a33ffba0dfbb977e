package commission

import (
	"github.com/shopspring/decimal"

	"github.com/fature/fature/internal/money"
)

// cap scales the lines of the event down to a cap, pro rata by what earlier
// caps have left of them, by largest remainder.
func (r *rating) cap(c limit) {
	most := c.max
	if most.IsZero() {
		most = r.Plan.rounding.Round(r.Event.Amount.Mul(c.fraction), r.Plan.digits)
	}
	before := make([]decimal.Decimal, 0, len(r.lines))
	sum := decimal.Zero
	for i := range r.lines {
		if final := r.lines[i].Final; final.IsPositive() {
			before, sum = append(before, final), sum.Add(final)
		}
	}
	if sum.LessThanOrEqual(most) {
		return
	}
	shares := money.Allocate(most, before, r.Plan.digits)
	next := 0
	for i := range r.lines {
		line := &r.lines[i]
		if !line.Final.IsPositive() {
			continue
		}
		line.Final = shares[next]
		line.Calculation.Caps = append(line.Calculation.Caps,
			CapStep{Max: most, Lines: before, Line: next, Share: shares[next]})
		next++
	}
}
