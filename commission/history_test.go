package commission_test

import (
	"fmt"
	"maps"
	"math/big"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/transaction"
)

// history is what happens in a programme, one after the other: events under a
// random plan that uses all that event rules can, and what takes them back.
type history struct {
	plan    *commission.Plan
	entries []entry
}

type entry struct {
	event  transaction.Event
	upline []commission.Member
	of     int // the entry that this one takes back, or -1
}

// past is what a history has come to.
type past struct {
	facts     commission.Facts
	originals []*commission.Original
	outcomes  []commission.Outcome
}

// play rates a history, and shows each step.
func (h *history) play(t require.TestingT, see func(i int, in commission.Input, facts commission.Facts, out commission.Outcome)) past {
	p := past{facts: commission.Facts{}}
	for i, e := range h.entries {
		in := commission.Input{Plan: h.plan, Event: e.event, Upline: e.upline, AttributedAt: attributed(e.event.CustomerID)}
		if e.of >= 0 {
			in.Original = p.originals[e.of]
		}
		out, err := commission.Rate(in, p.facts)
		require.NoError(t, err)
		if see != nil {
			see(i, in, p.facts, out)
		}
		maps.Copy(p.facts, out.Counters)
		if o := in.Original; o != nil {
			o.Took(e.event.Amount)
		}
		p.originals = append(p.originals, posted(fmt.Sprint(i), in, out))
		p.outcomes = append(p.outcomes, out)
	}
	return p
}

// posted is a rated event as later ones may take it back. Its ids follow from
// the name.
func posted(name string, in commission.Input, out commission.Outcome) *commission.Original {
	o := &commission.Original{Plan: in.Plan, Event: in.Event, AttributedAt: in.AttributedAt, Skipped: out.Skipped}
	for i, l := range out.Lines {
		line := commission.Post(l, id(name), in.Event.At, in.Event.At)
		line.ID = id(fmt.Sprint(name, " line ", i))
		o.Lines = append(o.Lines, line)
	}
	return o
}

var beginning = time.Date(2025, 1, 20, 0, 0, 0, 0, time.UTC)

func attributed(customer string) time.Time {
	if customer == "c1" {
		return beginning
	}
	return beginning.AddDate(0, 0, 20)
}

// drawHistory draws events over some two months, and refunds of some of them.
func drawHistory(t *rapid.T, doc commission.Document) *history {
	plan, err := commission.NewPlan(id("plan"), 1, doc)
	require.NoError(t, err)
	h := &history{plan: plan}
	left := map[int]int64{} // smallest units of each event that can be taken back
	for i := range rapid.IntRange(1, 10).Draw(t, "events") {
		if len(left) > 0 && rapid.IntRange(0, 2).Draw(t, "refund") == 0 {
			of := rapid.IntRange(0, i-1).Filter(func(of int) bool { return left[of] > 0 }).Draw(t, "of")
			units := rapid.Int64Range(1, left[of]).Draw(t, "units")
			h.refund(of, units)
			if left[of] -= units; left[of] == 0 {
				delete(left, of)
			}
			continue
		}
		units := rapid.OneOf(rapid.Int64Range(0, 1000), rapid.Int64Range(0, 1_000_000)).Draw(t, "units")
		h.entries = append(h.entries, h.drawEntry(t, units))
		if units > 0 {
			left[i] = units
		}
	}
	return h
}

func (h *history) drawEntry(t *rapid.T, units int64) entry {
	event := transaction.Event{
		Type: types.Draw(t, "event"), Amount: h.amount(units), Currency: h.plan.Currency,
		CustomerID: rapid.SampledFrom([]string{"", "c1", "c1", "c2"}).Draw(t, "customer"),
		At:         beginning.Add(time.Duration(rapid.IntRange(-24, 60*24).Draw(t, "hour")) * time.Hour),
		Metadata:   map[string]any{"items": rapid.IntRange(0, 50).Draw(t, "items")},
	}
	var upline []commission.Member
	for place := rapid.IntRange(0, 2).Draw(t, "seller"); place < 4; place++ {
		upline = append(upline, commission.Member{
			ID: id(fmt.Sprint("member ", place)), Active: rapid.IntRange(0, 9).Draw(t, "active") < 8, Category: categories.Draw(t, "category"),
		})
	}
	event.AffiliateID = upline[0].ID
	return entry{event, upline, -1}
}

