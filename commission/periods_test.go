package commission_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/fature/fature/commission"
	"github.com/fature/fature/transaction"
)

// periodCase is a case of testdata/periods; the README there says what each
// field means.
type periodCase struct {
	Name       string            `json:"name"`
	Why        string            `json:"why"`
	Sample     commission.Sample `json:"sample"`
	Statements []periodStatement `json:"statements"`
	Lines      []periodLine      `json:"lines"`
	Skipped    []periodSkip      `json:"skipped"`
	Breakage   string            `json:"breakage"`
	Refused    []string          `json:"refused"`
}

type periodStatement struct {
	Period     string                      `json:"period"`
	Affiliate  string                      `json:"affiliate"`
	Rule       string                      `json:"rule"`
	Split      string                      `json:"split"`
	Opening    string                      `json:"opening"`
	Base       string                      `json:"base"`
	Items      map[transaction.Type]string `json:"items"`
	Commission string                      `json:"commission"`
	Payable    string                      `json:"payable"`
	Closing    string                      `json:"closing"`
	Unrecouped string                      `json:"unrecouped"`
	Customers  map[string]string           `json:"customers"`
}

type periodLine struct {
	Event     string          `json:"event"`
	Period    string          `json:"period"`
	Affiliate string          `json:"affiliate"`
	Rule      string          `json:"rule"`
	Level     int             `json:"level"`
	Kind      commission.Kind `json:"kind"`
	Amount    string          `json:"amount"`
	Final     string          `json:"final_amount"`
	Available time.Time       `json:"available_at"`
}

type periodSkip struct {
	Period    string            `json:"period"`
	Affiliate string            `json:"affiliate"`
	Rule      string            `json:"rule"`
	Level     int               `json:"level"`
	Reason    commission.Reason `json:"reason"`
	Breakage  string            `json:"breakage"`
	Capped    string            `json:"capped"`
}

func TestPeriodVectors(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/periods/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var cases []periodCase
		in := json.NewDecoder(bytes.NewReader(text))
		in.DisallowUnknownFields()
		require.NoError(t, in.Decode(&cases), file)
		for _, c := range cases {
			t.Run(filepath.Base(file)+"/"+c.Name, func(t *testing.T) {
				t.Parallel()
				out, err := commission.Preview(c.Sample)
				if c.Refused != nil {
					require.Equal(t, c.Refused, paths(err), c.Why)
					return
				}
				require.NoError(t, err)
				require.Equal(t, c.wanted(), previewed(out, c), c.Why)
				for _, l := range out.Lines {
					recomputes(t, l)
				}
			})
		}
	}
}

// wanted is what the case wants, with its defaults.
func (c *periodCase) wanted() periodCase {
	w := periodCase{Statements: c.Statements, Lines: []periodLine{}, Skipped: c.Skipped, Breakage: c.Breakage}
	for i := range w.Statements {
		if len(w.Statements[i].Items) == 0 {
			w.Statements[i].Items = nil
		}
	}
	for _, l := range c.Lines {
		if l.Final == "" {
			l.Final = l.Amount
		}
		if l.Kind == "" {
			l.Kind = commission.Earning
		}
		w.Lines = append(w.Lines, l)
	}
	return w
}

// previewed is a preview in the words of a case.
func previewed(out commission.Previewed, c periodCase) periodCase {
	g := periodCase{Lines: []periodLine{}}
	for _, s := range out.Statements {
		g.Statements = append(g.Statements, periodStatement{
			Period: s.Period, Affiliate: s.Affiliate, Rule: s.Rule, Split: s.Split, Opening: string(s.Opening), Base: string(s.Base),
			Items: texts(s.Items), Commission: string(s.Commission), Payable: string(s.Payable), Closing: string(s.Closing),
			Unrecouped: string(s.Unrecouped), Customers: texts(s.Customers),
		})
	}
	for i, l := range out.Lines {
		line := periodLine{
			Event: l.Event, Period: l.Period, Affiliate: l.Affiliate, Rule: l.Rule, Level: l.Level, Kind: l.Kind,
			Amount: string(l.Amount), Final: string(l.Final),
		}
		if i < len(c.Lines) && !c.Lines[i].Available.IsZero() {
			line.Available = l.AvailableAt
		}
		g.Lines = append(g.Lines, line)
	}
	for _, s := range out.Skipped {
		if s.Period != "" {
			g.Skipped = append(g.Skipped, periodSkip{
				Period: s.Period, Affiliate: s.Affiliate, Rule: s.Rule, Level: s.Level, Reason: s.Reason,
				Breakage: string(s.Breakage), Capped: string(s.Capped),
			})
		}
	}
	if !decimal.RequireFromString(string(out.Breakage)).IsZero() {
		g.Breakage = string(out.Breakage)
	}
	return g
}

func texts[K comparable](m map[K]commission.Decimal) map[K]string {
	if len(m) == 0 {
		return nil
	}
	out := map[K]string{}
	for k, v := range m {
		out[k] = string(v)
	}
	return out
}

// recomputes checks that a line follows from its calculation alone, as it is
// stored, and is explained.
func recomputes(t *testing.T, l commission.PreviewedLine) {
	t.Helper()
	text, err := json.Marshal(l.Calculation)
	require.NoError(t, err)
	var stored commission.Calculation
	require.NoError(t, json.Unmarshal(text, &stored))
	require.Equal(t, jsonOf(t, l.Calculation), jsonOf(t, stored))
	amount, final, err := stored.Recompute()
	require.NoError(t, err)
	require.True(t, amount.Equal(decimal.RequireFromString(string(l.Amount))) && final.Equal(decimal.RequireFromString(string(l.Final))), "%s, after caps %s", amount, final)
	require.Contains(t, stored.Explain().Steps[len(stored.Explain().Steps)-1], "Evaluated again: ")
}

// paths are the fields that an error names.
func paths(err error) []string {
	var names []string
	for _, p := range problems(err) {
		path, _, _ := strings.Cut(p, ": ")
		names = append(names, path)
	}
	return names
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}
