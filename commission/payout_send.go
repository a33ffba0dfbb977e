package commission

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/internal/pg"
)

// Transfer is the money that an adapter sends.
type Transfer struct {
	Reference   uuid.UUID // the payout's id: always the same for the same money
	AffiliateID uuid.UUID
	Amount      decimal.Decimal // above zero, in Currency
	Currency    string
}

// PayoutAdapter sends money: to a bank, or into a file for one.
//
// The reference is stable. What was sent and not recorded, because the process
// died between the two, is sent again under the same reference, and the adapter
// has to take it for the same transfer: it answers as at the first time, and
// the money goes once.
//
// An error that wraps ErrRejected says that this transfer will never be made.
// After any other error it is tried again by the next Send.
type PayoutAdapter interface {
	// Send answers what the transfer is called there, which may be empty.
	Send(ctx context.Context, t Transfer) (externalID string, err error)
}

// ErrRejected is what an adapter's error wraps when a transfer will never be
// made: its payout has failed then, and its lines are free.
var ErrRejected = errors.New("the transfer is rejected")

// Send sends every approved payout by the adapter, one at a time, and tells how
// many. The adapter is called while a database transaction is open, which holds
// the lock of that payout: two Sends at once call it once for each. An adapter
// should answer within seconds.
//
// One that the adapter rejects has failed. Where it returns another error, or
// the affiliate is not active any more (ErrAffiliateInactive), the payout stays
// approved, the others go on, and the errors are returned together at the end.
func (s *Payouts) Send(ctx context.Context, adapter PayoutAdapter) (int, error) {
	sent := 0
	var problems []error
	for after := uuid.Nil; ; {
		next, err := s.sendNext(ctx, adapter, after)
		if err != nil {
			problems = append(problems, err)
			break
		}
		if next.id == uuid.Nil {
			break
		}
		if after = next.id; next.sent {
			sent++
		}
		if next.problem != nil {
			problems = append(problems, next.problem)
		}
	}
	return sent, fail("send payouts", errors.Join(problems...))
}

// attempt is what became of one payout that was to be sent.
type attempt struct {
	id      uuid.UUID // zero where there was none
	sent    bool
	problem error // it stays approved
}

// approved is a payout to be sent.
type approved struct {
	ID          uuid.UUID       `db:"id"`
	AffiliateID uuid.UUID       `db:"affiliate_id"`
	Amount      decimal.Decimal `db:"amount"`
	Currency    string          `db:"currency"`
	Active      bool            `db:"active"`
}

func (s *Payouts) sendNext(ctx context.Context, adapter PayoutAdapter, after uuid.UUID) (a attempt, err error) {
	err = pg.InTx(ctx, s.db, func(tx pg.DB) error {
		a = attempt{}
		found, err := pg.All[approved](ctx, tx, claimApproved, after)
		if err != nil || len(found) == 0 {
			return err
		}
		p := found[0]
		if a.id = p.ID; !p.Active {
			a.problem = inactive(p.ID)
			return nil
		}
		externalID, err := adapter.Send(ctx, Transfer{p.ID, p.AffiliateID, p.Amount, p.Currency})
		switch {
		case errors.Is(err, ErrRejected):
			pg.Changed(tx, BalanceChanged, p.AffiliateID)
			return s.write(ctx, tx, change{to: PayoutFailed, reason: cleaned(err.Error(), maxReason)}, []uuid.UUID{p.ID})
		case err != nil:
			a.problem = fmt.Errorf("payout %s: %w", p.ID, err)
			return nil
		}
		a.sent = true
		return s.write(ctx, tx, change{to: PayoutSent, externalID: cleaned(externalID, maxExternalID)}, []uuid.UUID{p.ID})
	})
	return a, err
}

// cleaned is what an adapter said as a column takes it. It is not refused: the
// money is on its way.
func cleaned(text string, most int) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?")))
	return string(runes[:min(len(runes), most)])
}

// Export writes the lines of a payout as CSV, with a header: what it was made
// of. A payout that failed or was cancelled has none. It streams, and holds a
// connection until w has taken everything. Errors: ErrPayoutNotFound, before
// anything is written.
func (s *Payouts) Export(ctx context.Context, w io.Writer, id uuid.UUID) error {
	if _, err := s.Get(ctx, id); err != nil {
		return err
	}
	rows, err := s.db.Query(ctx, selectPayoutLines, id)
	if err != nil {
		return fail("export payout", err)
	}
	defer rows.Close()
	out := csv.NewWriter(w)
	err = out.Write([]string{
		"line_id", "transaction_id", "kind", "rule", "level", "base_amount", "rate", "amount", "final_amount", "currency", "available_at", "created_at",
	})
	for err == nil && rows.Next() {
		var c Commission
		if c, err = pgx.RowToStructByName[Commission](rows); err == nil {
			err = out.Write(c.record())
		}
	}
	out.Flush()
	return fail("export payout", errors.Join(err, rows.Err(), out.Error()))
}

func (c *Commission) record() []string {
	transaction := ""
	if c.TransactionID != nil {
		transaction = c.TransactionID.String()
	}
	digits := c.Calculation.Digits
	return []string{
		c.ID.String(), transaction, string(c.Kind), c.Rule, strconv.Itoa(c.Level),
		c.BaseAmount.StringFixed(digits), c.Rate.String(), c.Amount.StringFixed(digits), c.FinalAmount.StringFixed(digits), c.Currency,
		c.AvailableAt.UTC().Format(time.RFC3339Nano), c.CreatedAt.UTC().Format(time.RFC3339Nano),
	}
}
