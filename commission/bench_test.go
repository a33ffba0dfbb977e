package commission_test

import (
	"fmt"
	"testing"
	"time"

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

// BenchmarkSettle is an account as most are, and one of fifty customers each of
// whom a quarantine and a step look at; with the lines that it pays.
func BenchmarkSettle(b *testing.B) {
	for _, c := range []struct {
		name, change string
		customers    int
	}{
		{"typical", `"pay": {"percent": "25"}`, 0},
		{"customers=50", `"high_roller": {"mode": "quarantine", "player_max": "100.00"},
			"pay": {"tiers": {"mode": "slab", "steps": [{"up_to": "1000.00", "percent": "25"}, {"percent": "35", "min_active": 20}]}}`, 50},
	} {
		b.Run(c.name, func(b *testing.B) {
			a := june(newPlan(b, fmt.Sprintf(`{"name": "casino", "currency": "BRL", "rules": [
				{"id": "rev", "period": "month", "base": {"plus": ["bet"], "minus": ["win", "bonus"]}, "carry": "base", %s,
				 "overrides": {"of": "commission", "inactive": "none", "steps": [{"percent": "10"}, {"percent": "5"}]}}]}`, c.change)), played50(c.customers)...)
			b.ReportAllocs()
			for b.Loop() {
				if s, ok, err := commission.Settle(a, nil); err != nil || !ok || len(s.Lines) != 3 {
					b.Fatal(s, ok, err)
				}
			}
		})
	}
}

// played50 is what an account did in a month: in three sums, or customer by
// customer, a tenth of whom win much.
func played50(customers int) (all []commission.Activity) {
	if customers == 0 {
		return []commission.Activity{
			sum(transaction.Bet, "12345.67", "", ""), sum(transaction.Win, "9876.54", "", ""), sum(transaction.Bonus, "100.00", "", ""),
		}
	}
	for i := range customers {
		won := "70.00"
		if i%10 == 0 {
			won = "900.00"
		}
		all = append(all, sum(transaction.Bet, "100.00", fmt.Sprint("c", i), ""), sum(transaction.Win, won, fmt.Sprint("c", i), ""))
	}
	return all
}

// BenchmarkPreviewCloses is a preview as large as one may be: 10,000 events, and
// 1,000 days closed.
func BenchmarkPreviewCloses(b *testing.B) {
	for _, affiliates := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("affiliates=%d", affiliates), func(b *testing.B) {
			s := longSample(affiliates)
			b.ReportAllocs()
			for b.Loop() {
				if out, err := commission.Preview(s); err != nil || len(out.Statements) < 1000 {
					b.Fatal(len(out.Statements), err)
				}
			}
		})
	}
}

func longSample(affiliates int) commission.Sample {
	s := commission.Sample{Plans: []commission.SamplePlan{{Document: commission.Document{
		Name: "casino", Currency: "BRL", Timezone: "America/Sao_Paulo", Rules: []commission.Rule{{
			ID: "rev", Period: commission.Day, Base: commission.Base{Plus: []transaction.Type{transaction.Bet}, Minus: []transaction.Type{transaction.Win}},
			Pay: commission.Pay{Percent: "25"}, Carry: commission.CarryBase,
		}},
	}}}}
	first := time.Date(2023, 1, 1, 12, 0, 0, 0, time.UTC)
	for i := range affiliates {
		s.Affiliates = append(s.Affiliates, commission.SampleAffiliate{ID: fmt.Sprint("a", i)})
	}
	for i := range 10_000 {
		s.Events = append(s.Events, commission.SampleEvent{
			ID: fmt.Sprint(i), At: first.AddDate(0, 0, i/10), Affiliate: fmt.Sprint("a", i%affiliates), Customer: fmt.Sprint("c", i%100),
			Type: []transaction.Type{transaction.Bet, transaction.Win}[i%2], Amount: "10.00",
		})
	}
	for i := range 1000 {
		s.Close = append(s.Close, first.AddDate(0, 0, i).Format(time.DateOnly))
	}
	return s
}
