package fature

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/transaction"
)

// standing is what rating reads of a batch: one place for live events and for
// pending ones that are processed later.
type standing struct {
	rows        []*transaction.Transaction // to be rated, in order
	lines       hierarchy.Uplines
	uplines     map[uuid.UUID][]commission.Member
	assignments commission.Assignments
	attributed  map[string]time.Time
	people      []affiliate.Person // of those affiliates that a customer may be
	selves      map[uuid.UUID]bool // transactions whose customer is their affiliate
	originals   map[uuid.UUID]*original
	plans       map[uuid.UUID]*commission.Plan
	refused     map[uuid.UUID]error // plans that this program cannot rate by
	facts       commission.Facts    // counters as they are after the events rated so far
	changed     commission.Facts    // those to be written
	seqs        []int64
	locked      bool // the customers
}

// queue reads the uplines and plans of the affiliates, since when there are the
// customers, and who the affiliates are that are asked for; and draws the places
// in the order of rating, which transaction.QueueRating comes before.
func (s *standing) queue(b *pgx.Batch, asked []uuid.UUID) {
	s.assignments, s.attributed, s.facts, s.changed = commission.Assignments{}, map[string]time.Time{}, commission.Facts{}, commission.Facts{}
	var ids []uuid.UUID
	for _, t := range s.rows {
		if t.AffiliateID != uuid.Nil {
			ids = append(ids, t.AffiliateID)
		}
	}
	if len(s.rows) > 0 {
		hierarchy.QueueUplines(b, &s.lines, ids)
	}
	if len(ids) > 0 {
		commission.QueueAssignments(b, s.assignments, ids)
	}
	if customers := s.customers(); len(customers) > 0 {
		affiliate.QueueAttributed(b, s.attributed, customers)
	}
	if len(asked) > 0 {
		affiliate.QueuePeople(b, &s.people, asked)
	}
	if len(s.rows) > 0 {
		transaction.QueueSeqs(b, &s.seqs, len(s.rows))
	}
}

func (s *standing) customers() []string {
	var ids []string
	for _, t := range s.rows {
		if t.CustomerID != "" {
			ids = append(ids, t.CustomerID)
		}
	}
	return ids
}

// lock keeps the customers from being attributed to others meanwhile.
func (s *standing) lock(b *pgx.Batch) {
	s.locked = true
	if customers := s.customers(); len(customers) > 0 {
		affiliate.QueueLock(b, customers)
	}
}

// lockLate is lock where a plan turns out to need it, and reads what may have
// changed until then. That happens once for each process: afterwards it knows.
func (s *standing) lockLate(ctx context.Context, tx pg.DB) error {
	asks := false
	for _, p := range s.plans {
		asks = asks || p.AsksAttribution()
	}
	if !asks || s.locked {
		return nil
	}
	var b pgx.Batch
	s.lock(&b)
	affiliate.QueueAttributed(&b, s.attributed, s.customers())
	return pg.Send(ctx, tx, &b)
}

// index gives each affiliate its upline, itself first.
func (s *standing) index() {
	s.uplines = make(map[uuid.UUID][]commission.Member, len(s.rows))
	for _, t := range s.rows {
		if _, done := s.uplines[t.AffiliateID]; !done {
			s.uplines[t.AffiliateID] = commission.Members(&s.lines, t.AffiliateID)
		}
	}
}

// recall reads the plans that apply, and locks and reads the counters that they
// need. The order of rating is drawn again after that, so that for every counter
// it is the order of its changes.
func (s *standing) recall(ctx context.Context, tx pg.DB, from *commission.Plans) error {
	if err := s.readPlans(ctx, from); err != nil {
		return err
	}
	if err := s.lockLate(ctx, tx); err != nil {
		return err
	}
	var needs []commission.Need
	for _, t := range s.rows {
		needs = append(needs, commission.Needs(s.input(t, s.planOf(t)))...)
	}
	if len(needs) == 0 {
		return nil
	}
	var b pgx.Batch
	commission.QueueCounters(&b, s.facts, needs)
	transaction.QueueSeqs(&b, &s.seqs, len(s.rows))
	return pg.Send(ctx, tx, &b)
}

// planOf is the plan that applies: to what takes another back, that which the
// other was rated by.
func (s *standing) planOf(t *transaction.Transaction) uuid.UUID {
	if t.ReversesID != nil {
		if o := s.originals[*t.ReversesID]; o != nil && o.row.PlanID != nil {
			return *o.row.PlanID
		}
		return uuid.Nil
	}
	return s.inForce(t)
}

