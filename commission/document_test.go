package commission_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/transaction"
)

// full uses every field of the plan document.
const full = `{
  "name": "casino", "currency": "BRL", "timezone": "America/Sao_Paulo", "rounding": "half_up", "hold": "30d",
  "rules": [
    {"id": "sale", "on": ["sale"], "pay": {"percent": "10"},
     "overrides": {"of": "amount", "inactive": "compress",
                   "steps": [{"percent": "5"}, {"percent": "3", "categories": ["premium", "vip"]}, {"percent": "1"}]}},
    {"id": "cpa", "on": ["deposit"], "when": {"cumulative_min": "50.00", "within": "30d"},
     "unless": {"metadata": {"flag": ["duplicate", "self_excluded"]}}, "limit": {"count": 1}, "pay": {"flat": "100.00"}},
    {"id": "rev", "period": "month", "base": {"plus": ["bet"], "minus": ["win", "bonus", "fee", "chargeback"]},
     "pay": {"tiers": {"mode": "slab", "steps": [{"up_to": "5000.00", "percent": "25"}, {"percent": "35", "min_active": 5}]}},
     "carry": "base", "carry_cap": "500", "split_by": "brand", "high_roller": {"mode": "quarantine", "player_max": "10000.00"},
     "recoup": ["cpa"],
     "overrides": {"of": "commission", "inactive": "none", "steps": [{"percent": "10"}]}},
    {"id": "items", "on": ["sale"], "when": {"min_amount": "1", "max_amount": "9.50", "categories": ["standard"]}, "limit": {"months": 12},
     "pay": {"flat": "0.005", "multiply_by": "items"}},
    {"id": "rank", "on": ["bet"], "pay": {"differential": {"standard": "5", "vip": "12.5"}}},
    {"id": "volume", "on": ["bet"], "pay": {"tiers": {"mode": "marginal", "scope": "lifetime", "steps": [{"up_to": "10", "percent": "1", "flat": "2"}, {"flat": "3"}]}}},
    {"id": "pool", "period": "week", "base": {"plus": ["bet", "refund"]}, "pay": {"percent": "120"}, "carry": "commission",
     "high_roller": {"mode": "pro_rata", "player_max": "100", "aggregate_max": "1000"}}
  ],
  "caps": [{"per": "transaction", "percent": "50"}, {"per": "affiliate", "period": "month", "max": "20000.00"}, {"per": "customer", "period": "lifetime", "max": "1"}]
}`

func TestParseFull(t *testing.T) {
	t.Parallel()
	doc, err := commission.Parse([]byte(full))
	require.NoError(t, err)
	require.Equal(t, "casino", doc.Name)
	require.Equal(t, commission.TierStep{UpTo: "5000.00", Percent: "25"}, doc.Rules[2].Pay.Tiers.Steps[0])
	require.Equal(t, commission.Decimal("12.5"), doc.Rules[4].Pay.Differential[affiliate.VIP])
	require.Equal(t, []string{"rules[6].pay.percent: 120 % is more than the whole"}, doc.Warnings())

	text, err := json.Marshal(doc)
	require.NoError(t, err)
	require.JSONEq(t, full, string(text))
	again, err := commission.Parse(text)
	require.NoError(t, err)
	require.Equal(t, doc, again)
}

func TestDocumentLiteral(t *testing.T) {
	t.Parallel()
	doc := commission.Document{
		Name: "shop", Currency: "BRL",
		Rules: []commission.Rule{{ID: "sale", On: []transaction.Type{transaction.Sale}, Pay: commission.Pay{Percent: "10"}}},
	}
	require.NoError(t, doc.Validate())
	require.Empty(t, doc.Warnings())

	text, err := json.Marshal(doc)
	require.NoError(t, err)
	require.Equal(t, `{"name":"shop","currency":"BRL","rules":[{"id":"sale","on":["sale"],"pay":{"percent":"10"}}]}`, string(text))

	doc.Rules[0].Pay.Percent = "ten"
	err = doc.Validate()
	require.ErrorIs(t, err, fault.Invalid)
	require.Equal(t, []string{`rules[0].pay.percent: "ten" is not a decimal number such as 12.34`}, problems(err))
}

