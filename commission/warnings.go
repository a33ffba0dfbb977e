package commission

import (
	"fmt"
	"maps"
	"slices"

	"github.com/shopspring/decimal"
)

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
