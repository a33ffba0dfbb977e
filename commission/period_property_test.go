package commission_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/money"
	"github.com/fature/fature/transaction"
)

// What holds for every account: random plans of all that period rules can, of
// one to three versions, settled month after month from what was carried.

// drawPeriodRule draws the rule rev of a version; split and the types of its
// base are those of the account, whatever the version.
func drawPeriodRule(t *rapid.T) commission.Rule {
	amount := func(most int64, name string) commission.Decimal {
		return cents(rapid.Int64Range(1, most).Draw(t, name))
	}
	r := commission.Rule{
		ID: "rev", Period: commission.Month,
		Base:  commission.Base{Plus: []transaction.Type{transaction.Bet, transaction.Sale}, Minus: []transaction.Type{transaction.Win, transaction.Fee}},
		Carry: rapid.SampledFrom([]commission.Carry{commission.CarryNone, commission.CarryBase, commission.CarryCommission}).Draw(t, "carry"),
	}
	switch rapid.IntRange(0, 3).Draw(t, "pay") {
	case 0:
		r.Pay.Flat = amount(10_000, "flat")
	case 1:
		r.Pay.Percent = amount(9_000, "percent")
	default:
		r.Pay.Tiers.Mode = rapid.SampledFrom([]commission.TierMode{commission.Slab, commission.Marginal}).Draw(t, "mode")
		for i, last := 0, rapid.IntRange(0, 3).Draw(t, "steps"); i <= last; i++ {
			step := commission.TierStep{Percent: amount(5_000, "percent"), MinActive: rapid.IntRange(0, 3).Draw(t, "min_active")}
			if i < last {
				step.UpTo = cents(int64(i+1) * 20_000)
			}
			if rapid.Bool().Draw(t, "flat") {
				step.Flat = amount(3_000, "flat")
			}
			r.Pay.Tiers.Steps = append(r.Pay.Tiers.Steps, step)
		}
	}
	if r.Carry != commission.CarryNone && rapid.IntRange(0, 2).Draw(t, "capped") == 0 {
		r.CarryCap = amount(20_000, "carry_cap")
	}
	switch rapid.IntRange(0, 3).Draw(t, "roller") {
	case 0:
		r.HighRoller = commission.HighRoller{Mode: commission.Quarantine, PlayerMax: amount(20_000, "player_max")}
	case 1:
		r.HighRoller = commission.HighRoller{Mode: commission.ProRata, PlayerMax: amount(20_000, "player_max"), AggregateMax: amount(20_000, "aggregate_max")}
	}
	if rapid.Bool().Draw(t, "recoup") {
		r.Recoup = []string{"cpa"}
	}
	if rapid.Bool().Draw(t, "overrides") {
		r.Overrides = commission.Overrides{
			Of:       rapid.SampledFrom([]commission.OverrideBase{commission.OfAmount, commission.OfCommission}).Draw(t, "of"),
			Inactive: rapid.SampledFrom([]commission.Inactive{commission.ToNobody, commission.Compress, commission.RollUp}).Draw(t, "inactive"),
		}
		for range rapid.IntRange(1, 3).Draw(t, "levels") {
			step := commission.OverrideStep{Percent: amount(3_000, "override")}
			if rapid.IntRange(0, 2).Draw(t, "flat override") == 0 {
				step = commission.OverrideStep{Flat: step.Percent}
			}
			r.Overrides.Steps = append(r.Overrides.Steps, step)
		}
	}
	return r
}

// drawVersions draws the versions of a plan.
func drawVersions(t *rapid.T, most int) (versions []*commission.Plan) {
	rounding := rapid.SampledFrom([]commission.Rounding{commission.HalfUp, commission.HalfEven, commission.Down}).Draw(t, "rounding")
	for i := range rapid.IntRange(1, most).Draw(t, "versions") {
		doc := commission.Document{Name: "casino", Currency: "BRL", Timezone: "America/Sao_Paulo", Rounding: rounding, Rules: []commission.Rule{
			{ID: "cpa", On: []transaction.Type{transaction.Deposit}, Pay: commission.Pay{Flat: "10"}}, drawPeriodRule(t),
		}}
		if rapid.IntRange(0, 2).Draw(t, "caps") == 0 {
			doc.Caps = []commission.Cap{{Per: commission.PerAffiliate, Period: commission.Month, Max: cents(rapid.Int64Range(1, 30_000).Draw(t, "max"))}}
		}
		plan, err := commission.NewPlan(id(fmt.Sprint("version ", i)), i+1, doc)
		require.NoError(t, err)
		versions = append(versions, plan)
	}
	return versions
}

