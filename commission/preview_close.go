package commission

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/transaction"
)

// PreviewedStatement is the closed account of a period.
type PreviewedStatement struct {
	Period     string                       `json:"period"`
	Affiliate  string                       `json:"affiliate"`
	Plan       string                       `json:"plan"`
	Rule       string                       `json:"rule"`
	Split      string                       `json:"split,omitempty"`
	Opening    Decimal                      `json:"opening"`
	Base       Decimal                      `json:"base"`  // without the opening
	Items      map[transaction.Type]Decimal `json:"items"` // what was taken back is taken off
	Commission Decimal                      `json:"commission"`
	Payable    Decimal                      `json:"payable"`
	Closing    Decimal                      `json:"closing"`
	Unrecouped Decimal                      `json:"unrecouped,omitempty"`
	Customers  map[string]Decimal           `json:"customers,omitempty"` // whose losses are carried alone
	Footing    Footing                      `json:"footing"`
}

// closing is a period of a plan that the sample closes.
type closing struct {
	Interval
	plan string // its name
	path string
}

// happened is an event of the sample that was rated.
type happened struct {
	at        time.Time
	affiliate string
	plan      *Plan // in force at its own time
	customer  string
	kind      transaction.Type
	reverses  transaction.Type
	amount    decimal.Decimal
	metadata  [2]map[string]any  // its own, and that of what it takes back
	earned    map[string]advance // by rule, at level 0
}

type advance struct {
	plan  string
	final decimal.Decimal
}

// accountKey names an account of the sample.
type accountKey struct{ plan, affiliate, rule, split string }

// closings are the periods to be closed, each of every plan that pays by it.
func (p *preview) closings() []closing {
	var all []closing
	p.That(len(p.Close) <= maxSampleCloses, "close", "are %d, more than %d", len(p.Close), maxSampleCloses)
	names, seen := p.planNames(), map[string]bool{}
	for i, name := range p.Close[:min(len(p.Close), maxSampleCloses)] {
		path := fmt.Sprintf("close[%d]", i)
		if seen[name] {
			p.That(false, path, "%.40q stands twice", name)
			continue
		}
		seen[name] = true
		before, problem := len(all), fault.Field("", "no rule of a plan that is in force pays by %.40q", name)
		for _, plan := range names {
			iv, err := p.interval(name, plan)
			if err == nil && iv.From.Before(iv.To) {
				all = append(all, closing{iv, plan, path})
			}
			problem = cmp.Or(err, problem)
		}
		if len(all) == before {
			p.That(false, path, "%s", fault.Fields(problem)[0].Problem)
		}
	}
	return all
}

func (p *preview) planNames() []string {
	var names []string
	for _, plan := range p.plans {
		if !slices.Contains(names, plan.Name) {
			names = append(names, plan.Name)
		}
	}
	return names
}

// interval is a period of a plan, by its name: in the zone of the last version
// that came into force before its end and pays by such periods, and from where
// the one before it ends, be that in another zone. It is zero where there is no
// such version.
func (p *preview) interval(name, plan string) (Interval, error) {
	iv, zone, err := p.named(name, plan)
	if err != nil || zone == nil {
		return Interval{}, err
	}
	before := IntervalAt(iv.Period, iv.From.Add(-time.Microsecond), zone)
	if last, other, err := p.named(before.Name, plan); err == nil && other != nil {
		iv.From = last.To
	}
	return iv, nil
}

// named is a period of a plan from end to end in its own zone.
func (p *preview) named(name, plan string) (iv Interval, zone *time.Location, err error) {
	for _, i := range slices.Backward(p.order) {
		v := p.plans[i]
		if v.Name != plan {
			continue
		}
		if iv, err = ParseInterval(name, v.zone); err != nil {
			return Interval{}, nil, err
		}
		if slices.Contains(v.Periods(), iv.Period) && p.Plans[i].From.Before(iv.To) {
			return iv, v.zone, nil
		}
	}
	return Interval{}, nil, nil
}

// byTime are the places of the versions, in the order in which they come into
// force.
func (p *preview) byTime() []int {
	order := make([]int, len(p.Plans))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return p.Plans[a].From.Compare(p.Plans[b].From) })
	return order
}

// versions are those of a plan that are in force in a period, in order.
func (p *preview) versions(c closing) []*Plan {
	var list []*Plan
	add := func(at time.Time) {
		if v := p.planAt(at); v != nil && v.Name == c.plan {
			list = append(list, v)
		}
	}
	add(c.From)
	for _, i := range p.order {
		if from := p.Plans[i].From; from.After(c.From) && from.Before(c.To) {
			add(from)
		}
	}
	return list
}

// note keeps what closes will ask of an event.
func (p *preview) note(e SampleEvent, in Input, out Outcome) {
	if len(p.closes) == 0 {
		return
	}
	h := &happened{
		at: in.Event.At, affiliate: e.Affiliate, plan: in.Plan, customer: in.Event.CustomerID, kind: in.Event.Type,
		amount: in.Event.Amount, metadata: [2]map[string]any{e.Metadata},
	}
	if o := in.Original; o != nil {
		h.affiliate, h.reverses, h.metadata[1] = p.names[o.Event.AffiliateID], o.Event.Type, o.Event.Metadata
		h.customer = cmp.Or(h.customer, o.Event.CustomerID)
	}
	for _, l := range out.Lines {
		if l.Level == 0 {
			if h.earned == nil {
				h.earned = map[string]advance{}
			}
			h.earned[l.Rule] = advance{l.Calculation.Plan, l.Final}
		}
	}
	p.happened = append(p.happened, h)
}

