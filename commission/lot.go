package commission

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/transaction"
)

// Settled is an account that a close settles.
type Settled struct {
	Statement
	Lines   []Commission
	Skipped []Skip // what was promised and nobody could take, and what caps took whole
}

// Lot is what is settled at once: the accounts of affiliates after the last
// one before, up to UpTo.
type Lot struct {
	UpTo     uuid.UUID // zero where no affiliate was left
	Count    int       // of the affiliates
	Settled  []Settled
	Counters Facts // as they are now
}

// SettleLot settles the accounts of the next affiliates. memory are counters
// that stand in for the stored ones, which are then not locked: of a preview.
func (d *Due) SettleLot(ctx context.Context, tx pg.DB, c Closing, limit int, memory Facts, now time.Time) (Lot, error) {
	w := d.working(c)
	w.memory, w.now, w.settled = memory, now, w.post
	if err := w.read(ctx, tx, limit); err != nil || len(w.accounts)+len(w.advances) == 0 {
		return w.Lot, err
	}
	if err := w.readStanding(ctx, tx); err != nil {
		return w.Lot, err
	}
	if err := w.recall(ctx, tx); err != nil {
		return w.Lot, err
	}
	for _, id := range w.order() {
		if err := w.settle(id); err != nil {
			return w.Lot, fault.In("affiliate "+id.String(), err)
		}
	}
	return w.Lot, nil
}

// StoreLot writes a lot and how far the close is.
func StoreLot(ctx context.Context, tx pg.DB, c Closing, lot Lot) error {
	statements := make([]Statement, len(lot.Settled))
	var lines []Commission
	for i := range lot.Settled {
		statements[i] = lot.Settled[i].Statement
		lines = append(lines, lot.Settled[i].Lines...)
	}
	if len(statements) > 0 {
		if err := copyStatements(ctx, tx, statements); err != nil {
			return err
		}
	}
	if len(lines) > 0 {
		if err := Copy(ctx, tx, lines); err != nil {
			return err
		}
	}
	var b pgx.Batch
	if len(lot.Counters) > 0 {
		QueueRemember(&b, lot.Counters)
	}
	b.Queue(updateClosing, c.ID, lot.UpTo)
	return pg.Send(ctx, tx, &b)
}

// working is the work on a lot.
type working struct {
	*Due
	Lot
	closing  Closing
	as       *uuid.UUID // a plan that stands in for all others: of a simulation
	settled  func(*Account, *Settlement) error
	now      time.Time
	memory   Facts
	facts    Facts
	accounts map[uuid.UUID]map[account]*Account
	advances map[uuid.UUID][]advanced
	voided   map[*Account]bool // advances of theirs are void since, or were already
	openings map[opened]CarryOver
	lines    hierarchy.Uplines
	assigned Assignments
	seqs     []int64
}

// working is the work on a lot of a close, within the bounds of that.
func (d *Due) working(c Closing) *working {
	own := *d
	own.Interval = Interval{c.Period, c.Name, c.From, c.To}
	return &working{Due: &own, closing: c, Lot: Lot{Counters: Facts{}}}
}

// account names an account of an affiliate.
type account struct{ rule, split string }

// opened names an account of an earlier statement.
type opened struct {
	affiliate uuid.UUID
	account
}

// The rows of the sums that accounts are made of.
type (
	activityRow struct {
		Rule        string           `db:"rule"`
		AffiliateID uuid.UUID        `db:"affiliate_id"`
		PlanID      uuid.UUID        `db:"plan_id"`
		Split       string           `db:"split"`
		Customer    string           `db:"customer"`
		Type        transaction.Type `db:"type"`
		Reverses    transaction.Type `db:"reverses"`
		Late        string           `db:"late"`
		Amount      decimal.Decimal  `db:"amount"`
	}
	advanceRow struct {
		AffiliateID uuid.UUID       `db:"affiliate_id"`
		PlanID      uuid.UUID       `db:"plan_id"`
		Rule        string          `db:"rule"` // the event rule
		Split       string          `db:"split"`
		Amount      decimal.Decimal `db:"amount"`
		Voided      int             `db:"voided"` // lines, which count no more
	}
	openingRow struct {
		ID          uuid.UUID       `db:"id"`
		AffiliateID uuid.UUID       `db:"affiliate_id"`
		Rule        string          `db:"rule"`
		Split       string          `db:"split"`
		Carry       Carry           `db:"carry"`
		Closing     decimal.Decimal `db:"closing"`
		Unrecouped  decimal.Decimal `db:"unrecouped"`
	}
)

