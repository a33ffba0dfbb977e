package fature

import (
	"context"
	"slices"

	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/affiliate/click"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/hierarchy"
	"github.com/fature/fature/internal/fault"
	"github.com/fature/fature/internal/pg"
	"github.com/fature/fature/internal/verify"
	"github.com/fature/fature/transaction"
)

// Finding is an invariant that does not hold.
type Finding = verify.Finding

// Invariant is something that Verify checks.
type Invariant struct {
	Name    string
	Meaning string
}

// Report is what Verify found.
type Report struct {
	Checked  []Invariant
	Findings []Finding // none is all well
}

// OK tells that every invariant holds.
func (r Report) OK() bool { return len(r.Findings) == 0 }

// Verify checks the invariants of the programme: that the tree is a tree and
// its closure exact, that every key has its event and every event its lines,
// that each line is what its own calculation gives, that the totals and
// statistics equal the lines, and that the audit saw every change once. It reads everything, in one
// snapshot: a job for the night, or for after a restore. It needs a
// transaction of its own: ErrInvalid under WithTx.
func (p *Program) Verify(ctx context.Context) (Report, error) {
	report, err := p.verify(ctx)
	return report, pg.Fail("fature: verify", err, nil)
}

func (p *Program) verify(ctx context.Context) (Report, error) {
	if err := pg.MayReadAll(p.db); err != nil {
		return Report{}, err
	}
	if pg.Inside(p.db) {
		return Report{}, fault.Field("", "verify needs a transaction of its own")
	}
	var report Report
	err := p.snapshot(ctx, func(db pg.DB) (err error) {
		report, err = p.check(ctx, db)
		return err
	})
	return report, err
}

func (p *Program) check(ctx context.Context, db pg.DB) (report Report, err error) {
	checks := slices.Concat(hierarchy.Checks(), affiliate.Checks(), click.Checks(), transaction.Checks(), commission.Checks(), ownChecks())
	for _, c := range checks {
		report.Checked = append(report.Checked, Invariant{c.Name, c.Meaning})
	}
	if report.Findings, err = verify.Run(ctx, db, checks); err != nil {
		return Report{}, err
	}
	misfits, err := p.Commissions.On(db).Recompute(ctx)
	if err != nil {
		return Report{}, err
	}
	report.add(Invariant{"V2", "a line is what its own calculation gives"}, misfits)
	if misfits, err = p.Plans.Recheck(ctx, db); err != nil {
		return Report{}, err
	}
	report.add(Invariant{"V3", "a statement is what its transactions and the one before it come to"}, misfits)
	return report, nil
}

// add adds what only Go can check.
func (r *Report) add(i Invariant, misfits []commission.Misfit) {
	r.Checked = append(r.Checked, i)
	if len(misfits) == 0 {
		return
	}
	found := Finding{Name: i.Name, Meaning: i.Meaning, Count: len(misfits)}
	for _, m := range misfits[:min(len(misfits), shownProblems)] {
		found.IDs = append(found.IDs, m.ID.String()+": "+m.Problem)
	}
	r.Findings = append(r.Findings, found)
}

// ownChecks span packages: totals, partitions and the audit.
func ownChecks() []verify.Check {
	return []verify.Check{
		{Name: "B1", Meaning: "the totals of an affiliate are its transactions and lines", SQL: checkTotals},
		{Name: "B2", Meaning: "the months of an affiliate are its transactions, lines and new customers", SQL: checkRollups},
		{Name: "B3", Meaning: "the customers of an affiliate are counted once, from their first month", SQL: checkCustomers},
		{Name: "B4", Meaning: "the size of a team is its rows of the tree", SQL: checkTeams},
		{Name: "X1", Meaning: "partitions are whole UTC months, well named, without a gap", SQL: checkMonths},
		{Name: "X2", Meaning: "no partition is half detached or takes what has no month, and no index is invalid", SQL: checkWhole},
		{Name: "X3", Meaning: "every partition has the triggers of its table, enabled", SQL: checkTriggers},
		{Name: "D1", Meaning: "the latest audit image of an affiliate is the affiliate", SQL: checkImages},
		{Name: "D2", Meaning: "audit images chain: what a change began with is what the one before left", SQL: checkChain},
		{Name: "D3", Meaning: "every transaction and line was audited once", SQL: checkAudited},
	}
}
