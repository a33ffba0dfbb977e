package fature_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/transaction"
)

// recorded compares the result of an event, and learns the ids in it.
func (s *story) recorded(want outcome, got fature.Recorded) error {
	if want.entry == nil {
		if !got.Unattributed() || got.Transaction.ID != uuid.Nil {
			return fmt.Errorf("it is nobody's, but became %s", got.Transaction.ID)
		}
		return nil
	}
	e := want.entry
	if e.real == uuid.Nil {
		e.real = got.Transaction.ID
	}
	text := fmt.Sprintf("%s duplicate %v differs %v\n%s", e.real, want.duplicate, want.differs, s.entryText(e))
	row := got.Transaction
	told := fmt.Sprintf("%s duplicate %v differs %v\n%s", row.ID, got.Duplicate, got.OwnerDiffers, s.rowText(row))
	if err := same("the results", text, told); err != nil {
		return err
	}
	if err := s.learn(e.lines, got.Lines); err != nil {
		return err
	}
	return same("the skips", skipTexts(e.skipped), skipTexts(got.Skipped))
}

func (s *story) entryText(e *deed) string {
	status := transaction.Processed
	if e.whole {
		status = transaction.Reversed
	}
	at := e.event.At
	return fmt.Sprintf("%s %s %s %s %s %s", e.by.name, e.event.CustomerID, e.event.Type, e.event.Amount.StringFixed(2), status, at.UTC().Format(time.RFC3339Nano))
}

func (s *story) rowText(t transaction.Transaction) string {
	return fmt.Sprintf("%s %s %s %s %s %s", nameOf(s.person(t.AffiliateID)), t.CustomerID, t.Type, t.Amount.StringFixed(2), t.Status, t.CreatedAt.UTC().Format(time.RFC3339Nano))
}

func skipTexts(skips []commission.Skip) string {
	var texts []string
	for _, k := range skips {
		texts = append(texts, fmt.Sprintf("%s/%d %s %s %s", k.Rule, k.Level, k.Reason, k.Breakage.StringFixed(2), k.Capped.StringFixed(2)))
	}
	return strings.Join(texts, "\n")
}

func lineText(id uuid.UUID, name string, l *commission.Commission, reverses, paid uuid.UUID) string {
	return fmt.Sprintf("%s %s %s/%d %s %s %s base %s rate %s %s until %s at %s reverses %s payout %s", id, name, l.Rule, l.Level, l.Kind,
		l.Amount.StringFixed(2), l.FinalAmount.StringFixed(2), l.BaseAmount.StringFixed(2), l.Rate.String(), l.Status,
		l.AvailableAt.UTC().Format(time.RFC3339Nano), l.CreatedAt.UTC().Format(time.RFC3339Nano), reverses, paid)
}

func (s *story) lineText(l *posted) string {
	var reverses, paid uuid.UUID
	if l.ReversesID != nil {
		for _, other := range s.lines {
			if other.ID == *l.ReversesID {
				reverses = other.real
			}
		}
	}
	if l.payout != nil {
		paid = l.payout.id
	}
	return lineText(l.real, l.by.name, &l.Commission, reverses, paid)
}

func (s *story) lineTexts(lines []*posted) string {
	var texts []string
	for _, l := range lines {
		texts = append(texts, s.lineText(l))
	}
	return strings.Join(texts, "\n")
}

func (s *story) storedText(l *commission.Commission) string {
	var reverses, paid uuid.UUID
	if l.ReversesID != nil {
		reverses = *l.ReversesID
	}
	if l.PayoutID != nil {
		paid = *l.PayoutID
	}
	return lineText(l.ID, nameOf(s.person(l.AffiliateID)), l, reverses, paid)
}

func (s *story) storedTexts(lines []commission.Commission) string {
	var texts []string
	for i := range lines {
		texts = append(texts, s.storedText(&lines[i]))
	}
	return strings.Join(texts, "\n")
}

// compare compares the balances, with all also lines, rows, statements, payouts
// and totals, and with verify moreover that the books are right.
func (s *story) compare(all, verify bool) error {
	if err := s.compareBalances(); err != nil || !all && !verify {
		return err
	}
	for _, compare := range []func() error{s.compareLines, s.compareRows, s.compareStatements, s.comparePayouts, s.compareAffiliates} {
		if err := compare(); err != nil {
			return err
		}
	}
	if !verify {
		return nil
	}
	return s.verify()
}

func (s *story) compareBalances() error {
	var ids []uuid.UUID
	for _, p := range s.affiliates {
		ids = append(ids, p.id)
	}
	stored, err := s.w.Program.Commissions.Balances(s.t.Context(), ids...)
	if err != nil {
		return err
	}
	var want, got []string
	for _, p := range s.affiliates {
		text := func(b commission.Balance) string {
			return fmt.Sprintf("%s %s %s %s %s", p.name, b.Pending.StringFixed(2), b.Available.StringFixed(2), b.InPayout.StringFixed(2), b.Paid.StringFixed(2))
		}
		want, got = append(want, text(s.balance(p))), append(got, text(stored[p.id]))
	}
	return same("balances", strings.Join(want, "\n"), strings.Join(got, "\n"))
}

func sortedText(texts []string) string {
	return strings.Join(slices.Sorted(slices.Values(texts)), "\n")
}

