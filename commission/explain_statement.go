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
	text += fmt.Sprintf(": %s on a base of %s", c.money(f.Commission), c.money(f.rated()))
	if !f.Opening.IsZero() {
		text += fmt.Sprintf(", a loss of %s carried from before", c.money(f.Opening.Abs()))
	}
	if due := f.due(); !due.IsZero() {
		text += fmt.Sprintf(", of which advances of %s are taken off", c.money(due))
	}
	return text
}

// due is what of advances is to be taken off.
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
	if f.lost() {
		steps = append(steps, fmt.Sprintf("The base of %s is not above zero: nothing is rated.", c.money(f.rated())))
	} else {
		steps = append(steps, fmt.Sprintf("Together %s, rounded %s to %d decimals: %s.",
			plain(f.unrounded()), c.mode(), c.Digits, c.money(f.Commission)))
	}
	if f.OpeningOf == CarryCommission {
		steps = append(steps, fmt.Sprintf("With the %s carried from before: %s.", c.money(f.Opening), c.money(f.Commission.Add(f.Opening))))
	}
	if due := f.due(); !due.IsZero() {
		steps = append(steps, fmt.Sprintf("Advances of %s, and %s unrecouped before, are taken off; %s stays unrecouped.",
			c.money(f.Advance), c.money(f.Unrecouped), c.money(f.Rest)))
	}
	if !f.Closing.IsZero() {
		steps = append(steps, fmt.Sprintf("%s is carried on.", c.money(f.Closing)))
	}
	return append(steps, fmt.Sprintf("Payable: %s.", c.money(f.Payable)))
}

// rated is the arithmetic of a part: its base, and what its version pays for it.
func (c *Calculation) rated(p *Part) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Version %d:", p.Version)
	sign := ""
	add := func(what string, amount decimal.Decimal, minus bool) {
		if minus {
			sign = " −"
		}
		fmt.Fprintf(&b, "%s %s %s", sign, what, plain(amount))
		sign = " +"
	}
	for _, it := range p.Items {
		what := string(it.Type)
		if it.Late != "" {
			what += " late for " + it.Late
		}
		add(what, it.Amount, it.Minus)
	}
	if !p.Aside.IsZero() {
		add("high rollers", p.Aside, false)
	}
	if !p.Opening.IsZero() || sign == "" {
		add("carried", p.Opening, false)
	}
	fmt.Fprintf(&b, " = %s; %s = %s.", c.money(p.Base), c.due(p), plain(p.Unrounded))
	return b.String()
}

// due is what a version pays for its part.
func (c *Calculation) due(p *Part) string {
	switch {
	case p.Kind == kindTiers && p.Tiers != nil:
		return c.parts(p.Tiers)
	case p.Kind == kindPercent:
		return fmt.Sprintf("%s %% of it", plain(p.Rate))
	case p.Base.IsPositive():
		return c.money(p.Rate) + " flat"
	}
	return "no flat amount"
}
