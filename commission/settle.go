package commission

import (
	"cmp"
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
// base counts, and no advance that the rule takes off. What was carried then
// stays as it is.
//
// Facts are those that Account.Needs named. Errors are of the kind
// fault.Invalid: a base or a line that no row could hold.
func Settle(a Account, facts Facts) (s Settlement, ok bool, err error) {
	w := a.settling()
	if w == nil || len(w.parts) == 0 && (a.Advance.IsZero() || w.rule.recoup == nil) {
		return Settlement{}, false, nil
	}
	if len(w.parts) == 0 {
		w.part(w.last)
	}
	s.Closing.Customers = w.setAside()
	s.Footing = w.footing()
	if base := s.Footing.rated(); base.Abs().GreaterThan(money.Max) {
		return s, false, fault.Field("base", "of rule %s in %s is %s, out of range", a.Rule, a.Interval.Name, base)
	}
	s.Closing.Carried, s.Closing.Of = s.Footing.Closing, w.rule.carry
	s.Closing.Unrecouped = s.Footing.Rest
	s.Outcome, err = w.pay(&s.Footing, facts)
	return s, err == nil, err
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
	for _, p := range slices.Backward(a.Versions) {
		if p.periodRule(a.Rule, a.Interval.Period) != nil {
			return p
		}
	}
	return nil
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
	active map[string]bool
}

// player is a customer whose losses may be set aside: what he brought to the
// base of each part.
type player struct {
	in    map[*part]decimal.Decimal
	total decimal.Decimal
}

func (a *Account) settling() *settling {
	last := a.last()
	if last == nil {
		return nil
	}
	w := &settling{Account: a, last: last, rule: last.periodRule(a.Rule, a.Interval.Period), played: map[string]*player{}}
	for i := range a.Activity {
		w.count(&a.Activity[i])
	}
	slices.SortStableFunc(w.parts, func(x, y *part) int { return cmp.Compare(w.rank(x.plan), w.rank(y.plan)) })
	return w
}

// rank orders versions: those that only late transactions were rated by come
// first, by number.
func (a *Account) rank(p *Plan) int {
	at := slices.IndexFunc(a.Versions, func(v *Plan) bool { return v.ID == p.ID })
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
	if a.played(&rule.base) {
		p.active[a.Customer] = true
	}
	if a.Customer != "" {
		w.play(a.Customer, p, it.signed())
	}
}

func (w *settling) part(plan *Plan) *part {
	for _, p := range w.parts {
		if p.plan.ID == plan.ID {
			return p
		}
	}
	p := &part{Part: Part{Version: plan.Version}, plan: plan, active: map[string]bool{}}
	p.rule = plan.periodRule(w.Rule, w.Interval.Period)
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
		Opening: w.Opening.Carried, Recoup: w.rule.recoup, Unrecouped: w.Opening.Unrecouped,
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
	if p.rule.tiers == nil {
		p.foot()
		return
	}
	if p.rule.asksActive() {
		p.Active = len(p.active)
	}
	p.Kind, p.Rate, p.Tiers = kindTiers, decimal.Zero, &TierSum{Mode: p.rule.tiers.mode, Bucket: period}
	p.foot() // the base
	p.Tiers.Sum = p.Base
	p.Tiers.Parts = p.rule.tiers.allowed(p.Base, p.Active).parts(p.Base)
	if n := len(p.Tiers.Parts); n > 0 {
		p.Rate = p.Tiers.Parts[n-1].Percent
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
		alone[winners[i]] = alone[winners[i]].Sub(share)
	}
	w.bring(carried)
}

// base is that of all parts, as far as customers were set aside.
func (w *settling) base() decimal.Decimal {
	sum := decimal.Zero
	for _, p := range w.parts {
		sum = sum.Add(p.Aside)
		for i := range p.Items {
			sum = sum.Add(p.Items[i].signed())
		}
	}
	return sum
}
