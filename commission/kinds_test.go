package commission_test

import (
	"fmt"
	"testing"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/commission"
)

// kinds are calculations of every kind, by what they show.
func kinds(t testing.TB) map[string]commission.Calculation {
	const table = `{"name": "shop", "currency": "BRL", "rules": [{"id": "sale", "on": ["sale"], "pay": {"tiers": {"mode": "%s", "scope": "%s", "steps": [
		{"up_to": "1000.00", "percent": "5", "flat": "10.00"}, {"percent": "8"}]}}}], "caps": [%s]}`
	slab := fmt.Sprintf(table, "slab", "month", "")
	marginal := fmt.Sprintf(table, "marginal", "week", `{"per": "affiliate", "period": "month", "max": "50.00"}, {"per": "transaction", "max": "20.00"}`)
	each := fmt.Sprintf(table, "marginal", "transaction", "")
	differential := `{"name": "team", "currency": "BRL", "rules": [{"id": "sale", "on": ["sale"], "pay": {"differential": {"standard": "5", "vip": "12"}}}],
		"caps": [{"per": "customer", "period": "day", "max": "12.00"}]}`
	const percent = `{"name": "shop", "currency": "BRL", "rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "10"}}], "caps": [{"per": "transaction", "max": "%s"}]}`

	topUp := played(t, slab, "600.00", "600.00", "-0 600.00", "100.00")
	cut := played(t, marginal, "600.00", "600.00")
	excess := played(t, differential, "200.00")
	back := played(t, fmt.Sprintf(percent, "20.00"), "300.00", "-0 100.00", "-0 50.00")
	signup := played(t, `{"name": "leads", "currency": "BRL", "rules": [{"id": "sale", "on": ["sale"], "pay": {"flat": "25.00"}}]}`, "0.00", "-0 0.00")
	whole := played(t, fmt.Sprintf(percent, "100.00"), "300.00", "-0 300.00")
	empty := played(t, fmt.Sprintf(table, "slab", "lifetime", ""), "600.00", "600.00", "-0 600.00", "0.00", "-1 600.00", "0.00")
	override := played(t, `{"name": "shop", "currency": "BRL", "rules": [{"id": "sale", "on": ["sale"],
		"pay": {"tiers": {"mode": "slab", "scope": "day", "steps": [{"percent": "5", "flat": "10.00"}]}},
		"overrides": {"of": "commission", "inactive": "none", "steps": [{"percent": "10"}]}}]}`, "600.00")
	again := played(t, slab, "600.00", "600.00", "-0 600.00", "100.00", "-3 100.00")
	return map[string]commission.Calculation{
		"slab": topUp[0][0], "slab tops up": topUp[1][0], "slab takes back": topUp[3][0],
		"nothing of an empty sum": empty[5][0], "override of a table": override[0][1],
		"marginal": played(t, each, "1500.00")[0][0], "cut caps": cut[1][0],
		"differential": excess[0][0], "excess": excess[0][1],
		"reversal": whole[1][0], "reversal of a sale of nothing": signup[1][0], "reversal of a cut line": back[2][0], "reversal of a negative line": again[4][0],
	}
}

// played plays amounts under a plan: sales of c1 by ana, below bia who is a vip,
// or, as in "-0 50.00", refunds of the earlier one of that number. It gives the
// calculations of each.
func played(t testing.TB, plan string, amounts ...string) (calculations [][]commission.Calculation) {
	h := &history{plan: newPlan(t, plan)}
	for _, text := range amounts {
		var of int
		var amount string
		if n, _ := fmt.Sscanf(text, "-%d %s", &of, &amount); n == 2 {
			h.refund(of, decimal.RequireFromString(amount).Shift(2).IntPart())
			continue
		}
		in := sale(h.plan, text)
		in.Event.CustomerID, in.Event.AffiliateID, in.Upline[1].Category = "c1", id("ana"), "vip"
		h.entries = append(h.entries, entry{in.Event, in.Upline, -1})
	}
	for _, out := range h.play(t, nil).outcomes {
		var all []commission.Calculation
		for _, line := range out.Lines {
			all = append(all, line.Calculation)
		}
		calculations = append(calculations, all)
	}
	return calculations
}

