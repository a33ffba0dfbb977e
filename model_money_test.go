package fature_test

import (
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
)

// closing is a month of a plan that is closed.
type closing struct {
	name           string
	from, to       time.Time
	lateSeq, seq   int64
	statements     int
	lines          int
	payable, final decimal.Decimal
}

// statement is a closed account.
type statement struct {
	accountName
	by      *person
	closing *closing
	plan    *commission.Plan
	commission.Footing
	carried commission.CarryOver
	lines   []*posted
}

// accountName names an account of an affiliate.
type accountName struct{ plan, rule, split string }

// dueMonth is a plan whose month may be closed.
type dueMonth struct {
	name     string
	interval commission.Interval
	versions []*commission.Plan
}

// month is a calendar month of a zone.
func month(name string, zone *time.Location) commission.Interval {
	first, err := time.ParseInLocation("2006-01", name, zone)
	if err != nil {
		panic(err)
	}
	return commission.Interval{Period: commission.Month, Name: name, From: first.UTC(), To: first.AddDate(0, 1, 0).UTC()}
}

func nextMonth(name string) string { return month(name, time.UTC).To.Format("2006-01") }

// due are the plans that pay by a month, those first that came into force first.
func (m *model) due(name string) (due []*dueMonth) {
	for _, a := range m.inForce {
		iv := month(name, a.plan.Zone())
		if !a.from.Before(iv.To) || len(modelRules([]*commission.Plan{a.plan})) == 0 {
			continue
		}
		at := slices.IndexFunc(due, func(d *dueMonth) bool { return d.name == a.plan.Name })
		if at < 0 {
			due, at = append(due, &dueMonth{name: a.plan.Name}), len(due)
		}
		due[at].interval, due[at].versions = iv, append(due[at].versions, a.plan)
	}
	return due
}

// closeMonth closes a month of every plan that is due. What was closed before a
// refusal stays closed.
func (m *model) closeMonth(name string) (closed []*closing, err error) {
	due := m.due(name)
	if len(due) == 0 {
		return nil, fature.ErrInvalid
	}
	for _, d := range due {
		if d.interval.To.After(m.now) {
			return nil, commission.ErrPeriodNotOver
		}
	}
	for _, d := range due {
		done := slices.IndexFunc(m.closings[d.name], func(c *closing) bool { return c.name == name })
		if done >= 0 {
			closed = append(closed, m.closings[d.name][done])
			continue
		}
		c, err := m.follow(d)
		if err != nil {
			return closed, err
		}
		m.closings[d.name] = append(m.closings[d.name], c)
		m.settleAll(d, c)
		closed = append(closed, c)
	}
	return closed, nil
}

// follow makes the closing that follows on the last one.
func (m *model) follow(d *dueMonth) (*closing, error) {
	m.seq++
	c := &closing{name: d.interval.Name, from: d.interval.From, to: d.interval.To, seq: m.seq}
	before := m.closings[d.name]
	if len(before) == 0 {
		for _, e := range m.rows {
			if e.event.At.Before(c.from) && slices.Contains(d.versions, e.plan) {
				return nil, commission.ErrPeriodOpen
			}
		}
		return c, nil
	}
	last := before[len(before)-1]
	switch next := nextMonth(last.name); {
	case c.name < next:
		return nil, commission.ErrPeriodPassed
	case c.name > next:
		return nil, commission.ErrPeriodOpen
	}
	c.from, c.lateSeq = last.to, last.seq
	return c, nil
}

// in tells whether a transaction counts in a closing, and for which month it is
// late.
func (c *closing) in(e *deed, zone *time.Location) (late string, ok bool) {
	at := e.event.At
	switch {
	case e.seq >= c.seq || !at.Before(c.to):
		return "", false
	case !at.Before(c.from):
		return "", true
	}
	return at.In(zone).Format("2006-01"), c.lateSeq > 0 && e.seq >= c.lateSeq
}

func (m *model) settleAll(d *dueMonth, c *closing) {
	people := slices.Clone(m.affiliates)
	slices.SortFunc(people, func(a, b *person) int { return slices.Compare(a.id[:], b.id[:]) })
	for _, p := range people {
		accounts := m.accounts(d, c, p)
		for _, rule := range modelRules(d.versions) {
			for _, split := range slices.Sorted(maps.Keys(accounts[rule])) {
				m.settle(d, c, p, accounts[rule][split])
			}
		}
	}
}

