package commission

import (
	"fmt"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/fature/fature/internal/money"
)

// Explanation is a calculation in plain English.
type Explanation struct {
	Sentence string   `json:"sentence"` // "Level 0 earns 10 % of a sale of 120.00 BRL = 12.00 BRL."
	Steps    []string `json:"steps"`    // the arithmetic, and at the end what evaluating it again gives
}

// Explain prints the calculation as a sentence and as steps, and evaluates it
// again: the last step says whether it came to the same.
func (c Calculation) Explain() Explanation {
	return Explanation{Sentence: c.sentence(), Steps: c.steps()}
}

func (c *Calculation) sentence() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Level %d", c.Level)
	if c.Place != 0 {
		fmt.Fprintf(&b, ", taken by the affiliate %d levels up,", c.Place)
	}
	fmt.Fprintf(&b, " earns %s = %s", c.formula(), c.money(c.Rounded))
	if n := len(c.Caps); n > 0 {
		last := c.Caps[n-1]
		fmt.Fprintf(&b, ", cut to %s by a cap of %s on the transaction", c.money(last.Share), c.money(last.Max))
	}
	return b.String() + "."
}

// formula is what is paid, and on what.
func (c *Calculation) formula() string {
	on := fmt.Sprintf("a %s of %s", c.Event, c.money(c.Base))
	if c.Of == OfCommission {
		on = "the level-0 commission of " + c.money(c.Base)
	}
	switch {
	case c.Kind == kindPercent:
		return fmt.Sprintf("%s %% of %s", plain(c.Rate), on)
	case c.By != "":
		return fmt.Sprintf("%s times %d (%s) for %s", c.money(c.Rate), c.Times, c.By, on)
	}
	return fmt.Sprintf("%s flat for %s", c.money(c.Rate), on)
}

func (c *Calculation) steps() []string {
	steps := []string{fmt.Sprintf("Plan %s, version %d, rule %s, level %d.", c.Plan, c.Version, c.Rule, c.Level)}
	if c.Own != nil {
		steps = append(steps, "Level 0: "+c.arithmetic(*c.Own))
	}
	steps = append(steps, c.arithmetic(c.Term))
	for _, s := range c.Caps {
		steps = append(steps, c.cut(s))
	}
	amount, final, err := c.Recompute()
	if err != nil {
		return append(steps, fmt.Sprintf("Evaluated again, it does not follow: %v.", err))
	}
	return append(steps, fmt.Sprintf("Evaluated again: %s, after caps %s.", c.money(amount), c.money(final)))
}

func (c *Calculation) arithmetic(t Term) string {
	terms := plain(t.Rate)
	switch {
	case t.Kind == kindPercent:
		terms = fmt.Sprintf("%s %% of %s", plain(t.Rate), c.money(t.Base))
	case t.By != "":
		terms = fmt.Sprintf("%s × %d", plain(t.Rate), t.Times)
	}
	return fmt.Sprintf("%s = %s, rounded %s to %d decimals: %s.",
		terms, plain(t.Unrounded), strings.ReplaceAll(string(c.Rounding), "_", " "), c.Digits, c.money(t.Rounded))
}

func (c *Calculation) cut(s CapStep) string {
	lines := make([]string, len(s.Lines))
	for i, line := range s.Lines {
		lines[i] = plain(line)
	}
	return fmt.Sprintf("Cap: the transaction's lines of %s share %s by largest remainder; line %d gets %s.",
		strings.Join(lines, " + "), c.money(s.Max), s.Line+1, c.money(s.Share))
}

// money writes an amount with the currency and at least its decimals.
func (c *Calculation) money(d decimal.Decimal) string {
	if money.Bomb(d) {
		return plain(d)
	}
	return d.StringFixed(max(c.Digits, -d.Normalize().Exponent())) + " " + c.Currency
}
