package commission

import (
	"fmt"
	"maps"
	"slices"

	"github.com/shopspring/decimal"

	"github.com/fature/fature/internal/fault"
)

// Unsupported lists, by path, all that a valid document asks for and this
// version does not rate yet: rules for periods. It is nil where the whole
// document can be rated. NewPlan refuses what it lists, so that no plan is ever
// half rated.
func (d Document) Unsupported() error {
	var c fault.Check
	for i, r := range d.Rules {
		c.That(r.Period == "", fmt.Sprintf("rules[%d].period", i), "is not rated by this version yet")
	}
	return c.Done()
}

// Warnings lists, by path, what a document may say and seldom means: percents
// over 100.
func (d Document) Warnings() []string {
	var w warnings
	for i, r := range d.Rules {
		path := fmt.Sprintf("rules[%d]", i)
		w.pay(path+".pay", r.Pay)
		for j, step := range r.Overrides.Steps {
			w.percent(fmt.Sprintf("%s.overrides.steps[%d].percent", path, j), step.Percent)
		}
	}
	for i, limit := range d.Caps {
		w.percent(fmt.Sprintf("caps[%d].percent", i), limit.Percent)
	}
	return w
}

type warnings []string

func (w *warnings) pay(path string, p Pay) {
	w.percent(path+".percent", p.Percent)
	for i, step := range p.Tiers.Steps {
		w.percent(fmt.Sprintf("%s.tiers.steps[%d].percent", path, i), step.Percent)
	}
	for _, category := range slices.Sorted(maps.Keys(p.Differential)) {
		w.percent(below(path+".differential", string(category)), p.Differential[category])
	}
}

func (w *warnings) percent(path string, d Decimal) {
	if n, err := d.parse(maxScale); err == nil && n.GreaterThan(decimal.NewFromInt(100)) {
		*w = append(*w, fmt.Sprintf("%s: %s %% is more than the whole", path, d))
	}
}
