package fature_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/transaction"
)

func nameOf(p *person) string {
	if p == nil {
		return "nobody"
	}
	return p.name
}

// register makes an affiliate, as a root or under another.
func (s *story) register() error {
	p := &person{name: fmt.Sprint("ana", len(s.affiliates)), status: affiliate.Active, category: affiliate.Standard}
	p.id = nameID(p.name)
	if s.chance(30) {
		p.category = pick(s, []affiliate.Category{affiliate.Premium, affiliate.VIP})
	}
	var parent *person
	if s.chance(75) {
		parent = s.somebody()
	}
	d := affiliate.Draft{ID: p.id, Email: p.name + "@example.com", Name: p.name, ReferralCode: p.name, Category: p.category}
	if parent != nil {
		d.ParentID = parent.id
	}
	s.say("register %s, %s, under %s", p.name, p.category, nameOf(parent))
	done, err := s.do(s.place(p, parent), func() error {
		_, err := s.w.Program.Affiliates.Create(s.t.Context(), d)
		return err
	})
	if done {
		s.affiliates = append(s.affiliates, p)
	}
	return err
}

func (s *story) move() error {
	p, parent := s.somebody(), s.somebody()
	if p == nil {
		return nil
	}
	s.say("move %s under %s", p.name, parent.name)
	_, err := s.do(s.place(p, parent), func() error { return s.w.Program.Hierarchy.Move(s.t.Context(), p.id, parent.id) })
	return err
}

func (s *story) detach() error {
	p := s.somebody()
	if p == nil {
		return nil
	}
	s.say("detach %s", p.name)
	_, err := s.do(s.place(p, nil), func() error { return s.w.Program.Hierarchy.Detach(s.t.Context(), p.id) })
	return err
}

func (s *story) change() error {
	p := s.somebody()
	if p == nil {
		return nil
	}
	var c affiliate.Change
	if s.chance(60) {
		c.Status = pick(s, []affiliate.Status{affiliate.Active, affiliate.Active, affiliate.Suspended, affiliate.Closed})
		p.status = c.Status
	} else {
		c.Category = pick(s, []affiliate.Category{affiliate.Standard, affiliate.Premium, affiliate.VIP})
		p.category = c.Category
	}
	s.say("change %s: %s%s", p.name, c.Status, c.Category)
	_, err := s.do(nil, func() error {
		_, err := s.w.Program.Affiliates.Update(s.t.Context(), p.id, c)
		return err
	})
	return err
}

// publishAndAssign publishes a plan and gives it to all, a category, or one.
func (s *story) publishAndAssign() error {
	at := s.random.IntN(len(modelDocuments))
	if len(s.inForce) < 2 { // a version of each to begin with
		at = 2 * len(s.inForce)
	}
	doc := modelDocument(at)
	stored, err := s.w.Program.Plans.Publish(s.t.Context(), doc)
	if err != nil {
		return err
	}
	plan, err := s.publish(doc.Name, at, stored.ID)
	if err != nil {
		return err
	}
	if plan.ID != stored.ID || plan.Version != stored.Version {
		return fmt.Errorf("published as version %d, not %d", stored.Version, plan.Version)
	}
	whom, a := "default", commission.Default(plan.ID)
	if p := s.somebody(); p != nil && len(s.inForce) > 0 && s.chance(70) {
		whom, a = "affiliate "+p.name, commission.ForAffiliate(p.id, plan.ID)
		if s.chance(50) {
			whom, a = "category "+string(p.category), commission.ForCategory(p.category, plan.ID)
		}
	}
	s.say("assign %s version %d: %s", plan.Name, plan.Version, whom)
	_, err = s.do(s.assign(whom, plan, s.now), func() error { return s.w.Program.Plans.Assign(s.t.Context(), a.Since(s.now)) })
	return err
}

// pass makes a customer another's, or nobody's.
func (s *story) pass(release bool) error {
	customer, to, from := s.customer(), s.somebody(), s.now.Add(-time.Duration(s.random.IntN(3))*24*time.Hour)
	if to == nil {
		return nil
	}
	if release {
		s.say("release %s, %s", customer, from.Format(time.RFC3339))
		_, err := s.do(s.transfer(customer, nil, from), func() error { return s.w.Program.Customers.Release(s.t.Context(), customer, from) })
		return err
	}
	s.say("transfer %s to %s, %s", customer, to.name, from.Format(time.RFC3339))
	_, err := s.do(s.transfer(customer, to, from), func() error {
		_, err := s.w.Program.Customers.Transfer(s.t.Context(), customer, to.id, from)
		return err
	})
	return err
}

