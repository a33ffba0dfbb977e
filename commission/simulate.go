package commission

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/transaction"
)

// Simulation says what of the past is to be rated again, and under which plan.
type Simulation struct {
	// PlanID is the version that everything is rated by. Without one each
	// transaction is rated by the plan that was in force: what then differs
	// from what was posted is a defect.
	PlanID uuid.UUID
	// From and To bound the transactions and periods that are compared,
	// half-open, by when they happened.
	From, To time.Time
	// Each is told every line, if it is not nil. Its error ends the simulation.
	Each func(SimulatedLine) error
	// Progress is told how many transactions of how many are rated, if it is
	// not nil.
	Progress func(done, total int)
}

// SimulatedLine is a line that the plan would have posted.
type SimulatedLine struct {
	Line
	TransactionID uuid.UUID // zero for a statement's line
	Period        string    // of a statement's line
	CustomerID    string
	At            time.Time // of the transaction, or the end of the period
}

// Simulated is what a simulation comes to. Amounts are after caps, in the
// programme's currency. What was posted counts as it was, void or not;
// adjustments by hand do not count.
type Simulated struct {
	Transactions int // that were compared
	Statements   int
	Old, New     decimal.Decimal
	Breakage     decimal.Decimal
	Affiliates   []Comparison // those with anything on either side, by id
}

// Comparison is what an affiliate got, and would have got.
type Comparison struct {
	AffiliateID uuid.UUID
	Old, New    decimal.Decimal
}

// Difference is what it would have got more.
func (c Comparison) Difference() decimal.Decimal { return c.New.Sub(c.Old) }

// ErrArchived is returned where a month that is asked for was dropped.
var ErrArchived = fault.New(fault.Invalid, "the month was dropped")

// Past tells who stood above an affiliate, itself first, as a past rating saw
// it.
type Past func(affiliateID uuid.UUID, seen int64) []Member

// simulatedRow is a transaction as a simulation reads it.
type simulatedRow struct {
	id, affiliateID uuid.UUID
	customerID      string
	kind            transaction.Type
	amount          decimal.Decimal
	currency        string
	metadata        []byte
	reversesID      *uuid.UUID
	planID          *uuid.UUID
	at              time.Time
	seq, seen       int64
	blocked         bool // as a self-referral
	taken           int  // how many others take it back
}

// Simulate rates the recorded past again, from its beginning on and in the
// order in which it was rated, with the tree and the standing of then, and
// writes nothing. tx is one snapshot.
func (s *Plans) Simulate(ctx context.Context, tx pg.DB, past Past, what Simulation) (Simulated, error) {
	w := simulation{
		Simulation: what, tx: tx, plans: s.On(tx), past: past, facts: Facts{}, kept: map[uuid.UUID]*keptOriginal{},
		attributed: map[uuid.UUID]time.Time{}, balances: map[opened]CarryOver{}, advances: map[opened][]simulatedAdvance{},
		totals: map[uuid.UUID]*Comparison{},
	}
	if err := w.prepare(ctx); err != nil {
		return Simulated{}, fail("simulate", err)
	}
	if err := w.run(ctx); err != nil {
		return Simulated{}, fail("simulate", err)
	}
	return w.result(), nil
}

type simulation struct {
	Simulation
	tx       pg.DB
	plans    *Plans
	past     Past
	plan     *Plan // of the PlanID; nil where each has its own
	closings []simulatedClosing
	total    int

	facts      Facts
	kept       map[uuid.UUID]*keptOriginal // what later transactions take back
	attributed map[uuid.UUID]time.Time     // of the lot's transactions
	balances   map[opened]CarryOver
	advances   map[opened][]simulatedAdvance
	totals     map[uuid.UUID]*Comparison
	out        Simulated
}

// keptOriginal is a transaction that others take back, until they all have.
type keptOriginal struct {
	Original
	left int
}

// simulatedAdvance is a line that a period rule recoups.
type simulatedAdvance struct {
	at    time.Time
	final decimal.Decimal
}

func (w *simulation) prepare(ctx context.Context) error {
	var c fault.Check
	c.That(!w.From.IsZero(), "from", "is missing")
	c.That(w.From.Before(w.To), "to", "is not after from")
	if err := c.Done(); err != nil {
		return err
	}
	if dropped, err := pg.Column[time.Time](ctx, w.tx, selectDropped, w.From, w.To); err != nil {
		return err
	} else if len(dropped) > 0 {
		return errors.Join(ErrArchived, fault.Field("from", "reaches over %s, which was dropped", dropped[0].UTC().Format("2006-01")))
	}
	if w.PlanID != uuid.Nil {
		var err error
		if w.plan, err = w.plans.Get(ctx, w.PlanID); err != nil {
			return err
		}
	}
	if err := w.readOld(ctx); err != nil {
		return err
	}
	if err := w.tx.QueryRow(ctx, countSimulated, w.To).Scan(&w.total); err != nil {
		return err
	}
	return w.findClosings(ctx)
}

// readOld adds up what was posted.
func (w *simulation) readOld(ctx context.Context) error {
	rows, err := w.tx.Query(ctx, selectPosted, w.From, w.To)
	if err != nil {
		return err
	}
	var id uuid.UUID
	var sum decimal.Decimal
	_, err = pgx.ForEachRow(rows, []any{&id, &sum}, func() error {
		w.of(id).Old = sum
		w.out.Old = w.out.Old.Add(sum)
		return nil
	})
	return err
}

func (w *simulation) of(id uuid.UUID) *Comparison {
	c := w.totals[id]
	if c == nil {
		c = &Comparison{AffiliateID: id}
		w.totals[id] = c
	}
	return c
}

