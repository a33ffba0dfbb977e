package commission

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/internal/money"
	"github.com/fature/fature/transaction"
)

// Calculation is how a line came about: enough to evaluate it again without
// the plan, the tree or the event. It is stored with the line as JSON, and
// reads back exactly.
type Calculation struct {
	Plan    string    `json:"plan"` // the plan's name
	Version int       `json:"version"`
	PlanID  uuid.UUID `json:"plan_id"`
	Rule    string    `json:"rule"`
	Level   int       `json:"level"`
	// Place is the receiver's place in the upline where it is not Level: by
	// compress or roll_up he stands above it.
	Place int `json:"place,omitempty"`

	Event transaction.Type `json:"event"`         // the type of the event
	Own   *Term            `json:"own,omitempty"` // the level-0 commission that an override was paid on
	Term                   // of this line

	Currency string    `json:"currency"`
	Digits   int32     `json:"digits"` // the currency's decimals
	Rounding Rounding  `json:"rounding"`
	Caps     []CapStep `json:"caps,omitempty"` // those that cut the line, in the order applied
}

// Term is the arithmetic of one share: a percent of Base, or a flat amount,
// rounded once.
type Term struct {
	Kind      string          `json:"kind"` // "percent" or "flat"
	Of        OverrideBase    `json:"of"`   // what Base is: the event's amount or the level-0 commission
	Base      decimal.Decimal `json:"base"`
	Rate      decimal.Decimal `json:"rate"`            // the percent as written, or the flat amount
	By        string          `json:"by,omitempty"`    // the metadata key that the flat amount is multiplied by
	Times     int64           `json:"times,omitempty"` // its number
	Unrounded decimal.Decimal `json:"unrounded"`
	Rounded   decimal.Decimal `json:"rounded"` // with the currency's decimals
}

const (
	kindPercent = "percent"
	kindFlat    = "flat"
)

// CapStep is a cap that cut a line: Max was shared out over the lines of the
// transaction by what they were before it.
type CapStep struct {
	Max   decimal.Decimal   `json:"max"`   // in the currency; of a percent cap, what it came to
	Lines []decimal.Decimal `json:"lines"` // each above zero, in the order of the outcome
	Line  int               `json:"line"`  // which of Lines this line is
	Share decimal.Decimal   `json:"share"` // what was left of it
}

// times is what the flat amount is multiplied by, if by anything. It is not ok
// where the event does not say.
func (s *share) times(metadata map[string]any) (n int64, ok bool) {
	if s.by == "" {
		return 0, true
	}
	return wholeNumber(metadata[s.by])
}

// term works a share out on the base, and on the count, that t brings.
func (p *Plan) term(s *share, t Term) Term {
	t.Kind, t.Rate, t.By = s.kind, s.rate, s.by
	t.Unrounded = t.unrounded(s.fraction)
	t.Rounded = p.rounding.Round(t.Unrounded, p.digits)
	return t
}

// unrounded needs the fraction of a percent, which a plan has at hand.
func (t *Term) unrounded(fraction decimal.Decimal) decimal.Decimal {
	switch {
	case t.Kind == kindPercent:
		return t.Base.Mul(fraction)
	case t.By != "":
		return t.Rate.Mul(decimal.NewFromInt(t.Times))
	}
	return t.Rate
}

// Recompute evaluates the line again from its inputs alone: its amount before
// caps and what is left after them. The error names the stored figure that
// does not follow, or the input that no plan could have given.
func (c Calculation) Recompute() (amount, final decimal.Decimal, err error) {
	if amount, err = c.evaluate(c.Term); err != nil {
		return amount, final, err
	}
	if c.Own != nil {
		own, err := c.evaluate(*c.Own)
		if err != nil {
			return amount, final, fmt.Errorf("level 0: %w", err)
		}
		if !own.Equal(c.Base) {
			return amount, final, fmt.Errorf("the base is %s, but the level-0 commission comes to %s", c.Base, own)
		}
	}
	final = amount
	for i, step := range c.Caps {
		if final, err = step.apply(final, c.Digits); err != nil {
			return amount, final, fmt.Errorf("cap %d: %w", i+1, err)
		}
	}
	return amount, final, nil
}

func (c *Calculation) evaluate(t Term) (decimal.Decimal, error) {
	switch {
	case money.Bomb(t.Base) || money.Bomb(t.Rate) || money.Bomb(t.Unrounded) || money.Bomb(t.Rounded):
		return decimal.Zero, fmt.Errorf("a number is out of range")
	case t.Kind != kindPercent && t.Kind != kindFlat:
		return decimal.Zero, fmt.Errorf("%.40q is not a kind of pay", t.Kind)
	case !c.Rounding.Valid() || c.Digits < 0 || c.Digits > 4:
		return decimal.Zero, fmt.Errorf("rounding %.40q to %d decimals is not known", string(c.Rounding), c.Digits)
	}
	unrounded := t.unrounded(t.Rate.Shift(-2))
	if !unrounded.Equal(t.Unrounded) {
		return decimal.Zero, fmt.Errorf("unrounded is %s, but comes to %s", t.Unrounded, unrounded)
	}
	rounded := c.Rounding.Round(unrounded, c.Digits)
	if !rounded.Equal(t.Rounded) {
		return decimal.Zero, fmt.Errorf("rounded is %s, but comes to %s", t.Rounded, rounded)
	}
	return rounded, nil
}

// apply shares the cap out again, and takes the share of this line.
func (s *CapStep) apply(before decimal.Decimal, digits int32) (decimal.Decimal, error) {
	for _, n := range append([]decimal.Decimal{s.Max, s.Share}, s.Lines...) {
		if money.Bomb(n) || n.IsNegative() {
			return before, fmt.Errorf("a number is out of range")
		}
	}
	if s.Line < 0 || s.Line >= len(s.Lines) {
		return before, fmt.Errorf("there is no line %d", s.Line)
	}
	if !s.Lines[s.Line].Equal(before) {
		return before, fmt.Errorf("the line before it is %s, but comes to %s", s.Lines[s.Line], before)
	}
	share := money.Allocate(s.Max, s.Lines, digits)[s.Line]
	if !share.Equal(s.Share) {
		return before, fmt.Errorf("the share is %s, but comes to %s", s.Share, share)
	}
	return share, nil
}
