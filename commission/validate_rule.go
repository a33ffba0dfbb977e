package commission

import (
	"fmt"
	"maps"
	"slices"

	"github.com/shopspring/decimal"

	"github.com/fature/fature/transaction"
)

func (v *validator) rule(path string, r Rule) {
	switch {
	case r.On != nil && r.Period != "":
		v.That(false, path+".period", "stands beside on: a rule is for events or for a period")
	case r.Period != "":
		v.periodRule(path, r)
	case r.On != nil:
		v.eventRule(path, r)
	default:
		v.That(false, path+".on", "is missing: a rule is for events (on) or for a period (period)")
	}
	v.pay(path+".pay", r.Pay)
	v.overrides(path+".overrides", r.Overrides)
}

func (v *validator) eventRule(path string, r Rule) {
	v.types(path+".on", r.On)
	if i := slices.Index(r.On, transaction.Refund); i >= 0 {
		v.That(false, fmt.Sprintf("%s.on[%d]", path, i), "refund is never rated: it reverses the lines of what it names")
	}
	v.none(path, "is only for a period rule",
		given{"base", r.Base.Plus != nil || r.Base.Minus != nil},
		given{"carry", r.Carry != ""}, given{"carry_cap", r.CarryCap != ""},
		given{"split_by", r.SplitBy != ""}, given{"high_roller", r.HighRoller != (HighRoller{})},
		given{"recoup", r.Recoup != nil})
	v.condition(path+".when", r.When)
	v.condition(path+".unless", r.Unless)
	v.limit(path+".limit", r.Limit)
	if r.Pay.Tiers.given() {
		oneOf(v, path+".pay.tiers.scope", r.Pay.Tiers.Scope, EachTransaction, Day, Week, Month, Lifetime)
		for i, step := range r.Pay.Tiers.Steps {
			v.That(step.MinActive == 0, fmt.Sprintf("%s.pay.tiers.steps[%d].min_active", path, i), "is only for a period rule")
		}
	}
	v.none(path, "stands beside pay.differential, which already pays the upline",
		given{"overrides", r.Pay.Differential != nil && r.Overrides.given()})
}

func (v *validator) condition(path string, c Condition) {
	low, hasLow := v.number(path+".min_amount", c.MinAmount, v.digits)
	high, hasHigh := v.number(path+".max_amount", c.MaxAmount, v.digits)
	v.That(!hasLow || !hasHigh || low.LessThanOrEqual(high), path+".max_amount", "is less than min_amount: nothing can match")
	v.positive(path+".cumulative_min", c.CumulativeMin, v.digits)
	if s, ok := v.duration(path+".within", c.Within); ok {
		v.That(s != span{}, path+".within", "is zero: nothing can match")
	}
	v.categories(path+".categories", c.Categories)
	if c.Metadata != nil {
		v.count(path+".metadata", len(c.Metadata), maxList)
	}
	for _, key := range slices.Sorted(maps.Keys(c.Metadata)) {
		at := below(path+".metadata", key)
		v.Err(at, checkText(key, maxKey))
		list(v, at, c.Metadata[key], func(value string) bool { return checkText(value, maxKey) == nil })
	}
}

func (v *validator) limit(path string, l Limit) {
	if l == (Limit{}) {
		return
	}
	v.exactlyOne(path, given{"count", l.Count != 0}, given{"months", l.Months != 0})
	v.That(l.Count >= 0 && l.Count <= maxWhole, path+".count", "is not from 1 to %d", maxWhole)
	v.That(l.Months >= 0 && l.Months <= longestSpan, path+".months", "is not from 1 to %d", longestSpan)
}

func (v *validator) periodRule(path string, r Rule) {
	oneOf(v, path+".period", r.Period, Day, Week, Month)
	v.none(path, "is only for an event rule",
		given{"when", r.When.given()}, given{"unless", r.Unless.given()},
		given{"limit", r.Limit != (Limit{})},
		given{"pay.multiply_by", r.Pay.MultiplyBy != ""},
		given{"pay.differential", r.Pay.Differential != nil},
		given{"pay.tiers.scope", r.Pay.Tiers.Scope != ""})
	v.base(path+".base", r.Base)
	oneOf(v, path+".carry", r.Carry, CarryNone, CarryBase, CarryCommission)
	v.positive(path+".carry_cap", r.CarryCap, v.digits)
	v.That(r.CarryCap == "" || r.Carry != CarryNone, path+".carry_cap", "stands beside carry none: nothing is carried")
	if r.SplitBy != "" {
		v.Err(path+".split_by", checkText(r.SplitBy, maxKey))
	}
	v.highRoller(path+".high_roller", r.HighRoller)
	v.recoup(path+".recoup", r.Recoup)
}

