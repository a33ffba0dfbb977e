package commission

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/internal/pg"
)

// recheckLot is how many affiliates are checked at once.
const recheckLot = 5_000

// Recheck makes every statement again of the transactions, the advances and the
// statement before, and returns those that come to something else. It reads in
// lots: memory does not grow with the statements.
func (s *Plans) Recheck(ctx context.Context, db pg.DB) ([]Misfit, error) {
	closings, err := pg.All[Closing](ctx, db, selectClosings)
	if err != nil {
		return nil, fail("recheck", err)
	}
	var misfits []Misfit
	for _, c := range closings {
		due, err := s.On(db).Due(ctx, c.Name)
		if err != nil {
			return nil, fail("recheck", err)
		}
		d, err := dueOf(due, c)
		if err != nil {
			return nil, fail("recheck", err)
		}
		found, err := d.recheck(ctx, db, c)
		if err != nil {
			return nil, fail("recheck", err)
		}
		misfits = append(misfits, found...)
	}
	return misfits, nil
}

// dueOf is the plan of a close.
func dueOf(due []Due, c Closing) (Due, error) {
	at := slices.IndexFunc(due, func(d Due) bool { return d.Plan == c.Plan })
	if at < 0 {
		return Due{}, fmt.Errorf("plan %s of the close of %s is gone", c.Plan, c.Name)
	}
	return due[at], nil
}

func (d *Due) recheck(ctx context.Context, db pg.DB, c Closing) (misfits []Misfit, err error) {
	done := c.DoneTo
	for c.DoneTo = uuid.Nil; ; {
		w := d.working(c)
		if err := w.read(ctx, db, recheckLot); err != nil || w.Count == 0 {
			return misfits, err
		}
		stored, err := w.closed(ctx, db)
		if err != nil {
			return nil, err
		}
		for i := range stored {
			if problem := w.recheck(&stored[i]); problem != "" {
				misfits = append(misfits, Misfit{stored[i].ID, problem})
			}
		}
		misfits = append(misfits, w.missing(done)...)
		c.DoneTo = w.UpTo
	}
}

// closed are the stored statements of the lot, with the customers that they
// carry alone.
func (w *working) closed(ctx context.Context, db pg.DB) ([]Statement, error) {
	var stored []Statement
	var carries []carryRow
	var b pgx.Batch
	c := &w.closing
	pg.Queue(&b, &stored, selectClosedStatements, c.ID, c.DoneTo, w.UpTo)
	pg.Queue(&b, &carries, selectClosedCarries, c.ID, c.DoneTo, w.UpTo)
	if err := pg.Send(ctx, db, &b); err != nil {
		return nil, err
	}
	place := make(map[uuid.UUID]int, len(stored))
	for i := range stored {
		place[stored[i].ID] = i
	}
	for _, r := range carries {
		stored[place[r.StatementID]].carry(r)
	}
	return stored, nil
}

// recheck makes a statement again, and takes its account off those to be found.
func (w *working) recheck(s *Statement) string {
	key := account{s.Rule, s.Split}
	a := w.account(s.AffiliateID, s.Rule, s.Split)
	delete(w.accounts[s.AffiliateID], key)
	a.Upline, a.Opening = []Member{{ID: s.AffiliateID}}, w.openings[opened{s.AffiliateID, key}]
	a.Versions = w.versionsOf(s)
	_, rule := lastRule(a.Versions, s.Rule, w.Period)
	for _, sum := range w.advances[s.AffiliateID] {
		if sum.rule == s.Rule && sum.Split == s.Split && sum.isOf(rule) {
			w.claim(a, sum)
		}
	}
	if w.voided[a] { // when it was voided is not known
		a.Advance = s.Footing.Advance
	}
	again, ok, err := Settle(*a, Facts{})
	switch {
	case err != nil:
		return err.Error()
	case !ok:
		return "nothing had happened in the account"
	case !bytes.Equal(again.Footing.AppendJSON(nil), s.Footing.AppendJSON(nil)):
		return fmt.Sprintf("its transactions come to %s, carried %s", again.Footing.Payable, again.Footing.Closing)
	case !maps.EqualFunc(again.Closing.Customers, s.Customers, decimal.Decimal.Equal):
		return fmt.Sprintf("its customers come to %v", again.Closing.Customers)
	}
	return s.agrees()
}

// agrees says which column of a statement is not its footing's.
func (s *Statement) agrees() string {
	f := &s.Footing
	err := errors.Join(follows("the opening", s.Opening, f.Opening), follows("the base", s.Base, f.Base()),
		follows("the commission", s.Commission, f.Commission), follows("payable", s.Payable, f.Payable),
		follows("the closing", s.Closing, f.Closing), follows("the unrecouped rest", s.Unrecouped, f.Rest))
	if err != nil {
		return err.Error()
	}
	return ""
}

// versionsOf are those that a statement was rated by, the one that set the
// carry last.
func (w *working) versionsOf(s *Statement) []*Plan {
	var versions []*Plan
	for _, part := range s.Footing.Parts {
		for _, p := range w.Versions {
			if p.Version == part.Version && p.ID != s.PlanID {
				versions = append(versions, p)
			}
		}
	}
	at := slices.IndexFunc(w.Versions, func(p *Plan) bool { return p.ID == s.PlanID })
	if at >= 0 {
		versions = append(versions, w.Versions[at])
	}
	return versions
}

// missing are the accounts that should have a statement, of affiliates that the
// close has come to.
func (w *working) missing(done uuid.UUID) (misfits []Misfit) {
	for id, own := range w.accounts {
		for key, a := range own {
			if bytes.Compare(id[:], done[:]) > 0 {
				continue
			}
			a.Upline = []Member{{ID: id}}
			a.fallBack(nil)
			if _, ok, err := Settle(*a, Facts{}); ok || err != nil {
				misfits = append(misfits, Misfit{id, fmt.Sprintf("has no statement of rule %s for %s", key.rule, w.Name)})
			}
		}
	}
	return misfits
}