// read finds the affiliates of the lot, what they and theirs did, and who they
// are.
func (w *working) read(ctx context.Context, tx pg.DB, limit int) error {
	if err := w.next(ctx, tx, limit); err != nil || w.Count == 0 {
		return err
	}
	var activity []activityRow
	w.advances = map[uuid.UUID][]advanced{}
	var openings []openingRow
	var carries []carryRow
	var b pgx.Batch
	for _, id := range RulesFor(w.Period, w.Versions) {
		w.queueActivity(&b, &activity, id)
		w.queueAdvances(&b, id)
	}
	pg.Queue(&b, &openings, selectOpenings, w.Plan, w.closing.DoneTo, w.UpTo, w.closing.Seq)
	pg.Queue(&b, &carries, selectOpeningCarries, w.Plan, w.closing.DoneTo, w.UpTo, w.closing.Seq)
	if err := pg.Send(ctx, tx, &b); err != nil {
		return err
	}
	w.index(activity)
	w.indexOpenings(openings, carries)
	return nil
}

// next finds the affiliates of the lot.
func (w *working) next(ctx context.Context, tx pg.DB, limit int) error {
	ids, err := pg.Column[uuid.UUID](ctx, tx, selectLot, w.closing.DoneTo, limit)
	if w.Count = len(ids); w.Count > 0 {
		w.UpTo = ids[w.Count-1]
	}
	return err
}

// queueActivity adds to into the sums of a rule.
func (w *working) queueActivity(b *pgx.Batch, into *[]activityRow, rule string) {
	var ids []uuid.UUID
	var splits []string
	who := false
	for _, p := range w.Versions {
		if r := p.periodRule(rule, w.Period); r != nil {
			ids, splits, who = append(ids, p.ID), append(splits, r.splitBy), who || r.asksWho()
		}
	}
	c := &w.closing
	b.Queue(selectActivity, rule, ids, splits, who, c.DoneTo, w.UpTo, c.From, c.To, c.LateSeq, c.Seq, c.Late, w.zone().String(), w.Period.pattern(), w.as).
		Query(func(rows pgx.Rows) error {
			list, err := pgx.CollectRows(rows, pgx.RowToStructByName[activityRow])
			*into = append(*into, list...)
			return err
		})
}

// queueAdvances reads what the versions of a rule may recoup: by each key that
// one of them splits by.
func (w *working) queueAdvances(b *pgx.Batch, rule string) {
	recoup := map[string][]string{}
	for _, p := range w.Versions {
		if r := p.periodRule(rule, w.Period); r != nil && r.recoup != nil {
			recoup[r.splitBy] = append(recoup[r.splitBy], r.recoup...)
		}
	}
	c := &w.closing
	for by, rules := range recoup {
		b.Queue(selectAdvances, rules, w.Plan, by, c.DoneTo, w.UpTo, c.From, c.To, c.LateSeq, c.Seq, c.Late).Query(func(rows pgx.Rows) error {
			list, err := pgx.CollectRows(rows, pgx.RowToStructByName[advanceRow])
			for _, r := range list {
				w.advances[r.AffiliateID] = append(w.advances[r.AffiliateID], advanced{rule, by, r})
			}
			return err
		})
	}
}

// advanced is a sum of lines that a rule may recoup, which splits by a key.
type advanced struct {
	rule, by string
	advanceRow
}

// pattern writes the name of a period in SQL.
func (p Period) pattern() string {
	switch p {
	case Week:
		return `IYYY"-W"IW`
	case Month:
		return "YYYY-MM"
	case Day, Lifetime, EachTransaction:
	}
	return "YYYY-MM-DD"
}

