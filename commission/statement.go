package commission

import (
	"context"
	"encoding/json"
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

// Statement is the closed account of an affiliate for one period and one rule.
// It foots: Opening + Base is rated to Commission (or Base alone is, and the
// Opening added, where the commission is carried), what is above zero of that,
// less advances, is Payable, and what is below is Closing. Amounts are in
// Currency.
type Statement struct {
	ID          uuid.UUID       `db:"id"`
	ClosingID   uuid.UUID       `db:"closing_id"`
	AffiliateID uuid.UUID       `db:"affiliate_id"`
	Plan        string          `db:"plan"`    // its name
	PlanID      uuid.UUID       `db:"plan_id"` // the last version in force, which sets carry, hold, recoup and overrides
	Rule        string          `db:"rule"`
	Split       string          `db:"split"` // the value of the rule's split_by
	Period      Period          `db:"period"`
	Name        string          `db:"name"` // of the period, such as 2025-06
	From        time.Time       `db:"period_start"`
	To          time.Time       `db:"period_end"` // its lines are of this moment
	Carry       Carry           `db:"carry"`      // what Closing is a loss of
	Opening     decimal.Decimal `db:"opening"`    // zero or a loss
	Base        decimal.Decimal `db:"base"`       // without the opening
	Commission  decimal.Decimal `db:"commission"` // as rated, before carry of commission and recoup
	Payable     decimal.Decimal `db:"payable"`    // before caps
	Closing     decimal.Decimal `db:"closing"`    // zero or a loss
	Unrecouped  decimal.Decimal `db:"unrecouped"` // of advances, still to be earned
	Currency    string          `db:"currency"`
	Footing     Footing         `db:"footing"` // how it comes about
	Skipped     json.RawMessage `db:"skipped"` // []Skip: what was promised and not paid
	Seq         int64           `db:"seq"`
	SeenSeq     int64           `db:"seen_seq"`
	ClosedAt    time.Time       `db:"closed_at"`

	// Customers are those whose losses a high-roller policy carries alone. A
	// list leaves them out.
	Customers map[string]decimal.Decimal `db:"-"`
}

// Statements is the closed accounts of a programme. They are written by
// fature.Program.ClosePeriod.
type Statements struct{ db pg.DB }

// NewStatements makes the store of a programme's statements.
func NewStatements(db pg.DB) *Statements { return &Statements{db: db} }

// WithTx returns a store that reads inside tx.
func (s *Statements) WithTx(tx pgx.Tx) *Statements { return &Statements{db: pg.Bind(s.db, tx)} }

// As returns a store for a viewer. An affiliate sees the statements of itself and
// of its downline, as it sees their lines, but neither Customers nor Skipped,
// which names the upline; all else is ErrStatementNotFound, or not in the list.
func (s *Statements) As(v affiliate.Viewer) *Statements { return &Statements{db: pg.As(s.db, v)} }

// shown is a statement as the viewer sees it.
func (s *Statements) shown(one Statement) Statement {
	if pg.Narrow(s.db) {
		one.Skipped = nil
	}
	return one
}

// ErrStatementNotFound is returned for the id of no statement.
var ErrStatementNotFound = fault.New(fault.NotFound, "no such statement")

// Get finds a statement by its id, or ErrStatementNotFound.
func (s *Statements) Get(ctx context.Context, id uuid.UUID) (Statement, error) {
	var found []Statement
	var carries []carryRow
	var b pgx.Batch
	pg.Queue(&b, &found, selectStatement, id)
	if !pg.Narrow(s.db) {
		pg.Queue(&b, &carries, selectStatementCarries, id)
	}
	if err := pg.Send(ctx, s.db, &b); err != nil {
		return Statement{}, fail("get statement", err)
	}
	if len(found) == 0 {
		return Statement{}, fail("get statement", ErrStatementNotFound)
	}
	for _, c := range carries {
		found[0].carry(c)
	}
	return s.shown(found[0]), nil
}

func (s *Statement) carry(c carryRow) {
	if s.Customers == nil {
		s.Customers = map[string]decimal.Decimal{}
	}
	s.Customers[c.CustomerID] = c.Balance
}

// carryRow is a customer whose losses are carried alone.
type carryRow struct {
	StatementID uuid.UUID       `db:"statement_id"`
	CustomerID  string          `db:"customer_id"`
	Balance     decimal.Decimal `db:"balance"`
}

// StatementFilter narrows a list of statements; its zero value does not.
type StatementFilter struct {
	AffiliateID uuid.UUID
	Rule        string
	Name        string // of the period
	After       string // the Next of the page before
	Limit       int    // defaults to 50, at most 1,000
}

// List reads a page of statements, the latest closed first.
func (s *Statements) List(ctx context.Context, f StatementFilter) (page.Page[Statement], error) {
	var c fault.Check
	c.That(f.Rule == "" || validID(f.Rule), "rule", "%.70q is not the id of a rule", f.Rule)
	if f.Name != "" {
		_, err := ParseInterval(f.Name, time.UTC)
		c.That(err == nil, "period", "%.40q is not a period such as 2025-06, 2025-W23 or 2025-06-14", f.Name)
	}
	if err := c.Done(); err != nil {
		return page.Page[Statement]{}, fail("list statements", err)
	}
	id := func(s Statement) uuid.UUID { return s.ID }
	list, err := page.Read(f.After, f.Limit, id, func(from uuid.UUID, rows int) ([]Statement, error) {
		return pg.All[Statement](ctx, s.db, listStatements, from, rows, f.AffiliateID, f.Rule, f.Name)
	})
	for i := range list.Items {
		list.Items[i] = s.shown(list.Items[i])
	}
	return list, fail("list statements", err)
}

// All walks every statement that the filter leaves, page by page.
func (s *Statements) All(ctx context.Context, f StatementFilter) iter.Seq2[Statement, error] {
	return page.All(func(after string) (page.Page[Statement], error) {
		f.After = after
		return s.List(ctx, f)
	})
}

// Lines are what a statement pays, its affiliate's own first.
func (s *Statements) Lines(ctx context.Context, id uuid.UUID) ([]Commission, error) {
	lines, err := pg.All[Commission](ctx, s.db, selectStatementLines, id)
	shownAll(s.db, lines)
	return lines, fail("lines of a statement", err)
}

// statementColumns are the columns of a new statement, in the order of values.
var statementColumns = []string{
	"id", "closing_id", "affiliate_id", "plan", "plan_id", "rule", "split", "period", "name", "period_start", "period_end",
	"carry", "opening", "base", "commission", "payable", "closing", "unrecouped", "currency", "footing", "skipped",
	"seq", "seen_seq", "closed_at",
}

func (s *Statement) values() []any {
	return []any{
		pg.ID(s.ID), pg.ID(s.ClosingID), pg.ID(s.AffiliateID), s.Plan, pg.ID(s.PlanID), s.Rule, s.Split, string(s.Period), s.Name, s.From, s.To,
		string(s.Carry), pg.Numeric(s.Opening), pg.Numeric(s.Base), pg.Numeric(s.Commission), pg.Numeric(s.Payable), pg.Numeric(s.Closing), pg.Numeric(s.Unrecouped),
		s.Currency, string(s.Footing.AppendJSON(nil)), noteOrNull(string(s.Skipped)), s.Seq, s.SeenSeq, s.ClosedAt,
	}
}

// copyStatements stores statements with the customers that they carry alone.
func copyStatements(ctx context.Context, tx pg.DB, list []Statement) error {
	_, err := tx.CopyFrom(ctx, pg.Table(tx, "statements"), statementColumns,
		pgx.CopyFromSlice(len(list), func(i int) ([]any, error) { return list[i].values(), nil }))
	if err != nil {
		return err
	}
	var carries [][]any
	for i := range list {
		for id, balance := range list[i].Customers {
			carries = append(carries, []any{pg.ID(list[i].ID), id, pg.Numeric(balance)})
		}
	}
	if len(carries) > 0 {
		_, err = tx.CopyFrom(ctx, pg.Table(tx, "statement_carries"), []string{"statement_id", "customer_id", "balance"}, pgx.CopyFromRows(carries))
	}
	return err
}