func TestExplainEveryKind(t *testing.T) {
	t.Parallel()
	all := kinds(t)
	for name, want := range map[string]struct {
		sentence string
		steps    []string
	}{
		"slab": {
			"Level 0 earns 40.00 BRL for a sale of 600.00 BRL: slab tiers on the 600.00 BRL in the month 2025-06 come to 40.00 BRL.",
			[]string{
				"The sum in the month 2025-06, this sale of 600.00 BRL included, is 600.00 BRL. 5 % of 600.00 BRL + 10.00 BRL flat = 40, rounded half up to 2 decimals: 40.00 BRL. Less 0.00 BRL credited before: 40.00 BRL.",
				"Evaluated again: 40.00 BRL, after caps 40.00 BRL.",
			},
		},
		"slab tops up": {
			"Level 0 earns 56.00 BRL for a sale of 600.00 BRL: slab tiers on the 1200.00 BRL in the month 2025-06 come to 96.00 BRL, less 40.00 BRL credited before.",
			[]string{
				"The sum in the month 2025-06, this sale of 600.00 BRL included, is 1200.00 BRL. 8 % of 1200.00 BRL = 96, rounded half up to 2 decimals: 96.00 BRL. Less 40.00 BRL credited before: 56.00 BRL.",
				"Evaluated again: 56.00 BRL, after caps 56.00 BRL.",
			},
		},
		"slab takes back": {
			"Level 0 gives back 11.00 BRL for a sale of 100.00 BRL: slab tiers on the 700.00 BRL in the month 2025-06 come to 45.00 BRL, less 56.00 BRL credited before.",
			[]string{
				"The sum in the month 2025-06, this sale of 100.00 BRL included, is 700.00 BRL. 5 % of 700.00 BRL + 10.00 BRL flat = 45, rounded half up to 2 decimals: 45.00 BRL. Less 56.00 BRL credited before: -11.00 BRL.",
				"Evaluated again: -11.00 BRL, after caps -11.00 BRL.",
			},
		},
		"marginal": {
			"Level 0 earns 100.00 BRL for a sale of 1500.00 BRL by marginal tiers.",
			[]string{
				"5 % of 1000.00 BRL + 10.00 BRL flat + 8 % of 500.00 BRL = 100, rounded half up to 2 decimals: 100.00 BRL.",
				"Evaluated again: 100.00 BRL, after caps 100.00 BRL.",
			},
		},
		"nothing of an empty sum": {
			"Level 0 earns 16.00 BRL for a sale of 0.00 BRL: slab tiers on the 0.00 BRL over all time come to 0.00 BRL, less -16.00 BRL credited before.",
			[]string{
				"The sum over all time, this sale of 0.00 BRL included, is 0.00 BRL. Nothing = 0, rounded half up to 2 decimals: 0.00 BRL. Less -16.00 BRL credited before: 16.00 BRL.",
				"Evaluated again: 16.00 BRL, after caps 16.00 BRL.",
			},
		},
		"cut caps": {
			"Level 0 earns 36.00 BRL for a sale of 600.00 BRL: marginal tiers on the 1200.00 BRL in the week from 2025-06-09 come to 76.00 BRL, less 40.00 BRL credited before, cut to 30.00 BRL by a cap of 50.00 BRL on the affiliate's earnings in the month 2025-06, then cut to 20.00 BRL by a cap of 20.00 BRL on the transaction.",
			[]string{
				"The sum in the week from 2025-06-09, this sale of 600.00 BRL included, is 1200.00 BRL. 5 % of 1000.00 BRL + 10.00 BRL flat + 8 % of 200.00 BRL = 76, rounded half up to 2 decimals: 76.00 BRL. Less 40.00 BRL credited before: 36.00 BRL.",
				"Cap: 50.00 BRL on the affiliate's earnings in the month 2025-06, of which 20.00 BRL is used; the line gets 30.00 BRL.",
				"Cap: the transaction's lines of 30 share 20.00 BRL by largest remainder; line 1 gets 20.00 BRL.",
				"Evaluated again: 36.00 BRL, after caps 20.00 BRL.",
			},
		},
		"differential": {
			"Level 0 earns 5 % of a sale of 200.00 BRL = 10.00 BRL.",
			[]string{
				"5 % of 200.00 BRL = 10, rounded half up to 2 decimals: 10.00 BRL.",
				"Evaluated again: 10.00 BRL, after caps 10.00 BRL.",
			},
		},
		"excess": {
			"Level 1 earns 7 % of a sale of 200.00 BRL (its 12 % less the 5 % paid below it) = 14.00 BRL, cut to 12.00 BRL by a cap of 12.00 BRL on the affiliate's earnings from this customer on 2025-06-15.",
			[]string{
				"12 % less 5 % paid below is 7 %. 7 % of 200.00 BRL = 14, rounded half up to 2 decimals: 14.00 BRL.",
				"Cap: 12.00 BRL on the affiliate's earnings from this customer on 2025-06-15, of which 0.00 BRL is used; the line gets 12.00 BRL.",
				"Evaluated again: 14.00 BRL, after caps 12.00 BRL.",
			},
		},
		"reversal": {
			"Level 0 gives back 30.00 BRL of the 30.00 BRL it earned, because a refund takes back 300.00 BRL of 300.00 BRL.",
			[]string{
				"Of the transaction of 300.00 BRL, this refund takes back 300.00 BRL; 0.00 BRL was taken back before.",
				"The line: 30.00 BRL × 300.00 BRL / 300.00 BRL, rounded half up to 2 decimals: 30.00 BRL, less 0.00 BRL taken back before: 30.00 BRL.",
				"Evaluated again: -30.00 BRL, after caps -30.00 BRL.",
			},
		},
		"reversal of a cut line": {
			"Level 0 gives back 3.33 BRL of the 20.00 BRL it earned, because a refund takes back 50.00 BRL of 300.00 BRL.",
			[]string{
				"Of the transaction of 300.00 BRL, this refund takes back 50.00 BRL; 100.00 BRL was taken back before.",
				"The line: 30.00 BRL × 150.00 BRL / 300.00 BRL, rounded half up to 2 decimals: 15.00 BRL, less 10.00 BRL taken back before: 5.00 BRL.",
				"After caps: 20.00 BRL × 150.00 BRL / 300.00 BRL, rounded half up to 2 decimals: 10.00 BRL, less 6.67 BRL taken back before: 3.33 BRL.",
				"Evaluated again: -5.00 BRL, after caps -3.33 BRL.",
			},
		},
		"reversal of a negative line": {
			"Level 0 gets back 11.00 BRL of the 11.00 BRL it gave back, because a refund takes back 100.00 BRL of 100.00 BRL.",
			[]string{
				"Of the transaction of 100.00 BRL, this refund takes back 100.00 BRL; 0.00 BRL was taken back before.",
				"The line: -11.00 BRL × 100.00 BRL / 100.00 BRL, rounded half up to 2 decimals: -11.00 BRL, less 0.00 BRL taken back before: -11.00 BRL.",
				"Evaluated again: 11.00 BRL, after caps 11.00 BRL.",
			},
		},
		"reversal of a sale of nothing": {
			"Level 0 gives back 25.00 BRL of the 25.00 BRL it earned, because a refund takes back the transaction.",
			[]string{
				"The transaction is of 0.00 BRL: this refund takes it back whole.",
				"The line: all of 25.00 BRL.",
				"Evaluated again: -25.00 BRL, after caps -25.00 BRL.",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, ok := all[name]
			require.True(t, ok)
			explained := c.Explain()
			require.Equal(t, want.sentence, explained.Sentence)
			header := fmt.Sprintf("Plan %s, version 3, rule sale, level %d.", c.Plan, c.Level)
			require.Equal(t, append([]string{header}, want.steps...), explained.Steps)
		})
	}
}

