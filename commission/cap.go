package commission

import (
	"github.com/shopspring/decimal"

	"github.com/fature/fature/internal/money"
)

// cap cuts what the lines pay, as earlier caps have left them. A negative line
// neither takes of a cap nor gives to it.
func (r *rating) cap(c *limit) {
	if c.per == PerTransaction {
		r.scale(c)
	} else {
		r.cut(c)
	}
}

// scale brings the lines of the event down to a cap, pro rata, by largest
// remainder.
func (r *rating) scale(c *limit) {
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
		if !r.lines[i].Final.IsPositive() {
			continue
		}
		r.lines[i].take(CapStep{Per: c.per, Max: most, Lines: before, Line: next, Share: shares[next]})
		next++
	}
}

// cut takes off each line what its affiliate's or customer's cap has no room
// for.
func (r *rating) cut(c *limit) {
	all, ok := r.capNeed(c)
	if !ok {
		return
	}
	taken := map[Need]decimal.Decimal{}
	for i := range r.lines {
		line := &r.lines[i]
		if !line.Final.IsPositive() {
			continue
		}
		need := all.of(line.AffiliateID)
		used := r.counter(need).Total.Add(taken[need])
		step := CapStep{Per: c.per, Bucket: need.Bucket, Max: c.max, Used: used}
		if step.Share = step.room(line.Final); step.Share.LessThan(line.Final) {
			line.take(step)
		}
		taken[need] = taken[need].Add(line.Final)
	}
}

// room is what is left of the cap for an amount, at least zero.
func (s *CapStep) room(amount decimal.Decimal) decimal.Decimal {
	return decimal.Max(decimal.Zero, decimal.Min(amount, s.Max.Sub(s.Used)))
}

func (l *Line) take(s CapStep) {
	l.Final = s.Share
	l.Calculation.Caps = append(l.Calculation.Caps, s)
}

// fill counts what the lines pay in the end against the caps: what one cap let
// through and a later one cut is given back.
func (r *rating) fill() {
	for i := range r.Plan.caps {
		all, ok := r.capNeed(&r.Plan.caps[i])
		if !ok || r.Plan.caps[i].again {
			continue
		}
		for j := range r.lines {
			if line := &r.lines[j]; line.Final.IsPositive() {
				r.add(all.of(line.AffiliateID), line.Final)
			}
		}
	}
}
