package commission

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/money"
	"github.com/fature/fature/transaction"
)

// Account is what closing a period knows of an affiliate under one rule, and
// of one value where the rule splits by one.
type Account struct {
	Rule     string
	Split    string
	Interval Interval
	// Versions of the plan that were in force for the affiliate in the period,
	// in the order in which they came into force. The last one that has the
	// rule sets carry, hold, high roller, recoup and overrides.
	Versions []*Plan
	Upline   []Member // the affiliate first, then its ancestors, nearest first, as they are at the close
	Activity []Activity
	Advance  decimal.Decimal // level-0 lines of the rules to recoup, after caps and net of reversals
	Opening  CarryOver
}

// Settlement is what closing an account comes to.
type Settlement struct {
	Footing Footing
	Closing CarryOver
	Outcome // the lines that it pays, and what nobody could take
}

// Settle closes an account: it rates the base of the period, applies what is
// carried, and pays what remains to the affiliate and its upline. There is no
// statement, and ok is false, where nothing happened: no transaction that the
// base counts, and no advance. What was carried then stays as it is.
//
// Facts are those that Account.Needs named. Errors are of the kind
// fault.Invalid: an account of nobody, a number out of range, an opening that
// no settlement closed with, a figure or a line that no row could hold.
func Settle(a Account, facts Facts) (Settlement, bool, error) {
	last, rule := lastRule(a.Versions, a.Rule, a.Interval.Period)
	if last == nil {
		return Settlement{}, false, nil
	}
	if err := a.check(); err != nil {
		return Settlement{}, false, err
	}
	w := settling{Account: &a, last: last, rule: rule, played: map[string]*player{}}
	w.countAll()
	if len(w.parts) == 0 && (rule.recoup == nil || a.Advance.IsZero()) {
		return Settlement{}, false, nil
	}
	s, err := w.settle(facts)
	if err != nil {
		return Settlement{}, false, err
	}
	return s, true, nil
}

// check refuses what no close could have asked, before any arithmetic.
func (a *Account) check() error {
	var c fault.Check
	c.That(len(a.Upline) > 0, "upline", "is empty: the affiliate comes first")
	c.That(!anyBomb(a.Advance), "advance", "is out of range")
	for i := range a.Activity {
		if anyBomb(a.Activity[i].Amount) {
			c.That(false, fmt.Sprintf("activity[%d].amount", i), "is out of range")
		}
	}
	c.Err("opening", a.Opening.check())
	return c.Done()
}

// check refuses a balance that no settlement closes with.
func (b *CarryOver) check() error {
	var c fault.Check
	loss := func(field string, d decimal.Decimal) {
		switch {
		case anyBomb(d):
			c.That(false, field, "is out of range")
		case d.IsPositive():
			c.That(false, field, "is above zero: only losses are carried")
		}
	}
	loss("carried", b.Carried)
	c.That(b.Carried.IsZero() || b.Of == CarryBase || b.Of == CarryCommission, "of", "%.40q is not what a loss is carried of", string(b.Of))
	c.That(!anyBomb(b.Unrecouped) && !b.Unrecouped.IsNegative(), "unrecouped", "is below zero or out of range")
	for _, id := range slices.Sorted(maps.Keys(b.Customers)) {
		loss(below("customers", id), b.Customers[id])
	}
	return c.Done()
}

// Needs names the counters that settling the account may read: those of caps.
func (a *Account) Needs() []Need {
	plan := a.last()
	if plan == nil {
		return nil
	}
	in := a.input(plan)
	return in.capNeeds()
}

// last is the version that sets what is not rated part by part.
func (a *Account) last() *Plan {
	last, _ := lastRule(a.Versions, a.Rule, a.Interval.Period)
	return last
}

// input is the account as the last instant of its period.
func (a *Account) input(plan *Plan) Input {
	return Input{Plan: plan, Upline: a.Upline, Event: transaction.Event{At: a.Interval.To.Add(-time.Microsecond)}}
}

// settling is the work on an account.
type settling struct {
	*Account
	last   *Plan
	rule   *periodRule // of the last version
	parts  []*part
	played map[string]*player
}

// part is what one version rates.
type part struct {
	Part
	plan   *Plan
	rule   *periodRule
	active map[string]bool // customers, where a step asks for them
}

// player is a customer whose losses may be set aside: what he brought to the
// base of each part.
type player struct {
	in    map[*part]decimal.Decimal
	total decimal.Decimal
}

// settle makes the settlement of what was counted.
func (w *settling) settle(facts Facts) (s Settlement, err error) {
	if len(w.parts) == 0 {
		w.part(w.last)
	}
	alone := w.setAside()
	s.Footing = w.footing()
	s.Closing = CarryOver{Carried: s.Footing.Closing, Of: w.rule.carry, Unrecouped: s.Footing.Rest, Customers: alone}
	if err := w.fits(&s); err != nil {
		return s, err
	}
	s.Outcome, err = w.pay(&s.Footing, facts)
	return s, err
}

