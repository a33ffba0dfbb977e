package commission

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/internal/pg"
)

// simulatedClosing is a close on its place in the order of rating.
type simulatedClosing struct {
	Due
	Closing
	rated int64 // its first statement's seq
}

// findClosings finds the closes that were, in order. Where the plan is one that
// never closed such periods, they are as if each had been closed after all its
// transactions were there.
func (w *simulation) findClosings(ctx context.Context) error {
	rows, err := pg.All[Closing](ctx, w.tx, selectClosings)
	if err != nil {
		return err
	}
	first, err := w.firstSeqs(ctx)
	if err != nil {
		return err
	}
	for _, c := range rows {
		if w.plan != nil && (c.Plan != w.plan.Name || !slices.Contains(w.plan.Periods(), c.Period)) {
			continue
		}
		d, err := w.due(ctx, c)
		if err != nil {
			return err
		}
		at, ok := first[c.ID]
		if !ok {
			at = c.Seq
		}
		w.closings = append(w.closings, simulatedClosing{Due: d, Closing: c, rated: at})
	}
	return w.addIdeal(ctx)
}

func (w *simulation) firstSeqs(ctx context.Context) (map[uuid.UUID]int64, error) {
	rows, err := w.tx.Query(ctx, selectFirstSeqs)
	if err != nil {
		return nil, err
	}
	all := map[uuid.UUID]int64{}
	var id uuid.UUID
	var seq int64
	_, err = pgx.ForEachRow(rows, []any{&id, &seq}, func() error {
		all[id] = seq
		return nil
	})
	return all, err
}

// due is the plan of a close: the simulated one, or as it was.
func (w *simulation) due(ctx context.Context, c Closing) (Due, error) {
	if w.plan != nil {
		return Due{Plan: w.plan.Name, Versions: []*Plan{w.plan}}, nil
	}
	due, err := w.plans.Due(ctx, c.Name)
	if err != nil {
		return Due{}, err
	}
	return dueOf(due, c)
}

// addIdeal adds the periods of a plan that never closed any of their kind.
func (w *simulation) addIdeal(ctx context.Context) error {
	if w.plan == nil {
		return nil
	}
	first, err := pg.Column[time.Time](ctx, w.tx, selectFirstTransaction)
	if err != nil || len(first) == 0 {
		return err
	}
	var ideal []simulatedClosing
	for _, kind := range w.plan.Periods() {
		if slices.ContainsFunc(w.closings, func(c simulatedClosing) bool { return c.Closing.Period == kind }) {
			continue
		}
		for iv := IntervalAt(kind, first[0], w.plan.zone); !iv.To.After(w.To); iv = iv.next(w.plan.zone) {
			c := Closing{Plan: w.plan.Name, Period: kind, Name: iv.Name, From: iv.From, To: iv.To, Seq: lastSeq}
			ideal = append(ideal, simulatedClosing{Due: Due{Plan: w.plan.Name, Versions: []*Plan{w.plan}}, Closing: c, rated: lastSeq})
		}
	}
	slices.SortStableFunc(ideal, func(a, b simulatedClosing) int { return a.Closing.To.Compare(b.Closing.To) })
	w.closings = append(w.closings, ideal...)
	return nil
}

const lastSeq = 1<<63 - 1

// closeBefore makes the closes that came before a place in the order of rating.
func (w *simulation) closeBefore(ctx context.Context, seq int64) error {
	for len(w.closings) > 0 && w.closings[0].rated < seq {
		if err := w.close(ctx, w.closings[0]); err != nil {
			return err
		}
		w.closings = w.closings[1:]
	}
	return nil
}

func (w *simulation) closeRest(ctx context.Context) error {
	for ; len(w.closings) > 0; w.closings = w.closings[1:] {
		if err := w.close(ctx, w.closings[0]); err != nil {
			return err
		}
	}
	return nil
}

func (w *simulation) close(ctx context.Context, s simulatedClosing) error {
	c := s.Closing
	for c.DoneTo = uuid.Nil; ; {
		lot := s.working(c)
		lot.facts = w.facts
		if w.plan != nil {
			lot.as = &w.plan.ID
		}
		lot.settled = func(a *Account, settlement *Settlement) error { return w.settle(&s, a, settlement) }
		if err := lot.next(ctx, w.tx, recheckLot); err != nil || lot.Count == 0 {
			return err
		}
		if err := w.fill(ctx, lot, &s); err != nil {
			return err
		}
		for _, id := range lot.order() {
			if err := lot.settle(id); err != nil {
				return err
			}
		}
		c.DoneTo = lot.UpTo
	}
}