// index makes the accounts in which something happened.
func (w *working) index(activity []activityRow) {
	w.accounts, w.voided = map[uuid.UUID]map[account]*Account{}, map[*Account]bool{}
	versions := map[uuid.UUID]*Plan{}
	for _, p := range w.Versions {
		versions[p.ID] = p
	}
	for _, r := range activity {
		a := w.account(r.AffiliateID, r.Rule, r.Split)
		a.Activity = append(a.Activity, Activity{versions[r.PlanID], r.Customer, r.Type, r.Reverses, r.Late, r.Amount})
	}
}

// claimAdvances gives an affiliate's accounts the advances that the last version
// in force for it recoups.
func (w *working) claimAdvances(id uuid.UUID, versions []*Plan) {
	for _, sum := range w.advances[id] {
		_, r := lastRule(versions, sum.rule, w.Period)
		if r == nil {
			_, r = lastRule(w.earnedBy(id), sum.rule, w.Period)
		}
		if sum.isOf(r) {
			w.claim(w.account(id, sum.rule, sum.Split), sum)
		}
	}
}

func (w *working) claim(a *Account, sum advanced) {
	a.Advance = a.Advance.Add(sum.Amount)
	w.voided[a] = w.voided[a] || sum.Voided > 0
}

// isOf tells whether a version of a rule recoups the sum.
func (a *advanced) isOf(r *periodRule) bool {
	return r != nil && r.splitBy == a.by && slices.Contains(r.recoup, a.Rule)
}

// earnedBy are the versions by which an affiliate got its advances, in order:
// they stand in where it has left the plan.
func (w *working) earnedBy(id uuid.UUID) []*Plan {
	var plans []*Plan
	for _, p := range w.Versions {
		if slices.ContainsFunc(w.advances[id], func(a advanced) bool { return a.PlanID == p.ID }) {
			plans = append(plans, p)
		}
	}
	slices.SortFunc(plans, byVersion)
	return plans
}

func byVersion(a, b *Plan) int { return a.Version - b.Version }

// order are the affiliates with accounts, or with what may make them.
func (w *working) order() []uuid.UUID {
	ids := maps.Clone(w.accounts)
	for id := range w.advances {
		ids[id] = nil
	}
	return slices.SortedFunc(maps.Keys(ids), compareIDs)
}

func (w *working) indexOpenings(openings []openingRow, carries []carryRow) {
	w.openings = map[opened]CarryOver{}
	named := map[uuid.UUID]opened{}
	for _, r := range openings {
		key := opened{r.AffiliateID, account{r.Rule, r.Split}}
		named[r.ID] = key
		w.openings[key] = CarryOver{Carried: r.Closing, Of: r.Carry, Unrecouped: r.Unrecouped, Customers: map[string]decimal.Decimal{}}
	}
	for _, c := range carries {
		w.openings[named[c.StatementID]].Customers[c.CustomerID] = c.Balance
	}
}

func (w *working) account(affiliateID uuid.UUID, rule, split string) *Account {
	own := w.accounts[affiliateID]
	if own == nil {
		own = map[account]*Account{}
		w.accounts[affiliateID] = own
	}
	a := own[account{rule, split}]
	if a == nil {
		a = &Account{Rule: rule, Split: split, Interval: w.Interval}
		own[account{rule, split}] = a
	}
	return a
}

// readStanding reads the uplines and the plans of those with accounts.
func (w *working) readStanding(ctx context.Context, tx pg.DB) error {
	w.assigned = Assignments{}
	var b pgx.Batch
	ids := w.order()
	hierarchy.QueueUplines(&b, &w.lines, ids)
	QueueAssignments(&b, w.assigned, ids)
	if err := pg.Send(ctx, tx, &b); err != nil {
		return err
	}
	for _, id := range ids {
		upline := Members(&w.lines, id)
		if len(upline) == 0 {
			return fmt.Errorf("affiliate %s is not in the tree", id)
		}
		versions := w.inForce(upline[0])
		w.claimAdvances(id, versions)
		for key, a := range w.accounts[id] {
			a.Upline, a.Versions, a.Opening = upline, versions, w.openings[opened{id, key}]
			a.fallBack(w.earnedBy(id))
		}
	}
	return nil
}

