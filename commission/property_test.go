package commission_test

import (
	"fmt"
	"math/big"
	"testing"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/transaction"
)

// Whatever the plan, the upline and the event: what is posted, what caps took
// whole and the breakage add up to what the plan promises; caps hold to the
// smallest unit; every line can be evaluated again from its record alone.
func TestRateProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		out, err := commission.Rate(in, nil)
		require.NoError(t, err)
		requireSound(t, in, nil, out)

		amounts, finals := decimal.Zero, decimal.Zero
		for _, line := range out.Lines {
			require.True(t, line.Final.IsPositive())
			require.True(t, line.Final.LessThanOrEqual(line.Amount))
			require.True(t, in.Upline[line.Level].Active || line.Calculation.Place > line.Level)
			require.NotContains(t, line.Calculation.Explain().Steps[len(line.Calculation.Explain().Steps)-1], "does not follow")
			amounts, finals = amounts.Add(line.Amount), finals.Add(line.Final)
		}
		for _, skip := range out.Skipped {
			amounts = amounts.Add(skip.Capped)
		}
		oracle := oracle{in, scaleOf(in.Plan.Currency)}
		require.Equal(t, oracle.promise().RatString(), amounts.Add(out.Breakage()).Rat().RatString(), "promise")
		require.Equal(t, oracle.capped(amounts).RatString(), finals.Rat().RatString(), "caps")
	})
}

// oracle says the same in other words, with fractions instead of decimals.
type oracle struct {
	in    commission.Input
	scale int64 // smallest units of the currency in one
}

func scaleOf(currency string) int64 {
	return map[string]int64{"JPY": 1, "BRL": 100, "KWD": 1000}[currency]
}

func (o oracle) promise() *big.Rat {
	sum := new(big.Rat)
	for _, rule := range o.in.Plan.Rules {
		if rule.On[0] != o.in.Event.Type {
			continue
		}
		own := o.flatOrPercent(rule)
		sum.Add(sum, own)
		sum.Add(sum, o.overrides(rule, own))
	}
	return sum
}

func (o oracle) flatOrPercent(rule commission.Rule) *big.Rat {
	if rule.Pay.MultiplyBy == "" {
		return o.share(rule.Pay.Percent, rule.Pay.Flat, o.in.Event.Amount.Rat())
	}
	items := int64(o.in.Event.Metadata["items"].(int))
	return o.round(new(big.Rat).Mul(rat(rule.Pay.Flat), big.NewRat(items, 1)))
}

// overrides is what all steps come to, beside what level 0 earns.
func (o oracle) overrides(rule commission.Rule, own *big.Rat) *big.Rat {
	sum, base := new(big.Rat), o.in.Event.Amount.Rat()
	if rule.Overrides.Of == commission.OfCommission {
		base = own
	}
	for _, step := range rule.Overrides.Steps {
		sum.Add(sum, o.share(step.Percent, step.Flat, base))
	}
	return sum
}

// capped is what the caps leave of a sum.
func (o oracle) capped(amounts decimal.Decimal) *big.Rat {
	sum := amounts.Rat()
	for _, c := range o.in.Plan.Caps {
		if most := o.share(c.Percent, c.Max, o.in.Event.Amount.Rat()); sum.Cmp(most) > 0 {
			sum = most
		}
	}
	return sum
}

func (o oracle) share(percent, flat commission.Decimal, base *big.Rat) *big.Rat {
	if flat != "" {
		return o.round(rat(flat))
	}
	share := new(big.Rat).Mul(rat(percent), base)
	return o.round(share.Quo(share, big.NewRat(100, 1)))
}

// round counts in smallest units: the whole ones, and a remainder of ½ or not.
// A number below zero mirrors the one above.
func (o oracle) round(r *big.Rat) *big.Rat {
	if r.Sign() < 0 {
		mirrored := o.round(new(big.Rat).Neg(r))
		return mirrored.Neg(mirrored)
	}
	units := new(big.Rat).Mul(r, big.NewRat(o.scale, 1))
	whole, rest := new(big.Int).QuoRem(units.Num(), units.Denom(), new(big.Int))
	tie := rest.Lsh(rest, 1).Cmp(units.Denom())
	switch o.in.Plan.Rounding {
	case commission.Down:
		tie = -1
	case commission.HalfEven:
		if tie == 0 && whole.Bit(0) == 0 {
			tie = -1
		}
	case commission.HalfUp:
	}
	if tie >= 0 {
		whole.Add(whole, big.NewInt(1))
	}
	return new(big.Rat).SetFrac(whole, big.NewInt(o.scale))
}