// run is an account, month after month.
type run struct {
	accounts    []commission.Account
	settlements []commission.Settlement
	facts       []commission.Facts // before each
}

// drawRun draws three months of an account and settles them; most bounds the
// versions.
func drawRun(t *rapid.T, most int) (r run) {
	versions := drawVersions(t, most)
	upline := []commission.Member{{ID: id("ana")}, {ID: id("bia")}, {ID: id("caio")}, {ID: id("davi")}}
	for i := range upline {
		upline[i].Active = rapid.IntRange(0, 4).Draw(t, "active") > 0
	}
	carried, facts := commission.CarryOver{}, commission.Facts{}
	for month := range 3 {
		iv := commission.IntervalAt(commission.Month, monthStart(month), versions[0].Zone())
		a := commission.Account{
			Rule: "rev", Interval: iv, Versions: versions, Upline: upline, Activity: drawActivity(t, versions), Opening: carried,
			Advance: decimal.New(rapid.SampledFrom([]int64{0, 0, 1_000, 5_000}).Draw(t, "advance"), -2),
		}
		s, ok, err := commission.Settle(a, facts)
		require.NoError(t, err)
		if !ok {
			continue
		}
		r.accounts, r.settlements, r.facts = append(r.accounts, a), append(r.settlements, s), append(r.facts, facts)
		carried = s.Closing
		next := commission.Facts{}
		for need, c := range facts {
			next[need] = c
		}
		for need, c := range s.Counters {
			next[need] = c
		}
		facts = next
	}
	return r
}

func drawActivity(t *rapid.T, versions []*commission.Plan) (all []commission.Activity) {
	for range rapid.IntRange(0, 8).Draw(t, "activity") {
		a := commission.Activity{
			Plan:     versions[rapid.IntRange(0, len(versions)-1).Draw(t, "version")],
			Customer: rapid.SampledFrom([]string{"", "c1", "c1", "c2", "c3"}).Draw(t, "customer"),
			Type:     rapid.SampledFrom([]transaction.Type{transaction.Bet, transaction.Bet, transaction.Sale, transaction.Win, transaction.Win, transaction.Fee, transaction.Bonus}).Draw(t, "type"),
			Late:     rapid.SampledFrom([]string{"", "", "", "2024-11", "2024-12"}).Draw(t, "late"),
			Amount:   decimal.New(rapid.Int64Range(0, 50_000).Draw(t, "units"), -2),
		}
		if rapid.IntRange(0, 4).Draw(t, "reverses") == 0 {
			a.Type, a.Reverses = transaction.Refund, a.Type
		}
		all = append(all, a)
	}
	return all
}

func checkRuns(t *testing.T, versions int, check func(t *rapid.T, r run)) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { check(t, drawRun(t, versions)) })
}

// Level 0 as a line, or as what nobody could take, is what is payable; each level
// above it is what the plan promises of that or of the base, and none is below
// zero.
func TestAStatementPaysWhatIsPayable(t *testing.T) {
	checkRuns(t, 3, func(t *rapid.T, r run) {
		for i, s := range r.settlements {
			a := r.accounts[i]
			last := a.Versions[len(a.Versions)-1]
			levels := map[int]decimal.Decimal{}
			for _, l := range s.Lines {
				levels[l.Level] = levels[l.Level].Add(l.Amount)
				require.True(t, l.Amount.IsPositive() && l.Final.IsPositive() && l.Final.LessThanOrEqual(l.Amount))
			}
			for _, skip := range s.Skipped {
				require.False(t, skip.Breakage.IsNegative() || skip.Capped.IsNegative())
				levels[skip.Level] = levels[skip.Level].Add(skip.Breakage).Add(skip.Capped)
			}
			require.Equal(t, s.Footing.Payable.Rat().RatString(), levels[0].Rat().RatString())
			overrides := last.Rules[1].Overrides
			for level := 1; level <= 3; level++ {
				want := new(big.Rat)
				if level <= len(overrides.Steps) {
					want = promised(last, overrides, overrides.Steps[level-1], &s.Footing)
				}
				require.Equal(t, want.RatString(), levels[level].Rat().RatString(), "level %d", level)
			}
		}
	})
}

