package commission_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
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

const flat = `{"name": "casino", "currency": "BRL", "rules": [
	{"id": "rev", "period": "month", "base": {"plus": ["bet"], "minus": ["win"]}, "pay": {"flat": "50.00"}, "carry": "none"}]}`

// inTwoVersions is a June of which a second version, with tiers, rates a part,
// and a late bet of May.
func inTwoVersions(t testing.TB) commission.Settlement {
	second, err := commission.NewPlan(id("second"), 4, parse(t, `{"name": "casino", "currency": "BRL", "rules": [
		{"id": "rev", "period": "month", "base": {"plus": ["bet"]}, "carry": "base",
		 "pay": {"tiers": {"mode": "slab", "steps": [{"up_to": "500.00", "percent": "30"}, {"percent": "40", "min_active": 1}]}}}]}`))
	require.NoError(t, err)
	a := june(newPlan(t, ngr), sum(transaction.Bet, "80.00", "", "2025-05"), sum(transaction.Bet, "1000.00", "", ""), sum(transaction.Win, "450.00", "", ""),
		commission.Activity{Type: transaction.Chargeback, Reverses: transaction.Win, Amount: decimal.RequireFromString("500.01")})
	a.Versions = append(a.Versions, second)
	a.Activity = append(a.Activity, sum(transaction.Bet, "600.00", "c1", ""))
	a.Activity[4].Plan = second
	return settle(t, a)
}