// fits refuses figures that no row could hold.
func (w *settling) fits(s *Settlement) error {
	var c fault.Check
	fits := func(field string, d decimal.Decimal) {
		if d.NumDigits()+int(d.Exponent()) > 12 && d.Abs().GreaterThan(money.Max) { // most are seen to be small without arithmetic
			c.That(false, field, "of rule %s in %s is %s, out of range", w.Rule, w.Interval.Name, d)
		}
	}
	f := &s.Footing
	fits("base", f.rated())
	fits("base", f.Base())
	fits("commission", f.Commission)
	fits("closing", f.Closing)
	fits("payable", f.Payable)
	fits("unrecouped", f.Rest)
	for _, id := range slices.Sorted(maps.Keys(s.Closing.Customers)) {
		fits(below("customers", id), s.Closing.Customers[id])
	}
	return c.Done()
}

// countAll counts the activity, and orders its parts.
func (w *settling) countAll() {
	for i := range w.Activity {
		w.count(&w.Activity[i])
	}
	slices.SortFunc(w.parts, func(x, y *part) int {
		return cmp.Or(cmp.Compare(w.rank(x.plan), w.rank(y.plan)), bytes.Compare(x.plan.ID[:], y.plan.ID[:]))
	})
}

// rank orders versions: those that only late transactions were rated by come
// first, by number.
func (a *Account) rank(p *Plan) int {
	at := slices.IndexFunc(a.Versions, func(v *Plan) bool { return v != nil && v.ID == p.ID })
	if at < 0 {
		return p.Version - 1_000_000_000
	}
	return at
}

// count adds activity to the part of its version.
func (w *settling) count(a *Activity) {
	rule := a.Plan.periodRule(w.Rule, w.Interval.Period)
	if rule == nil {
		return
	}
	it, ok := a.item(&rule.base)
	if !ok {
		return
	}
	p := w.part(a.Plan)
	p.add(it)
	if p.active != nil && a.played(&rule.base) {
		p.active[a.Customer] = true
	}
	if w.rule.roller.mode != "" && a.Customer != "" {
		w.play(a.Customer, p, it.signed())
	}
}

func (w *settling) part(plan *Plan) *part {
	for _, p := range w.parts {
		if p.plan.ID == plan.ID {
			return p
		}
	}
	p := &part{Part: Part{Version: plan.Version}, plan: plan, rule: plan.periodRule(w.Rule, w.Interval.Period)}
	if p.rule.asksActive() {
		p.active = map[string]bool{}
	}
	w.parts = append(w.parts, p)
	return p
}

// add keeps the items in the order of the base's types, and of their periods.
func (p *part) add(it Item) {
	at, found := slices.BinarySearchFunc(p.Items, it, func(x, y Item) int {
		return cmp.Or(cmp.Compare(p.rule.base.place(x.Type), p.rule.base.place(y.Type)), cmp.Compare(x.Late, y.Late))
	})
	if found {
		p.Items[at].Amount = p.Items[at].Amount.Add(it.Amount)
		return
	}
	p.Items = slices.Insert(p.Items, at, it)
}

func (b *Base) place(t transaction.Type) int {
	if at := slices.Index(b.Plus, t); at >= 0 {
		return at
	}
	return len(b.Plus) + slices.Index(b.Minus, t)
}

func (w *settling) play(customer string, p *part, amount decimal.Decimal) {
	c := w.played[customer]
	if c == nil {
		c = &player{in: map[*part]decimal.Decimal{}}
		w.played[customer] = c
	}
	c.in[p] = c.in[p].Add(amount)
	c.total = c.total.Add(amount)
}

// footing rates the parts, and settles.
func (w *settling) footing() Footing {
	f := Footing{
		Period: w.Interval.Name, Split: w.Split, Carry: w.rule.carry, CarryCap: w.rule.carryCap,
		Opening: w.Opening.Carried, Recoup: slices.Clone(w.rule.recoup), Unrecouped: w.Opening.Unrecouped,
	}
	if !f.Opening.IsZero() {
		f.OpeningOf = w.Opening.Of
	}
	w.parts[0].Opening = f.ofBase()
	if f.Recoup != nil {
		f.Advance = w.Advance
	}
	for _, p := range w.parts {
		p.rate(w.Interval.Name)
		f.Parts = append(f.Parts, p.Part)
	}
	f.settle(w.last.rounding, w.last.digits)
	return f
}

// rate says how the version pays its part, and what.
func (p *part) rate(period string) {
	p.Kind, p.Rate = p.rule.pay.kind, p.rule.pay.rate
	if t := p.rule.tiers; t != nil {
		base := p.sum()
		p.Active = len(p.active)
		p.Tiers = &TierSum{Mode: t.mode, Bucket: period, Sum: base, Parts: t.allowed(base, p.Active).parts(base)}
		p.Kind, p.Rate = kindTiers, p.Tiers.reached()
	}
	p.foot()
}