// promised is what a step of the overrides promises beside a statement.
func promised(plan *commission.Plan, o commission.Overrides, step commission.OverrideStep, f *commission.Footing) *big.Rat {
	base := f.Payable
	if o.Of == commission.OfAmount {
		if base = f.Base(); f.OpeningOf == commission.CarryBase {
			base = base.Add(f.Opening)
		}
	}
	switch {
	case step.Flat != "" && !f.Payable.IsPositive(), step.Flat == "" && !base.IsPositive():
		return new(big.Rat)
	case step.Flat != "":
		return decimal.RequireFromString(string(step.Flat)).Rat()
	}
	share := new(big.Rat).Mul(base.Rat(), decimal.RequireFromString(string(step.Percent)).Rat())
	oracle := oracle{commission.Input{Plan: plan}, 100}
	return oracle.round(share.Mul(share, big.NewRat(1, 100)))
}

// Every line follows from its calculation alone, as it is stored.
func TestLinesOfStatementsAreEvaluatedAgainFromTheirJSON(t *testing.T) {
	checkRuns(t, 3, func(t *rapid.T, r run) {
		for _, s := range r.settlements {
			for _, line := range s.Lines {
				requireRecomputes(t, line)
				steps := line.Calculation.Explain().Steps
				require.Contains(t, steps[len(steps)-1], "Evaluated again: ")
			}
		}
	})
}

// Neither the order in which activity is told, nor whether a sum of it comes in
// two, changes anything; nor does settling twice.
func TestOrderAndSumsOfActivityDoNotMatter(t *testing.T) {
	checkRuns(t, 3, func(t *rapid.T, r run) {
		for i, a := range r.accounts {
			want := settledText(t, a, r.facts[i])
			require.Equal(t, want, settledText(t, a, r.facts[i]))
			a.Activity = slices.Clone(a.Activity)
			if n := len(a.Activity); n > 0 {
				at := rapid.IntRange(0, n-1).Draw(t, "at")
				whole := a.Activity[at].Amount
				a.Activity[at].Amount = decimal.New(rapid.Int64Range(0, whole.Shift(2).IntPart()).Draw(t, "part"), -2)
				rest := a.Activity[at]
				rest.Amount = whole.Sub(rest.Amount)
				a.Activity = append(a.Activity, rest)
				a.Activity = rapid.Permutation(a.Activity).Draw(t, "order")
			}
			require.Equal(t, want, settledText(t, a, r.facts[i]))
		}
	})
}

// settledText is all that a settlement comes to.
func settledText(t require.TestingT, a commission.Account, facts commission.Facts) string {
	s, ok, err := commission.Settle(a, facts)
	require.NoError(t, err)
	require.True(t, ok)
	text := asJSON(t, s.Footing) + fmt.Sprint(s.Closing) + asJSON(t, s.Skipped) + fmt.Sprint(asText(s.Counters))
	for _, l := range s.Lines {
		text += fmt.Sprint(l.AffiliateID, l.AvailableAt, l.Amount, l.Final) + asJSON(t, l.Calculation)
	}
	return text
}

// What one month closes with is what the next opens with; a loss of the base is
// never paid on, but for advances that were taken back; and a loss that is
// carried on is one, within the cap.
func TestWhatIsCarried(t *testing.T) {
	checkRuns(t, 3, func(t *rapid.T, r run) {
		for i, s := range r.settlements {
			f := &s.Footing
			if i > 0 {
				before := &r.settlements[i-1].Footing
				require.True(t, f.Opening.Equal(before.Closing) && f.Unrecouped.Equal(before.Rest))
				require.True(t, f.Opening.IsZero() || f.OpeningOf == before.Carry)
			}
			require.False(t, f.Closing.IsPositive() || f.Rest.IsNegative() || f.Payable.IsNegative())
			require.True(t, f.Closing.IsZero() || f.Payable.IsZero())
			require.True(t, f.CarryCap.IsZero() || f.Closing.Neg().LessThanOrEqual(f.CarryCap))
			require.True(t, f.Carry != commission.CarryNone || f.Closing.IsZero())
			base := f.Base()
			if f.OpeningOf == commission.CarryBase {
				base = base.Add(f.Opening)
			}
			if f.Carry == commission.CarryBase && !base.IsPositive() {
				require.True(t, f.Commission.IsZero() && f.Payable.IsZero())
			}
		}
	})
}

