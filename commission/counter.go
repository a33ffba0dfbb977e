package commission

import (
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// Need names a counter: a piece of what rating remembers from event to event.
// It is locked and read before an event is rated, and handed to Rate in the
// Facts.
type Need struct {
	Plan   string // the plan's name: a counter outlives the versions
	Rule   string // the rule's id, or empty for a cap
	Kind   string // what is counted
	Holder string // whose it is: an affiliate, a customer, or a customer of an affiliate
	Bucket string // the stretch of time that it counts in, in the plan's zone
}

// Counter is what is remembered under a Need. A new one is zero.
type Counter struct {
	Count  int             // a limit: the occurrences paid
	First  time.Time       // a limit: when the first of them happened
	Total  decimal.Decimal // amounts: of a rule's events, or of a cap's lines as they were paid
	Posted decimal.Decimal // tiers: what was posted for Total, before caps

	place string // where the locked row is
}

// Facts are the counters that Needs named. One that is missing is zero.
type Facts map[Need]Counter

// The kinds of counters. That of a cap is its holder, PerCustomer or
// PerAffiliate.
const (
	countLimit = "limit"  // of a customer
	sumWhen    = "when"   // of a customer: the rule's types
	sumUnless  = "unless" // of a customer: the rule's types
	sumTiers   = "tiers"  // of an affiliate
)

// Needs names the counters that the rating of an event may read, some of them
// twice. It is nil for most events: rules without tiers over a period, limits,
// baselines and caps per holder need no memory.
func Needs(in Input) []Need {
	if in.Original != nil {
		return in.reversalNeeds()
	}
	if in.Plan == nil || len(in.Upline) == 0 || !in.Plan.remembers {
		return nil
	}
	var needs []Need
	for i := range in.Plan.rules {
		needs = append(needs, in.ruleNeeds(&in.Plan.rules[i])...)
	}
	return append(needs, in.capNeeds()...)
}

// capNeeds are what the caps add up for those who may earn.
func (in *Input) capNeeds() []Need {
	var needs []Need
	for i := range in.Plan.caps {
		need, ok := in.capNeed(&in.Plan.caps[i])
		for _, m := range in.Upline {
			if ok && m.Active {
				needs = append(needs, need.of(m.ID))
			}
		}
	}
	return needs
}

// ruleNeeds are the counters of one rule, whatever their values will say.
func (in *Input) ruleNeeds(rule *rule) []Need {
	if !rule.is(in) {
		return nil
	}
	needs := in.sumNeeds(rule)
	if rule.when.fails(in) != "" {
		return needs
	}
	if need, ok := in.limitNeed(rule); ok {
		needs = append(needs, need)
	}
	if need, ok := in.tierNeed(rule); ok {
		needs = append(needs, need)
	}
	return needs
}

// sumNeeds are the customer's sums that the rule's conditions ask for.
func (in *Input) sumNeeds(rule *rule) []Need {
	var needs []Need
	for _, c := range []*condition{&rule.when, &rule.unless} {
		if need, ok := in.sumNeed(rule, c); ok {
			needs = append(needs, need)
		}
	}
	return needs
}

// sumNeed is the customer's sum that a condition asks for. An event outside
// its window is no part of it.
func (in *Input) sumNeed(rule *rule, c *condition) (Need, bool) {
	if c.least.IsZero() || in.Event.CustomerID == "" || c.within != (span{}) && !in.inWindow(c.within) {
		return Need{}, false
	}
	return Need{Plan: in.Plan.Name, Rule: rule.id, Kind: c.sum, Holder: in.Event.CustomerID}, true
}

func (in *Input) limitNeed(rule *rule) (Need, bool) {
	if rule.limit == (quota{}) || in.Event.CustomerID == "" {
		return Need{}, false
	}
	return Need{Plan: in.Plan.Name, Rule: rule.id, Kind: countLimit, Holder: in.Event.CustomerID}, true
}

func (in *Input) tierNeed(rule *rule) (Need, bool) {
	if rule.tiers == nil || rule.tiers.scope == EachTransaction {
		return Need{}, false
	}
	return Need{
		Plan: in.Plan.Name, Rule: rule.id, Kind: sumTiers,
		Holder: in.Upline[0].ID.String(), Bucket: in.bucket(rule.tiers.scope),
	}, true
}

// capNeed is what a cap adds up for the event, of a holder that of names. A cap
// per transaction adds up nothing, and one per customer skips an event without
// one.
func (in *Input) capNeed(c *limit) (Need, bool) {
	if c.per == PerTransaction || c.per == PerCustomer && in.Event.CustomerID == "" {
		return Need{}, false
	}
	need := Need{Plan: in.Plan.Name, Kind: string(c.per), Bucket: in.bucket(c.period)}
	if c.per == PerCustomer {
		need.Holder = " " + in.Event.CustomerID
	}
	return need, true
}

// of is the need of an affiliate.
func (n Need) of(affiliateID uuid.UUID) Need {
	n.Holder = affiliateID.String() + n.Holder
	return n
}

// bucket is the stretch of time that the event falls in.
func (in *Input) bucket(p Period) string {
	at := in.Event.At.In(in.Plan.zone)
	switch p {
	case Week:
		at = at.AddDate(0, 0, -(int(at.Weekday())+6)%7)
	case Month:
		return string(p) + at.Format(" 2006-01")
	case Lifetime, EachTransaction:
		return string(p)
	case Day:
	}
	return string(p) + at.Format(" 2006-01-02")
}

// counter is what is remembered, this event's own changes included.
func (r *rating) counter(n Need) Counter {
	if c, ok := r.changed[n]; ok {
		return c
	}
	return r.facts[n]
}

// add adds an amount to a counter's total, and gives the total.
func (r *rating) add(n Need, amount decimal.Decimal) decimal.Decimal {
	had := r.counter(n)
	had.Total = had.Total.Add(amount)
	r.remember(n, had)
	return had.Total
}

func (r *rating) remember(n Need, c Counter) {
	if r.changed == nil {
		r.changed = Facts{}
	}
	r.changed[n] = c
}