// fill makes the accounts of a lot: what happened is read, what was carried and
// advanced is the simulation's own.
func (w *simulation) fill(ctx context.Context, lot *working, s *simulatedClosing) error {
	var activity []activityRow
	var b pgx.Batch
	for _, rule := range RulesFor(lot.Period, lot.Versions) {
		lot.queueActivity(&b, &activity, rule)
	}
	lot.assigned = Assignments{}
	if err := pg.Send(ctx, w.tx, &b); err != nil {
		return err
	}
	lot.index(activity)
	w.claimAdvances(lot)
	seen, err := w.readSeen(ctx, lot, s)
	if err != nil {
		return err
	}
	for id, own := range lot.accounts {
		upline := w.past(id, seen(id))
		versions := lot.Versions
		if w.plan == nil {
			versions = lot.inForce(upline[0])
		}
		for key, a := range own {
			a.Upline, a.Versions, a.Opening = upline, versions, w.balances[opened{id, key}]
			a.fallBack(nil)
		}
	}
	return nil
}

// readSeen reads what of the tree the close saw, and the plans where each
// affiliate has its own.
func (w *simulation) readSeen(ctx context.Context, lot *working, s *simulatedClosing) (func(uuid.UUID) int64, error) {
	seen := map[uuid.UUID]int64{}
	var b pgx.Batch
	b.Queue(selectSeen, lot.closing.ID, lot.closing.DoneTo, lot.UpTo).Query(func(rows pgx.Rows) error {
		var id uuid.UUID
		var at int64
		_, err := pgx.ForEachRow(rows, []any{&id, &at}, func() error {
			seen[id] = at
			return nil
		})
		return err
	})
	if w.plan == nil {
		QueueAssignments(&b, lot.assigned, lot.order())
	}
	err := pg.Send(ctx, w.tx, &b)
	return func(id uuid.UUID) int64 {
		if at, ok := seen[id]; ok {
			return at
		}
		return lastSeq
	}, err
}

// noteAdvances keeps what period rules will recoup of an event's lines.
func (w *simulation) noteAdvances(in *Input, out *Outcome) {
	plan := in.Plan
	if plan == nil {
		return
	}
	metadata := []map[string]any{in.Event.Metadata}
	if in.Original != nil {
		metadata = append(metadata, in.Original.Event.Metadata)
	}
	for i := range plan.periods {
		r := &plan.periods[i]
		for _, l := range out.Lines {
			if l.Level == 0 && slices.Contains(r.recoup, l.Rule) {
				key := opened{l.AffiliateID, account{r.id, splitOf(r.splitBy, metadata...)}}
				w.advances[key] = append(w.advances[key], simulatedAdvance{in.Event.At, l.Final})
			}
		}
	}
}

// claimAdvances gives the accounts of a lot the advances up to its end, which
// are then taken.
func (w *simulation) claimAdvances(lot *working) {
	for key, list := range w.advances {
		if bytes.Compare(key.affiliate[:], lot.closing.DoneTo[:]) <= 0 || bytes.Compare(key.affiliate[:], lot.UpTo[:]) > 0 ||
			!slices.Contains(RulesFor(lot.Period, lot.Versions), key.rule) {
			continue
		}
		sum, rest := decimal.Zero, []simulatedAdvance(nil)
		for _, a := range list {
			if a.at.Before(lot.Interval.To) {
				sum = sum.Add(a.final)
			} else {
				rest = append(rest, a)
			}
		}
		if len(rest) < len(list) {
			account := lot.account(key.affiliate, key.rule, key.split)
			account.Advance = account.Advance.Add(sum)
		}
		if w.advances[key] = rest; rest == nil {
			delete(w.advances, key)
		}
	}
}

// settle takes a settlement into the simulation.
func (w *simulation) settle(s *simulatedClosing, a *Account, settlement *Settlement) error {
	w.balances[opened{a.Upline[0].ID, account{a.Rule, a.Split}}] = settlement.Closing
	if s.Closing.From.Before(w.From) || s.Closing.To.After(w.To) {
		return nil
	}
	w.out.Statements++
	w.out.Breakage = w.out.Breakage.Add(settlement.Breakage())
	return w.tell(settlement.Lines, SimulatedLine{Period: s.Closing.Name, At: s.Closing.To})
}
