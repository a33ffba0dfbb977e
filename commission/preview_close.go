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
	at       time.Time
	plan     *Plan // in force at its own time
	customer string
	kind     transaction.Type
	reverses transaction.Type
	amount   decimal.Decimal
	metadata []map[string]any   // its own, and that of what it takes back
	earned   map[string]advance // by rule, at level 0
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
	for i, name := range p.Close[:min(len(p.Close), maxSampleCloses)] {
		path := fmt.Sprintf("close[%d]", i)
		if _, err := ParseInterval(name, time.UTC); err != nil {
			p.That(false, path, "%s", fault.Fields(err)[0].Problem)
			continue
		}
		before := len(all)
		for _, plan := range p.planNames() {
			if iv, ok := p.interval(name, plan); ok {
				all = append(all, closing{iv, plan, path})
			}
		}
		p.That(len(all) > before, path, "no rule of a plan that is in force pays by %s", name)
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

// interval is a period of a plan: in the zone of the last version that is in
// force in it and pays by such periods.
func (p *preview) interval(name, plan string) (iv Interval, ok bool) {
	for _, i := range slices.Backward(p.byTime()) {
		v := p.plans[i]
		if v.Name != plan {
			continue
		}
		in, err := ParseInterval(name, v.zone)
		if err == nil && slices.Contains(v.Periods(), in.Period) && p.Plans[i].From.Before(in.To) {
			return in, true
		}
	}
	return Interval{}, false
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
	for _, i := range p.byTime() {
		if from := p.Plans[i].From; from.After(c.From) && from.Before(c.To) {
			add(from)
		}
	}
	return list
}

// note keeps what closes will ask of an event.
func (p *preview) note(e SampleEvent, in Input, out Outcome) {
	h := happened{
		at: in.Event.At, plan: p.planAt(in.Event.At), customer: in.Event.CustomerID, kind: in.Event.Type,
		amount: in.Event.Amount, metadata: []map[string]any{e.Metadata}, earned: map[string]advance{},
	}
	affiliate := e.Affiliate
	if o := in.Original; o != nil {
		affiliate = p.names[o.Event.AffiliateID]
		h.reverses, h.metadata = o.Event.Type, append(h.metadata, o.Event.Metadata)
		h.customer = cmp.Or(h.customer, o.Event.CustomerID)
	}
	for _, l := range out.Lines {
		if l.Level == 0 {
			h.earned[l.Rule] = advance{l.Calculation.Plan, l.Final}
		}
	}
	p.happened[affiliate] = append(p.happened[affiliate], h)
}

// split is the value of an event by which a rule splits.
func (h *happened) split(by string) string {
	if by == "" {
		return ""
	}
	for _, metadata := range h.metadata {
		if text, ok := scalarText(metadata[by]); ok {
			return text
		}
	}
	return ""
}

// close settles the accounts of a period: affiliates in their order, rules in
// that of the document, then by the value that they are split by.
func (p *preview) close(c closing) error {
	versions := p.versions(c)
	for _, a := range p.Affiliates {
		if len(p.happened[a.ID]) == 0 {
			continue
		}
		accounts := p.accounts(c, versions, a)
		for _, rule := range RulesFor(c.Period, versions) {
			for _, split := range slices.Sorted(maps.Keys(accounts[rule])) {
				if err := p.settle(accounts[rule][split], c.plan, a.ID); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// accounts are those of an affiliate in which something happened, by rule and
// split.
func (p *preview) accounts(c closing, versions []*Plan, a SampleAffiliate) map[string]map[string]*Account {
	all := map[string]map[string]*Account{}
	account := func(rule, split string) *Account {
		if all[rule] == nil {
			all[rule] = map[string]*Account{}
		}
		if all[rule][split] == nil {
			all[rule][split] = &Account{Rule: rule, Split: split, Interval: c.Interval, Versions: versions, Upline: p.upline(a.ID)}
		}
		return all[rule][split]
	}
	for i := range p.happened[a.ID] {
		h := &p.happened[a.ID][i]
		if h.at.Before(c.From) || !h.at.Before(c.To) {
			continue
		}
		if h.plan != nil && h.plan.Name == c.plan {
			for j := range h.plan.periods {
				if r := &h.plan.periods[j]; r.period == c.Period {
					account(r.id, h.split(r.splitBy)).add(h)
				}
			}
		}
		for _, r := range recouping(versions, c.Period) {
			for _, id := range r.recoup {
				if earned := h.earned[id]; earned.plan == c.plan {
					into := account(r.id, h.split(r.splitBy))
					into.Advance = into.Advance.Add(earned.final)
				}
			}
		}
	}
	return all
}

func (a *Account) add(h *happened) {
	a.Activity = append(a.Activity, Activity{Plan: h.plan, Customer: h.customer, Type: h.kind, Reverses: h.reverses, Amount: h.amount})
}

// RulesFor are the ids of the rules that pay by a kind of period: those of the
// last version in the order of its document, then those that it has dropped.
func RulesFor(kind Period, versions []*Plan) []string {
	var ids []string
	for _, v := range slices.Backward(versions) {
		for i := range v.periods {
			if r := &v.periods[i]; r.period == kind && !slices.Contains(ids, r.id) {
				ids = append(ids, r.id)
			}
		}
	}
	return ids
}

// recouping are the rules that take advances off, as their last versions say.
func recouping(versions []*Plan, kind Period) []*periodRule {
	var rules []*periodRule
	for _, id := range RulesFor(kind, versions) {
		if r := lastRule(versions, id, kind); r.recoup != nil {
			rules = append(rules, r)
		}
	}
	return rules
}

// lastRule is a rule as the last version that has it says, or nil.
func lastRule(versions []*Plan, id string, kind Period) *periodRule {
	for _, v := range slices.Backward(versions) {
		if r := v.periodRule(id, kind); r != nil {
			return r
		}
	}
	return nil
}

func (p *preview) settle(a *Account, plan, affiliate string) error {
	key := accountKey{plan, affiliate, a.Rule, a.Split}
	a.Opening = p.balances[key]
	s, ok, err := Settle(*a, p.memory)
	if err != nil || !ok {
		return err
	}
	maps.Copy(p.memory, s.Counters)
	p.balances[key] = s.Closing
	p.out.Statements = append(p.out.Statements, p.statement(s, key))
	p.tellLines(PreviewedLine{Period: a.Interval.Name}, s.Lines, Earning)
	p.tellSkips(PreviewedSkip{Period: a.Interval.Name, Affiliate: affiliate}, s.Skipped)
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
