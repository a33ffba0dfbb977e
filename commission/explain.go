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
	if c.bomb() || c.Own != nil && c.Own.bomb() || c.Reversed != nil && c.Reversed.bomb() || c.Statement != nil && c.Statement.bomb() {
		return Explanation{
			Sentence: fmt.Sprintf("Level %d earns what cannot be told: %v.", c.Level, errRange),
			Steps:    []string{c.header(), fmt.Sprintf("Evaluated again, it does not follow: %v.", errRange)},
		}
	}
	return Explanation{Sentence: c.sentence(), Steps: c.steps()}
}

func (c *Calculation) header() string {
	return fmt.Sprintf("Plan %s, version %d, rule %s, level %d.", c.Plan, c.Version, c.Rule, c.Level)
}

func (c *Calculation) sentence() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Level %d", c.Level)
	if c.Place != 0 {
		fmt.Fprintf(&b, ", taken by the affiliate %d levels up,", c.Place)
	}
	switch {
	case c.Reversed != nil:
		b.WriteString(" " + c.giveBack())
	case c.Statement != nil:
		b.WriteString(" " + c.settled())
	case c.Kind == kindTiers && c.Tiers != nil:
		b.WriteString(" " + c.topUp())
	default:
		fmt.Fprintf(&b, " earns %s = %s", c.formula(), c.money(c.Rounded))
	}
	for i, s := range c.Caps {
		fmt.Fprintf(&b, ", %scut to %s by a cap of %s %s", then(i), c.money(s.Share), c.money(s.Max), s.holder())
	}
	return b.String() + "."
}

func then(i int) string {
	if i == 0 {
		return ""
	}
	return "then "
}

// giveBack is what a reversal takes back, and of what. Of a line that had
// itself taken money back, it pays that again.
func (c *Calculation) giveBack() string {
	v := c.Reversed
	verb, had := "gives back", "earned"
	if v.Final.IsNegative() {
		verb, had = "gets back", "gave back"
	}
	text := fmt.Sprintf("%s %s of the %s it %s, because a %s takes back", verb,
		c.money(v.part(v.Final, c.Rounding, c.Digits).Abs()), c.money(v.Final.Abs()), had, c.Event)
	if v.Of.IsZero() {
		return text + " the transaction"
	}
	return fmt.Sprintf("%s %s of %s", text, c.money(c.Base), c.money(v.Of))
}

// topUp is what a table adds for an event, or takes off, and why.
func (c *Calculation) topUp() string {
	t, verb := c.Tiers, "earns"
	if c.Rounded.IsNegative() {
		verb = "gives back"
	}
	text := fmt.Sprintf("%s %s for a %s of %s", verb, c.money(c.Rounded.Abs()), c.Event, c.money(c.Base))
	if t.Bucket == string(EachTransaction) {
		return fmt.Sprintf("%s by %s tiers", text, t.Mode)
	}
	text = fmt.Sprintf("%s: %s tiers on the %s %s come to %s", text, t.Mode, c.money(t.Sum), stretch(t.Bucket), c.money(c.Rounded.Add(t.Posted)))
	if t.Posted.IsZero() {
		return text
	}
	return fmt.Sprintf("%s, less %s credited before", text, c.money(t.Posted))
}

// stretch says in words which stretch of time a bucket is.
func stretch(bucket string) string {
	period, date, _ := strings.Cut(bucket, " ")
	switch Period(period) {
	case Day:
		return "on " + date
	case Week:
		return "in the week from " + date
	case Month:
		return "in the month " + date
	case EachTransaction:
		return "of the transaction"
	case Lifetime:
	}
	return "over all time"
}

// holder says in words whose cap it is, and of which stretch of time.
func (s *CapStep) holder() string {
	switch s.Per {
	case PerCustomer:
		return "on the affiliate's earnings from this customer " + stretch(s.Bucket)
	case PerAffiliate:
		return "on the affiliate's earnings " + stretch(s.Bucket)
	case PerTransaction:
	}
	return "on the transaction"
}

// formula is what is paid, and on what.
func (c *Calculation) formula() string {
	on := fmt.Sprintf("a %s of %s", c.Event, c.money(c.Base))
	switch {
	case c.Period != "" && c.Of == OfCommission:
		on = fmt.Sprintf("the %s payable to level 0 for %s", c.money(c.Base), c.Period)
	case c.Period != "":
		on = fmt.Sprintf("the base of %s for %s", c.money(c.Base), c.Period)
	case c.Of == OfCommission:
		on = "the level-0 commission of " + c.money(c.Base)
	}
	switch {
	case c.Kind == kindDifferential && c.Excess != nil && !c.Excess.Below.IsZero():
		return fmt.Sprintf("%s %% of %s (its %s %% less the %s %% paid below it)", plain(c.Rate), on, plain(c.Excess.Percent), plain(c.Excess.Below))
	case c.Kind == kindPercent || c.Kind == kindDifferential:
		return fmt.Sprintf("%s %% of %s", plain(c.Rate), on)
	case c.By != "":
		return fmt.Sprintf("%s times %d (%s) for %s", c.money(c.Rate), c.Times, c.By, on)
	}
	return fmt.Sprintf("%s flat for %s", c.money(c.Rate), on)
}