// Whatever figure of a record is changed, Recompute says so, and Explain too.
func TestRecomputeRefusesForgedFiguresOfEveryKind(t *testing.T) {
	t.Parallel()
	one, bomb := decimal.NewFromInt(1), decimal.New(1, 1_000_000_000)
	for name, c := range map[string]struct {
		kind   string
		change func(*commission.Calculation)
		want   string
	}{
		"no table":            {"slab", func(c *commission.Calculation) { c.Tiers = nil }, "the tiers are missing"},
		"mode":                {"slab", func(c *commission.Calculation) { c.Tiers.Mode = "flat" }, `"flat" is not a mode of tiers`},
		"sum":                 {"slab", func(c *commission.Calculation) { c.Tiers.Sum = c.Tiers.Sum.Add(one) }, "the parts leave 1 of the sum"},
		"posted":              {"slab tops up", func(c *commission.Calculation) { c.Tiers.Posted = one }, "rounded is 56, but comes to 95"},
		"rate of a table":     {"slab", func(c *commission.Calculation) { c.Rate = one }, "the rate is 1, but that of the step reached is 5"},
		"percent of a step":   {"slab", func(c *commission.Calculation) { c.Tiers.Parts[0].Percent, c.Rate = one, one }, "unrounded is 40, but comes to 16"},
		"flat of a step":      {"slab", func(c *commission.Calculation) { c.Tiers.Parts[0].Flat = one }, "unrounded is 40, but comes to 31"},
		"no parts":            {"slab", func(c *commission.Calculation) { c.Tiers.Parts = nil }, "the parts leave 600 of the sum"},
		"beyond the step":     {"slab", func(c *commission.Calculation) { c.Tiers.Parts[0].UpTo = one }, "part 1: goes beyond its step"},
		"above the sum":       {"slab", func(c *commission.Calculation) { c.Tiers.Parts[0].From = c.Tiers.Sum }, "part 1: begins above the sum"},
		"two slabs":           {"marginal", func(c *commission.Calculation) { c.Tiers.Mode = commission.Slab }, "a slab has one part"},
		"a gap":               {"marginal", func(c *commission.Calculation) { c.Tiers.Parts[1].From = one }, "part 2: does not begin where the one before ends"},
		"a step not filled":   {"marginal", func(c *commission.Calculation) { c.Tiers.Parts[0].UpTo = decimal.NewFromInt(1100) }, "part 1: does not fill its step"},
		"a flat of no sum":    {"nothing of an empty sum", func(c *commission.Calculation) { c.Tiers.Parts = []commission.TierPart{{Flat: one}} }, "part 1: has a flat amount, but the sum is not above zero"},
		"bomb of a sum":       {"nothing of an empty sum", func(c *commission.Calculation) { c.Tiers.Sum = bomb }, "a number is out of range"},
		"bomb of posted":      {"nothing of an empty sum", func(c *commission.Calculation) { c.Tiers.Posted = bomb }, "a number is out of range"},
		"bomb of a part":      {"marginal", func(c *commission.Calculation) { c.Tiers.Parts[1].Flat = bomb }, "a number is out of range"},
		"table of level 0":    {"override of a table", func(c *commission.Calculation) { c.Own.Tiers.Posted = one }, "level 0: rounded is 40, but comes to 39"},
		"bomb of level 0":     {"override of a table", func(c *commission.Calculation) { c.Own.Tiers.Posted = bomb }, "level 0: a number is out of range"},
		"no excess":           {"excess", func(c *commission.Calculation) { c.Excess = nil }, "the percents are missing"},
		"percent of a rank":   {"excess", func(c *commission.Calculation) { c.Excess.Percent = one }, "the rate is 7, but comes to -4"},
		"percent below":       {"excess", func(c *commission.Calculation) { c.Excess.Below = one }, "the rate is 7, but comes to 11"},
		"bomb of a rank":      {"excess", func(c *commission.Calculation) { c.Excess.Below = bomb }, "a number is out of range"},
		"maximum of a cap":    {"cut caps", func(c *commission.Calculation) { c.Caps[0].Max = decimal.NewFromInt(60) }, "cap 1: the share is 30, but comes to 36"},
		"use of a cap":        {"cut caps", func(c *commission.Calculation) { c.Caps[0].Used = one }, "cap 1: the share is 30, but comes to 36"},
		"share of a cap":      {"cut caps", func(c *commission.Calculation) { c.Caps[0].Share = one }, "cap 1: the share is 1, but comes to 30"},
		"bomb of a cap":       {"cut caps", func(c *commission.Calculation) { c.Caps[0].Used = bomb }, "cap 1: a number is out of range"},
		"a cap left out":      {"cut caps", func(c *commission.Calculation) { c.Caps = c.Caps[1:] }, "cap 1: the line before it is 30, but comes to 36"},
		"nothing reversed":    {"reversal", func(c *commission.Calculation) { c.Reversed = nil }, "what it takes back is missing"},
		"amount of the line":  {"reversal of a cut line", func(c *commission.Calculation) { c.Reversed.Amount = one }, "rounded is -5, but comes to -0.17"},
		"amount of the whole": {"reversal of a cut line", func(c *commission.Calculation) { c.Reversed.Of = decimal.NewFromInt(150) }, "rounded is -5, but comes to -10"},
		"taken back before":   {"reversal of a cut line", func(c *commission.Calculation) { c.Reversed.Before = one }, "the base is 50, but what is taken back is 149"},
		"taken back in all":   {"reversal of a cut line", func(c *commission.Calculation) { c.Reversed.After = one }, "the base is 50, but what is taken back is -99"},
		"base of a reversal":  {"reversal of a cut line", func(c *commission.Calculation) { c.Base = one }, "the base is 1, but what is taken back is 50"},
		"what it came to":     {"reversal of a cut line", func(c *commission.Calculation) { c.Rounded = one }, "rounded is 1, but comes to -5"},
		"bomb of a reversal":  {"reversal", func(c *commission.Calculation) { c.Reversed.Final = bomb }, "a number is out of range"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calculation, ok := kinds(t)[c.kind]
			require.True(t, ok)
			_, _, err := calculation.Recompute()
			require.NoError(t, err)
			c.change(&calculation)
			_, _, err = calculation.Recompute()
			require.EqualError(t, err, c.want)
			steps := calculation.Explain().Steps
			require.Contains(t, steps[len(steps)-1], "Evaluated again, it does not follow: ")
		})
	}
}

// What caps left of the line is no figure of a reversal's own: changed, it
// comes to another final amount than the one posted.
func TestRecomputeTellsTheFinalOfAReversal(t *testing.T) {
	t.Parallel()
	c := kinds(t)["reversal of a cut line"]
	_, final, err := c.Recompute()
	require.NoError(t, err)
	require.Equal(t, "-3.33", final.String())
	c.Reversed.Final = c.Reversed.Amount
	_, final, err = c.Recompute()
	require.NoError(t, err)
	require.Equal(t, "-5", final.String())
}
