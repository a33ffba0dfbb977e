package commission_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/transaction"
)

// company is a plan of the given number of levels, all of them taken.
func company(tb testing.TB, levels int, of commission.OverrideBase) commission.Input {
	rule := commission.Rule{
		ID: "sale", On: []transaction.Type{transaction.Sale}, Pay: commission.Pay{Percent: "10"},
		Overrides: commission.Overrides{Of: of, Inactive: commission.Compress},
	}
	in := commission.Input{Event: vectorEvent{Type: transaction.Sale, Amount: "1234.56"}.event()}
	for level := range levels + 1 {
		in.Upline = append(in.Upline, commission.Member{ID: id(fmt.Sprint(level)), Active: true, Category: affiliate.Standard})
		if level > 0 {
			rule.Overrides.Steps = append(rule.Overrides.Steps, commission.OverrideStep{Percent: "1.25"})
		}
	}
	plan, err := commission.NewPlan(id("plan"), 1, commission.Document{
		Name: "company", Currency: "BRL", Hold: "30d", Rules: []commission.Rule{rule},
	})
	require.NoError(tb, err)
	in.Plan = plan
	return in
}

func BenchmarkRate(b *testing.B) {
	for _, of := range []commission.OverrideBase{commission.OfAmount, commission.OfCommission} {
		for _, levels := range []int{1, 10, 100} {
			b.Run(fmt.Sprintf("of=%s/levels=%d", of, levels), func(b *testing.B) {
				in := company(b, levels, of)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := commission.Rate(in, nil); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkRateWithCounters reads its ratio to the plain plan: rating with
// counters as they are in the middle of a month.
func BenchmarkRateWithCounters(b *testing.B) {
	tiers := commission.Tiers{Mode: commission.Marginal, Scope: commission.Month, Steps: []commission.TierStep{
		{UpTo: "1000", Percent: "5"}, {UpTo: "5000", Percent: "8"}, {Percent: "10"},
	}}
	for _, c := range []struct {
		name   string
		change func(*commission.Document)
	}{
		{"plain", func(*commission.Document) {}},
		{"tiers", func(d *commission.Document) { d.Rules[0].Pay = commission.Pay{Tiers: tiers} }},
		{"limit", func(d *commission.Document) { d.Rules[0].Limit.Months = 12 }},
		{"baseline", func(d *commission.Document) { d.Rules[0].When.CumulativeMin = "50" }},
		{"caps", func(d *commission.Document) { d.Caps = monthlyCaps }},
		{"all", func(d *commission.Document) {
			d.Rules[0].Pay, d.Rules[0].Limit.Months, d.Rules[0].When.CumulativeMin, d.Caps = commission.Pay{Tiers: tiers}, 12, "50", monthlyCaps
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			in, facts := remembering(b, c.change)
			b.ReportAllocs()
			for b.Loop() {
				if needs := commission.Needs(in); len(needs) > 0 && facts == nil {
					b.Fatal("no facts")
				}
				if _, err := commission.Rate(in, facts); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkReverse takes a tenth of a sale back, through three levels and caps.
func BenchmarkReverse(b *testing.B) {
	in, facts := remembering(b, func(d *commission.Document) { d.Caps = monthlyCaps })
	out, err := commission.Rate(in, facts)
	require.NoError(b, err)
	in.Original = posted("a", in, out)
	in.Event.Type, in.Event.Amount, in.Event.Reverses = transaction.Refund, in.Event.Amount.Shift(-1).Round(2), id("a")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := commission.Rate(in, out.Counters); err != nil {
			b.Fatal(err)
		}
	}
}

var monthlyCaps = []commission.Cap{
	{Per: commission.PerCustomer, Period: commission.Month, Max: "1000000"},
	{Per: commission.PerAffiliate, Period: commission.Month, Max: "300"},
}

// remembering is a sale through three levels and the counters that a first one
// has left.
func remembering(b *testing.B, change func(*commission.Document)) (commission.Input, commission.Facts) {
	in := company(b, 3, commission.OfAmount)
	doc := in.Plan.Document
	change(&doc)
	plan, err := commission.NewPlan(id("plan"), 1, doc)
	require.NoError(b, err)
	in.Plan, in.Event.CustomerID, in.AttributedAt = plan, "c1", in.Event.At
	out, err := commission.Rate(in, nil)
	require.NoError(b, err)
	return in, out.Counters
}

func BenchmarkCalculationJSON(b *testing.B) {
	out, err := commission.Rate(company(b, 1, commission.OfCommission), nil)
	require.NoError(b, err)
	buffer := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buffer = out.Lines[1].Calculation.AppendJSON(buffer[:0])
	}
	b.ReportMetric(float64(len(buffer)), "bytes")
}