func (h *history) amount(units int64) decimal.Decimal {
	return decimal.NewFromInt(units).DivRound(decimal.NewFromInt(scaleOf(h.plan.Currency)), 3)
}

// refund adds an event that takes units of another back, a month later.
func (h *history) refund(of int, units int64) {
	event := h.entries[of].event
	event.Type, event.Amount, event.Metadata = transaction.Refund, h.amount(units), nil
	event.At, event.Reverses = event.At.AddDate(0, 1, 0), id(fmt.Sprint(of))
	h.entries = append(h.entries, entry{event, h.entries[of].upline, of})
}

// left is what can still be taken back of each event.
func (h *history) left() map[int]decimal.Decimal {
	left := map[int]decimal.Decimal{}
	for i, e := range h.entries {
		if e.of < 0 {
			left[i] = e.event.Amount
		} else {
			left[e.of] = left[e.of].Sub(e.event.Amount)
		}
	}
	return left
}

// refundAll takes back what is left of every event.
func (h *history) refundAll() {
	for of := range len(h.entries) {
		left, earned := h.left()[of]
		if earned && (left.IsPositive() || h.entries[of].event.Amount.IsZero()) {
			h.refund(of, left.Mul(decimal.NewFromInt(scaleOf(h.plan.Currency))).IntPart())
		}
	}
}

// drawDocument draws a plan of all that event rules can.
func drawDocument(t *rapid.T) commission.Document {
	doc := commission.Document{
		Name:     "random",
		Currency: rapid.SampledFrom([]string{"BRL", "JPY", "KWD"}).Draw(t, "currency"),
		Timezone: rapid.SampledFrom([]string{"", "America/Sao_Paulo"}).Draw(t, "zone"),
		Rounding: rapid.SampledFrom([]commission.Rounding{commission.HalfUp, commission.HalfEven, commission.Down}).Draw(t, "rounding"),
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "rules") {
		doc.Rules = append(doc.Rules, drawRememberingRule(t, fmt.Sprint("r", i)))
	}
	for range rapid.IntRange(0, 3).Draw(t, "caps") {
		doc.Caps = append(doc.Caps, drawAnyCap(t))
	}
	return doc
}

func drawRememberingRule(t *rapid.T, ruleID string) commission.Rule {
	rule := drawRule(t, ruleID)
	rule.On = rapid.SampledFrom([][]transaction.Type{{transaction.Sale}, {transaction.Deposit}, {transaction.Sale, transaction.Deposit}}).Draw(t, "on")
	switch rapid.IntRange(0, 3).Draw(t, "table") {
	case 0, 1:
		rule.Pay = commission.Pay{Tiers: drawTiers(t)}
	case 2:
		rule.Pay, rule.Overrides = commission.Pay{Differential: map[affiliate.Category]commission.Decimal{
			affiliate.Standard: percents.Draw(t, "percent"), affiliate.VIP: percents.Draw(t, "percent"),
		}}, commission.Overrides{}
	}
	rule.When = drawCondition(t)
	if rapid.IntRange(0, 3).Draw(t, "unless") == 0 {
		rule.Unless = drawCondition(t)
	}
	switch rapid.IntRange(0, 3).Draw(t, "limit") {
	case 0:
		rule.Limit.Count = rapid.IntRange(1, 3).Draw(t, "count")
	case 1:
		rule.Limit.Months = 1
	}
	return rule
}

func drawTiers(t *rapid.T) commission.Tiers {
	tiers := commission.Tiers{
		Mode:  rapid.SampledFrom([]commission.TierMode{commission.Slab, commission.Marginal}).Draw(t, "mode"),
		Scope: rapid.SampledFrom([]commission.Period{commission.EachTransaction, commission.Day, commission.Week, commission.Month, commission.Lifetime}).Draw(t, "scope"),
	}
	for _, upTo := range []commission.Decimal{"100", "1000", ""}[rapid.IntRange(0, 2).Draw(t, "first step"):] {
		step := commission.TierStep{UpTo: upTo, Percent: percents.Draw(t, "percent")}
		if rapid.Bool().Draw(t, "with flat") {
			step.Flat = flats.Draw(t, "flat")
		}
		tiers.Steps = append(tiers.Steps, step)
	}
	return tiers
}

