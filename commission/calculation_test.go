package commission_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/commission"
)

// capped is a plan whose lines use all that a calculation can hold between
// them.
const capped = `{"name": "Loja \"São João\"", "currency": "BRL",
	"rules": [{"id": "item", "on": ["sale"], "pay": {"flat": "0.125", "multiply_by": "items"},
		"overrides": {"of": "commission", "inactive": "compress", "steps": [{"percent": "50"}]}}],
	"caps": [{"per": "transaction", "max": "0.40"}]}`

// cappedLines are those of ana, 0.125 × 3 = 0.375: 0.38, and of caio in the
// place of bia, 50 % of 0.38 = 0.19. The cap of 0.40 shares out over 0.57:
// 40 × 38/57 = 26.66…, 40 × 19/57 = 13.33…: 0.27 and 0.13.
func cappedLines(t testing.TB) []commission.Line {
	in := sale(newPlan(t, capped), "90.00")
	in.Event.Metadata = map[string]any{"items": 3}
	in.Upline[1].Active = false
	return rate(t, in).Lines
}

func TestCalculationJSON(t *testing.T) {
	t.Parallel()
	lines := cappedLines(t)
	text, err := json.Marshal(lines[1].Calculation)
	require.NoError(t, err)
	require.Equal(t, `{"plan":"Loja \"São João\"","version":3,"plan_id":"`+id("plan").String()+`","rule":"item","level":1,"place":2,"event":"sale",`+
		`"own":{"kind":"flat","of":"amount","base":"90.00","rate":"0.125","by":"items","times":3,"unrounded":"0.375","rounded":"0.38"},`+
		`"kind":"percent","of":"commission","base":"0.38","rate":"50","unrounded":"0.1900","rounded":"0.19",`+
		`"currency":"BRL","digits":2,"rounding":"half_up",`+
		`"caps":[{"per":"transaction","max":"0.40","lines":["0.38","0.19"],"line":1,"share":"0.13"}]}`, string(text))
}

// AppendJSON writes by hand what the tags of the fields say; this holds the
// two together, by calculations that have something in every field between
// them.
func TestCalculationJSONHasEveryField(t *testing.T) {
	t.Parallel()
	type tagged commission.Calculation
	all := kinds(t)
	all["capped"], all["counted"] = cappedLines(t)[1].Calculation, cappedLines(t)[0].Calculation
	for name := range statements(t) {
		all["statement: "+name] = statement(t, name)
	}
	filled := map[string]bool{}
	for name, c := range all {
		byTags, err := json.Marshal(tagged(c))
		require.NoError(t, err)
		byHand, err := json.Marshal(c)
		require.NoError(t, err)
		require.Equal(t, normalised(t, byTags), normalised(t, byHand), name)
		var read commission.Calculation
		require.NoError(t, json.Unmarshal(byHand, &read))
		again, err := json.Marshal(read)
		require.NoError(t, err)
		require.Equal(t, string(byHand), string(again), name)
		fill(filled, reflect.ValueOf(c))
	}
	for field, ok := range filled {
		require.True(t, ok, "%s is empty in all of them", field)
	}
	require.Contains(t, filled, "TierPart.Flat")
}

// fill notes, of each field of this package's structs below v, whether it has
// something in it.
func fill(filled map[string]bool, v reflect.Value) {
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil():
		fill(filled, v.Elem())
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			fill(filled, v.Index(i))
		}
	case v.Kind() == reflect.Struct && v.Type().PkgPath() == reflect.TypeFor[commission.Calculation]().PkgPath():
		for i := range v.NumField() {
			field := v.Type().Name() + "." + v.Type().Field(i).Name
			filled[field] = filled[field] || !v.Field(i).IsZero()
			fill(filled, v.Field(i))
		}
	}
}

// normalised decodes JSON, with numbers in strings brought to one form.
func normalised(t *testing.T, text []byte) any {
	var v any
	require.NoError(t, json.Unmarshal(text, &v))
	return trimmed(v)
}

func trimmed(v any) any {
	switch v := v.(type) {
	case string:
		if d, err := decimal.NewFromString(v); err == nil {
			return d.String()
		}
	case []any:
		for i := range v {
			v[i] = trimmed(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = trimmed(v[key])
		}
	}
	return v
}

func TestCalculationDecimals(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"0", "0.00", "7", "0.07", "-0.07", "-12.50", "123456789012345678", "1234567890123456789", "0.000000000000000001",
		"0.0000000000000000001", "9999999999999.99", "-1234567890123456789012345.678",
	} {
		c := commission.Calculation{Term: commission.Term{Base: decimal.RequireFromString(text)}}
		require.Contains(t, string(c.AppendJSON(nil)), `"base":"`+text+`"`)
	}
	c := commission.Calculation{Term: commission.Term{Base: decimal.New(12, 3)}}
	require.Contains(t, string(c.AppendJSON(nil)), `"base":"12000"`)
}

