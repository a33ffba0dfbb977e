package commission

import (
	"encoding/json"
	"strconv"

	"github.com/shopspring/decimal"
)

// MarshalJSON writes what AppendJSON does.
func (c Calculation) MarshalJSON() ([]byte, error) {
	return c.AppendJSON(make([]byte, 0, 512)), nil
}

// AppendJSON adds the calculation to b as compact JSON, decimals as strings
// with the digits they have. It is the fast way to store many, and does not
// depend on what the host has set in package decimal.
func (c *Calculation) AppendJSON(b []byte) []byte {
	b = appendText(append(b, `{"plan":`...), c.Plan)
	b = appendInt(append(b, `,"version":`...), c.Version)
	b = append(append(append(b, `,"plan_id":"`...), c.PlanID.String()...), '"')
	b = appendText(append(b, `,"rule":`...), c.Rule)
	b = appendInt(append(b, `,"level":`...), c.Level)
	if c.Place != 0 {
		b = appendInt(append(b, `,"place":`...), c.Place)
	}
	if c.Event != "" {
		b = appendText(append(b, `,"event":`...), string(c.Event))
	}
	if c.Period != "" {
		b = appendText(append(b, `,"period":`...), c.Period)
	}
	if c.Statement != nil {
		b = c.Statement.AppendJSON(append(b, `,"statement":`...))
	}
	if c.Own != nil {
		b = append(c.Own.appendFields(append(b, `,"own":{`...)), '}')
	}
	b = c.appendFields(append(b, ','))
	if c.Reversed != nil {
		b = c.Reversed.appendJSON(append(b, `,"reversed":`...))
	}
	b = appendText(append(b, `,"currency":`...), c.Currency)
	b = appendInt(append(b, `,"digits":`...), int(c.Digits))
	b = appendText(append(b, `,"rounding":`...), string(c.Rounding))
	if len(c.Caps) > 0 {
		b = appendList(append(b, `,"caps":`...), c.Caps, CapStep.appendJSON)
	}
	return append(b, '}')
}

func (t *Term) appendFields(b []byte) []byte {
	b = appendText(append(b, `"kind":`...), t.Kind)
	b = appendText(append(b, `,"of":`...), string(t.Of))
	b = appendDecimal(append(b, `,"base":`...), t.Base)
	b = appendDecimal(append(b, `,"rate":`...), t.Rate)
	if t.By != "" {
		b = appendText(append(b, `,"by":`...), t.By)
		b = strconv.AppendInt(append(b, `,"times":`...), t.Times, 10)
	}
	if t.Tiers != nil {
		b = t.Tiers.appendJSON(append(b, `,"tiers":`...))
	}
	if t.Excess != nil {
		b = appendDecimal(append(b, `,"excess":{"percent":`...), t.Excess.Percent)
		b = append(appendDecimal(append(b, `,"below":`...), t.Excess.Below), '}')
	}
	b = appendDecimal(append(b, `,"unrounded":`...), t.Unrounded)
	return appendDecimal(append(b, `,"rounded":`...), t.Rounded)
}

func (t *TierSum) appendJSON(b []byte) []byte {
	b = appendText(append(b, `{"mode":`...), string(t.Mode))
	b = appendText(append(b, `,"bucket":`...), t.Bucket)
	b = appendDecimal(append(b, `,"sum":`...), t.Sum)
	b = appendDecimal(append(b, `,"posted":`...), t.Posted)
	if len(t.Parts) > 0 {
		b = appendList(append(b, `,"parts":`...), t.Parts, TierPart.appendJSON)
	}
	return append(b, '}')
}

func (p TierPart) appendJSON(b []byte) []byte {
	b = appendDecimal(append(b, `{"from":`...), p.From)
	b = appendNonzero(b, `,"up_to":`, p.UpTo)
	b = appendDecimal(append(b, `,"amount":`...), p.Amount)
	b = appendDecimal(append(b, `,"percent":`...), p.Percent)
	return append(appendNonzero(b, `,"flat":`, p.Flat), '}')
}

// MarshalJSON writes what AppendJSON does.
func (f Footing) MarshalJSON() ([]byte, error) { return f.AppendJSON(make([]byte, 0, 512)), nil }

// AppendJSON is that of Calculation, for a footing.
func (f *Footing) AppendJSON(b []byte) []byte {
	b = appendText(append(b, `{"period":`...), f.Period)
	if f.Split != "" {
		b = appendText(append(b, `,"split":`...), f.Split)
	}
	b = appendList(append(b, `,"parts":`...), f.Parts, Part.appendJSON)
	b = appendText(append(b, `,"carry":`...), string(f.Carry))
	b = appendNonzero(b, `,"carry_cap":`, f.CarryCap)
	b = appendNonzero(b, `,"opening":`, f.Opening)
	if f.OpeningOf != "" {
		b = appendText(append(b, `,"opening_of":`...), string(f.OpeningOf))
	}
	b = appendDecimal(append(b, `,"commission":`...), f.Commission)
	if len(f.Recoup) > 0 {
		b = appendList(append(b, `,"recoup":`...), f.Recoup, func(id string, b []byte) []byte { return appendText(b, id) })
	}
	b = appendNonzero(b, `,"unrecouped":`, f.Unrecouped)
	b = appendNonzero(b, `,"advance":`, f.Advance)
	b = appendDecimal(append(b, `,"payable":`...), f.Payable)
	b = appendNonzero(b, `,"closing":`, f.Closing)
	return append(appendNonzero(b, `,"rest":`, f.Rest), '}')
}

