package commission

import (
	"errors"
	"fmt"
	"slices"

	"github.com/shopspring/decimal"

	"github.com/fature/fature/transaction"
)

// Footing is how a statement comes about: from what was played, through what
// was carried, to what is paid and what is carried on. Amounts are in the
// plan's currency; only Commission and what follows from it is rounded, once.
type Footing struct {
	Period string `json:"period"`          // 2025-06
	Split  string `json:"split,omitempty"` // the value of the rule's split_by
	Parts  []Part `json:"parts"`           // by version, in the order in which they came into force

	Carry      Carry           `json:"carry"`
	CarryCap   decimal.Decimal `json:"carry_cap,omitzero"`
	Opening    decimal.Decimal `json:"opening,omitzero"`     // zero or a loss
	OpeningOf  Carry           `json:"opening_of,omitempty"` // what it is a loss of: the base, or the commission
	Commission decimal.Decimal `json:"commission"`           // as rated, before carry of commission and recoup

	Recoup     []string        `json:"recoup,omitempty"`
	Unrecouped decimal.Decimal `json:"unrecouped,omitzero"` // of earlier advances
	Advance    decimal.Decimal `json:"advance,omitzero"`    // in this period

	Payable decimal.Decimal `json:"payable"` // before caps
	Closing decimal.Decimal `json:"closing,omitzero"`
	Rest    decimal.Decimal `json:"rest,omitzero"` // of advances, still to be earned
}

// Part is what one version of the plan rates.
type Part struct {
	Version int             `json:"version"`
	Items   []Item          `json:"items,omitempty"`
	Aside   decimal.Decimal `json:"aside,omitzero"`   // what a high-roller policy keeps out of the base, or brings back
	Opening decimal.Decimal `json:"opening,omitzero"` // of the base
	Base    decimal.Decimal `json:"base"`
	Active  int             `json:"active,omitempty"` // customers, where a step asks for them

	Kind      string          `json:"kind"` // "percent", "flat" or "tiers"
	Rate      decimal.Decimal `json:"rate"`
	Tiers     *TierSum        `json:"tiers,omitempty"`
	Unrounded decimal.Decimal `json:"unrounded"`
}

// Item is what one type of transaction came to.
type Item struct {
	Type   transaction.Type `json:"type"`
	Late   string           `json:"late,omitempty"` // the closed period that it is late for
	Minus  bool             `json:"minus,omitempty"`
	Amount decimal.Decimal  `json:"amount"` // what was taken back is taken off
}

func (it *Item) signed() decimal.Decimal {
	if it.Minus {
		return it.Amount.Neg()
	}
	return it.Amount
}

// Base is that of the period, without the opening.
func (f *Footing) Base() decimal.Decimal { return f.rated().Sub(f.joined()) }

// rated is the base with the opening, where that is one of the base.
func (f *Footing) rated() decimal.Decimal {
	return f.sum(func(p *Part) decimal.Decimal { return p.Base })
}

// joined is the opening that joined the base.
func (f *Footing) joined() decimal.Decimal {
	return f.sum(func(p *Part) decimal.Decimal { return p.Opening })
}

// unrounded is what the versions pay together.
func (f *Footing) unrounded() decimal.Decimal {
	if f.lost() {
		return decimal.Zero
	}
	return f.sum(func(p *Part) decimal.Decimal { return p.Unrounded })
}

func (f *Footing) sum(of func(*Part) decimal.Decimal) decimal.Decimal {
	sum := decimal.Zero
	for i := range f.Parts {
		sum = sum.Add(of(&f.Parts[i]))
	}
	return sum
}

// lost tells that the base is carried on and nothing of it rated.
func (f *Footing) lost() bool { return f.Carry == CarryBase && !f.rated().IsPositive() }

// rate is that of the last version.
func (f *Footing) rate() decimal.Decimal { return f.Parts[len(f.Parts)-1].Rate }

// settle makes Commission, and what follows, of what stands before it.
func (f *Footing) settle(rounding Rounding, digits int32) {
	f.Commission = rounding.Round(f.unrounded(), digits)
	result := f.result()
	switch {
	case f.lost():
		f.Closing = f.capped(f.rated())
	case f.Carry == CarryCommission && result.IsNegative():
		f.Closing = f.capped(result)
	default:
		f.Closing = decimal.Zero
	}
	f.Payable, f.Rest = decimal.Max(result, decimal.Zero), f.Unrecouped
	if len(f.Recoup) > 0 {
		due := f.due()
		f.Rest = decimal.Max(decimal.Zero, due.Sub(f.Payable))
		f.Payable = decimal.Max(decimal.Zero, f.Payable.Sub(due))
	}
}