// inForce are the versions of the plan that applied to an affiliate in the
// period, in order.
func (w *working) inForce(m Member) []*Plan {
	var list []*Plan
	for _, id := range w.assigned.During(m, w.Interval.From, w.Interval.To) {
		if at := slices.IndexFunc(w.Versions, func(p *Plan) bool { return p.ID == id }); at >= 0 {
			list = append(list, w.Versions[at])
		}
	}
	return list
}

// fallBack gives an account whose affiliate has left the plan the versions that
// its transactions were rated by, and its advances.
func (a *Account) fallBack(own []*Plan) {
	if a.last() != nil {
		return
	}
	for i := range a.Activity {
		if p := a.Activity[i].Plan; !slices.Contains(own, p) {
			own = append(own, p)
		}
	}
	slices.SortFunc(own, byVersion)
	a.Versions = own
}

// recall locks and reads the counters of caps, and draws the places in the
// order of rating.
func (w *working) recall(ctx context.Context, tx pg.DB) error {
	var needs []Need
	n := 0
	for _, own := range w.accounts {
		for _, a := range own {
			needs, n = append(needs, a.Needs()...), n+1
		}
	}
	var b pgx.Batch
	if w.facts = w.memory; w.memory != nil {
		QueuePeek(&b, w.memory, needs)
		return pg.Send(ctx, tx, &b)
	}
	w.facts = Facts{}
	if len(needs) > 0 {
		QueueCounters(&b, w.facts, needs)
	}
	transaction.QueueSeqs(&b, &w.seqs, n)
	return pg.Send(ctx, tx, &b)
}

// settle settles the accounts of an affiliate: in the order of rules, then of
// what they are split by.
func (w *working) settle(id uuid.UUID) error {
	for _, rule := range RulesFor(w.Period, w.Versions) {
		var splits []string
		for key := range w.accounts[id] {
			if key.rule == rule {
				splits = append(splits, key.split)
			}
		}
		slices.Sort(splits)
		for _, split := range splits {
			if err := w.settleAccount(w.accounts[id][account{rule, split}]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *working) settleAccount(a *Account) error {
	s, ok, err := Settle(*a, w.facts)
	if err != nil || !ok {
		return err
	}
	maps.Copy(w.facts, s.Counters)
	maps.Copy(w.Counters, s.Counters)
	return w.settled(a, &s)
}

// post makes the stored statement of a settlement, with its lines.
func (w *working) post(a *Account, s *Settlement) error {
	last, f := a.last(), s.Footing
	out := Settled{Skipped: s.Skipped, Statement: Statement{
		ID: pg.NewID(), SeenSeq: w.lines.Seen, ClosingID: w.closing.ID, AffiliateID: a.Upline[0].ID, Plan: w.Plan, PlanID: last.ID, Rule: a.Rule, Split: a.Split,
		Period: w.Period, Name: w.Name, From: w.closing.From, To: w.closing.To, Carry: s.Closing.Of,
		Opening: f.Opening, Base: f.Base(), Commission: f.Commission, Payable: f.Payable, Closing: f.Closing, Unrecouped: f.Rest,
		Currency: last.Currency, Footing: f, ClosedAt: w.now, Customers: s.Closing.Customers,
	}}
	if len(w.seqs) > 0 {
		out.Seq, w.seqs = w.seqs[0], w.seqs[1:]
	}
	if len(s.Skipped) > 0 {
		text, err := json.Marshal(s.Skipped)
		if err != nil {
			return err
		}
		out.Statement.Skipped = text
	}
	for _, l := range s.Lines {
		out.Lines = append(out.Lines, PostStatement(l, &out.Statement))
	}
	w.Settled = append(w.Settled, out)
	return nil
}