// inForce is the plan in force for the transaction's affiliate at its time.
func (s *standing) inForce(t *transaction.Transaction) uuid.UUID {
	upline := s.uplines[t.AffiliateID]
	if len(upline) == 0 {
		return uuid.Nil
	}
	return s.assignments.Plan(upline[0], t.CreatedAt)
}

func (s *standing) input(t *transaction.Transaction, plan uuid.UUID) commission.Input {
	in := commission.Input{Plan: s.plans[plan], Event: t.Event(), AttributedAt: s.attributed[t.CustomerID]}
	if t.ReversesID == nil {
		in.Upline = s.uplines[t.AffiliateID]
	} else if o := s.originals[*t.ReversesID]; o != nil {
		o.Plan = in.Plan
		in.Original = &o.Original
	}
	return in
}

// rated marks a transaction as rated and gives its lines.
func (s *standing) rated(t *transaction.Transaction, policy SelfReferral, now time.Time) ([]commission.Commission, []commission.Skip, error) {
	plan := s.planOf(t)
	if err := s.refused[plan]; err != nil {
		return nil, nil, err
	}
	outcome, err := s.rate(t, s.input(t, plan), policy)
	if err != nil {
		return nil, nil, err
	}
	maps.Copy(s.facts, outcome.Counters)
	maps.Copy(s.changed, outcome.Counters)
	if t.ReversesID != nil {
		s.originals[*t.ReversesID].took(t)
	}
	seen := s.lines.Seen
	t.Status, t.RatedAt, t.RatedSeq, t.SeenSeq = transaction.Processed, &now, &s.seqs[0], &seen
	s.seqs = s.seqs[1:]
	if len(outcome.Skipped) > 0 {
		if t.Skipped, err = json.Marshal(outcome.Skipped); err != nil {
			return nil, nil, err
		}
	}
	lines := make([]commission.Commission, len(outcome.Lines))
	for i, l := range outcome.Lines {
		lines[i] = commission.Post(l, t.ID, t.CreatedAt, now)
	}
	return lines, outcome.Skipped, nil
}

// rate rates an event, unless its customer is the affiliate itself and that is
// blocked.
func (s *standing) rate(t *transaction.Transaction, in commission.Input, policy SelfReferral) (commission.Outcome, error) {
	self := s.selves[t.ID]
	if self && policy == BlockSelfReferral {
		return commission.Outcome{Skipped: selfReferred}, nil
	}
	switch {
	case in.Original != nil:
		t.PlanID = s.ownPlan(t, in.Original)
	case in.Plan != nil:
		t.PlanID = &in.Plan.ID
	}
	outcome, err := commission.Rate(in, s.facts)
	if self && policy == HoldSelfReferral {
		for i := range outcome.Lines {
			outcome.Lines[i].AvailableAt = heldForGood
		}
	}
	return outcome, err
}

// ownPlan is the plan of an event that takes another back: that in force at its
// own time, which counts it, and not that of the other, by which it is rated.
// Where the other was blocked neither counts.
func (s *standing) ownPlan(t *transaction.Transaction, of *commission.Original) *uuid.UUID {
	blocked := func(k commission.Skip) bool { return k.Reason == commission.ReasonSelfReferral }
	id := s.inForce(t)
	if id == uuid.Nil || slices.ContainsFunc(of.Skipped, blocked) {
		return nil
	}
	return &id
}

// readPlans reads the plans that apply, most often out of memory, and tells which
// this program refuses: those fail the transactions that they apply to.
func (s *standing) readPlans(ctx context.Context, from *commission.Plans) error {
	var ids []uuid.UUID
	for _, t := range s.rows {
		if id := s.planOf(t); id != uuid.Nil && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	var err error
	s.plans, err = from.GetAll(ctx, ids)
	if !unratable(err) {
		return err
	}
	s.plans, s.refused = map[uuid.UUID]*commission.Plan{}, map[uuid.UUID]error{}
	for _, id := range ids {
		own, err := from.GetAll(ctx, []uuid.UUID{id})
		switch {
		case unratable(err):
			s.refused[id] = fault.In("plan "+id.String(), err)
		case err != nil:
			return err
		}
		maps.Copy(s.plans, own)
	}
	return nil
}
