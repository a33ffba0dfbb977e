package commission

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/money"
	"github.com/fature/fature/transaction"
)

// Input is an event and all that its rating depends on but the facts.
type Input struct {
	Plan   *Plan             // in force for the event's own affiliate at the event's time; nil is none
	Event  transaction.Event // normalised
	Upline []Member          // the event's own affiliate first, then its ancestors, nearest first; empty is nobody

	// AttributedAt is since when the event's customer has had an owner. It does
	// not matter where the event takes another back.
	AttributedAt time.Time
	// Original is what the event takes back. Plan and Upline do not matter
	// then: the lines are reversed as they were posted.
	Original *Original
}

// Rate says what an event earns, and why what it does not. The same input and
// facts give the same outcome: it reads no clock and nothing else. The facts
// are those that Needs named; what the event changed of them is in the
// outcome, for the next event.
//
// Every line is rounded once, to the decimals of the plan's currency, and then
// capped. An event that takes another back pays under no rule: it reverses the
// lines as they were posted.
//
// The errors are of the kind fault.Invalid: an amount that is negative, finer
// than the currency, or out of range; another currency than the plan's; a line
// that no row could hold; a plan that NewPlan did not make; more taken back
// than is left.
func Rate(in Input, facts Facts) (Outcome, error) {
	switch {
	case in.Original != nil:
		return reverse(in, facts)
	case len(in.Upline) == 0:
		return Outcome{Skipped: []Skip{{Reason: ReasonUnattributed}}}, nil
	case in.Plan == nil:
		return Outcome{Skipped: []Skip{{Reason: ReasonNoPlan}}}, nil
	}
	if err := in.check(); err != nil {
		return Outcome{}, err
	}
	r := rating{
		Input:     in,
		facts:     facts,
		available: in.Plan.hold.after(in.Event.At, in.Plan.zone),
		lines:     make([]Line, 0, 1+len(in.Upline)),
	}
	for i := range in.Plan.rules {
		r.rate(&in.Plan.rules[i])
	}
	for i := range in.Plan.caps {
		r.cap(&in.Plan.caps[i])
	}
	r.fill()
	return r.outcome()
}

// check refuses what a host could not have recorded, before any arithmetic.
func (in *Input) check() error {
	if in.Plan.zone == nil {
		return fault.Field("plan", "was not made by NewPlan")
	}
	if c := in.Event.Currency; c != "" && c != in.Plan.Currency {
		return fault.Field("currency", "is %.8s, but the plan's is %s", c, in.Plan.Currency)
	}
	if err := money.Check(in.Event.Amount, in.Plan.digits); err != nil {
		return fault.In("amount", err)
	}
	if in.Event.Amount.IsNegative() {
		return fault.Field("amount", "is negative: the type says what it means")
	}
	return nil
}

// rating is the work on one event.
type rating struct {
	Input
	facts     Facts
	changed   Facts // counters, by this event
	available time.Time
	lines     []Line
	skipped   []Skip
	footing   *Footing // of a statement, whose level 0 is at work
	paid      bool     // the rule at work rated some share to more or less than zero
}

// rate adds what one rule pays.
func (r *rating) rate(rule *rule) {
	if reason := r.refuses(rule); reason != "" {
		r.skip(Skip{Rule: rule.id, Reason: reason})
		return
	}
	if r.paid = false; rule.percents != nil {
		r.differ(rule)
	} else {
		r.own(rule)
	}
	if r.paid {
		r.occurred(rule)
	}
}

// own adds what level 0 earns, and its upline beside it.
func (r *rating) own(rule *rule) {
	times, ok := rule.pay.times(r.Event.Metadata)
	if !ok {
		r.skip(Skip{Rule: rule.id, Reason: ReasonMetadata})
		return
	}
	var own Term
	if rule.tiers != nil {
		own = r.tiered(rule)
	} else {
		own = r.Plan.term(&rule.pay, Term{Of: OfAmount, Base: r.Event.Amount, Times: times})
	}
	claim := claim{rule: rule.id, term: own}
	if !r.Upline[0].Active {
		claim.lost = ReasonInactive
	}
	r.post(&claim)
	on := overridden{base: Term{Of: OfAmount, Base: r.Event.Amount}, flat: true}
	if rule.of == OfCommission { // nothing is taken from an upline: below zero counts as zero
		on.base, on.own = Term{Of: OfCommission, Base: own.positive()}, &own
	}
	r.override(rule, on)
}

