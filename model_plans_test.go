package fature_test

import (
	"slices"

	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/scenario"
)

// modelDocuments are the plans that are published, again and again: versions of
// two, which have everything in play.
var modelDocuments = []string{
	`{"name": "casino", "timezone": "America/Sao_Paulo", "rounding": "half_even", "hold": "6d", "rules": [
		{"id": "sale", "on": ["sale"], "pay": {"tiers": {"mode": "slab", "scope": "month", "steps": [{"up_to": "300.00", "percent": "7"}, {"percent": "9.5", "flat": "3"}]}},
		 "overrides": {"of": "commission", "inactive": "roll_up", "steps": [{"percent": "30"}, {"percent": "20", "categories": ["vip"]}, {"flat": "0.33"}]}},
		{"id": "cpa", "on": ["deposit", "sale"], "when": {"cumulative_min": "50.00", "within": "30d"}, "limit": {"count": 2}, "pay": {"flat": "11.11"},
		 "overrides": {"of": "amount", "inactive": "compress", "steps": [{"percent": "0.5"}]}},
		{"id": "rev", "period": "month", "base": {"plus": ["bet"], "minus": ["win", "bonus", "fee", "chargeback"]},
		 "pay": {"tiers": {"mode": "marginal", "steps": [{"up_to": "200.00", "percent": "25"}, {"percent": "35", "min_active": 2}]}},
		 "carry": "base", "split_by": "brand", "high_roller": {"mode": "quarantine", "player_max": "150.00"}, "recoup": ["cpa", "sale"],
		 "overrides": {"of": "commission", "inactive": "none", "steps": [{"percent": "10"}, {"percent": "5"}]}}],
		"caps": [{"per": "transaction", "percent": "40"}, {"per": "customer", "period": "lifetime", "max": "90"}, {"per": "affiliate", "period": "month", "max": "120"}]}`,
	`{"name": "casino", "timezone": "America/Sao_Paulo", "hold": "1mo", "rules": [
		{"id": "rank", "on": ["sale"], "pay": {"differential": {"standard": "1", "premium": "2.5", "vip": "4"}}},
		{"id": "sale", "on": ["sale", "signup"], "when": {"min_amount": "20"}, "limit": {"months": 2}, "pay": {"percent": "3.33"}},
		{"id": "rev", "period": "month", "base": {"plus": ["bet"], "minus": ["win", "bonus"]}, "pay": {"percent": "30"},
		 "carry": "commission", "carry_cap": "40", "high_roller": {"mode": "pro_rata", "player_max": "100.00", "aggregate_max": "120.00"},
		 "overrides": {"of": "amount", "inactive": "roll_up", "steps": [{"percent": "4"}, {"flat": "0.50"}]}},
		{"id": "fees", "period": "month", "base": {"plus": ["fee"]}, "pay": {"flat": "1.25"}, "carry": "none"}],
		"caps": [{"per": "affiliate", "period": "month", "max": "150"}]}`,
	`{"name": "shop", "hold": "12h", "rules": [
		{"id": "order", "on": ["sale", "signup"], "pay": {"tiers": {"mode": "marginal", "scope": "lifetime", "steps": [{"up_to": "500.00", "percent": "10"}, {"percent": "6", "flat": "2"}]}},
		 "overrides": {"of": "amount", "inactive": "compress", "steps": [{"percent": "5"}, {"percent": "3", "categories": ["premium", "vip"]}, {"percent": "1"}]}},
		{"id": "net", "period": "month", "base": {"plus": ["deposit"], "minus": ["withdrawal"]}, "pay": {"percent": "12.5"}, "carry": "commission", "split_by": "brand",
		 "overrides": {"of": "amount", "inactive": "compress", "steps": [{"percent": "2"}]}}]}`,
	`{"name": "shop", "rounding": "down", "rules": [
		{"id": "order", "on": ["sale"], "unless": {"metadata": {"brand": ["y"]}}, "pay": {"percent": "8"},
		 "overrides": {"of": "commission", "inactive": "roll_up", "steps": [{"percent": "50"}, {"percent": "25"}]}},
		{"id": "net", "period": "month", "base": {"plus": ["deposit"], "minus": ["withdrawal", "fee"]},
		 "pay": {"tiers": {"mode": "slab", "steps": [{"up_to": "100.00", "percent": "10"}, {"percent": "15"}]}}, "carry": "base", "carry_cap": "75", "split_by": "brand", "recoup": ["order"]}],
		"caps": [{"per": "transaction", "max": "30"}]}`,
}

// modelDocument reads one of them.
func modelDocument(i int) commission.Document {
	doc, err := commission.Parse([]byte(`{"currency": "` + scenario.Currency + `", ` + modelDocuments[i][1:]))
	if err != nil {
		panic(err)
	}
	return doc
}

// modelRule finds a rule of a plan that pays by the month.
func modelRule(p *commission.Plan, id string) *commission.Rule {
	for i := range p.Rules {
		if r := &p.Rules[i]; r.ID == id && r.Period == commission.Month {
			return r
		}
	}
	return nil
}

// modelRules are the ids of those, of the last version first.
func modelRules(versions []*commission.Plan) (ids []string) {
	for _, p := range slices.Backward(versions) {
		for i := range p.Rules {
			if r := &p.Rules[i]; r.Period == commission.Month && !slices.Contains(ids, r.ID) {
				ids = append(ids, r.ID)
			}
		}
	}
	return ids
}

// asksWho tells whether a rule counts customers one by one.
func asksWho(r *commission.Rule) bool {
	return r.HighRoller.Mode != "" || slices.ContainsFunc(r.Pay.Tiers.Steps, func(s commission.TierStep) bool { return s.MinActive > 0 })
}