func drawCondition(t *rapid.T) (c commission.Condition) {
	if rapid.IntRange(0, 3).Draw(t, "amount") == 0 {
		c.MinAmount = "5"
	}
	if rapid.IntRange(0, 3).Draw(t, "baseline") == 0 {
		c.CumulativeMin = "50"
	}
	if rapid.IntRange(0, 3).Draw(t, "window") == 0 {
		c.Within = rapid.SampledFrom([]commission.Duration{"30d", "1mo"}).Draw(t, "within")
	}
	return c
}

func drawAnyCap(t *rapid.T) commission.Cap {
	if rapid.Bool().Draw(t, "per transaction") {
		return drawCap(t)
	}
	return commission.Cap{
		Per:    rapid.SampledFrom([]commission.CapPer{commission.PerCustomer, commission.PerAffiliate}).Draw(t, "per"),
		Period: rapid.SampledFrom([]commission.Period{commission.Day, commission.Week, commission.Month, commission.Lifetime}).Draw(t, "period"),
		Max:    rapid.SampledFrom([]commission.Decimal{"1", "20", "100", "1001"}).Draw(t, "max"),
	}
}

// stretch names the day, week, month or whole time that an instant is in.
func (h *history) stretch(at time.Time, p commission.Period) string {
	zone, err := time.LoadLocation(h.plan.Timezone)
	if err != nil {
		panic(err)
	}
	at = at.In(zone)
	year, week := at.ISOWeek()
	return map[commission.Period]string{
		commission.Day: at.Format(time.DateOnly), commission.Week: fmt.Sprint(year, " ", week), commission.Month: at.Format("2006-01"),
	}[p]
}

// ledger follows a history in other words than the engine's: with fractions,
// and with sums of its own.
type ledger struct {
	*history
	oracle
	sums, posted map[string]*big.Rat // of tables
}

func newLedger(h *history) *ledger {
	return &ledger{history: h, oracle: oracle{scale: scaleOf(h.plan.Currency)}, sums: map[string]*big.Rat{}, posted: map[string]*big.Rat{}}
}

// promise is what the plan promises for an event, by the rules that did not
// refuse it.
func (l *ledger) promise(in commission.Input, out commission.Outcome) *big.Rat {
	l.in = in
	if in.Original != nil {
		return l.takenBack()
	}
	sum := new(big.Rat)
	for _, rule := range in.Plan.Rules {
		if refused(rule, out.Skipped) {
			continue
		}
		if rule.Pay.Differential != nil {
			sum.Add(sum, l.differential(rule.Pay.Differential))
			continue
		}
		own := l.own(rule)
		sum.Add(sum, own)
		if own.Sign() < 0 {
			own = new(big.Rat)
		}
		sum.Add(sum, l.overrides(rule, own))
	}
	return sum
}

func (l *ledger) own(rule commission.Rule) *big.Rat {
	tiers := rule.Pay.Tiers
	if tiers.Steps == nil {
		return l.flatOrPercent(rule)
	}
	if tiers.Scope == commission.EachTransaction {
		return l.round(table(tiers, l.in.Event.Amount.Rat()))
	}
	key := l.key(rule, l.in.Event)
	l.sums[key] = add(l.sums[key], l.in.Event.Amount.Rat())
	had := add(l.posted[key], new(big.Rat))
	l.posted[key] = l.round(table(tiers, l.sums[key]))
	return new(big.Rat).Sub(l.posted[key], had)
}

func (l *ledger) key(rule commission.Rule, e transaction.Event) string {
	return fmt.Sprint(rule.ID, e.AffiliateID, l.stretch(e.At, rule.Pay.Tiers.Scope))
}

func (l *ledger) differential(percents map[affiliate.Category]commission.Decimal) *big.Rat {
	sum, below := new(big.Rat), new(big.Rat)
	for _, m := range l.in.Upline {
		own := new(big.Rat)
		if percent, ok := percents[m.Category]; ok {
			own = rat(percent)
		}
		if own.Cmp(below) > 0 {
			excess := new(big.Rat).Sub(own, below)
			sum.Add(sum, l.round(excess.Mul(excess, l.in.Event.Amount.Rat()).Quo(excess, big.NewRat(100, 1))))
			below = own
		}
	}
	return sum
}

