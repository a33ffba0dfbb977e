package commission

import (
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// Line is what one affiliate earns by one rule from one event.
type Line struct {
	AffiliateID uuid.UUID
	Rule        string // the rule's id
	Level       int    // 0 is the event's own affiliate, 1 and above the step of the overrides

	// Base is what the line was paid on: the event's amount, or the level-0
	// commission for an override of it. For flat pay it is only told.
	Base decimal.Decimal
	// Rate is the percent as written, 10 for ten per cent, or the flat amount
	// for one; Calculation.Kind says which.
	Rate decimal.Decimal
	// Amount is rounded to the currency's decimals, and before caps. It is
	// below zero where tiers take back what they had posted, and of a
	// reversal.
	Amount decimal.Decimal
	// Final is what is left of Amount after the caps: not zero, and at most
	// Amount. Of a reversal it is the part of its line's Final, which rounds by
	// itself and so may be a unit more than that of the Amount.
	Final decimal.Decimal

	AvailableAt time.Time // the event's time plus the plan's hold, in UTC; of a reversal, its line's
	Calculation Calculation

	// The posted line that a reversal takes from, and its time.
	ReversesID uuid.UUID
	ReversesAt time.Time
}

// Skip says why a rule, or one level of it, posted no line. Nothing is silent:
// each event and rule yields lines or skips.
type Skip struct {
	Rule   string `json:"rule,omitempty"` // empty where no rule was reached
	Level  int    `json:"level"`
	Reason Reason `json:"reason"`

	// Breakage is what the plan promised and nobody could take.
	Breakage decimal.Decimal `json:"breakage,omitzero"`
	// Capped is the amount of a line that a cap took whole; it is not
	// breakage.
	Capped decimal.Decimal `json:"capped,omitzero"`
	// Detail says what was wrong, in words, where the reason is unratable.
	Detail string `json:"detail,omitempty"`
}

// Reason is why a rule or a level posted no line.
type Reason string

// The reasons.
const (
	ReasonNoPlan       Reason = "no_plan"            // no plan is in force
	ReasonUnattributed Reason = "unattributed"       // the event belongs to nobody
	ReasonSelfReferral Reason = "self_referral"      // the customer is the affiliate; found before rating
	ReasonType         Reason = "type"               // the rule is not for this type of event
	ReasonAmount       Reason = "amount"             // min_amount or max_amount
	ReasonWindow       Reason = "window"             // within
	ReasonCategory     Reason = "category"           // the affiliate is outside the categories asked for
	ReasonMetadata     Reason = "metadata"           // a key of the event's metadata, or the count to multiply by
	ReasonBaseline     Reason = "baseline"           // cumulative_min
	ReasonLimit        Reason = "limit"              // the customer's limit is used up
	ReasonInactive     Reason = "affiliate_inactive" // the affiliate is not active, and no other takes its share
	ReasonNoUpline     Reason = "no_upline"          // nobody stands at this level; with compress: no active upline is left for it
	ReasonZero         Reason = "zero"               // the line rounds to zero
	ReasonCap          Reason = "cap"                // a cap took the whole line
	ReasonVoid         Reason = "void"               // the line to be reversed is void
	ReasonUnratable    Reason = "unratable"          // a pending transaction that failed: this program cannot rate it, or its plan
)

// Outcome is what an event earns: the lines in the order of rules and levels,
// and what posted none. The amounts of the lines, what caps took whole and the
// breakage add up to what the plan promises for the event.
type Outcome struct {
	Lines    []Line
	Skipped  []Skip
	Counters Facts // those that the event changed, and to what
}

// Breakage is what the plan promised and nobody could take, in the plan's
// currency.
func (o Outcome) Breakage() decimal.Decimal {
	sum := decimal.Zero
	for _, s := range o.Skipped {
		sum = sum.Add(s.Breakage)
	}
	return sum
}