func TestExplain(t *testing.T) {
	t.Parallel()
	lines := cappedLines(t)
	own := lines[0].Calculation.Explain()
	require.Equal(t, "Level 0 earns 0.125 BRL times 3 (items) for a sale of 90.00 BRL = 0.38 BRL, cut to 0.27 BRL by a cap of 0.40 BRL on the transaction.", own.Sentence)
	require.Equal(t, commission.Explanation{
		Sentence: "Level 1, taken by the affiliate 2 levels up, earns 50 % of the level-0 commission of 0.38 BRL = 0.19 BRL, cut to 0.13 BRL by a cap of 0.40 BRL on the transaction.",
		Steps: []string{
			`Plan Loja "São João", version 3, rule item, level 1.`,
			"Level 0: 0.125 × 3 = 0.375, rounded half up to 2 decimals: 0.38 BRL.",
			"50 % of 0.38 BRL = 0.19, rounded half up to 2 decimals: 0.19 BRL.",
			"Cap: the transaction's lines of 0.38 + 0.19 share 0.40 BRL by largest remainder; line 2 gets 0.13 BRL.",
			"Evaluated again: 0.19 BRL, after caps 0.13 BRL.",
		},
	}, lines[1].Calculation.Explain())
}

func TestExplainPercentAndFlat(t *testing.T) {
	t.Parallel()
	plan := newPlan(t, `{"name": "shop", "currency": "BRL", "rules": [{"id": "sale", "on": ["sale"], "pay": {"percent": "10"},
		"overrides": {"of": "amount", "inactive": "none", "steps": [{"flat": "5"}]}}]}`)
	lines := rate(t, sale(plan, "120.00")).Lines
	require.Equal(t, "Level 0 earns 10 % of a sale of 120.00 BRL = 12.00 BRL.", lines[0].Calculation.Explain().Sentence)
	require.Equal(t, "Level 1 earns 5.00 BRL flat for a sale of 120.00 BRL = 5.00 BRL.", lines[1].Calculation.Explain().Sentence)
}

// Whatever figure of a record is changed, Recompute says so, and Explain too.
func TestRecomputeFindsWhatDoesNotFollow(t *testing.T) {
	t.Parallel()
	one := decimal.NewFromInt(1)
	for name, change := range map[string]func(*commission.Calculation){
		"base":      func(c *commission.Calculation) { c.Base = c.Base.Add(one) },
		"rate":      func(c *commission.Calculation) { c.Rate = c.Rate.Add(one) },
		"unrounded": func(c *commission.Calculation) { c.Unrounded = c.Unrounded.Add(one) },
		"rounded":   func(c *commission.Calculation) { c.Rounded = c.Rounded.Add(one) },
		"kind":      func(c *commission.Calculation) { c.Kind = "gift" },
		"rounding":  func(c *commission.Calculation) { c.Rounding = "up" },
		"digits":    func(c *commission.Calculation) { c.Digits = 9 },
		"a bomb":    func(c *commission.Calculation) { c.Base = decimal.New(1, 1_000_000_000) },
		"level 0":   func(c *commission.Calculation) { c.Own.Times++ },
		"the other": func(c *commission.Calculation) { c.Own.Times, c.Own.Unrounded, c.Own.Rounded = 8, one, one },
		"cap":       func(c *commission.Calculation) { c.Caps[0].Max = one },
		"cap bomb":  func(c *commission.Calculation) { c.Caps[0].Lines[0] = decimal.New(1, 1_000_000_000) },
		"cap lines": func(c *commission.Calculation) { c.Caps[0].Lines[1] = one },
		"cap line":  func(c *commission.Calculation) { c.Caps[0].Line = 2 },
		"cap share": func(c *commission.Calculation) { c.Caps[0].Share = one },
		"negative":  func(c *commission.Calculation) { c.Caps[0].Lines[0] = one.Neg() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := cappedLines(t)[1].Calculation
			change(&c)
			_, _, err := c.Recompute()
			require.Error(t, err)
			steps := c.Explain().Steps
			require.Contains(t, steps[len(steps)-1], "Evaluated again, it does not follow: ")
		})
	}
}

func TestCalculationOfNothing(t *testing.T) {
	t.Parallel()
	var c commission.Calculation
	_, _, err := c.Recompute()
	require.Error(t, err)
	require.NotEmpty(t, c.Explain().Sentence)
	require.Equal(t, uuid.Nil, c.PlanID)
}
