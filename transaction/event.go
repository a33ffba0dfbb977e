package transaction

import (
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/money"
)

// Type says what happened. The amount of an event is never negative: its type
// gives the meaning.
type Type string

// The types of events.
const (
	Sale       Type = "sale"
	Refund     Type = "refund"
	Deposit    Type = "deposit"
	Withdrawal Type = "withdrawal"
	Bet        Type = "bet"
	Win        Type = "win"
	Bonus      Type = "bonus"
	Fee        Type = "fee"
	Chargeback Type = "chargeback"
	Signup     Type = "signup"
)

// Types lists every type, in the order of the documentation.
func Types() []Type {
	return []Type{Sale, Refund, Deposit, Withdrawal, Bet, Win, Bonus, Fee, Chargeback, Signup}
}

// Valid tells whether t is one of Types.
func (t Type) Valid() bool {
	switch t {
	case Sale, Refund, Deposit, Withdrawal, Bet, Win, Bonus, Fee, Chargeback, Signup:
		return true
	}
	return false
}

// Volume is what an event of this type adds to lifetime_volume and
// total_volume: a sale, a deposit and a bet count, the other types do not.
// This is the one place that says so.
func (t Type) Volume(amount decimal.Decimal) decimal.Decimal {
	if t == Sale || t == Deposit || t == Bet {
		return amount
	}
	return decimal.Zero
}

// Event is what the host reports: a sale, a deposit, a bet. SourceTable and
// OriginalID together are its key for ever; reporting it twice records it
// once. An event without a key is never taken for a repetition.
//
// Who earns is the AffiliateID where it is given, else the affiliate of the Code
// where that is a coupon, else that of the Visitor's click, else the owner of the
// CustomerID at the event's time, else the affiliate of the Code; with none of
// them the event is nobody's. The programme's click.Policy says which click
// counts, and can put the owner before it.
type Event struct {
	AffiliateID uuid.UUID
	Code        string // a referral code, without regard to case
	CustomerID  string // the host's own id of its customer
	Visitor     string // who clicked, by the id in its cookie (package affiliate/click)

	// CustomerEmail tells a customer who is the affiliate itself. It is compared
	// without regard to case and plus-addresses, and not stored.
	CustomerEmail string

	Type     Type
	Amount   decimal.Decimal // not negative, in Currency, at most its decimals
	Currency string          // ISO 4217; empty is the programme's
	At       time.Time       // when it happened, any zone, kept to the microsecond; zero is now

	SourceTable string // where the host keeps it, "orders"
	OriginalID  string // its id there

	// What a refund or chargeback takes back, whole or in part: a transaction by
	// its id, or by its key, which may also be that of an earlier event of the
	// same call. It is recorded and rated already, and lends its affiliate and
	// customer where the event names none.
	Reverses    uuid.UUID
	ReversesKey Key

	Metadata map[string]any // kept as JSON; plans can ask for keys of it

	// Pending stores the event without rating it; Process rates it later.
	Pending bool
}

// Keyed tells whether the event has a key.
func (e Event) Keyed() bool { return e.OriginalID != "" }

// TakesBack tells whether the event takes another back.
func (e Event) TakesBack() bool { return e.Reverses != uuid.Nil || e.ReversesKey != Key{} }

// Limits of an event. They bound what one event can cost.
const (
	maxText         = 255
	maxCode         = 20
	maxVisitor      = 64
	maxMetadataKeys = 100
	maxMetadata     = 16 << 10 // bytes of its JSON
	maxDepth        = 8
	maxDigits       = 64  // of a number in the metadata
	maxExponent     = 308 // of one, as of a float64
)

var earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// Normalize fills what is left empty and brings the time to the microsecond
// in UTC, which is what the database keeps.
func (e Event) Normalize(currency string, now time.Time) Event {
	if e.Currency == "" {
		e.Currency = currency
	}
	if e.At.IsZero() {
		e.At = now
	}
	e.At = e.At.UTC().Truncate(time.Microsecond)
	e.SourceTable = e.Key().normal().SourceTable
	e.ReversesKey = e.ReversesKey.normal()
	return e
}

// Validate tells every problem of a normalised event, by field. currency is
// the programme's.
func (e Event) Validate(currency string, now time.Time) error {
	var c fault.Check
	c.That(e.Type.Valid(), "type", "%.40q is not a type of event", string(e.Type))
	e.checkAmount(&c, currency)
	c.That(!e.At.Before(earliest), "at", "is before the year 2000")
	c.That(!e.At.After(now.Add(24*time.Hour)), "at", "is more than 24 hours ahead")
	c.Err("code", checkText(e.Code, maxCode))
	c.Err("visitor", checkText(e.Visitor, maxVisitor))
	c.Err("customer_id", checkText(e.CustomerID, maxText))
	c.Err("customer_email", checkText(e.CustomerEmail, maxText))
	c.Err("", e.Key().Validate())
	e.checkReverses(&c)
	c.Err("metadata", checkMetadata(e.Metadata))
	return c.Done()
}

func (e Event) checkReverses(c *fault.Check) {
	c.That(e.Type != Refund || e.TakesBack(), "reverses", "is empty: a refund names the transaction it takes back")
	c.That(!e.TakesBack() || e.Type == Refund || e.Type == Chargeback, "reverses", "is only for a refund or a chargeback")
	c.That(e.Reverses == uuid.Nil || e.ReversesKey == Key{}, "reverses_key", "stands beside reverses: give one of them")
	c.That(!e.TakesBack() || !e.Pending, "pending", "is given: what takes a transaction back is rated at once")
	c.Err("reverses_key", e.ReversesKey.Validate())
}

func (e Event) checkAmount(c *fault.Check, currency string) {
	digits, err := money.Digits(e.Currency)
	if err != nil {
		c.Err("currency", err)
		digits = 2
	} else {
		c.That(e.Currency == currency, "currency", "is %s, but the programme's is %s", e.Currency, currency)
	}
	if err := money.Check(e.Amount, digits); err != nil {
		c.Err("amount", err)
		return
	}
	c.That(!e.Amount.IsNegative(), "amount", "is negative: the type says what it means")
}

func checkText(s string, most int) error {
	switch {
	case len(s) > 4*most || utf8.RuneCountInString(s) > most:
		return fault.Field("", "is longer than %d characters", most)
	case !cleanText(s):
		return fault.Field("", "is not valid UTF-8 or holds a NUL")
	}
	return nil
}
