package commission

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
)

// MaxPayouts is the most payouts that one call changes.
const MaxPayouts = 1000

// StateError is returned for a payout that is not in a state from which it
// becomes what was asked for. It is of the kind Conflict.
type StateError struct {
	PayoutID uuid.UUID
	Status   PayoutStatus // where it stands
	Asked    PayoutStatus
}

// Error names the payout and both states.
func (e *StateError) Error() string {
	if e.Status == e.Asked {
		return fmt.Sprintf("payout %s is %s already", e.PayoutID, e.Status)
	}
	return fmt.Sprintf("payout %s is %s, which does not become %s", e.PayoutID, e.Status, e.Asked)
}

// Unwrap makes it a conflict.
func (e *StateError) Unwrap() error { return fault.Conflict }

// Approve lets payouts be sent: all of them or, with an error, none. Errors:
// ErrPayoutNotFound, StateError, ErrAffiliateInactive.
func (s *Payouts) Approve(ctx context.Context, ids ...uuid.UUID) error {
	return fail("approve payouts", s.change(ctx, change{to: PayoutApproved}, ids))
}

// MarkSent notes that the host has sent a payout by itself, without Send, and
// what it is called there, which may be empty. Errors: ErrPayoutNotFound,
// StateError, ErrAffiliateInactive; InvalidError for the external id.
func (s *Payouts) MarkSent(ctx context.Context, externalID string, id uuid.UUID) error {
	if externalID != "" {
		if err := checkText(externalID, maxExternalID); err != nil {
			return fail("mark payout sent", fault.In("external_id", err))
		}
	}
	return fail("mark payout sent", s.change(ctx, change{to: PayoutSent, externalID: externalID}, []uuid.UUID{id}))
}

const maxExternalID = 200 // characters

// MarkPaid ends payouts well: the money has arrived. Their lines are paid, also
// where the affiliate has been closed since. Errors: ErrPayoutNotFound,
// StateError.
func (s *Payouts) MarkPaid(ctx context.Context, ids ...uuid.UUID) error {
	return fail("mark payouts paid", s.change(ctx, change{to: PayoutPaid}, ids))
}

// Fail ends approved or sent payouts whose money did not arrive, and frees their
// lines for the next run. Errors: InvalidError for the reason;
// ErrPayoutNotFound, StateError.
func (s *Payouts) Fail(ctx context.Context, reason string, ids ...uuid.UUID) error {
	return fail("fail payouts", s.end(ctx, change{to: PayoutFailed, reason: reason}, ids))
}

// Cancel ends payouts that are not sent yet, and frees their lines for the next
// run. Errors: InvalidError for the reason; ErrPayoutNotFound, StateError.
func (s *Payouts) Cancel(ctx context.Context, reason string, ids ...uuid.UUID) error {
	return fail("cancel payouts", s.end(ctx, change{to: PayoutCancelled, reason: reason}, ids))
}

// change is what becomes of payouts.
type change struct {
	to                 PayoutStatus
	externalID, reason string
}

func (s *Payouts) end(ctx context.Context, c change, ids []uuid.UUID) error {
	if err := CheckReason(c.reason); err != nil {
		return err
	}
	return s.change(ctx, c, ids)
}

func (s *Payouts) change(ctx context.Context, c change, ids []uuid.UUID) error {
	if len(ids) == 0 || len(ids) > MaxPayouts {
		return fault.Field("ids", "are %d, not from 1 to %d", len(ids), MaxPayouts)
	}
	ids = sorted(ids)
	return pg.InTx(ctx, s.db, func(tx pg.DB) error {
		locked, err := pg.All[standing](ctx, tx, lockPayouts, ids)
		if err != nil {
			return err
		}
		if len(locked) < len(ids) {
			return ErrPayoutNotFound
		}
		if err := c.admits(locked); err != nil {
			return err
		}
		if c.movesMoney() {
			for _, p := range locked {
				pg.Changed(tx, BalanceChanged, p.AffiliateID)
			}
		}
		return s.write(ctx, tx, c, ids)
	})
}

// standing is where a locked payout stands.
type standing struct {
	ID          uuid.UUID    `db:"id"`
	AffiliateID uuid.UUID    `db:"affiliate_id"`
	Status      PayoutStatus `db:"status"`
	Active      bool         `db:"active"` // its affiliate is
}

// admits tells of each payout that the change is not for.
func (c change) admits(locked []standing) error {
	var problems []error
	for _, p := range locked {
		switch {
		case !slices.Contains(c.to.from(), p.Status):
			problems = append(problems, &StateError{p.ID, p.Status, c.to})
		case !p.Active && (c.to == PayoutApproved || c.to == PayoutSent):
			problems = append(problems, inactive(p.ID))
		}
	}
	return errors.Join(problems...)
}

// movesMoney tells whether a change is seen in balances.
func (c change) movesMoney() bool {
	return c.to == PayoutPaid || c.to == PayoutFailed || c.to == PayoutCancelled
}

func inactive(id uuid.UUID) error { return fmt.Errorf("payout %s: %w", id, ErrAffiliateInactive) }

// write changes locked payouts, and their lines with them.
func (s *Payouts) write(ctx context.Context, tx pg.DB, c change, ids []uuid.UUID) error {
	var b pgx.Batch
	b.Queue(updatePayouts, ids, string(c.to), s.instant(), c.externalID, c.reason)
	switch c.to {
	case PayoutPaid:
		b.Queue(lockPayoutLines, ids)
		b.Queue(payLines, ids)
	case PayoutFailed, PayoutCancelled:
		b.Queue(lockPayoutLines, ids)
		b.Queue(freeLines, ids)
	case PayoutCreated, PayoutApproved, PayoutSent:
	}
	return pg.Send(ctx, tx, &b)
}
