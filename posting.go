package fature

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/commission"
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
	p.totals.queue(b)
	return nil
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

// deltas are what a batch adds to the totals of affiliates. They are appended,
// and folded later: updating the rows of uplines would make every recording
// wait for every other.
type deltas map[uuid.UUID]delta

type delta struct{ volume, commissions decimal.Decimal }

func (d deltas) add(t transaction.Transaction, lines []commission.Commission) {
	if t.Status == transaction.Pending || t.Status == transaction.Failed {
		return
	}
	if !t.Volume.IsZero() {
		own := d[t.AffiliateID]
		own.volume = own.volume.Add(t.Volume)
		d[t.AffiliateID] = own
	}
	for _, l := range lines {
		d.earn(l.AffiliateID, l.FinalAmount)
	}
}

func (d deltas) earn(id uuid.UUID, amount decimal.Decimal) {
	earned := d[id]
	earned.commissions = earned.commissions.Add(amount)
	d[id] = earned
}

// tell notes whose balance changes.
func (d deltas) tell(tx pg.DB) {
	for id, d := range d {
		if !d.commissions.IsZero() {
			pg.Changed(tx, commission.BalanceChanged, id)
		}
	}
}

// ids are in order, so that the same batch is always written the same way.
func (d deltas) ids() []uuid.UUID {
	return slices.SortedFunc(maps.Keys(d), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
}

func (d deltas) queue(b *pgx.Batch) {
	if len(d) == 0 {
		return
	}
	ids := d.ids()
	volumes, commissions := make([]pgtype.Numeric, len(ids)), make([]pgtype.Numeric, len(ids))
	for i, id := range ids {
		volumes[i], commissions[i] = pg.Numeric(d[id].volume), pg.Numeric(d[id].commissions)
	}
	b.Queue(insertDeltas, ids, volumes, commissions)
}

func (d deltas) copy(ctx context.Context, tx pg.DB) error {
	ids := d.ids()
	_, err := tx.CopyFrom(ctx, pg.Table(tx, "affiliate_deltas"), []string{"affiliate_id", "volume", "commissions"},
		pgx.CopyFromSlice(len(ids), func(i int) ([]any, error) {
			return []any{pg.ID(ids[i]), pg.Numeric(d[ids[i]].volume), pg.Numeric(d[ids[i]].commissions)}, nil
		}))
	return err
}
