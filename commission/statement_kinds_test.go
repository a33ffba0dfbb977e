package commission_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/commission"
	"github.com/fature/fature/transaction"
)

const brands = `{"name": "casino", "currency": "BRL", "timezone": "America/Sao_Paulo", "rules": [
	{"id": "cpa", "on": ["deposit"], "pay": {"flat": "30.00"}},
	{"id": "rev", "period": "month", "base": {"plus": ["bet"], "minus": ["win"]}, "split_by": "brand",
		"pay": {"tiers": {"mode": "marginal", "steps": [{"up_to": "1000.00", "percent": "20", "flat": "5.00"}, {"percent": "30", "min_active": 1}]}},
		"carry": "base", "carry_cap": "500.00", "high_roller": {"mode": "quarantine", "player_max": "300.00"}, "recoup": ["cpa"],
		"overrides": {"of": "commission", "inactive": "none", "steps": [{"percent": "10"}]}}]}`

const losses = `{"name": "casino", "currency": "BRL", "rules": [
	{"id": "rev", "period": "month", "base": {"plus": ["bet"], "minus": ["win"]}, "pay": {"percent": "25"}, "carry": "commission", "carry_cap": "60.00",
		"overrides": {"of": "amount", "inactive": "none", "steps": [{"percent": "1"}]}}]}`

// settled settles June of ana below bia.
func settled(t testing.TB, plan string, opening commission.CarryOver, advance string, activity ...commission.Activity) commission.Settlement {
	t.Helper()
	p := newPlan(t, plan)
	june, err := commission.ParseInterval("2025-06", p.Zone())
	require.NoError(t, err)
	a := commission.Account{
		Rule: "rev", Interval: june, Versions: []*commission.Plan{p}, Opening: opening, Advance: decimal.RequireFromString(advance),
		Upline: []commission.Member{{ID: id("ana"), Active: true}, {ID: id("bia"), Active: true}},
	}
	if p.Name == "casino" && p.Timezone != "" {
		a.Split = "red"
	}
	for _, one := range activity {
		one.Plan = p
		a.Activity = append(a.Activity, one)
	}
	s, ok, err := commission.Settle(a, commission.Facts{})
	require.NoError(t, err)
	require.True(t, ok)
	return s
}

func sum(kind transaction.Type, amount, customer, late string) commission.Activity {
	return commission.Activity{Type: kind, Amount: decimal.RequireFromString(amount), Customer: customer, Late: late}
}

// statements are settlements that between them have something in every field.
func statements(t testing.TB) map[string]commission.Settlement {
	amount := decimal.RequireFromString
	return map[string]commission.Settlement{
		"everything": settled(t, brands, commission.CarryOver{Carried: amount("-150.00"), Of: commission.CarryBase, Unrecouped: amount("40.00")}, "30.00",
			sum(transaction.Bet, "2000.00", "c1", ""), sum(transaction.Bet, "500.00", "c2", "2025-05"),
			sum(transaction.Win, "100.00", "c2", ""), sum(transaction.Win, "400.00", "c3", "")),
		"an advance is left": settled(t, brands, commission.CarryOver{}, "300.00", sum(transaction.Bet, "100.00", "c1", "")),
		"a loss is carried": settled(t, losses, commission.CarryOver{Carried: amount("-20.00"), Of: commission.CarryCommission}, "0.00",
			sum(transaction.Bet, "100.00", "", ""), sum(transaction.Win, "300.00", "", "")),
		"a plain one":     settled(t, losses, commission.CarryOver{}, "0.00", sum(transaction.Bet, "100.00", "", "")),
		"a carried base":  settled(t, brands, commission.CarryOver{}, "0.00", sum(transaction.Win, "100.00", "c1", "")),
		"an older carry":  settled(t, losses, commission.CarryOver{Carried: amount("-8.00"), Of: commission.CarryBase}, "0.00", sum(transaction.Bet, "100.00", "", "")),
		"commission back": settled(t, losses, commission.CarryOver{Carried: amount("-20.00"), Of: commission.CarryCommission}, "0.00", sum(transaction.Bet, "100.00", "", "")),
	}
}