// aside is a June with a customer who is carried alone and wins, under a policy
// for high rollers.
func aside(t testing.TB, policy string) commission.Settlement {
	a := june(newPlan(t, strings.Replace(ngr, `"carry"`, `"high_roller": {`+policy+`}, "carry"`, 1)),
		sum(transaction.Bet, "700.00", "c1", ""), sum(transaction.Win, "100.00", "c1", ""), sum(transaction.Bet, "900.00", "c2", ""))
	a.Opening.Customers = map[string]decimal.Decimal{"c1": decimal.RequireFromString("-1000.00")}
	return settle(t, a)
}

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
		"a plain one":      settled(t, losses, commission.CarryOver{}, "0.00", sum(transaction.Bet, "100.00", "", "")),
		"a carried base":   settled(t, brands, commission.CarryOver{}, "0.00", sum(transaction.Win, "100.00", "c1", "")),
		"an older carry":   settled(t, losses, commission.CarryOver{Carried: amount("-8.00"), Of: commission.CarryBase}, "0.00", sum(transaction.Bet, "100.00", "", "")),
		"several versions": inTwoVersions(t),
		"played off":       aside(t, `"mode": "pro_rata", "player_max": "300.00", "aggregate_max": "100.00"`),
		"in quarantine":    aside(t, `"mode": "quarantine", "player_max": "300.00"`),
		"advances taken back": settled(t, brands, commission.CarryOver{Unrecouped: amount("40.00")}, "-70.00",
			sum(transaction.Bet, "100.00", "c1", ""), sum(transaction.Win, "30.00", "c1", "")),
		"an advance alone": settled(t, brands, commission.CarryOver{Carried: amount("-150.00"), Of: commission.CarryBase}, "30.00"),
		"capped":           settled(t, losses, commission.CarryOver{}, "0.00", sum(transaction.Win, "300.00", "", "")),
		"flat":             settled(t, flat, commission.CarryOver{}, "0.00", sum(transaction.Bet, "0.01", "", "")),
		"no flat":          settled(t, flat, commission.CarryOver{}, "0.00", sum(transaction.Win, "5.00", "", "")),
		"commission back":  settled(t, losses, commission.CarryOver{Carried: amount("-20.00"), Of: commission.CarryCommission}, "0.00", sum(transaction.Bet, "100.00", "", "")),
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
	c.Statement, c.Base, c.Unrounded, c.Rounded = &s.Footing, decimal.Zero, decimal.Zero, s.Footing.Payable
	for _, p := range s.Footing.Parts {
		c.Base, c.Rate, c.Unrounded = c.Base.Add(p.Base), p.Rate, c.Unrounded.Add(p.Unrounded)
	}
	if s.Footing.Carry == commission.CarryBase && !c.Base.IsPositive() {
		c.Unrounded = decimal.Zero
	}
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
		"a carried base": {
			"Level 0 earns 0.00 BRL for 2025-06 (red): a base of -100.00 BRL gives a commission of 0.00 BRL.",
			[]string{
				"Base under version 3: -100.00 BRL win = -100.00 BRL.",
				"The base of -100.00 BRL is not above zero: nothing is rated.",
				"Carried on: a loss of 100.00 BRL of the base.",
				"Payable: 0.00 BRL.",
			},
		},
		"a loss is carried": {
			"Level 0 earns 0.00 BRL for 2025-06: a base of -200.00 BRL gives a commission of -50.00 BRL at 25 %, less 20.00 BRL of commission carried from before.",
			[]string{
				"Base under version 3: 100.00 BRL bet − 300.00 BRL win = -200.00 BRL. 25 % of that = -50.",
				"Commission: -50, rounded half up to 2 decimals: -50.00 BRL.",
				"Less 20.00 BRL of commission carried from before: -70.00 BRL.",
				"Carried on: a loss of 60.00 BRL of the commission, the most that is carried.",
				"Payable: 0.00 BRL.",
			},
		},
		"a plain one": {
			"Level 0 earns 25.00 BRL for 2025-06: a base of 100.00 BRL gives a commission of 25.00 BRL at 25 %.",
			[]string{
				"Base under version 3: 100.00 BRL bet = 100.00 BRL. 25 % of that = 25.",
				"Commission: 25, rounded half up to 2 decimals: 25.00 BRL.",
				"Payable: 25.00 BRL.",
			},
		},
		"advances taken back": {
			"Level 0 earns 49.00 BRL for 2025-06 (red): a base of 70.00 BRL gives a commission of 19.00 BRL, plus 30.00 BRL of advances that were taken back.",
			[]string{
				"Base under version 3: 100.00 BRL bet − 30.00 BRL win = 70.00 BRL. By marginal tiers with 1 active customer: 20 % of 70.00 BRL + 5.00 BRL flat = 19.",
				"Commission: 19, rounded half up to 2 decimals: 19.00 BRL.",
				"Advances (cpa): 40.00 BRL from before and -70.00 BRL in 2025-06. More was taken back than is left to be earned: 30.00 BRL is paid again.",
				"Payable: 49.00 BRL.",
			},
		},
		"an advance alone": {
			"Level 0 earns 0.00 BRL for 2025-06 (red): a base of 0.00 BRL, less a loss of 150.00 BRL carried from before, gives a commission of 0.00 BRL, less 30.00 BRL of advances.",
			[]string{
				"Base under version 3: -150.00 BRL loss carried from before = -150.00 BRL.",
				"The base of -150.00 BRL is not above zero: nothing is rated.",
				"Advances (cpa): 0.00 BRL from before and 30.00 BRL in 2025-06. 0.00 BRL is taken off, 30.00 BRL stays to be earned.",
				"Carried on: a loss of 150.00 BRL of the base.",
				"Payable: 0.00 BRL.",
			},
		},
		"an advance is left": {
			"Level 0 earns 0.00 BRL for 2025-06 (red): a base of 100.00 BRL gives a commission of 25.00 BRL, less 300.00 BRL of advances.",
			[]string{
				"Base under version 3: 100.00 BRL bet = 100.00 BRL. By marginal tiers with 1 active customer: 20 % of 100.00 BRL + 5.00 BRL flat = 25.",
				"Commission: 25, rounded half up to 2 decimals: 25.00 BRL.",
				"Advances (cpa): 0.00 BRL from before and 300.00 BRL in 2025-06. 25.00 BRL is taken off, 275.00 BRL stays to be earned.",
				"Payable: 0.00 BRL.",
			},
		},
		"an older carry": {
			"Level 0 earns 23.00 BRL for 2025-06: a base of 100.00 BRL, less a loss of 8.00 BRL carried from before, gives a commission of 23.00 BRL at 25 %.",
			[]string{
				"Base under version 3: 100.00 BRL bet − 8.00 BRL loss carried from before = 92.00 BRL. 25 % of that = 23.",
				"Commission: 23, rounded half up to 2 decimals: 23.00 BRL.",
				"Payable: 23.00 BRL.",
			},
		},
		"capped": {
			"Level 0 earns 0.00 BRL for 2025-06: a base of -300.00 BRL gives a commission of -75.00 BRL at 25 %.",
			[]string{
				"Base under version 3: -300.00 BRL win = -300.00 BRL. 25 % of that = -75.",
				"Commission: -75, rounded half up to 2 decimals: -75.00 BRL.",
				"Carried on: a loss of 60.00 BRL of the commission, the most that is carried.",
				"Payable: 0.00 BRL.",
			},
		},
		"commission back": {
			"Level 0 earns 5.00 BRL for 2025-06: a base of 100.00 BRL gives a commission of 25.00 BRL at 25 %, less 20.00 BRL of commission carried from before.",
			[]string{
				"Base under version 3: 100.00 BRL bet = 100.00 BRL. 25 % of that = 25.",
				"Commission: 25, rounded half up to 2 decimals: 25.00 BRL.",
				"Less 20.00 BRL of commission carried from before: 5.00 BRL.",
				"Payable: 5.00 BRL.",
			},
		},
		"everything": {
			"Level 0 earns 510.00 BRL for 2025-06 (red): a base of 2400.00 BRL, less a loss of 150.00 BRL carried from before, gives a commission of 580.00 BRL, less 70.00 BRL of advances.",
			[]string{
				"Base under version 3: 2000.00 BRL bet + 500.00 BRL late bet of 2025-05 − 500.00 BRL win + 400.00 BRL of high rollers' losses set aside − 150.00 BRL loss carried from before = 2250.00 BRL. By marginal tiers with 1 active customer: 20 % of 1000.00 BRL + 5.00 BRL flat + 30 % of 1250.00 BRL = 580.",
				"Commission: 580, rounded half up to 2 decimals: 580.00 BRL.",
				"Advances (cpa): 40.00 BRL from before and 30.00 BRL in 2025-06. 70.00 BRL is taken off, 0.00 BRL stays to be earned.",
				"Payable: 510.00 BRL.",
			},
		},
		"flat": {
			"Level 0 earns 50.00 BRL for 2025-06: a base of 0.01 BRL gives a commission of 50.00 BRL.",
			[]string{
				"Base under version 3: 0.01 BRL bet = 0.01 BRL. A flat amount of 50.00 BRL.",
				"Commission: 50, rounded half up to 2 decimals: 50.00 BRL.",
				"Payable: 50.00 BRL.",
			},
		},
		"in quarantine": {
			"Level 0 earns 225.00 BRL for 2025-06: a base of 900.00 BRL gives a commission of 225.00 BRL at 25 %.",
			[]string{
				"Base under version 3: 1600.00 BRL bet − 100.00 BRL win − 600.00 BRL that high rollers have played off = 900.00 BRL. 25 % of that = 225.",
				"Commission: 225, rounded half up to 2 decimals: 225.00 BRL.",
				"Payable: 225.00 BRL.",
			},
		},
		"no flat": {
			"Level 0 earns 0.00 BRL for 2025-06: a base of -5.00 BRL gives a commission of 0.00 BRL.",
			[]string{
				"Base under version 3: -5.00 BRL win = -5.00 BRL. No flat amount: that is not above zero.",
				"Commission: 0, rounded half up to 2 decimals: 0.00 BRL.",
				"Payable: 0.00 BRL.",
			},
		},
		"played off": {
			"Level 0 earns 225.00 BRL for 2025-06: a base of 900.00 BRL gives a commission of 225.00 BRL at 25 %.",
			[]string{
				"Base under version 3: 1600.00 BRL bet − 100.00 BRL win − 600.00 BRL that high rollers have played off = 900.00 BRL. 25 % of that = 225.",
				"Commission: 225, rounded half up to 2 decimals: 225.00 BRL.",
				"Payable: 225.00 BRL.",
			},
		},
		"several versions": {
			"Level 0 earns 522.50 BRL for 2025-06: a base of 1730.01 BRL gives a commission of 522.50 BRL.",
			[]string{
				"Base under version 3: 1000.00 BRL bet + 80.00 BRL late bet of 2025-05 + 50.01 BRL win taken back = 1130.01 BRL. 25 % of that = 282.5025.",
				"Base under version 4: 600.00 BRL bet = 600.00 BRL. By slab tiers with 1 active customer: 40 % of 600.00 BRL = 240.",
				"Commission: 282.5025 + 240 = 522.5025, rounded half up to 2 decimals: 522.50 BRL.",
				"Payable: 522.50 BRL.",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := statement(t, name)
			explained := c.Explain()
			require.Equal(t, want.sentence, explained.Sentence)
			require.Equal(t, want.steps, explained.Steps[1:len(explained.Steps)-1])
			require.Equal(t, fmt.Sprintf("Plan casino, version %d, rule rev, level 0.", c.Version), explained.Steps[0])
		})
	}
}

