package commission

import (
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"github.com/fature/fature/transaction"
)

// periodRule is a rule for periods compiled.
type periodRule struct {
	rule
	period   Period
	base     Base
	carry    Carry
	carryCap decimal.Decimal // zero is none
	splitBy  string
	roller   roller
	recoup   []string
}

// roller is a HighRoller compiled.
type roller struct {
	mode        HighRollerMode // empty is none
	player, all decimal.Decimal
}

func (r Rule) compilePeriod() periodRule {
	compiled := periodRule{
		rule: r.compile(), period: r.Period, base: Base{slices.Clone(r.Base.Plus), slices.Clone(r.Base.Minus)},
		carry: r.Carry, carryCap: r.CarryCap.value(), splitBy: r.SplitBy,
		roller: roller{r.HighRoller.Mode, r.HighRoller.PlayerMax.value(), r.HighRoller.AggregateMax.value()},
	}
	if len(r.Recoup) > 0 {
		compiled.recoup = slices.Clone(r.Recoup)
	}
	return compiled
}

// asksWho tells whether the rule's activity is needed customer by customer.
func (r *periodRule) asksWho() bool {
	return r.roller.mode != "" || r.asksActive()
}

// asksActive tells whether a step asks for active customers.
func (r *periodRule) asksActive() bool {
	return r.tiers != nil && slices.ContainsFunc(r.tiers.steps, func(t tier) bool { return t.active > 0 })
}

// periodRule finds a rule for periods of a kind, or nil.
func (p *Plan) periodRule(id string, period Period) *periodRule {
	if p == nil {
		return nil
	}
	for i := range p.periods {
		if r := &p.periods[i]; r.id == id && r.period == period {
			return r
		}
	}
	return nil
}

// lastRule is a rule as its last version has it, and that version: it sets what
// is not rated part by part. Both are nil where none has it.
func lastRule(versions []*Plan, id string, period Period) (*Plan, *periodRule) {
	for _, p := range slices.Backward(versions) {
		if r := p.periodRule(id, period); r != nil {
			return p, r
		}
	}
	return nil, nil
}

// RulesFor are the ids of the rules that pay by a kind of period: those of the
// last version in the order of its document, then those that it has dropped.
func RulesFor(kind Period, versions []*Plan) []string {
	var ids []string
	for _, p := range slices.Backward(versions) {
		for i := range p.periods {
			if r := &p.periods[i]; r.period == kind && !slices.Contains(ids, r.id) {
				ids = append(ids, r.id)
			}
		}
	}
	return ids
}

// Periods are the kinds of period that the plan pays by.
func (p *Plan) Periods() []Period {
	var kinds []Period
	for i := range p.periods {
		if kind := p.periods[i].period; !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// Zone is where the plan's days, weeks and months begin.
func (p *Plan) Zone() *time.Location { return p.zone }

// Activity is a sum of an affiliate's own transactions in a period: of those
// that have all else in common.
type Activity struct {
	Plan     *Plan            // the version in force at their time
	Customer string           // empty where the rule does not ask who
	Type     transaction.Type // of them
	Reverses transaction.Type // of what they take back, or empty
	Late     string           // the closed period that they belong to, or empty
	Amount   decimal.Decimal
}

// item is what of a base the activity is part of: itself, or what it takes
// back, unless the base lists that type itself.
func (a *Activity) item(b *Base) (it Item, ok bool) {
	it = Item{Type: a.Type, Late: a.Late, Amount: a.Amount}
	if !b.lists(a.Type) {
		it.Type, it.Amount = a.Reverses, a.Amount.Neg()
	}
	it.Minus = slices.Contains(b.Minus, it.Type)
	return it, b.lists(it.Type)
}

// splitOf is the value by which a rule splits an event: its own, or where it does
// not say, that of what it takes back.
func splitOf(by string, metadata ...map[string]any) string {
	if by == "" {
		return ""
	}
	for _, own := range metadata {
		if text, ok := scalarText(own[by]); ok {
			return text
		}
	}
	return ""
}

// played tells whether it makes its customer an active one.
func (a *Activity) played(b *Base) bool {
	return a.Customer != "" && a.Reverses == "" && a.Late == "" && slices.Contains(b.Plus, a.Type)
}

func (b *Base) lists(t transaction.Type) bool {
	return slices.Contains(b.Plus, t) || slices.Contains(b.Minus, t)
}

// CarryOver is what an account carries from period to period.
type CarryOver struct {
	// Carried is zero or a loss: of the base or of the commission, as Of says.
	Carried decimal.Decimal
	Of      Carry
	// Unrecouped is what of advances is still to be earned.
	Unrecouped decimal.Decimal
	// Customers are those whose losses a high-roller policy carries alone.
	Customers map[string]decimal.Decimal
}