// statement is the calculation of level 0, with the footing of a settlement
// that pays nothing where there is none.
func statement(t testing.TB, name string) commission.Calculation {
	s := statements(t)[name]
	if len(s.Lines) > 0 {
		return s.Lines[0].Calculation
	}
	c := statements(t)["a plain one"].Lines[0].Calculation
	c.Statement = &s.Footing
	return c
}

// A footing is written by hand too, and must be what its tags say.
func TestFootingJSON(t *testing.T) {
	t.Parallel()
	type tagged commission.Footing
	for name, s := range statements(t) {
		byTags, err := json.Marshal(tagged(s.Footing))
		require.NoError(t, err)
		byHand, err := json.Marshal(&s.Footing)
		require.NoError(t, err)
		require.Equal(t, normalised(t, byTags), normalised(t, byHand), name)
		var read commission.Footing
		require.NoError(t, json.Unmarshal(byHand, &read))
		again, err := json.Marshal(&read)
		require.NoError(t, err)
		require.Equal(t, string(byHand), string(again), name)
	}
}

func TestExplainStatements(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		sentence string
		steps    []string
	}{
		"everything": {
			"Level 0 earns 510.00 BRL for 2025-06 (red): 580.00 BRL on a base of 2250.00 BRL, a loss of 150.00 BRL carried from before, of which advances of 70.00 BRL are taken off.",
			[]string{
				"Version 3: bet 2000 + bet late for 2025-05 500 − win 500 + high rollers 400 + carried -150 = 2250.00 BRL; 20 % of 1000.00 BRL + 5.00 BRL flat + 30 % of 1250.00 BRL = 580.",
				"Together 580, rounded half up to 2 decimals: 580.00 BRL.",
				"Advances of 30.00 BRL, and 40.00 BRL unrecouped before, are taken off; 0.00 BRL stays unrecouped.",
				"Payable: 510.00 BRL.",
				"Evaluated again: 510.00 BRL, after caps 510.00 BRL.",
			},
		},
		"a plain one": {
			"Level 0 earns 25.00 BRL for 2025-06: 25.00 BRL on a base of 100.00 BRL.",
			[]string{
				"Version 3: bet 100 = 100.00 BRL; 25 % of it = 25.", "Together 25, rounded half up to 2 decimals: 25.00 BRL.",
				"Payable: 25.00 BRL.", "Evaluated again: 25.00 BRL, after caps 25.00 BRL.",
			},
		},
		"commission back": {
			"Level 0 earns 5.00 BRL for 2025-06: 25.00 BRL on a base of 100.00 BRL, a loss of 20.00 BRL carried from before.",
			[]string{
				"Version 3: bet 100 = 100.00 BRL; 25 % of it = 25.", "Together 25, rounded half up to 2 decimals: 25.00 BRL.",
				"With the -20.00 BRL carried from before: 5.00 BRL.",
				"Payable: 5.00 BRL.", "Evaluated again: 5.00 BRL, after caps 5.00 BRL.",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := statement(t, name)
			explained := c.Explain()
			require.Equal(t, want.sentence, explained.Sentence)
			require.Equal(t, append([]string{"Plan casino, version 3, rule rev, level 0."}, want.steps...), explained.Steps)
		})
	}
	overrides := statements(t)
	require.Equal(t, "Level 1 earns 10 % of the level-0 commission of 510.00 BRL for 2025-06 = 51.00 BRL.",
		overrides["everything"].Lines[1].Calculation.Explain().Sentence)
	require.Equal(t, "Level 1 earns 1 % of the base of 100.00 BRL for 2025-06 = 1.00 BRL.",
		overrides["a plain one"].Lines[1].Calculation.Explain().Sentence)
}