func rat(d commission.Decimal) *big.Rat {
	r, ok := new(big.Rat).SetString(string(d))
	if !ok {
		panic("not a number: " + string(d))
	}
	return r
}

var (
	percents   = rapid.SampledFrom([]commission.Decimal{"0", "0.5", "1", "2.5", "3", "7", "10", "12.375", "33.33333333", "50", "100", "250"})
	flats      = rapid.SampledFrom([]commission.Decimal{"0", "0.005", "0.01", "0.125", "1", "2.50", "99.999", "1000"})
	categories = rapid.SampledFrom([]affiliate.Category{affiliate.Standard, affiliate.Premium, affiliate.VIP})
	types      = rapid.SampledFrom([]transaction.Type{transaction.Sale, transaction.Deposit})
)

func drawInput(t *rapid.T) commission.Input {
	doc := commission.Document{
		Name:     "random",
		Currency: rapid.SampledFrom([]string{"BRL", "JPY", "KWD"}).Draw(t, "currency"),
		Rounding: rapid.SampledFrom([]commission.Rounding{commission.HalfUp, commission.HalfEven, commission.Down}).Draw(t, "rounding"),
		Hold:     rapid.SampledFrom([]commission.Duration{"", "6h", "30d", "12mo"}).Draw(t, "hold"),
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "rules") {
		doc.Rules = append(doc.Rules, drawRule(t, fmt.Sprint("r", i)))
	}
	for range rapid.IntRange(0, 2).Draw(t, "caps") {
		doc.Caps = append(doc.Caps, drawCap(t))
	}
	plan, err := commission.NewPlan(id("plan"), 1, doc)
	require.NoError(t, err)

	units := rapid.OneOf(rapid.Int64Range(0, 1000), rapid.Int64Range(0, 1_000_000_000)).Draw(t, "units")
	scale := decimal.NewFromInt(scaleOf(doc.Currency))
	event := vectorEvent{Type: types.Draw(t, "event"), Amount: decimal.NewFromInt(units).DivRound(scale, 3).String()}.event()
	event.Metadata = map[string]any{"items": rapid.IntRange(0, 50).Draw(t, "items")}
	in := commission.Input{Plan: plan, Event: event}
	for i := range rapid.IntRange(1, 6).Draw(t, "upline") {
		in.Upline = append(in.Upline, commission.Member{
			ID: id(fmt.Sprint(i)), Active: rapid.Float64Range(0, 1).Draw(t, "active") < 0.7, Category: categories.Draw(t, "category"),
		})
	}
	return in
}

func drawRule(t *rapid.T, ruleID string) commission.Rule {
	rule := commission.Rule{ID: ruleID, On: []transaction.Type{types.Draw(t, "on")}}
	switch rapid.IntRange(0, 2).Draw(t, "pay") {
	case 0:
		rule.Pay.Percent = percents.Draw(t, "percent")
	case 1:
		rule.Pay.Flat = flats.Draw(t, "flat")
	case 2:
		rule.Pay.Flat, rule.Pay.MultiplyBy = flats.Draw(t, "flat"), "items"
	}
	for range rapid.IntRange(0, 5).Draw(t, "steps") {
		var step commission.OverrideStep
		if rapid.Bool().Draw(t, "percent step") {
			step.Percent = percents.Draw(t, "percent")
		} else {
			step.Flat = flats.Draw(t, "flat")
		}
		if rapid.Bool().Draw(t, "with categories") {
			step.Categories = []affiliate.Category{categories.Draw(t, "category")}
		}
		rule.Overrides.Steps = append(rule.Overrides.Steps, step)
	}
	if rule.Overrides.Steps != nil {
		rule.Overrides.Of = rapid.SampledFrom([]commission.OverrideBase{commission.OfAmount, commission.OfCommission}).Draw(t, "of")
		rule.Overrides.Inactive = rapid.SampledFrom([]commission.Inactive{commission.ToNobody, commission.Compress, commission.RollUp}).Draw(t, "inactive")
	}
	return rule
}

func drawCap(t *rapid.T) commission.Cap {
	c := commission.Cap{Per: commission.PerTransaction}
	if rapid.Bool().Draw(t, "percent cap") {
		c.Percent = rapid.SampledFrom([]commission.Decimal{"0.5", "3", "12.5", "33.333", "100"}).Draw(t, "cap")
	} else {
		c.Max = rapid.SampledFrom([]commission.Decimal{"1", "2", "7", "100", "1001"}).Draw(t, "cap")
	}
	return c
}
