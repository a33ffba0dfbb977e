package commission

import "github.com/shopspring/decimal"

// quota is a Limit compiled: a count, or calendar months.
type quota struct{ count, months int }

func (l Limit) compile() quota { return quota{l.Count, l.Months} }

// exhausted tells whether the customer has had what the rule pays for one. An
// event without a customer has.
func (r *rating) exhausted(rule *rule) bool {
	if rule.limit == (quota{}) {
		return false
	}
	need, ok := r.limitNeed(rule)
	if !ok {
		return true
	}
	had := r.counter(need)
	if rule.limit.count > 0 {
		return had.Count >= rule.limit.count
	}
	end := span{months: rule.limit.months}.after(had.First, r.Plan.zone)
	return !had.First.IsZero() && !r.Event.At.Before(end)
}

// occurred counts the event for the customer's limit.
func (r *rating) occurred(rule *rule) {
	need, ok := r.limitNeed(rule)
	if !ok {
		return
	}
	had := r.counter(need)
	if had.Count++; had.First.IsZero() {
		had.First = r.Event.At
	}
	r.remember(need, had)
}

// sum adds the event to the customer's sum of a condition, and gives it.
func (r *rating) sum(rule *rule, c *condition) decimal.Decimal {
	need, ok := r.sumNeed(rule, c)
	if !ok {
		return decimal.Zero
	}
	return r.add(need, r.Event.Amount)
}
