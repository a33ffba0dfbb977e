package commission

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/money"
	"github.com/fature/fature/internal/pg"
)

// What follows is the writing half that fature.Program composes its
// corrections by hand of.

// MaxVoid is the most lines that one call voids.
const MaxVoid = 1000

// ErrSettled is returned for a line that is paid, void or in a payout, or that
// has a reversal which is: it is not voided. What was paid is corrected by an
// adjustment.
var ErrSettled = fault.New(fault.Conflict, "the line is paid, void or in a payout")

// CheckReason refuses a reason that says nothing, or that no column takes.
func CheckReason(reason string) error {
	if strings.TrimSpace(reason) == "" {
		return fault.Field("reason", "is missing")
	}
	return fault.In("reason", checkText(reason, maxReason))
}

const maxReason = 500 // characters

// VoidLines makes lines and their reversals void, and returns all of them, the
// lines first. Lines that were voided are reversed no more: their transactions
// are locked first, as a reversal does; and then lines and reversals together,
// in the order in which a payout run locks them. Errors: ErrNotFound,
// ErrSettled; InvalidError for a reversal, which goes with its line.
func VoidLines(ctx context.Context, tx pg.DB, reason string, ids []uuid.UUID) ([]Commission, error) {
	ids = sorted(ids)
	var locked []Commission
	var b pgx.Batch
	b.Queue(lockLinesTransactions, ids)
	pg.Queue(&b, &locked, lockLines, ids)
	if err := pg.Send(ctx, tx, &b); err != nil {
		return nil, err
	}
	var lines, reversals []Commission
	for _, l := range locked {
		_, asked := slices.BinarySearchFunc(ids, l.ID, compareIDs)
		switch {
		case asked && l.Kind == Reversal:
			return nil, fault.Field("ids", "%s is a reversal: void the line that it takes from", l.ID)
		case l.Status == Paid || l.Status == Void || l.PayoutID != nil:
			return nil, ErrSettled
		}
		if l.Status, l.Note = Void, reason; asked {
			lines = append(lines, l)
		} else {
			reversals = append(reversals, l)
		}
	}
	if len(lines) < len(ids) {
		return nil, ErrNotFound
	}
	lines = append(lines, reversals...)
	all, at := make([]uuid.UUID, len(lines)), make([]time.Time, len(lines))
	for i, l := range lines {
		all[i], at[i] = l.ID, l.CreatedAt
	}
	_, err := tx.Exec(ctx, voidLines, all, at, reason)
	return lines, err
}

func compareIDs(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) }

// sorted are ids in order, each once.
func sorted(ids []uuid.UUID) []uuid.UUID {
	ids = slices.Clone(ids)
	slices.SortFunc(ids, compareIDs)
	return slices.Compact(ids)
}

// Correction is money given or taken by hand.
type Correction struct {
	AffiliateID uuid.UUID
	Amount      decimal.Decimal // below zero takes
	Reason      string          // at most 500 characters; the affiliate may read it
	// Key makes the correction one, however often it is asked for. Without one
	// each call corrects again.
	Key string
}

// Validate tells every problem of a correction.
func (c Correction) Validate(currency string) error {
	var check fault.Check
	check.That(c.AffiliateID != uuid.Nil, "affiliate_id", "is empty")
	check.Err("", CheckReason(c.Reason))
	digits, err := money.Digits(currency)
	check.Err("currency", err)
	check.Err("amount", money.Check(c.Amount, digits))
	check.That(!c.Amount.IsZero(), "amount", "is zero")
	if c.Key != "" {
		check.Err("key", checkText(c.Key, maxKey))
	}
	return check.Done()
}

// line is the correction as it is posted.
func (c Correction) line(currency string, at time.Time) Commission {
	digits, _ := money.Digits(currency) // Validate has asked
	id := pg.NewID()
	if c.Key != "" {
		id = uuid.NewSHA1(uuid.NameSpaceOID, []byte("fature adjustment "+c.Key))
	}
	return Commission{
		ID: id, AffiliateID: c.AffiliateID, Kind: Adjustment, Rule: string(Adjustment),
		BaseAmount: c.Amount, Amount: c.Amount, FinalAmount: c.Amount, Currency: currency,
		Status: Approved, AvailableAt: at, CreatedAt: at, RecordedAt: at, Note: c.Reason,
		Calculation: Calculation{Currency: currency, Digits: digits, Rounding: HalfUp},
	}
}

// Correct posts a correction, or finds the one of its key, and tells which.
// Errors: ErrKeyConflict.
func Correct(ctx context.Context, tx pg.DB, c Correction, currency string, at time.Time) (line Commission, posted bool, err error) {
	line = c.line(currency, at)
	if c.Key != "" {
		var before []Commission
		var b pgx.Batch
		b.Queue(lockCorrection, pg.Schema(tx), line.ID.String())
		pg.Queue(&b, &before, selectCommission, line.ID)
		if err := pg.Send(ctx, tx, &b); err != nil {
			return line, false, err
		}
		if len(before) > 0 {
			first := before[0]
			if first.AffiliateID != c.AffiliateID || !first.Amount.Equal(c.Amount) {
				return line, false, ErrKeyConflict
			}
			return first, false, nil
		}
	}
	return line, true, Copy(ctx, tx, []Commission{line})
}

// ErrKeyConflict is returned for a correction whose key stands for another.
var ErrKeyConflict = fault.New(fault.Conflict, "the key stands for another correction")