func (s *story) customer() string { return fmt.Sprint("c", s.random.IntN(6)) }

func (s *story) advance() { s.advanceTo(s.now.Add(time.Duration(s.random.IntN(12*24)+1) * time.Hour)) }

func (s *story) advanceTo(now time.Time) {
	s.now = now
	s.w.SetNow(s.now)
	s.say("advance to %s", s.now.Format(time.RFC3339))
}

// recordSome records up to six events in one call.
func (s *story) recordSome() error {
	var events []transaction.Event
	for range s.random.IntN(6) + 1 {
		e := s.event(events)
		events = append(events, e)
		s.say("record %s", s.text(e))
	}
	outcomes, refusals := s.record(events)
	var results []fature.Recorded
	var want error
	if len(refusals) > 0 {
		want = refusals[0]
	}
	_, err := s.do(want, func() (err error) {
		results, err = s.w.Program.Record(s.t.Context(), events...)
		if slices.ContainsFunc(refusals, func(kind error) bool { return errors.Is(err, kind) }) {
			return want // any of them will do
		}
		return err
	})
	if err != nil || want != nil {
		return err
	}
	for i, o := range outcomes {
		if err := s.recorded(o, results[i]); err != nil {
			return fmt.Errorf("event %d: %w", i, err)
		}
	}
	return nil
}

// event draws an event that may follow on others of its call.
func (s *story) event(before []transaction.Event) transaction.Event {
	switch n := s.random.IntN(100); {
	case n < 5 && len(s.rows) > 0: // again, by its key
		return pick(s, s.rows).given
	case n < 7 && len(before) > 0:
		return pick(s, before)
	case n < 8 && len(s.rows) > 0: // another by a key that is taken
		e := pick(s, s.rows).given
		e.Amount = e.Amount.Add(decimal.NewFromInt(1))
		return e
	case n < 25 && (len(s.rows) > 3 || s.chance(5)):
		return s.refund(before)
	}
	e := transaction.Event{Type: pick(s, []transaction.Type{
		transaction.Sale, transaction.Sale, transaction.Sale, transaction.Signup, transaction.Deposit, transaction.Deposit, transaction.Bet, transaction.Bet,
		transaction.Bet, transaction.Win, transaction.Win, transaction.Bonus, transaction.Fee, transaction.Withdrawal, transaction.Chargeback,
	}), Amount: decimal.New(s.random.Int64N(25_000)+1, -2)}
	s.whose(&e)
	s.when(&e)
	s.key(&e)
	if s.chance(60) {
		e.Metadata = map[string]any{"brand": pick(s, []string{"x", "y"})}
	}
	if s.chance(1) {
		e.Amount = e.Amount.Neg()
	}
	return e
}

func (s *story) whose(e *transaction.Event) {
	if p := s.somebody(); p != nil && s.chance(80) {
		if e.AffiliateID = p.id; s.chance(20) {
			e.AffiliateID, e.Code = uuid.Nil, strings.ToUpper(p.name)
		}
	}
	if s.chance(1) {
		e.AffiliateID = nameID("a stranger")
	}
	if s.chance(75) {
		e.CustomerID = s.customer()
	}
}

func (s *story) when(e *transaction.Event) {
	switch n := s.random.IntN(100); {
	case n < 40:
		e.At = s.now.Add(-time.Duration(s.random.IntN(40*24)) * time.Hour)
	case n < 45:
		e.At = s.now.Add(time.Duration(s.random.IntN(24)) * time.Hour)
	case n < 46:
		e.At = s.now.Add(25 * time.Hour)
	}
}

func (s *story) key(e *transaction.Event) {
	if s.chance(80) {
		e.SourceTable, e.OriginalID = "orders", fmt.Sprintf("%x", s.random.Uint32())
	}
}

