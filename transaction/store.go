package transaction

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/internal/access"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/page"
	"github.com/fature/fature/internal/pg"
)

// Status is where a transaction stands.
type Status string

// The states. A pending transaction is stored and not rated yet; a failed one
// could not be rated, and Skipped says why; a reversed one was taken back whole.
const (
	Pending   Status = "pending"
	Processed Status = "processed"
	Reversed  Status = "reversed"
	Failed    Status = "failed"
)

// Valid tells whether s is one of the states.
func (s Status) Valid() bool {
	switch s {
	case Pending, Processed, Reversed, Failed:
		return true
	}
	return false
}

// Transaction is a recorded event.
type Transaction struct {
	ID          uuid.UUID       `db:"id"`
	AffiliateID uuid.UUID       `db:"affiliate_id"`
	CustomerID  string          `db:"customer_id"` // empty where the event named none
	Type        Type            `db:"type"`
	Amount      decimal.Decimal `db:"amount"`
	Volume      decimal.Decimal `db:"volume"` // what it adds to the volume totals
	Currency    string          `db:"currency"`
	Status      Status          `db:"status"`
	ReversesID  *uuid.UUID      `db:"reverses_id"`
	ReversesAt  *time.Time      `db:"reverses_at"`
	PlanID      *uuid.UUID      `db:"plan_id"` // in force when it happened; a reversal is rated by that of what it takes back
	SourceTable string          `db:"source_table"`
	OriginalID  string          `db:"original_id"`
	Metadata    map[string]any  `db:"metadata"`
	Skipped     json.RawMessage `db:"skipped"`    // a JSON list of commission.Skip, or null
	CreatedAt   time.Time       `db:"created_at"` // when it happened
	RecordedAt  time.Time       `db:"recorded_at"`
	RatedAt     *time.Time      `db:"rated_at"`
	RatedSeq    *int64          `db:"rated_seq"` // its place in the order of rating
	SeenSeq     *int64          `db:"seen_seq"`  // what the rating saw of the tree, for hierarchy.Past
}

// Event is the event that the transaction records, as it resolved.
func (t Transaction) Event() Event {
	e := Event{
		AffiliateID: t.AffiliateID, CustomerID: t.CustomerID,
		Type: t.Type, Amount: t.Amount, Currency: t.Currency, At: t.CreatedAt,
		SourceTable: t.SourceTable, OriginalID: t.OriginalID, Metadata: t.Metadata,
	}
	if t.ReversesID != nil {
		e.Reverses = *t.ReversesID
	}
	return e
}

// Store is the transactions of a programme. They are written by
// fature.Program.Record and Process.
type Store struct{ db pg.DB }

// New makes the store of a programme's transactions.
func New(db pg.DB) *Store { return &Store{db: db} }

// WithTx returns a store that reads inside tx.
func (s *Store) WithTx(tx pgx.Tx) *Store { return &Store{db: pg.Bind(s.db, tx)} }

// As returns a store for a viewer. An affiliate sees the transactions of itself
// and of its downline, without Skipped, which names the upline; all else is
// ErrNotFound, or not in the list.
func (s *Store) As(v access.Viewer) *Store { return &Store{db: pg.As(s.db, v)} }

// shown is a transaction as the viewer sees it.
func (s *Store) shown(t Transaction) Transaction {
	if pg.Narrow(s.db) {
		t.Skipped = nil
	}
	return t
}

// Get finds a transaction by its id, or ErrNotFound. It probes every month.
func (s *Store) Get(ctx context.Context, id uuid.UUID) (Transaction, error) {
	t, err := pg.One[Transaction](ctx, s.db, selectTransaction, id)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNotFound
	}
	return s.shown(t), fail("get", err)
}

// Filter narrows a list of transactions; its zero value does not.
type Filter struct {
	AffiliateID uuid.UUID
	CustomerID  string
	Type        Type
	Status      Status
	From, To    time.Time // when it happened: from From on, before To
	After       string    // the Next of the page before
	Limit       int       // defaults to 50, at most 1,000
}

// List reads a page of transactions, the latest to happen first.
func (s *Store) List(ctx context.Context, f Filter) (page.Page[Transaction], error) {
	var c fault.Check
	c.That(f.Type == "" || f.Type.Valid(), "type", "%.40q is not a type of event", string(f.Type))
	c.That(f.Status == "" || f.Status.Valid(), "status", "%.40q is not a status", string(f.Status))
	c.Err("customer_id", checkText(f.CustomerID, maxText))
	if err := c.Done(); err != nil {
		return page.Page[Transaction]{}, fail("list", err)
	}
	moment := func(t Transaction) page.Moment { return page.Moment{At: t.CreatedAt, ID: t.ID} }
	list, err := page.Read(f.After, f.Limit, moment, func(from page.Moment, rows int) ([]Transaction, error) {
		return pg.All[Transaction](ctx, s.db, listTransactions, nilTime(from.At), from.ID, rows,
			nilID(f.AffiliateID), nilText(f.CustomerID), nilText(string(f.Type)), nilText(string(f.Status)),
			nilTime(f.From), nilTime(f.To))
	})
	for i := range list.Items {
		list.Items[i] = s.shown(list.Items[i])
	}
	return list, fail("list", err)
}

// All walks every transaction that the filter leaves, page by page.
func (s *Store) All(ctx context.Context, f Filter) iter.Seq2[Transaction, error] {
	return page.All(func(after string) (page.Page[Transaction], error) {
		f.After = after
		return s.List(ctx, f)
	})
}

// Requeue makes failed transactions pending again, for Process to rate: their
// plan is supported by now, or another is assigned. It leaves all others as they
// are, and tells how many it changed. It probes every month.
func (s *Store) Requeue(ctx context.Context, ids ...uuid.UUID) (int64, error) {
	var n int64
	err := pg.InTx(ctx, s.db, func(tx pg.DB) error {
		tag, err := tx.Exec(ctx, updateRequeued, ids)
		n = tag.RowsAffected()
		return err
	})
	return n, fail("requeue", err)
}

func nilID(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}

func nilText(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func nilTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