// is tells whether the rule is for events of this type. One that takes another
// back is under no rule.
func (rule *rule) is(in *Input) bool {
	return slices.Contains(rule.on, in.Event.Type) && in.Event.Reverses == uuid.Nil
}

// refuses is why the rule does not pay for the event, or empty. The event goes
// into the customer's sums all the same.
func (r *rating) refuses(rule *rule) Reason {
	if !rule.is(&r.Input) {
		return ReasonType
	}
	low, high := r.sum(rule, &rule.when), r.sum(rule, &rule.unless)
	if reason := rule.when.fails(&r.Input); reason != "" {
		return reason
	}
	if low.LessThan(rule.when.least) {
		return ReasonBaseline
	}
	if reason := rule.unless.excludes(&r.Input, high); reason != "" {
		return reason
	}
	if r.exhausted(rule) {
		return ReasonLimit
	}
	return ""
}

// claim is what a plan promises to one level, and who takes it.
type claim struct {
	rule  string
	level int
	place int    // the receiver's, in the upline
	lost  Reason // why nobody takes it, or empty
	term  Term
	own   *Term // the level-0 commission, where it was paid on that
}

// post makes a claim a line, or a skip where nobody takes it or it is zero.
func (r *rating) post(c *claim) {
	amount := c.term.Rounded
	r.paid = r.paid || !amount.IsZero()
	switch {
	case c.lost != "":
		r.skip(Skip{Rule: c.rule, Level: c.level, Reason: c.lost, Breakage: amount})
		return
	case amount.IsZero():
		r.skip(Skip{Rule: c.rule, Level: c.level, Reason: ReasonZero})
		return
	}
	r.lines = append(r.lines, Line{
		AffiliateID: r.Upline[c.place].ID, Rule: c.rule, Level: c.level,
		Base: c.term.Base, Rate: c.term.Rate, Amount: amount, Final: amount,
		AvailableAt: r.available, Calculation: r.calculation(c),
	})
}

func (r *rating) skip(s Skip) { r.skipped = append(r.skipped, s) }

func (r *rating) calculation(c *claim) Calculation {
	p := r.Plan
	calculation := Calculation{
		Plan: p.Name, Version: p.Version, PlanID: p.ID, Rule: c.rule, Level: c.level,
		Event: r.Event.Type, Own: c.own, Term: c.term,
		Currency: p.Currency, Digits: p.digits, Rounding: p.rounding,
	}
	if c.place != c.level {
		calculation.Place = c.place
	}
	if r.footing != nil {
		calculation.Period = r.footing.Period
	}
	if c.term.Kind == kindStatement {
		calculation.Statement = r.footing
	}
	return calculation
}

// outcome sorts out the lines that caps took whole, and refuses those that no
// row could hold.
func (r *rating) outcome() (Outcome, error) {
	kept := 0
	for i := range r.lines {
		line := &r.lines[i]
		switch {
		case line.Amount.Abs().GreaterThan(money.Max):
			return Outcome{}, fault.Field("amount", "is too large: rule %s would pay %s at level %d, more than %s",
				line.Rule, line.Amount, line.Level, money.Max)
		case line.Final.IsZero():
			r.skip(Skip{Rule: line.Rule, Level: line.Level, Reason: ReasonCap, Capped: line.Amount})
			continue
		case kept < i:
			r.lines[kept] = *line
		}
		kept++
	}
	return Outcome{Lines: r.lines[:kept], Skipped: r.skipped, Counters: r.changed}, nil
}
