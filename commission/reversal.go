package commission

import (
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/money"
	"github.com/fature/fature/transaction"
)

// Original is a rated transaction that an event takes back, whole or in part.
type Original struct {
	Plan     *Plan             // that it was rated by; nil where none was in force
	Event    transaction.Event // as it was recorded
	Refunded decimal.Decimal   // by earlier events
	// AttributedAt is since when its customer had an owner, as its rating saw it.
	AttributedAt time.Time
	Whole        bool         // it is taken back already
	Lines        []Commission // its earning lines, as posted
	Skipped      []Skip       // what posted none
}

// Took notes that an event has taken an amount back.
func (o *Original) Took(amount decimal.Decimal) {
	o.Refunded = o.Refunded.Add(amount)
	o.Whole = o.Refunded.Equal(o.Event.Amount)
}

// Reversed is the line that a reversal takes from, and how much of the
// transaction is taken back.
type Reversed struct {
	Line   uuid.UUID       `json:"line"`
	Amount decimal.Decimal `json:"amount"` // of the line, before caps
	Final  decimal.Decimal `json:"final"`  // and after them
	Of     decimal.Decimal `json:"of"`     // the transaction's amount
	Before decimal.Decimal `json:"before"` // what earlier events took back of it
	After  decimal.Decimal `json:"after"`  // with this one
}

// part is what is taken back of an amount by this event: what is due for all
// that was taken back of the transaction less what was due before. A
// transaction of amount zero is taken back whole by its first reversal.
func (v *Reversed) part(amount decimal.Decimal, rounding Rounding, digits int32) decimal.Decimal {
	if v.Of.IsZero() {
		return amount
	}
	after := rounding.Quotient(amount.Mul(v.After), v.Of, digits)
	return after.Sub(rounding.Quotient(amount.Mul(v.Before), v.Of, digits))
}

// bomb tells whether a number in it would make arithmetic slow.
func (v *Reversed) bomb() bool { return anyBomb(v.Amount, v.Final, v.Of, v.Before, v.After) }

// reversal is the work on an event that takes another back: it follows the
// lines as they were posted, never today's plan or tree.
type reversal struct {
	rating
	of     Reversed                   // without a line
	back   map[string]decimal.Decimal // level 0 of each rule: what was taken back, before caps
	digits int32
}

func reverse(in Input, facts Facts) (Outcome, error) {
	o := in.Original
	digits := o.digits()
	if err := o.admits(in.Event, digits); err != nil {
		return Outcome{}, err
	}
	v := reversal{
		rating: rating{Input: in, facts: facts},
		of:     Reversed{Of: o.Event.Amount, Before: o.Refunded, After: o.Refunded.Add(in.Event.Amount)},
		back:   map[string]decimal.Decimal{}, digits: digits,
	}
	v.Plan = o.Plan
	for i := range o.Lines {
		v.line(&o.Lines[i])
	}
	for _, s := range o.Skipped {
		v.lost(s)
	}
	v.giveBack()
	if len(v.lines)+len(v.skipped) == 0 {
		v.skip(Skip{Reason: ReasonZero})
	}
	return Outcome{Lines: v.lines, Skipped: v.skipped, Counters: v.changed}, nil
}

// digits are the decimals of the currency. Where no plan was in force, nothing
// is rounded: the most that a currency has.
func (o *Original) digits() int32 {
	if o.Plan == nil {
		return maxDigits
	}
	return o.Plan.digits
}

// admits refuses what cannot be taken back of the transaction.
func (o *Original) admits(e transaction.Event, digits int32) error {
	if err := money.Check(e.Amount, digits); err != nil {
		return fault.In("amount", err)
	}
	left := o.Event.Amount.Sub(o.Refunded)
	var c fault.Check
	c.That(!e.Amount.IsNegative(), "amount", "is negative: the type says what it means")
	c.That(e.Amount.IsPositive() || o.Event.Amount.IsZero(), "amount", "is zero: it takes nothing back")
	c.That(e.Currency == "" || e.Currency == o.Event.Currency, "currency", "is %.8s, but that of the transaction it takes back is %s", e.Currency, o.Event.Currency)
	c.That(!e.At.Before(o.Event.At), "at", "is earlier than the transaction it takes back")
	c.That(!o.Whole, "reverses", "is taken back whole already")
	c.That(o.Event.Reverses == uuid.Nil, "reverses", "is itself a reversal, which is not taken back")
	c.That(o.Whole || e.Amount.LessThanOrEqual(left), "amount", "is %s, more than the %s left of the transaction it takes back", e.Amount, left)
	c.That(e.AffiliateID == uuid.Nil || e.AffiliateID == o.Event.AffiliateID, "affiliate_id", "is not that of the transaction it takes back")
	c.That(e.CustomerID == "" || e.CustomerID == o.Event.CustomerID, "customer_id", "is not that of the transaction it takes back")
	return c.Done()
}