// refund draws what takes an earlier event back, or part of it.
func (s *story) refund(before []transaction.Event) transaction.Event {
	e := transaction.Event{Type: transaction.Refund, Amount: decimal.New(s.random.Int64N(9_000)+1, -2)}
	s.key(&e)
	e.ReversesKey = transaction.Key{SourceTable: "orders", OriginalID: "none"}
	if s.chance(30) {
		e.Type = transaction.Chargeback
	}
	if last := len(before) - 1; last >= 0 && before[last].Keyed() && s.chance(30) {
		e.ReversesKey, e.Amount = before[last].Key(), s.part(before[last].Amount)
		return e
	}
	odd := s.chance(5) // what is no more to be taken back, or too much of it
	var known []*deed
	for _, row := range s.rows {
		if odd || !row.whole && row.reverses == nil && !row.event.At.After(s.now) {
			known = append(known, row)
		}
	}
	if len(known) == 0 {
		return e
	}
	of := pick(s, known)
	if !odd {
		e.Amount = s.part(of.event.Amount.Sub(of.refunded))
	}
	if e.ReversesKey = of.given.Key(); !of.given.Keyed() || s.chance(30) {
		e.Reverses, e.ReversesKey = of.real, transaction.Key{}
	}
	return e
}

// part is all of an amount, or some of it.
func (s *story) part(of decimal.Decimal) decimal.Decimal {
	if s.chance(40) {
		return of
	}
	return decimal.Max(decimal.New(1, -2), of.Mul(decimal.New(s.random.Int64N(100), -2)).Round(2))
}

// text writes an event.
func (s *story) text(e transaction.Event) string {
	text := fmt.Sprintf("%s %s", e.Type, e.Amount.StringFixed(2))
	if p := s.person(e.AffiliateID); p != nil {
		text += " of " + p.name
	}
	for _, part := range [][2]string{{"code", e.Code}, {"customer", e.CustomerID}, {"key", e.OriginalID}, {"reverses", e.ReversesKey.OriginalID}} {
		if part[1] != "" {
			text += " " + part[0] + " " + part[1]
		}
	}
	for _, row := range s.rows {
		if row.real == e.Reverses {
			text += " reverses by id " + row.event.OriginalID
		}
	}
	if !e.At.IsZero() {
		text += " at " + e.At.Format(time.RFC3339)
	}
	if len(e.Metadata) > 0 {
		text += fmt.Sprint(" brand ", e.Metadata["brand"])
	}
	return text
}

// close closes the month before this one, the one after the last that was
// closed, or any.
func (s *story) close() error {
	first := s.now
	for _, e := range s.rows {
		if e.plan != nil && e.event.At.Before(first) {
			first = e.event.At
		}
	}
	name := first.UTC().Format("2006-01")
	if done := s.closings[pick(s, []string{"casino", "shop"})]; len(done) > 0 && s.chance(80) {
		name = nextMonth(done[len(done)-1].name)
	}
	if s.chance(10) {
		name = s.monthFrom(s.random.IntN(4) - 2)
	}
	// Most closes wait until the month is over.
	if end := month(name, time.UTC).To.Add(time.Duration(s.random.IntN(100)) * time.Hour); end.After(s.now) && s.chance(80) {
		s.advanceTo(end)
	}
	s.say("close %s", name)
	from := len(s.statements)
	closed, want := s.closeMonth(name)
	got, err := s.w.Program.ClosePeriod(s.t.Context(), name, nil)
	if err := agree(want, err); err != nil {
		return err
	}
	if len(got) != len(closed) && want == nil {
		return fmt.Errorf("%d plans were closed, not %d", len(got), len(closed))
	}
	for i, c := range got {
		if want := closed[i]; c.Statements != want.statements || c.Lines != want.lines || !c.Payable.Equal(want.payable) || !c.Final.Equal(want.final) {
			return fmt.Errorf("the sums of %s are %+v, not %+v", c.Plan, c.Sums, closed[i])
		}
	}
	return s.learnStatements(name, s.statements[from:])
}

func (s *story) monthFrom(months int) string {
	return s.now.AddDate(0, months, 1-s.now.Day()).Format("2006-01")
}

// learnStatements learns the ids of new lines of statements.
func (s *story) learnStatements(name string, made []*statement) error {
	if len(made) == 0 {
		return nil
	}
	for stored, err := range s.w.Program.Statements.All(s.t.Context(), commission.StatementFilter{Name: name}) {
		if err != nil {
			return err
		}
		at := slices.IndexFunc(made, func(m *statement) bool {
			return m.accountName == accountName{stored.Plan, stored.Rule, stored.Split} && m.by.id == stored.AffiliateID
		})
		if at < 0 {
			continue // the comparison of all tells
		}
		lines, err := s.w.Program.Statements.Lines(s.t.Context(), stored.ID)
		if err != nil {
			return err
		}
		if err := s.learn(made[at].lines, lines); err != nil {
			return err
		}
	}
	return nil
}

