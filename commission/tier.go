package commission

import (
	"errors"
	"fmt"
	"slices"

	"github.com/shopspring/decimal"
)

// table is Tiers compiled.
type table struct {
	mode  TierMode
	scope Period
	steps []tier
}

type tier struct {
	upTo          decimal.Decimal // zero on the last
	percent, flat decimal.Decimal
	active        int // customers that the step asks for
}

func (t Tiers) compile() *table {
	if !t.given() {
		return nil
	}
	compiled := &table{mode: t.Mode, scope: t.Scope}
	for _, s := range t.Steps {
		compiled.steps = append(compiled.steps, tier{s.UpTo.value(), s.Percent.value(), s.Flat.value(), s.MinActive})
	}
	return compiled
}

// TierSum is what a table makes of a sum: each part at the step that pays it.
type TierSum struct {
	Mode   TierMode        `json:"mode"`
	Bucket string          `json:"bucket"`          // the stretch of time that is summed up, in the plan's zone
	Sum    decimal.Decimal `json:"sum"`             // with this event
	Posted decimal.Decimal `json:"posted"`          // before this event, and before caps
	Parts  []TierPart      `json:"parts,omitempty"` // none of a sum of zero
}

// TierPart is the part of the sum that one step pays.
type TierPart struct {
	From    decimal.Decimal `json:"from"`           // the step begins above it
	UpTo    decimal.Decimal `json:"up_to,omitzero"` // and ends with it; zero is no end
	Amount  decimal.Decimal `json:"amount"`
	Percent decimal.Decimal `json:"percent"`
	Flat    decimal.Decimal `json:"flat,omitzero"`
}

// parts shares a sum out over the steps. A negative one is paid back at the
// first step's percent, without its flat amount.
func (t *table) parts(sum decimal.Decimal) []TierPart {
	if sum.IsZero() {
		return nil
	}
	if sum.IsNegative() {
		return []TierPart{{UpTo: t.steps[0].upTo, Amount: sum, Percent: t.steps[0].percent}}
	}
	var parts []TierPart
	from := decimal.Zero
	for _, s := range t.steps {
		part := TierPart{From: from, UpTo: s.upTo, Percent: s.percent, Flat: s.flat}
		last := s.upTo.IsZero() || sum.LessThanOrEqual(s.upTo)
		switch {
		case t.mode == Slab && last:
			part.Amount = sum
			return []TierPart{part}
		case t.mode == Slab:
		case last:
			part.Amount = sum.Sub(from)
			return append(parts, part)
		default:
			part.Amount = s.upTo.Sub(from)
			parts = append(parts, part)
		}
		from = s.upTo
	}
	return parts
}

// reached is the percent of the step that the sum reaches.
func (t *TierSum) reached() decimal.Decimal {
	if n := len(t.Parts); n > 0 {
		return t.Parts[n-1].Percent
	}
	return decimal.Zero
}

// due is what the parts come to, not rounded.
func (t *TierSum) due() decimal.Decimal {
	due := decimal.Zero
	for _, p := range t.Parts {
		due = due.Add(p.Amount.Mul(p.Percent).Shift(-2)).Add(p.Flat)
	}
	return due
}

// tiered works out what a table adds for the event to what it has posted.
func (r *rating) tiered(rule *rule) Term {
	sum := &TierSum{Mode: rule.tiers.mode, Bucket: r.bucket(rule.tiers.scope), Sum: r.Event.Amount}
	need, counted := r.tierNeed(rule)
	had := r.counter(need)
	if counted {
		sum.Sum, sum.Posted = had.Total.Add(r.Event.Amount), had.Posted
	}
	sum.Parts = rule.tiers.parts(sum.Sum)
	term := Term{Kind: kindTiers, Of: OfAmount, Base: r.Event.Amount, Rate: sum.reached(), Tiers: sum, Unrounded: sum.due()}
	term.Rounded = r.Plan.rounding.Round(term.Unrounded, r.Plan.digits).Sub(sum.Posted)
	if counted {
		had.Total, had.Posted = sum.Sum, had.Posted.Add(term.Rounded)
		r.remember(need, had)
	}
	return term
}

// check refuses parts that no table could have made of the sum, and a rate
// that is not that of the step reached.
func (t *TierSum) check(rate decimal.Decimal) error {
	switch {
	case t == nil:
		return errors.New("the tiers are missing")
	case t.Mode != Slab && t.Mode != Marginal:
		return fmt.Errorf("%.40q is not a mode of tiers", string(t.Mode))
	case t.Mode == Slab && len(t.Parts) > 1:
		return errors.New("a slab has one part")
	}
	rest, from, reached := t.Sum, decimal.Zero, decimal.Zero
	for i, p := range t.Parts {
		if err := t.checkPart(p, from, i == len(t.Parts)-1); err != nil {
			return fmt.Errorf("part %d: %w", i+1, err)
		}
		rest, from, reached = rest.Sub(p.Amount), p.UpTo, p.Percent
	}
	if !rest.IsZero() {
		return fmt.Errorf("the parts leave %s of the sum", rest)
	}
	if !rate.Equal(reached) {
		return fmt.Errorf("the rate is %s, but that of the step reached is %s", rate, reached)
	}
	return nil
}

// checkPart refuses a part that does not begin at from, where the one before
// has ended, or does not fit its step.
func (t *TierSum) checkPart(p TierPart, from decimal.Decimal, last bool) error {
	end := p.Amount
	if t.Mode == Marginal {
		end = p.From.Add(p.Amount)
	}
	switch {
	case !p.UpTo.IsZero() && end.GreaterThan(p.UpTo):
		return errors.New("goes beyond its step")
	case !last && !end.Equal(p.UpTo):
		return errors.New("does not fill its step")
	case t.Mode == Marginal && !p.From.Equal(from):
		return errors.New("does not begin where the one before ends")
	case p.From.IsPositive() && t.Sum.LessThanOrEqual(p.From):
		return errors.New("begins above the sum")
	case !p.Flat.IsZero() && !t.Sum.IsPositive():
		return errors.New("has a flat amount, but the sum is not above zero")
	}
	return nil
}

// bomb tells whether a number in it would make arithmetic slow.
func (t *TierSum) bomb() bool {
	return t != nil && (anyBomb(t.Sum, t.Posted) || slices.ContainsFunc(t.Parts, func(p TierPart) bool {
		return anyBomb(p.From, p.UpTo, p.Amount, p.Percent, p.Flat)
	}))
}