// line takes a posted line back in proportion. Both are available at the same
// time: where the line is paid, that has come.
func (v *reversal) line(c *Commission) {
	of := v.of
	of.Line, of.Amount, of.Final = c.ID, c.Amount, c.FinalAmount
	rounding := c.Calculation.Rounding
	amount, final := of.part(c.Amount, rounding, v.digits), of.part(c.FinalAmount, rounding, v.digits)
	v.took(c.Rule, c.Level, amount)
	switch {
	case c.Status == Void:
		v.skip(Skip{Rule: c.Rule, Level: c.Level, Reason: ReasonVoid})
		return
	case final.IsZero():
		v.skip(Skip{Rule: c.Rule, Level: c.Level, Reason: ReasonZero, Capped: amount.Neg()})
		return
	}
	v.lines = append(v.lines, Line{
		AffiliateID: c.AffiliateID, Rule: c.Rule, Level: c.Level,
		Base: v.Event.Amount, Rate: c.Rate, Amount: amount.Neg(), Final: final.Neg(),
		AvailableAt: c.AvailableAt, ReversesID: c.ID, ReversesAt: c.CreatedAt,
		Calculation: v.calculation(c, of, amount.Neg()),
	})
	v.room(c, final)
}

func (v *reversal) calculation(c *Commission, of Reversed, amount decimal.Decimal) Calculation {
	from := &c.Calculation
	return Calculation{
		Plan: from.Plan, Version: from.Version, PlanID: from.PlanID, Rule: from.Rule, Level: from.Level, Place: from.Place,
		Event: v.Event.Type, Reversed: &of,
		Term:     Term{Kind: kindReversal, Of: from.Of, Base: v.Event.Amount, Rate: from.Rate, Unrounded: amount, Rounded: amount},
		Currency: from.Currency, Digits: from.Digits, Rounding: from.Rounding,
	}
}

// lost takes back what was promised and not posted.
func (v *reversal) lost(s Skip) {
	if v.Plan == nil || s.Breakage.IsZero() && s.Capped.IsZero() {
		return
	}
	breakage := v.of.part(s.Breakage, v.Plan.rounding, v.digits)
	capped := v.of.part(s.Capped, v.Plan.rounding, v.digits)
	v.took(s.Rule, s.Level, breakage.Add(capped))
	v.skip(Skip{Rule: s.Rule, Level: s.Level, Reason: s.Reason, Breakage: breakage.Neg(), Capped: capped.Neg()})
}

func (v *reversal) took(rule string, level int, amount decimal.Decimal) {
	if level == 0 {
		v.back[rule] = v.back[rule].Add(amount)
	}
}

// room gives back what a line took of caps, in the stretch of time of the
// original. A negative line took nothing.
func (v *reversal) room(c *Commission, final decimal.Decimal) {
	if v.Plan == nil || !c.FinalAmount.IsPositive() {
		return
	}
	original := v.original()
	for i := range v.Plan.caps {
		limit := &v.Plan.caps[i]
		if need, ok := original.capNeed(limit); ok && !limit.again {
			v.add(need.of(c.AffiliateID), final.Neg())
		}
	}
}

// giveBack takes the event off the sums that the original went into.
func (v *reversal) giveBack() {
	if v.Plan == nil {
		return
	}
	original := v.original()
	for i := range v.Plan.rules {
		rule := &v.Plan.rules[i]
		for _, need := range original.sums(rule) {
			had := v.counter(need)
			had.Total = had.Total.Sub(v.Event.Amount)
			if need.Kind == sumTiers {
				had.Posted = had.Posted.Sub(v.back[rule.id])
			}
			v.remember(need, had)
		}
	}
}

// original is what the event takes back, as it was rated but for its upline.
func (in *Input) original() *Input {
	o := in.Original
	return &Input{
		Plan: o.Plan, Event: o.Event, Upline: []Member{{ID: o.Event.AffiliateID}},
		AttributedAt: o.AttributedAt, Original: o,
	}
}

// reversalNeeds are the counters that the original has changed.
func (in *Input) reversalNeeds() []Need {
	o := in.Original
	if o.Plan == nil || !o.Plan.remembers {
		return nil
	}
	in = in.original()
	var needs []Need
	for i := range o.Plan.rules {
		needs = append(needs, in.sums(&o.Plan.rules[i])...)
	}
	for i := range o.Plan.caps {
		for _, line := range o.Lines {
			if need, ok := in.capNeed(&o.Plan.caps[i]); ok {
				needs = append(needs, need.of(line.AffiliateID))
			}
		}
	}
	return needs
}

// sums are those of a rule that the original went into. A limit is never given
// back.
func (in *Input) sums(rule *rule) []Need {
	if !rule.is(in) {
		return nil
	}
	needs := in.sumNeeds(rule)
	if need, ok := in.tierNeed(rule); ok && in.Original.paid(rule) {
		needs = append(needs, need)
	}
	return needs
}

// paid tells whether the rule paid for the original, be it zero or to nobody.
func (o *Original) paid(rule *rule) bool {
	for _, s := range o.Skipped {
		if s.Rule == rule.id && s.Level == 0 {
			return s.Reason == ReasonZero || s.Reason == ReasonInactive || s.Reason == ReasonCap
		}
	}
	return true
}
