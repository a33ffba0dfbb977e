package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fature/fature/internal/testenv"
)

// TestMain lets the test binary be the program itself, which the tests run.
func TestMain(m *testing.M) {
	if os.Getenv("BE_THE_PROGRAM") != "" {
		main()
		return
	}
	m.Run()
}

// quickstart runs the program on a database, and returns what it prints.
func quickstart(t *testing.T, database string, args ...string) (output string, err error) {
	t.Helper()
	program := exec.CommandContext(t.Context(), os.Args[0], args...)
	program.Env = append(os.Environ(), "BE_THE_PROGRAM=1", "FATURE_BACKEND=url", "FATURE_DATABASE_URL="+database)
	text, err := program.CombinedOutput()
	return string(text), err
}

// What the README shows is what the demo prints, and everybody's earnings are
// what they have always been.
func TestQuickstart(t *testing.T) {
	t.Parallel()
	output, err := quickstart(t, testenv.URL(testenv.Empty(t)))
	require.NoError(t, err, output)

	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, shown, found := strings.Cut(string(readme), "```text\nThe orders\n")
	require.True(t, found)
	shown, _, _ = strings.Cut(shown, "```")
	for line := range strings.Lines(shown) {
		require.Contains(t, output, line)
	}
	require.Contains(t, output, earnings)
	require.Contains(t, output, "invariants hold: ")
}

const earnings = `
                                      own sales   downline      total
  Ana Souza                                0.00     304.41     304.41
  ├─ Bruno Lima                          232.43     336.52     568.95
  │  ├─ Maria Alves                      291.20       0.00     291.20
  │  └─ Carol Dias (suspended)             0.00       0.00       0.00
  │     └─ Dani Rocha                    182.53       0.00     182.53
  └─ Eva Nunes                           152.34      17.44     169.78
     └─ Felipe Reis                       34.85      60.81      95.66
        └─ Gabi Costa                    150.72       0.00     150.72
  Hugo Melo                               23.99       0.00      23.99
`

// A second run on the same database finds every order recorded.
func TestQuickstartTwice(t *testing.T) {
	t.Parallel()
	database := testenv.URL(testenv.Clone(t))
	for _, want := range []string{"  49 recorded: ", "   0 recorded: "} {
		output, err := quickstart(t, database)
		require.NoError(t, err, output)
		require.Contains(t, output, want)
	}
}

func TestQuickstartWithOrdersOfOnesOwn(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "orders.csv")
	require.NoError(t, os.WriteFile(file, []byte(`order_id,customer_id,referral_code,amount,currency,ordered_at,items
1,c-1,HUGO,100.00,BRL,2026-09-02T13:21:25Z,1
2,c-2,HUGO,many,BRL,2026-09-02T13:21:25Z,1
3,c-3,HUGO,100.00,USD,2026-09-02T13:21:25Z,1
`), 0o600))
	database := testenv.URL(testenv.Clone(t))
	output, err := quickstart(t, database, "-orders", file)
	require.NoError(t, err, output)
	require.Contains(t, output, "   1 recorded: sales of 100.00 earned 10.00, and 7.00 of the plan found nobody to take it\n")
	require.Contains(t, output, "   2 refused\n      row 3: amount: \"many\" is not a number\n      row 4: ")

	output, err = quickstart(t, database, "-orders", filepath.Join(t.TempDir(), "none.csv"))
	require.Error(t, err)
	require.Contains(t, output, "quickstart: record the orders: open ")
}