// Whatever figure of a footing is changed, Recompute says so.
func TestRecomputeRefusesForgedStatements(t *testing.T) {
	t.Parallel()
	one, bomb := decimal.NewFromInt(1), decimal.New(1, 1_000_000_000)
	for name, c := range map[string]struct {
		of     string
		change func(*commission.Footing)
		want   string
	}{
		"an item":         {"everything", func(f *commission.Footing) { f.Parts[0].Items[0].Amount = one }, "version 3: the base is 2250, but comes to 251"},
		"a sign":          {"a plain one", func(f *commission.Footing) { f.Parts[0].Items[0].Minus = true }, "version 3: the base is 100, but comes to -100"},
		"aside":           {"everything", func(f *commission.Footing) { f.Parts[0].Aside = one }, "version 3: the base is 2250, but comes to 1851"},
		"the opening":     {"everything", func(f *commission.Footing) { f.Opening = one.Neg() }, "the opening of the base is -1, but comes to -150"},
		"its part":        {"everything", func(f *commission.Footing) { f.Parts[0].Opening = one.Neg() }, "version 3: the base is 2250, but comes to 2399"},
		"another opening": {"commission back", func(f *commission.Footing) { f.Opening = one.Neg() }, "payable is 5, but comes to 24"},
		"the base":        {"a plain one", func(f *commission.Footing) { f.Parts[0].Base = one }, "version 3: the base is 1, but comes to 100"},
		"the rate":        {"a plain one", func(f *commission.Footing) { f.Parts[0].Rate = one }, "version 3: unrounded is 25, but comes to 1"},
		"the rate of a table": {"everything", func(f *commission.Footing) { f.Parts[0].Rate = one },
			"version 3: the rate is 1, but that of the step reached is 30"},
		"a step":          {"everything", func(f *commission.Footing) { f.Parts[0].Tiers.Parts[0].Percent = one }, "version 3: unrounded is 580, but comes to 390"},
		"unrounded":       {"a plain one", func(f *commission.Footing) { f.Parts[0].Unrounded = one }, "version 3: unrounded is 1, but comes to 25"},
		"the commission":  {"a plain one", func(f *commission.Footing) { f.Commission = one }, "the commission is 1, but comes to 25"},
		"the advance":     {"everything", func(f *commission.Footing) { f.Advance = one }, "payable is 510, but comes to 539"},
		"unrecouped":      {"everything", func(f *commission.Footing) { f.Unrecouped = one }, "payable is 510, but comes to 549"},
		"recoup":          {"everything", func(f *commission.Footing) { f.Recoup = nil }, "there is an advance, but nothing to recoup"},
		"payable":         {"a plain one", func(f *commission.Footing) { f.Payable = one }, "payable is 1, but comes to 25"},
		"the closing":     {"a plain one", func(f *commission.Footing) { f.Closing = one }, "the closing is 1, but comes to 0"},
		"the rest":        {"a plain one", func(f *commission.Footing) { f.Rest = one }, "the unrecouped rest is 1, but comes to 0"},
		"the kind":        {"a plain one", func(f *commission.Footing) { f.Parts[0].Kind = "differential" }, `version 3: "differential" is not a kind of pay`},
		"no part":         {"a plain one", func(f *commission.Footing) { f.Parts = nil }, "the statement has no part"},
		"a bomb":          {"a plain one", func(f *commission.Footing) { f.Parts[0].Items[0].Amount = bomb }, "a number is out of range"},
		"a bomb of a cap": {"a plain one", func(f *commission.Footing) { f.CarryCap = bomb }, "a number is out of range"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calculation := statement(t, c.of)
			_, _, err := calculation.Recompute()
			require.NoError(t, err)
			c.change(calculation.Statement)
			_, _, err = calculation.Recompute()
			require.EqualError(t, err, c.want)
			steps := calculation.Explain().Steps
			require.Contains(t, steps[len(steps)-1], "Evaluated again, it does not follow: ")
		})
	}
}