// accounts are those of an affiliate in which something happened, by rule and
// split.
func (m *model) accounts(d *dueMonth, c *closing, p *person) map[string]map[string]*commission.Account {
	all := map[string]map[string]*commission.Account{}
	iv := commission.Interval{Period: commission.Month, Name: c.name, From: c.from, To: c.to}
	account := func(rule, split string) *commission.Account {
		if all[rule] == nil {
			all[rule] = map[string]*commission.Account{}
		}
		if all[rule][split] == nil {
			all[rule][split] = &commission.Account{
				Rule: rule, Split: split, Interval: iv, Upline: p.upline(), Versions: m.during(p, c.from, c.to, d.versions),
			}
		}
		return all[rule][split]
	}
	for _, e := range m.rows {
		late, in := c.in(e, d.zone())
		if !in || e.by != p {
			continue
		}
		for _, rule := range modelRules(d.versions) {
			if r := m.rule(d, e, rule); r != nil {
				a := account(rule, e.split(r.SplitBy))
				a.Activity = append(a.Activity, d.activity(e.plan, e, rule, late))
			}
		}
		for _, rule := range modelRules(d.versions) {
			newest := newestRule(m.during(p, c.from, c.to, d.versions), rule)
			if newest == nil { // it has left the plan
				newest = newestRule(m.earnedBy(d, c, p), rule)
			}
			for _, l := range e.lines {
				if newest != nil && l.Level == 0 && slices.Contains(newest.Recoup, l.Rule) && l.Calculation.Plan == d.name {
					a := account(rule, e.split(newest.SplitBy))
					if l.Status != commission.Void {
						a.Advance = a.Advance.Add(l.FinalAmount)
					}
				}
			}
		}
	}
	return all
}

// earnedBy are the versions by which an affiliate got what some version recoups.
func (m *model) earnedBy(d *dueMonth, c *closing, p *person) (plans []*commission.Plan) {
	recoup := map[string]bool{}
	for _, v := range d.versions {
		for _, r := range v.Rules {
			for _, id := range r.Recoup {
				recoup[id] = true
			}
		}
	}
	for _, v := range d.versions {
		if slices.ContainsFunc(m.rows, func(e *deed) bool {
			_, in := c.in(e, d.zone())
			return in && e.by == p && slices.ContainsFunc(e.lines, func(l *posted) bool {
				return l.Level == 0 && recoup[l.Rule] && l.Calculation.PlanID == v.ID
			})
		}) {
			plans = append(plans, v)
		}
	}
	slices.SortFunc(plans, func(x, y *commission.Plan) int { return x.Version - y.Version })
	return plans
}

func (d *dueMonth) zone() *time.Location { return d.versions[len(d.versions)-1].Zone() }

// rule is the version of a rule by which a transaction counts, or nil.
func (m *model) rule(d *dueMonth, e *deed, rule string) *commission.Rule {
	plan := e.plan
	if plan == nil || !slices.Contains(d.versions, plan) {
		return nil
	}
	return modelRule(plan, rule)
}

func newestRule(versions []*commission.Plan, id string) *commission.Rule {
	for _, p := range slices.Backward(versions) {
		if r := modelRule(p, id); r != nil {
			return r
		}
	}
	return nil
}

func (d *dueMonth) activity(plan *commission.Plan, e *deed, rule, late string) commission.Activity {
	a := commission.Activity{Plan: plan, Type: e.event.Type, Late: late, Amount: e.event.Amount}
	for _, p := range d.versions {
		if r := modelRule(p, rule); r != nil && asksWho(r) {
			a.Customer = e.event.CustomerID
		}
	}
	if e.reverses != nil {
		a.Reverses = e.reverses.event.Type
	}
	return a
}

// split is the value of a transaction by which a rule splits.
func (e *deed) split(by string) string {
	for ; e != nil && by != ""; e = e.reverses {
		if value, ok := e.event.Metadata[by].(string); ok {
			return value
		}
	}
	return ""
}

// settle closes an account by the engine, with what the model has carried.
func (m *model) settle(d *dueMonth, c *closing, p *person, a *commission.Account) {
	if newestRule(a.Versions, a.Rule) == nil { // the affiliate has left the plan
		a.Versions = m.earnedBy(d, c, p)
		for _, act := range a.Activity {
			if !slices.Contains(a.Versions, act.Plan) {
				a.Versions = append(a.Versions, act.Plan)
			}
		}
		slices.SortFunc(a.Versions, func(x, y *commission.Plan) int { return x.Version - y.Version })
	}
	name := accountName{d.name, a.Rule, a.Split}
	for _, s := range m.statements {
		if s.accountName == name && s.by == p {
			a.Opening = s.carried
		}
	}
	settled, ok, err := commission.Settle(*a, m.counters)
	if err != nil {
		panic(err)
	}
	if !ok {
		return
	}
	maps.Copy(m.counters, settled.Counters)
	s := &statement{accountName: name, by: p, closing: c, Footing: settled.Footing, carried: settled.Closing}
	for _, v := range a.Versions {
		if modelRule(v, a.Rule) != nil {
			s.plan = v
		}
	}
	for _, l := range settled.Lines {
		line := m.post(l, c.to)
		line.statement = s
		s.lines = append(s.lines, line)
		c.final = c.final.Add(l.Final)
	}
	m.lines = append(m.lines, s.lines...)
	m.statements = append(m.statements, s)
	c.statements, c.lines, c.payable = c.statements+1, c.lines+len(s.lines), c.payable.Add(s.Payable)
}

