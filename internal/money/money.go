// Package money has what every amount needs: the scale of a currency, the
// guards against hostile numbers, rounding, and sharing out to the last unit.
package money

import (
	"fmt"
	"strings"

	"github.com/shopspring/decimal"
)

// Max is the largest amount that a row holds (NUMERIC(15,2)).
var Max = decimal.New(999_999_999_999_999, -2)

// The ISO 4217 codes in use. Those without two decimals are listed apart.
const (
	codes = " AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF" +
		" CHF CLF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD" +
		" HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD" +
		" MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR" +
		" RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS" +
		" UAH UGX USD UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG "
	noDecimals    = " BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF "
	threeDecimals = " BHD IQD JOD KWD LYD OMR TND "
	fourDecimals  = " CLF UYW "
)

// Digits is the number of decimals of an ISO 4217 currency, written in capitals.
func Digits(currency string) (int32, error) {
	is := func(list string) bool { return strings.Contains(list, " "+currency+" ") }
	switch {
	case len(currency) != 3 || !is(codes):
		return 0, fmt.Errorf("%.8q is not an ISO 4217 currency", currency)
	case is(noDecimals):
		return 0, nil
	case is(threeDecimals):
		return 3, nil
	case is(fourDecimals):
		return 4, nil
	}
	return 2, nil
}

// longest bounds the text of a number: no amount or rate needs more, and a
// text such as 1e10000000 costs seconds in the first addition.
const longest = 40

// Parse reads a decimal number such as "12.34". Exponents, signs of plus,
// spaces and separators are refused: they are not how people write amounts.
func Parse(text string) (decimal.Decimal, error) {
	if text == "" {
		return decimal.Zero, fmt.Errorf("is empty")
	}
	if len(text) > longest {
		return decimal.Zero, fmt.Errorf("is longer than %d characters", longest)
	}
	digits := strings.TrimPrefix(text, "-")
	whole, part, dotted := strings.Cut(digits, ".")
	if !allDigits(whole) || dotted && !allDigits(part) {
		return decimal.Zero, fmt.Errorf("%q is not a decimal number such as 12.34", text)
	}
	return decimal.NewFromString(text)
}

func allDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// Check refuses a number that does not fit the scale and the range of a
// column, before any arithmetic is done with it.
func Check(d decimal.Decimal, digits int32) error {
	if Bomb(d) {
		return fmt.Errorf("is out of range")
	}
	if d.Abs().GreaterThan(Max) {
		return fmt.Errorf("is larger than %s", Max)
	}
	if !d.Equal(d.Truncate(digits)) {
		return fmt.Errorf("%s has more than %d decimals", d, digits)
	}
	return nil
}

// Bomb tells a number whose exponent or length would make arithmetic slow.
func Bomb(d decimal.Decimal) bool {
	return d.Exponent() > longest || d.Exponent() < -longest || d.Coefficient().BitLen() > 4*longest
}

// Rounding is how a line is brought to the currency's decimals.
type Rounding string

// The modes. HalfUp takes ties away from zero, so that negatives mirror
// positives; Down goes toward zero.
const (
	HalfUp   Rounding = "half_up"
	HalfEven Rounding = "half_even"
	Down     Rounding = "down"
)

// Valid tells whether r is one of the modes.
func (r Rounding) Valid() bool { return r == HalfUp || r == HalfEven || r == Down }

// Round brings d to the given number of decimals, zeros at the end included.
// The zero mode is HalfUp.
func (r Rounding) Round(d decimal.Decimal, digits int32) decimal.Decimal {
	switch r {
	case HalfEven:
		return d.RoundBank(digits)
	case Down:
		d = d.Truncate(digits)
	case HalfUp, "":
	}
	return d.Round(digits)
}

// Quotient is a/b brought to the given number of decimals in one rounding.
func (r Rounding) Quotient(a, b decimal.Decimal, digits int32) decimal.Decimal {
	down, rest := a.QuoRem(b, digits)
	if r == Down || rest.IsZero() {
		return down.Round(digits)
	}
	unit := decimal.New(int64(a.Sign()*b.Sign()), -digits)
	half := rest.Abs().Mul(decimal.NewFromInt(2)).Cmp(b.Mul(unit).Abs())
	odd := down.Shift(digits).BigInt().Bit(0) == 1
	if half > 0 || half == 0 && (r != HalfEven || odd) {
		down = down.Add(unit)
	}
	return down.Round(digits)
}

// Allocate shares total out by the weights, exact to the smallest unit: each
// share is floored, the rest goes to the largest remainders, ties to the
// earlier, never to a weight of zero. A negative total mirrors the positive
// one. Weights are not negative; where all are zero, so are the shares.
func Allocate(total decimal.Decimal, weights []decimal.Decimal, digits int32) []decimal.Decimal {
	shares := make([]decimal.Decimal, len(weights))
	sum := decimal.Zero
	for _, w := range weights {
		sum = sum.Add(w)
	}
	if sum.IsZero() {
		return shares
	}
	rest := total.Abs()
	remainders := make([]decimal.Decimal, len(weights))
	unit := decimal.New(1, -digits)
	scale := unit.Mul(sum)
	for i, w := range weights {
		// Whole units of |total|*w/sum, and what is left of it times sum: exact.
		units, remainder := total.Abs().Mul(w).QuoRem(scale, 0)
		shares[i], remainders[i] = units.Mul(unit), remainder
		rest = rest.Sub(shares[i])
	}
	for rest.GreaterThanOrEqual(unit) {
		next := largest(remainders, weights)
		shares[next] = shares[next].Add(unit)
		remainders[next] = decimal.NewFromInt(-1)
		rest = rest.Sub(unit)
	}
	if total.IsNegative() {
		for i := range shares {
			shares[i] = shares[i].Neg()
		}
	}
	return shares
}

// largest is the earliest of the largest remainders among the weights above zero.
func largest(remainders, weights []decimal.Decimal) int {
	best := -1
	for i, r := range remainders {
		if weights[i].IsPositive() && (best < 0 || r.GreaterThan(remainders[best])) {
			best = i
		}
	}
	return best
}