func (c *Calculation) steps() []string {
	steps := []string{c.header()}
	if c.Own != nil {
		steps = append(steps, "Level 0: "+c.arithmetic(*c.Own))
	}
	switch {
	case c.Reversed != nil:
		steps = append(steps, c.shares()...)
	case c.Statement != nil:
		steps = append(steps, c.account()...)
	default:
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
	terms, rounded := plain(t.Rate), t.Rounded
	switch {
	case t.Kind == kindTiers && t.Tiers != nil:
		terms, rounded = c.parts(t.Tiers), t.Rounded.Add(t.Tiers.Posted)
	case t.Kind == kindPercent || t.Kind == kindDifferential:
		terms = fmt.Sprintf("%s %% of %s", plain(t.Rate), c.money(t.Base))
	case t.By != "":
		terms = fmt.Sprintf("%s × %d", plain(t.Rate), t.Times)
	}
	text := fmt.Sprintf("%s = %s, rounded %s to %d decimals: %s.",
		terms, plain(t.Unrounded), c.mode(), c.Digits, c.money(rounded))
	switch {
	case t.Tiers != nil:
		return c.around(t, text)
	case t.Excess != nil && !t.Excess.Below.IsZero():
		return fmt.Sprintf("%s %% less %s %% paid below is %s %%. ", plain(t.Excess.Percent), plain(t.Excess.Below), plain(t.Rate)) + text
	}
	return text
}

// around says what a table's sum is, and what it has come to before.
func (c *Calculation) around(t Term, text string) string {
	if t.Tiers.Bucket == string(EachTransaction) {
		return text
	}
	return fmt.Sprintf("The sum %s, this %s of %s included, is %s. %s Less %s credited before: %s.",
		stretch(t.Tiers.Bucket), c.Event, c.money(t.Base), c.money(t.Tiers.Sum), text, c.money(t.Tiers.Posted), c.money(t.Rounded))
}

// parts is what each step pays of the sum.
func (c *Calculation) parts(t *TierSum) string {
	var terms []string
	for _, p := range t.Parts {
		if !p.Percent.IsZero() || p.Flat.IsZero() {
			terms = append(terms, fmt.Sprintf("%s %% of %s", plain(p.Percent), c.money(p.Amount)))
		}
		if !p.Flat.IsZero() {
			terms = append(terms, c.money(p.Flat)+" flat")
		}
	}
	if terms == nil {
		return "Nothing"
	}
	return strings.Join(terms, " + ")
}

// shares is the arithmetic of a reversal: of the line, and of what caps had
// left of it.
func (c *Calculation) shares() []string {
	v := c.Reversed
	steps := []string{fmt.Sprintf("Of the transaction of %s, this %s takes back %s; %s was taken back before.",
		c.money(v.Of), c.Event, c.money(c.Base), c.money(v.Before))}
	if v.Of.IsZero() {
		steps[0] = fmt.Sprintf("The transaction is of %s: this %s takes it back whole.", c.money(v.Of), c.Event)
	}
	steps = append(steps, "The line: "+c.part(v.Amount))
	if !v.Final.Equal(v.Amount) {
		steps = append(steps, "After caps: "+c.part(v.Final))
	}
	return steps
}

// part is the arithmetic of what is taken back of an amount.
func (c *Calculation) part(amount decimal.Decimal) string {
	v := c.Reversed
	back := v.part(amount, c.Rounding, c.Digits)
	if v.Of.IsZero() {
		return fmt.Sprintf("all of %s.", c.money(back))
	}
	due := c.Rounding.Quotient(amount.Mul(v.After), v.Of, c.Digits)
	return fmt.Sprintf("%s × %s / %s, rounded %s to %d decimals: %s, less %s taken back before: %s.",
		c.money(amount), c.money(v.After), c.money(v.Of), c.mode(), c.Digits, c.money(due), c.money(due.Sub(back)), c.money(back))
}

func (c *Calculation) mode() string { return strings.ReplaceAll(string(c.Rounding), "_", " ") }

func (c *Calculation) cut(s CapStep) string {
	if s.Per != PerTransaction {
		return fmt.Sprintf("Cap: %s %s, of which %s is used; the line gets %s.",
			c.money(s.Max), s.holder(), c.money(s.Used), c.money(s.Share))
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
