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
	"github.com/fature/fature/cache"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/page"
	"github.com/fature/fature/internal/pg"
)

// Kind is what a posted line is.
type Kind string

// The kinds. A posted line is never rewritten: a reversal or an adjustment
// corrects it.
const (
	Earning    Kind = "earning"
	Reversal   Kind = "reversal"
	Adjustment Kind = "adjustment"
)

// Status is where a posted line stands.
type Status string

// The states.
const (
	Pending  Status = "pending" // on hold until AvailableAt
	Approved Status = "approved"
	Paid     Status = "paid"
	Void     Status = "void"
)

// Valid tells whether s is one of the states.
func (s Status) Valid() bool {
	switch s {
	case Pending, Approved, Paid, Void:
		return true
	}
	return false
}

// Commission is a posted line. Amounts are in Currency, rounded to its
// decimals.
type Commission struct {
	ID            uuid.UUID       `db:"id"`
	TransactionID *uuid.UUID      `db:"transaction_id"`
	TransactionAt *time.Time      `db:"transaction_at"`
	StatementID   *uuid.UUID      `db:"statement_id"`
	AffiliateID   uuid.UUID       `db:"affiliate_id"`
	Kind          Kind            `db:"kind"`
	PlanID        *uuid.UUID      `db:"plan_id"`
	Rule          string          `db:"rule"`
	Level         int             `db:"level"`
	BaseAmount    decimal.Decimal `db:"base_amount"`
	Rate          decimal.Decimal `db:"rate"`         // the percent as written, or the flat amount
	Amount        decimal.Decimal `db:"amount"`       // before caps
	FinalAmount   decimal.Decimal `db:"final_amount"` // after caps: what is paid
	Currency      string          `db:"currency"`
	Status        Status          `db:"status"`
	AvailableAt   time.Time       `db:"available_at"`
	ReversesID    *uuid.UUID      `db:"reverses_id"`
	ReversesAt    *time.Time      `db:"reverses_at"`
	PayoutID      *uuid.UUID      `db:"payout_id"`
	Note          string          `db:"note"` // why it was adjusted or voided by hand
	Calculation   Calculation     `db:"calculation"`
	CreatedAt     time.Time       `db:"created_at"` // its transaction's
	RecordedAt    time.Time       `db:"recorded_at"`
}

// Post makes the posted line of what a transaction earns, or takes back:
// pending until its hold is over, and approved at once where it is by now. at
// is the transaction's time.
func Post(l Line, transactionID uuid.UUID, at, now time.Time) Commission {
	c := Commission{
		ID: pg.NewID(), TransactionID: &transactionID, TransactionAt: &at, AffiliateID: l.AffiliateID,
		Kind: Earning, PlanID: &l.Calculation.PlanID, Rule: l.Rule, Level: l.Level,
		BaseAmount: l.Base, Rate: l.Rate, Amount: l.Amount, FinalAmount: l.Final, Currency: l.Calculation.Currency,
		Status: held(l.AvailableAt, now), AvailableAt: l.AvailableAt, Calculation: l.Calculation, CreatedAt: at, RecordedAt: now,
	}
	if l.ReversesID != uuid.Nil {
		c.Kind, c.ReversesID, c.ReversesAt = Reversal, &l.ReversesID, &l.ReversesAt
	}
	return c
}

// PostStatement makes the posted line of what a statement earns, of the moment
// in which its period ends.
func PostStatement(l Line, s *Statement) Commission {
	c := Post(l, uuid.Nil, s.To, s.ClosedAt)
	c.TransactionID, c.TransactionAt, c.StatementID = nil, nil, &s.ID
	return c
}

// held is how a line begins that is available from a time on, inclusive.
func held(until, now time.Time) Status {
	if until.After(now) {
		return Pending
	}
	return Approved
}

// Store is the posted lines of a programme. They are written by
// fature.Program.Record.
type Store struct {
	db       pg.DB
	balances *cache.View[uuid.UUID, Balance]
}

// New makes the store of a programme's lines, which keeps balances in a Space.
func New(db pg.DB, s *cache.Space) *Store {
	store := &Store{db: db}
	store.balances = cache.Aside(s, cache.Config[uuid.UUID, Balance]{
		Name: "balance", Version: 1, Load: store.Balance, LoadMany: store.balancesOf, Absent: affiliate.ErrNotFound,
	})
	return store
}

