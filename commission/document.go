package commission

import (
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/money"
	"github.com/fature/fature/transaction"
)

// Document is a plan as it is written and published: JSON, or a literal in Go.
// Only Rounding, Hold and Timezone have defaults; what changes the money
// otherwise is stated or the document is invalid.
//
// The zero value of an optional field means that it is not given. A document
// has at most 100 rules, 20 caps, and 255 steps in a table or in overrides.
// Percents and flat amounts have at most 8 decimals, all other amounts those
// of the currency; none is negative.
type Document struct {
	Name     string   `json:"name"`               // at most 100 characters; publishing under it again makes the next version
	Currency string   `json:"currency"`           // ISO 4217; its decimals are the scale of every line
	Timezone string   `json:"timezone,omitempty"` // IANA, such as "America/Sao_Paulo"; defaults to UTC
	Rounding Rounding `json:"rounding,omitempty"` // defaults to HalfUp
	Hold     Duration `json:"hold,omitempty"`     // from the event to AvailableAt; defaults to none
	Rules    []Rule   `json:"rules"`              // rated in this order
	Caps     []Cap    `json:"caps,omitempty"`     // applied in this order, after rounding
}

// Rounding is how a line is brought to the currency's decimals, once, at its
// end.
type Rounding = money.Rounding

// The modes of rounding. HalfUp takes ties away from zero, so that negatives
// mirror positives; HalfEven takes them to the even neighbour; Down cuts
// toward zero.
const (
	HalfUp   = money.HalfUp
	HalfEven = money.HalfEven
	Down     = money.Down
)

// Rule pays either when a transaction of the types in On is processed, or, with
// Period, when a period is closed. When, Unless and Limit belong to the first
// kind; Base, Carry, CarryCap, SplitBy, HighRoller and Recoup to the second.
type Rule struct {
	ID     string             `json:"id"` // unique in the document: letters, digits, "_", "-" and ".", at most 64
	On     []transaction.Type `json:"on,omitempty"`
	Period Period             `json:"period,omitempty"` // Day, Week (from Monday) or Month, half-open in the plan's zone

	When   Condition `json:"when,omitzero"`   // pays only if all of it holds
	Unless Condition `json:"unless,omitzero"` // does not pay if all of it holds
	Limit  Limit     `json:"limit,omitzero"`

	Base Base `json:"base,omitzero"`
	Pay  Pay  `json:"pay"`

	Carry      Carry      `json:"carry,omitempty"`     // required on a period rule
	CarryCap   Decimal    `json:"carry_cap,omitempty"` // the most that is carried on
	SplitBy    string     `json:"split_by,omitempty"`  // a metadata key: each value is its own account
	HighRoller HighRoller `json:"high_roller,omitzero"`
	Recoup     []string   `json:"recoup,omitempty"` // ids of event rules whose lines are an advance

	Overrides Overrides `json:"overrides,omitzero"`
}

// Condition is what When and Unless ask of an event; all that is given must
// hold.
type Condition struct {
	MinAmount     Decimal              `json:"min_amount,omitempty"`     // inclusive
	MaxAmount     Decimal              `json:"max_amount,omitempty"`     // inclusive
	CumulativeMin Decimal              `json:"cumulative_min,omitempty"` // of the customer's sum of the rule's types
	Within        Duration             `json:"within,omitempty"`         // half-open, from the customer's attribution
	Categories    []affiliate.Category `json:"categories,omitempty"`     // of the earning affiliate

	// Metadata asks each key for one of its values. A value is compared as
	// text: a string as it is, a boolean as true or false, a number in plain
	// decimals without needless zeros (1.50 is "1.5"). In JSON a single value
	// may stand without its list, and be a boolean or a number. A key that is
	// missing, null, a list or an object matches nothing.
	Metadata map[string][]string `json:"metadata,omitempty"`
}

// Limit bounds what a rule pays for one customer: Count lines at most, or the
// lines of that many calendar Months from his first one, half-open.
type Limit struct {
	Count  int `json:"count,omitempty"`
	Months int `json:"months,omitempty"`
}

// Base is what a period rule is paid on: the sum of the Plus types less the
// sum of the Minus types of the affiliate's own transactions in the period.
type Base struct {
	Plus  []transaction.Type `json:"plus"`
	Minus []transaction.Type `json:"minus,omitempty"`
}

