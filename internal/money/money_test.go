package money_test

import (
	"strings"
	"testing"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fature/fature/internal/money"
)

func dec(text string) decimal.Decimal { return decimal.RequireFromString(text) }

func decs(texts ...string) []decimal.Decimal {
	var all []decimal.Decimal
	for _, text := range texts {
		all = append(all, dec(text))
	}
	return all
}

func TestDigits(t *testing.T) {
	t.Parallel()
	for currency, want := range map[string]int32{
		"BRL": 2, "USD": 2, "EUR": 2, "HUF": 2, "MRU": 2, "JPY": 0, "CLP": 0, "UGX": 0, "KWD": 3, "TND": 3, "CLF": 4,
	} {
		got, err := money.Digits(currency)
		require.NoError(t, err)
		require.Equal(t, want, got, currency)
	}
	for _, currency := range []string{"", "brl", "BR", "BRLX", " BR", "L B", "XXX", "R$", strings.Repeat("BRL ", 1000)} {
		_, err := money.Digits(currency)
		require.ErrorContains(t, err, "is not an ISO 4217 currency")
		require.Less(t, len(err.Error()), 100)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"0", "12", "12.34", "-12.34", "0.000000001", "007", strings.Repeat("9", 40)} {
		d, err := money.Parse(text)
		require.NoError(t, err, text)
		require.True(t, d.Equal(dec(text)))
	}
	for _, text := range []string{
		"", "-", "--1", "+1", " 1", "1 ", "1.", ".1", "1.2.3", "1,2", "1_000", "1e3", "1E3", "0x10", "NaN", "Inf", "१", "−1",
		strings.Repeat("9", 41), "1e10000000", strings.Repeat("9", 1<<20),
	} {
		_, err := money.Parse(text)
		require.Error(t, err, text)
		require.Less(t, len(err.Error()), 200)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, ok := range []decimal.Decimal{dec("0"), dec("12.3"), dec("12.3400"), dec("-12.34"), money.Max, money.Max.Neg(), decimal.New(1, 3)} {
		require.NoError(t, money.Check(ok, 2))
	}
	for text, bad := range map[string]decimal.Decimal{
		"12.345 has more than 2 decimals":   dec("12.345"),
		"is larger than 9999999999999.99":   dec("10000000000000"),
		"is out of range":                   decimal.New(1, 1_000_000_000),
		"is out of range ":                  decimal.New(1, -1_000_000_000),
		"is out of range, being very long ": dec(strings.Repeat("9", 1000)),
	} {
		err := money.Check(bad, 2)
		require.Error(t, err)
		require.True(t, strings.HasPrefix(text, err.Error()), err.Error())
	}
}

func TestRound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, halfUp, halfEven, down string }{
		{"0.024", "0.02", "0.02", "0.02"},
		{"0.025", "0.03", "0.02", "0.02"},
		{"0.0251", "0.03", "0.03", "0.02"},
		{"0.035", "0.04", "0.04", "0.03"},
		{"0.999", "1.00", "1.00", "0.99"},
		{"-0.025", "-0.03", "-0.02", "-0.02"},
		{"-0.035", "-0.04", "-0.04", "-0.03"},
		{"-0.999", "-1.00", "-1.00", "-0.99"},
		{"-0.004", "0.00", "0.00", "0.00"},
		{"7", "7.00", "7.00", "7.00"},
		{"0", "0.00", "0.00", "0.00"},
	} {
		in := dec(c.in)
		for mode, want := range map[money.Rounding]string{
			money.HalfUp: c.halfUp, "": c.halfUp, money.HalfEven: c.halfEven, money.Down: c.down,
		} {
			got := mode.Round(in, 2)
			require.True(t, got.Equal(dec(want)), "%s %s: %s", mode, c.in, got)
			require.Equal(t, int32(-2), got.Exponent(), "%s %s", mode, c.in)
		}
		require.True(t, in.Equal(dec(c.in)), "rounding changed its operand")
	}
	require.True(t, money.HalfUp.Round(dec("0.5"), 0).Equal(dec("1")))
	require.True(t, money.HalfEven.Round(dec("0.5"), 0).Equal(dec("0")))
	require.True(t, money.HalfUp.Round(dec("0.0005"), 3).Equal(dec("0.001")))
}

func TestRoundingValid(t *testing.T) {
	t.Parallel()
	for _, mode := range []money.Rounding{money.HalfUp, money.HalfEven, money.Down} {
		require.True(t, mode.Valid())
	}
	require.False(t, money.Rounding("").Valid())
	require.False(t, money.Rounding("up").Valid())
}

func TestAllocate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, total string
		digits      int32
		weights     []decimal.Decimal
		want        []string
	}{
		{"ties to the earlier", "10.00", 2, decs("1", "1", "1"), []string{"3.34", "3.33", "3.33"}},
		{"the rest to the largest remainders", "10.00", 2, decs("12", "6", "3.6"), []string{"5.55", "2.78", "1.67"}},
		{"never to a zero weight", "0.01", 2, decs("0", "1", "0"), []string{"0", "0.01", "0"}},
		{"a zero weight among ties", "0.02", 2, decs("0", "1", "1", "1"), []string{"0", "0.01", "0.01", "0"}},
		{"negative totals mirror positive ones", "-10.00", 2, decs("1", "1", "1"), []string{"-3.34", "-3.33", "-3.33"}},
		{"no decimals", "100", 0, decs("2", "1"), []string{"67", "33"}},
		{"three decimals", "1", 3, decs("2", "1"), []string{"0.667", "0.333"}},
		{"nothing to share", "0", 2, decs("2", "1"), []string{"0", "0"}},
		{"nobody to share it", "5", 2, decs("0", "0"), []string{"0", "0"}},
		{"nobody at all", "5", 2, nil, nil},
		{"one takes all", "0.07", 2, decs("3"), []string{"0.07"}},
		{"weights of any scale", "1.00", 2, decs("0.0001", "0.0003"), []string{"0.25", "0.75"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			shares := money.Allocate(dec(c.total), c.weights, c.digits)
			require.Len(t, shares, len(c.want))
			for i, want := range c.want {
				require.True(t, shares[i].Equal(dec(want)), "share %d is %s", i, shares[i])
			}
		})
	}
}

func TestAllocateProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.Int32Range(0, 3).Draw(t, "digits")
		unit := decimal.New(1, -digits)
		total := decimal.New(rapid.Int64Range(-1_000_000, 1_000_000).Draw(t, "total"), -digits)
		var weights []decimal.Decimal
		sum := decimal.Zero
		for _, w := range rapid.SliceOfN(rapid.Int64Range(0, 1000), 1, 12).Draw(t, "weights") {
			weights = append(weights, decimal.New(w, -2))
			sum = sum.Add(weights[len(weights)-1])
		}
		shares := money.Allocate(total, weights, digits)
		mirror := money.Allocate(total.Neg(), weights, digits)
		given := decimal.Zero
		for i, share := range shares {
			given = given.Add(share)
			require.True(t, share.Equal(share.Truncate(digits)), "a part of a unit")
			require.True(t, share.Equal(mirror[i].Neg()), "no mirror")
			// Within one unit of the exact share: |share*sum - total*w| < unit*sum.
			off := share.Mul(sum).Sub(total.Mul(weights[i])).Abs()
			require.True(t, off.LessThan(unit.Mul(sum)) || sum.IsZero() && share.IsZero(), "off by a unit")
			require.True(t, weights[i].IsPositive() || share.IsZero(), "to a zero weight")
		}
		require.True(t, given.Equal(total) || sum.IsZero(), "%s of %s", given, total)
	})
}
