package commission

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/fature/fature/internal/money"
)

// condition is a Condition compiled: its tests in the order amount, window,
// category and metadata, which is the order of their reasons; the baseline
// comes last.
type condition struct {
	tests  []test
	within span
	least  decimal.Decimal // of the customer's sum; zero is not asked
	sum    string          // the kind of counter that keeps it
}

type test struct {
	reason Reason
	holds  func(*Input) bool
}

// compile makes the tests of a valid condition, which keeps its sum in the
// given kind of counter.
func (c Condition) compile(sum string) condition {
	compiled := condition{least: c.CumulativeMin.value(), sum: sum}
	add := func(reason Reason, holds func(*Input) bool) {
		compiled.tests = append(compiled.tests, test{reason, holds})
	}
	if low := c.MinAmount.value(); c.MinAmount != "" {
		add(ReasonAmount, func(in *Input) bool { return in.Event.Amount.GreaterThanOrEqual(low) })
	}
	if high := c.MaxAmount.value(); c.MaxAmount != "" {
		add(ReasonAmount, func(in *Input) bool { return in.Event.Amount.LessThanOrEqual(high) })
	}
	if within, err := c.Within.parse(); err == nil {
		compiled.within = within
		add(ReasonWindow, func(in *Input) bool { return in.inWindow(within) })
	}
	if categories := slices.Clone(c.Categories); categories != nil {
		add(ReasonCategory, func(in *Input) bool { return slices.Contains(categories, in.Upline[0].Category) })
	}
	for _, key := range slices.Sorted(maps.Keys(c.Metadata)) {
		values := slices.Clone(c.Metadata[key])
		add(ReasonMetadata, func(in *Input) bool {
			text, ok := scalarText(in.Event.Metadata[key])
			return ok && slices.Contains(values, text)
		})
	}
	return compiled
}

// inWindow tells whether the event is within a span from when its customer was
// attributed on, half-open.
func (in *Input) inWindow(within span) bool {
	from := in.AttributedAt
	return in.Event.CustomerID != "" && !from.IsZero() && !in.Event.At.Before(from) &&
		in.Event.At.Before(within.after(from, in.Plan.zone))
}

// fails is the reason of the first test that does not hold, or empty. The
// baseline is not asked.
func (c *condition) fails(in *Input) Reason {
	for _, t := range c.tests {
		if !t.holds(in) {
			return t.reason
		}
	}
	return ""
}

// excludes is the reason of the first of the tests and the baseline where all
// hold, or empty. What asks for a customer excludes an event without one.
func (c *condition) excludes(in *Input, sum decimal.Decimal) Reason {
	asksWindow, asksSum := c.within != (span{}), c.least.IsPositive()
	if in.Event.CustomerID == "" && (asksWindow || asksSum) {
		if asksWindow {
			return ReasonWindow
		}
		return ReasonBaseline
	}
	switch {
	case len(c.tests) == 0 && !asksSum, c.fails(in) != "", sum.LessThan(c.least):
		return ""
	case len(c.tests) > 0:
		return c.tests[0].reason
	}
	return ReasonBaseline
}

// scalarText is the text by which a metadata value is compared: that of the
// JSON it becomes, so that an event rates the same before it is stored and
// after. Null, lists and objects have none.
func scalarText(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", false
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case int:
		return strconv.Itoa(v), true
	case json.Number:
		return plainNumber(v.String())
	case float64:
		return plainNumber(strconv.FormatFloat(v, 'g', -1, 64))
	case map[string]any, []any:
		return "", false
	}
	return marshalledText(v)
}

// marshalledText is scalarText of the Go types that only encoding/json knows
// what to make of.
func marshalledText(v any) (string, bool) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", false
	}
	switch text[0] {
	case '"':
		var s string
		err = json.Unmarshal(text, &s)
		return s, err == nil
	case 't', 'f':
		return string(text), true
	}
	return plainNumber(string(text))
}

// plainNumber writes a JSON number in plain decimals without needless zeros:
// 1.50 and 15e-1 are "1.5". A number that would be slow to write has no text.
func plainNumber(text string) (string, bool) {
	if len(text) > 40 {
		return "", false
	}
	d, err := decimal.NewFromString(text)
	if err != nil || money.Bomb(d) {
		return "", false
	}
	return plain(d), true
}

// plain writes a number without needless zeros, whatever the host has set in
// package decimal. A stored number that would be slow to write is not written.
func plain(d decimal.Decimal) string {
	if money.Bomb(d) {
		return "(a number out of range)"
	}
	d = d.Normalize()
	return d.StringFixed(max(0, -d.Exponent()))
}

// maxTimes bounds what a flat amount is multiplied by.
const maxTimes = 1_000_000

// wholeNumber reads the count that a flat amount is multiplied by: a number,
// or a string that is one, whole and from 0 to maxTimes.
func wholeNumber(v any) (int64, bool) {
	text, ok := scalarText(v)
	if !ok || strings.HasPrefix(text, "-") {
		return 0, false
	}
	d, err := money.Parse(text)
	if err != nil || !d.IsInteger() || d.GreaterThan(decimal.NewFromInt(maxTimes)) {
		return 0, false
	}
	return d.IntPart(), true
}