// A week of thirteen months closes in no plan; names are those of the calendar.
func TestIntervals(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct{ zone, from, to string }{
		"2025-06":    {"UTC", "2025-06-01T00:00:00Z", "2025-07-01T00:00:00Z"},
		"2025-07":    {"America/Sao_Paulo", "2025-07-01T03:00:00Z", "2025-08-01T03:00:00Z"},
		"2025-W01":   {"Europe/Berlin", "2024-12-29T23:00:00Z", "2025-01-05T23:00:00Z"},
		"2020-W53":   {"UTC", "2020-12-28T00:00:00Z", "2021-01-04T00:00:00Z"},
		"2025-W13":   {"Europe/Berlin", "2025-03-23T23:00:00Z", "2025-03-30T22:00:00Z"},     // clocks are set forward
		"2018-11-04": {"America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"}, // no midnight
		"2018-02-17": {"America/Sao_Paulo", "2018-02-17T02:00:00Z", "2018-02-18T03:00:00Z"}, // 25 hours
		"2024-11-03": {"America/Havana", "2024-11-03T04:00:00Z", "2024-11-04T05:00:00Z"},    // midnight comes twice
		"2010-11-07": {"America/St_Johns", "2010-11-07T02:30:00Z", "2010-11-08T03:30:00Z"},  // set back over midnight
	} {
		zone, err := time.LoadLocation(want.zone)
		require.NoError(t, err)
		iv, err := commission.ParseInterval(name, zone)
		require.NoError(t, err, name)
		require.Equal(t, []string{want.from, want.to}, []string{iv.From.Format(time.RFC3339), iv.To.Format(time.RFC3339)}, name)
		require.Equal(t, iv, commission.IntervalAt(iv.Period, iv.From, zone), name)
		require.Equal(t, iv, commission.IntervalAt(iv.Period, iv.To.Add(-time.Microsecond), zone), name)
	}
	apia, err := time.LoadLocation("Pacific/Apia")
	require.NoError(t, err)
	_, err = commission.ParseInterval("2011-12-30", apia)
	require.ErrorContains(t, err, "2011-12-30 does not exist in Pacific/Apia")
	for _, name := range []string{"", "2025", "2025-6", "2025-00", "2025-13", "2025-W00", "2025-W54", "2025-W53", "2025-02-29", "2025-06-31", "25-06", "2025-06 ", "2025-w23", "1999-12", "2025-06-1"} {
		_, err := commission.ParseInterval(name, time.UTC)
		require.Error(t, err, name)
	}
}

// Intervals follow on each other without a gap, in every zone and through every
// change of clocks.
func TestIntervalsTile(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"UTC", "America/Sao_Paulo", "America/Havana", "America/St_Johns", "Atlantic/Azores", "Pacific/Apia", "Pacific/Kwajalein", "Asia/Kathmandu",
		"Africa/Cairo", "Asia/Amman", "America/Asuncion", "Australia/Lord_Howe", "Europe/Lisbon", "Asia/Tehran", "Antarctica/Troll",
	} {
		zone, err := time.LoadLocation(name)
		require.NoError(t, err)
		for _, kind := range []commission.Period{commission.Day, commission.Week, commission.Month} {
			at := time.Date(2000, 1, 3, 12, 0, 0, 0, time.UTC)
			for at.Year() < 2026 {
				iv := commission.IntervalAt(kind, at, zone)
				require.False(t, at.Before(iv.From), "%s %s", name, iv.Name)
				require.True(t, at.Before(iv.To), "%s %s", name, iv.Name)
				again, err := commission.ParseInterval(iv.Name, zone)
				require.NoError(t, err, "%s %s", name, iv.Name)
				require.Equal(t, iv, again)
				require.Equal(t, iv.To, commission.IntervalAt(kind, iv.To, zone).From, "%s %s", name, iv.Name)
				at = iv.To
			}
		}
	}
}