// What JSON cannot say, a literal in Go can.
func TestValidateLiterals(t *testing.T) {
	t.Parallel()
	rule := commission.Rule{ID: "a", On: []transaction.Type{transaction.Sale}, Pay: commission.Pay{Percent: "10"}}
	with := func(change func(*commission.Document)) error {
		doc := commission.Document{Name: "x", Currency: "BRL", Rules: []commission.Rule{rule}}
		change(&doc)
		return doc.Validate()
	}
	for name, c := range map[string]struct {
		change  func(*commission.Document)
		problem string
	}{
		"not UTF-8": {func(d *commission.Document) { d.Name = "\xff" }, "name: is not valid UTF-8"},
		"long":      {func(d *commission.Document) { d.Name = strings.Repeat("é", 101) }, "name: is longer than 100 characters"},
		"rules": {func(d *commission.Document) {
			for i := range 100 {
				r := rule
				r.ID = fmt.Sprint(i)
				d.Rules = append(d.Rules, r)
			}
		}, "rules: has 101 items, more than 100"},
		"caps": {func(d *commission.Document) {
			for range 21 {
				d.Caps = append(d.Caps, commission.Cap{Per: commission.PerTransaction, Max: "1"})
			}
		}, "caps: are 21, more than 20"},
		"steps": {func(d *commission.Document) {
			steps := make([]commission.OverrideStep, 256)
			for i := range steps {
				steps[i].Percent = "1"
			}
			d.Rules[0].Overrides = commission.Overrides{Of: commission.OfAmount, Inactive: commission.RollUp, Steps: steps}
		}, "rules[0].overrides.steps: has 256 items, more than 255"},
		"a key": {func(d *commission.Document) {
			d.Rules[0].When.Metadata = map[string][]string{"a.b \x01": {"c"}}
		}, `rules[0].when.metadata["a.b \x01"]: holds a control character`},
		"a negative limit": {func(d *commission.Document) { d.Rules[0].Limit.Count = -1 }, "rules[0].limit.count: is not from 1 to 1000000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, []string{c.problem}, problems(with(c.change)))
		})
	}
}

func TestEmptyListsThatSayNothing(t *testing.T) {
	t.Parallel()
	doc := parse(t, `{"name": "x", "currency": "BRL", "caps": [], "rules": [
		{"id": "a", "period": "month", "base": {"plus": ["bet"], "minus": []}, "carry": "none", "recoup": [], "pay": {"percent": "1"}}]}`)
	require.Equal(t, parse(t, `{"name": "x", "currency": "BRL", "rules": [
		{"id": "a", "period": "month", "base": {"plus": ["bet"]}, "carry": "none", "pay": {"percent": "1"}}]}`), doc)
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	doc := parse(t, `{"name": "x", "currency": "BRL", "rules": [
		{"id": "a", "on": ["sale"], "pay": {"percent": "100"}, "overrides": {"of": "amount", "inactive": "none", "steps": [{"percent": "1"}, {"percent": "100.5"}]}},
		{"id": "b", "on": ["sale"], "pay": {"differential": {"vip": "101", "standard": "99"}}},
		{"id": "c", "on": ["sale"], "pay": {"tiers": {"mode": "slab", "scope": "day", "steps": [{"percent": "200"}]}}}],
		"caps": [{"per": "transaction", "percent": "300"}]}`)
	require.Equal(t, []string{
		"rules[0].overrides.steps[1].percent: 100.5 % is more than the whole",
		"rules[1].pay.differential.vip: 101 % is more than the whole",
		"rules[2].pay.tiers.steps[0].percent: 200 % is more than the whole",
		"caps[0].percent: 300 % is more than the whole",
	}, doc.Warnings())
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/bad.json")
	require.NoError(t, err)
	var cases []struct {
		Name     string
		Document json.RawMessage
		Problems []string
	}
	require.NoError(t, json.Unmarshal(data, &cases))
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			doc, err := commission.Parse(c.Document)
			require.ErrorIs(t, err, fault.Invalid)
			require.Equal(t, c.Problems, problems(err))
			require.Zero(t, doc)
		})
	}
}

func TestParseRefusesText(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	for name, c := range map[string]struct{ text, problem string }{
		"nothing":           {"", "the document is not JSON: line 1, column 0: unexpected end of JSON input"},
		"cut off":           {"{\"name\":\n", "the document is not JSON: line 2, column 0: unexpected end of JSON input"},
		"a syntax error":    {"{\n  \"name\": x}", "the document is not JSON: line 2, column 11: invalid character 'x' looking for beginning of value"},
		"two documents":     {full + full, "after top-level value"},
		"trailing bytes":    {full + "x", "after top-level value"},
		"too long":          {`{"name": "` + strings.Repeat("x", 1<<20) + `"}`, "the document is longer than 1048576 bytes"},
		"too deep":          {deep, "the document is nested deeper than 16"},
		"not UTF-8":         {"{\"name\": \"\xff\"}", "the document is not valid UTF-8"},
		"a NUL in the name": {`{"name": "\u0000"}`, "name: holds a control character"},
		"a NUL in metadata": {strings.Replace(full, `"duplicate"`, `"a\u0000"`, 1), "rules[1].unless.metadata.flag[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := commission.Parse([]byte(c.text))
			require.ErrorIs(t, err, fault.Invalid)
			require.ErrorContains(t, err, c.problem)
		})
	}
}