// close settles the accounts of a period: affiliates in their order, rules in
// that of the document, then by the value that they are split by.
func (p *preview) close(c closing) error {
	w := work{preview: p, closing: c, versions: p.versions(c), rules: map[string]int{}, accounts: map[accountKey]*Account{}}
	for i, id := range RulesFor(c.Period, w.versions) {
		w.rules[id] = i
		if _, r := lastRule(w.versions, id, c.Period); r.recoup != nil {
			w.recoups = append(w.recoups, r)
		}
	}
	from, _ := slices.BinarySearchFunc(p.happened, c.From, func(h *happened, at time.Time) int { return h.at.Compare(at) })
	for _, h := range p.happened[from:] {
		if !h.at.Before(c.To) || len(w.accounts) > maxSampleLines {
			break
		}
		w.add(h)
	}
	return w.settle()
}

// work is the work on a close.
type work struct {
	*preview
	closing
	versions []*Plan
	rules    map[string]int // their places
	recoups  []*periodRule  // those that take advances off, as their last versions say
	accounts map[accountKey]*Account
}

// add adds what happened to the accounts that it is of.
func (w *work) add(h *happened) {
	if h.plan != nil && h.plan.Name == w.plan {
		for i := range h.plan.periods {
			if r := &h.plan.periods[i]; r.period == w.Period {
				w.count(h, r)
			}
		}
	}
	for _, r := range w.recoups {
		for _, id := range r.recoup {
			if earned := h.earned[id]; earned.plan == w.plan {
				into := w.account(h, r)
				into.Advance = into.Advance.Add(earned.final)
			}
		}
	}
}

// count adds what happened to an account whose base it counts in.
func (w *work) count(h *happened, r *periodRule) {
	did := Activity{Plan: h.plan, Customer: h.customer, Type: h.kind, Reverses: h.reverses, Amount: h.amount}
	if _, ok := did.item(&r.base); ok {
		a := w.account(h, r)
		a.Activity = append(a.Activity, did)
	}
}

func (w *work) account(h *happened, r *periodRule) *Account {
	key := accountKey{w.plan, h.affiliate, r.id, splitOf(r.splitBy, h.metadata[:]...)}
	a := w.accounts[key]
	if a == nil {
		a = &Account{Rule: key.rule, Split: key.split, Interval: w.Interval, Versions: w.versions}
		w.accounts[key] = a
	}
	return a
}

// settle settles the accounts, until the preview is full.
func (w *work) settle() error {
	if len(w.accounts) > maxSampleLines {
		return fault.Field("", "comes to more than %d accounts", maxSampleLines)
	}
	var upline []Member
	last := ""
	for _, key := range w.order() {
		if key.affiliate != last {
			upline, last = w.upline(key.affiliate), key.affiliate
		}
		a := w.accounts[key]
		a.Upline = upline
		if err := w.settleAccount(a, key); err != nil || w.full() {
			return err
		}
	}
	return nil
}

func (w *work) order() []accountKey {
	return slices.SortedFunc(maps.Keys(w.accounts), func(a, b accountKey) int {
		return cmp.Or(cmp.Compare(w.places[a.affiliate], w.places[b.affiliate]), cmp.Compare(w.rules[a.rule], w.rules[b.rule]), cmp.Compare(a.split, b.split))
	})
}

func (p *preview) settleAccount(a *Account, key accountKey) error {
	a.Opening = p.balances[key]
	s, ok, err := Settle(*a, p.memory)
	if err != nil || !ok {
		return err
	}
	maps.Copy(p.memory, s.Counters)
	p.balances[key] = s.Closing
	p.out.Statements = append(p.out.Statements, p.statement(s, key))
	p.tellLines(PreviewedLine{Period: a.Interval.Name}, s.Lines, Earning)
	p.tellSkips(PreviewedSkip{Period: a.Interval.Name, Affiliate: key.affiliate}, s.Skipped)
	return nil
}

func (p *preview) statement(s Settlement, key accountKey) PreviewedStatement {
	f := s.Footing
	out := PreviewedStatement{
		Period: f.Period, Affiliate: key.affiliate, Plan: key.plan, Rule: key.rule, Split: key.split,
		Opening: p.text(f.Opening), Base: p.text(f.Base()), Items: map[transaction.Type]Decimal{},
		Commission: p.text(f.Commission), Payable: p.text(f.Payable), Closing: p.text(f.Closing), Footing: f,
	}
	for kind, sum := range f.Items() {
		out.Items[kind] = p.text(sum)
	}
	if !f.Rest.IsZero() {
		out.Unrecouped = p.text(f.Rest)
	}
	for id, balance := range s.Closing.Customers {
		if out.Customers == nil {
			out.Customers = map[string]Decimal{}
		}
		out.Customers[id] = p.text(balance)
	}
	return out
}

// Items are the sums of the base's types, over all versions.
func (f *Footing) Items() map[transaction.Type]decimal.Decimal {
	sums := map[transaction.Type]decimal.Decimal{}
	for _, p := range f.Parts {
		for _, it := range p.Items {
			sums[it.Type] = sums[it.Type].Add(it.Amount)
		}
	}
	return sums
}
