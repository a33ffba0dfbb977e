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