// What the upline earns beside a statement.
func TestExplainOverridesOfStatements(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"everything":  "Level 1 earns 10 % of the 510.00 BRL payable to level 0 for 2025-06 = 51.00 BRL.",
		"a plain one": "Level 1 earns 1 % of the base of 100.00 BRL for 2025-06 = 1.00 BRL.",
	} {
		require.Equal(t, want, statements(t)[name].Lines[1].Calculation.Explain().Sentence)
	}
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
		"a step":               {"everything", func(f *commission.Footing) { f.Parts[0].Tiers.Parts[0].Percent = one }, "version 3: unrounded is 580, but comes to 390"},
		"unrounded":            {"a plain one", func(f *commission.Footing) { f.Parts[0].Unrounded = one }, "version 3: unrounded is 1, but comes to 25"},
		"the commission":       {"a plain one", func(f *commission.Footing) { f.Commission = one }, "the commission is 1, but comes to 25"},
		"the advance":          {"everything", func(f *commission.Footing) { f.Advance = one }, "payable is 510, but comes to 539"},
		"unrecouped":           {"everything", func(f *commission.Footing) { f.Unrecouped = one }, "payable is 510, but comes to 549"},
		"recoup":               {"everything", func(f *commission.Footing) { f.Recoup = nil }, "there is an advance, but nothing to recoup"},
		"payable":              {"a plain one", func(f *commission.Footing) { f.Payable = one }, "payable is 1, but comes to 25"},
		"the closing":          {"a plain one", func(f *commission.Footing) { f.Closing = one }, "the closing is 1, but comes to 0"},
		"the rest":             {"a plain one", func(f *commission.Footing) { f.Rest = one }, "the unrecouped rest is 1, but comes to 0"},
		"the kind":             {"a plain one", func(f *commission.Footing) { f.Parts[0].Kind = "differential" }, `version 3: "differential" is not a kind of pay`},
		"no part":              {"a plain one", func(f *commission.Footing) { f.Parts = nil }, "the statement has no part"},
		"a bomb":               {"a plain one", func(f *commission.Footing) { f.Parts[0].Items[0].Amount = bomb }, "a number is out of range"},
		"a bomb of a cap":      {"a plain one", func(f *commission.Footing) { f.CarryCap = bomb }, "a number is out of range"},
		"the cap":              {"capped", func(f *commission.Footing) { f.CarryCap = one }, "the closing is -60, but comes to -1"},
		"a cap below zero":     {"a plain one", func(f *commission.Footing) { f.CarryCap = one.Neg() }, "carry_cap or unrecouped is below zero"},
		"the carry":            {"a loss is carried", func(f *commission.Footing) { f.Carry = commission.CarryNone }, "the closing is -60, but comes to 0"},
		"no carry":             {"a plain one", func(f *commission.Footing) { f.Carry = "gift" }, `"gift" is not a carry`},
		"a gain is opened":     {"commission back", func(f *commission.Footing) { f.Opening = one }, `an opening of 1 is not a loss of the "commission"`},
		"a loss of what":       {"commission back", func(f *commission.Footing) { f.OpeningOf = "" }, `an opening of -20 is not a loss of the ""`},
		"another loss":         {"commission back", func(f *commission.Footing) { f.OpeningOf = commission.CarryBase }, "payable is 5, but comes to 25\nthe opening of the base is -20, but comes to 0"},
		"a loss of no opening": {"a plain one", func(f *commission.Footing) { f.OpeningOf = commission.CarryBase }, `an opening of 0 is not a loss of the "base"`},
		"what was unrecouped":  {"everything", func(f *commission.Footing) { f.Unrecouped = one.Neg() }, "carry_cap or unrecouped is below zero"},
		"the first version":    {"several versions", func(f *commission.Footing) { f.Parts[0].Unrounded = one }, "version 3: unrounded is 1, but comes to 282.5025"},
		"the second version":   {"several versions", func(f *commission.Footing) { f.Parts[1].Base = one }, "version 4: the base is 1, but comes to 600"},
		"a version less": {"several versions", func(f *commission.Footing) { f.Parts = f.Parts[:1] },
			"the commission is 522.5, but comes to 282.5\npayable is 522.5, but comes to 282.5"},
		"the sum of the tiers": {"several versions", func(f *commission.Footing) {
			f.Parts[1].Items[0].Amount, f.Parts[1].Base = one, one
		}, "version 4: the sum of the tiers is 600, but comes to 1"},
		"no tiers": {"several versions", func(f *commission.Footing) { f.Parts[1].Tiers = nil }, "version 4: the tiers are missing"},
		"a flat":   {"flat", func(f *commission.Footing) { f.Parts[0].Rate = one }, "version 3: unrounded is 50, but comes to 1"},
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

// A number that would be slow to work with is refused wherever it stands, and
// told without being written out.
func TestBombsOfStatements(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"everything", "several versions", "an advance is left", "a loss is carried"} {
		var all int
		for i := 0; ; i++ {
			c := statement(t, name)
			all = 0
			numbers(reflect.ValueOf(c.Statement).Elem(), func(d *decimal.Decimal) {
				if all == i {
					*d = decimal.New(1, 1_000_000_000)
				}
				all++
			})
			if i == all {
				break
			}
			_, _, err := c.Recompute()
			require.EqualError(t, err, "a number is out of range")
			require.Equal(t, "Level 0 earns what cannot be told: a number is out of range.", c.Explain().Sentence)
		}
		require.Greater(t, all, 10)
	}
}

// numbers visits every decimal below v.
func numbers(v reflect.Value, visit func(*decimal.Decimal)) {
	if d, ok := v.Addr().Interface().(*decimal.Decimal); ok {
		visit(d)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			numbers(v.Elem(), visit)
		}
	case reflect.Slice:
		for i := range v.Len() {
			numbers(v.Index(i), visit)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			numbers(v.Field(i), visit)
		}
	}
}
