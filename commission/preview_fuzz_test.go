package commission_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/transaction"
)

// Whatever a sample says, a preview comes to an end soon: with what is wrong, or
// with lines and statements that follow from their calculations, the same each
// time.
func FuzzPreview(f *testing.F) {
	files, err := filepath.Glob("testdata/samples/*.json")
	require.NoError(f, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(string(text))
	}
	f.Add(trial)
	f.Add(fmt.Sprintf(closes, "Pacific/Apia", `"2025-06", "2025-07", "2025-07-01", "2011-12-30"`))
	f.Add(fmt.Sprintf(closes, "America/Havana", `"2000-01", "9999-12"`))
	f.Fuzz(func(t *testing.T, text string) {
		var s commission.Sample
		if json.Unmarshal([]byte(text), &s) != nil {
			return
		}
		began := time.Now()
		out, err := commission.Preview(s)
		require.Less(t, time.Since(began), 10*time.Second)
		if err != nil {
			require.ErrorIs(t, err, fault.Invalid)
			require.Zero(t, out)
			return
		}
		requireSoundPreview(t, out)
		again, err := commission.Preview(s)
		require.NoError(t, err)
		require.Equal(t, shown(t, out), shown(t, again))
	})
}

// Figures, names and moments of any kind within a sample that holds together
// otherwise.
func FuzzPreviewFigures(f *testing.F) {
	f.Add("25", "100.00", "300.00", "50.00", "UTC", "2025-06", "red", int64(0), int64(40))
	f.Add("0.00000001", "0.01", "0.01", "9999999999999.99", "Pacific/Apia", "2025-06-01", "", int64(1), int64(-1))
	f.Add("9999999999999", "9999999999999.99", "1", "1", "America/Havana", "2025-W23", "\x00", int64(1<<40), int64(1))
	f.Add("-1", "1e9", "", "0", "Local", "2025-13", "1e400", int64(-1<<40), int64(0))
	f.Fuzz(func(t *testing.T, percent, amount, most, carried, zone, label, split string, seconds, apart int64) {
		rev := commission.Rule{
			ID: "rev", Period: commission.Month, Base: commission.Base{Plus: []transaction.Type{transaction.Bet}, Minus: []transaction.Type{transaction.Win}},
			Pay: commission.Pay{Percent: commission.Decimal(percent)}, Carry: commission.CarryBase, CarryCap: commission.Decimal(carried), SplitBy: "k",
			HighRoller: commission.HighRoller{Mode: commission.ProRata, PlayerMax: commission.Decimal(most), AggregateMax: commission.Decimal(most)},
			Overrides:  commission.Overrides{Of: commission.OfAmount, Inactive: commission.Compress, Steps: []commission.OverrideStep{{Percent: commission.Decimal(percent)}}},
		}
		daily := rev
		daily.ID, daily.Period, daily.Carry = "daily", commission.Day, commission.CarryCommission
		daily.HighRoller.Mode, daily.HighRoller.AggregateMax = commission.Quarantine, ""
		s := commission.Sample{
			Plans:      []commission.SamplePlan{{Document: commission.Document{Name: "p", Currency: "BRL", Timezone: zone, Rules: []commission.Rule{rev, daily}}}},
			Affiliates: []commission.SampleAffiliate{{ID: "ana"}, {ID: "bia", Parent: "ana"}},
			Close:      []string{"2025-06", label},
		}
		at := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(seconds) * time.Second)
		for i, kind := range []transaction.Type{transaction.Bet, transaction.Win, transaction.Win, transaction.Bet} {
			s.Events = append(s.Events, commission.SampleEvent{
				ID: fmt.Sprint(i), At: at, Affiliate: "bia", Customer: fmt.Sprint("c", i/2), Type: kind, Amount: commission.Decimal(amount),
				Metadata: map[string]any{"k": split},
			})
			at = at.Add(time.Duration(apart) * time.Hour)
		}
		out, err := commission.Preview(s)
		if err != nil {
			require.ErrorIs(t, err, fault.Invalid)
			return
		}
		requireSoundPreview(t, out)
	})
}

// shown is a preview as JSON; the ids of its lines are new each time.
func shown(t require.TestingT, out commission.Previewed) string {
	for i := range out.Lines {
		if c := &out.Lines[i].Calculation; c.Reversed != nil {
			c.Reversed.Line = [16]byte{}
		}
	}
	return asJSON(t, out)
}

func requireSoundPreview(t require.TestingT, out commission.Previewed) {
	totals := map[string]decimal.Decimal{}
	for _, l := range out.Lines {
		amount, final, err := l.Calculation.Recompute()
		require.NoError(t, err)
		require.True(t, amount.Equal(decimal.RequireFromString(string(l.Amount))) && final.Equal(decimal.RequireFromString(string(l.Final))))
		require.NotEmpty(t, l.Calculation.Explain().Sentence)
		totals[l.Affiliate] = totals[l.Affiliate].Add(final)
	}
	for name, total := range out.Totals {
		require.True(t, totals[name].Equal(decimal.RequireFromString(string(total))))
	}
	for _, st := range out.Statements {
		var read commission.Footing
		require.NoError(t, json.Unmarshal([]byte(asJSON(t, st.Footing)), &read))
		require.Equal(t, asJSON(t, st.Footing), asJSON(t, read))
	}
}

// A preview is the same each time, whatever the order in which maps are walked.
func TestPreviewIsDeterministic(t *testing.T) {
	t.Parallel()
	s := longSample(50)
	s.Events, s.Close = s.Events[:2000], s.Close[:100]
	rev := &s.Plans[0].Document.Rules[0]
	rev.HighRoller = commission.HighRoller{Mode: commission.Quarantine, PlayerMax: "0.01"}
	rev.SplitBy = "brand"
	for i := range s.Events {
		s.Events[i].Metadata = map[string]any{"brand": i % 7}
	}
	out, err := commission.Preview(s)
	require.NoError(t, err)
	require.Greater(t, len(out.Statements), 500)
	want := shown(t, out)
	for range 5 {
		again, err := commission.Preview(s)
		require.NoError(t, err)
		require.Equal(t, want, shown(t, again))
	}
}

// What closes come to is bounded, however little pays.
func TestPreviewOfManyAccountsIsBounded(t *testing.T) {
	t.Parallel()
	s := longSample(2000)
	s.Events, s.Close = s.Events[:2000], []string{"2023-01"}
	for i := range s.Events {
		s.Events[i].At = s.Events[0].At
	}
	rules := &s.Plans[0].Document.Rules
	for i := range 51 {
		rule := (*rules)[0]
		rule.ID, rule.Period = fmt.Sprint("r", i), commission.Month
		*rules = append(*rules, rule)
	}
	_, err := commission.Preview(s)
	require.Equal(t, []string{"close[0]: comes to more than 100000 accounts"}, problems(err))
}
