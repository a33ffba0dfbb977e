package commission

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/page"
	"github.com/fature/fature/internal/pg"
)

// PayoutStatus is where a payout stands.
type PayoutStatus string

// The states: created, approved, sent and paid in this order. An approved or
// sent one can fail, a created or approved one be cancelled; both free its
// lines for the next run. Paid, failed and cancelled are the end.
const (
	PayoutCreated   PayoutStatus = "created"
	PayoutApproved  PayoutStatus = "approved"
	PayoutSent      PayoutStatus = "sent"
	PayoutPaid      PayoutStatus = "paid"
	PayoutFailed    PayoutStatus = "failed"
	PayoutCancelled PayoutStatus = "cancelled"
)

// Valid tells whether s is one of the states.
func (s PayoutStatus) Valid() bool {
	switch s {
	case PayoutCreated, PayoutApproved, PayoutSent, PayoutPaid, PayoutFailed, PayoutCancelled:
		return true
	}
	return false
}

// from are the states that a payout becomes this one from.
func (s PayoutStatus) from() []PayoutStatus {
	switch s {
	case PayoutApproved:
		return []PayoutStatus{PayoutCreated}
	case PayoutSent:
		return []PayoutStatus{PayoutApproved}
	case PayoutPaid:
		return []PayoutStatus{PayoutSent}
	case PayoutFailed:
		return []PayoutStatus{PayoutApproved, PayoutSent}
	case PayoutCancelled:
		return []PayoutStatus{PayoutCreated, PayoutApproved}
	case PayoutCreated:
	}
	return nil
}

// Payout is what a run made of the available lines of one affiliate. Where the
// money goes is not in it: bank details are the host's to keep.
type Payout struct {
	ID          uuid.UUID       `db:"id"` // also the stable reference of its transfer
	AffiliateID uuid.UUID       `db:"affiliate_id"`
	RunID       uuid.UUID       `db:"run_id"`
	Amount      decimal.Decimal `db:"amount"` // above zero: the sum of its lines
	Currency    string          `db:"currency"`
	Lines       int64           `db:"lines"` // how many it was made of
	Status      PayoutStatus    `db:"status"`
	ExternalID  string          `db:"external_id"` // what the adapter answered
	Reason      string          `db:"reason"`      // why it failed or was cancelled
	CreatedAt   time.Time       `db:"created_at"`
	ApprovedAt  *time.Time      `db:"approved_at"`
	SentAt      *time.Time      `db:"sent_at"`
	PaidAt      *time.Time      `db:"paid_at"`
	EndedAt     *time.Time      `db:"ended_at"` // when it failed or was cancelled
}

// Payouts are those of a programme.
type Payouts struct {
	db  pg.DB
	now func() time.Time
}

// NewPayouts makes the store of a programme's payouts. now is its clock.
func NewPayouts(db pg.DB, now func() time.Time) *Payouts { return &Payouts{db, now} }

// WithTx returns a store that works inside tx.
func (s *Payouts) WithTx(tx pgx.Tx) *Payouts { return &Payouts{pg.Bind(s.db, tx), s.now} }

// As returns a store for a viewer. An affiliate sees its own payouts alone: what
// another is paid is nobody's business, not even that of its upline.
func (s *Payouts) As(v affiliate.Viewer) *Payouts { return &Payouts{pg.As(s.db, v), s.now} }

// instant is now as it is stored.
func (s *Payouts) instant() time.Time { return s.now().UTC().Truncate(time.Microsecond) }

// Get finds a payout by its id, or ErrPayoutNotFound.
func (s *Payouts) Get(ctx context.Context, id uuid.UUID) (Payout, error) {
	p, err := pg.One[Payout](ctx, s.db, selectPayout, id)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrPayoutNotFound
	}
	return p, fail("get payout", err)
}

// PayoutFilter narrows a list of payouts; its zero value does not.
type PayoutFilter struct {
	AffiliateID uuid.UUID
	RunID       uuid.UUID
	Status      PayoutStatus
	After       string // the Next of the page before
	Limit       int    // defaults to 50, at most 1,000
}

// List reads a page of payouts, the newest first. An affiliate as viewer that
// asks for another's gets affiliate.ErrNotFound, whether or not there is one.
func (s *Payouts) List(ctx context.Context, f PayoutFilter) (page.Page[Payout], error) {
	if f.Status != "" && !f.Status.Valid() {
		return page.Page[Payout]{}, fail("list payouts", fault.Field("status", "%.40q is not a status", string(f.Status)))
	}
	if pg.Narrow(s.db) && f.AffiliateID != uuid.Nil && f.AffiliateID != pg.Viewer(s.db).AffiliateID {
		return page.Page[Payout]{}, fail("list payouts", affiliate.ErrNotFound)
	}
	id := func(p Payout) uuid.UUID { return p.ID }
	list, err := page.Read(f.After, f.Limit, id, func(from uuid.UUID, rows int) ([]Payout, error) {
		return pg.All[Payout](ctx, s.db, listPayouts, from, rows, f.AffiliateID, f.RunID, string(f.Status))
	})
	return list, fail("list payouts", err)
}

// All walks every payout that the filter leaves, page by page.
func (s *Payouts) All(ctx context.Context, f PayoutFilter) iter.Seq2[Payout, error] {
	return page.All(func(after string) (page.Page[Payout], error) {
		f.After = after
		return s.List(ctx, f)
	})
}