// allowed is the table up to the highest step that both the base and the
// active customers reach, which then has no end.
func (t *table) allowed(base decimal.Decimal, active int) *table {
	best := 0
	for i, s := range t.steps {
		if s.active <= active {
			best = i
		}
		if s.upTo.IsZero() || base.LessThanOrEqual(s.upTo) {
			break
		}
	}
	steps := slices.Clone(t.steps[:best+1])
	if steps[best].upTo.LessThan(base) {
		steps[best].upTo = decimal.Zero
	}
	return &table{mode: t.mode, scope: t.scope, steps: steps}
}

// pay posts what is payable, and what the upline earns beside it.
func (w *settling) pay(f *Footing, facts Facts) (Outcome, error) {
	r := rating{Input: w.input(w.last), facts: facts, available: w.last.hold.after(w.Interval.To, w.last.zone), footing: f}
	own := Term{Kind: kindStatement, Of: OfAmount, Base: f.rated(), Rate: f.rate(), Unrounded: f.unrounded(), Rounded: f.Payable}
	claim := claim{rule: w.Rule, term: own}
	if !w.Upline[0].Active {
		claim.lost = ReasonInactive
	}
	r.post(&claim)
	on := overridden{base: Term{Of: OfAmount, Base: decimal.Max(own.Base, decimal.Zero)}, flat: f.Payable.IsPositive()}
	if w.rule.of == OfCommission {
		on.base = Term{Of: OfCommission, Base: f.Payable}
	}
	r.override(&w.rule.rule, on)
	for i := range w.last.caps {
		if c := &w.last.caps[i]; c.per == PerAffiliate {
			r.cap(c)
		}
	}
	r.fill()
	r.skipped = slices.DeleteFunc(r.skipped, func(s Skip) bool { return s.Breakage.IsZero() && s.Capped.IsZero() })
	return r.outcome()
}

// setAside applies the high-roller policy, and gives the balances that are
// carried alone.
func (w *settling) setAside() map[string]decimal.Decimal {
	alone := maps.Clone(w.Opening.Customers)
	if alone == nil {
		alone = map[string]decimal.Decimal{}
	}
	switch w.rule.roller.mode {
	case Quarantine:
		w.quarantine(alone)
	case ProRata:
		w.proRata(alone)
	}
	return alone
}

// quarantine keeps customers out of every part while their losses last.
func (w *settling) quarantine(alone map[string]decimal.Decimal) {
	for _, id := range slices.Sorted(maps.Keys(w.played)) {
		c := w.played[id]
		owed, in := alone[id]
		if !in && c.total.GreaterThan(w.rule.roller.player.Neg()) {
			continue
		}
		for p, amount := range c.in {
			p.Aside = p.Aside.Sub(amount)
		}
		if owed = owed.Add(c.total); !owed.IsPositive() {
			alone[id] = owed
			continue
		}
		delete(alone, id)
		w.bring(owed)
	}
}

// bring adds to the last part with activity.
func (w *settling) bring(amount decimal.Decimal) {
	p := w.parts[len(w.parts)-1]
	p.Aside = p.Aside.Add(amount)
}

// proRata plays off what is carried, and then spreads what the whole account
// lost over those who won much, if it is much.
func (w *settling) proRata(alone map[string]decimal.Decimal) {
	ids := slices.Sorted(maps.Keys(w.played))
	for _, id := range ids {
		c := w.played[id]
		back := decimal.Min(c.total, alone[id].Neg())
		if !back.IsPositive() {
			continue
		}
		c.total = c.total.Sub(back)
		w.bring(back.Neg())
		if alone[id] = alone[id].Add(back); alone[id].IsZero() {
			delete(alone, id)
		}
	}
	base := w.base()
	if base.GreaterThan(w.rule.roller.all.Neg()) {
		return
	}
	var winners []string
	var losses []decimal.Decimal
	sum := decimal.Zero
	for _, id := range ids {
		if c := w.played[id]; c.total.LessThanOrEqual(w.rule.roller.player.Neg()) {
			winners, losses = append(winners, id), append(losses, c.total.Neg())
			sum = sum.Sub(c.total)
		}
	}
	carried := decimal.Min(sum, base.Neg())
	for i, share := range money.Allocate(carried, losses, w.last.digits) {
		if !share.IsZero() {
			alone[winners[i]] = alone[winners[i]].Sub(share)
		}
	}
	w.bring(carried)
}

// base is that of all parts, as far as customers were set aside.
func (w *settling) base() decimal.Decimal {
	sum := decimal.Zero
	for _, p := range w.parts {
		sum = sum.Add(p.sum())
	}
	return sum
}