// takenBack is the sum of all parts of the original, below zero.
func (l *ledger) takenBack() *big.Rat {
	o, sum := l.in.Original, new(big.Rat)
	l.in.Plan = o.Plan
	level0 := map[string]*big.Rat{}
	take := func(rule string, level int, amount decimal.Decimal) {
		part := l.part(amount)
		sum.Sub(sum, part)
		if level == 0 {
			level0[rule] = add(level0[rule], part)
		}
	}
	for _, line := range o.Lines {
		take(line.Rule, line.Level, line.Amount)
	}
	for _, s := range o.Skipped {
		take(s.Rule, s.Level, s.Capped)
		take(s.Rule, s.Level, s.Breakage)
	}
	for _, rule := range o.Plan.Rules {
		if rule.Pay.Tiers.Steps == nil || refused(rule, o.Skipped) {
			continue
		}
		key, back := l.key(rule, o.Event), add(level0[rule.ID], new(big.Rat))
		l.sums[key] = add(l.sums[key], l.in.Event.Amount.Neg().Rat())
		l.posted[key] = add(l.posted[key], back.Neg(back))
	}
	return sum
}

// part is what falls to this event of what is taken back of an amount.
func (l *ledger) part(amount decimal.Decimal) *big.Rat {
	o := l.in.Original
	if o.Event.Amount.IsZero() {
		return amount.Rat()
	}
	due := func(refunded decimal.Decimal) *big.Rat {
		r := new(big.Rat).Mul(amount.Rat(), refunded.Rat())
		return l.round(r.Quo(r, o.Event.Amount.Rat()))
	}
	before := due(o.Refunded)
	return new(big.Rat).Sub(due(o.Refunded.Add(l.in.Event.Amount)), before)
}

// refused tells whether a rule did not pay for an event at all.
func refused(rule commission.Rule, skipped []commission.Skip) bool {
	for _, s := range skipped {
		if s.Rule != rule.ID || s.Level != 0 {
			continue
		}
		switch s.Reason {
		case commission.ReasonZero, commission.ReasonInactive, commission.ReasonCap:
		case commission.ReasonCategory:
			return rule.Pay.Differential == nil
		default:
			return true
		}
	}
	return false
}

// table is what steps pay for a sum, not rounded.
func table(tiers commission.Tiers, sum *big.Rat) *big.Rat {
	due, from := new(big.Rat), new(big.Rat)
	if sum.Sign() == 0 {
		return due
	}
	for i, step := range tiers.Steps {
		last := step.UpTo == "" || sum.Cmp(rat(step.UpTo)) <= 0
		to := sum
		if !last {
			to = rat(step.UpTo)
		}
		if tiers.Mode == commission.Slab {
			due, from = new(big.Rat), new(big.Rat)
		}
		percent := new(big.Rat).Mul(rat(step.Percent), new(big.Rat).Sub(to, from))
		due.Add(due, percent.Quo(percent, big.NewRat(100, 1)))
		if step.Flat != "" && sum.Sign() > 0 {
			due.Add(due, rat(tiers.Steps[i].Flat))
		}
		if from = to; last {
			break
		}
	}
	return due
}

// add is the sum of two fractions; nil is zero.
func add(a, b *big.Rat) *big.Rat {
	if a == nil {
		a = new(big.Rat)
	}
	return new(big.Rat).Add(a, b)
}

// whole is what an outcome accounts for: lines, cuts and breakage.
func whole(out commission.Outcome) decimal.Decimal {
	sum := out.Breakage()
	for _, line := range out.Lines {
		sum = sum.Add(line.Amount)
	}
	for _, s := range out.Skipped {
		sum = sum.Add(s.Capped)
	}
	return sum
}

// back is what has been taken back of each line of a history.
func (p past) back() (amounts, finals map[uuid.UUID]decimal.Decimal) {
	amounts, finals = map[uuid.UUID]decimal.Decimal{}, map[uuid.UUID]decimal.Decimal{}
	for _, out := range p.outcomes {
		for _, line := range out.Lines {
			if of := line.ReversesID; of != uuid.Nil {
				amounts[of], finals[of] = amounts[of].Sub(line.Amount), finals[of].Sub(line.Final)
			}
		}
	}
	return amounts, finals
}
