package commission_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/transaction"
)

const tenPercent = `{"name": "shop", "currency": "BRL", "rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "10"}}]}`

func newPlan(t testing.TB, text string) *commission.Plan {
	t.Helper()
	plan, err := commission.NewPlan(id("plan"), 3, parse(t, text))
	require.NoError(t, err)
	return plan
}

// sale is an input of one sale by ana, below bia and caio.
func sale(plan *commission.Plan, amount string) commission.Input {
	return commission.Input{
		Plan:  plan,
		Event: vectorEvent{Type: transaction.Sale, Amount: amount}.event(),
		Upline: []commission.Member{
			{ID: id("ana"), Active: true, Category: affiliate.Standard},
			{ID: id("bia"), Active: true, Category: affiliate.Standard},
			{ID: id("caio"), Active: true, Category: affiliate.Standard},
		},
	}
}

func rate(t testing.TB, in commission.Input) commission.Outcome {
	t.Helper()
	out, err := commission.Rate(in, nil)
	require.NoError(t, err)
	return out
}

func TestNewPlanRefuses(t *testing.T) {
	t.Parallel()
	_, err := commission.NewPlan(id("plan"), 0, parse(t, tenPercent))
	require.Equal(t, []string{"version: is less than 1"}, problems(err))
	_, err = commission.NewPlan(id("plan"), 1, commission.Document{})
	require.ErrorIs(t, err, fault.Invalid)
}

func TestRateRefuses(t *testing.T) {
	t.Parallel()
	plan := newPlan(t, tenPercent)
	for name, c := range map[string]struct {
		change  func(*commission.Input)
		problem string
	}{
		"a negative amount": {
			func(in *commission.Input) { in.Event.Amount = decimal.RequireFromString("-1") },
			"amount: is negative: the type says what it means",
		},
		"a part of a cent": {
			func(in *commission.Input) { in.Event.Amount = decimal.RequireFromString("1.001") },
			"amount: 1.001 has more than 2 decimals",
		},
		"an exponent bomb": {
			func(in *commission.Input) { in.Event.Amount = decimal.New(1, 1_000_000_000) },
			"amount: is out of range",
		},
		"more than a row holds": {
			func(in *commission.Input) { in.Event.Amount = decimal.New(1, 14) },
			"amount: is larger than 9999999999999.99",
		},
		"another currency": {
			func(in *commission.Input) { in.Event.Currency = "EUR" },
			"currency: is EUR, but the plan's is BRL",
		},
		"a plan of another making": {
			func(in *commission.Input) { in.Plan = &commission.Plan{Document: plan.Document} },
			"plan: was not made by NewPlan",
		},
		"a line that no row holds": {
			func(in *commission.Input) {
				in.Plan = newPlan(t, `{"name": "x", "currency": "BRL", "rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "200"}}]}`)
				in.Event.Amount = decimal.RequireFromString("9999999999999.99")
			},
			"amount: is too large: rule sale would pay 19999999999999.98 at level 0, more than 9999999999999.99",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := sale(plan, "10.00")
			c.change(&in)
			out, err := commission.Rate(in, nil)
			require.ErrorIs(t, err, fault.Invalid)
			require.Equal(t, []string{c.problem}, problems(err))
			require.Zero(t, out)
		})
	}
}

// A plan keeps what it was made of, whatever becomes of the document.
func TestPlanDoesNotChange(t *testing.T) {
	t.Parallel()
	doc := parse(t, `{"name": "x", "currency": "BRL", "rules": [{"id": "sale", "on": ["sale"],
		"when": {"categories": ["standard"], "metadata": {"k": "v"}}, "pay": {"percent": "10"},
		"overrides": {"of": "amount", "inactive": "none", "steps": [{"percent": "5", "categories": ["standard"]}]}}]}`)
	plan, err := commission.NewPlan(id("plan"), 1, doc)
	require.NoError(t, err)
	in := sale(plan, "100.00")
	in.Event.Metadata = map[string]any{"k": "v"}
	before := rate(t, in)
	require.Len(t, before.Lines, 2)

	rule := doc.Rules[0]
	rule.On[0] = transaction.Bet
	rule.When.Categories[0], rule.Overrides.Steps[0].Categories[0] = affiliate.VIP, affiliate.VIP
	rule.When.Metadata["k"][0] = "w"
	doc.Rules[0] = commission.Rule{}
	require.Equal(t, before, rate(t, in))
}