// run reads the transactions lot by lot and rates them, with the closes where
// they were.
func (w *simulation) run(ctx context.Context) error {
	if _, err := w.tx.Exec(ctx, declareSimulated, w.To); err != nil {
		return err
	}
	done := 0
	for {
		rows, err := w.fetch(ctx)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return w.closeRest(ctx)
		}
		for i := range rows {
			if err := w.closeBefore(ctx, rows[i].seq); err != nil {
				return err
			}
			if err := w.rate(ctx, &rows[i]); err != nil {
				return fault.In("transaction "+rows[i].id.String(), err)
			}
		}
		if done += len(rows); w.Progress != nil {
			w.Progress(done, w.total)
		}
	}
}

func (w *simulation) fetch(ctx context.Context) ([]simulatedRow, error) {
	rows, err := w.tx.Query(ctx, fetchSimulated)
	if err != nil {
		return nil, err
	}
	var list []simulatedRow
	var r simulatedRow
	_, err = pgx.ForEachRow(rows, []any{
		&r.id, &r.affiliateID, &r.customerID, (*string)(&r.kind), &r.amount, &r.currency, &r.metadata, &r.reversesID, &r.planID,
		&r.at, &r.seq, &r.seen, &r.blocked, &r.taken,
	}, func() error {
		r.metadata = slices.Clone(r.metadata)
		list = append(list, r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, w.readAttributed(ctx, list)
}

// readAttributed reads since when the customers had owners, where a plan asks.
func (w *simulation) readAttributed(ctx context.Context, list []simulatedRow) error {
	clear(w.attributed)
	if w.plan != nil && !w.plan.asks || w.plan == nil && !w.plans.AskAttribution() || len(list) == 0 {
		return nil
	}
	ids, at := make([]uuid.UUID, len(list)), make([]time.Time, len(list))
	for i := range list {
		ids[i], at[i] = list[i].id, list[i].at
	}
	var b pgx.Batch
	affiliate.QueueAttributedThen(&b, w.attributed, ids, at)
	return pg.Send(ctx, w.tx, &b)
}

func (w *simulation) rate(ctx context.Context, r *simulatedRow) error {
	in, err := w.input(ctx, r)
	if err != nil || in == nil {
		return err
	}
	out, err := Rate(*in, w.facts)
	if err != nil {
		return err
	}
	maps.Copy(w.facts, out.Counters)
	w.keep(r, in, &out)
	w.noteAdvances(in, &out)
	if r.at.Before(w.From) || !r.at.Before(w.To) {
		return nil
	}
	w.out.Transactions++
	w.out.Breakage = w.out.Breakage.Add(out.Breakage())
	return w.tell(out.Lines, SimulatedLine{TransactionID: r.id, CustomerID: r.customerID, At: r.at})
}

// input is nil for what was blocked, and for what takes that back.
func (w *simulation) input(ctx context.Context, r *simulatedRow) (*Input, error) {
	in := &Input{Event: transaction.Event{
		AffiliateID: r.affiliateID, CustomerID: r.customerID, Type: r.kind, Amount: r.amount, Currency: r.currency, At: r.at,
	}}
	if len(r.metadata) > 0 {
		if err := json.Unmarshal(r.metadata, &in.Event.Metadata); err != nil {
			return nil, err
		}
	}
	if r.reversesID != nil {
		in.Event.Reverses = *r.reversesID
		kept := w.kept[*r.reversesID]
		if kept == nil {
			return nil, nil //nolint:nilnil // there is nothing to rate
		}
		in.Original, in.Plan = &kept.Original, kept.Plan
		return in, nil
	}
	if r.blocked {
		return nil, nil //nolint:nilnil // there is nothing to rate
	}
	in.Upline, in.AttributedAt = w.past(r.affiliateID, r.seen), w.attributed[r.id]
	if in.Plan = w.plan; w.plan == nil && r.planID != nil {
		var err error
		if in.Plan, err = w.plans.Get(ctx, *r.planID); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// keep keeps what later transactions take back, and lets go of it when they
// have.
func (w *simulation) keep(r *simulatedRow, in *Input, out *Outcome) {
	if in.Original != nil {
		kept := w.kept[in.Event.Reverses]
		kept.Took(r.amount)
		if kept.left--; kept.left == 0 {
			delete(w.kept, in.Event.Reverses)
		}
		return
	}
	if r.taken == 0 {
		return
	}
	kept := &keptOriginal{left: r.taken, Original: Original{
		Plan: in.Plan, Event: in.Event, AttributedAt: in.AttributedAt, Skipped: out.Skipped,
	}}
	for _, l := range out.Lines {
		kept.Lines = append(kept.Lines, Post(l, r.id, r.at, r.at))
	}
	w.kept[r.id] = kept
}

// tell adds lines to the totals, and shows them.
func (w *simulation) tell(lines []Line, like SimulatedLine) error {
	for _, l := range lines {
		c := w.of(l.AffiliateID)
		c.New = c.New.Add(l.Final)
		w.out.New = w.out.New.Add(l.Final)
		if w.Each == nil {
			continue
		}
		like.Line = l
		if err := w.Each(like); err != nil {
			return err
		}
	}
	return nil
}

func (w *simulation) result() Simulated {
	for _, c := range w.totals {
		w.out.Affiliates = append(w.out.Affiliates, *c)
	}
	slices.SortFunc(w.out.Affiliates, func(a, b Comparison) int { return compareIDs(a.AffiliateID, b.AffiliateID) })
	return w.out
}
