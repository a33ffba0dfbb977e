package fature

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/partition"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/transaction"
)

// posting is what a batch writes.
type posting struct {
	rows     []transaction.Transaction // new ones
	lines    []commission.Commission
	totals   deltas
	counters commission.Facts
	reversed []*original // older ones that are now taken back whole
}

// add posts the lines of a transaction, and what it adds to the totals.
func (p *posting) add(t transaction.Transaction, lines []commission.Commission) {
	p.lines = append(p.lines, lines...)
	p.totals.add(t, lines)
}

// write queues a few rows and copies many.
func (p *posting) write(ctx context.Context, tx pg.DB, b *pgx.Batch) error {
	if len(p.counters) > 0 {
		commission.QueueRemember(b, p.counters)
	}
	if len(p.reversed) > 0 {
		ids, at := make([]uuid.UUID, len(p.reversed)), make([]time.Time, len(p.reversed))
		for i, o := range p.reversed {
			ids[i], at[i] = o.row.ID, o.row.CreatedAt
		}
		transaction.QueueReversed(b, ids, at)
	}
	p.totals.tell(tx)
	if len(p.rows)+len(p.lines)+len(p.totals) > fewRows {
		return p.copy(ctx, tx)
	}
	if len(p.rows) > 0 {
		if err := transaction.QueueInsert(b, p.rows); err != nil {
			return err
		}
	}
	if len(p.lines) > 0 {
		if err := commission.QueueInsert(b, p.lines); err != nil {
			return err
		}
	}
	return p.totals.queue(b)
}

func (p *posting) copy(ctx context.Context, tx pg.DB) error {
	if err := transaction.Copy(ctx, tx, p.rows); err != nil {
		return err
	}
	if err := commission.Copy(ctx, tx, p.lines); err != nil {
		return err
	}
	return p.totals.copy(ctx, tx)
}

// fewRows is up to how many rows one INSERT with its finish in the same round
// trip beats COPY, which takes two for each table.
const fewRows = 50

// deltas are what a batch adds to the totals and months of affiliates. They are
// appended, and folded later: updating the rows of uplines would make every
// recording wait for every other.
type deltas map[account]delta

// account is what a delta is added to. The own transactions of a customer are
// told apart, since an affiliate's customers are counted each once.
type account struct {
	affiliate uuid.UUID
	month     time.Time // partition.Of what happened
	customer  string    // "" is none
}

type delta struct {
	transactions        int32
	volume, commissions decimal.Decimal
}

func (d deltas) add(t transaction.Transaction, lines []commission.Commission) {
	if t.Status == transaction.Pending || t.Status == transaction.Failed {
		return
	}
	own := account{t.AffiliateID, partition.Of(t.CreatedAt), t.CustomerID}
	sum := d[own]
	sum.transactions++
	sum.volume = sum.volume.Add(t.Volume)
	d[own] = sum
	for _, l := range lines {
		if l.AffiliateID == t.AffiliateID { // a row that there is already
			d.pay(own, l.FinalAmount)
		} else {
			d.earn(l)
		}
	}
}

// earn adds what a line pays, lose takes it back.
func (d deltas) earn(l commission.Commission) { d.pay(paid(l), l.FinalAmount) }
func (d deltas) lose(l commission.Commission) { d.pay(paid(l), l.FinalAmount.Neg()) }

func (d deltas) pay(to account, amount decimal.Decimal) {
	sum := d[to]
	sum.commissions = sum.commissions.Add(amount)
	d[to] = sum
}

// paid is the account of a line, whose month is its transaction's.
func paid(l commission.Commission) account {
	return account{affiliate: l.AffiliateID, month: partition.Of(l.CreatedAt)}
}

// tell notes whose balance changes.
func (d deltas) tell(tx pg.DB) {
	told := make(map[uuid.UUID]bool, len(d))
	for to, sum := range d {
		if !sum.commissions.IsZero() && !told[to.affiliate] {
			told[to.affiliate] = true
			pg.Changed(tx, commission.BalanceChanged, to.affiliate)
		}
	}
}

// accounts are in order, so that the same batch is always written the same way.
func (d deltas) accounts() []account {
	return slices.SortedFunc(maps.Keys(d), func(a, b account) int {
		return cmp.Or(bytes.Compare(a.affiliate[:], b.affiliate[:]), a.month.Compare(b.month), cmp.Compare(a.customer, b.customer))
	})
}

var deltaColumns = []string{"affiliate_id", "month", "transactions", "volume", "commissions", "customer_id"}

func (d deltas) row(a account) []any {
	own := d[a]
	return []any{
		pg.ID(a.affiliate), pgtype.Date{Time: a.month, Valid: true}, own.transactions,
		pg.Numeric(own.volume), pg.Numeric(own.commissions), pgtype.Text{String: a.customer, Valid: a.customer != ""},
	}
}

func (d deltas) queue(b *pgx.Batch) error {
	if len(d) == 0 {
		return nil
	}
	accounts := d.accounts()
	columns, err := pg.Columns(len(deltaColumns), len(accounts), func(i int) ([]any, error) { return d.row(accounts[i]), nil })
	if err == nil {
		b.Queue(insertDeltas, columns...)
	}
	return err
}

func (d deltas) send(ctx context.Context, tx pg.DB) error {
	d.tell(tx)
	var b pgx.Batch
	if err := d.queue(&b); err != nil {
		return err
	}
	return pg.Send(ctx, tx, &b)
}

func (d deltas) copy(ctx context.Context, tx pg.DB) error {
	accounts := d.accounts()
	_, err := tx.CopyFrom(ctx, pg.Table(tx, "affiliate_deltas"), deltaColumns,
		pgx.CopyFromSlice(len(accounts), func(i int) ([]any, error) { return d.row(accounts[i]), nil }))
	return err
}
