package fature

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/transaction"
)

// claims are what a pass takes and asks for.
type claims struct {
	new, repeated []transaction.Claim
	asked         []uuid.UUID // affiliates that may be the customer
}

// rows makes the rows of the events that are to be stored.
func (r *recording) rows(s *standing) (c claims) {
	now := r.p.instant()
	for _, it := range r.items {
		if it.repeats != nil {
			c.repeated = append(c.repeated, *it.repeats)
		}
		if !it.stored() {
			continue
		}
		it.row = newRow(it, now)
		if it.mayBeSelf(r.p.self) {
			c.asked = append(c.asked, it.earner)
		}
		if !it.event.Pending {
			s.rows = append(s.rows, &it.row)
		}
		if it.event.Keyed() {
			c.new = append(c.new, transaction.Claim{
				SourceTable: it.event.SourceTable, OriginalID: it.event.OriginalID,
				TransactionID: it.row.ID, CreatedAt: it.row.CreatedAt, Digest: it.digest,
			})
		}
	}
	return c
}

// claim takes the keys of the new events, and reads what their rating needs
// and what the repeated ones are.
func (r *recording) claim(ctx context.Context, tx *pg.Tx, attributions []attribution) (*standing, error) {
	s := &standing{originals: map[uuid.UUID]*original{}}
	c := r.rows(s)
	var taken int64
	var before stored
	var b pgx.Batch
	if len(c.new) > 0 {
		transaction.QueueClaim(&b, &taken, c.new)
	}
	if r.p.Plans.AskAttribution() {
		s.lock(&b)
	}
	if len(s.rows)+len(attributions) > 0 {
		transaction.QueueRating(&b) // an owner has a place in the order of rating too
	}
	owners := queueAttributions(&b, attributions)
	s.queue(&b, c.asked)
	before.queue(&b, c.repeated)
	if err := pg.Send(ctx, tx.DB, &b); err != nil {
		return nil, err
	}
	if int(taken) < len(c.new) {
		return nil, errAgain
	}
	for i, a := range attributions {
		// Another transaction may have brought the customer meanwhile.
		owner := (*owners)[i].AffiliateID
		a.by.ownerDiffers = owner != nil && *owner != a.by.earner
	}
	s.index()
	if err := r.findSelves(s); err != nil {
		return nil, err
	}
	return s, r.repeat(before)
}

func queueAttributions(b *pgx.Batch, attributions []attribution) *[]affiliate.Owner {
	owners := new([]affiliate.Owner)
	if len(attributions) == 0 {
		return owners
	}
	list := make([]affiliate.Attribution, len(attributions))
	for i, a := range attributions {
		list[i] = a.Attribution
	}
	affiliate.QueueAttributions(b, owners, list)
	return owners
}

func newRow(it *item, now time.Time) transaction.Transaction {
	e := it.event
	return transaction.Transaction{
		ID: pg.NewID(), AffiliateID: it.earner, CustomerID: e.CustomerID,
		Type: e.Type, Amount: e.Amount, Volume: e.Type.Volume(e.Amount), Currency: e.Currency, Status: transaction.Pending,
		SourceTable: e.SourceTable, OriginalID: e.OriginalID, Metadata: e.Metadata, CreatedAt: e.At, RecordedAt: now,
	}
}

// stored is what was recorded earlier.
type stored struct {
	rows  []transaction.Transaction
	lines []commission.Commission
}

func (s *stored) queue(b *pgx.Batch, claims []transaction.Claim) {
	if len(claims) == 0 {
		return
	}
	ids, at := make([]uuid.UUID, len(claims)), make([]time.Time, len(claims))
	for i, c := range claims {
		ids[i], at[i] = c.TransactionID, c.CreatedAt
	}
	transaction.QueueStored(b, &s.rows, ids, at)
	commission.QueueLines(b, &s.lines, ids, at)
}

// results are the stored transactions, by id.
func (s *stored) results() (map[uuid.UUID]Recorded, error) {
	all := make(map[uuid.UUID]Recorded, len(s.rows))
	for _, t := range s.rows {
		known := Recorded{Transaction: t, Duplicate: true}
		if len(t.Skipped) > 0 {
			if err := json.Unmarshal(t.Skipped, &known.Skipped); err != nil {
				return nil, err
			}
		}
		all[t.ID] = known
	}
	for _, l := range s.lines {
		known := all[*l.TransactionID]
		known.Lines = append(known.Lines, l)
		all[*l.TransactionID] = known
	}
	return all, nil
}

// repeat gives repetitions their first results, and refuses those whose
// content differs.
func (r *recording) repeat(before stored) error {
	known, err := before.results()
	if err != nil {
		return err
	}
	for i, it := range r.items {
		if it.repeats == nil {
			continue
		}
		first := known[it.repeats.TransactionID]
		if !bytes.Equal(it.repeats.Digest, it.digest) {
			r.refuse(i, it.conflict(first.Transaction, it.repeats.Digest))
			continue
		}
		it.row, it.lines, it.skipped = first.Transaction, first.Lines, first.Skipped
	}
	return r.refused()
}

func (r *recording) rate(ctx context.Context, tx *pg.Tx, s *standing) error {
	if err := r.readOriginals(ctx, tx, s); err != nil {
		return err
	}
	if err := s.recall(ctx, tx.DB, r.p.Plans.On(tx.DB)); err != nil {
		return err
	}
	failed := false
	for i, it := range r.items {
		if !it.stored() || it.event.Pending {
			continue
		}
		var err error
		if it.takes != nil {
			err = s.link(it)
		}
		if err == nil {
			it.lines, it.skipped, err = s.rated(&it.row, r.p.self, it.row.RecordedAt)
		}
		if err != nil {
			r.refuse(i, err)
			failed = true
		}
	}
	if err := r.refused(); err != nil || !failed {
		return err
	}
	return errAgain
}

func (r *recording) store(ctx context.Context, tx *pg.Tx, s *standing) error {
	post := posting{totals: deltas{}, counters: s.changed, reversed: s.reversed()}
	for _, it := range r.items {
		// What is repeated may be taken back whole by this very call.
		if o := s.originals[it.row.ID]; o != nil && it.repeats != nil {
			it.row.Status = o.row.Status
		}
		if it.stored() {
			post.rows = append(post.rows, it.row)
			post.add(it.row, it.lines)
		}
	}
	var b pgx.Batch
	err := post.write(ctx, tx.DB, &b)
	if err == nil {
		tx.Finish(&b)
		err = tx.Finished(ctx, &b)
	}
	if err != nil {
		return r.noMonth(err, post.rows)
	}
	return nil
}

// noMonth tells a missing partition from other refusals: a month that was
// known may have been dropped since.
func (r *recording) noMonth(err error, rows []transaction.Transaction) error {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != "23514" || refused.ConstraintName != "" || len(rows) == 0 {
		return err
	}
	r.p.months.Forget()
	return errors.Join(&transaction.NoPartitionError{Month: rows[0].CreatedAt}, err)
}
