package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/fature/fature/commission"
)

// shownDifferences is how many affiliates a simulation lists.
const shownDifferences = 10

// simulate rates the file's months again under another plan, which is published
// and assigned to nobody.
func (b *books) simulate(ctx context.Context, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	plan, err := publish(ctx, b.Program, file, text)
	if err != nil || len(b.months) == 0 {
		return err
	}
	start, p := time.Now(), (*progress)(nil)
	s, err := b.Simulate(ctx, commission.Simulation{
		PlanID: plan.ID, From: b.months[0].From, To: b.months[len(b.months)-1].To,
		Progress: func(done, total int) {
			if p == nil {
				p = newProgress(int64(total), "simulating")
			}
			p.at(int64(done), fmt.Sprintf("%d of %d transactions rated again", done, total))
		},
	})
	if p != nil {
		p.done()
	}
	if err != nil {
		return err
	}
	fmt.Printf("under %s, %d transactions and %d statements come to %s, not %s: a difference of %s; breakage %s (%.1f s)\n",
		file, s.Transactions, s.Statements, s.New.StringFixed(2), s.Old.StringFixed(2), s.New.Sub(s.Old).StringFixed(2),
		s.Breakage.StringFixed(2), time.Since(start).Seconds())
	return b.printDifferences(ctx, s.Affiliates)
}

// printDifferences lists those for whom the most would change.
func (b *books) printDifferences(ctx context.Context, all []commission.Comparison) error {
	slices.SortStableFunc(all, func(x, y commission.Comparison) int {
		return cmp.Or(y.Difference().Abs().Cmp(x.Difference().Abs()), slices.Compare(x.AffiliateID[:], y.AffiliateID[:]))
	})
	fmt.Printf("  %-20s %12s %12s %12s\n", "affiliate", "old", "new", "difference")
	for _, c := range all[:min(len(all), shownDifferences)] {
		a, err := b.Affiliates.Get(ctx, c.AffiliateID)
		if err != nil {
			return err
		}
		fmt.Printf("  %-20s %12s %12s %12s\n", a.ReferralCode, c.Old.StringFixed(2), c.New.StringFixed(2), c.Difference().StringFixed(2))
	}
	return nil
}