// learn compares lines that were just posted, and learns their ids.
func (s *story) learn(want []*posted, got []commission.Commission) error {
	for i := range min(len(want), len(got)) {
		if want[i].real == uuid.Nil {
			want[i].real = got[i].ID
		}
	}
	return same("the lines", s.lineTexts(want), s.storedTexts(got))
}

func (s *story) voidOne() error {
	if len(s.lines) == 0 {
		return nil
	}
	line := pick(s, s.lines)
	s.say("void %s", s.lineText(line))
	voided, want := s.void(line)
	_, err := s.do(want, func() error {
		got, err := s.w.Program.Void(s.t.Context(), "a mistake", line.real)
		if err == nil && len(got) != len(voided) {
			err = fmt.Errorf("%d lines are void, not %d", len(got), len(voided))
		}
		return err
	})
	return err
}

func (s *story) adjustOne() error {
	p := s.somebody()
	if p == nil {
		return nil
	}
	c := commission.Correction{AffiliateID: p.id, Amount: decimal.New(s.random.Int64N(8_000)-3_000, -2), Reason: "by hand"}
	if s.chance(60) {
		c.Key = fmt.Sprint("k", s.random.IntN(12))
		if first := s.corrections[c.Key]; first != nil && s.chance(70) {
			c.AffiliateID, c.Amount = first.AffiliateID, first.Amount
		}
	}
	if s.chance(3) {
		c.Amount = decimal.Zero
	}
	s.say("adjust %s by %s, key %s", nameOf(s.person(c.AffiliateID)), c.Amount, c.Key)
	line, want := s.adjust(c)
	var got commission.Commission
	done, err := s.do(want, func() (err error) {
		got, err = s.w.Program.Adjust(s.t.Context(), c)
		return err
	})
	if !done {
		return err
	}
	return s.learn([]*posted{line}, []commission.Commission{got})
}

func (s *story) approveHolds() error {
	s.say("approve holds")
	got, err := s.w.Program.Commissions.Approve(s.t.Context(), s.now)
	if want := s.approve(); err == nil && got != want {
		err = fmt.Errorf("%d lines were approved, not %d", got, want)
	}
	return err
}

func (s *story) payRun() error {
	minimum := decimal.NewFromInt(s.random.Int64N(4) * 5)
	s.say("payout run, minimum %s", minimum)
	made, rolledOver := s.run(minimum)
	got, err := s.w.Program.Payouts.Run(s.t.Context(), commission.PayoutRun{Minimum: minimum})
	if err != nil {
		return err
	}
	if got.Payouts != len(made) || got.RolledOver != rolledOver {
		return fmt.Errorf("the run made %d payouts and rolled %d over, not %d and %d", got.Payouts, got.RolledOver, len(made), rolledOver)
	}
	for stored, err := range s.w.Program.Payouts.All(s.t.Context(), commission.PayoutFilter{RunID: got.RunID}) {
		if err != nil {
			return err
		}
		for _, p := range made {
			if p.by.id == stored.AffiliateID {
				p.id = stored.ID
			}
		}
	}
	return nil
}

func (s *story) payoutState() error {
	if len(s.payouts) == 0 {
		return nil
	}
	p := pick(s, s.payouts)
	to := pick(s, []commission.PayoutStatus{
		commission.PayoutApproved, commission.PayoutApproved, commission.PayoutSent, commission.PayoutSent, commission.PayoutPaid, commission.PayoutPaid,
		commission.PayoutFailed, commission.PayoutCancelled,
	})
	s.say("payout of %s %s: %s becomes %s", p.by.name, p.amount.StringFixed(2), p.status, to)
	_, err := s.do(s.become(p, to), func() error {
		payouts, ctx := s.w.Program.Payouts, s.t.Context()
		switch to {
		case commission.PayoutApproved:
			return payouts.Approve(ctx, p.id)
		case commission.PayoutSent:
			return payouts.MarkSent(ctx, "", p.id)
		case commission.PayoutPaid:
			return payouts.MarkPaid(ctx, p.id)
		case commission.PayoutFailed:
			return payouts.Fail(ctx, "no such account", p.id)
		case commission.PayoutCancelled, commission.PayoutCreated:
		}
		return payouts.Cancel(ctx, "not now", p.id)
	})
	return err
}