// A document that someone wrote to cost much is refused at little cost, and
// the reply stays bounded.
func TestParseHostile(t *testing.T) {
	t.Parallel()
	fill := func(before, item, after string) string {
		n := (1<<20 - len(before) - len(after)) / (len(item) + 1)
		return before + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + after
	}
	for name, text := range map[string]string{
		"rules":       fill(`{"rules": [`, `0`, `]}`),
		"empty rules": fill(`{"rules": [`, `{"id":"a"}`, `]}`),
		"steps":       fill(`{"rules": [{"overrides": {"steps": [`, `{"flat":"x"}`, `]}}]}`),
		"values":      fill(`{"rules": [{"when": {"metadata": {"k": [`, `null`, `]}}}]}`),
		"categories":  fill(`{"rules": [{"when": {"categories": [`, `"a"`, `]}}]}`),
		"same keys":   fill(`{`, `"a":0`, `}`),
		"big number":  `{"rules": [{"when": {"metadata": {"k": ` + strings.Repeat("9", 1<<19) + `}}}]}`,
		"big decimal": `{"rules": [{"pay": {"percent": "` + strings.Repeat("9", 1<<19) + `"}}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := commission.Parse([]byte(text))
			require.ErrorIs(t, err, fault.Invalid)
			require.LessOrEqual(t, len(problems(err)), 250)
			require.Less(t, len(err.Error()), 64<<10)
		})
	}
}

func TestExponentBombIsCheap(t *testing.T) {
	t.Parallel()
	doc := parse(t, full)
	doc.Rules[0].Pay.Percent = "1e1000000000"
	start := time.Now()
	for range 100 {
		require.Error(t, doc.Validate())
	}
	require.Less(t, time.Since(start), 5*time.Second)
}

func TestUnmarshalIsStrict(t *testing.T) {
	t.Parallel()
	var body struct{ Document commission.Document }
	require.NoError(t, json.Unmarshal([]byte(`{"document": `+full+`}`), &body))
	require.Equal(t, parse(t, full), body.Document)

	err := json.Unmarshal([]byte(`{"document": {"nmae": "x"}}`), &body)
	require.Contains(t, problems(err), "nmae: is not a field of the plan document")
}

func TestMetadataValuesOfADocument(t *testing.T) {
	t.Parallel()
	doc := parse(t, `{"name": "x", "currency": "BRL", "rules": [{"id": "a", "on": ["sale"], "pay": {"percent": "1"},
		"when": {"metadata": {"one": "a", "many": ["b", true, 1.50, 1e3, -0]}}}]}`)
	require.Equal(t, map[string][]string{"one": {"a"}, "many": {"b", "true", "1.5", "1000", "0"}}, doc.Rules[0].When.Metadata)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte(`{"name": "x", "currency": "BRL", "caps": [], "rules": [{"id": "a", "on": ["sale"], "pay": {"percent": "1"}}]}`))
	data, err := os.ReadFile("testdata/bad.json")
	require.NoError(f, err)
	var bad []struct{ Document json.RawMessage }
	require.NoError(f, json.Unmarshal(data, &bad))
	for _, c := range bad {
		f.Add([]byte(c.Document))
	}
	files, err := filepath.Glob("testdata/vectors/*.json")
	require.NoError(f, err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(f, err)
		var vectors []struct {
			Plan     json.RawMessage
			Versions []vectorVersion
		}
		require.NoError(f, json.Unmarshal(data, &vectors))
		for _, v := range vectors {
			f.Add([]byte(v.Plan))
			for _, version := range v.Versions {
				f.Add([]byte(version.Plan))
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := commission.Parse(data)
		if err != nil {
			require.ErrorIs(t, err, fault.Invalid)
			return
		}
		text, err := json.Marshal(doc)
		require.NoError(t, err)
		again, err := commission.Parse(text)
		require.NoError(t, err)
		require.Equal(t, doc, again)
		_, err = commission.NewPlan(id("plan"), 1, doc)
		require.NoError(t, err)
	})
}

func parse(t testing.TB, text string) commission.Document {
	t.Helper()
	doc, err := commission.Parse([]byte(text))
	require.NoError(t, err)
	return doc
}

// problems are the lines "field: problem" of an error.
func problems(err error) []string {
	var lines []string
	for _, e := range fault.Fields(err) {
		lines = append(lines, fmt.Sprintf("%s: %s", e.Field, e.Problem))
	}
	return lines
}