// payout is what a run made of the lines of an affiliate.
type payout struct {
	id     uuid.UUID
	by     *person
	amount decimal.Decimal
	lines  int
	status commission.PayoutStatus
}

// approve ends the holds that are over.
func (m *model) approve() (approved int64) {
	for _, l := range m.lines {
		if l.Status == commission.Pending && !l.AvailableAt.After(m.now) {
			l.Status = commission.Approved
			approved++
		}
	}
	return approved
}

// run pays everybody whose lines come to the minimum.
func (m *model) run(minimum decimal.Decimal) (made []*payout, rolledOver int) {
	m.approve()
	for _, p := range m.affiliates {
		var due []*posted
		sum := decimal.Zero
		for _, l := range m.lines {
			if l.by == p && l.Status == commission.Approved && l.payout == nil {
				due, sum = append(due, l), sum.Add(l.FinalAmount)
			}
		}
		switch {
		case p.status != affiliate.Active || len(due) == 0:
		case sum.LessThan(minimum) || !sum.IsPositive():
			rolledOver++
		default:
			pay := &payout{by: p, amount: sum, lines: len(due), status: commission.PayoutCreated}
			for _, l := range due {
				l.payout = pay
			}
			made, m.payouts = append(made, pay), append(m.payouts, pay)
		}
	}
	return made, rolledOver
}

// modelStates are the states from which a payout becomes another.
var modelStates = map[commission.PayoutStatus][]commission.PayoutStatus{
	commission.PayoutApproved:  {commission.PayoutCreated},
	commission.PayoutSent:      {commission.PayoutApproved},
	commission.PayoutPaid:      {commission.PayoutSent},
	commission.PayoutFailed:    {commission.PayoutApproved, commission.PayoutSent},
	commission.PayoutCancelled: {commission.PayoutCreated, commission.PayoutApproved},
}

func (m *model) become(p *payout, to commission.PayoutStatus) error {
	switch {
	case !slices.Contains(modelStates[to], p.status):
		return fature.ErrConflict
	case p.by.status != affiliate.Active && (to == commission.PayoutApproved || to == commission.PayoutSent):
		return commission.ErrAffiliateInactive
	}
	p.status = to
	for _, l := range m.lines {
		switch {
		case l.payout != p:
		case to == commission.PayoutPaid:
			l.Status = commission.Paid
		case to == commission.PayoutFailed || to == commission.PayoutCancelled:
			l.payout = nil
		}
	}
	return nil
}

// void takes a line back with its reversals.
func (m *model) void(line *posted) (voided []*posted, err error) {
	if line.Kind == commission.Reversal {
		return nil, fature.ErrInvalid
	}
	for _, l := range m.lines {
		if l != line && (l.ReversesID == nil || *l.ReversesID != line.ID) {
			continue
		}
		if l.Status == commission.Paid || l.Status == commission.Void || l.payout != nil {
			return nil, commission.ErrSettled
		}
		voided = append(voided, l)
	}
	for _, l := range voided {
		l.Status = commission.Void
	}
	return voided, nil
}

// adjust gives or takes by hand, once for a key.
func (m *model) adjust(c commission.Correction) (*posted, error) {
	if c.Amount.IsZero() {
		return nil, fature.ErrInvalid
	}
	if first := m.corrections[c.Key]; first != nil && c.Key != "" {
		if first.AffiliateID != c.AffiliateID || !first.FinalAmount.Equal(c.Amount) {
			return nil, commission.ErrKeyConflict
		}
		return first, nil
	}
	line := m.post(commission.Line{
		AffiliateID: c.AffiliateID, Rule: "adjustment", Base: c.Amount, Amount: c.Amount, Final: c.Amount, AvailableAt: m.now,
	}, m.now)
	line.Kind = commission.Adjustment
	m.lines = append(m.lines, line)
	if c.Key != "" {
		m.corrections[c.Key] = line
	}
	return line, nil
}

// totals are what an affiliate turned over and earned in its life.
func (m *model) totals(p *person) (volume, commissions decimal.Decimal) {
	for _, e := range m.rows {
		if e.by == p {
			volume = volume.Add(e.volume())
		}
	}
	for _, l := range m.lines {
		if l.by == p && l.Status != commission.Void {
			commissions = commissions.Add(l.FinalAmount)
		}
	}
	return volume, commissions
}

// balance is where the money of an affiliate stands.
func (m *model) balance(p *person) (b commission.Balance) {
	for _, l := range m.lines {
		switch {
		case l.by != p:
		case l.Status == commission.Pending:
			b.Pending = b.Pending.Add(l.FinalAmount)
		case l.Status == commission.Paid:
			b.Paid = b.Paid.Add(l.FinalAmount)
		case l.Status == commission.Approved && l.payout != nil:
			b.InPayout = b.InPayout.Add(l.FinalAmount)
		case l.Status == commission.Approved:
			b.Available = b.Available.Add(l.FinalAmount)
		}
	}
	return b
}