func (s *story) compareLines() error {
	var want, got []string
	for _, l := range s.lines {
		want = append(want, s.lineText(l))
	}
	for l, err := range s.w.Program.Commissions.All(s.t.Context(), commission.Filter{Limit: 1000}) {
		if err != nil {
			return err
		}
		got = append(got, s.storedText(&l))
	}
	return same("all lines", sortedText(want), sortedText(got))
}

func (s *story) compareRows() error {
	var want, got []string
	for _, e := range s.rows {
		want = append(want, fmt.Sprint(e.real, " ", s.entryText(e)))
	}
	for t, err := range s.w.Program.Transactions.All(s.t.Context(), transaction.Filter{Limit: 1000}) {
		if err != nil {
			return err
		}
		got = append(got, fmt.Sprint(t.ID, " ", s.rowText(t)))
	}
	return same("transactions", sortedText(want), sortedText(got))
}

func (s *story) compareStatements() error {
	var want, got []string
	text := func(by string, n accountName, name string, version uuid.UUID, f *commission.Footing, customers map[string]string) string {
		return fmt.Sprintf("%s %v %s by %s: opening %s base %s commission %s payable %s closing %s rest %s alone %v", by, n, name, version,
			f.Opening.StringFixed(2), f.Base().StringFixed(2), f.Commission.StringFixed(2), f.Payable.StringFixed(2), f.Closing.StringFixed(2), f.Rest.StringFixed(2), customers)
	}
	for _, st := range s.statements {
		alone := map[string]string{}
		for id, b := range st.carried.Customers {
			alone[id] = b.StringFixed(2)
		}
		want = append(want, text(st.by.name, st.accountName, st.closing.name, st.plan.ID, &st.Footing, alone))
	}
	for st, err := range s.w.Program.Statements.All(s.t.Context(), commission.StatementFilter{Limit: 1000}) {
		if err != nil {
			return err
		}
		whole, err := s.w.Program.Statements.Get(s.t.Context(), st.ID)
		if err != nil {
			return err
		}
		alone := map[string]string{}
		for id, b := range whole.Customers {
			alone[id] = b.StringFixed(2)
		}
		f := st.Footing
		f.Opening, f.Commission, f.Payable, f.Closing, f.Rest = st.Opening, st.Commission, st.Payable, st.Closing, st.Unrecouped
		got = append(got, text(nameOf(s.person(st.AffiliateID)), accountName{st.Plan, st.Rule, st.Split}, st.Name, st.PlanID, &f, alone))
		if !f.Base().Equal(st.Base) {
			return fmt.Errorf("the base of a statement is %s, and its footing's %s", st.Base, f.Base())
		}
	}
	return same("statements", sortedText(want), sortedText(got))
}

func (s *story) comparePayouts() error {
	var want, got []string
	for _, p := range s.payouts {
		want = append(want, fmt.Sprint(p.id, " ", p.by.name, " ", p.amount.StringFixed(2), " ", p.lines, " ", p.status))
	}
	for p, err := range s.w.Program.Payouts.All(s.t.Context(), commission.PayoutFilter{Limit: 1000}) {
		if err != nil {
			return err
		}
		got = append(got, fmt.Sprint(p.ID, " ", nameOf(s.person(p.AffiliateID)), " ", p.Amount.StringFixed(2), " ", p.Lines, " ", p.Status))
	}
	return same("payouts", sortedText(want), sortedText(got))
}

// compareAffiliates folds first.
func (s *story) compareAffiliates() error {
	if _, err := s.w.Program.Fold(s.t.Context()); err != nil {
		return err
	}
	var want, got []string
	for _, p := range s.affiliates {
		volume, commissions := s.totals(p)
		want = append(want, fmt.Sprintf("%s under %s level %d %s %s volume %s earned %s", p.name, nameOf(p.parent), len(p.line())-1, p.status, p.category,
			volume.StringFixed(2), commissions.StringFixed(2)))
	}
	for a, err := range s.w.Program.Affiliates.All(s.t.Context(), affiliate.Filter{Limit: 1000}) {
		if err != nil {
			return err
		}
		var parent *person
		if a.ParentID != nil {
			parent = s.person(*a.ParentID)
		}
		got = append(got, fmt.Sprintf("%s under %s level %d %s %s volume %s earned %s", nameOf(s.person(a.ID)), nameOf(parent), a.Level, a.Status, a.Category,
			a.LifetimeVolume.StringFixed(2), a.LifetimeCommissions.StringFixed(2)))
	}
	if err := same("affiliates", sortedText(want), sortedText(got)); err != nil {
		return err
	}
	return s.compareOwners()
}

func (s *story) compareOwners() error {
	for _, customer := range slices.Sorted(maps.Keys(s.owners)) {
		stored, err := s.w.Program.Customers.Owners(s.t.Context(), customer)
		if err != nil {
			return err
		}
		var want, got []string
		for _, o := range s.owners[customer] {
			want = append(want, nameOf(o.by)+" "+o.from.UTC().Format(time.RFC3339))
		}
		for _, o := range stored {
			var by *person
			if o.AffiliateID != nil {
				by = s.person(*o.AffiliateID)
			}
			got = append(got, nameOf(by)+" "+o.From.UTC().Format(time.RFC3339))
		}
		if err := same("owners of "+customer, strings.Join(want, "\n"), strings.Join(got, "\n")); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) verify() error {
	report, err := s.w.Program.Verify(s.t.Context())
	if err != nil || report.OK() {
		return err
	}
	text, err := json.Marshal(report.Findings)
	if err != nil {
		return err
	}
	return fmt.Errorf("verify: %s", text)
}
