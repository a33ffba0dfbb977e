package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/fature/fature"
	"github.com/fature/fature/affiliate"
	"github.com/fature/fature/commission"
)

// books are the months of the file, and what is done with them after it is
// recorded. All of it can be stopped and started again.
type books struct {
	*fature.Program
	months []commission.Interval
}

// monthsOf are those in which events of the file lie, in the plan's zone.
func monthsOf(t *tally, zone *time.Location) (months []commission.Interval) {
	if t.first.IsZero() {
		return nil
	}
	for m := monthAt(t.first, zone); !m.From.After(t.last); m = monthAt(m.To, zone) {
		months = append(months, m)
	}
	return months
}

func monthAt(at time.Time, zone *time.Location) commission.Interval {
	return commission.IntervalAt(commission.Month, at, zone)
}

// close closes the months that are over, the earliest first.
func (b *books) close(ctx context.Context) error {
	start, done := time.Now(), 0
	var sums commission.Sums
	p := newProgress(int64(len(b.months)), "closing")
	defer p.done()
	for _, m := range b.months {
		if m.To.After(start) {
			break
		}
		p.at(int64(done), "closing "+m.Name)
		closed, err := b.ClosePeriod(ctx, m.Name, nil)
		if err != nil {
			return err
		}
		for _, c := range closed {
			sums.Statements, sums.Lines, sums.Final = sums.Statements+c.Statements, sums.Lines+c.Lines, sums.Final.Add(c.Final)
		}
		done++
	}
	p.done()
	fmt.Printf("%d months closed: %d statements, with %d lines of %s (%.1f s)\n",
		done, sums.Statements, sums.Lines, sums.Final.StringFixed(2), time.Since(start).Seconds())
	return nil
}

// pay makes a payout run at the end of each month, and of the two in which the
// hold of the last lines ends, and sends what it makes by a CSV file.
func (b *books) pay(ctx context.Context, file string, minimum decimal.Decimal, zone *time.Location) error {
	adapter, err := commission.NewCSVFile(file)
	if err != nil {
		return err
	}
	defer adapter.Close()
	start, paid := time.Now(), commission.PayoutRunResult{}
	p := newProgress(int64(len(b.months)+2), "paying")
	defer p.done()
	for i, m := range b.withHold(zone) {
		p.at(int64(i), "paying "+m.Name)
		run, err := b.Payouts.Run(ctx, commission.PayoutRun{Minimum: minimum, UpTo: m.To})
		if err != nil {
			return err
		}
		if err := b.send(ctx, adapter); err != nil {
			return err
		}
		paid.Payouts, paid.Total, paid.RolledOver = paid.Payouts+run.Payouts, paid.Total.Add(run.Total), run.RolledOver
	}
	p.done()
	fmt.Printf("%d payouts of %s written to %s, %d affiliates roll over (%.1f s)\n",
		paid.Payouts, paid.Total.StringFixed(2), file, paid.RolledOver, time.Since(start).Seconds())
	return b.printBalance(ctx)
}

func (b *books) withHold(zone *time.Location) []commission.Interval {
	months := slices.Clone(b.months)
	for range min(2, len(months)) {
		months = append(months, monthAt(months[len(months)-1].To, zone))
	}
	return months
}

// send approves what a run has made, sends it and marks it as paid, with what
// an earlier start of the program left.
func (b *books) send(ctx context.Context, adapter commission.PayoutAdapter) error {
	if err := b.each(ctx, commission.PayoutCreated, b.Payouts.Approve); err != nil {
		return err
	}
	if _, err := b.Payouts.Send(ctx, adapter); err != nil {
		return err
	}
	return b.each(ctx, commission.PayoutSent, b.Payouts.MarkPaid)
}

// each does something with all payouts of a status.
func (b *books) each(ctx context.Context, status commission.PayoutStatus, do func(context.Context, ...uuid.UUID) error) error {
	var all []uuid.UUID
	for p, err := range b.Payouts.All(ctx, commission.PayoutFilter{Status: status}) {
		if err != nil {
			return err
		}
		all = append(all, p.ID)
	}
	for ids := range slices.Chunk(all, commission.MaxPayouts) {
		if err := do(ctx, ids...); err != nil {
			return err
		}
	}
	return nil
}

// printBalance says where the money of all affiliates stands.
func (b *books) printBalance(ctx context.Context) error {
	var ids []uuid.UUID
	for a, err := range b.Affiliates.All(ctx, affiliate.Filter{}) {
		if err != nil {
			return err
		}
		ids = append(ids, a.ID)
	}
	var pending, available, paid decimal.Decimal
	balances, err := b.Commissions.Balances(ctx, ids...)
	for _, one := range balances {
		pending, available, paid = pending.Add(one.Pending), available.Add(one.Available), paid.Add(one.Paid)
	}
	fmt.Printf("  pending %s, available %s, paid %s\n", pending.StringFixed(2), available.StringFixed(2), paid.StringFixed(2))
	return err
}