func (v *validator) recoup(path string, ids []string) {
	v.That(len(ids) <= maxRules, path, "has %d items, more than %d", len(ids), maxRules)
	for i, id := range ids[:min(len(ids), maxRules)] {
		at := fmt.Sprintf("%s[%d]", path, i)
		v.That(v.events[id], at, "%.70q is not the id of an event rule", id)
		v.That(!slices.Contains(ids[:i], id), at, "%.70q stands twice", id)
	}
}

func (v *validator) base(path string, b Base) {
	v.types(path+".plus", b.Plus)
	if len(b.Minus) == 0 {
		return
	}
	v.types(path+".minus", b.Minus)
	for i, t := range b.Minus {
		v.That(!slices.Contains(b.Plus, t), fmt.Sprintf("%s.minus[%d]", path, i), "%.40q also stands in plus", string(t))
	}
}

func (v *validator) highRoller(path string, h HighRoller) {
	if h == (HighRoller{}) || !oneOf(v, path+".mode", h.Mode, Quarantine, ProRata) {
		return
	}
	v.That(h.PlayerMax != "", path+".player_max", "is missing")
	v.positive(path+".player_max", h.PlayerMax, v.digits)
	v.positive(path+".aggregate_max", h.AggregateMax, v.digits)
	v.That(h.AggregateMax == "" || h.Mode == ProRata, path+".aggregate_max", "is only for pro_rata")
	v.That(h.AggregateMax != "" || h.Mode == Quarantine, path+".aggregate_max", "is missing")
}

func (v *validator) pay(path string, p Pay) {
	v.exactlyOne(path, given{"percent", p.Percent != ""}, given{"flat", p.Flat != ""},
		given{"tiers", p.Tiers.given()}, given{"differential", p.Differential != nil})
	v.number(path+".percent", p.Percent, maxScale)
	v.number(path+".flat", p.Flat, maxScale)
	if p.MultiplyBy != "" {
		v.That(p.Flat != "", path+".multiply_by", "is only for flat")
		v.Err(path+".multiply_by", checkText(p.MultiplyBy, maxKey))
	}
	if p.Tiers.given() {
		v.tiers(path+".tiers", p.Tiers)
	}
	if p.Differential != nil {
		v.count(path+".differential", len(p.Differential), maxList)
	}
	for _, category := range slices.Sorted(maps.Keys(p.Differential)) {
		at := below(path+".differential", string(category))
		v.That(category.Valid(), at, "is not a category")
		v.That(p.Differential[category] != "", at, "is empty")
		v.number(at, p.Differential[category], maxScale)
	}
}

func (v *validator) tiers(path string, t Tiers) {
	oneOf(v, path+".mode", t.Mode, Slab, Marginal)
	v.count(path+".steps", len(t.Steps), maxSteps)
	reached := decimal.Zero
	for i, step := range t.Steps[:min(len(t.Steps), maxSteps)] {
		at := fmt.Sprintf("%s.steps[%d]", path, i)
		v.That(step.Percent != "" || step.Flat != "", at, "needs percent, flat or both")
		v.number(at+".percent", step.Percent, maxScale)
		v.number(at+".flat", step.Flat, maxScale)
		v.That(step.MinActive >= 0 && step.MinActive <= maxWhole, at+".min_active", "is not from 1 to %d", maxWhole)
		upTo, ok := v.number(at+".up_to", step.UpTo, v.digits)
		last := i == len(t.Steps)-1
		v.That(!last || step.UpTo == "", at+".up_to", "stands on the last step, which has no end")
		v.That(last || step.UpTo != "", at+".up_to", "is missing: only the last step has no end")
		if ok {
			v.That(upTo.GreaterThan(reached), at+".up_to", "does not rise above %s", reached)
			reached = upTo
		}
	}
}

func (v *validator) overrides(path string, o Overrides) {
	if !o.given() {
		return
	}
	oneOf(v, path+".of", o.Of, OfAmount, OfCommission)
	oneOf(v, path+".inactive", o.Inactive, ToNobody, Compress, RollUp)
	v.count(path+".steps", len(o.Steps), maxSteps)
	for i, step := range o.Steps[:min(len(o.Steps), maxSteps)] {
		at := fmt.Sprintf("%s.steps[%d]", path, i)
		v.exactlyOne(at, given{"percent", step.Percent != ""}, given{"flat", step.Flat != ""})
		v.number(at+".percent", step.Percent, maxScale)
		v.number(at+".flat", step.Flat, maxScale)
		v.categories(at+".categories", step.Categories)
	}
}

func (c Condition) given() bool {
	return c.MinAmount != "" || c.MaxAmount != "" || c.CumulativeMin != "" || c.Within != "" ||
		c.Categories != nil || c.Metadata != nil
}

func (t Tiers) given() bool { return t.Mode != "" || t.Scope != "" || t.Steps != nil }

func (o Overrides) given() bool { return o.Of != "" || o.Inactive != "" || o.Steps != nil }
