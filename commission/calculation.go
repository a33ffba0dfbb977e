package commission

import (
	"errors"
	"fmt"
	"slices"

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

	Event     transaction.Type `json:"event,omitempty"`     // the type of the event
	Period    string           `json:"period,omitempty"`    // or the period of the statement, such as 2025-06
	Statement *Footing         `json:"statement,omitempty"` // of level 0 of a statement: how it comes about
	Own       *Term            `json:"own,omitempty"`       // the level-0 commission that an override was paid on
	Term                       // of this line

	Reversed *Reversed `json:"reversed,omitempty"` // of a reversal: what it takes back

	Currency string    `json:"currency"`
	Digits   int32     `json:"digits"` // the currency's decimals
	Rounding Rounding  `json:"rounding"`
	Caps     []CapStep `json:"caps,omitempty"` // those that cut the line, in the order applied
}

// Term is the arithmetic of one share: a percent of Base, a flat amount, or
// what a table adds, rounded once.
type Term struct {
	Kind      string          `json:"kind"` // "percent", "flat", "tiers", "differential", "statement" or "reversal"
	Of        OverrideBase    `json:"of"`   // what Base is: the event's amount (a statement's base) or the level-0 commission
	Base      decimal.Decimal `json:"base"`
	Rate      decimal.Decimal `json:"rate"`            // the percent as written, or the flat amount; of tiers, the percent reached
	By        string          `json:"by,omitempty"`    // the metadata key that the flat amount is multiplied by
	Times     int64           `json:"times,omitempty"` // its number
	Tiers     *TierSum        `json:"tiers,omitempty"`
	Excess    *Excess         `json:"excess,omitempty"` // of a differential: how Rate comes about
	Unrounded decimal.Decimal `json:"unrounded"`        // of tiers, of the whole sum
	Rounded   decimal.Decimal `json:"rounded"`          // with the currency's decimals; of tiers, less what was posted
}

const (
	kindPercent      = "percent"
	kindFlat         = "flat"
	kindTiers        = "tiers"
	kindDifferential = "differential"
	kindStatement    = "statement"
	kindReversal     = "reversal"
)

// CapStep is a cap that cut a line. One per transaction shared Max out over the
// lines by what they were before it; another had Max less Used left.
type CapStep struct {
	Per    CapPer            `json:"per"`
	Max    decimal.Decimal   `json:"max"`              // in the currency; of a percent cap, what it came to
	Lines  []decimal.Decimal `json:"lines,omitempty"`  // each above zero, in the order of the outcome
	Line   int               `json:"line,omitempty"`   // which of Lines this line is
	Bucket string            `json:"bucket,omitempty"` // the stretch of time that is added up, in the plan's zone
	Used   decimal.Decimal   `json:"used,omitzero"`    // by earlier lines
	Share  decimal.Decimal   `json:"share"`            // what was left of the line
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
	case t.Kind == kindTiers:
		return t.Tiers.due()
	case t.Kind == kindPercent || t.Kind == kindDifferential:
		return t.Base.Mul(fraction)
	case t.By != "":
		return t.Rate.Mul(decimal.NewFromInt(t.Times))
	}
	return t.Rate
}

// positive is what overrides of a commission are paid on.
func (t *Term) positive() decimal.Decimal { return decimal.Max(t.Rounded, decimal.Zero) }

