package commission

import (
	"fmt"
	"strconv"
	"time"

	"github.com/shopspring/decimal"

	"github.com/fature/fature/internal/money"
)

// Decimal is a number of a plan as it is written, "10" or "12.34"; the empty
// one is not given. It stays text, so that a document says for ever what its
// author wrote, and a literal in Go reads like the JSON:
//
//	commission.Pay{Percent: "10"}
//
// Validate refuses what is not a plain decimal number of at most 40
// characters: exponents, signs of plus, spaces, NaN.
type Decimal string

// parse refuses a number that is negative, or finer than digits decimals.
func (d Decimal) parse(digits int32) (decimal.Decimal, error) {
	n, err := money.Parse(string(d))
	if err != nil {
		return n, err
	}
	if n.IsNegative() {
		return n, fmt.Errorf("is negative")
	}
	return n, money.Check(n, digits)
}

// value is the number of a valid Decimal; not given is zero.
func (d Decimal) value() decimal.Decimal {
	if d == "" {
		return decimal.Zero
	}
	return decimal.RequireFromString(string(d))
}

// Duration is a length of time as it is written: "6h", "30d" (24 h each) or
// "12mo" (calendar months in the plan's zone, clamped to the last day of a
// shorter month). The empty one is not given.
type Duration string

// longestSpan bounds a duration to a hundred years, so that no date that it
// leads to leaves the range of the database.
const longestSpan = 1200

// span is a Duration understood: one of its fields is set, or none.
type span struct {
	months int
	length time.Duration
}

func (d Duration) parse() (span, error) {
	text := string(d)
	digits := len(text)
	for digits > 0 && (text[digits-1] < '0' || text[digits-1] > '9') {
		digits--
	}
	n, err := strconv.ParseUint(text[:digits], 10, 32)
	if err != nil {
		return span{}, fmt.Errorf("%.40q is not a duration such as 6h, 30d or 12mo", text)
	}
	most := uint64(longestSpan)
	var s span
	switch text[digits:] {
	case "h":
		s.length, most = time.Duration(n)*time.Hour, most*30*24
	case "d":
		s.length, most = time.Duration(n)*24*time.Hour, most*30
	case "mo":
		s.months = int(n)
	default:
		return span{}, fmt.Errorf("%.40q is not a duration such as 6h, 30d or 12mo", text)
	}
	if n > most {
		return span{}, fmt.Errorf("%s is longer than %d%s", text, most, text[digits:])
	}
	return s, nil
}

// after is the end of the span that begins at t, in UTC. Months keep the wall
// clock of the zone.
func (s span) after(t time.Time, zone *time.Location) time.Time {
	if s.months == 0 {
		return t.Add(s.length).UTC()
	}
	t = t.In(zone)
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	first := time.Date(year, month+time.Month(s.months), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return time.Date(first.Year(), first.Month(), min(day, last),
		hour, minute, second, t.Nanosecond(), zone).UTC()
}