// WithTx returns a store that reads inside tx, past the cache.
func (s *Store) WithTx(tx pgx.Tx) *Store { return New(pg.Bind(s.db, tx), cache.Off(cache.Commissions)) }

// Get finds a line by its id, or ErrNotFound. It probes every month.
func (s *Store) Get(ctx context.Context, id uuid.UUID) (Commission, error) {
	c, err := pg.One[Commission](ctx, s.db, selectCommission, id)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNotFound
	}
	return c, fail("get", err)
}

// Filter narrows a list of lines; its zero value does not.
type Filter struct {
	AffiliateID   uuid.UUID
	TransactionID uuid.UUID
	Status        Status
	Rule          string
	From, To      time.Time // of the transaction: from From on, before To
	After         string    // the Next of the page before
	Limit         int       // defaults to 50, at most 1,000
}

// List reads a page of lines, those of the latest transactions first.
func (s *Store) List(ctx context.Context, f Filter) (page.Page[Commission], error) {
	var c fault.Check
	c.That(f.Status == "" || f.Status.Valid(), "status", "%.40q is not a status", string(f.Status))
	c.That(f.Rule == "" || validID(f.Rule), "rule", "%.70q is not the id of a rule", f.Rule)
	if err := c.Done(); err != nil {
		return page.Page[Commission]{}, fail("list", err)
	}
	moment := func(c Commission) page.Moment { return page.Moment{At: c.CreatedAt, ID: c.ID} }
	list, err := page.Read(f.After, f.Limit, moment, func(from page.Moment, rows int) ([]Commission, error) {
		return pg.All[Commission](ctx, s.db, listCommissions, from.At, from.ID, rows,
			f.AffiliateID, f.TransactionID, string(f.Status), f.Rule, f.From, f.To)
	})
	return list, fail("list", err)
}

// All walks every line that the filter leaves, page by page.
func (s *Store) All(ctx context.Context, f Filter) iter.Seq2[Commission, error] {
	return page.All(func(after string) (page.Page[Commission], error) {
		f.After = after
		return s.List(ctx, f)
	})
}

// QueueLines reads the lines of transactions by id and time, in the order of
// rules and levels as posted.
func QueueLines(b *pgx.Batch, into *[]Commission, transactions []uuid.UUID, at []time.Time) {
	pg.Queue(b, into, selectLines, transactions, at)
}

// insertColumns are the columns of a new line, in the order of values.
var insertColumns = []string{
	"id", "transaction_id", "transaction_at", "statement_id", "affiliate_id", "kind", "plan_id", "rule", "level",
	"base_amount", "rate", "amount", "final_amount", "currency", "status", "available_at",
	"reverses_id", "reverses_at", "note", "calculation", "created_at", "recorded_at",
}

func (c *Commission) values() ([]any, error) {
	return []any{
		pg.ID(c.ID), pg.IDOrNull(c.TransactionID), c.TransactionAt, pg.IDOrNull(c.StatementID), pg.ID(c.AffiliateID), string(c.Kind), pg.IDOrNull(c.PlanID), c.Rule, int32(c.Level), //nolint:gosec // a depth
		pg.Numeric(c.BaseAmount), pg.Numeric(c.Rate), pg.Numeric(c.Amount), pg.Numeric(c.FinalAmount), c.Currency, string(c.Status), c.AvailableAt,
		pg.IDOrNull(c.ReversesID), c.ReversesAt, noteOrNull(c.Note), string(c.Calculation.AppendJSON(nil)), c.CreatedAt, c.RecordedAt,
	}, nil
}

func noteOrNull(note string) *string {
	if note == "" {
		return nil
	}
	return &note
}

// QueueInsert posts a few lines by one statement.
func QueueInsert(b *pgx.Batch, lines []Commission) error {
	columns, err := pg.Columns(len(insertColumns), len(lines), func(i int) ([]any, error) { return lines[i].values() })
	if err != nil {
		return err
	}
	b.Queue(insertCommissions, columns...)
	return nil
}

// Copy posts many lines by COPY.
func Copy(ctx context.Context, tx pg.DB, lines []Commission) error {
	_, err := tx.CopyFrom(ctx, pg.Table(tx, "commissions"), insertColumns,
		pgx.CopyFromSlice(len(lines), func(i int) ([]any, error) { return lines[i].values() }))
	return err
}