// Pay is what level 0 earns: exactly one of Percent, Flat, Tiers and
// Differential.
type Pay struct {
	Percent    Decimal `json:"percent,omitempty"`     // of the amount: "10" is ten per cent
	Flat       Decimal `json:"flat,omitempty"`        // in the plan's currency
	MultiplyBy string  `json:"multiply_by,omitempty"` // with Flat: a metadata key with a whole number, from 0 to 1,000,000
	Tiers      Tiers   `json:"tiers,omitzero"`

	// Differential gives level 0 the percent of its category, and each upline
	// the excess of its percent over the highest below it.
	Differential map[affiliate.Category]Decimal `json:"differential,omitempty"`
}

// Tiers is a table of steps.
type Tiers struct {
	Mode  TierMode   `json:"mode"`
	Scope Period     `json:"scope,omitempty"` // what adds up to the base; on event rules only, and required there
	Steps []TierStep `json:"steps"`
}

// TierMode is how the steps of a table join.
type TierMode string

// The modes: Slab pays the whole base at the step that it reaches, Marginal
// each part of it at its own step.
const (
	Slab     TierMode = "slab"
	Marginal TierMode = "marginal"
)

// TierStep is one step of a table, with a percent, a flat amount or both.
type TierStep struct {
	UpTo      Decimal `json:"up_to,omitempty"` // inclusive, rising; the last step has none
	Percent   Decimal `json:"percent,omitempty"`
	Flat      Decimal `json:"flat,omitempty"`
	MinActive int     `json:"min_active,omitempty"` // customers with a plus transaction; on period rules only
}

// Period is a stretch of time in the plan's zone.
type Period string

// The periods. A week begins on Monday. Lifetime and EachTransaction are
// scopes of tiers; Lifetime also is one of caps.
const (
	Day             Period = "day"
	Week            Period = "week"
	Month           Period = "month"
	Lifetime        Period = "lifetime"
	EachTransaction Period = "transaction"
)

// Carry is what becomes of a negative period.
type Carry string

// The carries: CarryNone forgets it, CarryBase adds a negative base to the
// next period's base, CarryCommission a negative commission to the next one.
const (
	CarryNone       Carry = "none"
	CarryBase       Carry = "base"
	CarryCommission Carry = "commission"
)

// HighRoller keeps the losses of customers who win much away from the rest.
type HighRoller struct {
	Mode         HighRollerMode `json:"mode"`
	PlayerMax    Decimal        `json:"player_max"`
	AggregateMax Decimal        `json:"aggregate_max,omitempty"` // with ProRata
}

// HighRollerMode is how that is done.
type HighRollerMode string

// The modes: Quarantine carries such a customer alone until he is above zero,
// ProRata spreads what is carried over all of them.
const (
	Quarantine HighRollerMode = "quarantine"
	ProRata    HighRollerMode = "pro_rata"
)

// Overrides is what the upline earns beside level 0, one step per level, the
// parent's first.
type Overrides struct {
	Of       OverrideBase   `json:"of"`
	Inactive Inactive       `json:"inactive"`
	Steps    []OverrideStep `json:"steps"`
}

// OverrideBase is what the percent of a step is taken of.
type OverrideBase string

// The bases: the transaction's amount (a period rule's base), or the level-0
// commission as rounded, before caps.
const (
	OfAmount     OverrideBase = "amount"
	OfCommission OverrideBase = "commission"
)

// Inactive is who gets the share of an upline that is not active.
type Inactive string

// The answers: nobody; the next active upline, which takes the level and with
// it moves everyone above down; or the next active upline beside its own share.
const (
	ToNobody Inactive = "none"
	Compress Inactive = "compress"
	RollUp   Inactive = "roll_up"
)

// OverrideStep is what one level earns: a percent or a flat amount. An upline
// outside Categories, if given, earns nothing there; levels do not shift.
type OverrideStep struct {
	Percent    Decimal              `json:"percent,omitempty"`
	Flat       Decimal              `json:"flat,omitempty"`
	Categories []affiliate.Category `json:"categories,omitempty"`
}

// Cap bounds what is paid, after rounding. One per transaction has either Max
// or Percent and scales the transaction's lines pro rata; one per customer or
// affiliate has Period and Max, and cuts the line that crosses it.
type Cap struct {
	Per     CapPer  `json:"per"`
	Period  Period  `json:"period,omitempty"`
	Max     Decimal `json:"max,omitempty"`     // in the plan's currency, whole in its smallest unit
	Percent Decimal `json:"percent,omitempty"` // of the transaction's amount, rounded in the plan's mode
}

// CapPer is whose lines a cap adds up.
type CapPer string

// The holders of a cap. PerCustomer is an affiliate's lines of one customer.
const (
	PerTransaction CapPer = "transaction"
	PerCustomer    CapPer = "customer"
	PerAffiliate   CapPer = "affiliate"
)