// What customers bring in is in the bases or in the balances of those who are
// carried alone, whatever the policy; and nobody is carried with a gain.
func TestNothingThatCustomersBringInIsLost(t *testing.T) {
	checkRuns(t, 1, func(t *rapid.T, r run) {
		brought, counted := decimal.Zero, decimal.Zero
		for i, s := range r.settlements {
			for _, a := range r.accounts[i].Activity {
				brought = brought.Add(toBase(a))
			}
			alone := decimal.Zero
			for _, balance := range s.Closing.Customers {
				require.False(t, balance.IsPositive())
				alone = alone.Add(balance)
			}
			counted = counted.Add(s.Footing.Base())
			require.Equal(t, brought.Rat().RatString(), counted.Add(alone).Rat().RatString())
		}
	})
}

// toBase is what activity adds to the base of drawPeriodRule.
func toBase(a commission.Activity) decimal.Decimal {
	kind, amount := a.Type, a.Amount
	if a.Reverses != "" {
		kind, amount = a.Reverses, amount.Neg()
	}
	switch kind {
	case transaction.Bet, transaction.Sale:
		return amount
	case transaction.Win, transaction.Fee:
		return amount.Neg()
	}
	return decimal.Zero
}

// Over all months, what is paid and what advances are still to be earned are
// what was earned and what was advanced.
func TestAdvancesAreTakenOffOnce(t *testing.T) {
	checkRuns(t, 1, func(t *rapid.T, r run) {
		earned, advanced, paid := decimal.Zero, decimal.Zero, decimal.Zero
		for _, s := range r.settlements {
			f := &s.Footing
			result := f.Commission
			if f.OpeningOf == commission.CarryCommission {
				result = result.Add(f.Opening)
			}
			earned, advanced, paid = earned.Add(decimal.Max(result, decimal.Zero)), advanced.Add(f.Advance), paid.Add(f.Payable)
			require.Equal(t, earned.Rat().RatString(), paid.Add(advanced).Sub(f.Rest).Rat().RatString())
		}
	})
}

// Nobody has more than a cap in its month, over all that is closed in it, and
// what is counted against it is what he has.
func TestCapsHoldForStatements(t *testing.T) {
	checkRuns(t, 3, func(t *rapid.T, r run) {
		for i, s := range r.settlements {
			a := r.accounts[i]
			last := a.Versions[len(a.Versions)-1]
			needs := a.Needs()
			active := slices.ContainsFunc(a.Upline, func(m commission.Member) bool { return m.Active })
			require.Equal(t, len(last.Caps) > 0 && active, len(needs) > 0)
			for need := range s.Counters {
				require.Contains(t, needs, need)
			}
			if len(last.Caps) == 0 {
				continue
			}
			most := decimal.RequireFromString(string(last.Caps[0].Max))
			paid := map[string]decimal.Decimal{}
			for _, l := range s.Lines {
				paid[l.AffiliateID.String()] = paid[l.AffiliateID.String()].Add(l.Final)
			}
			for holder, sum := range paid {
				require.True(t, sum.LessThanOrEqual(most))
				need := commission.Need{Plan: "casino", Kind: "affiliate", Holder: holder, Bucket: "month " + a.Interval.Name}
				require.Equal(t, sum.Rat().RatString(), s.Counters[need].Total.Rat().RatString(), "a month of its own")
			}
		}
	})
}

// However large the numbers are, they are settled or refused.
func TestLargeNumbersAreSettledOrRefused(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		versions := drawVersions(t, 2)
		a := commission.Account{
			Rule: "rev", Interval: commission.IntervalAt(commission.Month, monthStart(0), time.UTC), Versions: versions,
			Upline: []commission.Member{{ID: id("ana"), Active: true}, {ID: id("bia"), Active: true}}, Activity: drawActivity(t, versions),
			Advance: money.Max,
		}
		for i := range a.Activity {
			switch rapid.IntRange(0, 3).Draw(t, "size") {
			case 0:
				a.Activity[i].Amount = money.Max
			case 1:
				a.Activity[i].Amount = decimal.New(1, rapid.Int32().Draw(t, "exponent"))
			}
		}
		s, ok, err := commission.Settle(a, nil)
		if err != nil || !ok {
			return
		}
		for _, d := range []decimal.Decimal{s.Footing.Base(), s.Footing.Commission, s.Footing.Payable, s.Footing.Closing, s.Footing.Rest} {
			require.True(t, d.Abs().LessThanOrEqual(money.Max))
		}
		text, err := json.Marshal(s.Footing)
		require.NoError(t, err)
		require.Less(t, len(text), 10_000)
	})
}
