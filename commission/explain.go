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
	if c.Reversed != nil {
		fmt.Fprintf(&b, " gives back %s", c.giveBack())
		return b.String() + "."
	}
	fmt.Fprintf(&b, " earns %s = %s", c.formula(), c.money(c.Rounded))
	if n := len(c.Caps); n > 0 {
		last := c.Caps[n-1]
		fmt.Fprintf(&b, ", cut to %s by a cap of %s on the %s", c.money(last.Share), c.money(last.Max), last.Per)
	}
	return b.String() + "."
}

// giveBack is what a reversal takes back, and of what.
func (c *Calculation) giveBack() string {
	v := c.Reversed
	return fmt.Sprintf("%s of %s, because a %s takes back %s of %s",
		c.money(v.part(v.Final, c.Rounding, c.Digits)), c.money(v.Final), c.Event, c.money(c.Base), c.money(v.Of))
}

// formula is what is paid, and on what.
func (c *Calculation) formula() string {
	on := fmt.Sprintf("a %s of %s", c.Event, c.money(c.Base))
	if c.Of == OfCommission {
		on = "the level-0 commission of " + c.money(c.Base)
	}
	switch {
	case c.Kind == kindTiers && c.Tiers != nil:
		return fmt.Sprintf("what %s tiers on %s of %s add for %s", c.Tiers.Mode, c.money(c.Tiers.Sum), c.Tiers.Bucket, on)
	case c.Kind == kindDifferential && c.Excess != nil:
		return fmt.Sprintf("%s %% of %s (%s %% less the %s %% below)", plain(c.Rate), on, plain(c.Excess.Percent), plain(c.Excess.Below))
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
	if c.Reversed != nil {
		steps = append(steps, c.share())
	} else {
		steps = append(steps, c.arithmetic(c.Term))
	}
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
	less := ""
	switch {
	case t.Kind == kindTiers && t.Tiers != nil:
		terms = c.parts(t.Tiers)
		less = fmt.Sprintf(" Less %s posted before: %s.", c.money(t.Tiers.Posted), c.money(t.Rounded))
		t.Rounded = t.Rounded.Add(t.Tiers.Posted)
	case t.Kind == kindPercent || t.Kind == kindDifferential:
		terms = fmt.Sprintf("%s %% of %s", plain(t.Rate), c.money(t.Base))
	case t.By != "":
		terms = fmt.Sprintf("%s × %d", plain(t.Rate), t.Times)
	}
	return fmt.Sprintf("%s = %s, rounded %s to %d decimals: %s.",
		terms, plain(t.Unrounded), strings.ReplaceAll(string(c.Rounding), "_", " "), c.Digits, c.money(t.Rounded)) + less
}

func (c *Calculation) parts(t *TierSum) string {
	var terms []string
	for _, p := range t.Parts {
		terms = append(terms, fmt.Sprintf("%s %% of %s", plain(p.Percent), c.money(p.Amount)))
		if !p.Flat.IsZero() {
			terms = append(terms, c.money(p.Flat)+" flat")
		}
	}
	if terms == nil {
		return "nothing of " + c.money(t.Sum)
	}
	return strings.Join(terms, " + ")
}

// share is the arithmetic of a reversal.
func (c *Calculation) share() string {
	v := c.Reversed
	return fmt.Sprintf("Of %s, taken back so far: %s before and %s with this %s. Of the line of %s, that is %s; after caps, of %s, %s.",
		c.money(v.Of), c.money(v.Before), c.money(v.After), c.Event,
		c.money(v.Amount), c.money(c.Rounded), c.money(v.Final), c.money(v.part(v.Final, c.Rounding, c.Digits).Neg()))
}

func (c *Calculation) cut(s CapStep) string {
	if s.Per != PerTransaction {
		return fmt.Sprintf("Cap: %s per %s in %s, of which %s is used; the line gets %s.",
			c.money(s.Max), s.Per, s.Bucket, c.money(s.Used), c.money(s.Share))
	}
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