// Recompute evaluates the line again from its inputs alone: its amount before
// caps and what is left after them. The error names the stored figure that
// does not follow, or the input that no plan could have given.
func (c Calculation) Recompute() (amount, final decimal.Decimal, err error) {
	switch {
	case !c.Rounding.Valid() || c.Digits < 0 || c.Digits > maxDigits:
		return amount, final, fmt.Errorf("rounding %.40q to %d decimals is not known", string(c.Rounding), c.Digits)
	case c.Kind == kindReversal:
		return c.takeBack()
	}
	if (c.Kind == kindStatement) != (c.Statement != nil) || c.Own != nil && c.Own.Kind == kindStatement {
		return amount, final, errors.New("the statement and the kind of pay do not go together")
	}
	if amount, err = c.evaluate(c.Term); err != nil {
		return amount, final, err
	}
	if c.Own != nil {
		if _, err := c.evaluate(*c.Own); err != nil {
			return amount, final, fmt.Errorf("level 0: %w", err)
		}
		if own := c.Own.positive(); !own.Equal(c.Base) {
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
	if err := t.check(); err != nil {
		return decimal.Zero, err
	}
	if t.Kind == kindStatement {
		return c.Statement.Payable, c.evaluateStatement(t)
	}
	unrounded := t.unrounded(t.Rate.Shift(-2))
	if !unrounded.Equal(t.Unrounded) {
		return decimal.Zero, fmt.Errorf("unrounded is %s, but comes to %s", t.Unrounded, unrounded)
	}
	rounded := c.Rounding.Round(unrounded, c.Digits)
	if t.Tiers != nil {
		rounded = rounded.Sub(t.Tiers.Posted)
	}
	if !rounded.Equal(t.Rounded) {
		return decimal.Zero, fmt.Errorf("rounded is %s, but comes to %s", t.Rounded, rounded)
	}
	return rounded, nil
}

// evaluateStatement evaluates level 0 of a statement.
func (c *Calculation) evaluateStatement(t Term) error {
	f := c.Statement
	if err := f.check(c.Rounding, c.Digits); err != nil {
		return err
	}
	return errors.Join(follows("the base", t.Base, f.rated()), follows("the rate", t.Rate, f.rate()),
		follows("unrounded", t.Unrounded, f.unrounded()), follows("rounded", t.Rounded, f.Payable))
}

// check refuses a term that no plan could have given.
func (t *Term) check() error {
	if t.bomb() {
		return errRange
	}
	switch t.Kind {
	case kindPercent, kindFlat, kindStatement:
		return nil
	case kindTiers:
		return t.Tiers.check(t.Rate)
	case kindDifferential:
		return t.Excess.check(t.Rate)
	}
	return fmt.Errorf("%.40q is not a kind of pay", t.Kind)
}

// bomb tells whether a number in it would make arithmetic slow.
func (t *Term) bomb() bool {
	return anyBomb(t.Base, t.Rate, t.Unrounded, t.Rounded) || t.Tiers.bomb() ||
		t.Excess != nil && anyBomb(t.Excess.Percent, t.Excess.Below)
}

var errRange = errors.New("a number is out of range")

func anyBomb(numbers ...decimal.Decimal) bool { return slices.ContainsFunc(numbers, money.Bomb) }

// takeBack evaluates a reversal.
func (c *Calculation) takeBack() (amount, final decimal.Decimal, err error) {
	v := c.Reversed
	switch {
	case v == nil:
		return amount, final, errors.New("what it takes back is missing")
	case c.bomb() || v.bomb():
		return amount, final, errRange
	case !v.After.Sub(v.Before).Equal(c.Base):
		return amount, final, fmt.Errorf("the base is %s, but what is taken back is %s", c.Base, v.After.Sub(v.Before))
	}
	amount = v.part(v.Amount, c.Rounding, c.Digits).Neg()
	final = v.part(v.Final, c.Rounding, c.Digits).Neg()
	if !amount.Equal(c.Rounded) || !amount.Equal(c.Unrounded) {
		err = fmt.Errorf("rounded is %s, but comes to %s", c.Rounded, amount)
	}
	return amount, final, err
}

// apply cuts the line again.
func (s *CapStep) apply(before decimal.Decimal, digits int32) (decimal.Decimal, error) {
	for _, n := range append([]decimal.Decimal{s.Max, s.Share}, s.Lines...) {
		if money.Bomb(n) || n.IsNegative() {
			return before, errRange
		}
	}
	share, err := s.left(before, digits)
	if err == nil && !share.Equal(s.Share) {
		err = fmt.Errorf("the share is %s, but comes to %s", s.Share, share)
	}
	return share, err
}

// left is what the cap leaves of a line.
func (s *CapStep) left(before decimal.Decimal, digits int32) (decimal.Decimal, error) {
	switch {
	case money.Bomb(s.Used):
		return before, errRange
	case s.Per != PerTransaction:
		return s.room(before), nil
	case s.Line < 0 || s.Line >= len(s.Lines):
		return before, fmt.Errorf("there is no line %d", s.Line)
	case !s.Lines[s.Line].Equal(before):
		return before, fmt.Errorf("the line before it is %s, but comes to %s", s.Lines[s.Line], before)
	}
	return money.Allocate(s.Max, s.Lines, digits)[s.Line], nil
}