// An event rates the same before it is stored as JSON and after, whatever Go
// types its host gave.
func TestMetadataOfAnyType(t *testing.T) {
	t.Parallel()
	type flag string
	text := "seven"
	for _, c := range []struct {
		value any
		text  string
	}{
		{"seven", "seven"}, {flag("seven"), "seven"}, {&text, "seven"},
		{true, "true"}, {7, "7"}, {int8(7), "7"}, {uint64(math.MaxUint64), "18446744073709551615"},
		{7.0, "7"}, {float32(0.1), "0.1"}, {1e21, "1000000000000000000000"}, {1.5e-7, "0.00000015"},
		{json.Number("7.00"), "7"}, {json.Number("-0.0"), "0"}, {json.Number("7e2"), "700"},
		{decimal.RequireFromString("7.5"), "7.5"}, {uuid.Nil, uuid.Nil.String()},
		{json.RawMessage(`"seven"`), "seven"},
	} {
		plan := newPlan(t, `{"name": "x", "currency": "BRL", "rules": [{"id": "sale", "on": ["sale"], "when": {"metadata": {"k": "`+c.text+`"}}, "pay": {"percent": "10"}}]}`)
		in := sale(plan, "100.00")
		in.Event.Metadata = map[string]any{"k": c.value}
		require.Len(t, rate(t, in).Lines, 1, "%T %v", c.value, c.value)
		if n, ok := c.value.(uint64); ok && n > 1<<53 {
			continue // encoding/json itself loses it without UseNumber
		}

		stored, err := json.Marshal(in.Event.Metadata)
		require.NoError(t, err)
		in.Event.Metadata = nil
		require.NoError(t, json.Unmarshal(stored, &in.Event.Metadata))
		require.Len(t, rate(t, in).Lines, 1, "%s", stored)
	}
}

func TestMetadataThatMatchesNothing(t *testing.T) {
	t.Parallel()
	plan := newPlan(t, `{"name": "x", "currency": "BRL", "rules": [{"id": "sale", "on": ["sale"], "when": {"metadata": {"k": ["null", "[]", "{}", "NaN", "<nil>"]}}, "pay": {"percent": "10"}}]}`)
	for _, value := range []any{
		nil, []any{}, []string{"null"}, map[string]any{}, struct{}{}, math.NaN(), math.Inf(1), (*string)(nil),
		func() {}, json.Number("1e999999999"), json.Number(""), time.Duration(1), 1e300,
	} {
		in := sale(plan, "100.00")
		in.Event.Metadata = map[string]any{"k": value}
		require.Equal(t, []commission.Skip{{Rule: "sale", Reason: commission.ReasonMetadata}}, rate(t, in).Skipped, "%T", value)
	}
}

func TestSkipJSON(t *testing.T) {
	t.Parallel()
	skip := commission.Skip{
		Rule: "sale", Level: 2, Reason: commission.ReasonNoUpline,
		Breakage: decimal.RequireFromString("3.60"), Capped: decimal.RequireFromString("0.10"),
	}
	text, err := json.Marshal(skip)
	require.NoError(t, err)
	require.Equal(t, `{"rule":"sale","level":2,"reason":"no_upline","breakage":"3.60","capped":"0.10"}`, string(text))
	var read commission.Skip
	require.NoError(t, json.Unmarshal(text, &read))
	require.Equal(t, skip, read)

	text, err = json.Marshal(commission.Skip{Reason: commission.ReasonNoPlan})
	require.NoError(t, err)
	require.Equal(t, `{"level":0,"reason":"no_plan"}`, string(text))
	text, err = json.Marshal(commission.Skip{Reason: commission.ReasonUnratable, Detail: `plan: "x" is new`})
	require.NoError(t, err)
	require.Equal(t, `{"level":0,"reason":"unratable","detail":"plan: \"x\" is new"}`, string(text))
}