// result is the commission, with a loss that is carried of it.
func (f *Footing) result() decimal.Decimal {
	if f.OpeningOf == CarryCommission {
		return f.Commission.Add(f.Opening)
	}
	return f.Commission
}

// capped is the part of a loss that is carried on.
func (f *Footing) capped(loss decimal.Decimal) decimal.Decimal {
	if f.CarryCap.IsZero() {
		return loss
	}
	return decimal.Max(loss, f.CarryCap.Neg())
}

// foot makes the Base and Unrounded of a part of what stands before them.
func (p *Part) foot() {
	p.Base = p.sum()
	p.Unrounded = p.due(p.Base)
}

// sum is what the items, what is aside, and the opening come to.
func (p *Part) sum() decimal.Decimal {
	sum := p.Aside.Add(p.Opening)
	for i := range p.Items {
		sum = sum.Add(p.Items[i].signed())
	}
	return sum
}

// due is what the version pays for a base.
func (p *Part) due(base decimal.Decimal) decimal.Decimal {
	switch {
	case p.Kind == kindTiers:
		return p.Tiers.due()
	case p.Kind == kindPercent:
		return base.Mul(p.Rate.Shift(-2))
	case base.IsPositive():
		return p.Rate
	}
	return decimal.Zero
}

// check evaluates the footing again from its inputs. The error names the first
// figure that does not follow.
func (f *Footing) check(rounding Rounding, digits int32) error {
	if err := f.checkInputs(); err != nil {
		return err
	}
	for i := range f.Parts {
		if err := f.Parts[i].check(); err != nil {
			return fmt.Errorf("version %d: %w", f.Parts[i].Version, err)
		}
	}
	again := *f
	again.settle(rounding, digits)
	return errors.Join(
		follows("the commission", f.Commission, again.Commission), follows("payable", f.Payable, again.Payable),
		follows("the closing", f.Closing, again.Closing), follows("the unrecouped rest", f.Rest, again.Rest),
		follows("the opening of the base", f.ofBase(), f.joined()))
}

// checkInputs refuses what no settlement could have begun with.
func (f *Footing) checkInputs() error {
	opens := f.OpeningOf == CarryBase || f.OpeningOf == CarryCommission
	switch {
	case f.bomb():
		return errRange
	case len(f.Parts) == 0:
		return errors.New("the statement has no part")
	case f.Carry != CarryNone && f.Carry != CarryBase && f.Carry != CarryCommission:
		return fmt.Errorf("%.40q is not a carry", string(f.Carry))
	case f.Opening.IsPositive() || f.Opening.IsNegative() != opens || f.OpeningOf != "" && !opens:
		return fmt.Errorf("an opening of %s is not a loss of the %.40q", f.Opening, string(f.OpeningOf))
	case f.CarryCap.IsNegative() || f.Unrecouped.IsNegative():
		return errors.New("carry_cap or unrecouped is below zero")
	case len(f.Recoup) == 0 && !f.Advance.IsZero():
		return errors.New("there is an advance, but nothing to recoup")
	}
	return nil
}

// ofBase is the opening, where it is one of the base.
func (f *Footing) ofBase() decimal.Decimal {
	if f.OpeningOf == CarryBase {
		return f.Opening
	}
	return decimal.Zero
}

func follows(what string, stored, again decimal.Decimal) error {
	if stored.Equal(again) {
		return nil
	}
	return fmt.Errorf("%s is %s, but comes to %s", what, stored, again)
}

// check refuses a part that no version could have rated.
func (p *Part) check() error {
	if err := follows("the base", p.Base, p.sum()); err != nil {
		return err
	}
	switch p.Kind {
	case kindPercent, kindFlat:
	case kindTiers:
		if err := p.Tiers.check(p.Rate); err != nil {
			return err
		}
		if err := follows("the sum of the tiers", p.Tiers.Sum, p.Base); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%.40q is not a kind of pay", p.Kind)
	}
	return follows("unrounded", p.Unrounded, p.due(p.Base))
}

// bomb tells whether a number in it would make arithmetic slow.
func (f *Footing) bomb() bool {
	return anyBomb(f.CarryCap, f.Opening, f.Commission, f.Unrecouped, f.Advance, f.Payable, f.Closing, f.Rest) ||
		slices.ContainsFunc(f.Parts, func(p Part) bool {
			return anyBomb(p.Aside, p.Opening, p.Base, p.Rate, p.Unrounded) || p.Tiers.bomb() ||
				slices.ContainsFunc(p.Items, func(it Item) bool { return anyBomb(it.Amount) })
		})
}
