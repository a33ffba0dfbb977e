package commission

import (
	"fmt"
	"strings"

	"github.com/shopspring/decimal"
)

// settled is what a statement pays, and why that much.
func (c *Calculation) settled() string {
	f := c.Statement
	text := fmt.Sprintf("earns %s for %s", c.money(f.Payable), f.Period)
	if f.Split != "" {
		text += fmt.Sprintf(" (%s)", f.Split)
	}
	text += ": a base of " + c.money(f.Base())
	if loss := f.joined(); !loss.IsZero() {
		text += fmt.Sprintf(", less a loss of %s carried from before,", c.money(loss.Abs()))
	}
	text += fmt.Sprintf(" gives a commission of %s%s", c.money(f.Commission), f.at())
	if f.OpeningOf == CarryCommission {
		text += fmt.Sprintf(", less %s of commission carried from before", c.money(f.Opening.Abs()))
	}
	switch due := f.due(); {
	case due.IsPositive():
		text += fmt.Sprintf(", less %s of advances", c.money(due))
	case due.IsNegative():
		text += fmt.Sprintf(", plus %s of advances that were taken back", c.money(due.Abs()))
	}
	return text
}

// at is the percent that all of the base was rated at, where there is one.
func (f *Footing) at() string {
	if len(f.Parts) != 1 || f.lost() {
		return ""
	}
	p := &f.Parts[0]
	if p.Kind != kindPercent && (p.Tiers == nil || p.Tiers.Mode != Slab || !p.Base.Mul(p.Rate).Equal(p.Unrounded.Shift(2))) {
		return "" // flat amounts, or several percents
	}
	return fmt.Sprintf(" at %s %%", plain(p.Rate))
}

// due is what of advances is to be taken off. It is below zero where more of
// them was taken back than is left to be earned.
func (f *Footing) due() decimal.Decimal {
	if len(f.Recoup) == 0 {
		return decimal.Zero
	}
	return f.Unrecouped.Add(f.Advance)
}

// account is the arithmetic of a statement.
func (c *Calculation) account() []string {
	f := c.Statement
	var steps []string
	for i := range f.Parts {
		steps = append(steps, c.rated(&f.Parts[i]))
	}
	steps = append(steps, c.commission())
	if f.OpeningOf == CarryCommission {
		steps = append(steps, fmt.Sprintf("Less %s of commission carried from before: %s.", c.money(f.Opening.Abs()), c.money(f.result())))
	}
	if !f.due().IsZero() {
		steps = append(steps, c.recouped())
	}
	if !f.Closing.IsZero() {
		steps = append(steps, c.carried())
	}
	return append(steps, fmt.Sprintf("Payable: %s.", c.money(f.Payable)))
}

// rated is the arithmetic of a part: its base, and what its version pays for it.
func (c *Calculation) rated(p *Part) string {
	base := fmt.Sprintf("Base under version %d: %s = %s", p.Version, c.terms(p), c.money(p.Base))
	switch {
	case c.Statement.lost():
		return base + "."
	case p.Kind == kindTiers && p.Tiers != nil:
		return fmt.Sprintf("%s. By %s tiers%s: %s = %s.", base, p.Tiers.Mode, customers(p.Active), c.parts(p.Tiers), plain(p.Unrounded))
	case p.Kind == kindPercent:
		return fmt.Sprintf("%s. %s %% of that = %s.", base, plain(p.Rate), plain(p.Unrounded))
	case p.Base.IsPositive():
		return fmt.Sprintf("%s. A flat amount of %s.", base, c.money(p.Rate))
	}
	return base + ". No flat amount: that is not above zero."
}

// customers tells of the active ones where a step asks for them.
func customers(active int) string {
	switch active {
	case 0:
		return ""
	case 1:
		return " with 1 active customer"
	}
	return fmt.Sprintf(" with %d active customers", active)
}

// terms are what the base of a part is made of, each with its sign.
func (c *Calculation) terms(p *Part) string {
	var b strings.Builder
	add := func(signed decimal.Decimal, what string) {
		switch {
		case signed.IsNegative() && b.Len() == 0:
			b.WriteString("-")
		case signed.IsNegative():
			b.WriteString(" − ")
		case b.Len() > 0:
			b.WriteString(" + ")
		}
		b.WriteString(c.money(signed.Abs()) + " " + what)
	}
	for i := range p.Items {
		add(p.Items[i].signed(), p.Items[i].name())
	}
	switch {
	case p.Aside.IsPositive():
		add(p.Aside, "of high rollers' losses set aside")
	case p.Aside.IsNegative():
		add(p.Aside, "that high rollers have played off")
	}
	if !p.Opening.IsZero() {
		add(p.Opening, "loss carried from before")
	}
	if b.Len() == 0 {
		return "nothing"
	}
	return b.String()
}

// name is what the item is of.
func (it *Item) name() string {
	name := string(it.Type)
	if it.Late != "" {
		name = fmt.Sprintf("late %s of %s", name, it.Late)
	}
	if it.Amount.IsNegative() {
		name += " taken back"
	}
	return name
}

// commission is what the versions pay together.
func (c *Calculation) commission() string {
	f := c.Statement
	if f.lost() {
		return fmt.Sprintf("The base of %s is not above zero: nothing is rated.", c.money(f.rated()))
	}
	var terms []string
	for i := range f.Parts {
		terms = append(terms, plain(f.Parts[i].Unrounded))
	}
	if len(terms) > 1 {
		terms = []string{strings.Join(terms, " + ") + " = " + plain(f.unrounded())}
	}
	return fmt.Sprintf("Commission: %s, rounded %s to %d decimals: %s.", strings.Join(terms, ""), c.mode(), c.Digits, c.money(f.Commission))
}

// recouped is what is taken off for advances, and what is left of them.
func (c *Calculation) recouped() string {
	f := c.Statement
	text := fmt.Sprintf("Advances (%s): %s from before and %s in %s. ",
		strings.Join(f.Recoup, ", "), c.money(f.Unrecouped), c.money(f.Advance), f.Period)
	if f.due().IsNegative() {
		return text + fmt.Sprintf("More was taken back than is left to be earned: %s is paid again.", c.money(f.due().Abs()))
	}
	off := decimal.Max(f.result(), decimal.Zero).Sub(f.Payable)
	return text + fmt.Sprintf("%s is taken off, %s stays to be earned.", c.money(off), c.money(f.Rest))
}

// carried is the loss that is carried on.
func (c *Calculation) carried() string {
	f := c.Statement
	text := fmt.Sprintf("Carried on: a loss of %s of the %s", c.money(f.Closing.Abs()), f.Carry)
	if f.Closing.Equal(f.CarryCap.Neg()) {
		text += ", the most that is carried"
	}
	return text + "."
}