func (p Part) appendJSON(b []byte) []byte {
	b = appendInt(append(b, `{"version":`...), p.Version)
	if len(p.Items) > 0 {
		b = appendList(append(b, `,"items":`...), p.Items, Item.appendJSON)
	}
	b = appendNonzero(b, `,"aside":`, p.Aside)
	b = appendNonzero(b, `,"opening":`, p.Opening)
	b = appendDecimal(append(b, `,"base":`...), p.Base)
	if p.Active != 0 {
		b = appendInt(append(b, `,"active":`...), p.Active)
	}
	b = appendText(append(b, `,"kind":`...), p.Kind)
	b = appendDecimal(append(b, `,"rate":`...), p.Rate)
	if p.Tiers != nil {
		b = p.Tiers.appendJSON(append(b, `,"tiers":`...))
	}
	return append(appendDecimal(append(b, `,"unrounded":`...), p.Unrounded), '}')
}

func (it Item) appendJSON(b []byte) []byte {
	b = appendText(append(b, `{"type":`...), string(it.Type))
	if it.Late != "" {
		b = appendText(append(b, `,"late":`...), it.Late)
	}
	if it.Minus {
		b = append(b, `,"minus":true`...)
	}
	return append(appendDecimal(append(b, `,"amount":`...), it.Amount), '}')
}

func (v *Reversed) appendJSON(b []byte) []byte {
	b = append(append(append(b, `{"line":"`...), v.Line.String()...), '"')
	b = appendDecimal(append(b, `,"amount":`...), v.Amount)
	b = appendDecimal(append(b, `,"final":`...), v.Final)
	b = appendDecimal(append(b, `,"of":`...), v.Of)
	b = appendDecimal(append(b, `,"before":`...), v.Before)
	return append(appendDecimal(append(b, `,"after":`...), v.After), '}')
}

func (s CapStep) appendJSON(b []byte) []byte {
	b = appendText(append(b, `{"per":`...), string(s.Per))
	b = appendDecimal(append(b, `,"max":`...), s.Max)
	if s.Lines != nil {
		b = appendList(append(b, `,"lines":`...), s.Lines, func(d decimal.Decimal, b []byte) []byte {
			return appendDecimal(b, d)
		})
	}
	if s.Line != 0 {
		b = appendInt(append(b, `,"line":`...), s.Line)
	}
	if s.Bucket != "" {
		b = appendText(append(b, `,"bucket":`...), s.Bucket)
	}
	b = appendNonzero(b, `,"used":`, s.Used)
	return append(appendDecimal(append(b, `,"share":`...), s.Share), '}')
}

// MarshalJSON writes the amounts as strings with the currency's decimals, and
// leaves out those that are zero.
func (s Skip) MarshalJSON() ([]byte, error) {
	b := append(make([]byte, 0, 96), '{')
	if s.Rule != "" {
		b = append(appendText(append(b, `"rule":`...), s.Rule), ',')
	}
	b = appendInt(append(b, `"level":`...), s.Level)
	b = appendText(append(b, `,"reason":`...), string(s.Reason))
	b = appendNonzero(b, `,"breakage":`, s.Breakage)
	b = appendNonzero(b, `,"capped":`, s.Capped)
	if s.Detail != "" {
		b = appendText(append(b, `,"detail":`...), s.Detail)
	}
	return append(b, '}'), nil
}

// appendNonzero writes a field, unless it is zero.
func appendNonzero(b []byte, field string, d decimal.Decimal) []byte {
	if d.IsZero() {
		return b
	}
	return appendDecimal(append(b, field...), d)
}

func appendList[T any](b []byte, items []T, item func(T, []byte) []byte) []byte {
	b = append(b, '[')
	for i, it := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = item(it, b)
	}
	return append(b, ']')
}

func appendInt(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }

// appendDecimal writes every digit, zeros at the end as well.
func appendDecimal(b []byte, d decimal.Decimal) []byte {
	b = append(b, '"')
	places := -int(d.Exponent())
	if places < 0 || places > 18 || d.NumDigits() > 18 {
		return append(append(b, d.StringFixed(max(0, -d.Exponent()))...), '"')
	}
	n := d.CoefficientInt64()
	if n < 0 {
		b, n = append(b, '-'), -n
	}
	start := len(b)
	b = strconv.AppendInt(b, n, 10)
	for len(b)-start <= places { // a zero before the point
		b = append(b[:start], append([]byte{'0'}, b[start:]...)...)
	}
	if places > 0 {
		point := len(b) - places
		b = append(b, 0)
		copy(b[point+1:], b[point:])
		b[point] = '.'
	}
	return append(b, '"')
}

// appendText quotes a string; most need no escape.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic("commission: a string that is not JSON: " + err.Error()) // encoding/json has none
			}
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
