package money_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fature/fature/internal/money"
)

// Whatever is accepted is a short plain decimal, and exactly what was written:
// printed with its decimals it is the text again, but for leading zeros.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"0", "12.34", "-0.010", "007.50", "-0", "0.00", strings.Repeat("9", 40), "0." + strings.Repeat("0", 38),
		"", "-", ".5", "5.", "+1", "1e3", "1E-3", "1,5", " 1", "1_0", "0x1", "NaN", "Infinity", "१", "\xff", "1\x00", "12.3\n", "--1",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := money.Parse(text)
		if err != nil {
			require.LessOrEqual(t, len(err.Error()), 250, "whatever was given")
			return
		}
		require.LessOrEqual(t, len(text), 40)
		require.False(t, money.Bomb(d))
		_, decimals, _ := strings.Cut(text, ".")
		require.Equal(t, plain(text), d.StringFixed(int32(len(decimals))))
		again, err := money.Parse(d.String())
		require.NoError(t, err)
		require.True(t, d.Equal(again))
		if money.Check(d, 2) == nil {
			require.True(t, d.Equal(money.HalfUp.Round(d, 2)))
			require.True(t, d.Abs().LessThanOrEqual(money.Max))
		}
	})
}

// plain is a number without leading zeros, and without the sign of a zero.
func plain(text string) string {
	digits, negative := strings.CutPrefix(text, "-")
	whole, decimals, dotted := strings.Cut(digits, ".")
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if dotted {
		whole += "." + decimals
	}
	if negative && strings.Trim(whole, "0.") != "" {
		whole = "-" + whole
	}
	return whole
}
