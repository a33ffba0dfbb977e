package fature

import (
	"cmp"
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/transaction"
)

// original is a transaction that events of the batch take back. It is locked,
// or of the batch itself.
type original struct {
	commission.Original
	row   *transaction.Transaction
	older bool // it was recorded before this batch
}

func newOriginal(row *transaction.Transaction, lines []commission.Commission, skipped []commission.Skip, older bool) *original {
	return &original{row: row, older: older, Original: commission.Original{
		Event: row.Event(), Whole: row.Status == transaction.Reversed, Lines: lines, Skipped: skipped,
	}}
}

// took notes what an event has taken back.
func (o *original) took(t *transaction.Transaction) {
	if o.Took(t.Amount); o.Whole {
		o.row.Status = transaction.Reversed
	}
}

// original finds what an event takes back: earlier in the call, or recorded.
// What was not recorded cannot be taken back: the host reports the sale first.
func (f *findings) original(it *item) error {
	field, place := "reverses", f.places[it.event.Reverses]
	if it.event.Reverses == uuid.Nil {
		claim := f.claims[it.event.ReversesKey]
		if it.takes != nil && it.takes.repeats != nil {
			claim = *it.takes.repeats
		}
		field, place = "reverses_key", transaction.Place{ID: claim.TransactionID, At: claim.CreatedAt}
	}
	switch {
	case place.ID != uuid.Nil:
		it.original = place
	case it.takes == nil:
		return fault.Field(field, "is not recorded")
	case !it.takes.stored():
		return fault.Field(field, "is not recorded: the event of this call was refused, or is nobody's")
	}
	return nil
}

// readOriginals locks what the events take back and was recorded before, and
// reads how it was rated and what is left of it.
func (r *recording) readOriginals(ctx context.Context, tx *pg.Tx, s *standing) error {
	var ids []uuid.UUID
	var at []time.Time
	for _, it := range r.items {
		if it.stored() && it.original.ID != uuid.Nil {
			ids, at = append(ids, it.original.ID), append(at, it.original.At)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	if err := s.readOriginals(ctx, tx.DB, ids, at); err != nil {
		return err
	}
	failed := false
	for i, it := range r.items {
		if o := s.originals[it.original.ID]; o != nil && it.stored() {
			if err := it.takeBack(o); err != nil {
				r.refuse(i, err)
				failed = true
			}
		}
	}
	if err := r.refused(); err != nil || !failed {
		return err
	}
	return errAgain
}

func (s *standing) readOriginals(ctx context.Context, tx pg.DB, ids []uuid.UUID, at []time.Time) error {
	var found stored
	var refunded []transaction.Refunded
	var earners []commission.Member
	var b pgx.Batch
	transaction.QueueOriginals(&b, &found.rows, &refunded, ids, at)
	commission.QueueLines(&b, &found.lines, ids, at)
	attributed := map[uuid.UUID]time.Time{}
	affiliate.QueueAttributedThen(&b, attributed, ids, at)
	commission.QueueAssignmentsOf(&b, s.assignments, ids, at)
	commission.QueueEarners(&b, &earners, ids, at)
	if err := pg.Send(ctx, tx, &b); err != nil {
		return err
	}
	for _, m := range earners {
		if len(s.uplines[m.ID]) == 0 {
			s.uplines[m.ID] = []commission.Member{m} // no more is asked where lines are only reversed
		}
	}
	known, err := found.results()
	if err != nil {
		return err
	}
	for _, k := range known {
		o := newOriginal(&k.Transaction, k.Lines, k.Skipped, true)
		o.AttributedAt = attributed[k.Transaction.ID]
		s.originals[k.Transaction.ID] = o
	}
	for _, part := range refunded {
		s.originals[part.ID].Refunded = part.Amount
	}
	return nil
}

// link makes an event what takes back an earlier one of the batch, which is
// rated by now.
func (s *standing) link(it *item) error {
	first := it.takes
	if it.original.ID != uuid.Nil {
		return nil // an earlier call had recorded it
	}
	o := s.originals[first.row.ID]
	if o == nil {
		o = newOriginal(&first.row, first.lines, first.skipped, false)
		o.AttributedAt = s.attributed[first.row.CustomerID]
		s.originals[first.row.ID] = o
	}
	return it.takeBack(o)
}

// takeBack makes the event's row one that takes another back: of its affiliate
// and customer, unless the event says otherwise, which rating then refuses.
func (it *item) takeBack(o *original) error {
	if o.row.Status == transaction.Pending || o.row.Status == transaction.Failed {
		return fault.Field("reverses", "is %s: what is not rated cannot be taken back", o.row.Status)
	}
	row := &it.row
	row.ReversesID, row.ReversesAt = &o.row.ID, &o.row.CreatedAt
	if row.AffiliateID = it.event.AffiliateID; row.AffiliateID == uuid.Nil {
		row.AffiliateID = o.row.AffiliateID
	}
	row.CustomerID = cmp.Or(row.CustomerID, o.row.CustomerID)
	row.Volume = o.row.Type.Volume(row.Amount).Neg()
	return nil
}

// reversed are the older transactions that are now taken back whole.
func (s *standing) reversed() []*original {
	var all []*original
	for _, o := range s.originals {
		if o.older && o.Whole {
			all = append(all, o)
		}
	}
	return all
}
